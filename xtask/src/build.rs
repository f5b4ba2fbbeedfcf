//! `cargo xtask build`: the kernel programs, then user space with the programs' object inside. For tests also the agent as
//! its next version may be (the feature `next` of cofferdam-abi), to upgrade to.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::visibly;
use crate::places::Places;
use crate::setup::bpf_linker_dir;
use crate::stack;

/// The target of the kernel programs, little-endian like every processor that we support.
const BPF_TARGET: &str = "bpfel-unknown-none";

/// Builds everything: the kernel programs' object and the binaries.
pub(crate) fn everything(places: &Places) -> Result<()> {
    kernel_programs(places)?;
    user_space(places)
}

/// Builds the kernel programs and puts their object where user space embeds it from.
pub(crate) fn kernel_programs(places: &Places) -> Result<()> {
    visibly(kernel_cargo(places, "build")?.arg("--release"), "building the kernel programs")?;
    stack::check(&built_kernel_programs(places))?;
    copy_if_changed(&built_kernel_programs(places), &places.bpf_object())
}

fn built_kernel_programs(places: &Places) -> PathBuf {
    bpf_target_dir(places).join(BPF_TARGET).join("release/cofferdam-ebpf")
}

/// Builds the agent as its next version may be, kernel programs and all, and puts it beside the others. Before them: cargo
/// gives both the same name.
pub(crate) fn next_version(places: &Places) -> Result<()> {
    let mut kernel = kernel_cargo(places, "build")?;
    visibly(
        kernel.args(["--release", "--features", "cofferdam-ebpf/next"]),
        "building the next version's kernel programs",
    )?;
    stack::check(&built_kernel_programs(places))?;
    let object = places.target.join("cofferdam-next.bpf.o");
    copy_if_changed(&built_kernel_programs(places), &object)?;
    let mut user = user_cargo(places, "build");
    user.args(["--profile", places.profile.name(), "--workspace"]).args(NOT_SHIPPED);
    user.env("COFFERDAM_BPF_OBJECT", &object);
    // The same selection as for all binaries, so that what they depend on is built once.
    user.args(["--features", "cofferdam-daemon/next", "--bin", "cofferdamd"]);
    visibly(&mut user, "building the agent's next version")?;
    let (from, to) = (places.bin_dir().join("cofferdamd"), places.bin_dir().join("cofferdamd-next"));
    fs::copy(&from, &to).map(drop).with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// Builds the binaries; the kernel programs must have been built.
pub(crate) fn user_space(places: &Places) -> Result<()> {
    let mut user = user_cargo(places, "build");
    user.args(["--profile", places.profile.name(), "--workspace"]).args(NOT_SHIPPED);
    visibly(&mut user, "building user space")
}

/// Neither the kernel programs nor this program are part of user space.
const NOT_SHIPPED: [&str; 2] = ["--exclude=cofferdam-ebpf", "--exclude=xtask"];

/// A cargo command for user space: static binaries that run in any container, with the kernel programs inside.
pub(crate) fn user_cargo(places: &Places, subcommand: &str) -> Command {
    let mut cargo = cargo(places, subcommand);
    cargo
        .args(["--target", &places.compiler.triple])
        .env("CARGO_TARGET_DIR", &places.target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("COFFERDAM_BPF_OBJECT", places.bpf_object());
    cargo
}

/// A cargo command for the kernel programs.
pub(crate) fn kernel_cargo(places: &Places, subcommand: &str) -> Result<Command> {
    let mut cargo = cargo(places, subcommand);
    cargo
        .args(["--package", "cofferdam-ebpf", "--target", BPF_TARGET, "-Zbuild-std=core"])
        // A stable compiler builds `core` for a target without one only when told that it may.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", bpf_target_dir(places))
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        // The kernel checks programs against their BTF, which the linker makes from debug information.
        .env("RUSTFLAGS", "-C debuginfo=2 -C link-arg=--btf")
        .env("PATH", path_with(&bpf_linker_dir(places).join("bin"))?);
    Ok(cargo)
}

/// A cargo command in the workspace, free of flags that a surrounding cargo may have set.
pub(crate) fn cargo(places: &Places, subcommand: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.arg(subcommand).current_dir(&places.root).env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

fn bpf_target_dir(places: &Places) -> PathBuf {
    places.target.join("bpf")
}

/// The search path with `first` before everything else.
fn path_with(first: &Path) -> Result<OsString> {
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths([first.to_owned()].into_iter().chain(env::split_paths(&rest)))
        .with_context(|| format!("putting {} on PATH", first.display()))
}

/// Leaves the copy alone when nothing changed, so that user space is not built again.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::write(to, new).with_context(|| format!("writing {}", to.display()))
}
