//! Asking an agent.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use cofferdam_model::{
    AccessRow, Answer, AttemptRow, AuditRow, ConnectionRow, DetectionRow, Filter, SecretRow, WorkloadRow,
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Response, Streaming};
use tower::service_fn;

use crate::proto::agent_client::AgentClient;
use crate::proto::containment_client::ContainmentClient;
use crate::wire::{Chunk, Wire};
use crate::{Doctor, Ending, Event, Malformed, Problem, Status, Timeline, proto};

/// More than any message should have.
const MESSAGE_BYTES: usize = 32 << 20;
/// Refusals travel as headers, and that of a large policy has many lines.
const HEADER_BYTES: u32 = 1 << 20;

/// No agent answers there.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the agent at {}", path.display())]
pub struct ConnectError {
    /// The socket.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The agent says that the question makes no sense.
    #[error("{0}")]
    BadQuestion(String),
    /// The agent does not answer us.
    #[error("the agent refuses to answer: {0}")]
    Refused(String),
    /// The agent is starting or stopping.
    #[error("{0}: try again in a moment")]
    NotReady(String),
    /// The agent does not know the question.
    #[error("the agent does not know this question: it is older than this command line")]
    Unknown,
    /// The agent could not answer.
    #[error("the agent could not answer: {0}")]
    Failed(String),
    /// The answer ended before its completeness.
    #[error("the answer broke off: the agent stopped or was restarted meanwhile")]
    BrokenOff,
    /// The answer makes no sense to this version.
    #[error("the agent's answer is not understood")]
    Malformed(#[from] Malformed),
}

impl From<tonic::Status> for ClientError {
    fn from(status: tonic::Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument => Self::BadQuestion(message),
            Code::PermissionDenied => Self::Refused(message),
            // The transport's own words for a connection that ended.
            Code::Unavailable | Code::Unknown | Code::Cancelled
                if std::error::Error::source(&status).is_some() =>
            {
                Self::BrokenOff
            }
            Code::Unavailable | Code::ResourceExhausted => Self::NotReady(message),
            Code::Cancelled => Self::BrokenOff,
            Code::Unimplemented => Self::Unknown,
            _ => Self::Failed(message),
        }
    }
}

/// A connection to an agent.
#[derive(Debug, Clone)]
pub struct Client {
    agent: AgentClient<Channel>,
    pub(crate) containment: ContainmentClient<Channel>,
}

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident -> $row:ty),+ $(,)?) => {$(
        $(#[$doc])*
        pub async fn $name(&mut self, filter: &Filter) -> Result<Replies<$row>, ClientError> {
            Ok(Replies::new(self.agent.$name(question(filter)).await?))
        }
    )+};
}

