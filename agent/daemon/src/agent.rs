//! Composition: sensor -> inventory -> journal -> whoever asks, and the order of start and end.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cofferdam_api::{Live, Socket};
use cofferdam_inventory::cri::{self, CriClient, CriStatus};
use cofferdam_inventory::hierarchy::Hierarchy;
use cofferdam_inventory::mounts::{MountTable, MountWatch};
use cofferdam_inventory::names::ContainerNames;
use cofferdam_inventory::runtime_state::{RuntimeFolders, RuntimesOnDisk};
use cofferdam_journal::Journal;
use cofferdam_model::{BootId, BootTime, WallTime};
use cofferdam_sensor::{Event, HookReport, Rings, Sensor, Tier};
use tokio::sync::{mpsc as tokio_mpsc, watch};

use crate::backend::{self, Answers, Shared};
use crate::config::Config;
use crate::live::View;
use crate::naming::{self, Naming};
use crate::pipeline::Pipeline;
use crate::secrets::Secrets;
use crate::{Args, adopt, host, status};

/// Events handed over at a time.
const BATCH: usize = 4_096;
/// Batches that may wait for the pipeline; beyond it the rings fill, and the kernel counts.
const BATCHES_AHEAD: usize = 16;
/// How long the pipeline waits for more before it commits what it has.
const LINGER: Duration = Duration::from_millis(10);
/// How often counters, losses and clocks are read.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks for processes whose end was not seen.
const SWEEP_TICKS: u64 = 30;
/// Live events kept for watchers that fall behind.
const LIVE_EVENTS: usize = 8_192;

/// What the pipeline is told.
enum Message {
    /// Events, and how many records were malformed since the start.
    Events(Vec<Event>, u64),
    /// The mount table has changed.
    Mounts,
    /// A runtime has told names.
    Names(Vec<ContainerNames>),
    /// The end.
    Stop,
}

/// Runs the agent until it is told to stop.
///
/// # Errors
/// If it cannot start, or the journal cannot be written at all.
pub fn run(args: &Args, config: Config) -> Result<()> {
    let started = WallTime::now();
    host::require_root()?;
    host::warn_of_policies(&args.policy_dir);
    host::seal()?;
    let mount_watch =
        MountWatch::open(Path::new("/proc/self/mountinfo")).context("cannot watch the mount table")?;
    let mounts = mount_watch.table().context("cannot read the mount table")?;
    let hierarchy = Hierarchy::find(&mounts)?;
    let root_cgroup = hierarchy.mount_point().to_owned();
    host::provide_pins(&args.pin_dir)?;
    host::provide_securityfs();
    host::provide_overlay_types();
    let boot = host::boot_id()?;
    // The socket first: it sees to it that one agent alone works with these pins.
    let socket = Socket::bind(&args.socket).context("cannot serve the socket")?;
    let journal_dir = args.state_dir.join("journal");
    let journal = Journal::open(&journal_dir, config.journal.clone())
        .with_context(|| format!("cannot open the journal in {}", journal_dir.display()))?;
    let sensor = Sensor::start(&cofferdam_sensor::Config {
        pin_dir: args.pin_dir.clone(),
        root_cgroup: root_cgroup.clone(),
        budget: config.budget,
    })
    .context("cannot attach to the kernel")?;
    let Sensor { tables, rings, query, hooks, tier, no_better, resumed, pending } = sensor;
    if let Some(reason) = &no_better {
        tracing::warn!(reason, "the tracepoint tier is used");
    }

    let runtimes = RuntimesOnDisk::new(RuntimeFolders::default(), root_cgroup.clone());
    let status: Shared = Shared::default();
    let live = Live::new(LIVE_EVENTS);
    let node = status::Node {
        name: config.node.clone(),
        cluster: config.cluster.clone(),
        started,
        boot: boot.clone(),
        journal: journal_dir.clone(),
    };
    let client = match config.cri_socket {
        Some(socket) => CriClient::new(vec![socket]),
        None => CriClient::of_usual_sockets(),
    };
    let (ask, asked) = tokio_mpsc::channel(1);
    let (told, cri_status) = watch::channel(client.status());
    let cri = Cri { client, asked, told };
    let mut agent = Agent {
        pipeline: Pipeline::new(Secrets::new(config.secrets), tables, query),
        naming: Naming::new(runtimes, config.credential_names),
        journal,
        boot,
        mounts,
        live: live.clone(),
        status: Arc::clone(&status),
        hooks: hooks.clone(),
        tier,
        node,
        ready: None,
        ask_cri: ask,
        cri_status,
        malformed: 0,
        last_tick: Instant::now(),
        ticks: 0,
    };

    let (sender, receiver) = mpsc::sync_channel(BATCHES_AHEAD);
    let reader = read_rings(rings, sender.clone())?;
    let watched = agent.know_what_runs(&hierarchy)?;
    agent.take_events(pending, 0, host::boot_time());
    agent.begin(watched, resumed)?;
    watch_mounts(mount_watch, sender.clone())?;
    let answers = Arc::new(Answers { journal: journal_dir, status, hooks, tier, no_better, live });
    let server = serve(socket, answers, sender, cri)?;
    announce();
    agent.work(&receiver)?;
    drop(receiver);
    // The reader ends once nobody takes its events; what is in the rings stays there for the next agent.
    drop(reader);
    server.join().map_err(|_| anyhow::anyhow!("the socket's thread panicked"))?
}

