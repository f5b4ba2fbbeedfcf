//! Who asks: what the kernel says of the other end of the socket, never what a message says.

use serde::{Deserialize, Serialize};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Status};

/// A process that changed something, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process id; 0 where it has none in the agent's process namespace.
    pub pid: u32,
}

impl Peer {
    /// Who sent this request.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let connection = request.extensions().get::<UdsConnectInfo>();
        let credentials = connection.and_then(|connection| connection.peer_cred).ok_or_else(|| {
            Status::permission_denied(
                "the socket does not tell who asks, and without that nothing is changed",
            )
        })?;
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
        Ok(Self { uid: credentials.uid(), pid: pid.unwrap_or(0) })
    }
}
