//! `contain`, `release`, `orders` and `unload`.

use anyhow::{Result, bail};
use cofferdam_api::{OrderRequest, OrderRow, PolicyRow};
use serde::Serialize;
use serde_json::json;

use super::Run;
use crate::failure::{BadUsage, Outcome};
use crate::show::{self, count_of, count_of_policies};
use crate::text::Line;

/// What unloading lifts.
#[derive(Serialize)]
struct Lifted<'a> {
    policies: &'a [PolicyRow],
    orders: &'a [OrderRow],
}

impl Run<'_> {
    pub(super) fn contain(&mut self, order: OrderRequest) -> Result<Outcome> {
        let row = self.agent("contain")?.ask(async |client| client.contain(order).await)?;
        self.one(&row, |screen| show::contained(&row, screen))
    }

    pub(super) fn release(&mut self, id: &str) -> Result<Outcome> {
        let row = self.agent("release")?.ask(async |client| client.release(id).await)?;
        self.one(&row, |screen| show::released(&row, screen))
    }

    pub(super) fn orders(&mut self) -> Result<Outcome> {
        let rows = self.agent("orders")?.ask(async |client| client.orders().await)?;
        self.listed(&rows, |screen| show::orders(&rows, screen))
    }

    pub(super) fn unload(&mut self, yes: bool) -> Result<Outcome> {
        let mut agent = self.agent("unload")?;
        if yes {
            agent.ask(async |client| client.unload().await)?;
            return self.one(&json!({ "unloaded": true }), |_| vec![show::unloaded()]);
        }
        let policies = agent.ask(async |client| client.policies().await)?;
        let orders = agent.ask(async |client| client.orders().await)?;
        self.one(&Lifted { policies: &policies, orders: &orders }, |screen| {
            let mut lines = show::policies(&policies, screen);
            lines.push(Line::new());
            lines.extend(show::orders(&orders, screen));
            lines
        })?;
        // The question comes after what it is about.
        self.out.flush()?;
        bail!(BadUsage(format!(
            "nothing was lifted: with --yes all of this would be ({}, {}), the pins removed, and the agent would end",
            count_of_policies(policies.len()),
            count_of(orders.len() as u64, "order"),
        )))
    }
}
