//! A connection: an outbound connect or unconnected send.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{BootTime, CgroupId, DeniedBy, EnforcedBy, EventId, ProcessKey, Verdict, WorkloadId};

words! {
    /// Transport protocol.
    Protocol: "protocol (tcp, udp, icmp, sctp, other)" {
        /// TCP, also through MPTCP.
        Tcp = "tcp",
        /// UDP and UDP-Lite.
        Udp = "udp",
        /// ICMP and ICMPv6 datagram sockets.
        Icmp = "icmp",
        /// SCTP.
        Sctp = "sctp",
        /// Any other.
        Other = "other",
    }
}

/// Connections of one process to one destination: the first is sent, repeats are counted in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The first.
    pub id: EventId,
    /// When the first happened.
    pub first: BootTime,
    /// When the latest happened.
    pub last: BootTime,
    /// How many since the first: a monotonic total, never a difference.
    pub total: u64,
    /// The workload as the kernel knew it.
    pub workload: WorkloadId,
    /// The cgroup.
    pub cgroup: CgroupId,
    /// Path of that cgroup, if it is not the one at the workload's root.
    pub cgroup_path: Option<String>,
    /// Host user id at the first; `None` if no event told it: then the program's.
    pub uid: Option<u32>,
    /// The process; `None` for what exceeded the workload's budget and was only counted.
    pub process: Option<ProcessKey>,
    /// The program it ran.
    pub exec: Option<EventId>,
    /// Destination; an IPv4-mapped IPv6 address is given as IPv4. `None` with `process`.
    pub destination: Option<IpAddr>,
    /// Destination port.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// The socket's family: 4 or 6 (a mapped address has 6 here and IPv4 in `destination`).
    pub family: u8,
    /// An unconnected send, not a connect.
    pub unconnected: bool,
    /// Secrets (display names with key) that this process or an ancestor had touched before.
    pub tainted_by: Vec<String>,
    /// Our decision.
    pub verdict: Verdict,
    /// Who refused, if someone did.
    pub denied_by: Option<DeniedBy>,
    /// What enforces decisions of this class here.
    pub enforced_by: EnforcedBy,
    /// The deciding policy, if one did.
    pub policy: Option<String>,
    /// Which rule of it decided.
    pub rule: Option<String>,
    /// It passed only by an exception: `rule` is what it is excepted from.
    pub exception: bool,
    /// Policy generation that decided; 0 where there is no policy.
    pub generation: u64,
}
