//! What everything costs: without the agent, with it, without it again, and so on; ratios to the mean of the runs
//! without.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cofferdam_tests::bench::{Agent, AgentOptions, Place};

use crate::bpf;
use crate::compile;
use crate::figures::{Figures, progress};
use crate::files::Files;
use crate::host::CpuTime;
use crate::measure::{Cost, Costs, combined};
use crate::options::{Clock, Options};
use crate::stats::{least, mean, middle};
use crate::worker::Worker;

/// Between the agent's word that it is ready and the first measurement: what it still does then is not the price of
/// its running.
const SETTLE: Duration = Duration::from_secs(2);

/// How often a sample is taken until none but our own agent was there, and how long its end is waited for.
const ATTEMPTS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// A state of the machine that is measured.
struct State {
    /// Appended to the names of its figures.
    suffix: &'static str,
    /// What is measured in it.
    secrets: fn(&Files) -> Vec<(String, std::path::PathBuf)>,
}

const STATES: [State; 2] = [
    State { suffix: "", secrets: Files::secrets_in_memory },
    // A device without a slot of its own has more lookups, and from then on every such device.
    State { suffix: "@disk_secrets", secrets: Files::secrets_on_disk_too },
];

/// Measures, and tells the figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let figures = Figures { group: "cost" };
    let place = Place::new("cofferdam-load")?;
    let files = Files::make(&place)?;
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).context("creating a scratch folder")?;
    if options.clock == Clock::Instructions {
        fix_addresses()?;
    }
    let mut worker = Worker::start(files.folder(), &scratch)?;
    // Its memory takes its shape: what it forks is the larger, the more it has touched.
    worker.operations(1)?;
    worker.compilation()?;
    worker.operations(1)?;
    figures.note("compiler", if compile::has_compiler() { "cc" } else { "busybox" })?;
    std::thread::sleep(SETTLE);
    let mut bench = Bench { worker, options, disturbed: 0 };
    progress("without the agent");
    let mut without = vec![bench.measure(0)?];
    let mut with = Vec::new();
    for state in &STATES {
        let agent = Agent::start(
            &place,
            &AgentOptions { secrets: (state.secrets)(&files), ..AgentOptions::default() },
        )?;
        std::thread::sleep(SETTLE);
        let before = CpuTime::of(agent.pid()?)?;
        progress("with the agent");
        with.push(bench.measure(1)?);
        let spent = CpuTime::of(agent.pid()?)? - before;
        let status = agent.asked(|answers| answers.status())?;
        figures.tell(&format!("agent_cpu{}", state.suffix), "%", spent.percent())?;
        let lost: u64 = status.losses.iter().map(|loss| loss.count).sum();
        figures.tell(&format!("lost{}", state.suffix), "events", lost as f64)?;
        drop(agent);
        std::thread::sleep(SETTLE);
        progress("without the agent again");
        without.push(bench.measure(0)?);
    }
    figures.tell("disturbed", "samples", bench.disturbed.into())?;
    for (state, with) in STATES.iter().zip(&with) {
        tell(figures, options, state.suffix, with, &without)?;
    }
    Ok(())
}

/// Lets every process have the same addresses from now on: how many pages it touches, and so what a fork of it costs,
/// depends on them. Only for a guest, which ends after this.
fn fix_addresses() -> Result<()> {
    std::fs::write("/proc/sys/kernel/randomize_va_space", "0").context("fixing the addresses of processes")
}

/// Takes samples. One that another agent has disturbed is taken again, for as long as that makes sense.
struct Bench<'a> {
    worker: Worker,
    options: &'a Options,
    /// Samples that were disturbed and are used all the same.
    disturbed: u32,
}

impl Bench<'_> {
    /// One cost for each operation, with so many agents attached.
    fn measure(&mut self, agents: usize) -> Result<Costs> {
        let rounds = self.options.rounds();
        let samples = (0..self.options.samples())
            .map(|_| self.sample(agents, |worker| worker.operations(rounds)))
            .collect::<Result<Vec<_>>>()?;
        let compilations = (0..self.options.compilations())
            .map(|_| self.sample(agents, Worker::compilation))
            .collect::<Result<Vec<_>>>()?;
        let mut costs = combined(&samples, middle);
        // Whatever else a machine does makes a compilation of seconds longer, never shorter.
        costs.extend(combined(&compilations, least));
        Ok(costs)
    }

    fn sample(&mut self, agents: usize, mut take: impl FnMut(&mut Worker) -> Result<Costs>) -> Result<Costs> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                progress("another agent runs here: waiting for its end");
                wait_for(agents)?;
            }
            let alone = bpf::agents()? == agents;
            let sample = take(&mut self.worker)?;
            if alone && bpf::agents()? == agents {
                return Ok(sample);
            }
        }
        self.disturbed += 1;
        take(&mut self.worker)
    }
}

/// Waits until so many agents are attached, but not for ever.
fn wait_for(agents: usize) -> Result<()> {
    let begun = Instant::now();
    while bpf::agents()? != agents && begun.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn tell(figures: Figures, options: &Options, suffix: &str, with: &Costs, without: &[Costs]) -> Result<()> {
    let unit = options.clock.unit();
    for (name, cost) in with {
        let others = |of: fn(&Cost) -> f64| -> Vec<f64> {
            without.iter().filter_map(|costs| costs.get(name)).map(of).collect()
        };
        figures.compare(&format!("{name}{suffix}"), unit, cost.own, &others(|cost| cost.own))?;
        let wall = others(|cost| cost.wall);
        figures.compare(&format!("{name}.wall{suffix}"), unit, cost.wall, &wall)?;
        progress(&format!("{name}{suffix}: {:.4}", cost.own / mean(&others(|cost| cost.own))));
    }
    Ok(())
}
