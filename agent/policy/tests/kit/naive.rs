//! What policies say, evaluated straight from their words, one rule after the other.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cofferdam_model::{BootTime, Clock, glob};
use cofferdam_policy::endpoint::{Endpoint, Network, To};
use cofferdam_policy::{
    Allow, Attach, Bind, Binding, Exception, ExecDenial, Mode, Order, OrderSays, Origin, Policy, Read,
    Readers, Rule, Says, SecretRule, Session, Stance,
};

use super::kit::{BOOTED, object, wall};

/// From nothing to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Allowed,
    Exception,
    WouldDeny,
    Denied,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub path: &'static str,
    pub of_image: bool,
    pub session: bool,
}

/// A workload's policies, and the moment.
pub struct Naive<'a> {
    pub policies: &'a [Policy],
    pub others: &'a [Policy],
    pub orders: &'a [Order],
    pub read: &'a BTreeSet<u64>,
    pub resolvers: &'a [IpAddr],
    pub at: BootTime,
}

/// Two decisions of each mode: with the exceptions that hold, and without any.
fn verdict(refuses: impl Fn(Mode, bool) -> bool) -> Verdict {
    let told = |excepting: bool| {
        if refuses(Mode::Enforce, excepting) {
            Verdict::Denied
        } else if refuses(Mode::Observe, excepting) {
            Verdict::WouldDeny
        } else {
            Verdict::Allowed
        }
    };
    match (told(true), told(false)) {
        (Verdict::Allowed, Verdict::Denied | Verdict::WouldDeny) => Verdict::Exception,
        (told, _) => told,
    }
}

