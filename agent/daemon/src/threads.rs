//! What runs beside the pipeline and tells it: the rings' reader, the mount table's watcher, the sockets.
//!
//! A thread that cannot go on ends the agent: one that sees less than it says is worse than one that is started again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cofferdam_api::Socket;
use cofferdam_detect::Baseline;
use cofferdam_inventory::cri::{self, CriClient, CriStatus};
use cofferdam_inventory::mounts::MountWatch;
use cofferdam_inventory::names::ContainerNames;
use cofferdam_sensor::{Event, Rings};
use tokio::sync::{mpsc, oneshot, watch};

use crate::agent::Agent;
use crate::backend::Answers;
use crate::bundle;
use crate::detections::past;
use crate::host;
use crate::naming::SETTING_UP;

/// Events handed over at a time.
const BATCH: usize = 4_096;
/// How long the reader waits for more before the pipeline commits what it has.
const LINGER: Duration = Duration::from_millis(10);
/// The same while a container is being set up: some 10 ms lie between its cgroup and its first program.
const LINGER_BRIEFLY: Duration = Duration::from_millis(1);

/// What the pipeline is told.
pub enum Message {
    /// Events, and how many records were malformed since the start.
    Events(Vec<Event>, u64),
    /// The mount table has changed.
    Mounts,
    /// A runtime has told names.
    Names(Vec<ContainerNames>),
    /// Addresses of destinations were told.
    Hosts(BTreeMap<String, Vec<IpAddr>>),
    /// Something that only the agent's own thread may do.
    Do(Box<dyn FnOnce(&mut Agent) + Send>),
    /// The end.
    Stop,
    /// A thread cannot go on.
    Failed(anyhow::Error),
}

fn blind(what: &str, without: &str, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "cannot {what}: {error}. Without it {without}, so the agent ends. The hooks stay attached and count: start \
         it again, and it goes on from there"
    )
}

/// Reads from the journal what workloads have done so far: of a long one that takes seconds, and nothing waits for it.
/// Meanwhile nothing is unusual, which `cofferdam status` tells by rules that are undecided.
pub fn read_past(journal: PathBuf, mut past: Baseline, to: SyncSender<Message>) -> Result<()> {
    let clock = host::clock();
    let work = move || {
        let trouble = past::read(&journal, &clock, &mut past).err();
        let recall = move |agent: &mut Agent| agent.detections.recall(past, trouble);
        // Nobody takes it: the agent has ended.
        let _ = to.send(Message::Do(Box::new(recall)));
    };
    thread::Builder::new().name("past".into()).spawn(work).context("cannot start a thread").map(drop)
}

/// Copies events out of the rings; decides nothing. It ends once nobody takes them: what is in the rings stays there
/// for the next agent.
pub fn read_rings(mut rings: Rings, to: SyncSender<Message>) -> Result<()> {
    let work = move || {
        let mut malformed = 0;
        let mut set_up: Option<Instant> = None;
        loop {
            let mut events = Vec::new();
            rings.drain(BATCH, &mut events);
            let told = std::mem::replace(&mut malformed, rings.malformed());
            if events.is_empty() && told == malformed {
                if let Err(error) = rings.wait(Duration::from_secs(1)) {
                    let _ =
                        to.send(Message::Failed(blind("wait for events", "nothing more is seen", &error)));
                    return;
                }
                continue;
            }
            let full = events.len() >= BATCH;
            if events.iter().any(sets_up_a_container) {
                set_up = Some(Instant::now());
            }
            if to.send(Message::Events(events, malformed)).is_err() {
                return;
            }
            if !full {
                // A moment for more to come: one commit for all of it.
                let is_pressing = set_up.is_some_and(|since| since.elapsed() < SETTING_UP);
                thread::sleep(if is_pressing { LINGER_BRIEFLY } else { LINGER });
            }
        }
    };
    thread::Builder::new().name("rings".into()).spawn(work).context("cannot start the ring reader")?;
    Ok(())
}

