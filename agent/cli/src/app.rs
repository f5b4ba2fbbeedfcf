//! Commands: from the question to the answer.

mod in_force;
mod orders;
mod policy;
mod replay;
mod rollout;
mod rules;

pub(crate) use rollout::{Checked, Summary, Tested};
pub(crate) use rules::{CheckedRules, ListedRule};

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::CommandFactory as _;
use cofferdam_api::{ConnectError, DEFAULT_SOCKET, Ending, Event, Timeline, WatchBatch};
use cofferdam_model::{Answer, Filter, WallTime};
use serde_json::json;

use crate::args::{Cli, Command, Detect, Format, Options, Range, Selection, filter, found};
use crate::failure::{BadUsage, Outcome};
use crate::host::Host;
use crate::screen::Screen;
use crate::show::{self, Row, Watcher};
use crate::source::{Agent, CopiedJournal, Source, WatchEnd, WatchMoment};
use crate::text::{self, Line};
use crate::{output, timeline};

/// One run.
struct Run<'a> {
    options: Options,
    screen: Screen,
    out: &'a mut dyn Write,
}

/// Does what the command line says, and writes the answer to `out`.
pub(crate) fn run(cli: Cli, now: WallTime, screen: Screen, out: &mut dyn Write) -> Result<Outcome> {
    let mut run = Run { options: cli.options, screen, out };
    match cli.command {
        Command::Doctor => run.doctor(),
        Command::Status { policy: false } => run.status(now),
        Command::Status { policy: true } => run.policy_status(&Selection::default()),
        Command::Workloads { who, range } => {
            run.rows::<cofferdam_model::WorkloadRow>(&filter(who, None.into(), range, now)?)
        }
        Command::Secrets { who, secret, range } => {
            run.rows::<cofferdam_model::SecretRow>(&filter(who, secret.into(), range, now)?)
        }
        Command::Accesses { who, what, range } => {
            run.rows::<cofferdam_model::AccessRow>(&filter(who, what, range, now)?)
        }
        Command::Connections { who, what, range } => {
            run.rows::<cofferdam_model::ConnectionRow>(&filter(who, what, range, now)?)
        }
        Command::Detections { who, what, range } => {
            run.rows::<cofferdam_model::DetectionRow>(&found(who, what, range, now)?)
        }
        Command::Denials { who, what, range } => run.rows::<Event>(&filter(who, what.into(), range, now)?),
        Command::Attempts { who, what, range } => {
            run.rows::<cofferdam_model::AttemptRow>(&filter(who, what.into(), range, now)?)
        }
        Command::Audit { who, range } => {
            run.rows::<cofferdam_model::AuditRow>(&filter(who, None.into(), range, now)?)
        }
        Command::Timeline { name, mut who, what, range } => {
            who.workload = who.workload.or(name);
            if !who.selects() {
                bail!(BadUsage(
                    "a timeline is of one workload: name it, as in `cofferdam timeline shop/web-1/app`, or select it \
                     with --workload, --pod or --container (`cofferdam workloads` lists them)"
                        .to_owned()
                ));
            }
            run.timeline(&filter(who, what, range, now)?)
        }
        Command::Watch { who, what, by, limit } => {
            run.watch(&by.narrow(filter(who, what, Range::default(), now)?), limit)
        }
        Command::Policy { command } => run.policy(command, now),
        Command::Rules { command } => run.rules(command),
        Command::Detect { command: Detect::Replay(replay) } => run.replay_rules(*replay, now),
        Command::Detect { command: Detect::Record } => run.record(),
        Command::Contain(order) => run.contain(order.order(now)?),
        Command::Release { id } => run.release(&id),
        Command::Orders => run.orders(),
        Command::Unload { yes } => run.unload(yes),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cofferdam", &mut run.out);
            Ok(Outcome::Done)
        }
    }
}

