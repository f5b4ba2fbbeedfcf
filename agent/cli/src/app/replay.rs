//! `detect replay` and `record`: what rules would have found.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cofferdam_api::{Event, Matcher};
use cofferdam_detect::{Engine, Library, Limits};
use cofferdam_model::{
    Answer, BootId, Clock, Completeness, DetectionRow, EventId, Filter, Process, Record, WallTime, Workload,
    WorkloadId,
};
use serde::{Deserialize, Serialize};

use super::Run;
use crate::args::{ReplayRules, found};
use crate::failure::{BadUsage, Outcome};
use crate::output;

/// What stands for the standard input.
const STDIN: &str = "-";
/// The boot of a recording that does not name one; its times count from 1970.
const NO_BOOT: &str = "00000000-0000-0000-0000-000000000000";

/// A line of a recording that says of which boot those after it are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case", deny_unknown_fields)]
enum Heading {
    Boot { boot_id: BootId, booted: WallTime },
}

/// Rules at work on the past.
struct Play {
    engine: Engine,
    boot: BootId,
    clock: Clock,
    /// Who is who, for the rows.
    workloads: HashMap<WorkloadId, Workload>,
    programs: HashMap<EventId, Process>,
    rows: Vec<DetectionRow>,
    /// Events that a recording says were lost.
    lost: u64,
}

impl Run<'_> {
    pub(super) fn replay_rules(&mut self, replay: ReplayRules, now: WallTime) -> Result<Outcome> {
        let library = self.library(&replay.own)?;
        let filter = found(replay.who, replay.what, replay.range, now)?;
        let mut play = Play::new(&library, replay.learning)?;
        let whole = match &replay.records {
            Some(file) => play.recording(file)?,
            None => {
                let (path, journal) = self.journal("detect replay")?;
                let told = journal.records(|chapter| {
                    play.turn_to(&chapter.boot, chapter.clock);
                    play.observe(&chapter.records);
                });
                told.with_context(|| format!("read the journal at {path}"))?
            }
        };
        let rows = chosen(play.rows, &filter);
        let (since, until) = (filter.since.or(whole.since), filter.until.or(whole.until));
        let answer = Answer { rows, since, until, completeness: whole.completeness };
        self.answered(&answer, &filter)
    }

    /// Writes what a journal holds as a recording.
    pub(super) fn record(&mut self) -> Result<Outcome> {
        let (path, journal) = self.journal("detect record")?;
        let mut written = Ok(());
        let out = &mut *self.out;
        let told = journal.records(|chapter| {
            let heading = Heading::Boot { boot_id: chapter.boot, booted: chapter.clock.booted };
            let lines = |out: &mut dyn io::Write| -> Result<()> {
                output::line(out, &heading)?;
                chapter.records.iter().try_for_each(|record| output::line(out, record))
            };
            if written.is_ok() {
                written = lines(out);
            }
        });
        let whole = told.with_context(|| format!("read the journal at {path}"))?;
        written?;
        Ok(self.judged(whole.completeness.complete))
    }
}

/// What of the findings was asked for.
fn chosen(rows: Vec<DetectionRow>, filter: &Filter) -> Vec<DetectionRow> {
    let matcher = Matcher::new(filter.clone());
    let in_range = |row: &DetectionRow| {
        filter.since.is_none_or(|since| row.at >= since) && filter.until.is_none_or(|until| row.at < until)
    };
    let events = rows.into_iter().filter(in_range).map(Event::from).filter(|event| matcher.matches(event));
    let mut rows: Vec<DetectionRow> = events
        .filter_map(|event| match event {
            Event::Detection(row) => Some(*row),
            _ => None,
        })
        .collect();
    let most = filter.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    rows.drain(..rows.len().saturating_sub(most));
    rows
}

impl Play {
    fn new(library: &Library, learning: Duration) -> Result<Self> {
        let rules = library.entries().iter().map(|it| it.rule.clone()).collect();
        Ok(Self {
            engine: Engine::new(rules, Limits { learning, ..Limits::default() }),
            boot: NO_BOOT.parse()?,
            clock: Clock { booted: WallTime::from_nanos(0) },
            workloads: HashMap::new(),
            programs: HashMap::new(),
            rows: Vec::new(),
            lost: 0,
        })
    }

    /// Goes on with what happened in this boot.
    fn turn_to(&mut self, boot: &BootId, clock: Clock) {
        if *boot != self.boot {
            let later_by = clock.booted.as_nanos().saturating_sub(self.clock.booted.as_nanos()).max(0);
            self.engine.next_boot(Duration::from_nanos(later_by.cast_unsigned()));
            self.workloads.clear();
            self.programs.clear();
            self.boot = boot.clone();
        }
        self.clock = clock;
    }

    fn observe(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Workload(workload) => drop(self.workloads.insert(workload.id, workload.clone())),
                Record::Process(program) => drop(self.programs.insert(program.exec, program.clone())),
                Record::Loss(loss) if loss.reason.is_loss() => {
                    self.lost = self.lost.saturating_add(loss.count)
                }
                _ => {}
            }
            for found in self.engine.observe(std::slice::from_ref(record)) {
                let workload = self.workloads.get(&found.workload);
                let program = found.exec.and_then(|exec| self.programs.get(&exec));
                self.rows.push(found.row(&self.boot, &self.clock, workload, program));
            }
        }
    }

    /// Reads a recording to its end. It is as complete as it says.
    fn recording(&mut self, file: &Path) -> Result<Answer<()>> {
        let name = if file.as_os_str() == STDIN { "stdin".to_owned() } else { file.display().to_string() };
        let lines: Box<dyn BufRead> = match file.as_os_str() == STDIN {
            true => Box::new(io::stdin().lock()),
            false => match File::open(file) {
                Ok(file) => Box::new(BufReader::new(file)),
                Err(error) => bail!(BadUsage(format!("{name}: cannot be read: {error}"))),
            },
        };
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.with_context(|| format!("{name}:{number}: cannot be read"))?;
            self.line(&line).map_err(|error| BadUsage(format!("{name}:{number}: is no record: {error}")))?;
        }
        let lost = (self.lost > 0).then(|| format!("{} events were lost while it was recorded", self.lost));
        let completeness = Completeness {
            complete: self.lost == 0,
            lost: self.lost,
            over_budget: 0,
            unknown_workloads: 0,
            seen_since: None,
            sources: vec![name],
            reasons: lost.into_iter().collect(),
        };
        Ok(Answer { rows: Vec::new(), since: None, until: None, completeness })
    }

    fn line(&mut self, line: &str) -> Result<(), serde_json::Error> {
        if line.trim().is_empty() {
            return Ok(());
        }
        match serde_json::from_str::<Record>(line) {
            Ok(record) => self.observe(std::slice::from_ref(&record)),
            Err(error) => match serde_json::from_str(line) {
                Ok(Heading::Boot { boot_id, booted }) => self.turn_to(&boot_id, Clock { booted }),
                Err(_) => return Err(error),
            },
        }
        Ok(())
    }
}
