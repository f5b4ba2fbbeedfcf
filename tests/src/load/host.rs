//! What the kernel says of processes: their CPU time and their memory.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Sub;

use anyhow::{Context, Result};
use nix::time::ClockId;
use nix::unistd::{SysconfVar, sysconf};

use crate::clock::nanoseconds;

/// CPU time that a process has used, and when that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime {
    used: u64,
    at: u64,
}

impl CpuTime {
    /// Of a running process.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let ticks = ticks_in(&text).with_context(|| format!("understanding {path}"))?;
        let second = sysconf(SysconfVar::CLK_TCK).context("asking for the length of a tick")?;
        let second = u64::try_from(second.unwrap_or(100)).context("a tick of negative length")?;
        Ok(Self { used: ticks * 1_000_000_000 / second, at: nanoseconds(ClockId::CLOCK_MONOTONIC)? })
    }

    /// Of one processor.
    pub(crate) fn percent(self) -> f64 {
        100.0 * self.used as f64 / self.at.max(1) as f64
    }

    /// In seconds.
    pub(crate) fn seconds(self) -> f64 {
        self.used as f64 / 1e9
    }
}

impl Sub for CpuTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { used: self.used.saturating_sub(earlier.used), at: self.at.saturating_sub(earlier.at) }
    }
}

/// User and system ticks; the name before them may hold anything.
fn ticks_in(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Resident memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    /// All of it.
    pub(crate) total: u64,
    /// What no file backs.
    pub(crate) anonymous: u64,
}

/// Resident memory, as the kernel counts it.
pub(crate) fn resident_bytes(pid: u32) -> Result<Resident> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let field = |name| number_in(&text, name).map(|kib| kib * 1024);
    let understood = || Some(Resident { total: field("VmRSS:")?, anonymous: field("RssAnon:")? });
    understood().with_context(|| format!("understanding {path}"))
}

/// Memory of the tables that a process holds descriptors of, as the kernel accounts it, in bytes. A table counts once,
/// however many descriptors of it there are.
pub(crate) fn map_bytes(pid: u32) -> Result<u64> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?.flatten() {
        // A descriptor may be closed meanwhile.
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        if let (Some(id), Some(bytes)) = (number_in(&text, "map_id:"), number_in(&text, "memlock:")) {
            maps.insert(id, bytes);
        }
    }
    Ok(maps.values().sum())
}

/// The number behind a name at the beginning of a line.
fn number_in(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 5 0 0 0 12 30 0 0 20 0 1 0 4";
        assert_eq!(ticks_in(stat), Some(42));
        assert_eq!(ticks_in("7 (a"), None);
    }

    #[test]
    fn numbers_are_found_by_their_names() {
        let text = "VmRSS:\t    1234 kB\nmap_id:\t7\nmemlock:\t4096\n";
        assert_eq!(number_in(text, "VmRSS:"), Some(1234));
        assert_eq!(number_in(text, "memlock:"), Some(4096));
        assert_eq!(number_in(text, "RssAnon:"), None);
    }
}
