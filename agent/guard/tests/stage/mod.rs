//! A place of our own: a tmpfs with a secret, a bpffs for the pins, a cgroup that stands for a container. All of it goes
//! with the stage, whatever happens.

#![allow(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cofferdam_guard::{Client, What};
use cofferdam_model::{CgroupId, WorkloadId};
use cofferdam_sensor::abi::policy::{
    Grant, GrantKey, NO_BINDING, Policy, SecretKey, SecretRule, permit, set,
};
use cofferdam_sensor::{Budgets, Config, Generation, Sensor, Watch, abi_inode, object_of_all};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// The rule that refuses.
pub const RULE: u32 = 7;
const GENERATION: u32 = 5;
const PLACE: &str = "COFFERDAM_GUARD_TEST";

pub struct Stage {
    root: PathBuf,
    cgroup: PathBuf,
    owner: bool,
}

impl Stage {
    pub fn set() -> Self {
        let root = tempfile::Builder::new().prefix("cofferdam-guard-").tempdir().unwrap().keep();
        let cgroups = cofferdam_sensor::probe::cgroup_v2_mount().expect("cgroup v2 is mounted");
        let cgroup = cgroups.join(root.file_name().unwrap());
        let stage = Self { root, cgroup, owner: true };
        for (name, kind) in [("volume", "tmpfs"), ("bpf", "bpf")] {
            let at = stage.root.join(name);
            fs::create_dir(&at).unwrap();
            mount(Some("cofferdam-test"), &at, Some(kind), MsFlags::empty(), None::<&str>).unwrap();
        }
        for secret in ["password", "certificate"] {
            fs::write(stage.volume().join(secret), "not a secret").unwrap();
        }
        fs::create_dir(&stage.cgroup).unwrap();
        let own = std::env::current_exe().unwrap();
        fs::copy(&own, stage.reader()).unwrap();
        fs::copy(&own, stage.stranger()).unwrap();
        stage
    }

    /// In a process that the stage's owner has started.
    pub fn found() -> Self {
        let root = PathBuf::from(std::env::var_os(PLACE).expect("started by another test"));
        let cgroups = cofferdam_sensor::probe::cgroup_v2_mount().unwrap();
        let cgroup = cgroups.join(root.file_name().unwrap());
        Self { root, cgroup, owner: false }
    }

    pub fn volume(&self) -> PathBuf {
        self.root.join("volume")
    }

    pub fn secret(&self) -> PathBuf {
        self.volume().join("password")
    }

    /// The binary that may read.
    pub fn reader(&self) -> PathBuf {
        self.root.join("reader")
    }

    /// One that may not.
    pub fn stranger(&self) -> PathBuf {
        self.root.join("stranger")
    }

    pub fn socket(&self) -> PathBuf {
        self.root.join("guard.sock")
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Starts the kernel side, as an agent does, or takes it over from one.
    pub fn sensor(&self) -> Sensor {
        let config = Config {
            pin_dir: self.root.join("bpf/pins"),
            root_cgroup: cofferdam_sensor::probe::cgroup_v2_mount().unwrap(),
            budgets: Budgets { firsts: 1_000, beginnings: 10_000 },
        };
        Sensor::start(&config).unwrap()
    }

    /// Only the reader may read the password; no rule speaks of the certificate.
    pub fn rule(&self, sensor: &mut Sensor) {
        let volume = sensor.query.file(&self.volume()).unwrap().key.filesystem;
        let reader = abi_inode(sensor.query.file(&self.reader()).unwrap().key);
        let object = object_of_all(volume);
        let rule = SecretRule {
            enforce: RULE,
            readers: set::READERS,
            bind: [NO_BINDING; 4],
            ..SecretRule::default()
        };
        let mut name = [0; cofferdam_sensor::abi::policy::KEY_NAME_LEN];
        name[..8].copy_from_slice(b"password");
        let key = cofferdam_sensor::abi::policy::key_of_name(&name);
        let may = Grant { after: permit::ENFORCE_ANY_ORIGIN, ..Grant::default() };
        let generation = Generation {
            number: GENERATION,
            policy: &Policy::default(),
            secrets: &[(SecretKey { object, key, generation: GENERATION, reserved: 0 }, rule)],
            grants: &[(GrantKey { binary: reader, generation: GENERATION, set: set::READERS }, may)],
            prefixes: &[],
            destinations: &[],
        };
        sensor.tables.install(&generation).unwrap();
        let cgroup = CgroupId(fs::metadata(&self.cgroup).unwrap().ino());
        let workload = WorkloadId::rooted_at(cgroup);
        sensor.tables.set_cgroup(cgroup, workload, true).unwrap();
        sensor.tables.assign(workload, GENERATION).unwrap();
        sensor.tables.watch(volume, Watch { whole: true, kubelet: true, ..Watch::default() }).unwrap();
    }

    /// Starts the guard, and has it hold back opens of the volume.
    pub fn guard(&self, sensor: &Sensor) -> Client {
        let mut guard =
            Client::start(Path::new(env!("CARGO_BIN_EXE_cofferdam-guard")), &self.socket()).unwrap();
        guard.hand_over(sensor.query.guard_program().unwrap()).unwrap();
        guard.mark_path(What::Filesystem, &self.volume()).unwrap();
        guard
    }

    /// Another process of this test binary, playing the test `role`.
    pub fn process(&self, binary: &Path, role: &str) -> Command {
        let mut command = Command::new(binary);
        command.args(["--exact", role, "--ignored", "--nocapture"]);
        command.env(PLACE, &self.root).stdout(Stdio::null());
        command
    }

    /// The same in the container: in its cgroup, with mounts of its own.
    pub fn contained(&self, binary: &Path, role: &str) -> Child {
        let procs = self.cgroup.join("cgroup.procs");
        let mut command = self.process(binary, role);
        // SAFETY: system calls only, on what was made before the fork.
        unsafe {
            command.pre_exec(move || {
                fs::write(&procs, "0")?;
                unshare(CloneFlags::CLONE_NEWNS).map_err(Into::into)
            })
        };
        command.spawn().unwrap()
    }
}

/// Waits for a file to come.
pub fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} did not come", path.display());
        sleep(Duration::from_millis(5));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.owner {
            return;
        }
        let _ = fs::write(self.cgroup.join("cgroup.kill"), "1");
        if let Ok(mut guard) = Client::connect(&self.socket()) {
            let pid = guard.state().map(|state| state.pid);
            if guard.end().is_err()
                && let Ok(pid) = pid
            {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid.cast_signed()),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
        let _ = cofferdam_sensor::unload(&self.root.join("bpf/pins"));
        for name in ["volume", "bpf"] {
            let _ = umount2(&self.root.join(name), MntFlags::MNT_DETACH);
        }
        for _ in 0..100 {
            if fs::remove_dir(&self.cgroup).is_ok() || !self.cgroup.exists() {
                break;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}
