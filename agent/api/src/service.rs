//! The protocol's side of a [`Backend`].

use std::error::Error;
use std::sync::Arc;

use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, ConnectionRow, DetectionRow, Filter, SecretRow, WorkloadRow,
};
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::proto::agent_server::Agent;
use crate::wire::{Chunk, Wire};
use crate::{Backend, BackendError, Ending, Event, Matcher, Rows, Stopped, proto};

/// Rows of one message, at most.
const CHUNK_ROWS: usize = 500;
/// Bytes of one message, at most (but for a single row that is larger).
const CHUNK_BYTES: usize = 1 << 20;
/// Messages that wait for a slow asker.
const CHUNKS_AHEAD: usize = 2;
/// Questions that are answered at once; further ones wait.
const QUERIES: usize = 8;
/// Bytes of a refusal, at most: it travels as a header.
const REFUSAL_BYTES: usize = 64 << 10;
/// Watchers at once; further ones are refused.
const WATCHERS: usize = 64;

pub(crate) struct Service<B> {
    backend: Arc<B>,
    queries: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
    /// Becomes true when the agent stops: streams that have no end of their own end then.
    stopping: watch::Receiver<bool>,
}

type Replies<Row> = ReceiverStream<Result<<Row as Chunk>::Reply, Status>>;
type Query<B, Row> = fn(&B, &Filter, &mut Rows<'_, Row>) -> Result<Ending, BackendError>;

impl<B: Backend> Service<B> {
    pub(crate) fn new(backend: Arc<B>, stopping: watch::Receiver<bool>) -> Self {
        Self {
            backend,
            queries: Arc::new(Semaphore::new(QUERIES)),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            stopping,
        }
    }

    async fn stream<Row>(
        &self,
        request: Request<proto::Filter>,
        query: Query<B, Row>,
    ) -> Result<Response<Replies<Row>>, Status>
    where
        Row: Chunk,
    {
        let filter = filter(request)?;
        let permit = Arc::clone(&self.queries)
            .acquire_owned()
            .await
            .map_err(|_| Status::unavailable("the agent is stopping"))?;
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let backend = Arc::clone(&self.backend);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            answer(&sender, |rows| query(&backend, &filter, rows));
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn ask<T: Send + 'static>(&self, question: fn(&B) -> Result<T, BackendError>) -> Result<T, Status> {
        let backend = Arc::clone(&self.backend);
        tokio::task::spawn_blocking(move || question(&backend))
            .await
            .map_err(|_| Status::internal("the agent failed to answer; its log says why"))?
            .map_err(refusal)
    }
}

fn answer<Row>(
    sender: &mpsc::Sender<Result<Row::Reply, Status>>,
    query: impl FnOnce(&mut Rows<'_, Row>) -> Result<Ending, BackendError>,
) where
    Row: Chunk,
{
    let mut chunk = Vec::new();
    let mut bytes = 0;
    let mut sink = |row: Row| {
        let row = row.encode();
        bytes += row.encoded_len();
        chunk.push(row);
        if chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            return Ok(());
        }
        bytes = 0;
        sender.blocking_send(Ok(Row::reply(std::mem::take(&mut chunk), None))).map_err(|_| Stopped)
    };
    let ending = query(&mut Rows::new(&mut sink));
    let last = ending.map(|ending| Row::reply(chunk, Some(ending))).map_err(refusal);
    // An error says that nobody waits for it.
    let _ = sender.blocking_send(last);
}

fn filter(request: Request<proto::Filter>) -> Result<Filter, Status> {
    Filter::decode(request.into_inner()).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// What the asker is told.
pub(crate) fn refusal(error: BackendError) -> Status {
    match error {
        BackendError::BadQuestion(source) => Status::invalid_argument(bounded(chain(&*source))),
        BackendError::NotReady => Status::unavailable(error.to_string()),
        BackendError::Stopped(_) => Status::cancelled(error.to_string()),
        BackendError::Failed(source) => Status::internal(bounded(chain(&*source))),
    }
}

/// What fits into a refusal, in whole lines where it has lines.
fn bounded(mut text: String) -> String {
    if text.len() > REFUSAL_BYTES {
        let room = &text[..text.floor_char_boundary(REFUSAL_BYTES)];
        text.truncate(room.rfind('\n').unwrap_or(room.len()));
        text.push_str("\n(the rest is left out)");
    }
    text
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[tonic::async_trait]
impl<B: Backend> Agent for Service<B> {
    type AccessesStream = Replies<AccessRow>;
    type ConnectionsStream = Replies<ConnectionRow>;
    type AttemptsStream = Replies<AttemptRow>;
    type DenialsStream = Replies<Event>;
    type AuditsStream = Replies<AuditRow>;
    type DetectionsStream = Replies<DetectionRow>;
    type TimelineStream = Replies<Event>;
    type WorkloadsStream = Replies<WorkloadRow>;
    type SecretsStream = Replies<SecretRow>;
    type WatchStream = ReceiverStream<Result<proto::WatchReply, Status>>;

    async fn accesses(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::AccessesStream>, Status> {
        self.stream(request, B::accesses).await
    }

    async fn connections(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::ConnectionsStream>, Status> {
        self.stream(request, B::connections).await
    }

    async fn attempts(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::AttemptsStream>, Status> {
        self.stream(request, B::attempts).await
    }

    async fn denials(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::DenialsStream>, Status> {
        self.stream(request, B::denials).await
    }

    async fn audits(&self, request: Request<proto::Filter>) -> Result<Response<Self::AuditsStream>, Status> {
        self.stream(request, B::audits).await
    }

    async fn detections(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::DetectionsStream>, Status> {
        self.stream(request, B::detections).await
    }

    async fn timeline(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::TimelineStream>, Status> {
        self.stream(request, B::timeline).await
    }

    async fn workloads(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::WorkloadsStream>, Status> {
        self.stream(request, B::workloads).await
    }

    async fn secrets(
        &self,
        request: Request<proto::Filter>,
    ) -> Result<Response<Self::SecretsStream>, Status> {
        self.stream(request, B::secrets).await
    }

    async fn watch(&self, request: Request<proto::Filter>) -> Result<Response<Self::WatchStream>, Status> {
        let matcher = Matcher::new(filter(request)?);
        let permit = Arc::clone(&self.watchers)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted(format!("{WATCHERS} watchers are the most at once")))?;
        let mut subscription = self.backend.live().subscribe();
        let mut stopping = self.stopping.clone();
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        tokio::spawn(async move {
            let _permit = permit;
            loop {
                let batch = tokio::select! {
                    batch = subscription.next() => batch,
                    _ = stopping.wait_for(|stopping| *stopping) => return,
                    () = sender.closed() => return,
                };
                let Some((events, missed)) = batch else { return };
                let events: Vec<_> = events
                    .into_iter()
                    .filter(|event| matcher.matches(event))
                    .map(|event| Arc::unwrap_or_clone(event).encode())
                    .collect();
                if (!events.is_empty() || missed > 0)
                    && sender.send(Ok(proto::WatchReply { events, missed })).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn status(&self, _: Request<proto::StatusRequest>) -> Result<Response<proto::StatusReply>, Status> {
        let status = self.ask(B::status).await?;
        Ok(Response::new(proto::StatusReply { status: Some(status.encode()) }))
    }

    async fn doctor(&self, _: Request<proto::DoctorRequest>) -> Result<Response<proto::DoctorReply>, Status> {
        let doctor = self.ask(B::doctor).await?;
        Ok(Response::new(proto::DoctorReply { doctor: Some(doctor.encode()) }))
    }
}
