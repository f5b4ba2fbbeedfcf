//! Something on loopback that can be connected to.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

/// A TCP or UDP port on loopback; closed on drop.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    received: Arc<AtomicU64>,
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

    /// TCP over IPv4, at another address of loopback.
    ///
    /// # Errors
    /// As [`Self::tcp4`].
    pub fn tcp4_at(address: Ipv4Addr) -> Result<Self> {
        Self::tcp((address, 0).into())
    }

    /// TCP over IPv4; connections stay open, and what arrives is counted.
    ///
    /// # Errors
    /// As [`Self::tcp4`].
    pub fn sink() -> Result<Self> {
        let received = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&received);
        let take = move |stream| {
            let count = Arc::clone(&count);
            thread::spawn(move || receive(stream, &count));
        };
        let mut listener = Self::serving((Ipv4Addr::LOCALHOST, 0).into(), take)?;
        listener.received = received;
        Ok(listener)
    }

    /// TCP over IPv4; what arrives is handed on to another listener.
    ///
    /// # Errors
    /// As [`Self::tcp4`].
    pub fn proxy_to(beyond: SocketAddr) -> Result<Self> {
        Self::serving((Ipv4Addr::LOCALHOST, 0).into(), move |mut stream| {
            thread::spawn(move || {
                let beyond = TcpStream::connect(beyond);
                beyond.and_then(|mut beyond| std::io::copy(&mut stream, &mut beyond))
            });
        })
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

    /// UDP at some address.
    ///
    /// # Errors
    /// As [`Self::tcp4`].
    pub fn udp_at(address: SocketAddr) -> Result<Self> {
        Self::udp(address)
    }

    fn tcp(at: SocketAddr) -> Result<Self> {
        // Each connection is closed at once.
        Self::serving(at, drop)
    }

    fn serving(at: SocketAddr, take: impl Fn(TcpStream) + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind(at).with_context(|| format!("listening at {at}"))?;
        let address = listener.local_addr().context("asking for the port")?;
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&over);
        let thread = thread::spawn(move || {
            // An error that stays would only spin until the end.
            while !done.load(Ordering::Acquire)
                && let Ok((stream, _)) = listener.accept()
            {
                take(stream);
            }
        });
        Ok(Self { address, received: Arc::default(), kind: Kind::Tcp { over, thread: Some(thread) } })
    }

    fn udp(at: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(at).with_context(|| format!("listening at {at}"))?;
        let address = socket.local_addr().context("asking for the port")?;
        Ok(Self { address, received: Arc::default(), kind: Kind::Udp { _socket: socket } })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes have arrived, if they are counted.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }
}

/// Reads to the end of a stream; a byte out of band counts like any other.
fn receive(mut stream: TcpStream, count: &AtomicU64) {
    let _ = nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::OobInline, &true);
    let mut some = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut some) {
        count.fetch_add(length as u64, Ordering::AcqRel);
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
