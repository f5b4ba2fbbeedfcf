//! In a service-account volume the token is secret; `ca.crt` and `namespace` beside it are not.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/token-companions", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    const AT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let token = stage.token("kube-api-access-x7k2p")?;
    let app = stage.container().with_secret(&token, AT).start()?;

    app.does("open", &[&format!("{AT}/ca.crt")])?.went_through()?;
    app.does("open", &[&format!("{AT}/namespace")])?.went_through()?;
    app.does("open", &[&format!("{AT}/token")])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&token, "token").by_main(&app))?;
    stage.says_nothing_of(&app, &access(&app).to(&token, "ca.crt"))?;
    stage.says_nothing_of(&app, &access(&app).to(&token, "namespace"))
}
