//! Destinations, as few lines as say them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cofferdam_model::{Protocol, SeenConnection};

use super::evidence::Evidence;
use crate::Set;

/// Addresses of one list; where there are more, which of them is chance.
const ADDRESSES_MAX: usize = 100;
/// Ports of one line.
const PORTS_MAX: usize = 64;

/// How a policy writes a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Transport {
    Tcp,
    Udp,
    Any,
}

/// Where connections went.
#[derive(Debug, Default)]
pub(super) struct Destinations(BTreeMap<(IpAddr, Transport), To>);

#[derive(Debug, Default, Clone)]
struct To {
    /// 0: one that cannot be named.
    ports: BTreeSet<u16>,
    evidence: Evidence,
}

impl Destinations {
    pub(super) fn add(&mut self, address: IpAddr, seen: &SeenConnection, by: &str) {
        let (transport, port) = match seen.protocol {
            Protocol::Tcp => (Transport::Tcp, seen.port),
            Protocol::Udp => (Transport::Udp, seen.port),
            Protocol::Icmp | Protocol::Sctp | Protocol::Other => (Transport::Any, 0),
        };
        let to = self.0.entry((address.to_canonical(), transport)).or_default();
        to.ports.insert(port);
        to.evidence.seen(seen.span, by);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address of a set is among them.
    pub(super) fn meet(&self, set: Set) -> bool {
        self.0.keys().any(|(address, _)| set.addresses().contains(address))
    }

    /// Each line with its evidence.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let addresses: BTreeSet<IpAddr> = self.0.keys().map(|(address, _)| *address).collect();
        if addresses.len() <= ADDRESSES_MAX {
            let line = |((address, transport), to): (&(IpAddr, Transport), &To)| {
                (to.line(&address.to_string(), *transport), to.evidence.told("by"))
            };
            return self.0.iter().map(line).collect();
        }
        let mut wide: BTreeMap<(bool, Transport), To> = BTreeMap::new();
        for ((address, transport), to) in &self.0 {
            let all = wide.entry((address.is_ipv6(), *transport)).or_default();
            all.ports.extend(&to.ports);
            all.evidence.with(&to.evidence);
        }
        let line = |((is_ipv6, transport), to): (&(bool, Transport), &To)| {
            let network = if *is_ipv6 { "::/0" } else { "0.0.0.0/0" };
            let told = to.evidence.told("by");
            let told = format!("{} addresses, too many to name; {told}", addresses.len());
            (to.line(network, *transport), told)
        };
        wide.iter().map(line).collect()
    }
}

impl To {
    /// Flow style, as people write it.
    fn line(&self, address: &str, transport: Transport) -> String {
        let mut text = format!("{{ cidr: \"{address}\"");
        if !self.ports.contains(&0) && self.ports.len() <= PORTS_MAX {
            let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
            text += &format!(", ports: [{}]", ports.join(", "));
        }
        text += match transport {
            Transport::Tcp => ", protocol: tcp }",
            Transport::Udp => ", protocol: udp }",
            Transport::Any => " }",
        };
        text
    }
}
