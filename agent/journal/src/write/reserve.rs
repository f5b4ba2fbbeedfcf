//! A file that only takes up room, so that there is some when the disk is full: giving up rows needs room too.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The reserve of one journal.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    size: usize,
    kept: bool,
}

impl Reserve {
    /// A 64th of the bound, 1 to 4 MiB: as much as a log that waits to be folded in.
    pub(super) fn of(dir: &Path, max_size: u64) -> Self {
        let size = usize::try_from(max_size / 64).unwrap_or(usize::MAX).clamp(1 << 20, 4 << 20);
        let mut reserve = Self { path: dir.join("journal.reserve"), size, kept: false };
        reserve.keep();
        reserve
    }

    /// Takes the room if it was given up. When there is none, the next commit tries again.
    pub(super) fn keep(&mut self) {
        if !self.kept {
            self.kept = self.write().is_ok();
            if !self.kept {
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    /// Bytes that it takes up now.
    pub(super) fn bytes(&self) -> u64 {
        if self.kept { self.size as u64 } else { 0 }
    }

    /// Gives the room up.
    pub(super) fn give_up(&mut self) {
        self.kept = false;
        let _ = fs::remove_file(&self.path);
    }

    fn write(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|m| m.len() == self.size as u64) {
            return Ok(());
        }
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        // Not zeros: a file system that compresses would not set the room aside.
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut noise = Vec::with_capacity(self.size);
        while noise.len() < self.size {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            noise.extend_from_slice(&seed.to_ne_bytes());
        }
        file.write_all(&noise)
    }
}
