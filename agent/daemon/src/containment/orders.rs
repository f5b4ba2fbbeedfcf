//! Orders: somebody contains a workload or takes a credential away, at once and independent of any file.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cofferdam_api::{OrderRequest, OrderRow, OrderScope, Peer};
use cofferdam_model::{WallTime, Workload, glob};
use cofferdam_policy::{Object, Order, OrderSays};

use super::store::write_whole;

/// The orders in force, on disk and in memory.
#[derive(Debug)]
pub struct Orders {
    file: PathBuf,
    rows: Vec<OrderRow>,
}

impl Orders {
    /// Those that were in force when the agent ended.
    ///
    /// # Errors
    /// If they cannot be read: an order is never lifted because of that.
    pub fn open(file: PathBuf) -> Result<Self> {
        let rows = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("the orders in {} cannot be understood", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { file, rows })
    }

    /// All of them.
    pub fn rows(&self) -> &[OrderRow] {
        &self.rows
    }

    /// Takes an order; it is on disk before it is in force.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, order: &OrderRequest, by: Peer, now: WallTime) -> Result<OrderRow> {
        let number =
            self.rows.iter().filter_map(|row| row.id.strip_prefix("order-")?.parse::<u64>().ok()).max();
        let row = OrderRow {
            id: format!("order-{}", number.unwrap_or(0) + 1),
            scope: order.scope.clone(),
            cut_off: order.cut_off,
            workloads: Vec::new(),
            until: order.until,
            owner: order.owner.clone(),
            reason: order.reason.clone(),
            since: now,
            by,
            sockets_destroyed: 0,
            notes: Vec::new(),
        };
        let mut rows = self.rows.clone();
        rows.push(row.clone());
        self.write(rows)?;
        Ok(row)
    }

    /// Notes what an order has done.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&mut self, id: &str, destroyed: u64, notes: Vec<String>) -> Result<Option<OrderRow>> {
        let mut rows = self.rows.clone();
        let Some(row) = rows.iter_mut().find(|row| row.id == id) else { return Ok(None) };
        row.sockets_destroyed += destroyed;
        row.notes.extend(notes);
        let noted = row.clone();
        self.write(rows)?;
        Ok(Some(noted))
    }

    /// Ends an order.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remove(&mut self, id: &str) -> Result<Option<OrderRow>> {
        let (gone, kept): (Vec<OrderRow>, Vec<OrderRow>) =
            self.rows.iter().cloned().partition(|row| row.id == id);
        if gone.is_empty() {
            return Ok(None);
        }
        self.write(kept)?;
        Ok(gone.into_iter().next())
    }

    /// Orders that have ended by now.
    pub fn ended(&self, now: WallTime) -> Vec<String> {
        let ended = |row: &&OrderRow| row.until.is_some_and(|until| until <= now);
        self.rows.iter().filter(ended).map(|row| row.id.clone()).collect()
    }

    fn write(&mut self, rows: Vec<OrderRow>) -> Result<()> {
        let text = serde_json::to_vec_pretty(&rows)?;
        write_whole(&self.file, &text)?;
        self.rows = rows;
        Ok(())
    }

    /// What they say to one workload.
    pub fn concerning(&self, workload: &Workload, objects: &[Object]) -> Vec<Order> {
        self.rows.iter().flat_map(|row| of_row(row, workload, objects)).collect()
    }
}

/// Whether an order concerns a workload at all.
pub fn concerns(scope: &OrderScope, workload: &Workload) -> bool {
    let name = workload.name();
    match scope {
        OrderScope::Workload { workload: pattern } => glob(pattern, name.as_str()),
        OrderScope::Credential { workload: Some(pattern), .. } => glob(pattern, name.as_str()),
        OrderScope::Credential { workload: None, .. } => true,
    }
}

fn of_row(row: &OrderRow, workload: &Workload, objects: &[Object]) -> Vec<Order> {
    if !concerns(&row.scope, workload) {
        return Vec::new();
    }
    let denied: BTreeSet<u64> = match &row.scope {
        // Who is contained has no secrets any more.
        OrderScope::Workload { .. } => objects.iter().map(|object| object.id).collect(),
        OrderScope::Credential { secret, .. } => {
            objects.iter().filter(|object| is_named(object, secret)).map(|object| object.id).collect()
        }
    };
    let order = |says| Order {
        id: row.id.clone(),
        says,
        until: row.until,
        owner: row.owner.clone(),
        reason: row.reason.clone(),
    };
    let mut orders = vec![order(OrderSays::DenySecrets(denied))];
    if row.cut_off {
        orders.push(order(OrderSays::CutOff));
    }
    orders
}

fn is_named(object: &Object, pattern: &str) -> bool {
    let path = object.path.display().to_string();
    glob(pattern, &path)
        || object
            .refs
            .iter()
            .any(|secret| glob(pattern, &secret.display_name()) || glob(pattern, &secret.name))
}
