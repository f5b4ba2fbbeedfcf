//! An agent of its own: its journal, socket and pins lie in a folder of the run.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::{ended, finish};
use super::mounts::unmount_below;
use super::wait::{Look, until_within};
use super::world::where_empty;
use super::{Mounted, Place, binary, random, unit, until};

/// The resolver of every agent of a test; nobody listens there.
pub const RESOLVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 53), 53);

/// The agent's last word of its start-up.
const READY: &str = "ready";

/// How long it may take to start: in an emulated machine whose processors have other work, the kernel takes a minute to
/// check its programs.
const START: Duration = Duration::from_secs(240);

/// Tells it how much to say.
const LOG_LEVEL: &str = "COFFERDAM_LOG";

/// Its configuration's name in its folder.
const CONFIG: &str = "config.yaml";

/// Where the kernel tells which LSMs are active.
const SECURITYFS: &str = "/sys/kernel/security";

/// Its state's folder in its folder.
const STATE: &str = "state";

/// The user that has no rights anywhere.
const NOBODY: u32 = 65_534;

/// What an agent is configured to do.
#[derive(Debug, Clone, Default)]
pub struct AgentOptions {
    /// Secrets by name and path.
    pub secrets: Vec<(String, PathBuf)>,
    /// First events that a workload may send in a second.
    pub budget: Option<u64>,
    /// Forks and execs that a workload may send in a second.
    pub process_budget: Option<u64>,
    /// Where the container runtime answers.
    pub cri_socket: Option<PathBuf>,
    /// It says as much as it can.
    pub talkative: bool,
    /// Its journal lies on a disk of its own that holds so many MiB.
    pub disk: Option<u32>,
    /// Where policies lie.
    pub policies: Option<PathBuf>,
    /// Containers for which nothing is decided yet read no secret.
    pub pending_denied: bool,
    /// Where a service manager waits to be told that it is ready.
    pub notify: Option<PathBuf>,
    /// It has the rights that its systemd unit leaves it, no more.
    pub confined: bool,
    /// The cgroup that it runs in.
    pub cgroup: Option<PathBuf>,
    /// How long after it was first seen a workload's habits are known.
    pub learning: Option<Duration>,
    /// Where rules lie besides those that are built in.
    pub rules: Option<PathBuf>,
}

impl AgentOptions {
    fn to_yaml(&self) -> String {
        let pending = if self.pending_denied { ", pending: deny" } else { "" };
        let policy = format!("policy: {{ resolvers: [{}]{pending} }}\n", RESOLVER.ip());
        let mut text = format!("node: {{ name: bench, cluster: test }}\n{policy}");
        if !self.secrets.is_empty() {
            text.push_str("secrets:\n");
        }
        for (name, path) in &self.secrets {
            text.push_str(&format!("  - {{ name: {name:?}, path: {path:?} }}\n"));
        }
        let limits =
            [("first_events_per_second", self.budget), ("process_events_per_second", self.process_budget)];
        if limits.iter().any(|(_, limit)| limit.is_some()) {
            text.push_str("limits:\n");
        }
        for (name, limit) in limits.into_iter().filter_map(|(name, limit)| Some((name, limit?))) {
            text.push_str(&format!("  {name}: {limit}\n"));
        }
        if self.learning.is_some() || self.rules.is_some() {
            text.push_str("detections:\n");
        }
        if let Some(learning) = self.learning {
            text.push_str(&format!("  learning: {}s\n", learning.as_secs()));
        }
        if let Some(folder) = &self.rules {
            text.push_str(&format!("  folder: {folder:?}\n"));
        }
        if let Some(socket) = &self.cri_socket {
            text.push_str(&format!("runtimes: {{ cri_socket: {socket:?} }}\n"));
        }
        text
    }
}

/// Which build of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// That of this source.
    This,
    /// As the next version may be: with other programs, whose tables have grown.
    Next,
}

impl Build {
    const fn program(self) -> &'static str {
        match self {
            Self::This => "cofferdamd",
            Self::Next => "cofferdamd-next",
        }
    }
}

