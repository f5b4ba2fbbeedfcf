//! `cargo xtask bypass-table`: plays the techniques of attackers wherever they can be played, then writes their table.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::build;
use crate::command::quietly;
use crate::places::Places;
use crate::setup::{self, Need};
use crate::test;

/// The program that plays scenarios and knows what is declared of them.
const PROGRAM: &str = "cofferdam-scenarios";

/// Its techniques.
const TECHNIQUES: &str = "bypass/*";

/// Where the table lies in the source.
const TABLE: &str = "profiles/policies/BYPASSES.md";

/// Whether to play them.
#[derive(Args)]
pub(crate) struct Options {
    /// Write what is declared, and play nothing
    #[arg(long)]
    declared: bool,
}

/// Writes the table; not if anything came out otherwise than it is declared.
pub(crate) fn run(places: &Places, options: &Options) -> Result<()> {
    if options.declared {
        setup::ensure(places, &[Need::Build])?;
        build::everything(places)?;
    } else {
        test::scenarios_everywhere(places, TECHNIQUES)?;
    }
    let mut program = Command::new(places.bin_dir().join(PROGRAM));
    let text = quietly(program.arg("--bypass-table"), "asking for the table of techniques")?;
    let path = places.root.join(TABLE);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("bypass-table: {TABLE} is written");
    Ok(())
}
