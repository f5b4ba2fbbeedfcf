//! What the host offers, found without loading anything; the ground for `doctor` when no agent runs.

use std::fs;
use std::path::Path;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As needed.
    Ok,
    /// Works, with a loss.
    Warn,
    /// The agent cannot work.
    Fail,
}

/// One thing that the agent needs of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What it costs, if it is not there.
    pub costs: Option<&'static str>,
    /// What the user can do.
    pub remedy: Option<&'static str>,
}

/// Runs every check.
pub fn host() -> Vec<Check> {
    vec![root(), kernel(), btf(), cgroup_v2(), bpffs(), lsm(), lockdown(), overlay()]
}

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    Check { name, outcome: Outcome::Ok, found: found.into(), costs: None, remedy: None }
}

fn lacking(
    name: &'static str,
    outcome: Outcome,
    found: impl Into<String>,
    costs: &'static str,
    remedy: &'static str,
) -> Check {
    Check { name, outcome, found: found.into(), costs: Some(costs), remedy: Some(remedy) }
}

fn root() -> Check {
    let uid = nix::unistd::geteuid();
    if uid.is_root() {
        return ok("root", "running as root");
    }
    lacking(
        "root",
        Outcome::Fail,
        format!("running as uid {uid}"),
        "no kernel program can be loaded",
        "run as root",
    )
}

fn kernel() -> Check {
    ok("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim())
}

fn btf() -> Check {
    match fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(found) => ok("BTF", format!("/sys/kernel/btf/vmlinux, {} KiB", found.len() / 1024)),
        Err(error) => lacking(
            "BTF",
            Outcome::Fail,
            format!("/sys/kernel/btf/vmlinux: {error}"),
            "kernel structures cannot be read",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF",
        ),
    }
}

/// Mount point of the cgroup v2 hierarchy, if there is one.
pub fn cgroup_v2_mount() -> Option<std::path::PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| place.split(' ').nth(4).map(Into::into)).flatten()
    })
}

fn cgroup_v2() -> Check {
    match cgroup_v2_mount() {
        Some(at) if at == Path::new("/sys/fs/cgroup") => ok("cgroup v2", "mounted at /sys/fs/cgroup"),
        Some(at) => ok("cgroup v2", format!("mounted at {} beside v1 (hybrid)", at.display())),
        None => lacking(
            "cgroup v2",
            Outcome::Fail,
            "not mounted",
            "processes cannot be tied to workloads",
            "boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2",
        ),
    }
}

fn bpffs() -> Check {
    if crate::is_bpffs(Path::new("/sys/fs/bpf")) {
        return ok("bpffs", "mounted at /sys/fs/bpf");
    }
    lacking(
        "bpffs",
        Outcome::Warn,
        "not mounted at /sys/fs/bpf",
        "nothing: the agent mounts it when it starts",
        "mount -t bpf bpf /sys/fs/bpf",
    )
}

fn lsm() -> Check {
    match fs::read_to_string("/sys/kernel/security/lsm") {
        Ok(list) if list.trim().split(',').any(|name| name == "bpf") => ok("BPF LSM", list.trim()),
        Ok(list) => lacking(
            "BPF LSM",
            Outcome::Warn,
            format!("`bpf` is not among {}", list.trim()),
            "the lsm tier: some ways to a secret are not seen, see the hooks",
            "add `bpf` to the kernel's lsm= parameter and reboot",
        ),
        Err(_) => lacking(
            "BPF LSM",
            Outcome::Warn,
            "securityfs is not mounted, so the active LSMs are not known",
            "the lsm tier, unless securityfs can be mounted",
            "mount -t securityfs securityfs /sys/kernel/security",
        ),
    }
}

fn lockdown() -> Check {
    let state = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let active = state.split(['[', ']']).nth(1).unwrap_or("not known");
    match active {
        "confidentiality" => lacking(
            "lockdown",
            Outcome::Fail,
            "confidentiality",
            "kernel memory cannot be read by BPF programs",
            "boot with lockdown=integrity or none",
        ),
        other => ok("lockdown", other),
    }
}

fn overlay() -> Check {
    let known = Path::new("/sys/kernel/btf/overlay").exists()
        || fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.contains("overlay"));
    if known {
        return ok("overlayfs", "available");
    }
    lacking(
        "overlayfs",
        Outcome::Warn,
        "not loaded",
        "image and written binaries cannot be told apart",
        "modprobe overlay, before the agent starts",
    )
}
