//! Composition: sensor -> inventory -> journal -> whoever asks, and the order of start and end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cofferdam_api::{Live, Socket, Status};
use cofferdam_inventory::hierarchy::Hierarchy;
use cofferdam_inventory::mounts::{MountTable, MountWatch};
use cofferdam_inventory::runtime_state::{RuntimeFolders, RuntimesOnDisk};
use cofferdam_journal::{Journal, Notice};
use cofferdam_model::{BootTime, Clock, Record, WallTime};
use cofferdam_sensor::{AttachState, Budgets, Carried, Event, Residents, Sensor};
use tokio::sync::oneshot;

use crate::backend::{self, Answers, Progress, Shared};
use crate::backlog::Backlog;
use crate::config::Config;
use crate::containment::answer::Line;
use crate::containment::cut::remember_accepted_before;
use crate::containment::ending::Moment;
use crate::containment::enforcer::Setup;
use crate::containment::guarding::Guarding;
use crate::containment::names::Names;
use crate::containment::orders::Orders;
use crate::containment::wall::{self, Wall};
use crate::containment::{Enforcer, Store};
use crate::detections::Detections;
use crate::door::Door;
use crate::live::View;
use crate::naming::{self, Naming};
use crate::pipeline::Pipeline;
use crate::secrets::Secrets;
use crate::threads::{self, Cri, CriLine, Message};
use crate::{Args, adopt, host, itself, status};

/// Batches that may wait for the pipeline; beyond it the rings fill, and the kernel counts.
const BATCHES_AHEAD: usize = 16;
/// How often counters, losses and clocks are read.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks for processes whose end was not seen.
const SWEEP_TICKS: u64 = 30;
/// Ticks between two looks at the journal as others see it.
const LOOK_TICKS: u64 = 5;
/// Live events kept for watchers that fall behind.
const LIVE_EVENTS: usize = 8_192;

/// Why the agent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to; what is in force stays.
    Stopped,
    /// Every rule was lifted, and is not to come back by itself.
    Unloaded,
}

