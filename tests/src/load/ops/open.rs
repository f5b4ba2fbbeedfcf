//! Opening a file and closing it again.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::Operation;

/// One file, again and again.
pub(crate) struct OpenClose(CString);

impl OpenClose {
    /// Of an existing file.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        Ok(Self(CString::new(path.as_os_str().as_bytes()).context("a path with a zero byte")?))
    }
}

impl Operation for OpenClose {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            let opened = open(self.0.as_c_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
                .with_context(|| format!("opening {}", self.0.to_string_lossy()))?;
            drop(opened);
        }
        Ok(())
    }
}