/// Where one agent has its journal, socket, log and pins.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new(place: &Place) -> Result<Self> {
        Ok(Self(place.path(format!("agent-{}", random::hex_digits(6)?))))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The agent's program with everything but a configuration.
    fn command(&self) -> Result<Command> {
        self.command_of(Build::This)
    }

    fn command_of(&self, build: Build) -> Result<Command> {
        let mut command = Command::new(binary(build.program())?);
        command.arg("--state-dir").arg(self.file(STATE));
        command.arg("--socket").arg(self.file("socket"));
        command.arg("--pin-dir").arg(self.file("pins"));
        Ok(command)
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// An agent, running or ended. Ended, unloaded and taken away on drop.
#[derive(Debug)]
pub struct Agent {
    folder: Folder,
    child: Option<Child>,
    options: AgentOptions,
    /// Unmounted when the agent has ended.
    _disk: Option<Mounted>,
}

impl Agent {
    /// Starts an agent and waits until it is ready.
    ///
    /// # Errors
    /// If it ends instead, or does not become ready; with the end of its log.
    pub fn start(place: &Place, options: &AgentOptions) -> Result<Self> {
        let folder = Folder::new(place)?;
        fs::create_dir(&folder.0).with_context(|| format!("creating {}", folder.0.display()))?;
        let config = folder.file(CONFIG);
        fs::write(&config, options.to_yaml()).with_context(|| format!("writing {}", config.display()))?;
        let disk = options.disk.map(|size| Mounted::disk(&folder.file(STATE), size)).transpose()?;
        let mut agent = Self { folder, child: None, options: options.clone(), _disk: disk };
        agent.start_again()?;
        Ok(agent)
    }

    /// Starts it again after its end, with the journal and the pins that are there.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(&mut self) -> Result<()> {
        self.start_again_as(Build::This)
    }

    /// As [`Self::start_again`], by this build.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again_as(&mut self, build: Build) -> Result<()> {
        self.spawn(build)?;
        self.wait_until_ready().with_context(|| format!("the agent's log ends with:\n{}", self.log_tail()))
    }

    /// As [`Self::start_again`], where no BPF LSM seems to be active; if it ends instead, with the end of its log.
    ///
    /// # Errors
    /// If it can neither be started nor ends.
    pub fn start_again_where_lsm_is_off(&mut self) -> Result<Option<String>> {
        where_empty(Path::new(SECURITYFS), || {
            let list = Path::new(SECURITYFS).join("lsm");
            fs::write(&list, "capability").with_context(|| format!("writing {}", list.display()))?;
            self.spawn(Build::This)
        })?;
        let started = self.wait_until_ready();
        let child = self.child.as_mut().context("the agent does not run")?;
        match started {
            Ok(()) => Ok(None),
            Err(_) if child.try_wait().context("looking at the agent")?.is_some() => {
                self.wait()?;
                Ok(Some(self.log_tail()))
            }
            Err(error) => Err(error),
        }
    }

    fn spawn(&mut self, build: Build) -> Result<()> {
        let log =
            File::options().create(true).append(true).open(self.log()).context("opening the agent's log")?;
        let words = File::create(self.words()).context("making the file of the agent's words")?;
        let mut command = self.folder.command_of(build)?;
        command.arg("--config").arg(self.folder.file(CONFIG));
        command.env(LOG_LEVEL, if self.options.talkative { "trace" } else { "info" });
        if let Some(folder) = &self.options.policies {
            command.arg("--policy-dir").arg(folder);
        }
        if let Some(socket) = &self.options.notify {
            command.env("NOTIFY_SOCKET", socket);
        }
        if self.options.confined {
            unit::confine(&mut command)?;
        }
        command.process_group(0).stdin(Stdio::null()).stdout(words).stderr(log);
        let child =
            self.child.insert(command.spawn().with_context(|| format!("starting {}", build.program()))?);
        if let Some(cgroup) = &self.options.cgroup {
            // It looks where it is once its programs are loaded, which takes long.
            fs::write(cgroup.join("cgroup.procs"), child.id().to_string())
                .with_context(|| format!("moving the agent to {}", cgroup.display()))?;
        }
        Ok(())
    }

    /// Starts it again by this build, and kills it after so long, ready or not.
    ///
    /// # Errors
    /// If it cannot be started, or ends by itself before.
    pub fn start_and_kill(&mut self, build: Build, after: Duration) -> Result<()> {
        self.spawn(build)?;
        sleep(after);
        let child = self.child.as_mut().context("the agent does not run")?;
        if let Some(status) = child.try_wait().context("looking at the agent")? {
            bail!("the agent ended: {status}; its log ends with:\n{}", self.log_tail());
        }
        self.kill()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let words = self.words();
        let child = self.child.as_mut().context("the agent does not run")?;
        until_within(START, "the agent to be ready", || {
            let said = fs::read_to_string(&words).context("reading the agent's words")?;
            if said.lines().last() == Some(READY) {
                return Ok(Look::Found(()));
            }
            if let Some(status) = child.try_wait().context("looking at the agent")? {
                bail!("the agent ended: {status}");
            }
            Ok(Look::NotYet("it runs".to_owned()))
        })
    }

    /// Its process id.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the agent does not run")?.id())
    }

    /// Where it answers.
    pub fn socket(&self) -> PathBuf {
        self.folder.file("socket")
    }

    /// Where its journal lies.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.file(STATE)
    }

    /// Where its programs and tables are pinned.
    pub fn pins(&self) -> PathBuf {
        self.folder.file("pins")
    }

    /// The version whose programs and tables are pinned, which is to be one alone, with its programs attached once.
    ///
    /// # Errors
    /// If there is another one.
    pub fn only_version(&self) -> Result<String> {
        // The other one is kept until everything that it enforced is in force here.
        until("nothing but one version to be left", || {
            let pins = self.pins();
            let mut versions = names_in(&pins)?;
            versions.retain(|name| name.starts_with('v'));
            let [version] = &versions[..] else {
                let log = self.log_tail();
                return Ok(Look::NotYet(format!(
                    "there are pins of {versions:?}; the agent's log ends with:\n{log}"
                )));
            };
            let links = names_in(&pins.join(version).join("links"))?;
            ensure!(links.len() == 1, "programs are attached {} times: {links:?}", links.len());
            Ok(Look::Found(version.clone()))
        })
    }

    /// What it has said on standard output since its last start.
    pub fn words(&self) -> PathBuf {
        self.folder.file("words")
    }

    /// What it has said on standard error.
    pub fn log(&self) -> PathBuf {
        self.folder.file("log")
    }

    /// Ends it without warning, as the kernel does when memory is short.
    ///
    /// # Errors
    /// If it does not run, or does not end.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait().map(drop)
    }

    /// Ends it by a fault of its own, which would leave a core.
    ///
    /// # Errors
    /// If it does not run, or does not end.
    pub fn crash(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGABRT)?;
        self.wait()
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// If it does not run, or does not end.
    pub fn quit(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// If it does not run, or does not end.
    pub fn has_ended(&mut self) -> Result<ExitStatus> {
        self.wait()
    }

    /// Stops it from running, until [`Self::go_on`].
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it run again.
    ///
    /// # Errors
    /// If it does not run.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Detaches every hook, by the agent's own means.
    ///
    /// # Errors
    /// If that fails.
    pub fn unload(&self) -> Result<()> {
        let done = finish(self.folder.command()?.arg("--unload"), "unloading the agent")?;
        ensure!(done.status.success(), "unloading ended with {}: {}", done.status, done.stderr.trim());
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            Pid::from_raw(i32::try_from(self.pid()?).context("a process id beyond the kernel's range")?);
        kill(pid, signal).with_context(|| format!("sending {signal} to the agent"))
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("the agent does not run")?;
        let status = ended(child, "the agent")?;
        self.child = None;
        Ok(status)
    }

    /// Waits until its log contains this.
    ///
    /// # Errors
    /// If it does not come to that.
    pub fn says(&self, words: &str) -> Result<()> {
        until(&format!("the agent to log `{words}`"), || {
            let text = fs::read_to_string(self.log()).context("reading the agent's log")?;
            let said = text.contains(words);
            Ok(if said { Look::Found(()) } else { Look::NotYet(format!("it logs:\n{}", self.log_tail())) })
        })
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines = folded(&text);
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn take_away(&mut self) -> Result<()> {
        if self.child.is_some() {
            self.go_on()?;
            if self.quit().is_err() {
                self.kill()?;
            }
        }
        self.unload()?;
        let pins = self.folder.file("pins");
        unmount_below(&pins).with_context(|| format!("unmounting {}", pins.display()))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            eprintln!("could not take the agent away: {error:#}");
        }
    }
}

