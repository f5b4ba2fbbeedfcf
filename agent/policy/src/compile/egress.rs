//! Egress: one group for each policy and mode, bindings, and what is said of each destination.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_abi::policy::{
    BINDINGS, Destination, DestinationKey, GROUPS, Group, PrefixKey, group, protocol, row,
};
use cofferdam_abi::{map, policy::GENERATION_BITS};

use super::active::{Active, release};
use super::phases::phases;
use super::prefixes::{Classes, classes};
use super::secrets::Bindings;
use super::{CompileError, Context, Input};
use crate::endpoint::{Endpoint, Network, Ports, Protocol, To};
use crate::policy::{Allow, Says};
use crate::{Bind, RuleKind, Stance};

/// What one list in a policy says of some destinations.
struct Entry {
    says: Said,
    /// `None`: every address.
    networks: Option<Vec<Network>>,
    ports: Ports,
    protocol: Protocol,
}

/// What is said; numbers are places among the rules in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// The secret of this binding may travel there.
    Permitted(u8),
    Allowed(usize),
    Denied(usize),
    Resolver,
    /// By an exception of the rule, until then.
    Excepted(usize, u64),
}

/// The rules of one policy that decide together: those that enforce, or all of them to tell what they would refuse.
struct Members {
    observes: bool,
    rules: Vec<usize>,
}