/// Runs the agent until it is told to stop.
///
/// # Errors
/// If it cannot start, or cannot go on seeing what it must.
pub fn run(args: &Args, config: Config) -> Result<End> {
    let started = WallTime::now();
    host::require_the_needed()?;
    host::seal()?;
    let mount_watch = MountWatch::open(Path::new(host::MOUNTS)).context("cannot watch the mount table")?;
    let mounts = mount_watch.table().context("cannot read the mount table")?;
    let hierarchy = Hierarchy::find(&mounts)?;
    let boot = host::boot_id()?;
    // The socket first: it sees to it that one agent alone works with these pins.
    let socket = Socket::bind(&args.socket).context("cannot serve the socket")?;
    let journal_dir = args.state_dir.join("journal");
    let journal = Journal::open(&journal_dir, config.journal.clone())
        .with_context(|| format!("cannot open the journal in {}", journal_dir.display()))?;
    let Sensor { tables, rings, query, hooks, tier, no_better, resumed, carried, pending } =
        attach(args, &hierarchy, config.budgets)?;

    let node = status::Node {
        name: config.node,
        cluster: config.cluster,
        started,
        boot,
        journal: journal_dir.clone(),
        tier,
        hooks: hooks.clone(),
    };
    let (cri, cri_line) = Cri::new(config.cri_socket);
    let runtimes = RuntimesOnDisk::new(RuntimeFolders::default(), hierarchy.mount_point().to_owned());
    let pipeline = Pipeline::new(Secrets::new(config.secrets), tables, query, tier);
    let naming = Naming::new(runtimes, config.credential_names);
    let (sender, receiver) = mpsc::sync_channel(BATCHES_AHEAD);
    let state = args.state_dir.join("containment");
    let now = Moment { wall: WallTime::now(), boot: host::boot_time() };
    let wall = Wall::new(now.wall, now.boot, wall::passed(&state));
    let boot = node.boot.clone();
    let store = Store::open(state.clone(), args.policy_dir.clone(), boot.clone(), wall.moment(now.boot))
        .context("cannot put the policies of before into force; what the kernel enforces stays so")?;
    let orders = Orders::open(state.join("orders.json"), boot, now)?;
    let names = Names::open(state.join("names.jsonl"), resumed);
    let setup = Setup {
        tier: policy_tier(tier),
        baseline: config.baseline,
        resolvers: config.resolvers,
        latest: pipeline.tables.latest_generation().max(names.latest()),
    };
    let enforcer = Enforcer::new(store, orders, wall, setup, Guarding::new(&args.socket), sender.clone());
    let detections = Detections::load(config.detections);
    let rules = Rules { enforcer, detections, state, pin_dir: args.pin_dir.clone() };
    let mut agent = Agent::new(node, pipeline, naming, journal, mounts, cri_line, rules);
    let (status, progress) = (Arc::clone(&agent.status), Arc::clone(&agent.progress));
    let live = agent.live.clone();
    let line = Line(sender.clone());
    let residents = Residents::open(&args.pin_dir).context("cannot look who asks")?;
    let door = Door::new(residents, hierarchy.clone(), sender.clone());
    agent.pipeline.names = names;

    threads::read_past(journal_dir.clone(), agent.detections.await_past(), sender.clone())?;
    threads::read_rings(rings, sender.clone())?;
    let watched = agent.know_what_runs(&hierarchy)?;
    agent.take_events(pending, 0, host::boot_time());
    agent.begin(watched, resumed, &carried)?;
    threads::watch_mounts(mount_watch, sender.clone())?;
    let answers = Arc::new(Answers {
        journal: journal_dir,
        status,
        progress,
        hooks,
        tier,
        no_better,
        live,
        line,
        door,
    });
    let (over, is_over) = oneshot::channel();
    let server = threads::serve(socket, answers, sender, cri, is_over)?;
    announce();
    agent.work(&receiver)?;
    drop((receiver, over));
    server.join().map_err(|_| anyhow::anyhow!("the socket's thread panicked"))??;
    Ok(if agent.ending { End::Unloaded } else { End::Stopped })
}

fn policy_tier(tier: cofferdam_sensor::Tier) -> cofferdam_policy::Tier {
    match tier {
        cofferdam_sensor::Tier::Lsm => cofferdam_policy::Tier::Lsm,
        cofferdam_sensor::Tier::Tracepoint => cofferdam_policy::Tier::Tracepoint,
    }
}

/// Loads the kernel programs, with what they need of the host.
fn attach(args: &Args, hierarchy: &Hierarchy, budgets: Budgets) -> Result<Sensor> {
    host::provide_pins(&args.pin_dir)?;
    host::provide_securityfs();
    host::provide_overlay_types();
    let root_cgroup = hierarchy.mount_point().to_owned();
    let pin_dir = args.pin_dir.clone();
    let sensor = Sensor::start(&cofferdam_sensor::Config { pin_dir, root_cgroup, budgets })
        .context("cannot attach to the kernel")?;
    if let Some(reason) = &sensor.no_better {
        tracing::warn!(reason, "the tracepoint tier is used");
    }
    Ok(sensor)
}

/// The last word of the start-up, for people and for systemd.
fn announce() {
    println!("ready");
    if let Err(error) = host::notify_systemd("READY=1") {
        tracing::warn!(%error, "systemd was not told that the agent is ready");
    }
}

/// What puts rules into force, and where they are kept; and what looks for misuse.
struct Rules {
    enforcer: Enforcer,
    detections: Detections,
    state: PathBuf,
    pin_dir: PathBuf,
}

