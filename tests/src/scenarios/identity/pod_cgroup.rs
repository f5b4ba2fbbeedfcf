//! The cgroup of a pod's container: known by the pod's UID as long as nobody tells names.

use anyhow::{Result, bail, ensure};

use crate::bench::until;
use crate::bench::wait::Look;
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/pod-cgroup", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("pod-creds", &["password"])?;
    let uid = creds.pod_uid().unwrap_or_default();
    let app = stage.container().with_secret(&creds, "/etc/creds").in_pod(uid).start()?;
    let other = stage.container().in_pod(uid).start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))?;
    let rows = stage.agent()?.asked(|answers| answers.workloads_of(app.id()))?;
    let [row] = rows.as_slice() else { bail!("there are {} workloads of one container", rows.len()) };
    ensure!(row.kind == "pod-container", "the kind is {}", row.kind);
    ensure!(row.pod_uid.as_deref() == Some(uid), "the pod is {:?}", row.pod_uid);

    // The other container of the pod has not mounted it.
    until("the agent to know who can see the secret", || {
        let rows = stage.agent()?.asked(|answers| answers.secrets_named(creds.name()))?;
        let visible_to: Vec<_> = rows.iter().flat_map(|row| row.visible_to.iter()).collect();
        let known = visible_to == [&row.workload];
        Ok(if known { Look::Found(()) } else { Look::NotYet(format!("it says {visible_to:?}")) })
    })?;
    drop(other);
    Ok(())
}
