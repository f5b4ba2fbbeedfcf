//! Containers of runc, with the actor as their main process.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, iter};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;

use super::bundle::{Bind, Bundle, Processes};
use super::command::{Finished, finish, leave_behind, succeed};
use super::sweep::end_container;
use super::wait::{Look, PATIENCE};
use super::{Image, Mounted, Place, Secret, random, until};
use crate::actor::{Reply, Request};

/// The actor's path in every container.
pub const ACTOR: &str = "/bin/actor";

/// Where the folder is mounted over which the bench and the container's main process speak.
const CONTROL: &str = "/ctl";

/// How runc says EPERM.
const REFUSED: &str = "operation not permitted";

/// A container that is to be.
#[derive(Debug)]
pub struct ContainerBuilder<'p> {
    place: &'p Place,
    image: &'p Image,
    bundle: Bundle,
    cgroup_parent: String,
    main: &'static str,
    id: Option<String>,
    layers: Vec<PathBuf>,
}

impl<'p> ContainerBuilder<'p> {
    /// An ordinary container; see the other functions for what can be different.
    pub fn new(place: &'p Place, image: &'p Image) -> Self {
        let cgroup_parent = format!("/{}", place.name());
        Self {
            place,
            image,
            bundle: Bundle::default(),
            cgroup_parent,
            main: ACTOR,
            id: None,
            layers: Vec::new(),
        }
    }

    /// Mounts a secret, read-only as the kubelet does.
    #[must_use]
    pub fn with_secret(self, secret: &Secret, at: &str) -> Self {
        self.with_folder(secret.folder(), at)
    }

    /// Mounts a folder or file of the host, read-only.
    #[must_use]
    pub fn with_folder(mut self, from: &Path, to: &str) -> Self {
        self.bundle.binds.push(Bind { from: from.to_owned(), to: to.to_owned(), writable: false });
        self
    }

    /// Mounts a folder of the host that the container may write to.
    #[must_use]
    pub fn with_writable(mut self, from: &Path, to: &str) -> Self {
        self.bundle.binds.push(Bind { from: from.to_owned(), to: to.to_owned(), writable: true });
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.bundle.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a capability, for example `CAP_SYS_PTRACE`.
    #[must_use]
    pub fn with_capability(mut self, name: &str) -> Self {
        self.bundle.more_capabilities.push(name.to_owned());
        self
    }

    /// Mounts the container's procfs a second time.
    #[must_use]
    pub fn with_second_proc(mut self, at: &str) -> Self {
        self.bundle.more_proc.push(at.to_owned());
        self
    }

    /// Shares the pid namespace of another container, as the containers of a pod can.
    #[must_use]
    pub fn sharing_processes_of(mut self, other: &Container) -> Self {
        self.bundle.processes = Processes::Of(other.pid());
        self
    }

    /// Sees the host's processes, as a pod with `hostPID` does.
    #[must_use]
    pub fn with_processes_of_the_host(mut self) -> Self {
        self.bundle.processes = Processes::Host;
        self
    }

    /// Has a network of its own: loopback, and what [`Container::has_address`] adds.
    #[must_use]
    pub fn with_own_network(mut self) -> Self {
        self.bundle.own_network = true;
        self
    }

    /// Has these folders of the host as further lower layers of its root, below the image.
    #[must_use]
    pub fn with_layers(mut self, layers: &[&Path]) -> Self {
        self.layers = layers.iter().map(|&layer| layer.to_owned()).collect();
        self
    }

    /// Has its cgroup where the kubelet puts those of this pod.
    #[must_use]
    pub fn in_pod(mut self, uid: &str) -> Self {
        self.cgroup_parent = format!("/{}/kubepods/pod{uid}", self.place.name());
        self
    }

    /// Is told by its runtime to be this container of a pod.
    #[must_use]
    pub fn known_as(mut self, namespace: &str, pod: &str, container: &str) -> Self {
        let names = [
            ("container-type", "container"),
            ("sandbox-namespace", namespace),
            ("sandbox-name", pod),
            ("container-name", container),
        ];
        let annotation = |(key, value): (&str, &str)| (format!("io.kubernetes.cri.{key}"), value.to_owned());
        self.bundle.annotations.extend(names.map(annotation));
        self
    }

    /// Has its cgroup in this one of the run's.
    #[must_use]
    pub fn in_cgroup(mut self, name: &str) -> Self {
        self.cgroup_parent = format!("/{}/{name}", self.place.name());
        self
    }

    /// Has another program of the image as its main process, which does what the actor does.
    #[must_use]
    pub fn running(mut self, program: &'static str) -> Self {
        self.main = program;
        self
    }

    /// Has the id of a container that is gone.
    #[must_use]
    pub fn named_as(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Starts it; its main process waits for what to do.
    ///
    /// # Errors
    /// If runc fails, or the main process does not answer.
    pub fn start(mut self) -> Result<Container> {
        let prepared = self.prepare(&[self.main, "serve", &format!("{CONTROL}/socket")])?;
        let pid_file = prepared.folder.join("pid");
        let mut runc = Command::new("runc");
        runc.args(["run", "--detach", "--bundle"]).arg(&prepared.folder).arg("--pid-file").arg(&pid_file);
        let log = prepared.folder.join("log");
        leave_behind(runc.arg(&prepared.id), &log, "starting a container")?;
        let container = Container { pid: read_pid(&pid_file)?, prepared };
        container.wait_until_it_serves(&log)?;
        Ok(container)
    }

    /// Runs the actor for one step as the container's only process, to its end.
    ///
    /// # Errors
    /// If runc fails.
    pub fn run_once(mut self, step: &str, args: &[&str]) -> Result<(Container, Reply)> {
        let command: Vec<&str> = [ACTOR, "do", step].iter().chain(args).copied().collect();
        let prepared = self.prepare(&command)?;
        let pid_file = prepared.folder.join("pid");
        let mut runc = Command::new("runc");
        runc.args(["run", "--bundle"])
            .arg(&prepared.folder)
            .arg("--pid-file")
            .arg(&pid_file)
            .arg(&prepared.id);
        let done = finish(&mut runc, "running a container")?;
        let reply = Reply::in_output(&done.stdout)
            .with_context(|| format!("the container ended with {}: {}", done.status, done.stderr.trim()))?;
        Ok((Container { pid: read_pid(&pid_file)?, prepared }, reply))
    }

    fn prepare(&mut self, command: &[&str]) -> Result<Prepared> {
        let id = self.id.take().map_or_else(|| random::hex_digits(64), Ok)?;
        let folder = self.place.path("containers").join(&id[..12]);
        let control = folder.join("ctl");
        fs::create_dir_all(&control).with_context(|| format!("creating {}", control.display()))?;
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        let layers: Vec<&Path> =
            iter::once(self.image.folder()).chain(self.layers.iter().map(PathBuf::as_path)).collect();
        let root = Mounted::overlay(&folder.join("rootfs"), &layers, &upper, &work)?;
        self.bundle.binds.push(Bind { from: control, to: CONTROL.to_owned(), writable: true });
        self.bundle.command = command.iter().map(|&word| word.to_owned()).collect();
        self.bundle.cgroup = format!("{}/{id}", self.cgroup_parent);
        let config = folder.join("config.json");
        fs::write(&config, self.bundle.to_config().to_string())
            .with_context(|| format!("writing {}", config.display()))?;
        Ok(Prepared { id, folder, cgroup: self.bundle.cgroup.clone(), _root: root })
    }
}

#[derive(Debug)]
struct Prepared {
    id: String,
    folder: PathBuf,
    cgroup: String,
    _root: Mounted,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Err(error) = end_container(&self.id) {
            eprintln!("{error:#}");
        }
    }
}

/// A container, running or ended. Killed and removed on drop.
#[derive(Debug)]
pub struct Container {
    prepared: Prepared,
    pid: u32,
}

impl Container {
    /// Its id: 64 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.prepared.id
    }

