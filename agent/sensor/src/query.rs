//! Questions to the kernel about our own descriptors, answered by the query program in our own context.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::maps::{Array, MapData};
use aya::programs::{Program, RawTracePoint, RawTracePointRunOptions, TestRun};
use cofferdam_abi::map::{Answer, query};
use cofferdam_model::InodeKey;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::links::Links;
use crate::load::{LoadError, on_demand};
use crate::resolve::Root;
use crate::tables::model_inode;

/// A file as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// Its key.
    pub key: InodeKey,
    /// Bits of [`cofferdam_abi::process::facts`].
    pub facts: u32,
    /// Magic number of its file system.
    pub magic: u64,
}

/// Asks the kernel.
pub struct Query {
    ebpf: Ebpf,
    links: Links,
    answer: Array<MapData, Answer>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The file could not be opened.
    #[error("cannot open {path} to identify it: {source}")]
    Open {
        /// Path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel did not answer.
    #[error("the kernel cannot identify {path}: {reason}")]
    Failed {
        /// Path.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Query {
    /// Keeps the object alive: its query program answers.
    pub(crate) fn new(mut ebpf: Ebpf, links: Links) -> Result<Self, LoadError> {
        let other = |reason: String| LoadError::Other { what: "prepare queries".to_owned(), reason };
        on_demand(&ebpf, "query")?;
        let map =
            ebpf.take_map("ANSWER").ok_or_else(|| other("the object has no ANSWER table".to_owned()))?;
        let answer = Array::try_from(map).map_err(|error| other(error.to_string()))?;
        Ok(Self { ebpf, links, answer })
    }

    /// Identifies a file by its path. It is not opened for reading: no hook of ours, or of anybody, sees an open.
    ///
    /// # Errors
    /// If it is not there or the kernel does not answer.
    pub fn file(&mut self, path: &Path) -> Result<FileFacts, QueryError> {
        let file = open_path(path)?;
        let answer = self.ask(query::FILE, &file, path)?;
        Ok(FileFacts { key: model_inode(answer.file), facts: answer.facts, magic: answer.magic })
    }

    /// As [`Self::file`], by a path that is to have no symbolic link: one that has come since is not followed.
    ///
    /// # Errors
    /// If it is not there, a link is on the way, or the kernel does not answer.
    pub fn file_itself(&mut self, path: &Path) -> Result<FileFacts, QueryError> {
        let file = open_itself(path)?;
        let answer = self.ask(query::FILE, &file, path)?;
        Ok(FileFacts { key: model_inode(answer.file), facts: answer.facts, magic: answer.magic })
    }

    /// Identifies a file of a container; with its path there, links resolved.
    ///
    /// # Errors
    /// If it is not there or the kernel does not answer.
    pub fn file_in(&mut self, root: &Root, inside: &Path) -> Result<(FileFacts, PathBuf), QueryError> {
        let failed = |source| QueryError::Open { path: inside.display().to_string(), source };
        let file = root.place(inside).map_err(failed)?;
        let answer = self.ask(query::FILE, &file, inside)?;
        let facts = FileFacts { key: model_inode(answer.file), facts: answer.facts, magic: answer.magic };
        Ok((facts, root.inside(&file).unwrap_or_else(|| inside.to_owned())))
    }

    /// Takes over a process that ran before the agent; what the kernel's table holds of it afterwards.
    ///
    /// # Errors
    /// If it is gone or the kernel does not answer.
    pub fn adopt(&mut self, pid: u32) -> Result<cofferdam_abi::process::ProcessState, QueryError> {
        let path = format!("/proc/{pid}");
        let path = Path::new(&path);
        let what = if pid == 1 { query::ADOPT_INIT } else { query::ADOPT };
        Ok(self.ask(what, &open_path(path)?, path)?.process)
    }

    /// How often the kernel left a program that decides out because it was running already on that processor.
    pub fn recursion_misses(&self) -> u64 {
        let decides = |program: &Program| {
            matches!(program, Program::Lsm(_) | Program::CgroupSockAddr(_) | Program::CgroupSkb(_))
        };
        self.ebpf.programs().filter(|(_, program)| decides(program)).filter_map(|(_, it)| misses(it)).sum()
    }

    /// The same of each program that only sees (tracepoints).
    pub fn not_run(&self) -> impl Iterator<Item = (&str, u64)> {
        let seeing = self.ebpf.programs().filter(|(_, program)| matches!(program, Program::BtfTracePoint(_)));
        seeing.filter_map(|(name, program)| Some((name, misses(program)?)))
    }

    /// Attaches again what somebody has detached from the root cgroup; to be called every second or so.
    pub fn look_at_links(&mut self) {
        self.links.look(&mut self.ebpf);
    }

    /// How often something was found detached there.
    pub fn links_lost(&self) -> u64 {
        self.links.lost()
    }

    /// Why something is not attached there now, or not known to be.
    pub fn links_trouble(&self) -> Option<&str> {
        self.links.trouble()
    }

    /// The program that the guard asks about opens; it lives as long as somebody holds a descriptor of it.
    ///
    /// # Errors
    /// If this kernel has refused it: the hooks' report says why.
    pub fn guard_program(&self) -> Result<OwnedFd, LoadError> {
        let failed =
            |reason: String| LoadError::Other { what: "hand the rules to the guard".to_owned(), reason };
        let program = on_demand(&self.ebpf, "guard")?.fd().map_err(|error| failed(error.to_string()))?;
        program.as_fd().try_clone_to_owned().map_err(|error| failed(error.to_string()))
    }

    fn ask(&mut self, what: u64, file: &File, path: &Path) -> Result<Answer, QueryError> {
        let failed = |reason: String| QueryError::Failed { path: path.display().to_string(), reason };
        let program: &RawTracePoint =
            on_demand(&self.ebpf, "query").map_err(|error| failed(error.to_string()))?;
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = what;
        options.args[1] = file.as_fd().as_raw_fd() as u64;
        program.test_run(options).map_err(|error| failed(error.to_string()))?;
        let answer = self.answer.get(&0, 0).map_err(|error| failed(error.to_string()))?;
        match answer.status {
            query::OK => Ok(answer),
            _ => Err(failed("its structures could not be read".to_owned())),
        }
    }
}

/// Opens a place, without waiting for anybody and without reading. Below another process's root its links lead to
/// where that process's would: a container's must not lead us out of it.
fn open_path(path: &Path) -> Result<File, QueryError> {
    let failed = |source| QueryError::Open { path: path.display().to_string(), source };
    let Some((root, inside)) = in_root_of_process(path) else { return open_place(path).map_err(failed) };
    let root = open_place(&root).map_err(failed)?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root, &inside, how).map(File::from).map_err(|errno| failed(errno.into()))
}

/// The same without links.
fn open_itself(path: &Path) -> Result<File, QueryError> {
    let failed = |source| QueryError::Open { path: path.display().to_string(), source };
    let (root, inside) = in_root_of_process(path).unwrap_or_else(|| ("/".into(), path.to_owned()));
    let root = open_place(&root).map_err(failed)?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(root, &inside, how).map(File::from).map_err(|errno| failed(errno.into()))
}

fn open_place(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path)
}

