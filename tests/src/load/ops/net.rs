//! Talking to this machine itself: TCP connect and close, and UDP without a connection.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use anyhow::{Context, Result};

use super::Operation;

/// The loopback address and a port that the kernel chooses.
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// TCP connect to a listener of our own, then close.
pub(crate) struct Connect {
    listener: TcpListener,
    address: SocketAddr,
}

impl Connect {
    pub(crate) fn new() -> Result<Self> {
        let listener = TcpListener::bind(ANY_PORT).context("listening on the loopback address")?;
        listener.set_nonblocking(true).context("making the listener non-blocking")?;
        let address = listener.local_addr().context("asking for the listener's address")?;
        Ok(Self { listener, address })
    }
}

impl Operation for Connect {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            drop(TcpStream::connect(self.address).context("connecting to the loopback address")?);
        }
        Ok(())
    }

    /// Accepts what was connected.
    fn settle(&mut self) -> Result<()> {
        loop {
            match self.listener.accept() {
                Ok(accepted) => drop(accepted),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("accepting"),
            }
        }
    }
}

/// An unconnected UDP send, and the receipt of what was sent.
pub(crate) struct Send {
    sender: UdpSocket,
    receiver: UdpSocket,
    address: SocketAddr,
}

impl Send {
    pub(crate) fn new() -> Result<Self> {
        let receiver = UdpSocket::bind(ANY_PORT).context("binding to the loopback address")?;
        let sender = UdpSocket::bind(ANY_PORT).context("binding to the loopback address")?;
        let address = receiver.local_addr().context("asking for the receiver's address")?;
        Ok(Self { sender, receiver, address })
    }
}

impl Operation for Send {
    fn run(&mut self, times: u32) -> Result<()> {
        let mut received = [0; 8];
        for _ in 0..times {
            self.sender.send_to(b"bench", self.address).context("sending")?;
            self.receiver.recv(&mut received).context("receiving")?;
        }
        Ok(())
    }
}
