//! Connections: from an event or a counter to a record.

use cofferdam_model::{BootTime, CgroupId, Connection, EnforcedBy, EventId, Protocol, Record, WorkloadId};
use cofferdam_sensor::Event;
use cofferdam_sensor::abi::count::Count;
use cofferdam_sensor::abi::key::ConnectionKey;

use super::{Pipeline, first_count, verdict_of};
use crate::counts::Key;

impl Pipeline {
    pub(super) fn connection_event(&mut self, event: Event) {
        let Event::Connection { stamp, process, key, uncounted, ruled } = event else { return };
        self.referenced(&process);
        if !uncounted {
            self.connections.first(key, stamp.id);
        }
        let count = first_count(&stamp, &process);
        self.connection(&key, stamp.id, &count, Some(process.uid), ruled);
    }

    pub(super) fn connection(
        &mut self,
        key: &ConnectionKey,
        id: EventId,
        count: &Count,
        uid: Option<u32>,
        ruled: (u32, u32),
    ) {
        let cgroup = CgroupId(count.cgroup);
        let exec = key.program();
        self.find_program(exec, key.tgid);
        let tainted_by = exec.map(|exec| self.state.processes.tainted_by(exec)).unwrap_or_default();
        if let Some(exec) = exec {
            self.journal_program(exec);
        }
        let process = key.process();
        let workload = self.state.workload_of(WorkloadId(key.workload), cgroup);
        let decided = self.decided(ruled, key.verdict, EnforcedBy::Cgroup);
        self.batch.push(Record::Connection(Connection {
            id,
            first: BootTime::from_nanos(count.first),
            last: BootTime::from_nanos(count.last),
            total: count.total,
            workload,
            cgroup,
            cgroup_path: self.state.path_elsewhere(workload, cgroup),
            uid,
            process,
            exec,
            destination: (process.is_some() || key.address != [0; 16]).then(|| destination(key)),
            port: key.port,
            protocol: protocol(key.protocol),
            family: key.family,
            unconnected: key.unconnected != 0,
            tainted_by,
            verdict: verdict_of(key.verdict),
            denied_by: decided.denied_by,
            enforced_by: decided.enforced_by,
            policy: decided.policy,
            rule: decided.rule,
            exception: decided.exception,
            generation: ruled.0.into(),
        }));
    }
}

fn protocol(number: u8) -> Protocol {
    match number {
        6 => Protocol::Tcp,
        17 | 136 => Protocol::Udp,
        1 | 58 => Protocol::Icmp,
        132 => Protocol::Sctp,
        _ => Protocol::Other,
    }
}

/// A mapped address is IPv4 to whoever asks.
fn destination(key: &ConnectionKey) -> std::net::IpAddr {
    let address = key.address;
    if key.family == 4 {
        return std::net::Ipv4Addr::new(address[0], address[1], address[2], address[3]).into();
    }
    std::net::Ipv6Addr::from(address).to_canonical()
}
