//! Which credentials a container holds in its environment is known by name before anybody reads them.

use anyhow::Result;
use cofferdam_model::SecretKind;

use crate::bench::until;
use crate::bench::wait::Look;
use crate::stage::{PerTier, Scenario, Stage, listed};

pub(super) const SCENARIO: Scenario = Scenario::new("environ/names", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage
        .container()
        .with_env("DB_PASSWORD", "not-shown")
        .with_env("GITHUB_TOKEN", "not-shown")
        .with_env("LANG", "C")
        .start()?;

    until("the names of its credentials", || {
        let rows = stage.agent()?.asked(|answers| answers.workloads_of(app.id()))?;
        let mut names: Vec<&str> =
            rows.iter().flat_map(|row| &row.credential_variables).map(String::as_str).collect();
        names.sort_unstable();
        let known = names == ["DB_PASSWORD", "GITHUB_TOKEN"];
        Ok(if known { Look::Found(()) } else { Look::NotYet(format!("there are {}", listed(&rows))) })
    })?;
    until("its environment among the secrets", || {
        let rows = stage.agent()?.asked(|answers| answers.secrets_named("environment"))?;
        let own = rows.iter().find(|row| {
            let seen_by_it = row.visible_to.iter().any(|name| name.contains(&app.id()[..12]));
            row.kind == SecretKind::Environment && seen_by_it
        });
        let known = own.is_some_and(|row| row.keys == ["DB_PASSWORD", "GITHUB_TOKEN"]);
        Ok(if known { Look::Found(()) } else { Look::NotYet(format!("there are {}", listed(&rows))) })
    })
}