/// Splits `/proc/<pid>/root/inside`.
fn in_root_of_process(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut parts = path.components();
    let root: PathBuf = parts.by_ref().take(4).collect();
    let text = root.to_str()?;
    let pid = text.strip_prefix("/proc/")?.strip_suffix("/root")?;
    let inside = Path::new("/").join(parts.as_path());
    pid.bytes().all(|byte| byte.is_ascii_digit()).then_some((root, inside))
}

/// `recursion_misses` of a loaded program (`bpf_prog_show_fdinfo`, kernel/bpf/syscall.c).
fn misses(program: &Program) -> Option<u64> {
    let fd = program.fd().ok()?.as_fd().as_raw_fd();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_another_process_s_root_is_told_from_every_other() {
        let split = |path: &str| in_root_of_process(Path::new(path));
        assert_eq!(split("/proc/12/root/run/secrets"), Some(("/proc/12/root".into(), "/run/secrets".into())));
        assert_eq!(split("/proc/12/root"), Some(("/proc/12/root".into(), "/".into())));
        assert_eq!(split("/proc/12/rootless"), None);
        assert_eq!(split("/proc/self/root/etc"), None);
        assert_eq!(split("/srv/12/root/etc"), None);
    }

    #[test]
    fn a_link_below_a_process_s_root_does_not_lead_out_of_it() {
        let here = std::process::id();
        let path = format!("/proc/{here}/root/proc/self/root/etc");
        assert!(open_path(Path::new(&path)).is_err());
    }
}
