//! From the policies of one workload to the rows of one generation.

mod active;
mod classes;
mod cover;
mod effective;
mod egress;
mod numbers;
mod phases;
mod prefixes;
mod room;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use cofferdam_abi::key::InodeKey;
use cofferdam_abi::map;
use cofferdam_abi::policy as rows;
use cofferdam_model::{BootTime, Clock, SecretRef, Workload};

use crate::Policy;
use active::Active;
use numbers::Numbers;

pub use effective::{Effective, Tier};
pub use numbers::{RuleId, RuleName};
pub use room::{NoRoom, Rows};

/// What a generation is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its number.
    pub generation: u32,
    /// The workload.
    pub workload: &'a Workload,
    /// The policies that select it.
    pub policies: &'a [&'a Policy],
    /// The other policies of the node: their exclusive secrets are denied to it.
    pub others: &'a [&'a Policy],
    /// The secrets that this node watches.
    pub objects: &'a [Object],
    /// The binaries that each glob of [`Policy::binaries`] stands for in this workload.
    pub binaries: &'a BTreeMap<String, Vec<Binary>>,
    /// The addresses of each name of [`Policy::hosts`].
    pub names: &'a BTreeMap<String, Vec<IpAddr>>,
    /// What stands for the unix socket at each path of [`Policy::sockets`] in this workload: [`rows::address_of_socket`].
    /// A path whose folder is not there is left out.
    pub sockets: &'a BTreeMap<String, [u8; 16]>,
    /// The resolvers that stay reachable: those configured, or the node's.
    pub resolvers: &'a [IpAddr],
    /// Orders that concern it.
    pub orders: &'a [Order],
    /// The relation of the clocks, for expiries.
    pub clock: Clock,
    /// The moment: what has expired by then is left out.
    pub now: BootTime,
    /// What the node's kernel can do.
    pub tier: Tier,
}

/// A secret that this node watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// [`rows::object_of_file`] or [`rows::object_of_filesystem`].
    pub id: u64,
    /// By what it is known.
    pub refs: Vec<SecretRef>,
    /// Where it lies on the host.
    pub path: PathBuf,
}

/// A binary that a glob stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The file.
    pub file: InodeKey,
    /// Its path in the container.
    pub path: String,
    /// It lies on layers, so that the kernel tells what came with the image.
    pub layered: bool,
    /// One file for many programs, as of busybox.
    pub multi_call: bool,
}

/// An order to contain a workload or a credential, stronger than any policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// What it says.
    pub says: OrderSays,
    /// Until when, by the clock that nobody sets; `None`: until it is released.
    pub until: Option<BootTime>,
    /// Who gave it.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// What an order says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderSays {
    /// Nothing leaves the workload, and nothing comes in.
    CutOff,
    /// These secrets are read by nobody.
    DenySecrets(BTreeSet<u64>),
}

/// The rows of a generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// Its number.
    pub generation: u32,
    /// Its row.
    pub policy: rows::Policy,
    /// Rules of secrets.
    pub secrets: Vec<(rows::SecretKey, rows::SecretRule)>,
    /// What binaries may.
    pub grants: Vec<(rows::GrantKey, rows::Grant)>,
    /// Classes of addresses: length of the prefix with the bits of the generation, prefix, class.
    pub prefixes: Vec<(u32, rows::PrefixKey, u32)>,
    /// What is said of destinations.
    pub destinations: Vec<(rows::DestinationKey, rows::Destination)>,
    /// Who the numbers are, from 1.
    pub rules: Vec<RuleName>,
    /// What really enforces each rule here.
    pub effective: Vec<Effective>,
    /// When the first exception or order ends: compiling again then makes its rows exact.
    pub expires: Option<BootTime>,
}

/// Why policies could not be compiled: what was enforced stays enforced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot enforce {policies} on {workload}: they need {given} {what}, of which there may be {most}; \
     merge rules, name fewer ports or select less"
)]
pub struct CompileError {
    /// The workload.
    pub workload: String,
    /// The policies.
    pub policies: String,
    /// What there is too much of.
    pub what: &'static str,
    /// How many.
    pub given: usize,
    /// How many there may be.
    pub most: usize,
}