impl Context<'_> {
    pub fn egress(&mut self) -> Result<Bindings, CompileError> {
        let bindings = bindings(&self.active);
        self.within("rules with destinations", bindings.len(), BINDINGS)?;
        let groups = members(&self.active);
        self.within("groups of egress rules (one for each policy and mode)", groups.len(), GROUPS)?;
        for (rule, binding) in &bindings {
            if binding_of(&self.active[*rule]).is_some_and(|it| it.bind == Bind::Start) {
                self.out.policy.bound.add(usize::from(*binding));
            }
        }
        if groups.is_empty() {
            return Ok(bindings);
        }
        self.out.policy.flags |= row::EGRESS;
        for (index, members) in groups.iter().enumerate() {
            self.out.policy.groups[index] = self.group(members, &bindings);
        }
        let entries = entries(self.input, &self.active, &bindings);
        let networks = entries.iter().map(|entry| entry.networks.as_deref());
        let Classes { prefixes, members } = classes(networks);
        let generation = self.input.generation;
        self.out.prefixes = prefixes
            .into_iter()
            .map(|(network, class)| {
                let length = GENERATION_BITS + u32::from(network.length());
                (length, PrefixKey { generation, address: network.octets() }, class)
            })
            .collect();
        for (class, entries_of_class) in members {
            let said: Vec<&Entry> = entries_of_class.iter().map(|index| &entries[*index]).collect();
            self.destinations(class, &said, &groups, &bindings)?;
        }
        Ok(bindings)
    }

    fn group(&mut self, members: &Members, bindings: &Bindings) -> Group {
        let rules = || members.rules.iter().map(|index| (*index, &self.active[*index]));
        let mut out =
            Group { flags: group::PRESENT, release: release(rules().map(|(_, it)| it)), ..Group::default() };
        if members.observes {
            out.flags |= group::OBSERVES;
        }
        for (index, it) in rules() {
            if let (Some(binding), Some(at)) = (binding_of(it), bindings.get(&index)) {
                out.bindings.add(usize::from(*at));
                if binding.isolate {
                    out.isolating.add(usize::from(*at));
                }
            }
            if matches!(&it.rule.says, Says::Egress(egress) if egress.default == Stance::Deny) {
                out.flags |= group::DEFAULT_DENY;
            }
        }
        let egress = rules().map(|(_, it)| it).filter(|it| refuses_by_itself(it));
        out.egress_rule = self.numbers.rules(RuleKind::Egress, egress);
        let binding = rules().map(|(_, it)| it).filter(|it| binding_of(it).is_some());
        out.binding_rule = self.numbers.rules(RuleKind::Destinations, binding);
        if out.binding_rule != 0 {
            out.flags |= group::BINDS;
        }
        if out.release != 0 {
            out.flags |= group::RELEASES;
        }
        out
    }

    /// The rows of one class: for each protocol those of the ports that are named, and one for all others.
    fn destinations(
        &mut self,
        class: u32,
        said: &[&Entry],
        groups: &[Members],
        bindings: &Bindings,
    ) -> Result<(), CompileError> {
        for number in [protocol::TCP, protocol::UDP, protocol::UNIX, protocol::OTHER] {
            let of_protocol: Vec<&Entry> =
                said.iter().copied().filter(|it| it.protocol.numbers().contains(&number)).collect();
            let ports: BTreeSet<u16> =
                of_protocol.iter().flat_map(|it| it.ports.0.iter().cloned().flatten()).collect();
            let rows = self.out.destinations.len() + ports.len() + 1;
            self.within("destinations", rows, map::DESTINATIONS as usize)?;
            for port in std::iter::once(0).chain(ports) {
                let holds = |it: &&Entry| it.ports.is_all() || (port != 0 && it.ports.hold(port));
                let says: BTreeSet<Said> =
                    of_protocol.iter().filter(|it| holds(it)).map(|it| it.says).collect();
                let row = self.destination(&says, groups, bindings);
                if port != 0 || row != Destination::default() {
                    let generation = self.input.generation;
                    let key = DestinationKey { generation, class, protocol: number, port: u32::from(port) };
                    self.out.destinations.push((key, row));
                }
            }
        }
        Ok(())
    }

    fn destination(&mut self, said: &BTreeSet<Said>, groups: &[Members], bindings: &Bindings) -> Destination {
        let mut row = Destination::default();
        for it in said {
            match it {
                Said::Permitted(binding) => row.permits.add(usize::from(*binding)),
                Said::Resolver => row.resolver = 1,
                Said::Allowed(_) | Said::Denied(_) | Said::Excepted(..) => {}
            }
        }
        for (index, members) in groups.iter().enumerate() {
            let (mut allows, mut denies) = (false, false);
            for it in said {
                match it {
                    Said::Allowed(rule) => allows |= members.rules.contains(rule),
                    Said::Denied(rule) => denies |= members.rules.contains(rule),
                    Said::Permitted(_) | Said::Resolver | Said::Excepted(..) => {}
                }
            }
            row.allow |= u8::from(allows) << index;
            row.deny |= u8::from(denies) << index;
        }
        let ends: Vec<(u64, usize)> = said
            .iter()
            .filter_map(|it| match it {
                Said::Excepted(rule, until) => Some((*until, *rule)),
                _ => None,
            })
            .collect();
        if ends.is_empty() {
            return row;
        }
        let excepted = |at: u64| {
            groups.iter().enumerate().fold(0, |bits, (index, members)| {
                let passes = is_excepted(&self.active, members, said, &row, bindings, at);
                bits | u8::from(passes) << index
            })
        };
        let moments: Vec<u64> = ends.iter().map(|(until, _)| *until).collect();
        let phases = phases(self.input.now.as_nanos(), &moments, excepted);
        if let Some(end) = phases.end {
            let rule = &self.active[ends[end].1];
            let kind = if binding_of(rule).is_some() { RuleKind::Destinations } else { RuleKind::Egress };
            row.until = phases.until;
            row.excepted = phases.before;
            row.exception = self.numbers.exception(kind, rule);
        }
        row
    }
}

/// Whether exceptions let a destination pass a group at a moment. They lift what their own rules refuse and the limit
/// of the group's bindings, but neither what another rule names as refused nor the isolation by another secret.
fn is_excepted(
    active: &[Active<'_>],
    members: &Members,
    said: &BTreeSet<Said>,
    row: &Destination,
    bindings: &Bindings,
    at: u64,
) -> bool {
    let is_lifted = |rule: usize| {
        said.iter().any(|it| matches!(it, Said::Excepted(of, until) if *of == rule && *until > at))
    };
    let of_group = || members.rules.iter().copied();
    let is_refused = |rule: usize| said.contains(&Said::Denied(rule)) && !is_lifted(rule);
    let isolates = |rule: usize| {
        let permits = bindings.get(&rule).is_none_or(|binding| row.permits.has(usize::from(*binding)));
        binding_of(&active[rule]).is_some_and(|it| it.isolate) && !permits && !is_lifted(rule)
    };
    of_group().any(is_lifted) && !of_group().any(|rule| is_refused(rule) || isolates(rule))
}

/// The binding of a rule that is the workload's own.
pub fn binding_of<'a>(it: &Active<'a>) -> Option<&'a crate::Binding> {
    match &it.rule.says {
        Says::Secret(secret) if !it.is_foreign => secret.binding.as_ref(),
        _ => None,
    }
}

