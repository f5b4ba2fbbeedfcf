//! Virtual machines: one boots a kernel of `tests/kernels.toml`, runs one command, and powers off.
//!
//! Everything that the guest sees is in its initramfs; nothing is shared with this machine while it runs. What it
//! prints goes to a log; its last line tells the command's exit code, and without that line the run has failed.

pub(crate) mod command;
mod contents;
mod cpio;
mod qemu;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::kernels::{Kernel, KernelFiles};
use crate::places::Places;
use crate::setup::kernel_dir;

pub(crate) use qemu::capacity;

/// How the guest announces its command's exit code; `guest-init` prints it.
const LAST_WORDS: &str = "guest: exit ";

/// One virtual machine's task.
pub(crate) struct Guest<'a> {
    /// What its files are called, among those of the machines that run beside it.
    pub(crate) name: String,
    /// The kernel to boot.
    pub(crate) kernel: &'a Kernel,
    /// Modules to load first.
    pub(crate) modules: &'a [String],
    /// The program to run and its arguments.
    pub(crate) command: Vec<String>,
    /// How the guest's time passes.
    pub(crate) clock: Clock,
    /// How long the whole run may take.
    pub(crate) timeout: Duration,
}

/// How the guest's time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// As on this machine, on two processors.
    Real,
    /// One instruction takes one nanosecond, on one processor: costs repeat, whatever else this machine does.
    Instructions,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The command's exit code; `None` if the guest did not live to tell.
    pub(crate) exit: Option<i32>,
    /// Everything on the serial console.
    pub(crate) console: String,
    /// Where the console was saved.
    pub(crate) log: PathBuf,
    /// From start to power-off, on this machine's clock.
    pub(crate) took: Duration,
}

impl Guest<'_> {
    /// Boots the machine and waits for its end.
    pub(crate) fn run(&self, places: &Places) -> Result<Outcome> {
        self.run_to_end(places)
            .with_context(|| format!("running a virtual machine with kernel {}", self.kernel.name))
    }

    fn run_to_end(&self, places: &Places) -> Result<Outcome> {
        let dir = places.target.join("vm");
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let files = KernelFiles::find(self.kernel, &kernel_dir(places, self.kernel))?;
        let initramfs = dir.join(format!("{}.initramfs", self.name));
        let log = dir.join(format!("{}.log", self.name));
        contents::write(&initramfs, places, &files, self.modules, &self.command)
            .with_context(|| format!("writing {}", initramfs.display()))?;
        let started = Instant::now();
        qemu::run(places, self, &files.image, &initramfs, &log)?;
        let took = started.elapsed();
        let console = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
        let console = String::from_utf8_lossy(&console).replace('\r', "");
        Ok(Outcome { exit: exit_code(&console), console, log, took })
    }
}

impl Outcome {
    /// The console's last lines.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self.console.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

fn exit_code(console: &str) -> Option<i32> {
    console.lines().rev().find_map(|line| line.strip_prefix(LAST_WORDS)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_read_from_the_last_line_that_tells_it() {
        assert_eq!(exit_code("hello\nguest: exit 3\n[    4.1] reboot: Power down\n"), Some(3));
        assert_eq!(exit_code("guest: exit \nKernel panic - not syncing"), None);
        assert_eq!(exit_code(""), None);
    }
}
