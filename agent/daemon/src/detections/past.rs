//! What the journal tells of workloads' habits, so that a restart makes nothing new that is not.

use std::path::Path;

use cofferdam_detect::{Baseline, Habit};
use cofferdam_journal::{Error, Evidence, Reader};
use cofferdam_model::{Clock, Filter, Span, Workload};

/// Adds everything that the journal knows.
///
/// # Errors
/// If the journal cannot be read; then nothing is added.
pub fn read(journal: &Path, clock: &Clock, past: &mut Baseline) -> Result<(), Error> {
    let evidence = Reader::open(journal)?.evidence(&Filter::default())?;
    remember(&evidence, clock, past);
    Ok(())
}

fn remember(evidence: &Evidence, clock: &Clock, past: &mut Baseline) {
    let known = evidence.known();
    let workload = |number: Option<u32>| -> Option<&Workload> { known.workloads.get(number? as usize) };
    let mut add = |of: Option<u32>, habit: Habit<'_>, span: Span| {
        if let Some(workload) = workload(of) {
            past.remember(workload, habit, span.first, clock);
        }
    };
    for ran in evidence.executions() {
        add(known.programs[ran.program as usize].workload, Habit::Runs, ran.span);
    }
    // What was refused is not a habit.
    for read in evidence.accesses().iter().filter(|it| !it.denied) {
        let secret = &known.secrets[read.secret as usize].of;
        let habit = match read.program {
            Some(program) => Habit::Reads(secret, &known.programs[program as usize].executable),
            None => Habit::Runs,
        };
        add(read.workload, habit, read.span);
    }
    let (connections, _) = evidence.connections(&[]);
    for made in connections.iter().filter(|it| !it.denied) {
        let habit = made.destination.map_or(Habit::Runs, |address| Habit::Speaks(address, made.port));
        add(made.workload, habit, made.span);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cofferdam_detect::{Engine, Library, Limits};
    use cofferdam_journal::Journal;
    use cofferdam_model::{BootTime, Record, WallTime};

    use super::*;

    /// In the first hour a program reads its password and connects to its database; after two hours it reads it again, and
    /// a child of it speaks to a stranger.
    const RECORDED: &str = include_str!("restart.jsonl");

    fn engine() -> Engine {
        let rules = Library::shipped().entries().iter().map(|it| it.rule.clone()).collect();
        Engine::new(rules, Limits { learning: Duration::from_hours(1), ..Limits::default() })
    }

    fn rules(engine: &mut Engine, records: &[Record]) -> Vec<String> {
        engine.observe(records).into_iter().map(|it| it.rule).collect()
    }

    #[test]
    fn what_was_usual_before_a_restart_still_is_and_what_was_not_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let records: Vec<Record> = RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let two_hours = BootTime::from_nanos(7_200 * 1_000_000_000);
        let is_later = |record: &Record| match record {
            Record::Process(program) => program.began >= two_hours,
            Record::Access(access) => access.first >= two_hours,
            Record::Connection(made) => made.first >= two_hours,
            _ => false,
        };
        let (later, before): (Vec<Record>, Vec<Record>) = records.into_iter().partition(is_later);
        let clock = Clock { booted: WallTime::from_nanos(1_700_000_000_000_000_000) };
        let boot = "0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap();
        let mut journal = Journal::open(folder.path(), cofferdam_journal::Config::default()).unwrap();
        journal.append(&clock, &boot, &before).unwrap();

        // Workloads and processes are told again by every agent, as it finds them; what they did is not.
        let told_again = |record: &Record| match record {
            Record::Workload(workload) => {
                Some(Record::Workload(Workload { since: two_hours, ..workload.clone() }))
            }
            Record::Process(program) => Some(Record::Process(program.clone())),
            _ => None,
        };
        let who: Vec<Record> = before.iter().filter_map(told_again).collect();
        let mut forgetful = engine();
        rules(&mut forgetful, &who);
        assert_eq!(rules(&mut forgetful, &later), [""; 0], "nothing is learnt yet");

        let mut restarted = engine();
        let mut past = restarted.await_past();
        rules(&mut restarted, &who);
        read(folder.path(), &clock, &mut past).unwrap();
        restarted.recall(past);
        assert_eq!(rules(&mut restarted, &later), ["read-then-new-destination"]);

        let mut waiting = engine();
        let _ = waiting.await_past();
        rules(&mut waiting, &who);
        assert_eq!(rules(&mut waiting, &later), [""; 0], "until the past is known nothing is unusual");
    }

    #[test]
    fn a_journal_of_an_earlier_boot_tells_as_much() {
        let folder = tempfile::tempdir().unwrap();
        let records: Vec<Record> = RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let before = Clock { booted: WallTime::from_nanos(1_700_000_000_000_000_000) };
        let now = Clock { booted: WallTime::from_nanos(1_700_100_000_000_000_000) };
        let boot = "0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap();
        let mut journal = Journal::open(folder.path(), cofferdam_journal::Config::default()).unwrap();
        journal.append(&before, &boot, &records).unwrap();
        let mut engine = engine();
        let mut past = engine.await_past();
        read(folder.path(), &now, &mut past).unwrap();
        engine.recall(past);
        // The same again after the reboot: the stranger of then is known by now.
        assert_eq!(rules(&mut engine, &records), [""; 0]);
    }
}
