//! Whether every access is accounted for: a million opens while the agent is stopped in the middle, and a hundred
//! thousand first accesses, as fast as they come and at a pace that every workload may keep.

use std::time::{Duration, Instant};

use anyhow::Result;
use cofferdam_tests::bench::{Agent, AgentOptions, Place};

use crate::crowd::{Container, Crowd, secrets};
use crate::figures::{Figures, progress};
use crate::host::CpuTime;
use crate::ledger::{Ledger, SECRET};
use crate::opener::Opener;
use crate::options::Options;

/// Secrets that are opened.
const SECRETS: u32 = 1_000;

/// How long the agent stands still.
const STANDSTILL: Duration = Duration::from_secs(1);

/// More first events in a second than anybody can make: nothing is over budget.
const NO_BUDGET: u64 = 1_000_000_000;

/// Opens by processes, while the agent may stand still.
struct Trial<'a> {
    figures: Figures,
    /// Begins the names of its figures.
    name: &'a str,
    containers: usize,
    processes_each: usize,
    rounds: u32,
    per_second: Option<u32>,
    budget: Option<u64>,
    standstill: bool,
}

/// Four processes, many opens of the same secrets, the agent stopped in the middle.
pub(crate) fn repeats(options: &Options) -> Result<()> {
    Trial {
        figures: Figures { group: "repeats" },
        name: "",
        containers: 4,
        processes_each: 1,
        rounds: if options.quick { 100 } else { 250 },
        per_second: None,
        budget: None,
        standstill: true,
    }
    .run()
}

/// Processes that open each secret once.
pub(crate) fn firsts(options: &Options) -> Result<()> {
    let figures = Figures { group: "firsts" };
    let processes = if options.quick { 12 } else { 100 };
    let fast = Trial {
        figures,
        name: "fast.",
        containers: 4,
        processes_each: processes / 4,
        rounds: 1,
        per_second: None,
        budget: Some(NO_BUDGET),
        standstill: false,
    };
    fast.run()?;
    Trial { name: "budget.", budget: None, ..fast }.run()?;
    Trial {
        name: "paced.",
        containers: processes,
        processes_each: 1,
        per_second: Some(200),
        budget: None,
        ..fast
    }
    .run()
}

impl Trial<'_> {
    fn run(&self) -> Result<()> {
        let opens = self.containers as u64 * self.processes_each as u64 * u64::from(self.rounds * SECRETS);
        progress(&format!("{} {} opens of {SECRETS} secrets", self.figures.group, opens));
        let place = Place::new("cofferdam-load")?;
        let folder = place.path("secrets");
        let _mounted = secrets(&folder, SECRETS)?;
        let agent = Agent::start(
            &place,
            &AgentOptions {
                secrets: vec![(SECRET.to_owned(), folder.clone())],
                budget: self.budget,
                ..AgentOptions::default()
            },
        )?;
        let containers: Vec<Container> =
            (0..self.containers).map(|number| Container::make(&place, number)).collect::<Result<_>>()?;
        let opener = |container: &Container| Opener {
            cgroup: Some(container.cgroup.clone()),
            secrets: folder.clone(),
            first: 0,
            count: SECRETS,
            rounds: self.rounds,
            per_second: self.per_second,
        };
        let each = std::iter::repeat_n(&containers, self.processes_each).flatten();
        let mut crowd = Crowd::start(each.map(opener))?;
        let before = CpuTime::of(agent.pid()?)?;
        let begun = Instant::now();
        crowd.begin()?;
        if self.standstill {
            std::thread::sleep(STANDSTILL / 4);
            agent.pause()?;
            std::thread::sleep(STANDSTILL);
            agent.go_on()?;
        }
        let seconds = crowd.wait()?;
        crowd.end()?;
        let ledger = Ledger::settled(&agent, &containers, opens)?;
        let settled = begun.elapsed().as_secs_f64();
        let cpu = CpuTime::of(agent.pid()?)? - before;
        ledger.tell(self.figures, self.name, opens)?;
        let tell = |what: &str, unit, value| self.figures.tell(&format!("{}{what}", self.name), unit, value);
        tell("rate", "accesses/s", opens as f64 / seconds)?;
        tell("settled", "s", settled)?;
        tell("agent_cpu", "s", cpu.seconds())
    }
}