/// The last word of the start-up, for people and for systemd.
fn announce() {
    println!("ready");
    if let Err(error) = host::notify_systemd("READY=1") {
        tracing::warn!(%error, "systemd was not told that the agent is ready");
    }
}

struct Agent {
    pipeline: Pipeline,
    naming: Naming,
    journal: Journal,
    boot: BootId,
    mounts: MountTable,
    live: Live,
    status: Shared,
    hooks: Vec<HookReport>,
    tier: Tier,
    node: status::Node,
    ready: Option<WallTime>,
    ask_cri: tokio_mpsc::Sender<()>,
    cri_status: watch::Receiver<CriStatus>,
    malformed: u64,
    last_tick: Instant,
    ticks: u64,
}

impl Agent {
    /// What was there before: cgroups, mounts, processes, names, open descriptors. Returns since when secrets are
    /// watched.
    fn know_what_runs(&mut self, hierarchy: &Hierarchy) -> Result<BootTime> {
        let now = host::boot_time();
        self.naming.runtimes.refresh();
        adopt::cgroups(&mut self.pipeline, hierarchy, &self.naming.runtimes, now)?;
        self.pipeline.refresh_secrets(&self.mounts, now);
        let watched = host::boot_time();
        adopt::processes(&mut self.pipeline)?;
        for cgroup in self.pipeline.take_unnamed() {
            self.naming.want(cgroup, now);
        }
        self.naming.look(&mut self.pipeline, &self.mounts, now);
        self.pipeline.settle_secrets().context("cannot forget what an agent before had watched")?;
        adopt::descriptors(&mut self.pipeline, now)?;
        Ok(watched)
    }

    /// From here on everything is seen. With the tables of an agent before, nothing was missed since it stopped but
    /// what they counted as lost.
    fn begin(&mut self, watched: BootTime, resumed: bool) -> Result<()> {
        let clock = host::clock();
        let hooks: Vec<String> = self
            .hooks
            .iter()
            .filter(|hook| hook.state == cofferdam_sensor::AttachState::Attached)
            .map(|hook| hook.point.to.describe())
            .collect();
        let told = self.pipeline.tables.told().context("cannot read which losses have been told")?;
        self.pipeline.losses.resume(&told);
        self.pipeline.tick(host::boot_time()).context("cannot read the kernel's counters")?;
        let since = if resumed { self.journal.seen_until(&self.boot).unwrap_or(watched) } else { watched };
        self.journal.begin_coverage(&clock, &self.boot, since, &hooks)?;
        self.ready = Some(WallTime::now());
        self.commit(host::boot_time())?;
        self.publish_status();
        Ok(())
    }

