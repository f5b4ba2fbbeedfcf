//! What runc is told about a container: an OCI configuration like that of an ordinary Docker container.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

/// Capabilities of a Docker container for which nothing else was asked.
const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Kernel file systems: where, type, options.
const KERNEL_MOUNTS: &[(&str, &str, &[&str])] = &[
    ("/proc", "proc", &["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
];

const MASKED: &[&str] = &["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A folder or file of the host in a container.
#[derive(Debug, Clone)]
pub(super) struct Bind {
    pub(super) from: PathBuf,
    pub(super) to: String,
    pub(super) writable: bool,
}

/// Whose processes a container sees.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Processes {
    /// Its own.
    #[default]
    Own,
    /// Those of the pid namespace of this process.
    Of(u32),
    /// All.
    Host,
}

/// A container as it was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Bundle {
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) more_capabilities: Vec<String>,
    pub(super) binds: Vec<Bind>,
    /// Further procfs mounts of the container's own pid namespace.
    pub(super) more_proc: Vec<String>,
    pub(super) cgroup: String,
    /// Whose processes it sees.
    pub(super) processes: Processes,
    /// Whether it has a network namespace of its own, with a loopback device alone.
    pub(super) own_network: bool,
    /// What a runtime with an interface writes down of the pod.
    pub(super) annotations: Vec<(String, String)>,
}

impl Bundle {
    /// The text of `config.json`; the root lies beside it.
    pub(super) fn to_config(&self) -> Value {
        let mut environment = vec!["PATH=/bin".to_owned()];
        environment.extend(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        let capabilities: Vec<&str> =
            CAPABILITIES.iter().copied().chain(self.more_capabilities.iter().map(String::as_str)).collect();
        let mut namespaces =
            vec![json!({ "type": "ipc" }), json!({ "type": "uts" }), json!({ "type": "mount" })];
        match self.processes {
            Processes::Own => namespaces.push(json!({ "type": "pid" })),
            Processes::Of(pid) => {
                namespaces.push(json!({ "type": "pid", "path": format!("/proc/{pid}/ns/pid") }));
            }
            Processes::Host => {}
        }
        if self.own_network {
            namespaces.push(json!({ "type": "network" }));
        }
        let annotations: Map<String, Value> =
            self.annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": { "uid": 0, "gid": 0 },
                "args": self.command,
                "env": environment,
                "cwd": "/",
                "capabilities": {
                    "bounding": capabilities,
                    "effective": capabilities,
                    "permitted": capabilities,
                },
                "noNewPrivileges": false,
            },
            "root": { "path": "rootfs", "readonly": false },
            "hostname": "container",
            "annotations": annotations,
            "mounts": self.mounts(),
            "linux": {
                "cgroupsPath": self.cgroup,
                "namespaces": namespaces,
                "maskedPaths": MASKED,
                "readonlyPaths": READ_ONLY,
            },
        })
    }

    fn mounts(&self) -> Vec<Value> {
        let kernel = KERNEL_MOUNTS.iter().map(|(to, kind, options)| {
            json!({ "destination": to, "type": kind, "source": kind, "options": options })
        });
        let binds = self.binds.iter().map(|bind| {
            let access = if bind.writable { "rw" } else { "ro" };
            json!({
                "destination": bind.to, "type": "bind", "source": bind.from, "options": ["rbind", "rprivate", access],
            })
        });
        let proc = self.more_proc.iter().map(|to| {
            json!({ "destination": to, "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] })
        });
        kernel.chain(binds).chain(proc).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_what_was_asked_for() {
        let bundle = Bundle {
            command: vec!["/bin/actor".to_owned()],
            environment: vec![("DB_PASSWORD".to_owned(), "x".to_owned())],
            more_capabilities: vec!["CAP_SYS_PTRACE".to_owned()],
            binds: vec![Bind { from: "/srv/a".into(), to: "/etc/creds".to_owned(), writable: false }],
            more_proc: vec!["/mnt/proc".to_owned()],
            cgroup: "/run/id".to_owned(),
            processes: Processes::Of(7),
            own_network: false,
            annotations: vec![("io.kubernetes.cri.sandbox-name".to_owned(), "web-0".to_owned())],
        };
        let config = bundle.to_config();
        assert_eq!(config["process"]["env"], json!(["PATH=/bin", "DB_PASSWORD=x"]));
        let effective = config["process"]["capabilities"]["effective"].as_array().unwrap();
        assert_eq!(effective.len(), CAPABILITIES.len() + 1);
        assert_eq!(config["annotations"], json!({ "io.kubernetes.cri.sandbox-name": "web-0" }));
        let mounts = config["mounts"].as_array().unwrap();
        let bind = mounts.iter().find(|mount| mount["destination"] == "/etc/creds").unwrap();
        assert_eq!(bind["options"], json!(["rbind", "rprivate", "ro"]));
        assert_eq!(mounts.iter().filter(|mount| mount["type"] == "proc").count(), 2);
        let namespaces = config["linux"]["namespaces"].as_array().unwrap();
        assert_eq!(namespaces[3]["path"], "/proc/7/ns/pid");
        let has_network = |config: &Value| {
            config["linux"]["namespaces"].as_array().unwrap().contains(&json!({ "type": "network" }))
        };
        assert!(!has_network(&config));
        assert!(has_network(&Bundle { own_network: true, ..bundle }.to_config()));
    }
}
