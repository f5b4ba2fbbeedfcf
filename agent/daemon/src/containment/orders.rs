//! Orders: somebody contains a workload or takes a credential away, at once and independent of any file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use cofferdam_api::{OrderRequest, OrderRow, OrderScope, Peer};
use cofferdam_model::{BootId, BootTime, SecretRef, Workload, glob};
use cofferdam_policy::{Object, Order, OrderSays};
use serde::{Deserialize, Serialize};

use super::disk::write_whole;
use super::ending::{Ending, Moment};
use super::wall::to_second;

/// The orders in force, on disk and in memory.
#[derive(Debug)]
pub struct Orders {
    file: PathBuf,
    boot: BootId,
    kept: Kept,
}

/// What is on disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// The number of the last order that was given: the audit must not tell two by one name.
    last: u64,
    rows: Vec<OrderRow>,
    /// When those that end do, by their ids.
    #[serde(default)]
    ends: BTreeMap<String, Ending>,
}

impl Orders {
    /// Those that were in force when the agent ended; the moment as the clocks say it.
    ///
    /// # Errors
    /// If they cannot be read: an order is never lifted because of that.
    pub fn open(file: PathBuf, boot: BootId, now: Moment) -> Result<Self> {
        let kept: Kept = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("the orders in {} cannot be understood", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let end = |row: &OrderRow| {
            let ending = Ending::resumed(kept.ends.get(&row.id), row.since, row.until?, &boot, now);
            Some((row.id.clone(), ending))
        };
        let ends: BTreeMap<String, Ending> = kept.rows.iter().filter_map(end).collect();
        let is_noted = ends == kept.ends;
        let mut orders = Self { file, boot, kept: Kept { ends, ..kept } };
        if !is_noted && let Err(error) = orders.write(orders.kept.clone()) {
            tracing::warn!(
                "an agent that starts again asks the wall clock once more when orders end: {error:#}"
            );
        }
        Ok(orders)
    }

    /// All of them.
    pub fn rows(&self) -> &[OrderRow] {
        &self.kept.rows
    }

    /// Takes an order; it is on disk before it is in force. The moment as the clocks say it.
    ///
    /// # Errors
    /// If its end has passed, or it cannot be written.
    pub fn add(&mut self, order: &OrderRequest, by: Peer, now: Moment) -> Result<OrderRow> {
        if let Some(until) = order.until {
            ensure!(
                until > now.wall,
                "the order of {} shall end at {}, which has passed: it is {} here; name a later end, or none",
                order.owner,
                to_second(until),
                to_second(now.wall)
            );
        }
        let last = self.kept.last + 1;
        let row = OrderRow {
            id: format!("order-{last}"),
            scope: order.scope.clone(),
            cut_off: order.cut_off,
            workloads: Vec::new(),
            until: order.until,
            owner: order.owner.clone(),
            reason: order.reason.clone(),
            since: now.wall,
            by,
            sockets_destroyed: 0,
            notes: Vec::new(),
        };
        let Kept { mut rows, mut ends, .. } = self.kept.clone();
        ends.extend(row.until.map(|until| (row.id.clone(), Ending::new(until, &self.boot, now))));
        rows.push(row.clone());
        self.write(Kept { last, rows, ends })?;
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
        self.write(Kept { rows, ..self.kept.clone() })?;
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
        let mut ends = self.kept.ends.clone();
        ends.remove(id);
        self.write(Kept { rows: kept, ends, ..self.kept })?;
        Ok(gone.into_iter().next())
    }

    /// Orders that have ended by now.
    pub fn ended(&self, now: BootTime) -> Vec<String> {
        let ended = self.kept.ends.iter().filter(|(_, end)| end.at() <= now);
        ended.map(|(id, _)| id.clone()).collect()
    }

    fn write(&mut self, kept: Kept) -> Result<()> {
        let text = serde_json::to_vec_pretty(&kept)?;
        write_whole(&self.file, &text)?;
        self.kept = kept;
        Ok(())
    }

    /// What they say to one workload.
    pub fn concerning(&self, workload: &Workload, objects: &[Object]) -> Vec<Order> {
        let end = |row: &OrderRow| self.kept.ends.get(&row.id).map(Ending::at);
        self.kept.rows.iter().flat_map(|row| of_row(row, end(row), workload, objects)).collect()
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

fn of_row(row: &OrderRow, until: Option<BootTime>, workload: &Workload, objects: &[Object]) -> Vec<Order> {
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
        until,
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
    glob(pattern, &path) || object.refs.iter().any(|secret| is_called(secret, pattern))
}

/// A key that lies in a volume with others takes all of it along: an order that denied nothing would be worse.
fn is_called(secret: &SecretRef, pattern: &str) -> bool {
    let named = |name: &str| glob(name, &secret.display_name()) || glob(name, &secret.name);
    let keyed =
        |(name, key): (&str, &str)| named(name) && secret.key.as_deref().is_none_or(|it| glob(key, it));
    named(pattern) || pattern.rsplit_once(':').is_some_and(keyed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(file: &std::path::Path, now: Moment) -> Orders {
        let boot = "2c2e4c1e-2c52-4b1f-9d6f-6f0d3e1b2a01".parse().unwrap();
        Orders::open(file.to_owned(), boot, now).unwrap()
    }

    fn at(wall: &str, seconds: u64) -> Moment {
        Moment { wall: wall.parse().unwrap(), boot: BootTime::from_nanos(seconds * 1_000_000_000) }
    }

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
        let now = at("2026-11-22T10:00:00Z", 600);
        let mut orders = open(&file, now);
        assert_eq!(orders.add(&request(None), by, now).unwrap().id, "order-1");
        orders.remove("order-1").unwrap();
        assert_eq!(orders.add(&request(None), by, now).unwrap().id, "order-2");
        orders.remove("order-2").unwrap();
        let mut orders = open(&file, now);
        assert!(orders.rows().is_empty());
        assert_eq!(orders.add(&request(None), by, now).unwrap().id, "order-3");
    }

    #[test]
    fn a_key_takes_the_secret_that_it_lies_in_along_and_no_other() {
        let secret = |name: &str, key: Option<&str>| SecretRef {
            kind: cofferdam_model::SecretKind::SecretVolume,
            namespace: None,
            name: name.to_owned(),
            pod_uid: None,
            uid: None,
            key: key.map(str::to_owned),
            owner: None,
        };
        let (volume, file) = (secret("creds", None), secret("creds", Some("password")));
        for pattern in
            ["volume/creds:password", "creds:password", "volume/cr*:pass*", "volume/creds", "creds"]
        {
            assert!(is_called(&volume, pattern), "{pattern}");
            assert!(is_called(&file, pattern), "{pattern}");
        }
        assert!(is_called(&volume, "volume/creds:token"));
        assert!(!is_called(&file, "volume/creds:token"), "it is mounted by itself");
        assert!(!is_called(&volume, "volume/other:password"));
    }

    #[test]
    fn the_audit_tells_what_is_taken_from_whom_until_when_and_by_whose_decision() {
        let folder = tempfile::tempdir().unwrap();
        let (by, now) = (Peer { uid: 0, pid: 1 }, at("2026-11-22T10:00:00Z", 600));
        let mut orders = open(&folder.path().join("orders.json"), now);
        let row = orders.add(&request(Some("shop/*")), by, now).unwrap();
        let expected = "volume/creds from shop/*, until 2026-11-22 12:00:00 UTC; oncall: leaked";
        assert_eq!(described(&row), expected);
    }

    #[test]
    fn an_order_lasts_as_long_as_it_was_given_for_whatever_the_wall_clock_says_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (file, by) = (folder.path().join("orders.json"), Peer { uid: 0, pid: 1 });
        let mut orders = open(&file, at("2026-11-22T10:00:00Z", 600));
        orders.add(&request(None), by, at("2026-11-22T10:00:00Z", 600)).unwrap();
        let second = |seconds: u64| BootTime::from_nanos(seconds * 1_000_000_000);
        for orders in [orders, open(&file, at("2099-01-01T00:00:00Z", 700))] {
            assert_eq!(orders.ended(second(600 + 7_199)), [""; 0]);
            assert_eq!(orders.ended(second(600 + 7_200)), ["order-1"]);
        }
    }

    #[test]
    fn an_order_that_an_agent_before_has_noted_by_the_wall_clock_alone_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, by) = (folder.path().join("orders.json"), Peer { uid: 0, pid: 1 });
        let now = at("2026-11-22T10:00:00Z", 600);
        let mut orders = open(&file, now);
        orders.add(&request(None), by, now).unwrap();
        let mut noted: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        noted.as_object_mut().unwrap().remove("ends").unwrap();
        fs::write(&file, noted.to_string()).unwrap();
        let orders = open(&file, at("2026-11-22T11:00:00Z", 5));
        assert_eq!(orders.ended(BootTime::from_nanos(3_604_999_999_999)), [""; 0]);
        assert_eq!(orders.ended(BootTime::from_nanos(3_605_000_000_000)), ["order-1"]);
    }

    #[test]
    fn an_end_that_has_passed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-11-22T12:00:00Z", 600);
        let mut orders = open(&folder.path().join("orders.json"), now);
        let refused = orders.add(&request(None), Peer { uid: 0, pid: 1 }, now).unwrap_err().to_string();
        assert!(refused.contains("2026-11-22 12:00:00 UTC, which has passed"), "{refused}");
        assert!(orders.rows().is_empty());
    }
}
