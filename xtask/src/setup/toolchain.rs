//! What the kernel programs' build adds to a plain stable toolchain: the source of `core`, and a linker whose LLVM is
//! the compiler's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::debian::Archive;
use crate::command::{quietly, visibly};
use crate::places::Places;

/// The version of bpf-linker that everything is built with.
pub(crate) const BPF_LINKER: &str = "0.13.0";

/// The Debian suite whose `rust-src` package stands in when rustup cannot be reached.
const RUST_SRC_SUITE: &str = "trixie-backports";

fn rust_src(places: &Places) -> PathBuf {
    places.compiler.sysroot.join("lib/rustlib/src/rust")
}

pub(crate) fn rust_src_ready(places: &Places) -> Result<bool> {
    Ok(rust_src(places).join("library/core/src/lib.rs").exists())
}

pub(crate) fn make_rust_src(places: &Places) -> Result<()> {
    let rustup = quietly(
        Command::new("rustup").args(["component", "add", "rust-src"]),
        "asking rustup for the component rust-src",
    );
    // rustup may believe in a component whose files are gone.
    if rust_src_ready(places)? {
        return Ok(());
    }
    let why = rustup.err().map_or("it says that it is there".to_owned(), |error| error.to_string());
    eprintln!("setup: rustup cannot bring it, taking Debian's package instead ({why})");
    let source = unpack_rust_src(places)?;
    link(&source, &rust_src(places))
}

/// Unpacks Debian's source of exactly this compiler's version; returns the directory that holds `library/`.
fn unpack_rust_src(places: &Places) -> Result<PathBuf> {
    let release = &places.compiler.release;
    let into = places.cache.join(format!("rust-src-{release}"));
    let archive = Archive::open(places, RUST_SRC_SUITE)?;
    let version = archive.version_of("rust-src", |version| version.starts_with(&format!("{release}+")))?;
    archive.unpack(&format!("rust-src={version}"), &into)?;
    let source = into.join(format!("usr/src/rustc-{release}"));
    ensure!(source.join("library").is_dir(), "Debian's rust-src {version} has no {}", source.display());
    Ok(source)
}

/// The directory of this compiler's bpf-linker; another compiler gets another one.
pub(crate) fn bpf_linker_dir(places: &Places) -> PathBuf {
    places.cache.join(format!("bpf-linker/{BPF_LINKER}-rust-{}", places.compiler.release))
}

pub(crate) fn bpf_linker_ready(places: &Places) -> Result<bool> {
    Ok(bpf_linker_dir(places).join("bin/bpf-linker").exists())
}

pub(crate) fn make_bpf_linker(places: &Places) -> Result<()> {
    let dir = bpf_linker_dir(places);
    let llvm = dir.join("llvm");
    link_compilers_llvm(places, &llvm.join("lib"))?;
    let feature = format!("llvm-{}", places.compiler.llvm);
    visibly(
        Command::new("cargo")
            .args(["install", "bpf-linker", "--version", BPF_LINKER, "--locked", "--quiet"])
            .args(["--no-default-features", "--features", &feature, "--force", "--root"])
            .arg(&dir)
            .env("LLVM_PREFIX", &llvm)
            .env("CARGO_TARGET_DIR", dir.join("build"))
            .env_remove("RUSTFLAGS"),
        "building bpf-linker",
    )?;
    let build = dir.join("build");
    fs::remove_dir_all(&build).with_context(|| format!("removing {}", build.display()))
}

/// Gives bpf-linker's build the LLVM that rustc itself is linked to, in the layout of an LLVM installation.
fn link_compilers_llvm(places: &Places, lib: &Path) -> Result<()> {
    let ours = places.compiler.sysroot.join("lib");
    let mut shared = None;
    for entry in fs::read_dir(&ours).with_context(|| format!("reading {}", ours.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.starts_with("libLLVM") {
            continue;
        }
        link(&path, &lib.join(name))?;
        if name.starts_with("libLLVM.so.") {
            shared = Some(path.clone());
        }
    }
    let shared = shared.with_context(|| {
        format!("{} holds no libLLVM.so.*: use a toolchain from rustup, which ships it", ours.display())
    })?;
    link(&shared, &lib.join("libLLVM.so"))
}

pub(crate) fn lints_ready(places: &Places) -> Result<bool> {
    let bin = places.compiler.sysroot.join("bin");
    Ok(["rustfmt", "cargo-fmt", "cargo-clippy"].iter().all(|name| bin.join(name).exists()))
}

pub(crate) fn make_lints(_: &Places) -> Result<()> {
    visibly(
        Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]),
        "asking rustup for rustfmt and clippy",
    )
}

/// Makes `at` a link to `to`, in place of whatever link stands there.
fn link(to: &Path, at: &Path) -> Result<()> {
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    }
    if at.is_symlink() {
        fs::remove_file(at).with_context(|| format!("replacing the link {}", at.display()))?;
    }
    symlink(to, at).with_context(|| format!("linking {} to {}", at.display(), to.display()))
}
