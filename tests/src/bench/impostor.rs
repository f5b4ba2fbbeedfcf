//! Somebody who listens where a container runtime should, and is none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use super::random;

/// How soon an impostor sees that it is over.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes of one answer that is none.
const BABBLE: usize = 20_000;

/// What becomes of who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nobody answers them.
    HangsUp,
    /// They are told bytes without meaning.
    Babbles,
    /// They are listened to, and not answered.
    KeepsSilent,
}

const MANNERS: [Manner; 3] = [Manner::HangsUp, Manner::Babbles, Manner::KeepsSilent];

/// A socket at which each who connects is treated in another manner, in turn. Gone on drop.
#[derive(Debug)]
pub struct Impostor {
    at: PathBuf,
    over: Arc<AtomicBool>,
    visitors: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Impostor {
    /// Listens there.
    ///
    /// # Errors
    /// If it cannot.
    pub fn at(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path).with_context(|| format!("binding {}", path.display()))?;
        listener.set_nonblocking(true).with_context(|| format!("preparing {}", path.display()))?;
        let noise = random::hex_digits(BABBLE)?.into_bytes();
        let (over, visitors) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (its_end, its_visitors) = (Arc::clone(&over), Arc::clone(&visitors));
        let thread = thread::spawn(move || {
            let mut silent = Vec::new();
            while !its_end.load(Ordering::Relaxed) {
                let Ok((visitor, _)) = listener.accept() else {
                    thread::sleep(PAUSE);
                    continue;
                };
                let before = its_visitors.fetch_add(1, Ordering::Relaxed);
                match MANNERS[before % MANNERS.len()] {
                    Manner::HangsUp => {}
                    Manner::Babbles => babble(visitor, &noise),
                    Manner::KeepsSilent => silent.push(visitor),
                }
            }
        });
        Ok(Self { at: path.to_owned(), over, visitors, thread: Some(thread) })
    }

    /// How often somebody has connected.
    pub fn visitors(&self) -> usize {
        self.visitors.load(Ordering::Relaxed)
    }

    /// How often somebody must connect to have met each manner.
    pub fn manners() -> usize {
        MANNERS.len()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.at);
    }
}

/// Bytes of every value, and never for long: a visitor who does not read is not waited for.
fn babble(mut visitor: UnixStream, noise: &[u8]) {
    let bytes: Vec<u8> = noise.iter().enumerate().map(|(n, digit)| digit.wrapping_mul(n as u8 | 1)).collect();
    let _ = visitor.set_nonblocking(false);
    let _ = visitor.set_write_timeout(Some(PAUSE));
    let _ = visitor.set_read_timeout(Some(PAUSE));
    let _ = visitor.write_all(&bytes);
    let _ = visitor.read(&mut [0; 1024]);
}
