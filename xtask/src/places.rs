//! Where things are and what compiles them: the source tree, the target directory, the cache, the compiler.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::quietly;

/// The compiler that builds everything, as `rustc -vV` describes it.
#[derive(Debug, Clone)]
pub(crate) struct Compiler {
    /// The host's target triple, for example `x86_64-unknown-linux-gnu`.
    pub(crate) triple: String,
    /// The compiler's version, for example `1.95.0`.
    pub(crate) release: String,
    /// The major version of the LLVM inside it, for example `22`.
    pub(crate) llvm: String,
    /// The root of the toolchain's files.
    pub(crate) sysroot: PathBuf,
}

impl Compiler {
    fn detect() -> Result<Self> {
        let told = quietly(Command::new("rustc").arg("-vV"), "asking rustc for its version")?;
        let sysroot =
            quietly(Command::new("rustc").args(["--print", "sysroot"]), "asking rustc for its sysroot")?;
        let field = |name: &str| {
            told.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .with_context(|| format!("`rustc -vV` names no `{name}`: is this a rustup toolchain?"))
        };
        let llvm = field("LLVM version")?.split('.').next().unwrap_or_default().to_owned();
        Ok(Self {
            triple: field("host")?.to_owned(),
            release: field("release")?.to_owned(),
            llvm,
            sysroot: PathBuf::from(sysroot.trim()),
        })
    }

    /// The processor as the target triple names it: `x86_64` or `aarch64`.
    pub(crate) fn processor(&self) -> &str {
        self.triple.split('-').next().unwrap_or_default()
    }
}

/// How user space is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As users get it.
    Release,
    /// Without what takes long to build and changes nothing but speed.
    Tested,
}

impl Profile {
    /// What cargo calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Tested => "tested",
        }
    }
}

/// The directories that every task works in.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
    /// What `setup` has made; it outlives a checkout.
    pub(crate) cache: PathBuf,
    /// The compiler in use.
    pub(crate) compiler: Compiler,
    /// How user space is built.
    pub(crate) profile: Profile,
}

impl Places {
    /// Finds them from the environment.
    pub(crate) fn find(profile: Profile) -> Result<Self> {
        // What cargo says now counts before what it said at compile time: checkouts may share a target directory.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let manifest = PathBuf::from(manifest);
        let root = manifest.parent().context("xtask's own manifest lies in no workspace")?.to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => root.join(dir),
            None => root.join("target"),
        };
        let cache = match (env::var_os("COFFERDAM_CACHE"), env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
        {
            (Some(dir), _, _) => PathBuf::from(dir),
            (None, Some(dir), _) => PathBuf::from(dir).join("cofferdam"),
            (None, None, Some(home)) => PathBuf::from(home).join(".cache/cofferdam"),
            (None, None, None) => {
                anyhow::bail!("no place for the cache: set COFFERDAM_CACHE to a directory outside the source")
            }
        };
        Ok(Self { root, target, cache, compiler: Compiler::detect()?, profile })
    }

    /// Where the kernel programs' object is put for user space to embed.
    pub(crate) fn bpf_object(&self) -> PathBuf {
        self.target.join("cofferdam.bpf.o")
    }

    /// Where the binaries of user space are.
    pub(crate) fn bin_dir(&self) -> PathBuf {
        self.target.join(&self.compiler.triple).join(self.profile.name())
    }
}
