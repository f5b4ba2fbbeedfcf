//! What the host offers, found without loading anything; the ground for `doctor` when no agent runs.

use std::fs;
use std::path::{Path, PathBuf};

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
pub fn cgroup_v2_mount() -> Option<PathBuf> {
    cgroup_v2_in(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// As in the text of `/proc/self/mountinfo`.
fn cgroup_v2_in(mounts: &str) -> Option<PathBuf> {
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
        Ok(list) if is_listed(&list, "bpf") => ok("BPF LSM", list.trim()),
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

/// Whether a comma-separated list names it.
fn is_listed(list: &str, wanted: &str) -> bool {
    list.trim().split(',').any(|name| name == wanted)
}

/// The level in brackets, as in `none [integrity] confidentiality`.
fn active_level(state: &str) -> Option<&str> {
    state.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
}

fn lockdown() -> Check {
    let state = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    match active_level(&state).unwrap_or("not known") {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hierarchy_is_found_where_it_is_mounted() {
        let unified = "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(cgroup_v2_in(unified), Some("/sys/fs/cgroup".into()));
        let hybrid = "30 29 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      31 29 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        assert_eq!(cgroup_v2_in(hybrid), Some("/sys/fs/cgroup/unified".into()));
        let lookalike = "32 29 0:29 / /mnt/cgroup2 rw - tmpfs cgroup2 rw";
        assert_eq!(cgroup_v2_in(lookalike), None);
    }

    #[test]
    fn only_a_whole_name_in_the_list_counts() {
        assert!(is_listed("lockdown,capability,bpf\n", "bpf"));
        assert!(!is_listed("capability,bpfilter", "bpf"));
        assert!(!is_listed("", "bpf"));
    }

    #[test]
    fn the_active_level_stands_in_brackets() {
        assert_eq!(active_level("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(active_level("none integrity"), None);
        assert_eq!(active_level("[]"), Some(""));
    }

    proptest! {
        #[test]
        fn any_mount_table_is_read_without_a_panic(text in "([ -~]|\\PC|[ \\n-]){0,200}") {
            let _ = cgroup_v2_in(&text);
        }

        #[test]
        fn what_is_found_is_a_mount_point_of_a_line_of_that_kind(
            lines in prop::collection::vec(("[a-z/ -]{0,40}", "(cgroup2?|tmpfs| |-){0,3}"), 0..8),
        ) {
            let lines: Vec<String> = lines.iter().map(|(place, kind)| format!("{place} - {kind} x")).collect();
            if let Some(found) = cgroup_v2_in(&lines.join("\n")) {
                let found = found.to_string_lossy().into_owned();
                prop_assert!(lines.iter().any(|line| line.contains(" - cgroup2 ") && line.contains(&found)));
            }
        }

        #[test]
        fn any_list_and_any_state_is_read_without_a_panic(text in "(\\PC|[\\[\\], \\n]){0,60}", name in "[a-z]{1,6}") {
            let _ = (is_listed(&text, &name), active_level(&text));
            let list = format!("{name},{text}");
            prop_assert!(is_listed(&list, &name));
        }
    }
}