impl Run<'_> {
    fn socket(&self) -> PathBuf {
        let named = self.options.socket.clone();
        let named = named
            .or_else(|| env::var_os("COFFERDAM_SOCKET").filter(|path| !path.is_empty()).map(PathBuf::from));
        named.unwrap_or_else(|| DEFAULT_SOCKET.into())
    }

    fn source(&self) -> Result<Box<dyn Source>> {
        match &self.options.journal {
            Some(dir) => Ok(Box::new(CopiedJournal::open(dir)?)),
            None => Ok(Box::new(Agent::connect(&self.socket())?)),
        }
    }

    /// The agent, for what only the agent can say.
    fn agent(&self, command: &str) -> Result<Agent> {
        if self.options.journal.is_some() {
            bail!(BadUsage(format!(
                "`{command}` is about the agent as it runs now, which a copied journal does not tell: leave out --journal"
            )));
        }
        Agent::connect(&self.socket())
    }

    /// The copied journal, or the agent's own, where the agent says that it lies.
    fn journal(&self, command: &str) -> Result<(String, CopiedJournal)> {
        if let Some(dir) = &self.options.journal {
            return Ok((dir.display().to_string(), CopiedJournal::open(dir)?));
        }
        let path = self.agent(command)?.status()?.journal.path;
        let journal = CopiedJournal::open(Path::new(&path)).with_context(|| {
            format!(
                "read the agent's journal at {path}: this needs its files themselves; run it where the agent runs, as \
                 root, or name a copy with --journal DIR"
            )
        })?;
        Ok((path, journal))
    }

    fn lines(&mut self, lines: &[Line]) -> Result<()> {
        self.out.write_all(text::render(lines, self.screen.colour).as_bytes())?;
        Ok(())
    }

    fn judged(&self, complete: bool) -> Outcome {
        if self.options.strict && !complete { Outcome::Incomplete } else { Outcome::Done }
    }

    fn rows<R: Row>(&mut self, filter: &Filter) -> Result<Outcome> {
        let mut source = self.source()?;
        if self.options.output == Format::Jsonl {
            let out = &mut *self.out;
            let ending = R::ask(&mut *source, filter, &mut |rows| {
                rows.iter().try_for_each(|row| output::line(out, row))
            })?;
            output::line(out, &ending)?;
            return Ok(self.judged(ending.completeness.complete));
        }
        let mut rows = Vec::new();
        let ending = R::ask(&mut *source, filter, &mut |chunk| {
            rows.extend(chunk);
            Ok(())
        })?;
        self.answered(&ending.after(rows), filter)
    }

    /// Shows an answer that is there as a whole.
    fn answered<R: Row>(&mut self, answer: &Answer<R>, filter: &Filter) -> Result<Outcome> {
        match self.options.output {
            Format::Json => output::document(self.out, answer)?,
            Format::Jsonl => {
                answer.rows.iter().try_for_each(|row| output::line(self.out, row))?;
                let (completeness, since, until) = (answer.completeness.clone(), answer.since, answer.until);
                output::line(self.out, &Ending { completeness, since, until })?;
            }
            Format::Table | Format::Wide => self.lines(&show::answer(answer, filter, self.screen))?,
        }
        Ok(self.judged(answer.completeness.complete))
    }

    fn timeline(&mut self, filter: &Filter) -> Result<Outcome> {
        let mut source = self.source()?;
        if self.options.output == Format::Jsonl {
            let out = &mut *self.out;
            let ending = source.timeline(filter, &mut |events| {
                events.iter().try_for_each(|event| output::line(out, event))
            })?;
            output::line(out, &ending)?;
            return Ok(self.judged(ending.completeness.complete));
        }
        let mut events: Vec<Event> = Vec::new();
        let ending = source.timeline(filter, &mut |chunk| {
            events.extend(chunk);
            Ok(())
        })?;
        let answer = Timeline::new(events, ending);
        match self.options.output {
            Format::Json => output::document(self.out, &answer)?,
            _ => self.lines(&timeline::timeline(&answer, filter, self.screen.columns))?,
        }
        Ok(self.judged(answer.completeness.complete))
    }

    fn status(&mut self, now: WallTime) -> Result<Outcome> {
        let status = self.agent("status")?.status()?;
        match self.options.output {
            Format::Json => output::document(self.out, &status)?,
            Format::Jsonl => output::line(self.out, &status)?,
            Format::Table | Format::Wide => self.lines(&show::status(&status, now, self.screen.columns))?,
        }
        Ok(self.judged(show::is_complete(&status)))
    }

    fn doctor(&mut self) -> Result<Outcome> {
        let doctor = match self.agent("doctor") {
            Ok(mut agent) => agent.doctor()?,
            Err(error) => match error.downcast_ref::<ConnectError>() {
                Some(unreachable) => Host::here().doctor(unreachable),
                None => return Err(error),
            },
        };
        match self.options.output {
            Format::Json => output::document(self.out, &doctor)?,
            Format::Jsonl => output::line(self.out, &doctor)?,
            Format::Table | Format::Wide => self.lines(&show::doctor(&doctor, self.screen.columns))?,
        }
        Ok(if show::is_well(&doctor) { Outcome::Done } else { Outcome::Failed })
    }

    fn watch(&mut self, filter: &Filter, limit: Option<u64>) -> Result<Outcome> {
        if self.options.output == Format::Json {
            bail!(BadUsage("a watch has no end, so it cannot be one document: use -o jsonl".to_owned()));
        }
        let mut agent = self.agent("watch")?;
        let mut tally = Tally { watcher: Watcher::new(), events: 0, missed: 0, lost: 0 };
        let end = agent.watch(filter, &mut |moment| match moment {
            WatchMoment::Begun => self.open(&tally).map(|()| true),
            WatchMoment::Events(batch) => self.show(batch, limit, &mut tally),
        })?;
        self.close(&tally, end)?;
        match end {
            WatchEnd::Agent => bail!("the agent stopped; what it recorded answers with --journal DIR"),
            WatchEnd::Reader => Ok(self.judged(tally.missed == 0 && tally.lost == 0)),
        }
    }

    /// The first line of a watch: from here on nothing is missed without being told.
    fn open(&mut self, tally: &Tally) -> Result<()> {
        if self.options.output == Format::Jsonl {
            output::line(self.out, &json!({ "event": "watching", "since": WallTime::now() }))?;
        } else {
            self.lines(&[tally.watcher.heading()])?;
        }
        Ok(self.out.flush()?)
    }

    /// Shows what arrived; false when that was enough.
    fn show(&mut self, batch: WatchBatch, limit: Option<u64>, tally: &mut Tally) -> Result<bool> {
        let jsonl = self.options.output == Format::Jsonl;
        if batch.missed > 0 {
            tally.missed += batch.missed;
            if jsonl {
                output::line(self.out, &json!({ "event": "missed", "count": batch.missed }))?;
            } else {
                self.lines(&[show::missed(batch.missed)])?;
            }
        }
        for event in &batch.events {
            tally.events += 1;
            if let Event::Loss(loss) = event
                && loss.reason.is_loss()
            {
                tally.lost += loss.count;
            }
            if jsonl {
                output::line(self.out, event)?;
            } else {
                self.lines(&[tally.watcher.event(event)])?;
            }
            if limit.is_some_and(|limit| tally.events >= limit) {
                break;
            }
        }
        self.out.flush()?;
        Ok(limit.is_none_or(|limit| tally.events < limit))
    }

    /// The last line of a watch: what it did not show.
    fn close(&mut self, tally: &Tally, end: WatchEnd) -> Result<()> {
        let complete = tally.missed == 0 && tally.lost == 0 && end == WatchEnd::Reader;
        if self.options.output == Format::Jsonl {
            let completeness = json!({ "complete": complete, "lost": tally.lost, "missed": tally.missed });
            return output::line(self.out, &json!({ "completeness": completeness }));
        }
        self.lines(&[
            Line::new(),
            show::watched(tally.events, tally.missed, tally.lost, end == WatchEnd::Agent),
        ])
    }
}

/// What a watch has shown so far, and what not.
#[derive(Debug)]
struct Tally {
    watcher: Watcher,
    events: u64,
    missed: u64,
    lost: u64,
}
