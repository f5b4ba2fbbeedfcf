//! A container of runc that has a name for people and an application as its main process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cofferdam_tests::actor::{Reply, Request};
use cofferdam_tests::bench::wait::{Look, PATIENCE};
use cofferdam_tests::bench::{Image, Mounted, Place, until};
use cofferdam_tests::stage::Went;
use nix::errno::Errno;
use serde_json::{Value, json};

/// Where runc keeps what it knows of containers, unless it is told otherwise.
const RUNC_STATE: &str = "/run/runc";
/// Where the folder is mounted over which a process of the container is told what to do.
const CONTROL: &str = "/ctl";
/// The user that applications run as.
const USER: u32 = 1000;

/// What a container is made of.
pub(super) struct Recipe<'a> {
    /// Its name; runc takes it for its id.
    pub(super) name: &'a str,
    /// The application's path in it.
    pub(super) program: &'a str,
    /// Files below `/run/secrets`: the mount's name, and the keys in it.
    pub(super) secret: (&'a str, &'a [&'a str]),
    /// A variable of the environment that holds a credential.
    pub(super) variable: &'a str,
}

/// A container that runs. Killed and removed on drop.
pub(super) struct Running {
    name: String,
    control: PathBuf,
    // Unmounted after the container is gone.
    _mounts: Vec<Mounted>,
}

impl Running {
    /// Starts it, and waits until its main process listens.
    pub(super) fn start(place: &Place, image: &Image, recipe: &Recipe<'_>) -> Result<Self> {
        let name = recipe.name;
        ensure!(
            !Path::new(RUNC_STATE).join(name).exists(),
            "there is a container {name} already: of another demo that runs, or yours (`runc delete {name}` removes it)"
        );
        let folder = place.path(name);
        let control = folder.join("control");
        fs::create_dir_all(&control).with_context(|| format!("creating {}", control.display()))?;
        fs::set_permissions(&control, fs::Permissions::from_mode(0o777))
            .context("opening the control folder")?;
        let root = Mounted::overlay(
            &folder.join("rootfs"),
            &[image.folder()],
            &folder.join("upper"),
            &folder.join("work"),
        )?;
        let secret = Mounted::tmpfs(&folder.join("secret"))?;
        for key in recipe.secret.1 {
            fs::write(secret.path().join(key), random_value()?)
                .with_context(|| format!("writing the secret {key}"))?;
        }
        let config = configuration(recipe, &format!("/{}/{name}", place.name()), secret.path(), &control)?;
        fs::write(folder.join("config.json"), config.to_string())
            .context("writing the container's configuration")?;
        run(&folder, name)?;
        let running = Self { name: name.to_owned(), control, _mounts: vec![root, secret] };
        running.process("server").wait()?;
        Ok(running)
    }

    /// One of its processes, by the name of its socket.
    pub(super) fn process(&self, socket: &str) -> Process {
        Process { socket: self.control.join(socket) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut runc = Command::new("runc");
        runc.args(["delete", "--force", &self.name])
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // What stays is found by its bundle when the place is cleared.
        let _ = runc.status();
    }
}

/// The socket's path as a process of the container sees it.
pub(super) fn socket(name: &str) -> String {
    format!("{CONTROL}/{name}")
}

/// A process of a container that does what it is told.
pub(super) struct Process {
    socket: PathBuf,
}

impl Process {
    /// Has it take a step, and says what came of it.
    pub(super) fn tries(&self, step: &str, args: &[&str]) -> Result<Reply> {
        let about = || format!("telling a container to {step} {}", args.join(" "));
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let request =
            serde_json::to_string(&Request::Do { step: step.to_owned(), args }).with_context(about)?;
        let mut stream = UnixStream::connect(&self.socket).with_context(about)?;
        stream.set_read_timeout(Some(PATIENCE)).with_context(about)?;
        stream.write_all((request + "\n").as_bytes()).with_context(about)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).with_context(about)?;
        serde_json::from_str(&line).with_context(about)
    }

    /// Has it take a step, which must go through.
    pub(super) fn does(&self, step: &str, args: &[&str]) -> Result<()> {
        self.tries(step, args)?.went_through().map(drop)
    }

    /// Has it take a step, which must be refused by a policy's errno.
    pub(super) fn is_denied(&self, step: &str, args: &[&str]) -> Result<()> {
        self.tries(step, args)?.was_refused_with(Errno::EPERM)
    }

    /// Waits until it listens.
    pub(super) fn wait(&self) -> Result<()> {
        until("a process of a container", || {
            let there = UnixStream::connect(&self.socket).is_ok();
            Ok(if there { Look::Found(()) } else { Look::NotYet("it does not listen".to_owned()) })
        })
    }
}

/// Starts the container; its processes go on when runc has ended.
fn run(folder: &Path, name: &str) -> Result<()> {
    let log = folder.join("log");
    let about = || format!("starting the container {name}");
    let output = fs::File::create(&log).with_context(about)?;
    let mut runc = Command::new("runc");
    runc.args(["run", "--detach", "--bundle"]).arg(folder).arg(name);
    runc.process_group(0).stdin(Stdio::null()).stdout(output.try_clone().with_context(about)?).stderr(output);
    let status = runc.status().with_context(about)?;
    let said = || fs::read_to_string(&log).unwrap_or_default();
    ensure!(status.success(), "{}: runc ended with {status}: {}", about(), said().trim());
    Ok(())
}

/// A value that nobody knows, not even this program afterwards.
fn random_value() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid").context("asking for a random value")?;
    Ok(text.trim().to_owned())
}

fn configuration(recipe: &Recipe<'_>, cgroup: &str, secret: &Path, control: &Path) -> Result<Value> {
    let (secret_name, _) = recipe.secret;
    let kernel = |to: &str, kind: &str, options: &[&str]| json!({ "destination": to, "type": kind, "source": kind, "options": options });
    let bind = |from: &Path, to: &str, access: &str| json!({ "destination": to, "type": "bind", "source": from, "options": ["rbind", "rprivate", access] });
    let namespaces = ["pid", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": USER, "gid": USER },
            "args": [recipe.program, "serve", socket("server")],
            "env": ["PATH=/bin".to_owned(), format!("{}={}", recipe.variable, random_value()?)],
            "cwd": "/app",
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs" },
        "hostname": recipe.name,
        "mounts": [
            kernel("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            kernel("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            bind(secret, &format!("/run/secrets/{secret_name}"), "ro"),
            bind(control, CONTROL, "rw"),
        ],
        // Its network is the host's: everything that it connects to is on loopback.
        "linux": { "cgroupsPath": cgroup, "namespaces": namespaces },
    }))
}
