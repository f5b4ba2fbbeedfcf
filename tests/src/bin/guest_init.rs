//! The first process of a virtual machine: mounts what a container host has mounted, runs one command, tells its exit
//! code on the console, and powers off.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, sethostname, sync};

/// The program to run and its arguments, separated by zero bytes.
const COMMAND: &str = "/cofferdam/command";

/// Our own binaries.
const BIN_DIR: &str = "/cofferdam/bin";

/// Kernel modules, named in the order in which they are loaded.
const MODULES: &str = "/cofferdam/modules";

/// Told as exit code when there was no command to tell one.
const NO_COMMAND: i32 = 125;

/// File system, where, options.
const MOUNTS: &[(&str, &str, &str)] = &[
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", ""),
    ("devpts", "/dev/pts", "ptmxmode=0666"),
    ("tmpfs", "/dev/shm", ""),
    ("tmpfs", "/run", "mode=755"),
    ("tmpfs", "/tmp", "mode=1777"),
    ("cgroup2", "/sys/fs/cgroup", ""),
    ("bpf", "/sys/fs/bpf", "mode=700"),
    ("tracefs", "/sys/kernel/tracing", ""),
    ("securityfs", "/sys/kernel/security", ""),
];

fn main() {
    let code = run().unwrap_or_else(|error| {
        eprintln!("guest: {error:#}");
        NO_COMMAND
    });
    println!("guest: exit {code}");
    // Nothing can be done about an error here but power off all the same.
    let _ = std::io::stdout().flush();
    sync();
    let _ = busybox(&["poweroff", "-f"]);
}

fn run() -> Result<i32> {
    leave_rootfs()?;
    for (kind, at, options) in MOUNTS {
        fs::create_dir_all(at).with_context(|| format!("creating {at}"))?;
        mount(Some(*kind), *at, Some(*kind), MsFlags::empty(), Some(*options))
            .with_context(|| format!("mounting {kind} on {at}"))?;
    }
    sethostname("guest").context("setting the host name")?;
    load_modules()?;
    busybox(&["ip", "link", "set", "lo", "up"])?;
    run_command()
}

/// Makes the root a mount of its own. The kernel's first mount has no parent, so nobody can leave it by `pivot_root`,
/// which is how runc enters a container.
fn leave_rootfs() -> Result<()> {
    const NEW_ROOT: &str = "/mnt";
    let nothing = None::<&str>;
    mount(Some("/"), NEW_ROOT, nothing, MsFlags::MS_BIND, nothing).context("binding the root")?;
    std::env::set_current_dir(NEW_ROOT).context("entering the new root")?;
    mount(Some("."), "/", nothing, MsFlags::MS_MOVE, nothing)
        .context("moving the new root over the old one")?;
    chroot(".").context("changing the root")?;
    std::env::set_current_dir("/").context("entering the root")
}

fn load_modules() -> Result<()> {
    let Ok(entries) = fs::read_dir(MODULES) else { return Ok(()) };
    let mut modules: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    modules.sort();
    modules.iter().try_for_each(|module| {
        busybox(&["insmod", &module.to_string_lossy()])
            .with_context(|| format!("loading {}", module.display()))
    })
}

fn run_command() -> Result<i32> {
    let command = fs::read(COMMAND).with_context(|| format!("reading {COMMAND}"))?;
    let mut words = command.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let program = words.next().unwrap_or_default();
    let child = Command::new(resolve(program))
        .arg0(program)
        .args(words)
        .current_dir("/root")
        .env_clear()
        .env("PATH", format!("{BIN_DIR}:/usr/bin:/bin"))
        .env("HOME", "/root")
        .env("COFFERDAM_BIN_DIR", BIN_DIR)
        .env("RUST_BACKTRACE", "1")
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let child = Pid::from_raw(i32::try_from(child.id()).context("a process id beyond the kernel's range")?);
    // Every orphan becomes a child of the first process, which must see it off.
    loop {
        match wait().context("waiting for the command")? {
            WaitStatus::Exited(pid, code) if pid == child => return Ok(code),
            WaitStatus::Signaled(pid, signal, _) if pid == child => return Ok(128 + signal as i32),
            _ => {}
        }
    }
}

/// Our own binaries need no path; others are looked up where the guest has its programs.
fn resolve(program: &OsStr) -> PathBuf {
    [BIN_DIR, "/usr/bin", "/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(program))
}

fn busybox(args: &[&str]) -> Result<()> {
    let status = Command::new("/bin/busybox").args(args).status().context("starting busybox")?;
    ensure!(status.success(), "`busybox {}` ended with {status}", args.join(" "));
    Ok(())
}
