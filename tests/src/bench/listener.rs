//! Something on loopback that can be connected to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

/// A TCP or UDP port on loopback; closed on drop.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp {
        over: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    },
    /// Kept open; what arrives is dropped when the buffer is full.
    Udp {
        _socket: UdpSocket,
    },
}

impl Listener {
    /// TCP over IPv4.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn tcp4() -> Result<Self> {
        Self::tcp((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// TCP over IPv6.
    ///
    /// # Errors
    /// As [`Self::tcp4`].
    pub fn tcp6() -> Result<Self> {
        Self::tcp((Ipv6Addr::LOCALHOST, 0).into())
    }

    /// UDP over IPv4.
    ///
    /// # Errors
    /// As [`Self::tcp4`].
    pub fn udp4() -> Result<Self> {
        Self::udp((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// UDP over IPv6.
    ///
    /// # Errors
    /// As [`Self::tcp4`].
    pub fn udp6() -> Result<Self> {
        Self::udp((Ipv6Addr::LOCALHOST, 0).into())
    }

    fn tcp(at: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(at).with_context(|| format!("listening at {at}"))?;
        let address = listener.local_addr().context("asking for the port")?;
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&over);
        let thread = thread::spawn(move || {
            // Each connection is closed at once; an error that stays would only spin until the end.
            while !done.load(Ordering::Acquire) && listener.accept().is_ok() {}
        });
        Ok(Self { address, kind: Kind::Tcp { over, thread: Some(thread) } })
    }

    fn udp(at: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(at).with_context(|| format!("listening at {at}"))?;
        let address = socket.local_addr().context("asking for the port")?;
        Ok(Self { address, kind: Kind::Udp { _socket: socket } })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Kind::Tcp { over, thread } = &mut self.kind {
            over.store(true, Ordering::Release);
            // Wakes the thread up, which waits for a connection.
            let woken: io::Result<TcpStream> = TcpStream::connect(self.address);
            if let (Ok(_), Some(thread)) = (woken, thread.take()) {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_gone_when_it_is_dropped() {
        let listener = Listener::tcp4().unwrap();
        let address = listener.address();
        TcpStream::connect(address).unwrap();
        drop(listener);
        assert!(TcpStream::connect(address).is_err());
    }
}
