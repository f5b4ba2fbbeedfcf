//! Single values: globs, paths, destinations, ports.

use std::ops::RangeInclusive;

use super::Checker;
use crate::Set;
use crate::document::{self, AgentLoss, Port, Transport};
use crate::endpoint::{Endpoint, PORTS_MAX, Ports, Protocol, To};
use crate::yaml::duration;
use crate::yaml::{Place, Placed};

/// The parts of a destination, of a rule's or of an exception's.
pub struct Parts<'a> {
    pub cidr: Option<&'a Placed<String>>,
    pub host: Option<&'a Placed<String>>,
    pub set: Option<Set>,
    pub unix: Option<&'a Placed<String>>,
    pub ports: Option<&'a Placed<Vec<Placed<Port>>>>,
    pub protocol: Option<Transport>,
}

impl<'a> From<&'a document::Endpoint> for Parts<'a> {
    fn from(given: &'a document::Endpoint) -> Self {
        let document::Endpoint { cidr, host, set, unix, ports, protocol } = given;
        Self {
            cidr: cidr.as_ref(),
            host: host.as_ref(),
            set: *set,
            unix: unix.as_ref(),
            ports: ports.as_ref(),
            protocol: *protocol,
        }
    }
}

impl Checker<'_> {
    /// A glob of any text.
    pub(super) fn text(&mut self, field: &str, given: &Placed<String>) -> Option<String> {
        if given.value.is_empty() {
            self.refuse(given.at, field, "is empty");
            return None;
        }
        Some(given.value.clone())
    }

    /// A glob in which nothing looks like a wildcard but is none.
    pub(super) fn glob(&mut self, field: &str, given: &Placed<String>) -> Option<String> {
        let text = self.text(field, given)?;
        if let Some(odd) = text.chars().find(|c| matches!(c, '[' | ']' | '{' | '}')) {
            let reason = format!("`{text}`: only `*` and `?` stand for other text, `{odd}` does not");
            self.refuse(given.at, field, reason);
            return None;
        }
        Some(text)
    }

    /// A glob of absolute paths.
    pub(super) fn binary(&mut self, field: &str, given: &Placed<String>) -> Option<String> {
        let text = self.glob(field, given)?;
        let is_walk = text.split('/').any(|part| part == ".." || part == ".");
        if !text.starts_with('/') || text.ends_with('/') || is_walk {
            let reason = format!("`{text}` is no absolute path of a binary in the container");
            self.refuse(given.at, field, reason);
            return None;
        }
        Some(text)
    }

    pub(super) fn release(&mut self, id: &str, given: Option<&Placed<AgentLoss>>) -> Option<u32> {
        let Some(Placed { value: AgentLoss::ReleaseAfter(after), .. }) = given else { return None };
        let seconds = duration::seconds(&after.value);
        if seconds.is_none() {
            let reason = format!("`{}` is no duration; write for example 10m or 1h", after.value);
            self.refuse(after.at, format!("{id}.onAgentLoss.releaseAfter"), reason);
        }
        seconds
    }

    pub(super) fn endpoints(&mut self, field: &str, given: &[Placed<document::Endpoint>]) -> Vec<Endpoint> {
        given.iter().filter_map(|it| self.endpoint(field, it.at, &Parts::from(&it.value))).collect()
    }

    pub(super) fn endpoint(&mut self, field: &str, at: Place, given: &Parts<'_>) -> Option<Endpoint> {
        let to = match (given.cidr, given.host, given.set, given.unix) {
            (Some(cidr), None, None, None) => match cidr.value.parse() {
                Ok(network) => To::Network(network),
                Err(reason) => {
                    self.refuse(cidr.at, format!("{field}.cidr"), reason);
                    return None;
                }
            },
            (None, Some(host), None, None) => To::Host(self.host(field, host)?),
            (None, None, Some(set), None) => To::Set(set),
            (None, None, None, Some(path)) => return self.unix(field, at, path, given),
            _ => {
                self.refuse(at, field, "must have exactly one of `cidr`, `host`, `set` and `unix`");
                return None;
            }
        };
        let ports = match given.ports {
            Some(ports) => self.ports(&format!("{field}.ports"), ports)?,
            None => Ports::default(),
        };
        let protocol = match given.protocol {
            None | Some(Transport::Any) => Protocol::Any,
            Some(Transport::Tcp) => Protocol::Tcp,
            Some(Transport::Udp) => Protocol::Udp,
        };
        Some(Endpoint { to, ports, protocol })
    }

    fn unix(&mut self, field: &str, at: Place, path: &Placed<String>, given: &Parts<'_>) -> Option<Endpoint> {
        if given.ports.is_some() || given.protocol.is_some() {
            self.refuse(at, field, "has `ports` or `protocol`, which a unix socket has not");
            return None;
        }
        let text = &path.value;
        let name = text.rsplit('/').next().unwrap_or_default();
        let is_walk = text.split('/').any(|part| part == ".." || part == ".");
        let is_name = (1..cofferdam_abi::policy::KEY_NAME_LEN).contains(&name.len());
        if !text.starts_with('/') || !is_name || is_walk || text.contains(['*', '?', '\0']) {
            let reason = format!("`{text}` is no absolute path of a socket in the container");
            self.refuse(path.at, format!("{field}.unix"), reason);
            return None;
        }
        Some(Endpoint { to: To::Unix(text.clone()), ports: Ports::default(), protocol: Protocol::Unix })
    }

    fn host(&mut self, field: &str, given: &Placed<String>) -> Option<String> {
        let name = given.value.strip_suffix('.').unwrap_or(&given.value).to_ascii_lowercase();
        let is_label = |label: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(fits)
        };
        // What ends in digits is an address, and belongs into `cidr`.
        let is_number = name.rsplit('.').next().is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()));
        if name.len() > 253 || !name.split('.').all(is_label) || is_number {
            let reason = format!("`{}` is no host's name; addresses are written as `cidr`", given.value);
            self.refuse(given.at, format!("{field}.host"), reason);
            return None;
        }
        Some(name)
    }

    fn ports(&mut self, field: &str, given: &Placed<Vec<Placed<Port>>>) -> Option<Ports> {
        if given.value.is_empty() {
            self.refuse(given.at, field, "is empty; leave it out to mean every port");
            return None;
        }
        let mut ranges = Vec::new();
        for Placed { value: Port(text), at } in &given.value {
            match range(text) {
                Some(range) => ranges.push(range),
                None => {
                    let reason = format!("`{text}` is no port from 1 to 65535, nor a range as \"8000-8010\"");
                    self.refuse(*at, field, reason);
                    return None;
                }
            }
        }
        let ports: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        if ports > PORTS_MAX {
            let reason = format!(
                "names {ports} ports, of which there may be {PORTS_MAX}; leave it out to mean every port"
            );
            self.refuse(given.at, field, reason);
            return None;
        }
        Some(Ports(ranges))
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let port = if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u16>().ok() } else { None };
        port.filter(|port| *port > 0)
    };
    let range = match text.split_once('-') {
        Some((first, last)) => port(first)?..=port(last)?,
        None => port(text)?..=port(text)?,
    };
    (!range.is_empty()).then_some(range)
}