/// Whether a policy may be waited for soon.
fn sets_up_a_container(event: &Event) -> bool {
    match event {
        Event::CgroupMade { .. } => true,
        Event::Exec { process, path, .. } => process.uid == 0 && bundle::is_runtime(path),
        _ => false,
    }
}

/// Tells when the host's mount table has changed.
pub fn watch_mounts(watch: MountWatch, to: SyncSender<Message>) -> Result<()> {
    let work = move || {
        loop {
            match watch.wait(Duration::from_secs(60)) {
                Ok(true) => {
                    if to.send(Message::Mounts).is_err() {
                        return;
                    }
                }
                Ok(false) => {}
                Err(error) => {
                    let error = blind("watch the mount table", "new secrets are not found", &error);
                    let _ = to.send(Message::Failed(error));
                    return;
                }
            }
        }
    };
    thread::Builder::new().name("mounts".into()).spawn(work).context("cannot start the mount watcher")?;
    Ok(())
}

/// The runtime's socket: who asks, how often, and what is told.
pub struct Cri {
    client: CriClient,
    asked: mpsc::Receiver<()>,
    told: watch::Sender<CriStatus>,
}

/// The pipeline's end of it.
pub struct CriLine {
    /// Asks for names, if nobody has asked already.
    pub ask: mpsc::Sender<()>,
    /// How the socket is.
    pub status: watch::Receiver<CriStatus>,
}

impl Cri {
    /// At this socket, or at one of the usual ones.
    pub fn new(socket: Option<PathBuf>) -> (Self, CriLine) {
        let client = match socket {
            Some(socket) => CriClient::new(vec![socket]),
            None => CriClient::of_usual_sockets(),
        };
        let (ask, asked) = mpsc::channel(1);
        let (told, status) = watch::channel(client.status());
        (Self { client, asked, told }, CriLine { ask, status })
    }

    /// Passes on what the runtime lists, for as long as somebody takes it.
    async fn tell(self, to: SyncSender<Message>) {
        let (listings, mut listed) = mpsc::channel(1);
        tokio::spawn(cri::follow(self.client, self.asked, listings, self.told));
        while let Some(listing) = listed.recv().await {
            if listing.malformed > 0 {
                tracing::warn!(listing.malformed, "the runtime lists containers that are not understood");
            }
            // Waits only while the pipeline is behind; the socket's own answers have threads of their own.
            let to = to.clone();
            let sent = tokio::task::spawn_blocking(move || to.send(Message::Names(listing.names)));
            if !matches!(sent.await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// Everything asynchronous on one thread: the socket, the runtimes' sockets, signals. Ends with a signal, or when
/// `over` is dropped.
pub fn serve(
    socket: Socket,
    answers: Arc<Answers>,
    to: SyncSender<Message>,
    cri: Cri,
    over: oneshot::Receiver<()>,
) -> Result<JoinHandle<Result<()>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let work = move || {
        let served = runtime.block_on(async {
            tokio::spawn(cri.tell(to.clone()));
            cofferdam_api::serve(socket, answers, stop(to.clone(), over)).await
        });
        let Err(error) = served.context("cannot serve the socket") else { return Ok(()) };
        match to.send(Message::Failed(error)) {
            Ok(()) => Ok(()),
            // The pipeline has ended before.
            Err(SendError(Message::Failed(error))) => Err(error),
            Err(_) => Ok(()),
        }
    };
    thread::Builder::new().name("socket".into()).spawn(work).context("cannot start the socket's thread")
}

/// Waits for the signal to stop, and passes it on; or for the agent to have ended by itself.
async fn stop(to: SyncSender<Message>, over: oneshot::Receiver<()>) {
    let told = async {
        if let Err(error) = stop_signal().await {
            tracing::error!(%error, "cannot wait for signals");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = told => drop(to.send(Message::Stop)),
        _ = over => {}
    }
}

async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