/// The agent's own thread.
pub struct Agent {
    node: status::Node,
    /// Events to records.
    pub pipeline: Pipeline,
    /// Policies and orders to what the kernel holds.
    pub enforcer: Enforcer,
    /// Records to detections.
    pub detections: Detections,
    /// Where programs and tables are pinned.
    pin_dir: PathBuf,
    ending: bool,
    /// Another version may still enforce beside us: until all that it knew is in force here.
    succeeds: bool,
    /// Where policies, exceptions and orders are kept.
    containment: PathBuf,
    naming: Naming,
    journal: Journal,
    /// What the journal could not take.
    backlog: Backlog,
    mounts: MountTable,
    live: Live,
    status: Shared<Option<Status>>,
    progress: Shared<Progress>,
    ready: Option<WallTime>,
    cri: CriLine,
    malformed: u64,
    last_tick: Instant,
    ticks: u64,
    /// Since when everything is seen, as long as the journal has not taken that.
    unnoted: Option<BootTime>,
}

impl Agent {
    fn new(
        node: status::Node,
        pipeline: Pipeline,
        naming: Naming,
        journal: Journal,
        mounts: MountTable,
        cri: CriLine,
        rules: Rules,
    ) -> Self {
        let Rules { enforcer, detections, state: containment, pin_dir } = rules;
        Self {
            node,
            pipeline,
            enforcer,
            detections,
            pin_dir,
            ending: false,
            succeeds: true,
            containment,
            naming,
            journal,
            backlog: Backlog::default(),
            mounts,
            live: Live::new(LIVE_EVENTS),
            status: Shared::default(),
            progress: Shared::default(),
            ready: None,
            cri,
            malformed: 0,
            last_tick: Instant::now(),
            ticks: 0,
            unnoted: None,
        }
    }

    /// What was there before: cgroups, mounts, processes, names, open descriptors. Returns since when secrets are
    /// watched.
    fn know_what_runs(&mut self, hierarchy: &Hierarchy) -> Result<BootTime> {
        let now = host::boot_time();
        self.naming.runtimes.refresh();
        self.pipeline.state.hierarchy = Some(hierarchy.clone());
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
    fn begin(&mut self, watched: BootTime, resumed: bool, carried: &[Carried]) -> Result<()> {
        carried.iter().for_each(|carried| self.pipeline.take_over(carried, host::boot_time()));
        let told = self.pipeline.tables.told().context("cannot read which losses have been told")?;
        self.pipeline.losses.resume(&told);
        self.pipeline.tick(host::boot_time()).context("cannot read the kernel's counters")?;
        let before = self.journal.seen_until(&self.node.boot).filter(|_| resumed);
        self.unnoted = Some(before.unwrap_or(watched));
        self.pipeline
            .tables
            .set_agent(std::process::id())
            .context("cannot tell the kernel who the agent is")?;
        itself::tell_cgroups(&mut self.pipeline)?;
        if !resumed {
            remember_accepted_before(&mut self.pipeline);
        }
        self.pipeline
            .tables
            .beat(host::boot_time())
            .context("cannot tell the kernel that the agent lives")?;
        // Twice, as for every file of the policy folder: nobody is writing at them.
        for _ in 0..2 {
            let records = self.enforcer.tick(&mut self.pipeline, host::boot_time());
            self.pipeline.add(records);
        }
        // Twice: only then it is known what the guard enforces.
        for _ in 0..2 {
            self.enforce(host::boot_time());
        }
        if carried.iter().any(Carried::reads_are_unknown) {
            self.enforcer.take_all_for_read(&mut self.pipeline);
        }
        self.ready = Some(WallTime::now());
        self.commit(host::boot_time(), true);
        self.succeed();
        self.publish_status();
        Ok(())
    }

    /// Retires other versions, once what they enforced is in force here.
    fn succeed(&mut self) {
        if !self.succeeds || !self.enforcer.is_in_force() {
            return;
        }
        self.pipeline.take_over_accesses(&cofferdam_sensor::refused_by_others(&self.pin_dir));
        self.commit(host::boot_time(), true);
        match cofferdam_sensor::retire(&self.pin_dir) {
            Ok(retired) => {
                self.succeeds = false;
                retired.iter().for_each(|version| tracing::info!(version, "took over from another version"));
            }
            Err(error) => tracing::error!(%error, "another version enforces beside this one still"),
        }
    }

    /// Puts into force what has changed.
    pub fn enforce(&mut self, now: BootTime) {
        let records = self.enforcer.reconcile(&mut self.pipeline, now);
        self.pipeline.add(records);
    }

    /// Lifts every rule, and ends: the one way to do so besides a reboot.
    ///
    /// # Errors
    /// If a pin cannot be removed.
    pub fn unload(&mut self) -> Result<()> {
        self.enforcer.guarding.end();
        cofferdam_sensor::unload(&self.pin_dir).context("cannot unload")?;
        self.ending = true;
        Ok(())
    }

    fn work(&mut self, receiver: &Receiver<Message>) -> Result<()> {
        loop {
            if self.ending {
                return self.end("unloaded");
            }
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
                Some(Message::Hosts(found)) => self.enforcer.take_hosts(found),
                Some(Message::Do(work)) => work(self),
                Some(Message::Stop) => return self.end("stopped"),
                Some(Message::Failed(error)) => {
                    if let Err(error) = self.end("failed") {
                        tracing::error!("{error:#}");
                    }
                    return Err(error);
                }
                None => {}
            }
            self.follow_up(now);
            let due = self.last_tick.elapsed() >= TICK;
            if due {
                self.tick(now);
            }
            self.enforcer.see(self.pipeline.fresh());
            self.enforce(now);
            self.commit(now, due);
            if due {
                self.publish_status();
            }
        }
    }

