//! Questions to the kernel about our own descriptors, answered by the query program in our own context.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aya::Ebpf;
use aya::maps::{Array, MapData};
use aya::programs::{RawTracePoint, RawTracePointRunOptions, TestRun};
use cofferdam_abi::map::{Answer, query};
use cofferdam_model::InodeKey;

use crate::load::{LoadError, query_program};
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
    pub(crate) fn new(mut ebpf: Ebpf) -> Result<Self, LoadError> {
        let other = |reason: String| LoadError::Other { what: "prepare queries".to_owned(), reason };
        query_program(&ebpf)?;
        let map =
            ebpf.take_map("ANSWER").ok_or_else(|| other("the object has no ANSWER table".to_owned()))?;
        let answer = Array::try_from(map).map_err(|error| other(error.to_string()))?;
        Ok(Self { ebpf, answer })
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

    fn ask(&mut self, what: u64, file: &File, path: &Path) -> Result<Answer, QueryError> {
        let failed = |reason: String| QueryError::Failed { path: path.display().to_string(), reason };
        let program: &RawTracePoint = query_program(&self.ebpf).map_err(|error| failed(error.to_string()))?;
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

fn open_path(path: &Path) -> Result<File, QueryError> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_CLOEXEC)
        .open(path)
        .map_err(|source| QueryError::Open { path: path.display().to_string(), source })
}
