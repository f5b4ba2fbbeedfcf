//! Starting QEMU and waiting for it, but never for ever.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Clock, Guest};
use crate::machine::Machine;
use crate::places::Places;

const POLL: Duration = Duration::from_millis(50);

/// Memory of one guest, in MiB.
const GUEST_MEMORY: u64 = 2048;

/// What one guest takes of this machine's memory, with QEMU itself and its translated code, in MiB.
const MEMORY_TAKEN: u64 = GUEST_MEMORY + 512;

/// Boots `image` and waits until it powers off; its console goes to `log`.
pub(super) fn run(
    places: &Places,
    guest: &Guest<'_>,
    image: &Path,
    initramfs: &Path,
    log: &Path,
) -> Result<()> {
    let machine = Machine::of(places)?;
    let mut qemu = Command::new(machine.emulator);
    qemu.args(machine.board)
        .args(["-cpu", &processor(machine, guest.clock), "-m", &format!("{GUEST_MEMORY}M"), "-no-reboot"])
        .args(["-display", "none", "-monitor", "none", "-nic", "none", "-no-user-config"])
        .args(clock(guest.clock))
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", &command_line(machine, &guest.kernel.lsm, guest.clock)])
        .arg("-serial")
        .arg(format!("file:{}", log.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut child = qemu.spawn().with_context(|| format!("starting {}", machine.emulator))?;
    let status = wait(&mut child, guest.timeout)?;
    if let Some(status) = status {
        ensure!(status.success(), "{} ended with {status}", machine.emulator);
    }
    Ok(())
}

/// Instructions are counted on the fullest processor; whoever waits gets one that is quick to imitate.
fn processor(machine: &Machine, clock: Clock) -> String {
    match clock {
        Clock::Real => format!("max{}", machine.slow),
        Clock::Instructions => "max".to_owned(),
    }
}

/// The kernel's parameters: a panic ends the machine at once, and warnings do not cut into what the command prints. What
/// guards against faults of real processors is left out, but where its instructions count.
fn command_line(machine: &Machine, lsm: &str, clock: Clock) -> String {
    let console = machine.console;
    let guards = match clock {
        Clock::Real => "mitigations=off init_on_alloc=0",
        Clock::Instructions => "",
    };
    format!("console={console} panic=-1 oops=panic loglevel=4 lsm={lsm} {guards}")
}

fn clock(clock: Clock) -> &'static [&'static str] {
    match clock {
        Clock::Real => &["-accel", "tcg,thread=multi", "-smp", "2"],
        Clock::Instructions => &["-accel", "tcg", "-icount", "shift=0,sleep=off", "-smp", "1"],
    }
}

/// Waits for the machine's end and stops it when its time is up; then there is no status.
fn wait(child: &mut Child, timeout: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait().context("waiting for QEMU")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            eprintln!("vm: stopped after {} s", timeout.as_secs());
            child.kill().context("stopping QEMU")?;
            child.wait().context("waiting for QEMU after stopping it")?;
            return Ok(None);
        }
        sleep(POLL);
    }
}

/// How many machines this one can run at once: as its processors and its free memory allow, at least one.
pub(crate) fn capacity() -> Result<usize> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let free = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let free_mib = available_kib(&free).context("/proc/meminfo has no MemAvailable")? / 1024;
    let fitting = usize::try_from(free_mib / MEMORY_TAKEN).unwrap_or(usize::MAX);
    Ok(processors.min(fitting).max(1))
}

fn available_kib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read_from_meminfo() {
        let meminfo = "MemTotal:       24689764 kB\nMemAvailable:   23500000 kB\n";
        assert_eq!(available_kib(meminfo), Some(23_500_000));
    }
}