    /// What events have made necessary.
    fn follow_up(&mut self, now: BootTime) {
        for pid in self.pipeline.take_starting() {
            // What it mounts may have been mounted on the host only just now.
            self.remount(now);
            self.naming.expect(pid, &mut self.pipeline, &self.mounts);
        }
        for cgroup in self.pipeline.take_unnamed() {
            self.naming.want(cgroup, now);
            // A question that waits to be asked already is enough.
            let _ = self.cri.ask.try_send(());
        }
        if self.naming.next_due().is_some_and(|due| due <= now) {
            self.naming.look(&mut self.pipeline, &self.mounts, now);
        }
        if self.pipeline.take_mounts_stale() {
            self.remount(now);
        }
    }

    fn tick(&mut self, now: BootTime) {
        self.last_tick = Instant::now();
        if let Err(error) = self.pipeline.tick(now) {
            tracing::error!(%error, "counters could not be read; they are monotonic, the next reading has them");
        }
        if let Err(error) = self.pipeline.tables.beat(now) {
            tracing::error!(%error, "the kernel was not told that the agent lives");
        }
        if let Err(error) = itself::tell_cgroups(&mut self.pipeline) {
            tracing::error!("{error:#}: workloads that reach its cgroup could freeze it");
        }
        self.pipeline.query.look_at_links();
        let records = self.enforcer.tick(&mut self.pipeline, now);
        self.pipeline.add(records);
        self.succeed();
        if self.pipeline.find_replaced(now) {
            self.remount(now);
        }
        self.ticks += 1;
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            self.pipeline.sweep(now);
            self.enforcer.tidy(&mut self.pipeline);
            wall::note(&self.containment, self.enforcer.wall.now(now));
        }
        if self.ticks.is_multiple_of(LOOK_TICKS) {
            self.pipeline.look_at_not_run(now);
        }
        if self.ticks.is_multiple_of(LOOK_TICKS)
            && let Err(error) = self.journal.look_after()
        {
            tracing::error!(%error, "the journal cannot be looked after");
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
        match MountTable::read(Path::new(host::MOUNTS)) {
            Ok(table) => self.mounts = table,
            Err(error) => {
                tracing::error!(%error, "the mount table cannot be read: new secrets are not found")
            }
        }
        self.pipeline.refresh_secrets(&self.mounts, now);
    }

    /// Everything since the last call, and what rules have found in it: that is written with its evidence.
    fn take_batch(&mut self) -> Vec<Record> {
        let found = self.detections.observe(self.pipeline.fresh());
        self.pipeline.add(found);
        self.pipeline.take_batch()
    }

