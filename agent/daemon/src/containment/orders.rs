//! Orders: somebody contains a workload or takes a credential away, at once and independent of any file.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cofferdam_api::{OrderRequest, OrderRow, OrderScope, Peer};
use cofferdam_model::{WallTime, Workload, glob};
use cofferdam_policy::{Object, Order, OrderSays};
use serde::{Deserialize, Serialize};

use super::disk::write_whole;
use super::wall::to_second;

/// The orders in force, on disk and in memory.
#[derive(Debug)]
pub struct Orders {
    file: PathBuf,
    kept: Kept,
}

/// What is on disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// The number of the last order that was given: the audit must not tell two by one name.
    last: u64,
    rows: Vec<OrderRow>,
}

impl Orders {
    /// Those that were in force when the agent ended.
    ///
    /// # Errors
    /// If they cannot be read: an order is never lifted because of that.
    pub fn open(file: PathBuf) -> Result<Self> {
        let kept = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("the orders in {} cannot be understood", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { file, kept })
    }

    /// All of them.
    pub fn rows(&self) -> &[OrderRow] {
        &self.kept.rows
    }

    /// Takes an order; it is on disk before it is in force.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, order: &OrderRequest, by: Peer, now: WallTime) -> Result<OrderRow> {
        let last = self.kept.last + 1;
        let row = OrderRow {
            id: format!("order-{last}"),
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
        let mut rows = self.kept.rows.clone();
        rows.push(row.clone());
        self.write(Kept { last, rows })?;
        Ok(row)
    }

    /// Notes what an order has done.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&mut self, id: &str, destroyed: u64, notes: Vec<String>) -> Result<Option<OrderRow>> {
        let mut rows = self.kept.rows.clone();
        let Some(row) = rows.iter_mut().find(|row| row.id == id) else { return Ok(None) };
        row.sockets_destroyed += destroyed;
        row.notes.extend(notes);
        let noted = row.clone();
        self.write(Kept { rows, ..self.kept })?;
        Ok(Some(noted))
    }

    /// Ends an order.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remove(&mut self, id: &str) -> Result<Option<OrderRow>> {
        let (gone, kept): (Vec<OrderRow>, Vec<OrderRow>) =
            self.kept.rows.iter().cloned().partition(|row| row.id == id);
        if gone.is_empty() {
            return Ok(None);
        }
        self.write(Kept { rows: kept, ..self.kept })?;
        Ok(gone.into_iter().next())
    }

    /// Orders that have ended by now.
    pub fn ended(&self, now: WallTime) -> Vec<String> {
        let ended = |row: &&OrderRow| row.until.is_some_and(|until| until <= now);
        self.kept.rows.iter().filter(ended).map(|row| row.id.clone()).collect()
    }

    fn write(&mut self, kept: Kept) -> Result<()> {
        let text = serde_json::to_vec_pretty(&kept)?;
        write_whole(&self.file, &text)?;
        self.kept = kept;
        Ok(())
    }

    /// What they say to one workload.
    pub fn concerning(&self, workload: &Workload, objects: &[Object]) -> Vec<Order> {
        self.kept.rows.iter().flat_map(|row| of_row(row, workload, objects)).collect()
    }
}

/// What the audit says of an order: what it takes from whom, whose it is and why.
pub fn described(row: &OrderRow) -> String {
    let cut_off = if row.cut_off { ", cut off" } else { "" };
    let until = row.until.map_or_else(String::new, |until| format!(", until {}", to_second(until)));
    format!("{}{cut_off}{until}; {}: {}", row.scope, row.owner, row.reason)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request(workload: Option<&str>) -> OrderRequest {
        let workload = workload.map(str::to_owned);
        OrderRequest {
            scope: OrderScope::Credential { secret: "volume/creds".to_owned(), workload },
            cut_off: false,
            until: Some("2026-11-22T12:00:00Z".parse().unwrap()),
            owner: "oncall".to_owned(),
            reason: "leaked".to_owned(),
        }
    }

    #[test]
    fn no_order_ever_has_the_name_of_another_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (file, by) = (folder.path().join("orders.json"), Peer { uid: 0, pid: 1 });
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let mut orders = Orders::open(file.clone()).unwrap();
        assert_eq!(orders.add(&request(None), by, now).unwrap().id, "order-1");
        orders.remove("order-1").unwrap();
        assert_eq!(orders.add(&request(None), by, now).unwrap().id, "order-2");
        orders.remove("order-2").unwrap();
        let mut orders = Orders::open(file).unwrap();
        assert!(orders.rows().is_empty());
        assert_eq!(orders.add(&request(None), by, now).unwrap().id, "order-3");
    }

    #[test]
    fn the_audit_tells_what_is_taken_from_whom_until_when_and_by_whose_decision() {
        let folder = tempfile::tempdir().unwrap();
        let mut orders = Orders::open(folder.path().join("orders.json")).unwrap();
        let (by, now) = (Peer { uid: 0, pid: 1 }, "2026-11-22T10:00:00Z".parse().unwrap());
        let row = orders.add(&request(Some("shop/*")), by, now).unwrap();
        let expected = "volume/creds from shop/*, until 2026-11-22 12:00:00 UTC; oncall: leaked";
        assert_eq!(described(&row), expected);
    }
}