impl Compiled {
    /// The name of a rule by its number.
    pub fn rule(&self, number: u32) -> Option<&RuleName> {
        self.rules.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The secrets that bind who reads them.
    pub fn binding(&self) -> BTreeSet<u64> {
        let binds = |rule: &rows::SecretRule| rule.bind.iter().any(|index| *index != rows::NO_BINDING);
        self.secrets.iter().filter(|(_, rule)| binds(rule)).map(|(key, _)| key.object).collect()
    }

    /// Has the workload be bound by the secrets that it has read, whatever key of them. Returns whether that is more than
    /// before.
    pub fn bind(&mut self, read: &BTreeSet<u64>) -> bool {
        let before = self.policy.bound;
        let read = self.secrets.iter().filter(|(key, _)| read.contains(&key.object));
        read.flat_map(|(_, rule)| rule.bind).for_each(|index| self.policy.bound.add(index.into()));
        self.policy.bound != before
    }
}

/// What the parts of the compiler share.
struct Context<'a> {
    input: &'a Input<'a>,
    active: Vec<Active<'a>>,
    numbers: Numbers,
    out: Compiled,
}

/// Compiles what concerns one workload.
///
/// # Errors
/// If there is too much of something for the kernel's tables, with the numbers.
pub fn compile(input: &Input<'_>) -> Result<Compiled, CompileError> {
    let out = Compiled {
        generation: input.generation,
        policy: rows::Policy::default(),
        secrets: Vec::new(),
        grants: Vec::new(),
        prefixes: Vec::new(),
        destinations: Vec::new(),
        rules: Vec::new(),
        effective: Vec::new(),
        expires: None,
    };
    let mut context = Context { input, active: active::active(input), numbers: Numbers::default(), out };
    context.cut_off();
    context.classes();
    let bindings = context.egress()?;
    context.secrets(&bindings)?;
    context.out.effective = effective::effective(input, &context.active);
    context.out.expires = context.first_end();
    // A policy of others, as one that has a secret for itself, makes nobody contained.
    if input.workload.kind.is_container() && !(input.policies.is_empty() && input.orders.is_empty()) {
        context.out.policy.flags |= rows::row::CONTAINED;
    }
    context.fits()?;
    context.out.rules = context.numbers.into_names();
    Ok(context.out)
}

impl Context<'_> {
    fn cut_off(&mut self) {
        for order in self.input.orders.iter().filter(|order| order.says == OrderSays::CutOff) {
            let until = self.end_of(order);
            let policy = &mut self.out.policy;
            if until > policy.cut_until {
                policy.cut_until = until;
                policy.cut_rule = self.numbers.order(order);
            }
        }
    }

    /// When an order ends; 0 if it has.
    fn end_of(&self, order: &Order) -> u64 {
        let until = order.until.map_or(rows::FOREVER, BootTime::as_nanos);
        if until > self.input.now.as_nanos() { until } else { 0 }
    }

    fn first_end(&self) -> Option<BootTime> {
        let of_orders = self.input.orders.iter().map(|order| self.end_of(order));
        let of_orders = of_orders.filter(|end| *end != 0 && *end != rows::FOREVER);
        let of_exceptions = self.active.iter().flat_map(|it| it.exceptions.iter().map(|held| held.until));
        of_orders.chain(of_exceptions).min().map(BootTime::from_nanos)
    }

    fn too_many(&self, what: &'static str, given: usize, most: usize) -> CompileError {
        let names: Vec<&str> = self.input.policies.iter().map(|policy| policy.name()).collect();
        let workload = self.input.workload.name().to_string();
        CompileError { workload, policies: names.join(", "), what, given, most }
    }

    fn within(&self, what: &'static str, given: usize, most: usize) -> Result<(), CompileError> {
        if given > most { Err(self.too_many(what, given, most)) } else { Ok(()) }
    }

    fn fits(&self) -> Result<(), CompileError> {
        self.within("rules of secrets", self.out.secrets.len(), map::SECRETS as usize)?;
        self.within("grants of binaries", self.out.grants.len(), map::GRANTS as usize)?;
        self.within("address prefixes", self.out.prefixes.len(), map::PREFIXES as usize)?;
        self.within("destinations", self.out.destinations.len(), map::DESTINATIONS as usize)
    }
}
