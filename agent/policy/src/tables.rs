//! The kernel's tables on the host, for tests and for the replay of the journal: the same rows, the same decision.

use std::cell::Cell;
use std::collections::HashMap;

use cofferdam_abi::decide::Tables;
use cofferdam_abi::policy::{
    Bindings, Destination, DestinationKey, GENERATION_BITS, Grant, GrantKey, NO_BINDING, Policy, SecretKey,
    SecretRule,
};
use cofferdam_model::BootTime;

use crate::Compiled;

/// Rows of any number of generations.
#[derive(Debug, Default)]
pub struct HostTables {
    policies: HashMap<u32, Policy>,
    secrets: HashMap<SecretKey, SecretRule>,
    grants: HashMap<GrantKey, Grant>,
    prefixes: HashMap<u32, Prefixes>,
    destinations: HashMap<DestinationKey, Destination>,
    now: Cell<u64>,
    heartbeat: Cell<u64>,
    lookups: Lookups,
}

/// The prefixes of one generation by their lengths, the longest first.
#[derive(Debug, Default)]
struct Prefixes(Vec<(u32, HashMap<u128, u32>)>);

/// How many lookups were made, by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Rows of generations.
    pub policies: Cell<u32>,
    /// Rules of secrets.
    pub secrets: Cell<u32>,
    /// Grants of binaries.
    pub grants: Cell<u32>,
    /// Classes of addresses.
    pub prefixes: Cell<u32>,
    /// Destinations.
    pub destinations: Cell<u32>,
}

impl HostTables {
    /// Adds a generation, at a moment at which the agent is alive.
    pub fn add(&mut self, compiled: &Compiled) {
        self.policies.insert(compiled.generation, compiled.policy);
        self.secrets.extend(compiled.secrets.iter().copied());
        self.grants.extend(compiled.grants.iter().copied());
        self.destinations.extend(compiled.destinations.iter().copied());
        let mut lengths: HashMap<u32, HashMap<u128, u32>> = HashMap::new();
        for (length, key, class) in &compiled.prefixes {
            let address = u128::from_be_bytes(key.address);
            lengths.entry(length - GENERATION_BITS).or_default().insert(address, *class);
        }
        let mut lengths: Vec<_> = lengths.into_iter().collect();
        lengths.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        self.prefixes.insert(compiled.generation, Prefixes(lengths));
    }

    /// Sets the clock, and the agent's last sign of life to the same moment.
    pub fn set_time(&self, now: BootTime) {
        self.now.set(now.as_nanos());
        self.heartbeat.set(now.as_nanos());
    }

    /// Sets the agent's last sign of life.
    pub fn set_heartbeat(&self, at: BootTime) {
        self.heartbeat.set(at.as_nanos());
    }

    /// Begins the bindings of a secret, as the program does that lets it be read.
    pub fn bind(&mut self, generation: u32, rule: &SecretRule) {
        if let Some(policy) = self.policies.get_mut(&generation) {
            for binding in rule.bind.iter().filter(|binding| **binding != NO_BINDING) {
                policy.bound.add(usize::from(*binding));
            }
        }
    }

    /// Sets which bindings have begun.
    pub fn set_bound(&mut self, generation: u32, bound: Bindings) {
        if let Some(policy) = self.policies.get_mut(&generation) {
            policy.bound = bound;
        }
    }

    /// The lookups since the last time.
    pub fn take_lookups(&self) -> Lookups {
        let taken = self.lookups.clone();
        let Lookups { policies, secrets, grants, prefixes, destinations } = &self.lookups;
        for counter in [policies, secrets, grants, prefixes, destinations] {
            counter.set(0);
        }
        taken
    }
}

fn count(counter: &Cell<u32>) {
    counter.set(counter.get() + 1);
}

impl Tables for HostTables {
    fn policy(&self, generation: u32) -> Option<&Policy> {
        count(&self.lookups.policies);
        self.policies.get(&generation)
    }

    fn secret(&self, key: &SecretKey) -> Option<&SecretRule> {
        count(&self.lookups.secrets);
        self.secrets.get(key)
    }

    fn grant(&self, key: &GrantKey) -> Option<&Grant> {
        count(&self.lookups.grants);
        self.grants.get(key)
    }

    fn class(&self, generation: u32, address: &[u8; 16]) -> u32 {
        count(&self.lookups.prefixes);
        let address = u128::from_be_bytes(*address);
        let Some(Prefixes(lengths)) = self.prefixes.get(&generation) else { return 0 };
        let masked = |length: &u32| address & u128::MAX.checked_shl(128 - length).unwrap_or(0);
        lengths.iter().find_map(|(length, of)| of.get(&masked(length))).copied().unwrap_or(0)
    }

    fn destination(&self, key: &DestinationKey) -> Option<&Destination> {
        count(&self.lookups.destinations);
        self.destinations.get(key)
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn heartbeat(&self) -> u64 {
        self.heartbeat.get()
    }
}