    /// The name of its workload, unless a runtime tells another one.
    pub fn workload(&self) -> String {
        format!("container:{}", &self.id()[..12])
    }

    /// The host's process id of its main process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Path of its cgroup, as seen from the root of the hierarchy.
    pub fn cgroup(&self) -> &str {
        &self.prepared.cgroup
    }

    /// Its root as the host sees it.
    pub fn root(&self) -> PathBuf {
        self.prepared.folder.join("rootfs")
    }

    /// Gives its own network another address, which it can reach by its loopback device.
    ///
    /// # Errors
    /// If it has no network of its own.
    pub fn has_address(&self, address: IpAddr) -> Result<()> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid));
        command.args(["ip", "address", "add", &address.to_string(), "dev", "lo"]);
        succeed(&mut command, "giving a container an address").map(drop)
    }

    /// Has the main process take a step itself.
    ///
    /// # Errors
    /// If it does not answer. A step that the system refuses is no error: the reply tells.
    pub fn does(&self, step: &str, args: &[&str]) -> Result<Reply> {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        self.ask(&Request::Do { step: step.to_owned(), args })
    }

    /// Has the main process start a child that takes a step.
    ///
    /// # Errors
    /// As [`Self::does`].
    pub fn child_does(&self, step: &str, args: &[&str]) -> Result<Reply> {
        let words: Vec<&str> = ["do", step].iter().chain(args).copied().collect();
        self.runs(ACTOR, &words)
    }

    /// Has the main process run a program to its end.
    ///
    /// # Errors
    /// As [`Self::does`].
    pub fn runs(&self, program: &str, args: &[&str]) -> Result<Reply> {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        self.ask(&Request::Run { program: program.to_owned(), args })
    }

    /// Takes a step in a process of its own that comes from outside, as `docker exec` and `kubectl exec` do.
    ///
    /// # Errors
    /// If runc fails.
    pub fn exec_session(&self, step: &str, args: &[&str]) -> Result<ExecSession> {
        self.exec_session_by(ACTOR, step, args)
    }

    /// As [`Self::exec_session`], by a program of the image that does what the actor does.
    ///
    /// # Errors
    /// If runc fails.
    pub fn exec_session_by(&self, program: &str, step: &str, args: &[&str]) -> Result<ExecSession> {
        let pid_file = self.prepared.folder.join(format!("exec-{}.pid", random::hex_digits(6)?));
        let done = self.enter(&pid_file, program, step, args)?;
        let reply = Reply::in_output(&done.stdout).with_context(|| {
            format!("the exec session ended with {}: {}", done.status, done.stderr.trim())
        })?;
        Ok(ExecSession { pid: read_pid(&pid_file)?, reply })
    }

    /// As [`Self::exec_session_by`], where the program itself may be refused: the reply says so.
    ///
    /// # Errors
    /// If runc fails otherwise.
    pub fn tries_exec_session(&self, program: &str, step: &str, args: &[&str]) -> Result<Reply> {
        let pid_file = self.prepared.folder.join(format!("exec-{}.pid", random::hex_digits(6)?));
        let done = self.enter(&pid_file, program, step, args)?;
        if let Some(reply) = Reply::in_output(&done.stdout) {
            return Ok(reply);
        }
        let said = done.stderr.trim();
        ensure!(said.contains(REFUSED), "the exec session ended with {}: {said}", done.status);
        Ok(Reply { ok: false, errno: Some(Errno::EPERM as i32), output: said.to_owned() })
    }

    fn enter(&self, pid_file: &Path, program: &str, step: &str, args: &[&str]) -> Result<Finished> {
        let mut runc = Command::new("runc");
        runc.arg("exec").arg("--pid-file").arg(pid_file).args([self.id(), program, "do", step]).args(args);
        finish(&mut runc, "running an exec session")
    }

    /// Has the main process start a program of the image that does what the actor does, and goes on.
    ///
    /// # Errors
    /// If it does not start.
    pub fn starts(&self, program: &str) -> Result<Helper> {
        let name = format!("helper-{}", random::hex_digits(6)?);
        let told = self.does("spawn", &[program, "serve", &format!("{CONTROL}/{name}")])?;
        ensure!(told.ok, "starting {program}: {}", told.output);
        let helper = Helper { pid: told.output, socket: self.prepared.folder.join("ctl").join(name) };
        until("a program of a container", || {
            let there = UnixStream::connect(&helper.socket).is_ok();
            Ok(if there { Look::Found(()) } else { Look::NotYet("it does not listen".to_owned()) })
        })?;
        Ok(helper)
    }

    fn ask(&self, request: &Request) -> Result<Reply> {
        asked(&self.socket(), request)
            .with_context(|| format!("having the container {} do {request:?}", &self.id()[..12]))
    }

    fn socket(&self) -> PathBuf {
        self.prepared.folder.join("ctl/socket")
    }

    fn wait_until_it_serves(&self, log: &Path) -> Result<()> {
        until("a container's main process", || {
            ensure!(
                Path::new("/proc").join(self.pid.to_string()).exists(),
                "the container ended at once: {}",
                fs::read_to_string(log).unwrap_or_default()
            );
            let there = UnixStream::connect(self.socket()).is_ok();
            Ok(if there { Look::Found(()) } else { Look::NotYet("it does not listen".to_owned()) })
        })
    }
}