/// Starts an agent with this configuration file and returns how it ended: for configurations that are refused.
///
/// # Errors
/// If it does not end, or leaves something behind.
pub fn run_with_config(place: &Place, config: &Path) -> Result<(ExitStatus, String)> {
    let folder = Folder::new(place)?;
    run_to_its_end(&folder, folder.command()?.arg("--config").arg(config))
}

/// What an agent needs and does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It is not started by root.
    Root,
    /// The kernel's types are not described.
    Btf,
    /// No cgroup hierarchy can be seen.
    Cgroups,
}

/// Starts an agent that lacks something and returns how it ended.
///
/// # Errors
/// As [`run_with_config`].
pub fn run_without(place: &Place, lack: Lack) -> Result<(ExitStatus, String)> {
    let folder = Folder::new(place)?;
    let config = place.path("lacking.yaml");
    fs::write(&config, AgentOptions::default().to_yaml())
        .with_context(|| format!("writing {}", config.display()))?;
    let mut command = folder.command()?;
    command.arg("--config").arg(&config);
    match lack {
        Lack::Root => {
            // Not everybody may look into the folder that the program lies in.
            let program = place.path("cofferdamd");
            fs::copy(binary("cofferdamd")?, &program)
                .with_context(|| format!("copying {}", program.display()))?;
            let mut as_nobody = Command::new(&program);
            as_nobody.args(command.get_args()).uid(NOBODY).gid(NOBODY);
            run_to_its_end(&folder, &mut as_nobody)
        }
        Lack::Btf => where_empty(Path::new("/sys/kernel/btf"), || run_to_its_end(&folder, &mut command)),
        Lack::Cgroups => where_empty(Path::new("/sys/fs/cgroup"), || run_to_its_end(&folder, &mut command)),
    }
}

