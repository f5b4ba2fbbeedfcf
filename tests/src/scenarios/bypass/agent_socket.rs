//! The workload reaches the agent's socket and asks it to lift every rule.

use anyhow::{Context, Result, ensure};
use cofferdam_model::AuditKind;

use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Container, binary, until};
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-socket",
    Technique {
        what: "asks the agent to remove a policy and to unload, from a container that has its socket mounted",
        outcomes: Outcomes::everywhere(Outcome::Unanswered),
        attack: play,
    },
)
// To the agent that all scenarios share, the other one is a container that calls bpf(2) all the time.
.counting(&["over_budget"]);

/// Where containers have the command line.
const COMMAND: &str = "/bin/cofferdam";
/// Where they have the folder of the run, with the agent's socket in it.
const RUN: &str = "/run-of-the-test";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let stage = attack.stage();
    let (command, run) = (binary("cofferdam")?, stage.place().path(""));
    let container = || {
        let made = stage.container().with_folder(&command, COMMAND);
        made.with_writable(&run, RUN).start()
    };
    let (keeper, thief) = (container()?, container()?);
    // The agent runs in a container itself, as a DaemonSet's does.
    let keep = stage.cgroup_folder()?.join(keeper.id());
    let agent = stage.own_agent(&AgentOptions { cgroup: Some(keep), ..AgentOptions::default() })?;
    let at = agent.socket();
    let at = at.strip_prefix(&run).context("the socket lies elsewhere")?;
    let socket = format!("{RUN}/{}", at.display());
    let asks =
        |who: &Container, words: &[&str]| who.does("run", &[&[COMMAND, "--socket", &socket], words].concat());

    asks(&keeper, &["policy", "list"])?
        .went_through()
        .context("the agent's own container is not answered")?;
    for words in [&["policy", "remove", "any"][..], &["accesses"], &["unload", "--yes"]] {
        let reply = asks(&thief, words)?;
        ensure!(!reply.ok, "`{}` was answered: {}", words.join(" "), reply.output);
        ensure!(reply.output.contains("you are in a container"), "it failed otherwise: {}", reply.output);
    }
    told(&agent, &thief)?;
    Ok(Outcome::Unanswered)
}

fn told(agent: &Agent, thief: &Container) -> Result<()> {
    until("the row that tells of it", || {
        let rows = agent.asked(|answers| answers.audit())?;
        let found = rows.into_iter().any(|row| {
            row.what == AuditKind::PeerRefused
                && row.workload.is_some_and(|it| it.contains(&thief.id()[..12]))
        });
        Ok(if found { Look::Found(()) } else { Look::NotYet("there is none".to_owned()) })
    })
}
