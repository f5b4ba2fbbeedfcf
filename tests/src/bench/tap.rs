//! Between a client and an agent's socket: hands everything on, and keeps what it has heard.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

/// What was sent in one direction of one connection.
type Heard = Arc<Mutex<Vec<u8>>>;

/// A socket that leads to another; closed on drop.
#[derive(Debug)]
pub struct Tap {
    socket: PathBuf,
    heard: Arc<Mutex<Vec<Heard>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// Listens at `socket` and hands on to `to`.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub fn new(socket: PathBuf, to: &Path) -> Result<Self> {
        let listener =
            UnixListener::bind(&socket).with_context(|| format!("listening at {}", socket.display()))?;
        let (heard, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let work = {
            let (heard, over, to) = (Arc::clone(&heard), Arc::clone(&over), to.to_owned());
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    // A client that cannot be connected loses its stream, and says so itself.
                    let _ = connect(client, &to, &heard);
                }
            }
        };
        Ok(Self { socket, heard, over, thread: Some(thread::spawn(work)) })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Everything that was sent, one text for each direction of each connection.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        lock(&self.heard).iter().map(|heard| lock(heard).clone()).collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread, which waits for a client.
        if UnixStream::connect(&self.socket).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn connect(client: UnixStream, to: &Path, all: &Mutex<Vec<Heard>>) -> io::Result<()> {
    let agent = UnixStream::connect(to)?;
    let (asked, answered) = (Heard::default(), Heard::default());
    lock(all).extend([Arc::clone(&asked), Arc::clone(&answered)]);
    let (client_too, agent_too) = (client.try_clone()?, agent.try_clone()?);
    thread::spawn(move || hand_on(client, agent, &asked));
    thread::spawn(move || hand_on(agent_too, client_too, &answered));
    Ok(())
}

/// Ends with either side.
fn hand_on(mut from: UnixStream, mut to: UnixStream, heard: &Mutex<Vec<u8>>) {
    let mut some = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut some) {
        lock(heard).extend_from_slice(&some[..length]);
        if to.write_all(&some[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_handed_on_and_heard() {
        let folder = tempfile::tempdir().unwrap();
        let (at, to) = (folder.path().join("tap"), folder.path().join("agent"));
        let agent = UnixListener::bind(&to).unwrap();
        let tap = Tap::new(at, &to).unwrap();
        let mut client = UnixStream::connect(tap.socket()).unwrap();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut stream, _) = agent.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "question");
        stream.write_all(b"answer").unwrap();
        drop(stream);
        text.clear();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
        assert_eq!(tap.heard(), [b"question".to_vec(), b"answer".to_vec()]);
    }
}
