//! Somebody who takes every byte of a disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use super::until;
use super::wait::Look;

/// Written at a time; where there is no room for it, its half is tried, down to a single byte.
const CHUNK: usize = 1 << 20;
/// How soon what others have freed is taken.
const PAUSE: Duration = Duration::from_millis(1);

/// Fills a disk, and takes at once what others free on it. Gone on drop, with all that it took.
#[derive(Debug)]
pub struct Hog {
    file: PathBuf,
    over: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hog {
    /// Fills the disk that a folder lies on; returns when it is full.
    ///
    /// # Errors
    /// If nothing can be written there, or the disk does not become full.
    pub fn on(folder: &Path) -> Result<Self> {
        let path = folder.join("hog");
        let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        let (over, full) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (its_end, its_fill) = (Arc::clone(&over), Arc::clone(&full));
        let thread = thread::spawn(move || {
            while !its_end.load(Ordering::Relaxed) {
                if is_full_after_filling(&mut file, &its_end) {
                    its_fill.store(true, Ordering::Relaxed);
                    thread::sleep(PAUSE);
                }
            }
        });
        let hog = Self { file: path, over, full, thread: Some(thread) };
        until("the disk to be full", || {
            let full = hog.full.load(Ordering::Relaxed);
            Ok(if full { Look::Found(()) } else { Look::NotYet("there is room".to_owned()) })
        })?;
        Ok(hog)
    }

    /// Gives everything back.
    ///
    /// # Errors
    /// If it cannot.
    pub fn leaves(mut self) -> Result<()> {
        self.take_away()
    }

    fn take_away(&mut self) -> Result<()> {
        self.over.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let ended = thread.join();
        fs::remove_file(&self.file).with_context(|| format!("removing {}", self.file.display()))?;
        ended.ok().context("who fills the disk has failed")
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            eprintln!("could not free the disk: {error:#}");
        }
    }
}

/// Writes until there is no room for a single byte.
fn is_full_after_filling(file: &mut File, over: &AtomicBool) -> bool {
    let bytes = vec![0x5a; CHUNK];
    let mut size = CHUNK;
    while !over.load(Ordering::Relaxed) {
        match file.write_all(&bytes[..size]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull && size > 1 => size /= 2,
            Err(error) => return error.kind() == ErrorKind::StorageFull,
        }
    }
    false
}