fn run_to_its_end(folder: &Folder, command: &mut Command) -> Result<(ExitStatus, String)> {
    let done = finish(command, "starting an agent that cannot start")?;
    ensure!(!folder.0.exists(), "the agent has made {}", folder.0.display());
    Ok((done.status, done.stderr))
}

/// The lines of a log; what is said again and again is there once, as it was said first.
fn folded(log: &str) -> Vec<String> {
    let without_time = |line: &str| line.split_once(' ').map(|(_, rest)| rest.trim_start().to_owned());
    let mut runs: Vec<(&str, usize)> = Vec::new();
    for line in log.lines() {
        match runs.last_mut() {
            Some((first, times)) if without_time(first) == without_time(line) => *times += 1,
            _ => runs.push((line, 1)),
        }
    }
    let told =
        |(line, times)| if times == 1 { String::from(line) } else { format!("{line} ({times} times)") };
    runs.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_repeats_is_shown_once() {
        let log = "1 ERROR no rules\n2 ERROR no rules\n3 WARN else\n4 ERROR no rules";
        assert_eq!(folded(log), ["1 ERROR no rules (2 times)", "3 WARN else", "4 ERROR no rules"]);
    }

    #[test]
    fn a_configuration_says_only_what_was_asked_for() {
        let least = "node: { name: bench, cluster: test }\npolicy: { resolvers: [127.0.0.53] }\n";
        assert_eq!(AgentOptions::default().to_yaml(), least);
        let options = AgentOptions {
            secrets: vec![("payments/db".to_owned(), "/srv/a".into())],
            budget: Some(50),
            process_budget: Some(60),
            cri_socket: Some("/run/cri.sock".into()),
            ..AgentOptions::default()
        };
        let yaml = options.to_yaml();
        assert!(yaml.contains("secrets:\n  - { name: \"payments/db\", path: \"/srv/a\" }\n"), "{yaml}");
        assert!(yaml.ends_with("runtimes: { cri_socket: \"/run/cri.sock\" }\n"), "{yaml}");
    }
}