impl Client {
    /// Connects to the agent behind `path`.
    pub async fn connect(path: &Path) -> Result<Self, ConnectError> {
        // Tried by itself first, because the channel's error would not say what went wrong.
        let refused = |source| ConnectError { path: path.to_owned(), source };
        let mut first = Some(UnixStream::connect(path).await.map_err(refused)?);
        let owned = path.to_owned();
        let connector = service_fn(move |_: Uri| {
            let first = first.take();
            let path = owned.clone();
            async move {
                match first {
                    Some(stream) => Ok(TokioIo::new(stream)),
                    None => UnixStream::connect(path).await.map(TokioIo::new),
                }
            }
        });
        // The address is only a name in the request: the connector knows where to go.
        let channel = Endpoint::from_static("http://cofferdam")
            .http2_max_header_list_size(HEADER_BYTES)
            .connect_with_connector(connector)
            .await
            .map_err(|error| refused(io::Error::other(error)))?;
        Ok(Self {
            agent: AgentClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES),
            containment: ContainmentClient::new(channel).max_decoding_message_size(MESSAGE_BYTES),
        })
    }

    questions! {
        /// Who touched which secret.
        accesses -> AccessRow,
        /// Who connected where.
        connections -> ConnectionRow,
        /// What else a rule decided.
        attempts -> AttemptRow,
        /// What was refused or would have been.
        denials -> Event,
        /// What was done to the enforcement, or by it.
        audits -> AuditRow,
        /// What rules have found.
        detections -> DetectionRow,
        /// What the selected workloads did; [`Replies::timeline`] sorts it.
        timeline -> Event,
        /// What runs and ran here.
        workloads -> WorkloadRow,
        /// What credentials this node holds.
        secrets -> SecretRow,
    }

    /// What happens from now on.
    pub async fn watch(&mut self, filter: &Filter) -> Result<Watch, ClientError> {
        Ok(Watch { stream: self.agent.watch(question(filter)).await?.into_inner() })
    }

    /// How the agent is.
    pub async fn status(&mut self) -> Result<Status, ClientError> {
        let reply = self.agent.status(proto::StatusRequest {}).await?.into_inner();
        let status = reply.status.ok_or_else(|| absent("StatusReply", "status"))?;
        Ok(Status::decode(status)?)
    }

    /// What this node lets the agent see and deny.
    pub async fn doctor(&mut self) -> Result<Doctor, ClientError> {
        let reply = self.agent.doctor(proto::DoctorRequest {}).await?.into_inner();
        let doctor = reply.doctor.ok_or_else(|| absent("DoctorReply", "doctor"))?;
        Ok(Doctor::decode(doctor)?)
    }
}

fn question(filter: &Filter) -> Request<proto::Filter> {
    Request::new(filter.clone().encode())
}

pub(crate) fn absent(message: &'static str, field: &'static str) -> Malformed {
    Malformed { message, field, problem: Problem::Absent }
}

type Parts<Row> = (Vec<Row>, Option<Ending>);

/// An answer on its way: rows in chunks, then the ending.
pub struct Replies<Row> {
    stream: Pin<Box<dyn Stream<Item = Result<Parts<Row>, ClientError>> + Send>>,
    ending: Option<Ending>,
}

impl<Row: Send + 'static> Replies<Row> {
    fn new(response: Response<Streaming<Row::Reply>>) -> Self
    where
        Row: Chunk,
    {
        let stream = response.into_inner().map(|reply| Ok(Row::parts(reply?)?));
        Self { stream: Box::pin(stream), ending: None }
    }

    /// The next rows, oldest first; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, ClientError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let (rows, ending) = self.stream.next().await.unwrap_or(Err(ClientError::BrokenOff))?;
        self.ending = ending;
        Ok(Some(rows))
    }

    /// The ending, once all rows are taken. An answer without one was cut off.
    pub fn ending(self) -> Result<Ending, ClientError> {
        self.ending.ok_or(ClientError::BrokenOff)
    }

    /// Everything at once.
    pub async fn collect(mut self) -> Result<Answer<Row>, ClientError> {
        let mut rows = Vec::new();
        while let Some(chunk) = self.next().await? {
            rows.extend(chunk);
        }
        Ok(self.ending()?.after(rows))
    }
}

impl Replies<Event> {
    /// Everything at once, sorted into its lists.
    pub async fn timeline(self) -> Result<Timeline, ClientError> {
        let Answer { rows, since, until, completeness } = self.collect().await?;
        Ok(Timeline::new(rows, Ending { completeness, since, until }))
    }
}

/// Live events.
#[derive(Debug)]
pub struct Watch {
    stream: Streaming<proto::WatchReply>,
}

/// Live events that arrived together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchBatch {
    /// The events, as they happened.
    pub events: Vec<Event>,
    /// Events that came too fast and were missed before these, of any workload.
    pub missed: u64,
}

impl Watch {
    /// The next events; `None` when the agent stops.
    pub async fn next(&mut self) -> Result<Option<WatchBatch>, ClientError> {
        let Some(reply) = self.stream.message().await? else { return Ok(None) };
        let events = reply.events.into_iter().map(Event::decode).collect::<Result<_, _>>()?;
        Ok(Some(WatchBatch { events, missed: reply.missed }))
    }
}
