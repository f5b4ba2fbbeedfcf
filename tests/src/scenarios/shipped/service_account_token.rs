//! A service-account token is read by its client, and travels to the API server only.

use anyhow::Result;
use cofferdam_api::RuleKind;
use cofferdam_model::AccessKind;

use super::kit::{Edited, Trial};
use crate::bench::Listener;
use crate::bypass::Trace;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("shipped/service-account-token", PerTier::SEEN, play);

const SHIPPED: &str = include_str!("../../../../profiles/policies/service-account-token.yaml");

fn play(stage: &Stage<'_>) -> Result<()> {
    let server = Listener::tcp4()?;
    let port = server.address().port();
    let shipped = Edited::new(SHIPPED)
        .with("cidr: 10.96.0.1/32, ports: [ 443 ]", &format!("cidr: 127.0.0.1/32, ports: [ {port} ]"))?;
    let token = stage.token(&format!("kube-api-access-{}", stage.place().digits()))?;
    let selector = "selector: { matchLabels: { app: my-controller } }";
    let trial = Trial::new(stage, &shipped, selector, Some(&token), &["token"])?;

    let elsewhere = Listener::tcp4()?;
    trial.may("connect-tcp", &[&elsewhere.address().to_string()])?;
    trial.may("open", &["/etc/creds/token"])?;
    trial.may("connect-tcp", &[&server.address().to_string()])?;
    trial.may("open", &["/etc/creds/ca.crt"])?;
    trial.may("run", &["/bin/actor", "do", "open", "/etc/creds/namespace"])?;

    trial.stops(("token", RuleKind::Secret), Trace::Access(AccessKind::Open), || {
        trial.other_program(&["open", "/etc/creds/token"])
    })?;
    trial.stops(("token", RuleKind::Egress), Trace::Connection(elsewhere.address().port()), || {
        trial.container().does("connect-tcp", &[&elsewhere.address().to_string()])
    })?;
    trial.ends()
}
