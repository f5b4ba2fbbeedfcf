//! What can be said of the host without an agent: files that anyone may read. Loads nothing into the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_api::{Check, CheckResult, ConnectError, Doctor};

use crate::failure::{hint, unreached};

/// The host's files; a test has its own.
pub(crate) struct Host {
    root: PathBuf,
    is_root: bool,
}

impl Host {
    /// The machine that we run on.
    pub(crate) fn here() -> Self {
        Self { root: "/".into(), is_root: nix::unistd::geteuid().is_root() }
    }

    /// The report when no agent answers: first of all that.
    pub(crate) fn doctor(&self, error: &ConnectError) -> Doctor {
        let mut checks = vec![no_agent(error)];
        checks.extend([
            self.root_user(),
            self.btf(),
            self.cgroup2(),
            self.lsm(),
            self.lockdown(),
            self.mounted("bpffs", "bpf", "/sys/fs/bpf", "rules do not outlive the agent"),
            self.mounted("tracefs", "tracefs", "/sys/kernel/tracing", "the tracepoint tier cannot attach"),
        ]);
        Doctor {
            kernel: self.read("proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned()),
            tier: None,
            reasons: vec![
                "only trying tells the tier, and only the agent tries: start cofferdamd and ask again"
                    .to_owned(),
            ],
            hooks: Vec::new(),
            checks,
            blind_spots: Vec::new(),
        }
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    fn root_user(&self) -> Check {
        if self.is_root {
            well("root", "yes")
        } else {
            Check {
                name: "root".to_owned(),
                ok: CheckResult::Warn,
                found: "no".to_owned(),
                costs: Some("the agent's socket and some of these files are closed to you".to_owned()),
                remedy: Some("sudo cofferdam doctor".to_owned()),
            }
        }
    }

    fn btf(&self) -> Check {
        let path = "sys/kernel/btf/vmlinux";
        match fs::metadata(self.root.join(path)) {
            Ok(found) => well("BTF", &format!("/{path}, {} KiB", found.len() >> 10)),
            Err(_) => Check {
                name: "BTF".to_owned(),
                ok: CheckResult::Fail,
                found: format!("no /{path}"),
                costs: Some("the agent cannot learn this kernel's structures and does not start".to_owned()),
                remedy: Some(
                    "use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions ship it".to_owned(),
                ),
            },
        }
    }

    fn cgroup2(&self) -> Check {
        match self.mount_of("cgroup2") {
            Some(at) if at == Path::new("/sys/fs/cgroup") => well("cgroup v2", "/sys/fs/cgroup"),
            Some(at) => well("cgroup v2", &format!("{} (hybrid)", at.display())),
            None => Check {
                name: "cgroup v2".to_owned(),
                ok: CheckResult::Fail,
                found: "not mounted".to_owned(),
                costs: Some("workloads cannot be told apart: the agent refuses such nodes".to_owned()),
                remedy: Some("boot with systemd.unified_cgroup_hierarchy=1".to_owned()),
            },
        }
    }

    fn lsm(&self) -> Check {
        let Some(list) = self.read("sys/kernel/security/lsm") else {
            return Check {
                name: "LSM list".to_owned(),
                ok: CheckResult::Warn,
                found: "cannot be read".to_owned(),
                costs: Some("it is not known whether the lsm tier is possible".to_owned()),
                remedy: Some("mount -t securityfs securityfs /sys/kernel/security".to_owned()),
            };
        };
        if list.split(',').any(|name| name == "bpf") {
            return well("LSM list", &list);
        }
        Check {
            name: "LSM list".to_owned(),
            ok: CheckResult::Warn,
            found: format!("{list} (without bpf)"),
            costs: Some("no lsm tier: file rules are weaker".to_owned()),
            remedy: Some(format!("boot with lsm={list},bpf")),
        }
    }

    fn lockdown(&self) -> Check {
        let state = self.read("sys/kernel/security/lockdown");
        let active = state.as_deref().and_then(|state| {
            state.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
        });
        match active {
            None => well("lockdown", "not in this kernel, or not readable"),
            Some("none") => well("lockdown", "none"),
            Some(level) => Check {
                name: "lockdown".to_owned(),
                ok: CheckResult::Warn,
                found: level.to_owned(),
                costs: Some(
                    "programs that can deny may be refused; then the tracepoint tier remains".to_owned(),
                ),
                remedy: Some("nothing, if this is wanted: it is a decision of the boot".to_owned()),
            },
        }
    }

    fn mounted(&self, name: &str, kind: &str, at: &str, costs: &str) -> Check {
        match self.mount_of(kind) {
            Some(at) => well(name, &at.display().to_string()),
            None => Check {
                name: name.to_owned(),
                ok: CheckResult::Warn,
                found: "not mounted".to_owned(),
                costs: Some(format!("{costs}, unless the agent may mount it")),
                remedy: Some(format!("mount -t {kind} {kind} {at}")),
            },
        }
    }

    /// Where a file system of this kind is mounted first.
    fn mount_of(&self, kind: &str) -> Option<PathBuf> {
        first_mount(&self.read("proc/self/mounts")?, kind)
    }
}

fn first_mount(mounts: &str, kind: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, at, found) = (fields.next()?, fields.next()?, fields.next()?);
        (found == kind).then(|| at.into())
    })
}

fn well(name: &str, found: &str) -> Check {
    Check { name: name.to_owned(), ok: CheckResult::Ok, found: found.to_owned(), costs: None, remedy: None }
}

fn no_agent(error: &ConnectError) -> Check {
    let hint = hint(error).replace('\n', " ");
    Check {
        name: "agent".to_owned(),
        ok: CheckResult::Fail,
        found: unreached(error),
        costs: Some("nothing is seen or recorded on this node, unless another agent does".to_owned()),
        remedy: Some(hint),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_mount_of_a_kind_is_found_by_its_kind_alone() {
        let mounts = "bpf /mnt/decoy tmpfs rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\nnone /second bpf rw 0 0";
        assert_eq!(first_mount(mounts, "bpf"), Some("/sys/fs/bpf".into()));
        assert_eq!(first_mount(mounts, "tracefs"), None);
    }

    #[test]
    fn a_lockdown_is_told_by_its_active_level() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host { root: folder.path().to_owned(), is_root: true };
        assert!(host.lockdown().found.contains("not readable"));
        fs::create_dir_all(folder.path().join("sys/kernel/security")).unwrap();
        let file = folder.path().join("sys/kernel/security/lockdown");
        fs::write(&file, "none [integrity] confidentiality\n").unwrap();
        assert_eq!(host.lockdown().found, "integrity");
        fs::write(&file, [0xff, b'[', 0xfe]).unwrap();
        assert!(host.lockdown().found.contains("not readable"));
    }

    proptest! {
        #[test]
        fn any_mount_table_is_read_without_a_panic(text in "(\\PC|[ \\n]){0,200}", kind in "[a-z2]{1,8}") {
            if let Some(found) = first_mount(&text, &kind) {
                let line = format!(" {} {kind}", found.display());
                prop_assert!(text.contains(&line));
            }
        }

        #[test]
        fn a_mount_among_nonsense_is_found(before in "[ -~]{0,80}", after in "(\\PC|[ \\n]){0,80}") {
            let mounts = format!("{before}\nnone /here/it/is tracefs rw 0 0\n{after}");
            prop_assert!(first_mount(&mounts, "tracefs").is_some());
        }
    }
}
