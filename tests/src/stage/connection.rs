//! A connection that the agent must report, field by field.

use std::net::{IpAddr, SocketAddr};

use cofferdam_model::{BinaryOrigin, ConnectionRow, Protocol, Verdict};

use super::difference::Differences;
use crate::bench::Container;
use crate::bench::container::ACTOR;

/// What must stand in the row about one destination. What is not said is what is ordinary: the container's main
/// process connected once, and had not touched a secret.
#[derive(Debug, Clone)]
pub struct ConnectionWanted {
    pub(super) container_id: String,
    cgroup: String,
    pid: u32,
    destination: IpAddr,
    port: u16,
    protocol: Protocol,
    family: u8,
    unconnected: bool,
    times: u64,
    tainted_by: Vec<String>,
}

/// A connection by the main process of this container to an address.
pub fn connection(by: &Container, protocol: Protocol, to: SocketAddr) -> ConnectionWanted {
    ConnectionWanted {
        container_id: by.id().to_owned(),
        cgroup: by.cgroup().to_owned(),
        pid: by.pid(),
        destination: to.ip(),
        port: to.port(),
        protocol,
        family: if to.is_ipv4() { 4 } else { 6 },
        unconnected: false,
        times: 1,
        tainted_by: Vec::new(),
    }
}

impl ConnectionWanted {
    /// By a send on a socket that is not connected.
    #[must_use]
    pub fn unconnected(mut self) -> Self {
        self.unconnected = true;
        self
    }

    /// From a socket of this family, 4 or 6.
    #[must_use]
    pub fn family(mut self, family: u8) -> Self {
        self.family = family;
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// By a process that had touched this secret, named with its key.
    #[must_use]
    pub fn tainted_by(mut self, secret: &str) -> Self {
        self.tainted_by.push(secret.to_owned());
        self
    }

    /// Whether a row is about this connection.
    pub(super) fn is_about(&self, row: &ConnectionRow) -> bool {
        row.port == self.port && row.unconnected == self.unconnected && row.protocol == self.protocol
    }

    /// What is not yet there.
    pub(super) fn missing(&self, rows: &[&ConnectionRow]) -> Option<String> {
        let times: u64 = rows.iter().map(|row| row.count).sum();
        let fits = rows.len() == 1 && times == self.times;
        (!fits).then(|| {
            format!("{times} connections in {} rows are there, and must be {} in one", rows.len(), self.times)
        })
    }

    /// What in a row about this connection is not as it must be.
    pub(super) fn differences(&self, row: &ConnectionRow, boot_id: &str) -> Option<String> {
        let mut all = Differences::default();
        all.field("container_id", &row.container_id, Some(&Some(self.container_id.clone())));
        all.field("cgroup", &row.cgroup, Some(&Some(self.cgroup.clone())));
        all.field("destination", &row.destination, Some(&Some(self.destination.to_string())));
        all.field("family", &row.family, Some(&self.family));
        all.field("pid", &row.pid, Some(&Some(self.pid)));
        all.field("binary", &row.binary, Some(&Some(ACTOR.to_owned())));
        all.field("binary_origin", &row.binary_origin, Some(&BinaryOrigin::Image));
        all.field("uid", &row.uid, Some(&Some(0)));
        all.field("exec_session", &row.exec_session, Some(&Some(false)));
        all.field("boot_id", &row.boot_id.as_str(), Some(&boot_id));
        all.field("tainted_by", &row.tainted_by, Some(&self.tainted_by));
        all.field("verdict", &row.verdict, Some(&Verdict::Allowed));
        all.field("denied_by", &row.denied_by, Some(&None));
        all.field("policy", &row.policy, Some(&None));
        all.told()
    }
}
