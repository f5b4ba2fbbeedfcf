//! One call over a runtime's unix socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// A call takes at most this long.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer, as the kubelet has it: annotations of many pods travel in it although nobody reads them.
pub const ANSWER_MAX: usize = 16 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No connection.
    #[error("cannot connect to {socket}: {error}", socket = .socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        error: String,
    },
    /// The runtime answered with an error.
    #[error("{socket} refused {method}: {code}", socket = .socket.display())]
    Refused {
        /// The socket.
        socket: PathBuf,
        /// The call.
        method: &'static str,
        /// The kind of error; its text is the runtime's and may name anything.
        code: tonic::Code,
    },
}

/// A connection to a runtime.
#[derive(Debug, Clone)]
pub struct Connection {
    socket: PathBuf,
    channel: Channel,
}

impl Connection {
    /// Connects.
    pub async fn open(socket: &Path) -> Result<Self, RpcError> {
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let refused = |error: tonic::transport::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            RpcError::Connect { socket: socket.to_owned(), error: cause.unwrap_or_else(|| error.to_string()) }
        };
        // The URI is only a name here: the connector above knows where to go.
        let endpoint = Endpoint::from_static("http://localhost").connect_timeout(TIMEOUT);
        let channel = endpoint.connect_with_connector(connector).await.map_err(refused)?;
        Ok(Self { socket: socket.to_owned(), channel })
    }

    /// Where it leads.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Calls a method (`/runtime.v1.RuntimeService/Version`) and waits for the answer, at most so long.
    pub async fn call<Q, A>(
        &mut self,
        method: &'static str,
        question: Q,
        patience: Duration,
    ) -> Result<A, RpcError>
    where
        Q: prost::Message + Default + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let refused = |code| RpcError::Refused { socket: self.socket.clone(), method, code };
        let mut client = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_MAX);
        let answer = tokio::time::timeout(patience, async {
            client.ready().await.map_err(|_| tonic::Code::Unavailable)?;
            let codec = ProstCodec::<Q, A>::default();
            let request = tonic::Request::new(question);
            let answer = client.unary(request, PathAndQuery::from_static(method), codec).await;
            answer.map_err(|status| status.code())
        });
        match answer.await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(code)) => Err(refused(code)),
            Err(_) => Err(refused(tonic::Code::DeadlineExceeded)),
        }
    }
}
