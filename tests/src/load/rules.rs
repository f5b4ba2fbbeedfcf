//! What rules cost: operations of a workload under ten rules that is alone, and among a thousand workloads with ten
//! rules each; and how soon a change reaches the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use cofferdam_tests::bench::{Agent, AgentOptions, Look, Place, until};

use crate::crowd::Container;
use crate::figures::{Figures, progress};
use crate::files::Files;
use crate::measure::{Cost, Costs};
use crate::options::Options;
use crate::worker::Worker;

/// Rules of each workload.
const RULES_EACH: usize = 10;
/// Destinations of the policy that is changed.
const ENTRIES: u16 = 1_000;
/// Between a change and the measurement.
const SETTLE: Duration = Duration::from_secs(3);
/// What the agent logs of each generation that it has put into the kernel.
const INSTALLED: &str = "rules of a workload are in the kernel";
/// The operations that rules speak of, and one that they do not.
const SHOWN: &[&str] = &["open", "open_beside_file", "open_secret", "open_secret_in_tree", "connect", "send"];

/// Measures, and tells the figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let figures = Figures { group: "rules" };
    let workloads = if options.quick { 100 } else { 1_000 };
    let place = Place::new("cofferdam-load")?;
    let (files, scratch, policies) = (Files::make(&place)?, place.path("scratch"), place.path("policies"));
    for folder in [&scratch, &policies] {
        fs::create_dir(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let mut worker = Worker::start(files.folder(), &scratch)?;
    let own = Container::make(&place, 0)?;
    fs::write(own.cgroup.join("cgroup.procs"), worker.pid().to_string()).context("placing the worker")?;
    worker.operations(1)?;
    let agent = Agent::start(
        &place,
        &AgentOptions {
            secrets: files.secrets_in_memory(),
            policies: Some(policies.clone()),
            talkative: true,
            ..AgentOptions::default()
        },
    )?;

    write_policy(&policies, 0, &own)?;
    in_force(&agent, 1)?;
    progress("one workload");
    let alone = worker.operations(options.rounds())?;
    progress(&format!("{workloads} workloads"));
    for number in 1..workloads {
        write_policy(&policies, number, &Container::make(&place, number)?)?;
    }
    in_force(&agent, workloads)?;
    let among = worker.operations(options.rounds())?;
    figures.tell("rules", "rules", (workloads * RULES_EACH) as f64)?;
    compare(figures, options, &alone, &among)?;
    change(figures, &agent, &policies, &own)?;
    let status = agent.asked(|answers| answers.status())?;
    figures.tell("lost", "events", status.losses.iter().map(|loss| loss.count).sum::<u64>() as f64)
}

fn compare(figures: Figures, options: &Options, alone: &Costs, among: &Costs) -> Result<()> {
    for name in SHOWN {
        let cost = |costs: &Costs| costs.get(*name).copied().context("an operation was not measured");
        let (Cost { own: one, .. }, Cost { own: many, .. }) = (cost(alone)?, cost(among)?);
        figures.compare(name, options.clock.unit(), many, &[one])?;
        progress(&format!("{name}: {one:.0} alone, {:.4} of it among the others", many / one));
    }
    Ok(())
}

/// One policy says something else of a thousand destinations: how long the agent writes rows until the last one holds.
fn change(figures: Figures, agent: &Agent, policies: &Path, own: &Container) -> Result<()> {
    let before = installed(agent)?.len();
    let ports: Vec<String> = (1..=ENTRIES).map(|port| port.to_string()).collect();
    let many = format!("{{ cidr: 127.0.0.0/8, ports: [{}], protocol: tcp }}", ports.join(", "));
    write(policies, 0, own, &format!("[ {{ cidr: 127.0.0.0/8 }}, {many} ]"))?;
    let (rows, micros) = until("the changed policy in force", || {
        let new = installed(agent)?.into_iter().skip(before).find(|(rows, _)| *rows >= f64::from(ENTRIES));
        Ok(new.map_or_else(|| Look::NotYet("nothing was written".to_owned()), Look::Found))
    })?;
    figures.tell("change.rows", "rows", rows)?;
    figures.tell("change.ms", "ms", micros / 1_000.0)
}

/// Rows, and microseconds, of what has been put into the kernel.
fn installed(agent: &Agent) -> Result<Vec<(f64, f64)>> {
    let log = fs::read_to_string(agent.log()).context("reading the agent's log")?;
    let number = |line: &str, name: &str| -> Option<f64> {
        let at = line.find(&format!("{name}="))? + name.len() + 1;
        line[at..].split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let lines = log.lines().filter(|line| line.contains(INSTALLED));
    Ok(lines.filter_map(|line| Some((number(line, "rows")?, number(line, "micros")?))).collect())
}

fn in_force(agent: &Agent, workloads: usize) -> Result<()> {
    until("all policies in force", || {
        let count = installed(agent)?.len();
        let all = count >= workloads;
        Ok(if all { Look::Found(()) } else { Look::NotYet(format!("{count} of {workloads} workloads")) })
    })?;
    std::thread::sleep(SETTLE);
    Ok(())
}

fn write_policy(policies: &Path, number: usize, of: &Container) -> Result<()> {
    write(policies, number, of, LOCAL)
}

/// Destinations that limit nothing here.
const LOCAL: &str = "[ { cidr: 127.0.0.0/8 } ]";

/// Writes the policy of one workload, whole at once; `to` is where its first secret may travel. Nobody tells the
/// namespaces of these pods, which may therefore be guarded ones: the policies opt in.
fn write(policies: &Path, number: usize, of: &Container, to: &str) -> Result<()> {
    let secrets: String = ["bench/file", "bench/tree", "bench/whole", "db", "api", "token"]
        .iter()
        .enumerate()
        .map(|(index, secret)| {
            let to = if index == 0 { to } else { LOCAL };
            format!("    - {{ id: s{index}, secret: {secret}, readers: any, destinations: {to} }}\n")
        })
        .collect();
    let text = format!(
        "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: {{ name: bench-{number} }}\nspec:\n\
         \u{20} selector: {{ cgroup: \"*/{}\" }}\n\u{20} optIn: [kube-system, cofferdam]\n\u{20} mode: enforce\n\
         \u{20} secrets:\n{secrets}\
         \u{20} environment: {{ id: env, read: own }}\n\
         \u{20} exec: {{ id: ex, deny: [ {{ origin: memfd }} ] }}\n\
         \u{20} egress: {{ id: out, deny: [ {{ set: cloud-metadata }} ] }}\n\
         \u{20} memory: {{ id: mem, attach: deny }}\n",
        of.id,
    );
    let (new, path): (PathBuf, PathBuf) =
        (policies.join(format!(".{number}.new")), policies.join(format!("{number}.yaml")));
    fs::write(&new, text).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, &path).with_context(|| format!("placing {}", path.display()))
}
