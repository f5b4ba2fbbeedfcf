//! A process of a container that opens secrets when it is told to.

use std::ffi::CString;
use std::fs;
use std::io::{BufRead, Write, stdin, stdout};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// Pauses of a paced opener.
const SLICE: Duration = Duration::from_millis(10);

/// What it opens, and from where.
#[derive(Debug, Clone, Args)]
pub(crate) struct Opener {
    /// The cgroup to enter first
    #[arg(long)]
    pub(crate) cgroup: Option<PathBuf>,
    /// The folder of the secrets, named by number
    #[arg(long)]
    pub(crate) secrets: PathBuf,
    /// The first secret's number
    #[arg(long, default_value_t = 0)]
    pub(crate) first: u32,
    /// How many secrets
    #[arg(long)]
    pub(crate) count: u32,
    /// How often each
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: u32,
    /// So many opens in a second; as fast as they come if not given
    #[arg(long)]
    pub(crate) per_second: Option<u32>,
}

/// The file of a secret by its number.
pub(crate) fn secret(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("s{number:05}"))
}

impl Opener {
    /// The words that make a process one.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut words = vec!["opener".to_owned()];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        if let Some(cgroup) = &self.cgroup {
            option("cgroup", cgroup.display().to_string());
        }
        option("secrets", self.secrets.display().to_string());
        option("first", self.first.to_string());
        option("count", self.count.to_string());
        option("rounds", self.rounds.to_string());
        if let Some(pace) = self.per_second {
            option("per-second", pace.to_string());
        }
        words
    }

    /// Enters the cgroup and starts anew in it, as a runtime starts a container's process; says that it is there;
    /// opens once a line comes in; says how long that took; ends when standard input does.
    pub(crate) fn open(mut self) -> Result<()> {
        if let Some(cgroup) = self.cgroup.take() {
            let procs = cgroup.join("cgroup.procs");
            fs::write(&procs, "0").with_context(|| format!("writing {}", procs.display()))?;
            let error = Command::new("/proc/self/exe").args(self.arguments()).exec();
            return Err(error).context("starting anew in the cgroup");
        }
        let paths = (self.first..self.first + self.count)
            .map(|number| CString::new(secret(&self.secrets, number).as_os_str().as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .context("a path with a zero byte")?;
        say("here")?;
        let mut line = String::new();
        stdin().lock().read_line(&mut line).context("waiting for the word")?;
        let begun = Instant::now();
        self.open_all(&paths, begun)?;
        say(&begun.elapsed().as_secs_f64().to_string())?;
        line.clear();
        stdin().lock().read_line(&mut line).context("waiting for the end").map(drop)
    }

    fn open_all(&self, paths: &[CString], begun: Instant) -> Result<()> {
        let in_slice = self.per_second.map(|pace| f64::from(pace) * SLICE.as_secs_f64());
        for (opened, path) in (0..self.rounds).flat_map(|_| paths).enumerate() {
            if let Some(in_slice) = in_slice {
                let due = begun + SLICE.mul_f64((opened as f64 / in_slice).floor());
                sleep(due.saturating_duration_since(Instant::now()));
            }
            open(path.as_c_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
                .with_context(|| format!("opening {}", path.to_string_lossy()))?;
        }
        Ok(())
    }
}

fn say(word: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{word}").and_then(|()| out.flush()).context("speaking")
}
