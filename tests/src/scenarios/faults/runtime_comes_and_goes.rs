//! The container runtime is started after the agent, ends and comes back: each time the agent finds it again, and pods
//! have their names; meanwhile containers are known by their ids.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::no_runtime::agent_says_of_runtime;
use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Secret, until};
use crate::cri_pod::{ContainerSpec, Containerd, Pod, PodSpec};
use crate::stage::{PerTier, Scenario, Stage, Went, access, listed};

pub(super) const SCENARIO: Scenario =
    Scenario::new("faults/runtime-comes-and-goes", PerTier::SEEN, play).needing("containerd");

/// The main process reads its secret itself, at once, and then stays.
const MAIN: &[&str] = &["/bin/sh", "-c", "read -r line </creds/password || true; exec sleep 600"];

fn play(stage: &Stage<'_>) -> Result<()> {
    let folder = stage.place().path("r");
    let socket = folder.join("containerd.sock");
    let agent = stage.own_agent(&AgentOptions { cri_socket: Some(socket), ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    agent_says_of_runtime(&agent, "no socket at")?;

    let mut containerd = Containerd::start(&folder, stage.image())?;
    agent_says_of_runtime(&agent, "containerd ")?;
    let before = stage.volume("before-creds", &["password"])?;
    let pod = containerd.start_pod(&spec(&stage, "before", &before)?)?;
    is_named(&agent, &pod, "before")?;
    drop(pod);

    containerd.stop()?;
    let other = stage.volume("other-creds", &["password"])?;
    let plain = stage.container().with_secret(&other, "/etc/creds").start()?;
    plain.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&plain, &access(&plain).to(&other, "password").by_main(&plain))?;
    agent_says_of_runtime(&agent, "no runtime answers")?;

    containerd.resume()?;
    agent_says_of_runtime(&agent, "containerd ")?;
    let after = stage.volume("after-creds", &["password"])?;
    is_named(&agent, &containerd.start_pod(&spec(&stage, "after", &after)?)?, "after")
}

fn spec(stage: &Stage<'_>, name: &str, creds: &Secret) -> Result<PodSpec> {
    Ok(PodSpec {
        name: name.to_owned(),
        namespace: "shop".to_owned(),
        uid: creds.pod_uid().context("the volume belongs to no pod")?.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        cgroup_parent: format!("/{}/kubepods/besteffort", stage.place().name()),
        containers: vec![ContainerSpec {
            name: "app".to_owned(),
            command: MAIN.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
            mounts: vec![(creds.folder().to_owned(), "/creds".to_owned())],
        }],
    })
}

fn is_named(agent: &Agent, pod: &Pod<'_>, name: &str) -> Result<()> {
    let id = pod.container("app").context("the pod has lost its container")?;
    until("the access with its names", || {
        let rows = agent.asked(|answers| answers.accesses_of(id))?;
        let wanted = format!("shop/{name}/app");
        let named = rows.len() == 1 && rows[0].workload.as_ref() == Some(&wanted) && rows[0].count == 1;
        Ok(if named { Look::Found(()) } else { Look::NotYet(format!("there are {}", listed(&rows))) })
    })
}