impl Naive<'_> {
    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.policies.iter().flat_map(Policy::rules)
    }

    fn holding<'b>(&'b self, rule: &'b Rule, excepting: bool) -> impl Iterator<Item = &'b Exception> {
        let clock = Clock { booted: wall(BOOTED) };
        rule.exceptions.iter().filter(move |it| excepting && self.at < clock.boot(it.expires))
    }

    fn excepts(&self, rule: &Rule, excepting: bool, who: Who) -> bool {
        self.holding(rule, excepting).any(|it| match &it.allow {
            Allow::Any => true,
            Allow::Binary(pattern) => who.of_image && glob(pattern, who.path),
            Allow::Endpoint(_) => false,
        })
    }

    fn is_ordered(&self, fits: impl Fn(&OrderSays) -> bool) -> bool {
        let holds = |it: &&Order| it.until.is_none_or(|until| self.at < until);
        self.orders.iter().filter(holds).any(|it| fits(&it.says))
    }

    pub fn secret(&self, who: Who, name: &str, key: &str) -> Verdict {
        if self.is_ordered(|says| matches!(says, OrderSays::DenySecrets(ids) if ids.contains(&object(name))))
        {
            return Verdict::Denied;
        }
        let speaks = |rule: &&Rule| match &rule.says {
            Says::Secret(secret) => {
                glob(&secret.secret, name) && secret.keys.as_ref().is_none_or(|keys| keys.contains(key))
            }
            _ => false,
        };
        let reads = |secret: &SecretRule| match &secret.readers {
            Readers::Any => true,
            Readers::Only(readers) => {
                readers.iter().any(|it| glob(&it.binary, who.path) && (it.any_origin || who.of_image))
            }
        };
        verdict(|mode, excepting| {
            let mut own = self.rules().filter(speaks).filter(|rule| rule.mode == mode);
            let mut others = self.others.iter().flat_map(Policy::rules).filter(speaks);
            let is_exclusive = |rule: &Rule| matches!(&rule.says, Says::Secret(it) if it.exclusive);
            own.any(|rule| match &rule.says {
                Says::Secret(secret) => !reads(secret) && !self.excepts(rule, excepting, who),
                _ => false,
            }) || others.any(|rule| rule.mode == mode && is_exclusive(rule))
        })
    }

    pub fn execute(&self, session: bool, path: &'static str, origin: Origin) -> Verdict {
        let fits = |it: &ExecDenial| {
            it.origin.is_none_or(|its| its == origin)
                && it.binary.as_ref().is_none_or(|pattern| glob(pattern, path))
                && (it.session != Some(Session::Exec) || session)
        };
        let of_image = matches!(origin, Origin::Image | Origin::Host | Origin::Unknown);
        let file = Who { path, of_image, session };
        verdict(|mode, excepting| {
            self.rules().filter(|rule| rule.mode == mode).any(|rule| match &rule.says {
                Says::Exec(denials) => denials.iter().any(fits) && !self.excepts(rule, excepting, file),
                _ => false,
            })
        })
    }

    pub fn environment(&self, who: Who, own: bool) -> Verdict {
        verdict(|mode, excepting| {
            self.rules().filter(|rule| rule.mode == mode).any(|rule| {
                let refuses = match rule.says {
                    Says::Environment(Read::Own) => !own,
                    Says::Environment(Read::None) => true,
                    _ => false,
                };
                refuses && !self.excepts(rule, excepting, who)
            })
        })
    }

    pub fn memory(&self, who: Who) -> Verdict {
        verdict(|mode, excepting| {
            let mut rules = self.rules().filter(|rule| rule.mode == mode);
            rules.any(|rule| rule.says == Says::Memory(Attach::Deny) && !self.excepts(rule, excepting, who))
        })
    }

    pub fn egress(&self, to: IpAddr, protocol: u8, port: u16) -> Verdict {
        if self.is_ordered(|says| *says == OrderSays::CutOff) {
            return Verdict::Denied;
        }
        let request = Request { to: Network::of(to), protocol: u32::from(protocol), port };
        let resolves = port == 53 && protocol != 132 && self.resolvers.contains(&to);
        // What a policy in observe mode would refuse is told of all its rules together.
        verdict(|mode, excepting| {
            self.policies.iter().any(|policy| {
                let rules: Vec<&Rule> =
                    policy.rules().iter().filter(|it| mode == Mode::Observe || it.mode == mode).collect();
                self.refuses(&rules, &request, resolves, excepting)
            })
        })
    }

    fn is_active(&self, rule: &SecretRule, binding: &Binding) -> bool {
        let was_read = |name: &&str| self.read.contains(&object(name)) && glob(&rule.secret, name);
        binding.bind == Bind::Start || ["db-password", "api-key", "token"].iter().any(was_read)
    }

    fn refuses(&self, rules: &[&Rule], request: &Request, resolves: bool, excepting: bool) -> bool {
        let is_excepted = |rule: &Rule| {
            self.holding(rule, excepting).any(|it| match &it.allow {
                Allow::Any => matches!(rule.says, Says::Egress(_)) || binding(rule).is_some(),
                Allow::Endpoint(endpoint) => request.is_to(endpoint),
                Allow::Binary(_) => false,
            })
        };
        let any = |list: &[Endpoint]| list.iter().any(|it| request.is_to(it));
        let egress = || {
            rules.iter().filter_map(|rule| match &rule.says {
                Says::Egress(egress) => Some((*rule, egress)),
                _ => None,
            })
        };
        let bindings = || rules.iter().filter_map(|rule| Some((*rule, binding(rule)?)));
        let active = || bindings().filter(|(_, (secret, it))| self.is_active(secret, it));
        let is_excepted_at_all = rules.iter().any(|rule| is_excepted(rule));
        if egress().any(|(rule, it)| any(&it.deny) && !is_excepted(rule)) {
            return true;
        }
        if is_excepted_at_all
            && !bindings().any(|(rule, (_, it))| it.isolate && !any(&it.destinations) && !is_excepted(rule))
        {
            return false;
        }
        if egress().any(|(_, it)| any(&it.deny)) {
            return true;
        }
        if resolves {
            return false;
        }
        if active().any(|(_, (_, it))| it.isolate && !any(&it.destinations)) {
            return true;
        }
        if active().any(|(_, (_, it))| any(&it.destinations)) || egress().any(|(_, it)| any(&it.allow)) {
            return false;
        }
        active().next().is_some()
            || (egress().any(|(_, it)| it.default == Stance::Deny)
                && !bindings().any(|(_, (_, it))| any(&it.destinations)))
    }
}

fn binding(rule: &Rule) -> Option<(&SecretRule, &Binding)> {
    match &rule.says {
        Says::Secret(secret) => Some((secret, secret.binding.as_ref()?)),
        _ => None,
    }
}

struct Request {
    to: Network,
    protocol: u32,
    port: u16,
}

impl Request {
    fn is_to(&self, endpoint: &Endpoint) -> bool {
        assert!(!matches!(endpoint.to, To::Host(_)));
        let number = if self.protocol == 132 { 0 } else { self.protocol };
        endpoint.networks().iter().any(|network| network.holds(self.to))
            && endpoint.ports.hold(self.port)
            && endpoint.protocol.numbers().contains(&number)
    }
}
