//! A PostgreSQL server on loopback, in a folder of the run.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::{ended, succeed};
use super::wait::Look;
use super::{Listener, Place, until};

/// Where Debian installs servers, one folder a version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The server refuses to run as root.
const NOBODY: u32 = 65_534;

/// A server that lets everybody in; ended on drop.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    port: u16,
}

impl Postgres {
    /// Makes a database, and starts its server.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    pub fn start(place: &Place, name: &str) -> Result<Self> {
        let programs = programs()?;
        let folder = place.path(name);
        fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        chown(&folder, Some(NOBODY), Some(NOBODY)).context("giving the database's folder away")?;
        let data = folder.join("data");
        let mut initdb = as_nobody(&programs.join("initdb"));
        initdb.args(["--no-sync", "--auth=trust", "--username=app", "--pgdata"]).arg(&data);
        succeed(&mut initdb, "making a database")?;
        // Free a moment ago.
        let port = Listener::tcp4()?.address().port();
        let mut server = as_nobody(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&folder);
        server.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: server.spawn().context("starting PostgreSQL")?, port };
        let asked = || {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            ready.status().context("asking PostgreSQL whether it is ready")
        };
        until("PostgreSQL to be ready", || {
            Ok(if asked()?.success() { Look::Found(()) } else { Look::NotYet("it is not".to_owned()) })
        })?;
        Ok(server)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its client lies, below `/usr`.
    ///
    /// # Errors
    /// If PostgreSQL is not installed.
    pub fn client() -> Result<PathBuf> {
        Ok(programs()?.join("psql"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Ends its children, too, and at once.
        let pid = i32::try_from(self.child.id()).map(Pid::from_raw);
        if let Ok(Err(error)) = pid.map(|pid| kill(pid, Signal::SIGQUIT)) {
            eprintln!("ending PostgreSQL: {error}");
        }
        if let Err(error) = ended(&mut self.child, "PostgreSQL") {
            eprintln!("{error:#}");
        }
    }
}

fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir(VERSIONS).with_context(|| format!("listing {VERSIONS}"))?;
    for version in versions {
        let folder = version.with_context(|| format!("listing {VERSIONS}"))?.path().join("bin");
        if folder.join("postgres").exists() {
            return Ok(folder);
        }
    }
    bail!("no PostgreSQL server in {VERSIONS}")
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}
