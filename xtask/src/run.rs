//! `cargo xtask run` and `cargo xtask demo`: what was built, on this machine.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::build;
use crate::command::quietly;
use crate::places::Places;
use crate::setup::{self, Need};

/// Tells the programs of the test crate where the others are.
pub(crate) const BIN_DIR: &str = "COFFERDAM_BIN_DIR";

/// The least that the agent accepts.
const DEFAULT_CONFIG: &str = "node: {}\n";

/// Builds everything and becomes the agent, in the foreground.
pub(crate) fn agent(places: &Places, args: &[String]) -> Result<()> {
    require_root("the agent")?;
    setup::ensure(places, &[Need::Build])?;
    build::everything(places)?;
    let mut agent = Command::new(places.bin_dir().join("cofferdamd"));
    if !args.iter().any(|arg| arg == "--config" || arg.starts_with("--config=")) {
        let config = places.target.join("run/cofferdamd.yaml");
        write(&config, DEFAULT_CONFIG)?;
        eprintln!("run: no --config given, using {}", config.display());
        agent.arg("--config").arg(&config);
    }
    Err(agent.args(args).exec()).with_context(|| format!("starting {}", agent.get_program().display()))
}

/// An act of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Act {
    /// What a poisoned dependency did, as the agent tells it
    Detection,
    /// What a policy keeps it from, also while the agent is dead
    Containment,
}

/// Builds everything and becomes the demo.
pub(crate) fn demo(places: &Places, act: Act) -> Result<()> {
    require_root("the demo")?;
    setup::ensure(places, &[Need::Build, Need::HostTests])?;
    build::everything(places)?;
    let mut demo = Command::new(places.bin_dir().join("cofferdam-demo"));
    demo.env(BIN_DIR, places.bin_dir());
    demo.arg(match act {
        Act::Detection => "detection",
        Act::Containment => "containment",
    });
    Err(demo.exec()).with_context(|| format!("starting {}", demo.get_program().display()))
}

/// Programs in the kernel and containers of one's own are root's business.
pub(crate) fn require_root(what: &str) -> Result<()> {
    let user = quietly(Command::new("id").arg("-u"), "asking for the user id")?;
    ensure!(
        user.trim() == "0",
        "{what} needs root: run the same command as root (`sudo -E` keeps your toolchain)"
    );
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
