//! Destinations: networks, hosts, sets; ports and protocols.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use cofferdam_abi::policy::protocol;

use crate::Set;

/// Ports that one destination may name.
pub const PORTS_MAX: usize = 1_024;

/// Entries that the destinations of one policy may come to: a sixteenth of the kernel's table, which all workloads share.
pub const ENTRIES_MAX: usize = cofferdam_abi::map::DESTINATIONS as usize / 16;

/// A destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Which addresses.
    pub to: To,
    /// Which ports.
    pub ports: Ports,
    /// Which protocol.
    pub protocol: Protocol,
}

/// Addresses of a destination.
#[derive(Debug, Clone, PartialEq)]
pub enum To {
    /// A network.
    Network(Network),
    /// A host's name, lower case, without the final dot.
    Host(String),
    /// A named set.
    Set(Set),
    /// A unix socket, by its path in the container.
    Unix(String),
}

/// A network, IPv4 as `::ffff:a.b.c.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: u128,
    length: u8,
}

/// `::ffff:0:0/96`: IPv4.
const MAPPED: Network = Network { address: 0xffff_0000_0000, length: 96 };

/// Ports of a destination; none named: all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ports(pub(crate) Vec<RangeInclusive<u16>>);

/// Protocol of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Every protocol.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Unix sockets.
    Unix,
}

impl Network {
    /// All of IPv4.
    pub const IPV4: Self = MAPPED;

    /// The one address.
    pub fn of(address: IpAddr) -> Self {
        Self { address: mapped(address), length: 128 }
    }

    /// Of what stands for a unix socket: [`cofferdam_abi::policy::address_of_socket`].
    pub fn of_socket(address: [u8; 16]) -> Self {
        Self { address: u128::from_be_bytes(address), length: 128 }
    }

    /// The address in network order.
    pub fn octets(self) -> [u8; 16] {
        self.address.to_be_bytes()
    }

    /// Length of the prefix, of the mapped form.
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether it is one of IPv4.
    pub fn is_ipv4(self) -> bool {
        self.length >= MAPPED.length && mask(self.address, MAPPED.length) == MAPPED.address
    }

    /// Whether every address of the other one lies in it. A network of IPv6 holds none of IPv4, not even `::/0`.
    pub fn holds(self, other: Self) -> bool {
        self.length <= other.length
            && mask(other.address, self.length) == self.address
            && self.is_ipv4() == other.is_ipv4()
    }

    /// Whether the numbers of IPv4 lie in it, though it is none of IPv4.
    pub(crate) fn surrounds_ipv4(self) -> bool {
        !self.is_ipv4() && mask(MAPPED.address, self.length) == self.address
    }

    /// The network of this length around it; `None` if it is shorter already.
    pub(crate) fn widened(self, length: u8) -> Option<Self> {
        (length <= self.length).then(|| Self { address: mask(self.address, length), length })
    }
}

fn mask(address: u128, length: u8) -> u128 {
    address & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// IPv4 as `::ffff:a.b.c.d`.
pub fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no network; write for example 10.20.0.0/16 or 2001:db8::/32, and names as `host`"
            )
        };
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (bits, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = match length {
            None => bits,
            Some(length) if length.bytes().all(|digit| digit.is_ascii_digit()) => {
                length.parse().ok().filter(|it| *it <= bits).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let network = Self { address: mask(mapped(address), length + offset), length: length + offset };
        if network.address == mapped(address) {
            Ok(network)
        } else {
            Err(format!("`{text}` is an address within a network; the network is {network}"))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ipv4() {
            let address = Ipv4Addr::from_bits(self.address as u32);
            write!(f, "{address}/{}", self.length - MAPPED.length)
        } else {
            write!(f, "{}/{}", Ipv6Addr::from_bits(self.address), self.length)
        }
    }
}

impl Ports {
    /// Whether this port is one of them.
    pub fn hold(&self, port: u16) -> bool {
        self.0.is_empty() || self.0.iter().any(|range| range.contains(&port))
    }

    fn hold_all(&self, other: &Self) -> bool {
        if self.0.is_empty() || other.0.is_empty() {
            return self.0.is_empty();
        }
        other.0.iter().cloned().flatten().all(|port| self.hold(port))
    }
}

impl Protocol {
    /// The protocols of the table, as [`cofferdam_abi::policy::protocol`] has them.
    pub fn numbers(self) -> &'static [u32] {
        match self {
            Self::Any => &[protocol::TCP, protocol::UDP, protocol::OTHER],
            Self::Tcp => &[protocol::TCP],
            Self::Udp => &[protocol::UDP],
            Self::Unix => &[protocol::UNIX],
        }
    }
}

impl Endpoint {
    /// How many entries it comes to in the kernel's table: one for each of its ports and protocols.
    pub fn entries(&self) -> usize {
        let ports: usize = self.ports.0.iter().map(ExactSizeIterator::len).sum();
        ports.max(1) * self.protocol.numbers().len()
    }

    /// The networks that are written in the policy itself: none for a host or a unix socket.
    pub fn networks(&self) -> Vec<Network> {
        match &self.to {
            To::Network(network) => vec![*network],
            To::Set(set) => set.addresses().iter().map(|address| Network::of(*address)).collect(),
            To::Host(_) | To::Unix(_) => Vec::new(),
        }
    }

    /// Whether all that the other one means is meant by this one, as far as names tell.
    pub fn covers(&self, other: &Self) -> bool {
        let addresses = match (&self.to, &other.to) {
            (To::Host(mine), To::Host(its)) => mine == its,
            (To::Unix(mine), To::Unix(its)) => mine == its,
            (To::Host(_) | To::Unix(_), _) | (_, To::Host(_) | To::Unix(_)) => false,
            _ => {
                let mine = self.networks();
                other.networks().iter().all(|its| mine.iter().any(|it| it.holds(*its)))
            }
        };
        let numbers = self.protocol.numbers();
        addresses
            && other.protocol.numbers().iter().all(|number| numbers.contains(number))
            && self.ports.hold_all(&other.ports)
    }
}

impl Set {
    /// Its addresses.
    pub fn addresses(self) -> &'static [IpAddr] {
        const CLOUD_METADATA: &[IpAddr] = &[
            IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
            IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
            IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
            IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
            IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
        ];
        match self {
            Self::CloudMetadata => CLOUD_METADATA,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            To::Network(network) => write!(f, "{network}")?,
            To::Host(name) => f.write_str(name)?,
            To::Set(set) => write!(f, "{set}")?,
            To::Unix(path) => write!(f, "unix {path}")?,
        }
        for (index, range) in self.ports.0.iter().enumerate() {
            f.write_str(if index == 0 { " port " } else { "," })?;
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{first}")?,
                (first, last) => write!(f, "{first}-{last}")?,
            }
        }
        match self.protocol {
            Protocol::Any | Protocol::Unix => Ok(()),
            Protocol::Tcp => f.write_str("/tcp"),
            Protocol::Udp => f.write_str("/udp"),
        }
    }
}