    fn work(&mut self, receiver: &Receiver<Message>) -> Result<()> {
        loop {
            let message = match receiver.recv_timeout(self.patience()) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let now = host::boot_time();
            match message {
                Some(Message::Events(events, malformed)) => self.take_events(events, malformed, now),
                Some(Message::Mounts) => self.remount(now),
                Some(Message::Names(names)) => {
                    names.iter().for_each(|names| naming::apply(&mut self.pipeline, names, now));
                }
                Some(Message::Stop) => return self.end(),
                None => {}
            }
            for pid in self.pipeline.take_starting() {
                // What it mounts may have been mounted on the host only just now.
                self.remount(now);
                self.naming.expect(pid, &mut self.pipeline, &self.mounts);
            }
            for cgroup in self.pipeline.take_unnamed() {
                self.naming.want(cgroup, now);
                // A question that waits to be asked already is enough.
                let _ = self.ask_cri.try_send(());
            }
            if self.naming.next_due().is_some_and(|due| due <= now) {
                self.naming.look(&mut self.pipeline, &self.mounts, now);
            }
            if self.pipeline.take_mounts_stale() {
                self.remount(now);
            }
            if self.last_tick.elapsed() >= TICK {
                self.last_tick = Instant::now();
                if let Err(error) = self.pipeline.tick(now) {
                    tracing::error!(%error, "counters could not be read; they are monotonic, the next reading has them");
                }
                self.ticks += 1;
                if self.ticks.is_multiple_of(SWEEP_TICKS) {
                    self.pipeline.sweep(now);
                }
                self.commit(now)?;
                self.publish_status();
            } else {
                self.commit(now)?;
            }
        }
    }

    /// How long to wait for a message.
    fn patience(&self) -> Duration {
        let tick = TICK.saturating_sub(self.last_tick.elapsed());
        match self.naming.next_due() {
            Some(due) => tick.min(due.since(host::boot_time())).max(Duration::from_millis(1)),
            None => tick.max(Duration::from_millis(1)),
        }
    }

    fn take_events(&mut self, events: Vec<Event>, malformed: u64, now: BootTime) {
        for event in events {
            self.pipeline.handle(event, &self.naming.runtimes);
        }
        self.pipeline.malformed(malformed - self.malformed, now, now);
        self.malformed = malformed;
    }

    fn remount(&mut self, now: BootTime) {
        match MountTable::read(Path::new("/proc/self/mountinfo")) {
            Ok(table) => self.mounts = table,
            Err(error) => {
                tracing::error!(%error, "the mount table cannot be read: new secrets are not found")
            }
        }
        self.pipeline.refresh_secrets(&self.mounts, now);
    }

    /// Shows the batch to watchers and writes it. A journal that cannot be written loses the batch, says so, and
    /// watching goes on.
    fn commit(&mut self, now: BootTime) -> Result<()> {
        let batch = self.pipeline.take_batch();
        let clock = host::clock();
        if self.live.watchers() > 0 {
            let view = View { state: &self.pipeline.state, boot: &self.boot, clock };
            batch.iter().filter_map(|record| view.event(record)).for_each(|event| self.live.publish(event));
        }
        if batch.is_empty() && self.last_tick.elapsed() > Duration::from_millis(5) {
            return Ok(());
        }
        match self.journal.append_seen(&clock, &self.boot, &batch, now) {
            Ok(committed) => {
                committed.notices.iter().for_each(|notice| tracing::warn!("{notice}"));
                self.pipeline.committed();
            }
            Err(error) => {
                tracing::error!(%error, records = batch.len(), "the journal could not be written");
                self.pipeline.lost_batch(&batch, now);
            }
        }
        Ok(())
    }

