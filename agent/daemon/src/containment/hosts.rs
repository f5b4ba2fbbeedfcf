//! Addresses of the hosts that policies name: asked of the node's own resolver, never of what a workload receives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::SyncSender;
use std::thread;

use cofferdam_model::BootTime;

use crate::threads::Message;

/// How often names are asked again.
const AGAIN_NS: u64 = 30_000_000_000;

/// What is known of hosts.
#[derive(Debug, Default)]
pub struct Hosts {
    /// Addresses by name. A name that cannot be resolved any more keeps what it had.
    pub known: BTreeMap<String, Vec<IpAddr>>,
    asked: BTreeSet<String>,
    asked_at: Option<BootTime>,
    waiting: bool,
}

impl Hosts {
    /// Asks for these names, if they are new or it is time; the answer comes as a message.
    pub fn ask(&mut self, names: BTreeSet<String>, now: BootTime, to: &SyncSender<Message>) {
        let is_due = self.asked_at.is_none_or(|at| now.as_nanos() - at.as_nanos() > AGAIN_NS);
        if names.is_empty() || self.waiting || (names == self.asked && !is_due) {
            return;
        }
        (self.asked, self.asked_at, self.waiting) = (names.clone(), Some(now), true);
        let to = to.clone();
        let work = move || {
            let found = names.into_iter().map(|name| (addresses(&name), name));
            let found = found.map(|(addresses, name)| (name, addresses)).collect();
            let _ = to.send(Message::Hosts(found));
        };
        if let Err(error) = thread::Builder::new().name("hosts".into()).spawn(work) {
            tracing::error!(%error, "names of destinations cannot be resolved");
            self.waiting = false;
        }
    }

    /// Takes an answer; `true` if an address is new or gone.
    pub fn take(&mut self, found: BTreeMap<String, Vec<IpAddr>>) -> bool {
        self.waiting = false;
        let mut changed = false;
        for (name, addresses) in found {
            if addresses.is_empty() {
                tracing::warn!(name, "a destination's name has no address now: what it had stays");
            } else if self.known.get(&name) != Some(&addresses) {
                self.known.insert(name, addresses);
                changed = true;
            }
        }
        changed
    }
}

fn addresses(name: &str) -> Vec<IpAddr> {
    let Ok(found) = (name, 0).to_socket_addrs() else { return Vec::new() };
    let unique: BTreeSet<IpAddr> = found.map(|address| address.ip()).collect();
    unique.into_iter().collect()
}

/// The node's resolvers.
pub fn resolvers() -> Vec<IpAddr> {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok()).collect()
}
