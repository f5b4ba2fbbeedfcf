//! Pods as a kubelet makes them, through the CRI of a containerd of our own; no kubelet, no network, no registry.
//!
//! The instance has its own state, root and socket in one folder. Used by the scenarios and, by path, by the tests of
//! `cofferdam-inventory`: so this module needs nothing else of this crate.

mod archive;
mod pod;
mod wire;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cofferdam_inventory::cri::rpc::Connection;

pub use archive::{IMAGE, write_archive};
pub use pod::{ContainerSpec, Pod, PodSpec};

/// Time for containerd to start, and for one call.
const PATIENCE: Duration = Duration::from_secs(30);

/// A containerd of our own.
#[derive(Debug)]
pub struct Containerd {
    folder: PathBuf,
    process: Child,
    runtime: tokio::runtime::Runtime,
}

impl Containerd {
    /// Starts an instance whose files all lie in `folder` (short: a socket's path has at most 107 bytes), and gives
    /// it one image with the tree `root` (busybox in `bin`), for sandboxes and containers alike.
    ///
    /// # Errors
    /// If it is not installed, we are not root, or it does not come up.
    pub fn start(folder: &Path, root: &Path) -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "containerd needs root");
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")?;
        let process = run(folder)?;
        let mut containerd = Self { folder: folder.to_owned(), process, runtime };
        containerd.wait_until_it_answers()?;
        let archive = folder.join("image.tar");
        write_archive(root, folder, &archive)?;
        containerd.import(&archive)?;
        Ok(containerd)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    /// Its state folder, with the bundles of running containers.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Ends containerd alone, its containers go on; [`Self::resume`] brings it back.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub fn stop(&mut self) -> Result<()> {
        let pid = i32::try_from(self.process.id()).context("containerd's pid")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM)
            .context("ending containerd")?;
        let end = Instant::now() + PATIENCE;
        while self.process.try_wait().context("waiting for containerd")?.is_none() {
            if Instant::now() > end {
                self.process.kill().context("killing containerd")?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts it again after [`Self::stop`].
    ///
    /// # Errors
    /// If it does not come up.
    pub fn resume(&mut self) -> Result<()> {
        self.process = run(&self.folder)?;
        self.wait_until_it_answers()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let socket = self.socket();
        loop {
            if let Some(status) = self.process.try_wait().context("waiting for containerd")? {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                anyhow::bail!("containerd ended with {status}: {}", tail.join(" | "));
            }
            let answers = self.runtime.block_on(async {
                let mut connection = Connection::open(&socket).await?;
                let method = "/runtime.v1.RuntimeService/Version";
                connection.call::<_, wire::Nothing>(method, wire::Nothing {}, PATIENCE).await
            });
            match answers {
                Ok(_) => return Ok(()),
                Err(error) => ensure!(Instant::now() < end, "containerd does not answer: {error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn import(&self, archive: &Path) -> Result<()> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.socket()).args(["-n", "k8s.io", "images", "import"]).arg(archive);
        let output = command.output().context("running ctr")?;
        ensure!(
            output.status.success(),
            "importing the image: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// One call, and its answer.
    fn call<Q, A>(&self, method: &'static str, question: Q) -> Result<A>
    where
        Q: prost::Message + Default + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        self.runtime.block_on(async {
            let mut connection = Connection::open(&self.socket()).await?;
            connection.call(method, question, PATIENCE).await.with_context(|| {
                format!("see {}", self.folder.join("log").display()) // containerd's own words stand there
            })
        })
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("containerd of {}: {error:#}", self.folder.display());
        }
    }
}

fn run(folder: &Path) -> Result<Child> {
    let config = folder.join("config.toml");
    let at = folder.display();
    let text = format!(
        r#"version = 2
root = "{at}/root"
state = "{at}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "{at}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{at}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"#
    );
    fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;
    let log =
        fs::File::options().create(true).append(true).open(folder.join("log")).context("opening the log")?;
    Command::new("containerd")
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("opening the log")?)
        .stderr(log)
        .process_group(0) // an interrupt at the terminal must not end it before its pods
        .spawn()
        .context("starting containerd: is it installed? (`cargo xtask setup`)")
}