/// A program of a container beside its main process. Ends with the container.
#[derive(Debug)]
pub struct Helper {
    pid: String,
    socket: PathBuf,
}

impl Helper {
    /// Its process id, as the container knows it.
    pub fn pid(&self) -> &str {
        &self.pid
    }

    /// Has it take a step itself.
    ///
    /// # Errors
    /// If it does not answer. A step that the system refuses is no error: the reply tells.
    pub fn does(&self, step: &str, args: &[&str]) -> Result<Reply> {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let request = Request::Do { step: step.to_owned(), args };
        asked(&self.socket, &request).with_context(|| format!("having a program do {request:?}"))
    }
}

fn asked(socket: &Path, request: &Request) -> Result<Reply> {
    let mut stream = UnixStream::connect(socket).context("connecting")?;
    stream.set_read_timeout(Some(PATIENCE * 4)).context("limiting the wait")?;
    let line = serde_json::to_string(request).context("writing the request")?;
    stream.write_all((line + "\n").as_bytes()).context("sending the request")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("reading the reply")?;
    ensure!(!line.is_empty(), "it went away");
    serde_json::from_str(&line).context("understanding the reply")
}

/// What came of an exec session.
#[derive(Debug)]
pub struct ExecSession {
    /// The host's process id.
    pub pid: u32,
    /// How its step went.
    pub reply: Reply,
}

fn read_pid(file: &Path) -> Result<u32> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    text.trim().parse().with_context(|| format!("reading a process id from {}", file.display()))
}
