//! `cargo xtask setup`: everything that a task needs and a fresh machine lacks.
//!
//! A step is data: its name, who needs it, whether it is already there, and how to make it. Checks are cheap, so that
//! every command calls `setup` for what it needs; nothing is ever put into the source tree.

mod debian;
mod kernels;
mod toolchain;

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::places::Places;

pub(crate) use kernels::kernel_dir;
pub(crate) use toolchain::bpf_linker_dir;

/// What a machine is made ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Need {
    /// Compiling kernel programs and user space.
    Build,
    /// Formatting and lints.
    Lint,
    /// Scenarios with real containers on this machine.
    HostTests,
    /// Scenarios in virtual machines.
    Vm,
}

/// One prerequisite.
struct Step {
    name: String,
    needed_for: &'static [Need],
    ready: fn(&Places) -> Result<bool>,
    make: fn(&Places) -> Result<()>,
    /// What the user can do when making it fails.
    remedy: &'static str,
}

fn steps(places: &Places) -> Vec<Step> {
    let compiler = &places.compiler;
    vec![
        Step {
            name: format!("source of Rust {}'s core library", compiler.release),
            needed_for: &[Need::Build, Need::Lint],
            ready: toolchain::rust_src_ready,
            make: toolchain::make_rust_src,
            remedy: "run `rustup component add rust-src` with access to rustup's server, or give apt a mirror \
                     that carries the Debian suite trixie-backports",
        },
        Step {
            name: format!("bpf-linker {} for LLVM {}", toolchain::BPF_LINKER, compiler.llvm),
            needed_for: &[Need::Build],
            ready: toolchain::bpf_linker_ready,
            make: toolchain::make_bpf_linker,
            remedy: "see that cargo reaches its registry and that a C compiler is installed",
        },
        Step {
            name: "rustfmt and clippy".to_owned(),
            needed_for: &[Need::Lint],
            ready: toolchain::lints_ready,
            make: toolchain::make_lints,
            remedy: "run `rustup component add rustfmt clippy` with access to rustup's server",
        },
        Step {
            name: "containers for the tests (runc, containerd, busybox)".to_owned(),
            needed_for: &[Need::HostTests, Need::Vm],
            ready: |_| debian::all_installed(debian::CONTAINERS),
            make: |_| debian::install(debian::CONTAINERS),
            remedy: "run as root on Debian 12 with a reachable mirror in apt's configuration",
        },
        Step {
            name: "ordinary programs for the tests (nginx, Node, PostgreSQL, Python)".to_owned(),
            needed_for: &[Need::HostTests],
            ready: |_| debian::all_installed(debian::ORDINARY),
            make: |_| debian::install(debian::ORDINARY),
            remedy: "run as root on Debian 12 with a reachable mirror in apt's configuration",
        },
        Step {
            name: "QEMU 10 or newer".to_owned(),
            needed_for: &[Need::Vm],
            ready: kernels::qemu_ready,
            make: kernels::make_qemu,
            remedy: "run as root on Debian 12 with a mirror that carries bookworm-backports",
        },
        Step {
            name: "kernels for the virtual machines".to_owned(),
            needed_for: &[Need::Vm],
            ready: kernels::kernels_ready,
            make: kernels::make_kernels,
            remedy: "see that apt's mirror carries the suites that tests/kernels.toml names",
        },
    ]
}

/// Makes the machine ready for `needs`; says nothing about what is already there.
pub(crate) fn ensure(places: &Places, needs: &[Need]) -> Result<()> {
    for step in wanted(places, needs) {
        if !is_ready(&step, places)? {
            make(&step, places)?;
        }
    }
    Ok(())
}

/// The same, with a line for every step.
pub(crate) fn run(places: &Places, needs: &[Need]) -> Result<()> {
    for step in wanted(places, needs) {
        if is_ready(&step, places)? {
            eprintln!("setup: {}: ready", step.name);
        } else {
            make(&step, places)?;
        }
    }
    Ok(())
}

fn wanted(places: &Places, needs: &[Need]) -> impl Iterator<Item = Step> {
    steps(places).into_iter().filter(|step| step.needed_for.iter().any(|need| needs.contains(need)))
}

fn is_ready(step: &Step, places: &Places) -> Result<bool> {
    (step.ready)(places).with_context(|| format!("checking for {}", step.name))
}

fn make(step: &Step, places: &Places) -> Result<()> {
    eprintln!("setup: {} …", step.name);
    let started = Instant::now();
    fs::create_dir_all(&places.cache)
        .with_context(|| format!("creating the cache {}", places.cache.display()))?;
    (step.make)(places)
        .with_context(|| format!("setting up {}\n  what you can do: {}", step.name, step.remedy))?;
    anyhow::ensure!(
        is_ready(step, places)?,
        "{} was set up without an error and is still missing: remove {} and try again",
        step.name,
        places.cache.display()
    );
    eprintln!("setup: {} done in {} s", step.name, started.elapsed().as_secs());
    Ok(())
}
