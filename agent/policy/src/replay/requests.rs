//! Requests as the kernel would make them, with every value that what is not known may have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cofferdam_abi::decide::{self, Actor, Decision};
use cofferdam_abi::event::verdict;
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::policy::{KEY_NAME_LEN, key_of_name};
use cofferdam_abi::process::flags;
use cofferdam_model::{Known, Program, Protocol, SeenAccess, SeenConnection, TargetRelation};

use super::{Lack, World};
use crate::HostTables;

/// Who did something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub workload: Option<u32>,
    pub program: Option<u32>,
}

/// How strict a decision is: 0 lets pass.
pub(super) fn strictness(decision: Decision) -> u8 {
    match decision.verdict() {
        verdict::DENIED => 2,
        verdict::WOULD_DENY => 1,
        _ => 0,
    }
}

pub(super) fn is_runtime(actor: &Actor) -> bool {
    actor.flags & flags::RUNTIME != 0
}

/// The keys that may have been read.
pub(super) fn keys(known: &Known, world: &World, object: u64, secret: u32) -> (Vec<u64>, Option<Lack>) {
    let key = known.secrets.get(secret as usize).and_then(|it| it.of.key.as_deref());
    if let Some(key) = key {
        return (vec![hash_of(key.rsplit('/').next().unwrap_or(key))], None);
    }
    let named = world.compiled.secrets.iter().filter(|(key, _)| key.object == object).map(|(key, _)| key.key);
    // Any key that no rule names stands for all of those.
    let mut keys: BTreeSet<u64> = named.collect();
    keys.insert(0);
    let lack = (keys.len() > 1).then_some(Lack::Key);
    (keys.into_iter().collect(), lack)
}

fn hash_of(key: &str) -> u64 {
    let mut name = [0; KEY_NAME_LEN];
    let bytes = &key.as_bytes()[..key.len().min(KEY_NAME_LEN - 1)];
    name[..bytes.len()].copy_from_slice(bytes);
    key_of_name(&name)
}

/// The generations that the target may have, and whether it is the reader itself.
pub(super) fn targets(
    seen: &SeenAccess,
    own: u32,
    worlds: &[Option<World>],
    guarding: u32,
) -> Vec<(u32, bool)> {
    let generation = |workload: u32| {
        worlds.get(workload as usize).and_then(Option::as_ref).map_or(0, |world| world.compiled.generation)
    };
    match seen.target {
        Some(target) => match (target.relation, target.workload) {
            (TargetRelation::Own, _) => vec![(own, true)],
            (TargetRelation::Sibling, _) => vec![(own, false)],
            (TargetRelation::Other, Some(workload)) => vec![(generation(workload), false)],
            (TargetRelation::Other, None) => vec![(0, false), (guarding, false)],
        },
        None => vec![(own, true), (own, false), (0, false), (guarding, false)],
    }
}

/// Whether it may have come in after the start.
pub(super) fn sessions(program: &Program, is_container: bool) -> Vec<bool> {
    match program.exec_session {
        _ if !is_container => vec![false],
        Some(session) => vec![session],
        None => vec![false, true],
    }
}

/// Who executes something.
pub(super) fn executor(world: &World, session: bool, runtime: bool) -> Actor {
    let mut bits = if session { flags::EXEC_SESSION } else { 0 };
    bits |= if runtime { flags::RUNTIME } else { 0 };
    Actor { generation: world.compiled.generation, flags: bits, facts: 0, binary: InodeKey::default() }
}

/// A request to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Egress {
    pub address: IpAddr,
    pub protocol: u8,
    pub port: u16,
}

impl Egress {
    pub(super) fn of(seen: &SeenConnection) -> Option<Self> {
        let address = seen.destination?.to_canonical();
        let protocol = match seen.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Icmp => 1,
            Protocol::Sctp => 132,
            // One that no table has a row for.
            Protocol::Other => 255,
        };
        Some(Self { address, protocol, port: seen.port })
    }

    pub(super) fn decide(&self, tables: &HostTables, actor: &Actor) -> Decision {
        let octets = crate::endpoint::mapped(self.address).to_be_bytes();
        decide::egress(tables, actor, &octets, self.protocol, self.port)
    }
}