    /// Shows the batch to watchers and writes it. What a journal that cannot be written does not take waits, and
    /// watching goes on. A `heartbeat` is written also when there is nothing to say: until then everything was seen.
    fn commit(&mut self, now: BootTime, heartbeat: bool) {
        let fresh = self.take_batch();
        let clock = host::clock();
        if self.live.watchers() > 0 {
            let view = View { state: &self.pipeline.state, boot: &self.node.boot, clock };
            fresh.iter().filter_map(|record| view.event(record)).for_each(|event| self.live.publish(event));
        }
        if self.backlog.is_due() {
            self.write(fresh, &clock, now, heartbeat);
        } else {
            self.wait_for_journal(fresh, now);
        }
        *backend::lock(&self.progress) = Progress { until: Some(now), trouble: self.backlog.told() };
    }

    fn write(&mut self, fresh: Vec<Record>, clock: &Clock, now: BootTime, heartbeat: bool) {
        let batch = self.backlog.with(fresh);
        if batch.is_empty() && self.unnoted.is_none() && !heartbeat {
            return;
        }
        let written = self
            .note_coverage(clock)
            .and_then(|()| self.journal.append_seen(clock, &self.node.boot, &batch, now));
        match written {
            Ok(committed) => {
                committed.notices.iter().for_each(|notice| tracing::warn!("{notice}"));
                let begun_anew =
                    |notice: &Notice| matches!(notice, Notice::SetAside { .. } | Notice::Gone { .. });
                if committed.notices.iter().any(begun_anew) {
                    self.pipeline.tell_again(now);
                }
                self.pipeline.committed();
                if let Some(since) = self.backlog.written() {
                    let records = batch.len();
                    tracing::warn!(%since, records, "the journal can be written again: what waited stands in it");
                }
            }
            Err(error) => {
                let records = batch.len();
                tracing::error!(%error, records, "the journal cannot be written: watching goes on, records wait");
                self.backlog.failed(error.to_string(), now);
                self.wait_for_journal(batch, now);
            }
        }
    }

    /// Keeps records until the journal can be written; what there is no room for is a loss.
    fn wait_for_journal(&mut self, records: Vec<Record>, now: BootTime) {
        let given_up = self.backlog.keep(records);
        self.pipeline.given_up(given_up, self.backlog.since().unwrap_or(now), now);
    }

    /// Says in the journal since when this run sees everything, once.
    fn note_coverage(&mut self, clock: &Clock) -> Result<(), cofferdam_journal::Error> {
        let Some(since) = self.unnoted else { return Ok(()) };
        let attached = self.node.hooks.iter().filter(|hook| hook.state == AttachState::Attached);
        let hooks: Vec<String> = attached.map(|hook| hook.point.to.describe()).collect();
        self.journal.begin_coverage(clock, &self.node.boot, since, &hooks)?;
        self.unnoted = None;
        Ok(())
    }

    fn publish_status(&mut self) {
        let cri = self.cri.status.borrow().clone();
        let status = status::make(&status::Parts {
            node: &self.node,
            ready: self.ready,
            pipeline: &self.pipeline,
            journal: &self.journal,
            trouble: self.backlog.told(),
            runtimes: &self.naming.runtimes,
            mounts: &self.mounts,
            cri: &cri,
            guarding: &self.enforcer.guarding,
            detections: &self.detections,
        });
        *backend::lock(&self.status) = Some(status);
    }

    /// The hooks stay attached and go on counting for the next agent.
    fn end(&mut self, why: &str) -> Result<()> {
        let now = host::boot_time();
        if let Err(error) = self.pipeline.tick(now) {
            tracing::error!(%error, "the last counters could not be read; the next agent will");
        }
        let last = self.take_batch();
        self.write(last, &host::clock(), now, true);
        if self.backlog.len() > 0 {
            tracing::error!(records = self.backlog.len(), "what waits for the journal is lost");
        }
        self.journal.end_coverage(&host::clock(), &self.node.boot, now, why).context("cannot note the end")
    }
}
