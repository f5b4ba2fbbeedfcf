//! What the agent takes of the machine's memory: 500 workloads with a process each, and 5,000 secrets, nine in ten of
//! them in volumes as the kubelet mounts them, the others configured one by one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use cofferdam_tests::bench::{Agent, AgentOptions, Mounted, Place};

use crate::crowd::{Container, Crowd, pod_uid, secrets};
use crate::figures::{Figures, progress};
use crate::host::{CpuTime, map_bytes, resident_bytes};
use crate::opener::{self, Opener};
use crate::options::Options;

/// Secrets of each workload's volume.
const KEYS: u32 = 9;

/// How long the agent is watched doing nothing.
const IDLE: Duration = Duration::from_secs(10);

const MIB: f64 = 1024.0 * 1024.0;

/// Measures, and tells the figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let figures = Figures { group: "footprint" };
    let workloads: usize = if options.quick { 100 } else { 500 };
    progress(&format!("{workloads} workloads"));
    let place = Place::new("cofferdam-load")?;

    let configured = place.path("configured");
    let _mounted = secrets(&configured, u32::try_from(workloads).context("too many workloads")?)?;
    let options = AgentOptions {
        secrets: (0..workloads as u32)
            .map(|number| (format!("bench/configured-{number}"), opener::secret(&configured, number)))
            .collect(),
        ..AgentOptions::default()
    };
    let agent = Agent::start(&place, &options)?;
    tell(figures, &agent, "start.")?;

    let mut volumes = Vec::new();
    let mut containers = Vec::new();
    for number in 0..workloads {
        let volume = volume(&place, number);
        volumes.push(secrets(&volume, KEYS)?);
        containers.push((Container::make(&place, number)?, volume));
    }
    let openers = containers.iter().map(|(container, volume)| Opener {
        cgroup: Some(container.cgroup.clone()),
        secrets: volume.clone(),
        first: 0,
        count: KEYS,
        rounds: 1,
        per_second: None,
    });
    let mut crowd = Crowd::start(openers)?;
    // The volumes of this many pods do not appear at once on a node.
    std::thread::sleep(Duration::from_secs(2));
    crowd.begin()?;
    crowd.wait()?;
    std::thread::sleep(Duration::from_secs(2));
    tell(figures, &agent, "")?;
    let before = CpuTime::of(agent.pid()?)?;
    std::thread::sleep(IDLE);
    figures.tell("idle_cpu", "%", (CpuTime::of(agent.pid()?)? - before).percent())?;
    tell(figures, &agent, "idle.")?;
    levels(figures, &agent)?;
    crowd.end()?;
    drop::<Vec<Mounted>>(volumes);
    Ok(())
}

/// Where the kubelet would mount the Secret of the pod with this number.
fn volume(place: &Place, number: usize) -> PathBuf {
    place.path("kubelet/pods").join(pod_uid(number)).join("volumes/kubernetes.io~secret/creds")
}

/// Resident memory and tables, by the agent's own word and by the kernel's.
fn tell(figures: Figures, agent: &Agent, when: &str) -> Result<()> {
    let status = agent.asked(|answers| answers.status())?;
    let (rss, maps) = (status.memory.rss_bytes as f64, status.memory.map_bytes as f64);
    let kernel = (resident_bytes(agent.pid()?)?, map_bytes(agent.pid()?)?);
    let tell = |name: &str, bytes: f64| figures.tell(&format!("{when}{name}"), "MiB", bytes / MIB);
    tell("rss", rss)?;
    tell("maps", maps)?;
    tell("together", kernel.0.total as f64 + kernel.1 as f64)?;
    tell("rss_by_kernel", kernel.0.total as f64)?;
    tell("rss_anonymous", kernel.0.anonymous as f64)?;
    tell("maps_by_kernel", kernel.1 as f64)
}

fn levels(figures: Figures, agent: &Agent) -> Result<()> {
    let status = agent.asked(|answers| answers.status())?;
    for table in &status.tables {
        let name = table.name.replace(' ', "_");
        figures.tell(&format!("table.{name}"), "entries", table.used as f64)?;
    }
    let lost: u64 = status.losses.iter().map(|loss| loss.count).sum();
    figures.tell("lost", "events", lost as f64)?;
    figures.tell("journal_rows", "rows", status.journal.rows as f64)?;
    let log = fs::read_to_string(agent.log()).unwrap_or_default();
    figures.tell("log_lines", "lines", log.lines().count() as f64)
}
