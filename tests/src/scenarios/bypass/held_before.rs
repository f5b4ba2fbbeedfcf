//! A descriptor from before there was a policy.

use anyhow::Result;
use cofferdam_model::AuditKind;

use crate::bench::wait::Look;
use crate::bench::{Policy, until};
use crate::bypass::{Answer, Attack, Came, Outcome, Outcomes, PASSWORD, SECRET_AT, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/held-before",
    Technique {
        what: "holds a descriptor of it from before the policy",
        outcomes: Outcomes::everywhere(Outcome::Detected(Answer::Audit)),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let (stage, agent) = (attack.stage(), attack.stage().agent()?);
    let creds = stage.volume("held-creds", &["password"])?;
    let thief = stage.container().with_secret(&creds, SECRET_AT).start()?;
    thief.does("hold", &["it", PASSWORD])?.went_through()?;
    let (cgroup, secret) = (thief.cgroup(), creds.name());
    let spec = format!(
        "selector: {{ cgroup: \"{cgroup}\" }}\n\
         secrets: {{ id: db, secret: {secret}, readers: [ {{ binary: /app/server }} ] }}\n"
    );
    let policy = Policy::apply(stage.place(), agent, "held-before", &spec)?;
    policy.holds(&thief, &["db"])?;
    thief.does("read-held", &["it"])?.went_through()?;
    until("the held descriptor to be told", || {
        let rows = agent.asked(|answers| answers.audit())?;
        let told = rows.iter().any(|row| {
            let of_it = row.workload.as_ref().is_some_and(|name| name.contains(&thief.id()[..12]));
            of_it && row.what == AuditKind::Held
        });
        let came = Outcome::Detected(Answer::Audit);
        Ok(if told { Look::Found(came) } else { Look::NotYet(format!("there is {rows:?}")) })
    })
}
