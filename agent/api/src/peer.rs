//! Who asks: what the kernel says of the other end of the socket, never what a message says.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cofferdam_model::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::codegen::http::Extensions;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

/// A connection, with what was found out about its other end when it was accepted: by the time of a question that
/// process may be another, or gone and its number somebody else's.
pub(crate) struct Connection {
    stream: UnixStream,
    caller: Caller,
}

/// The other end, or why it is not answered.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Result<Peer, Arc<str>>);

impl Connection {
    /// Lets `admits` decide about the process that connected; its id is 0 where it has none in the agent's process
    /// namespace.
    pub(crate) fn new(stream: UnixStream, admits: impl FnOnce(Peer) -> Result<(), String>) -> Self {
        let peer = stream.peer_cred().map_err(|error| format!("the socket does not tell who asks: {error}"));
        let admitted = peer.and_then(|credentials| {
            let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
            let peer = Peer { uid: credentials.uid(), pid: pid.unwrap_or(0) };
            admits(peer).map(|()| peer)
        });
        Self { stream, caller: Caller(admitted.map_err(Arc::from)) }
    }
}

/// Who sent this request.
pub(crate) fn of<T>(request: &Request<T>) -> Result<Peer, Status> {
    admitted(request.extensions().get())
}

/// Why a question is not answered, whatever it asks.
pub(crate) fn refusal(question: &Extensions) -> Option<Status> {
    admitted(question.get()).err()
}

fn admitted(caller: Option<&Caller>) -> Result<Peer, Status> {
    match caller {
        Some(Caller(Ok(peer))) => Ok(*peer),
        Some(Caller(Err(why))) => Err(Status::permission_denied(&**why)),
        None => Err(Status::permission_denied("the connection does not tell who asks")),
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
