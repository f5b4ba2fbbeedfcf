//! A pod with two containers and one Secret volume: rows carry the names, labels and image that the runtime tells, also
//! those about what happened before it had told them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use cofferdam_model::AccessRow;

use crate::bench::wait::Look;
use crate::bench::{AgentOptions, until};
use crate::cri_pod::{ContainerSpec, Containerd, PodSpec};
use crate::stage::{PerTier, Scenario, Stage, listed};

pub(super) const SCENARIO: Scenario = Scenario::new("pods/names", PerTier::SEEN, play).needing("containerd");

/// The main process reads its secret itself, at once, and then stays.
const MAIN: &[&str] = &["/bin/sh", "-c", "read -r line </creds/password || true; exec sleep 600"];

fn play(stage: &Stage<'_>) -> Result<()> {
    let containerd = Containerd::start(&stage.place().path("c"), stage.image())?;
    let options = AgentOptions { cri_socket: Some(containerd.socket()), ..AgentOptions::default() };
    let agent = stage.own_agent(&options)?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("pod-names", &["password"])?;
    let container = |name: &str| ContainerSpec {
        name: name.to_owned(),
        command: MAIN.iter().map(|&word| word.to_owned()).collect(),
        environment: vec![("DB_PASSWORD".to_owned(), "not-shown".to_owned())],
        mounts: vec![(creds.folder().to_owned(), "/creds".to_owned())],
    };
    let pod = containerd.start_pod(&PodSpec {
        name: "web-0".to_owned(),
        namespace: "shop".to_owned(),
        uid: creds.pod_uid().context("the volume belongs to no pod")?.to_owned(),
        labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        annotations: BTreeMap::new(),
        cgroup_parent: format!("/{}/kubepods/besteffort", stage.place().name()),
        containers: vec![container("app"), container("sidecar")],
    })?;

    for name in ["app", "sidecar"] {
        let (code, _) = pod.exec(name, &["/bin/cat", "/creds/password"])?;
        ensure!(code == 0, "the session in {name} ended with {code}");
        let id = pod.container(name).context("the pod has lost a container")?;
        until("the accesses with all their names", || {
            let rows = agent.asked(|answers| answers.accesses_of(id))?;
            let main = rows
                .iter()
                .any(|row| row.exec_session == Some(false) && row.binary.as_deref() == Some("/bin/sh"));
            let session = rows
                .iter()
                .any(|row| row.exec_session == Some(true) && row.binary.as_deref() == Some("/bin/cat"));
            let named =
                rows.iter().all(|row| row.pod.is_some() && row.container.is_some() && row.image.is_some());
            if !(main && session && named) {
                return Ok(Look::NotYet(format!("there are {}", listed(&rows))));
            }
            rows.iter().try_for_each(|row| compare(row, name))?;
            Ok(Look::Found(()))
        })?;
        let rows = agent.asked(|answers| answers.workloads_of(id))?;
        let [row] = rows.as_slice() else { bail!("one container is {}", listed(&rows)) };
        let digest = row.image_digest.as_deref().unwrap_or_default();
        ensure!(digest.starts_with("sha256:"), "the image's digest is {digest:?}");
        ensure!(row.credential_variables == ["DB_PASSWORD"], "credentials: {:?}", row.credential_variables);
    }
    let rows = agent.asked(|answers| answers.secrets_named("*pod-names"))?;
    let [row] = rows.as_slice() else { bail!("one secret is {}", listed(&rows)) };
    let mut visible_to = row.visible_to.clone();
    visible_to.sort();
    ensure!(visible_to == ["shop/web-0/app", "shop/web-0/sidecar"], "the secret is seen by {visible_to:?}");
    stage.nothing_was_lost()
}

fn compare(row: &AccessRow, container: &str) -> Result<()> {
    let right = row.namespace.as_deref() == Some("shop")
        && row.pod.as_deref() == Some("web-0")
        && row.container.as_deref() == Some(container)
        && row.workload.as_deref() == Some(&format!("shop/web-0/{container}"))
        && row.labels == BTreeMap::from([("app".to_owned(), "web".to_owned())])
        && row.secret.ends_with("volume/pod-names")
        && row.key.as_deref() == Some("password")
        && row.count == 1;
    ensure!(right, "an access is reported wrongly: {}", listed(&[row]));
    Ok(())
}
