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
