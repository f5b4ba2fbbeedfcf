//! Connections.

mod after_a_secret;
mod fast_open;
mod mapped_address;
mod nobody_listens;
mod repeats;
mod tcp4;
mod tcp6;
mod udp4;
mod udp4_unconnected;
mod udp6;
mod udp6_unconnected;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    tcp4::SCENARIO,
    tcp6::SCENARIO,
    udp4::SCENARIO,
    udp6::SCENARIO,
    udp4_unconnected::SCENARIO,
    udp6_unconnected::SCENARIO,
    fast_open::SCENARIO,
    mapped_address::SCENARIO,
    repeats::SCENARIO,
    nobody_listens::SCENARIO,
    after_a_secret::SCENARIO,
];
