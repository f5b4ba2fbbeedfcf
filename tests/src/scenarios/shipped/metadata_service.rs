//! Containers do not reach the cloud's metadata service.

use anyhow::Result;
use cofferdam_api::RuleKind;

use super::kit::{Edited, Trial};
use crate::bench::Listener;
use crate::bypass::Trace;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("shipped/metadata-service", PerTier::SEEN, play);

const SHIPPED: &str = include_str!("../../../../profiles/policies/metadata-service.yaml");

fn play(stage: &Stage<'_>) -> Result<()> {
    let trial =
        Trial::new(stage, &Edited::new(SHIPPED), "selector: { container: \"*\" }", None, &["metadata"])?;
    let listener = Listener::tcp4()?;
    let elsewhere = listener.address().to_string();
    trial.may("connect-tcp", &[&elsewhere])?;
    for (to, port) in
        [("169.254.169.254:80", 80), ("[fd00:ec2::254]:443", 443), ("168.63.129.16:32526", 32526)]
    {
        let rule = ("metadata", RuleKind::Egress);
        trial.stops(rule, Trace::Connection(port), || trial.container().does("connect-tcp", &[to]))?;
    }
    trial.may("connect-tcp", &[&elsewhere])?;
    trial.ends()
}
