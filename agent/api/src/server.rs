//! Serving the socket until the agent stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service as _, http};
use tonic::transport::Server;
use tower::service_fn;

use crate::peer::{self, Connection};
use crate::proto::agent_server::AgentServer;
use crate::proto::containment_server::{self, ContainmentServer};
use crate::service::Service;
use crate::{Backend, MAX_POLICY_BYTES, Socket, containment};

/// A question is small.
const QUESTION_BYTES: usize = 64 << 10;
/// How long answers that are on their way may take once the agent stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Why serving ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The runtime does not take the socket.
    #[error("cannot wait for connections on the agent's socket")]
    Listen(#[source] io::Error),
    /// The server failed.
    #[error("the server on the agent's socket failed")]
    Serve(#[from] tonic::transport::Error),
}

/// Answers on `socket` until `shutdown`, then ends watches at once and gives other answers two seconds. The socket is
/// removed at the end.
pub async fn serve<B: Backend>(
    socket: Socket,
    backend: Arc<B>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let listener =
        socket.listener.try_clone().and_then(UnixListener::from_std).map_err(ServeError::Listen)?;
    let door = Arc::clone(&backend);
    let connections = UnixListenerStream::new(listener)
        .map(move |stream| stream.map(|stream| Connection::new(stream, |peer| door.admits(peer))));
    let (stop, mut stopping) = watch::channel(false);
    let containment = ContainmentServer::new(containment::Service::new(Arc::clone(&backend)))
        .max_decoding_message_size(MAX_POLICY_BYTES + QUESTION_BYTES);
    let agent =
        AgentServer::new(Service::new(backend, stopping.clone())).max_decoding_message_size(QUESTION_BYTES);
    let stopped = async move {
        shutdown.await;
        stop.send_replace(true);
        // Kept until the end: a dropped sender would read as "never".
        std::future::pending::<()>().await;
    };
    let mut signal = stopping.clone();
    let serving =
        Server::builder().serve_with_incoming_shutdown(both(agent, containment), connections, async move {
            let _ = signal.wait_for(|stopping| *stopping).await;
        });
    let late = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => served?,
        () = late => {}
        () = stopped => {}
    }
    drop(socket);
    Ok(())
}

type Answered = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

/// Every question to the service that it names, unless who asks is not answered.
fn both<B: Backend>(
    agent: AgentServer<Service<B>>,
    containment: ContainmentServer<containment::Service<B>>,
) -> impl tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(move |question: http::Request<Body>| {
        if let Some(refusal) = peer::refusal(question.extensions()) {
            let refused: Answered = Box::pin(std::future::ready(Ok(refusal.into_http())));
            return refused;
        }
        let service = question.uri().path().trim_start_matches('/').split('/').next();
        if service == Some(containment_server::SERVICE_NAME) {
            containment.clone().call(question)
        } else {
            agent.clone().call(question)
        }
    })
}
