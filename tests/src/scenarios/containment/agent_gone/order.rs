//! An order holds without the agent, and one that is given for a time ends without it.

use anyhow::{Result, ensure};
use cofferdam_model::AuditKind;

use super::kit::{a_moment, audited, comes_to_be, holder, is_refused, reads, secret, watch};
use crate::bench::order::OWNER;
use crate::bench::{Container, Order, Secret};
use crate::stage::{Stage, listed};

const REASON: &str = "to see it outlive the agent";

/// Two workloads: from one the credential is taken for good, from the other for a time.
pub(super) struct Workloads {
    for_good: Container,
    for_a_time: Container,
    secret: Secret,
}

pub(super) struct Orders {
    lasting: Order,
    passing: Order,
    workloads: Workloads,
}

impl Workloads {
    pub(super) fn new(stage: &Stage<'_>) -> Result<Self> {
        let secret = secret(stage, "outliving")?;
        let (for_good, for_a_time) = (holder(stage, &secret, "orders")?, holder(stage, &secret, "orders")?);
        Ok(Self { for_good, for_a_time, secret })
    }

    pub(super) fn begin(self, stage: &Stage<'_>) -> Result<Orders> {
        let agent = stage.agent()?;
        let contain = |container: &Container, more: &[&str]| {
            let workload = container.workload();
            let scope = ["--secret", self.secret.name(), "--workload", &workload];
            Order::give(agent, &[&scope[..], more].concat(), REASON)
        };
        let lasting = contain(&self.for_good, &[])?;
        let time = format!("{}s", (2 * a_moment(stage)?).as_secs());
        let passing = contain(&self.for_a_time, &["--for", &time])?;
        Ok(Orders { lasting, passing, workloads: self })
    }
}

impl Orders {
    pub(super) fn hold_meanwhile(&self) -> Result<()> {
        let Workloads { for_good, for_a_time, .. } = &self.workloads;
        is_refused(for_a_time)?;
        is_refused(for_good)?;
        comes_to_be("the end of an order while no agent runs", || reads(for_a_time))?;
        is_refused(for_good)
    }

    pub(super) fn hold_afterwards(self, stage: &Stage<'_>) -> Result<()> {
        let watched = watch(stage, &self.workloads.for_good)?;
        is_refused(&self.workloads.for_good)?;
        watched.was_denied(self.lasting.decider(), 1)?;
        audited(stage, AuditKind::Released, &self.passing.row().id, 1)?;
        let rows = stage.agent()?.asked(|answers| answers.orders())?;
        let [row] = rows.as_slice() else { anyhow::bail!("one order is in force: {}", listed(&rows)) };
        ensure!(row.owner == OWNER && row.reason == REASON, "it is listed as {row:?}");
        self.lasting.release()?;
        reads(&self.workloads.for_good)
    }
}
