//! Hidden in questions to a name server of the attacker's.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

/// At the port at which resolvers are always reached.
const NAME_SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 6, 6, 53), 53));

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/dns-tunnel",
    Technique {
        what: "sends questions to a name server of its own, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let name_server = Listener::udp_at(NAME_SERVER)?;
            attack.reaches(&name_server, "send-udp", &[&NAME_SERVER.to_string()])
        },
    },
);
