//! Asking the agent on its socket.

use std::path::Path;

use anyhow::{Context as _, Result};
use cofferdam_api::{Client, ClientError, Doctor, Ending, Event, Replies, Status, WatchBatch};
use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, ConnectionRow, DetectionRow, Filter, SecretRow, WorkloadRow,
};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::{Sink, Source};

/// A connection to the agent.
pub(crate) struct Agent {
    runtime: Runtime,
    client: Client,
}

/// What a watch tells its sink.
#[derive(Debug)]
pub(crate) enum WatchMoment {
    /// From here on nothing is missed without being told.
    Begun,
    /// Events arrived.
    Events(WatchBatch),
}

/// Why a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchEnd {
    /// The reader has had enough: a signal, or the sink said so.
    Reader,
    /// The agent stopped.
    Agent,
}

impl Agent {
    /// Connects; the error says why nobody answers.
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start")?;
        let client = runtime.block_on(Client::connect(path))?;
        Ok(Self { runtime, client })
    }

    /// Whatever else it can be asked.
    pub(crate) fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut Client) -> Result<T, ClientError>,
    ) -> Result<T> {
        Ok(self.runtime.block_on(question(&mut self.client))?)
    }

    /// How the agent is.
    pub(crate) fn status(&mut self) -> Result<Status> {
        Ok(self.runtime.block_on(self.client.status())?)
    }

    /// What the node lets the agent see and deny.
    pub(crate) fn doctor(&mut self) -> Result<Doctor> {
        Ok(self.runtime.block_on(self.client.doctor())?)
    }

    /// Live events until a signal, until the agent stops, or until the sink returns false.
    pub(crate) fn watch(
        &mut self,
        filter: &Filter,
        sink: &mut dyn FnMut(WatchMoment) -> Result<bool>,
    ) -> Result<WatchEnd> {
        self.runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
            let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
            let mut watch = self.client.watch(filter).await?;
            sink(WatchMoment::Begun)?;
            loop {
                let batch = tokio::select! {
                    batch = watch.next() => batch,
                    _ = interrupt.recv() => return Ok(WatchEnd::Reader),
                    _ = terminate.recv() => return Ok(WatchEnd::Reader),
                };
                let batch = match batch {
                    Ok(Some(batch)) => batch,
                    Ok(None) | Err(ClientError::BrokenOff) => return Ok(WatchEnd::Agent),
                    Err(error) => return Err(error.into()),
                };
                if !sink(WatchMoment::Events(batch))? {
                    return Ok(WatchEnd::Reader);
                }
            }
        })
    }
}

async fn pour<Row: Send + 'static>(mut replies: Replies<Row>, sink: &mut Sink<'_, Row>) -> Result<Ending> {
    while let Some(rows) = replies.next().await? {
        sink(rows)?;
    }
    Ok(replies.ending()?)
}

macro_rules! questions {
    ($($name:ident -> $row:ty),+ $(,)?) => {$(
        fn $name(&mut self, filter: &Filter, sink: &mut Sink<'_, $row>) -> Result<Ending> {
            let client = &mut self.client;
            self.runtime.block_on(async { pour(client.$name(filter).await?, sink).await })
        }
    )+};
}

impl Source for Agent {
    questions! {
        accesses -> AccessRow,
        connections -> ConnectionRow,
        attempts -> AttemptRow,
        denials -> Event,
        audits -> AuditRow,
        detections -> DetectionRow,
        timeline -> Event,
        workloads -> WorkloadRow,
        secrets -> SecretRow,
    }
}
