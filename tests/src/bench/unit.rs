//! The systemd unit that is shipped: what it leaves an agent of root's rights.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::libc;

/// The unit's text.
pub const UNIT: &str = include_str!("../../../deploy/systemd/cofferdamd.service");

/// Capabilities by number, as `linux/capability.h` has them.
const CAPABILITIES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Leaves a program that is to be started the capabilities of the unit, and no way to others.
pub(super) fn confine(command: &mut Command) -> Result<()> {
    let kept = capabilities(UNIT)?;
    let dropped: Vec<libc::c_ulong> =
        (0..CAPABILITIES.len()).filter(|number| !kept.contains(number)).map(|number| number as _).collect();
    let leave = move || -> io::Result<()> {
        for number in &dropped {
            // SAFETY: takes numbers only.
            Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, *number, 0, 0, 0) })?;
        }
        nix::sys::prctl::set_no_new_privs()?;
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made, with numbers that were there before.
    unsafe { command.pre_exec(leave) };
    Ok(())
}

/// The numbers of the capabilities that a unit leaves.
fn capabilities(unit: &str) -> Result<Vec<usize>> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let number = |name: &str| {
        let known = CAPABILITIES.iter().position(|known| name.strip_prefix("CAP_") == Some(known));
        known.with_context(|| format!("the unit leaves `{name}`, which is no capability"))
    };
    let kept: Vec<usize> = lines.flat_map(str::split_whitespace).map(number).collect::<Result<_>>()?;
    ensure!(!kept.is_empty(), "the unit does not say which capabilities it leaves");
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_capabilities_are_known_by_their_numbers() {
        assert_eq!(capabilities("CapabilityBoundingSet=CAP_SYS_ADMIN CAP_BPF\n").unwrap(), [21, 39]);
        assert!(capabilities("CapabilityBoundingSet=CAP_MAGIC\n").is_err());
        assert!(capabilities("NoNewPrivileges=yes\n").is_err());
        assert!(capabilities(UNIT).unwrap().contains(&21));
    }
}