fn bindings(active: &[Active<'_>]) -> Bindings {
    let with = active.iter().enumerate().filter(|(_, it)| binding_of(it).is_some());
    with.map(|(index, _)| index).zip(0..).collect()
}

/// Whether an egress rule refuses something, bindings or not.
fn refuses_by_itself(it: &Active<'_>) -> bool {
    matches!(&it.rule.says, Says::Egress(egress) if egress.default == Stance::Deny || !egress.deny.is_empty())
}

fn members(active: &[Active<'_>]) -> Vec<Members> {
    let mut of_policies: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, it) in active.iter().enumerate() {
        if matches!(it.rule.says, Says::Egress(_)) || binding_of(it).is_some() {
            of_policies.entry(it.policy.name()).or_default().push(index);
        }
    }
    let limits = |index: &usize| refuses_by_itself(&active[*index]) || binding_of(&active[*index]).is_some();
    let mut groups = Vec::new();
    for rules in of_policies.into_values() {
        let enforcing: Vec<usize> = rules.iter().copied().filter(|index| active[*index].enforces()).collect();
        if enforcing.iter().any(limits) {
            groups.push(Members { observes: false, rules: enforcing });
        }
        let would_limit = rules.iter().any(limits);
        if would_limit && rules.iter().any(|index| !active[*index].enforces()) {
            groups.push(Members { observes: true, rules });
        }
    }
    groups
}

fn entries(input: &Input<'_>, active: &[Active<'_>], bindings: &Bindings) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |says: Said, endpoint: &Endpoint| {
        let networks = Some(networks(input, endpoint));
        entries.push(Entry { says, networks, ports: endpoint.ports.clone(), protocol: endpoint.protocol });
    };
    for (index, it) in active.iter().enumerate() {
        if let Some((binding, at)) = binding_of(it).zip(bindings.get(&index)) {
            binding.destinations.iter().for_each(|to| add(Said::Permitted(*at), to));
        }
        if let Says::Egress(egress) = &it.rule.says {
            egress.allow.iter().for_each(|to| add(Said::Allowed(index), to));
            egress.deny.iter().for_each(|to| add(Said::Denied(index), to));
        }
        for held in &it.exceptions {
            if let Allow::Endpoint(endpoint) = &held.exception.allow {
                add(Said::Excepted(index, held.until), endpoint);
            }
        }
    }
    entries.extend(for_everything(active));
    let resolvers: Vec<Network> = input.resolvers.iter().map(|it| Network::of(it.to_canonical())).collect();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let (networks, ports) = (Some(resolvers.clone()), Ports(vec![53..=53]));
        entries.push(Entry { says: Said::Resolver, networks, ports, protocol });
    }
    entries
}

/// Exceptions that let every destination pass, unix sockets too.
fn for_everything(active: &[Active<'_>]) -> Vec<Entry> {
    let of_rule = |index: usize, it: &Active<'_>| -> Vec<Entry> {
        let is_of_egress = matches!(it.rule.says, Says::Egress(_)) || binding_of(it).is_some();
        let held = it.exceptions.iter().filter(|held| is_of_egress && held.exception.allow == Allow::Any);
        held.flat_map(|held| {
            [Protocol::Any, Protocol::Unix].map(|protocol| Entry {
                says: Said::Excepted(index, held.until),
                networks: None,
                ports: Ports::default(),
                protocol,
            })
        })
        .collect()
    };
    active.iter().enumerate().flat_map(|(index, it)| of_rule(index, it)).collect()
}

fn networks(input: &Input<'_>, endpoint: &Endpoint) -> Vec<Network> {
    match &endpoint.to {
        To::Host(name) => {
            let addresses = input.names.get(name).map_or(&[][..], Vec::as_slice);
            addresses.iter().map(|address| Network::of(address.to_canonical())).collect()
        }
        To::Unix(path) => {
            input.sockets.get(path).map(|address| Network::of_socket(*address)).into_iter().collect()
        }
        To::Network(_) | To::Set(_) => endpoint.networks(),
    }
}
