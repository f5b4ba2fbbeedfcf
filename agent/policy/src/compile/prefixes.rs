//! Address prefixes, flattened: the class of the longest one says all that holds for an address.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::endpoint::Network;

/// Classes of addresses.
#[derive(Debug, Default)]
pub struct Classes {
    /// The class of each prefix.
    pub prefixes: Vec<(Network, u32)>,
    /// Which entries hold for the addresses of each class; class 0 is what no prefix speaks of.
    pub members: Vec<(u32, Vec<usize>)>,
}

/// Classes of entries by their networks; an entry without networks is one of every address.
pub fn classes<'a>(entries: impl Iterator<Item = Option<&'a [Network]>>) -> Classes {
    let mut at: BTreeMap<Network, BTreeSet<usize>> = BTreeMap::new();
    let mut of_all = Vec::new();
    for (index, networks) in entries.enumerate() {
        match networks {
            None => of_all.push(index),
            Some(networks) => networks.iter().for_each(|it| {
                at.entry(*it).or_default().insert(index);
            }),
        }
    }
    if at.keys().any(|network| network.surrounds_ipv4()) {
        // The table takes `::ffff:0:0/96` for a part of `::/0`, people do not.
        at.entry(Network::IPV4).or_default();
    }
    let mut known: HashMap<BTreeSet<usize>, u32> = HashMap::from([(BTreeSet::new(), 0)]);
    let mut out = Classes { prefixes: Vec::new(), members: vec![(0, of_all.clone())] };
    for network in at.keys() {
        let around = (0..=network.length()).filter_map(|length| network.widened(length));
        let holding = around.filter(|it| it.holds(*network)).filter_map(|it| at.get(&it));
        let entries: BTreeSet<usize> = holding.flatten().copied().collect();
        let next = known.len() as u32;
        let class = *known.entry(entries.clone()).or_insert_with(|| {
            out.members.push((next, entries.iter().chain(&of_all).copied().collect()));
            next
        });
        out.prefixes.push((*network, class));
    }
    out
}
