//! Where the containers connect to: three ports on loopback, so that nothing leaves this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::{net::TcpStream, thread};

use anyhow::{Context, Result};

/// The three of them.
pub(super) struct Street {
    /// The shop's database.
    pub(super) database: Door,
    /// The payment service.
    pub(super) payments: Door,
    /// Where stolen goods are taken.
    pub(super) thief: Door,
}

impl Street {
    pub(super) fn open() -> Result<Self> {
        Ok(Self {
            database: Door::open(Ipv4Addr::new(127, 10, 0, 5), 5432)?,
            payments: Door::open(Ipv4Addr::new(127, 20, 0, 8), 443)?,
            thief: Door::open(Ipv4Addr::new(127, 6, 6, 6), 443)?,
        })
    }
}

/// A TCP port that takes every connection and closes it at once; closed on drop.
pub(super) struct Door {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    visitors: Arc<AtomicUsize>,
    keeper: Option<JoinHandle<()>>,
}

impl Door {
    /// Opens this port, or another one if somebody listens there already.
    fn open(address: Ipv4Addr, port: u16) -> Result<Self> {
        let about = || format!("listening at {address}");
        let listener = TcpListener::bind((address, port))
            .or_else(|_| TcpListener::bind((address, 0)))
            .with_context(about)?;
        let address = listener.local_addr().with_context(about)?;
        let over = Arc::new(AtomicBool::new(false));
        let visitors = Arc::new(AtomicUsize::new(0));
        let (done, seen) = (Arc::clone(&over), Arc::clone(&visitors));
        let keeper = thread::spawn(move || {
            while !done.load(Ordering::Acquire) && listener.accept().is_ok() {
                seen.fetch_add(1, Ordering::AcqRel);
            }
        });
        Ok(Self { address, over, visitors, keeper: Some(keeper) })
    }

    /// How often somebody got through to it.
    pub(super) fn visitors(&self) -> usize {
        self.visitors.load(Ordering::Acquire)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the keeper, who waits for a connection.
        if let (Ok(_), Some(keeper)) = (TcpStream::connect(self.address), self.keeper.take()) {
            let _ = keeper.join();
        }
    }
}