    fn publish_status(&mut self) {
        let cri = self.cri_status.borrow().clone();
        let status = status::make(&status::Parts {
            node: &self.node,
            ready: self.ready,
            tier: self.tier,
            hooks: &self.hooks,
            pipeline: &self.pipeline,
            journal: &self.journal,
            runtimes: &self.naming.runtimes,
            mounts: &self.mounts,
            cri: &cri,
        });
        *backend::lock(&self.status) = Some(status);
    }

    /// The hooks stay attached and go on counting for the next agent.
    fn end(&mut self) -> Result<()> {
        let now = host::boot_time();
        if let Err(error) = self.pipeline.tick(now) {
            tracing::error!(%error, "the last counters could not be read; the next agent will");
        }
        self.commit(now)?;
        self.journal
            .end_coverage(&host::clock(), &self.boot, now, "stopped")
            .context("cannot note the end")?;
        Ok(())
    }
}

/// The runtime's socket: who asks, how often, and what is told.
struct Cri {
    client: CriClient,
    asked: tokio_mpsc::Receiver<()>,
    told: watch::Sender<CriStatus>,
}

/// Copies events out of the rings; decides nothing.
fn read_rings(mut rings: Rings, to: SyncSender<Message>) -> Result<thread::JoinHandle<()>> {
    let work = move || {
        loop {
            let mut events = Vec::new();
            rings.drain(BATCH, &mut events);
            if events.is_empty() {
                if let Err(error) = rings.wait(Duration::from_secs(1)) {
                    tracing::error!(%error, "cannot wait for events");
                    return;
                }
                continue;
            }
            let full = events.len() >= BATCH;
            if to.send(Message::Events(events, rings.malformed())).is_err() {
                return;
            }
            if !full {
                // A moment for more to come: one commit for all of it.
                thread::sleep(LINGER);
            }
        }
    };
    thread::Builder::new().name("rings".into()).spawn(work).context("cannot start the ring reader")
}

fn watch_mounts(watch: MountWatch, to: SyncSender<Message>) -> Result<()> {
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
                    tracing::error!(%error, "cannot watch the mount table: new secrets are not found");
                    return;
                }
            }
        }
    };
    thread::Builder::new().name("mounts".into()).spawn(work).context("cannot start the mount watcher")?;
    Ok(())
}

/// Everything asynchronous on one thread: the socket, the runtimes' sockets, signals.
fn serve(
    socket: Socket,
    answers: Arc<Answers>,
    to: SyncSender<Message>,
    cri: Cri,
) -> Result<thread::JoinHandle<Result<()>>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let work = move || {
        runtime.block_on(async {
            let (listings, mut listed) = tokio_mpsc::channel(1);
            tokio::spawn(cri::follow(cri.client, cri.asked, listings, cri.told));
            let names = to.clone();
            tokio::spawn(async move {
                while let Some(listing) = listed.recv().await {
                    if listing.malformed > 0 {
                        tracing::warn!(
                            listing.malformed,
                            "the runtime lists containers that are not understood"
                        );
                    }
                    // Waits only while the pipeline is behind; the socket's own answers have threads of their own.
                    let names = names.clone();
                    let sent = tokio::task::spawn_blocking(move || names.send(Message::Names(listing.names)));
                    if !matches!(sent.await, Ok(Ok(()))) {
                        return;
                    }
                }
            });
            let stop = async {
                if let Err(error) = stop_signal().await {
                    tracing::error!(%error, "cannot wait for signals");
                    std::future::pending::<()>().await;
                }
                let _ = to.send(Message::Stop);
            };
            cofferdam_api::serve(socket, answers, stop).await.context("cannot serve the socket")
        })
    };
    thread::Builder::new().name("socket".into()).spawn(work).context("cannot start the socket's thread")
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
