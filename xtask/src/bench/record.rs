//! The record of a bench: a JSON file with everything that was measured, and on what.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use super::runs::Run;
use crate::command::quietly;
use crate::places::Places;

/// On what was measured.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    processor: String,
    processors: usize,
    memory_mib: u64,
    kernel: String,
    commit: String,
    compiler: String,
}

#[derive(Serialize)]
struct Record<'a> {
    when: &'a str,
    quick: bool,
    machine: &'a Machine,
    runs: &'a [Run],
    missed: &'a [String],
}

impl Machine {
    /// This one.
    pub(super) fn here(places: &Places) -> Result<Self> {
        let text = |path: &str| fs::read_to_string(path).with_context(|| format!("reading {path}"));
        let (processors, memory) = (text("/proc/cpuinfo")?, text("/proc/meminfo")?);
        let git = |words: &[&str]| {
            quietly(Command::new("git").args(words).current_dir(&places.root), "asking git for the commit")
        };
        let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
        let changed = !git(&["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default().is_empty();
        let kib = field(&memory, "MemTotal").and_then(|size| size.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            processor: field(&processors, "model name").unwrap_or("not known").to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib.unwrap_or_default() / 1024,
            kernel: text("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            commit: format!("{}{}", commit.trim(), if changed { " and changes" } else { "" }),
            compiler: places.compiler.release.clone(),
        })
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        format!(
            "{} × {}, {} GiB, kernel {}, Rust {}, commit {}",
            self.processors,
            self.processor,
            (self.memory_mib + 512) / 1024,
            self.kernel,
            self.compiler,
            self.commit
        )
    }
}

/// A field of /proc/cpuinfo or /proc/meminfo.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim()))
}

/// Now, in UTC, fit for a file name: `2026-11-22T08-30-00Z`.
pub(super) fn now() -> Result<String> {
    let now = quietly(Command::new("date").args(["-u", "+%Y-%m-%dT%H-%M-%SZ"]), "asking for the time")?;
    Ok(now.trim().to_owned())
}

/// Writes the record; where it lies.
pub(super) fn write(
    places: &Places,
    when: &str,
    quick: bool,
    machine: &Machine,
    runs: &[Run],
    missed: &[String],
) -> Result<PathBuf> {
    let dir = places.target.join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let path = dir.join(format!("{when}.json"));
    let record = Record { when, quick, machine, runs, missed };
    let text = serde_json::to_string_pretty(&record).context("writing the record")?;
    fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nMemTotal:       24689764 kB\n";
        assert_eq!(field(text, "model name"), Some("A Processor @ 2 GHz"));
        assert_eq!(field(text, "MemTotal"), Some("24689764 kB"));
        assert_eq!(field(text, "flags"), None);
    }
}
