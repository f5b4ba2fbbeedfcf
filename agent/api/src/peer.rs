//! Who asks: what the kernel says of the other end of the socket, never what a message says.

use cofferdam_model::Peer;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Status};

/// Who sent this request; the process id is 0 where it has none in the agent's process namespace.
pub(crate) fn of<T>(request: &Request<T>) -> Result<Peer, Status> {
    let connection = request.extensions().get::<UdsConnectInfo>();
    let credentials = connection.and_then(|connection| connection.peer_cred).ok_or_else(|| {
        Status::permission_denied("the socket does not tell who asks, and without that nothing is changed")
    })?;
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
    Ok(Peer { uid: credentials.uid(), pid: pid.unwrap_or(0) })
}
