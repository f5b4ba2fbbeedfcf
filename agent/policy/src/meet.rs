//! Whether lists of destinations have one in common.

use crate::endpoint::{Endpoint, Network, To};

/// Whether some destination is in all of them, as far as names tell: what a host's name stands for is not known.
pub fn meet(lists: &[&[Endpoint]]) -> bool {
    let all = || lists.iter().flat_map(|list| list.iter());
    // If there is one in common, then one that begins a network, with a port that begins a range.
    let unknown = std::iter::once(None);
    let addresses: Vec<Option<Network>> =
        all().flat_map(Endpoint::networks).map(Some).chain(unknown).collect();
    let mut ports: Vec<u16> = all().flat_map(|it| it.ports.0.iter().map(|range| *range.start())).collect();
    if ports.is_empty() {
        ports.push(1);
    }
    let mut numbers = all().flat_map(|it| it.protocol.numbers()).collect::<Vec<_>>();
    numbers.sort_unstable();
    numbers.dedup();
    ports.sort_unstable();
    ports.dedup();
    addresses.iter().any(|address| {
        ports.iter().any(|port| {
            let is_in_all = |number: &u32| {
                lists.iter().all(|list| list.iter().any(|it| may_hold(it, *address, *port, *number)))
            };
            numbers.iter().any(|number| is_in_all(number))
        })
    })
}

fn may_hold(endpoint: &Endpoint, address: Option<Network>, port: u16, number: u32) -> bool {
    let holds_address = match (&endpoint.to, address) {
        (To::Host(_) | To::Unix(_), _) => true,
        (_, None) => false,
        (_, Some(address)) => endpoint.networks().iter().any(|network| network.holds(address)),
    };
    holds_address && endpoint.ports.hold(port) && endpoint.protocol.numbers().contains(&number)
}
