//! The decision: request and tables in, verdict out. The programs and the replay of the journal run this very code.
//!
//! However many policies, rules and secrets there are, a decision makes the same number of lookups: of a secret three,
//! of an exec two, of an environment or memory four, of a destination four.

use crate::event::verdict;
use crate::key::InodeKey;
use crate::policy::{
    Bindings, Class, Destination, DestinationKey, GROUPS, Grant, GrantKey, Policy, SecretKey, SecretRule,
    environment, exec, permit, protocol, row, set,
};
use crate::process::{facts, flags};
use crate::refusals::Refusals;

/// Where decisions find what they ask for.
pub trait Tables {
    /// The row of a generation.
    fn policy(&self, generation: u32) -> Option<&Policy>;
    /// The rule of a secret.
    fn secret(&self, key: &SecretKey) -> Option<&SecretRule>;
    /// What a binary may.
    fn grant(&self, key: &GrantKey) -> Option<&Grant>;
    /// The class of the longest prefix that an address has; 0 none.
    fn class(&self, generation: u32, address: &[u8; 16]) -> u32;
    /// What is said of a destination.
    fn destination(&self, key: &DestinationKey) -> Option<&Destination>;
    /// Boot clock, ns.
    fn now(&self) -> u64;
    /// The agent's last sign of life, boot clock, ns.
    fn heartbeat(&self) -> u64;

    /// The same number; the kernel's verifier shall not remember how it came about.
    #[inline(always)]
    fn forget(&self, number: u64) -> u64 {
        number
    }
}

/// A verdict with the rule that made it and the rule's generation, in one register: 8 bits verdict, 8 bits flags, 16
/// bits rule, 32 bits generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Decision(pub u64);

impl Decision {
    /// Nothing speaks against it.
    pub const ALLOWED: Self = Self(verdict::ALLOWED as u64);
    const EXCEPTION: u64 = 1 << 8;
    const OF_TARGET: u64 = 1 << 9;

    #[inline(always)]
    pub(crate) const fn by(verdict: u8, rule: u32) -> Self {
        Self(verdict as u64 | (rule as u64 & 0xffff) << 16)
    }

    /// One of [`verdict`].
    #[inline(always)]
    pub const fn verdict(self) -> u8 {
        self.0 as u8
    }

    /// Whether it is refused.
    #[inline(always)]
    pub const fn is_denied(self) -> bool {
        self.verdict() == verdict::DENIED
    }

    /// The same where it could not be refused any more.
    #[inline(always)]
    pub const fn unenforced(self) -> Self {
        Self(self.0 & !0xff | verdict::WOULD_DENY as u64)
    }

    /// The number of the rule within its generation; 0: no rule spoke.
    #[inline(always)]
    pub const fn rule(self) -> u32 {
        (self.0 >> 16) as u32 & 0xffff
    }

    /// The same as of this generation.
    #[inline(always)]
    pub const fn of_generation(self, generation: u32) -> Self {
        Self(self.0 & 0xffff_ffff | (generation as u64) << 32)
    }

    /// The generation that its rule is of, once that is said.
    #[inline(always)]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether only an exception let it pass; `rule` is the exception's then.
    #[inline(always)]
    pub const fn is_exception(self) -> bool {
        self.0 & Self::EXCEPTION != 0
    }

    /// Whether the rule is one of the target's generation.
    #[inline(always)]
    pub const fn is_of_target(self) -> bool {
        self.0 & Self::OF_TARGET != 0
    }

    /// The stricter of the two.
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        match (self.verdict(), other.verdict()) {
            (verdict::DENIED, _) => self,
            (_, verdict::DENIED) => other,
            (verdict::WOULD_DENY, _) => self,
            (_, verdict::WOULD_DENY) => other,
            _ if self.is_exception() => self,
            _ => other,
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// Generation of its workload.
    pub generation: u32,
    /// Bits of [`flags`].
    pub flags: u32,
    /// Bits of [`facts`] about its binary.
    pub facts: u32,
    /// Its binary.
    pub binary: InodeKey,
}

impl Actor {
    /// Whether nothing is refused to it: no policy, or the runtime that sets a container up.
    #[inline(always)]
    const fn is_free(&self) -> bool {
        self.generation == 0 || flags::is_runtime(self.flags)
    }

    /// Whether its code is that of the image, as far as the kernel can tell.
    #[inline(always)]
    const fn is_of_image(&self) -> bool {
        let written = facts::OVERLAY_UPPER | facts::MEMFD | facts::UNLINKED;
        self.facts & written == 0 && self.flags & flags::FOREIGN_CODE == 0
    }
}

/// What the rules of both modes make of one request.
#[derive(Clone, Copy)]
struct Ruling {
    enforce: u32,
    observe: u32,
    release: u32,
    /// Bits: 1 the enforcing rule refuses, 2 the observing one.
    refused: u32,
}

const REFUSED: u32 = 1;
const WOULD_BE: u32 = 2;

impl Ruling {
    #[inline(always)]
    fn decision(mut self, tables: &impl Tables) -> Decision {
        self.refused = tables.forget(u64::from(self.refused)) as u32;
        Decision(tables.forget(self.strictest(tables).0))
    }

    #[inline(always)]
    fn strictest(self, tables: &impl Tables) -> Decision {
        if self.enforce != 0 && self.refused & REFUSED != 0 {
            let verdict =
                if is_released(tables, self.release) { verdict::WOULD_DENY } else { verdict::DENIED };
            return Decision::by(verdict, self.enforce);
        }
        if self.observe != 0 && self.refused & WOULD_BE != 0 {
            return Decision::by(verdict::WOULD_DENY, self.observe);
        }
        Decision::ALLOWED
    }
}

/// Whether a rule that asks for it has lost its agent.
#[inline(always)]
fn is_released(tables: &impl Tables, release: u32) -> bool {
    release != 0 && silence(tables) > release as u64 * 1_000_000_000
}

/// How long the agent has given no sign of life, ns.
#[inline(always)]
fn silence(tables: &impl Tables) -> u64 {
    tables.now().saturating_sub(tables.heartbeat())
}

/// Without the exception it is `strict`; with it, what was refused has passed by the exception.
#[inline(always)]
fn excepted(strict: Decision, exception: u32) -> Decision {
    if strict.verdict() == verdict::ALLOWED {
        return strict;
    }
    Decision(Decision::by(verdict::ALLOWED, exception).0 | Decision::EXCEPTION)
}

/// What an exception of some of the rules leaves: what the others make of it.
#[inline(always)]
fn with_exception(strict: Decision, eased: Decision, exception: u32) -> Decision {
    if eased.verdict() == verdict::ALLOWED { excepted(strict, exception) } else { eased }
}

#[inline(always)]
fn refused_by_permits(bits: u32, of_image: bool) -> u32 {
    let (mut enforce, mut observe) = (permit::ENFORCE_ANY_ORIGIN, permit::OBSERVE_ANY_ORIGIN);
    if of_image {
        enforce |= permit::ENFORCE;
        observe |= permit::OBSERVE;
    }
    let mut refused = 0;
    if bits & enforce == 0 {
        refused |= REFUSED;
    }
    if bits & observe == 0 {
        refused |= WOULD_BE;
    }
    refused
}

/// The rule of a secret, if there is one: of its key, else of all of it.
#[inline(always)]
pub fn rule_of_secret<T: Tables>(tables: &T, generation: u32, object: u64, key: u64) -> Option<&SecretRule> {
    let mut wanted = SecretKey { object, key, generation, reserved: 0 };
    let of_key = tables.secret(&wanted);
    wanted.key = 0;
    let of_all = tables.secret(&wanted);
    of_key.or(of_all)
}

/// May this process open this secret?
#[inline(always)]
pub fn secret(tables: &impl Tables, actor: &Actor, rule: &SecretRule) -> Decision {
    if actor.is_free() {
        return Decision::ALLOWED;
    }
    let now = tables.now();
    if now < rule.cut_until {
        return Decision::by(verdict::DENIED, rule.cut_rule);
    }
    let key = GrantKey { binary: actor.binary, generation: actor.generation, set: rule.readers };
    let grant = tables.grant(&key).copied().unwrap_or_default();
    let ruling = |bits: u32| Ruling {
        enforce: rule.enforce,
        observe: rule.observe,
        release: rule.release,
        refused: refused_by_permits(bits, actor.is_of_image()),
    };
    let strict = ruling(grant.after | rule.any as u32).decision(tables);
    let of_all = now < rule.until;
    let of_one = now < grant.until;
    if !of_all && !of_one {
        return strict;
    }
    let any = if of_all { rule.eased } else { rule.any };
    let bits = if of_one { grant.before } else { grant.after };
    let exception = if of_all { rule.exception } else { grant.exception };
    with_exception(strict, ruling(bits | any as u32).decision(tables), exception)
}

/// May this process execute this file?
#[inline(always)]
pub fn execute(tables: &impl Tables, actor: &Actor, file: InodeKey, of_file: u32) -> Decision {
    if actor.is_free() {
        return Decision::ALLOWED;
    }
    let Some(policy) = tables.policy(actor.generation) else { return Decision::ALLOWED };
    let class = &policy.exec;
    let key = GrantKey { binary: file, generation: actor.generation, set: set::EXEC };
    let grant = if policy.flags & row::EXEC_GRANTS != 0 { tables.grant(&key).copied() } else { None };
    let origin = origin(of_file);
    let in_session = actor.flags & flags::EXEC_SESSION != 0;
    let now = tables.now();
    let ruling = |mask: u32| {
        let hit = |shift: u32| {
            let mask = mask >> shift;
            mask & origin != 0 || (in_session && mask >> exec::SESSION & origin != 0)
        };
        let mut refused = 0;
        if hit(0) {
            refused |= REFUSED;
        }
        if hit(exec::OBSERVE) {
            refused |= WOULD_BE;
        }
        Ruling { enforce: class.enforce, observe: class.observe, release: class.release, refused }
    };
    // A grant says all of its file, that of the class included.
    let (until, eased, deny, exception) = match grant {
        Some(grant) => (grant.until, grant.before, grant.after, grant.exception),
        None => (class.until, class.eased, class.deny, class.exception),
    };
    let strict = ruling(deny).decision(tables);
    if now < until { with_exception(strict, ruling(eased).decision(tables), exception) } else { strict }
}

/// Where an executable of a container comes from: a bit of [`exec`].
#[inline(always)]
pub const fn origin(bits: u32) -> u32 {
    if bits & facts::MEMFD != 0 {
        return exec::MEMFD;
    }
    if bits & facts::UNLINKED != 0 {
        return exec::DELETED;
    }
    if bits & facts::HOST_MOUNTS != 0 {
        return exec::HOST;
    }
    if bits & facts::ROOT_KNOWN == 0 {
        return exec::UNKNOWN;
    }
    if bits & facts::ON_WORKLOAD_ROOT == 0 {
        // A volume, a tmpfs, or something mounted over a path.
        return exec::WRITTEN;
    }
    if bits & facts::OVERLAY == 0 {
        // Without layers nobody can tell what came with the image.
        return exec::UNKNOWN;
    }
    if bits & facts::OVERLAY_UPPER != 0 { exec::WRITTEN } else { exec::IMAGE }
}

/// May this process see an environment? `target` is the generation of its owner's workload, `own` says that it is the
/// process's own.
#[inline(always)]
pub fn environment(tables: &impl Tables, actor: &Actor, target: u32, own: bool) -> Decision {
    let wanted = if own { environment::OWN } else { environment::OTHERS };
    both_sides(tables, actor, target, set::ENVIRONMENT, wanted, |policy| &policy.environment)
}

/// May this process reach into the memory of another?
#[inline(always)]
pub fn memory(tables: &impl Tables, actor: &Actor, target: u32) -> Decision {
    both_sides(tables, actor, target, set::MEMORY, environment::OTHERS, |policy| &policy.memory)
}

/// The actor's policy and the target's: the stricter counts, also if the actor has none. Exceptions for a binary are
/// the actor's own. Of the host's processes only those that have a policy are to be asked for.
#[inline(always)]
fn both_sides(
    tables: &impl Tables,
    actor: &Actor,
    target: u32,
    set: u32,
    wanted: u32,
    class: impl Fn(&Policy) -> &Class,
) -> Decision {
    if flags::is_runtime(actor.flags) {
        return Decision::ALLOWED;
    }
    let own = match tables.policy(actor.generation) {
        Some(policy) => {
            let key = GrantKey { binary: actor.binary, generation: actor.generation, set };
            let grant = if actor.is_of_image() { tables.grant(&key).copied() } else { None };
            of_class(tables, class(policy), wanted, grant)
        }
        None => Decision::ALLOWED,
    };
    let own = Decision(tables.forget(own.0));
    if target == actor.generation {
        return own;
    }
    let theirs = match tables.policy(target) {
        Some(policy) => of_class(tables, class(policy), wanted, None),
        None => Decision::ALLOWED,
    };
    own.or(Decision(tables.forget(theirs.0 | Decision::OF_TARGET)))
}

/// `grant` is the exception of one binary.
#[inline(always)]
fn of_class(tables: &impl Tables, class: &Class, wanted: u32, grant: Option<Grant>) -> Decision {
    let ruling = |deny: u32| {
        let mut refused = 0;
        if deny & wanted != 0 {
            refused |= REFUSED;
        }
        if deny >> environment::OBSERVE & wanted != 0 {
            refused |= WOULD_BE;
        }
        Ruling { enforce: class.enforce, observe: class.observe, release: class.release, refused }
    };
    let now = tables.now();
    let strict = ruling(class.deny).decision(tables);
    let (mut eased, mut exception) = (class.deny, 0);
    if now < class.until {
        (eased, exception) = (class.eased, class.exception);
    }
    if let Some(grant) = grant
        && now < grant.until
    {
        (eased, exception) = (grant.before, grant.exception);
    }
    if eased == class.deny {
        strict
    } else {
        with_exception(strict, ruling(eased).decision(tables), exception)
    }
}

/// May this workload send there? `address` is IPv6, or IPv4 as `::ffff:a.b.c.d`; `protocol` the IP protocol's number.
#[inline(always)]
pub fn egress(tables: &impl Tables, actor: &Actor, address: &[u8; 16], protocol: u8, port: u16) -> Decision {
    let protocol = match protocol {
        6 => protocol::TCP,
        17 | 136 => protocol::UDP,
        _ => protocol::OTHER,
    };
    outwards(tables, actor, address, protocol, port)
}

/// May this process send to a unix socket of another workload? `address` is [`crate::policy::address_of_socket`], or
/// zeros where it has no name in any folder.
#[inline(always)]
pub fn unix(tables: &impl Tables, actor: &Actor, address: &[u8; 16]) -> Decision {
    outwards(tables, actor, address, protocol::UNIX, 0)
}

#[inline(always)]
fn outwards(tables: &impl Tables, actor: &Actor, address: &[u8; 16], protocol: u32, port: u16) -> Decision {
    if actor.is_free() {
        return Decision::ALLOWED;
    }
    let Some(policy) = tables.policy(actor.generation) else { return Decision::ALLOWED };
    let now = tables.now();
    if now < policy.cut_until {
        return Decision::by(verdict::DENIED, policy.cut_rule);
    }
    if policy.flags & row::EGRESS == 0 {
        return Decision::ALLOWED;
    }
    let destination = destination(tables, actor.generation, address, protocol, port);
    let refusals = Refusals::of(policy, &destination, silence(tables));
    let excepted = if now < destination.until { u32::from(destination.excepted) } else { 0 };
    let decision = refusals.without(excepted).decision(policy);
    if decision.verdict() == verdict::ALLOWED && refusals.any() & excepted != 0 {
        return Decision(Decision::by(verdict::ALLOWED, destination.exception).0 | Decision::EXCEPTION);
    }
    decision
}

#[inline(always)]
fn destination(
    tables: &impl Tables,
    generation: u32,
    address: &[u8; 16],
    protocol: u32,
    port: u16,
) -> Destination {
    let class = tables.class(generation, address);
    let of_port = DestinationKey { generation, class, protocol, port: port as u32 };
    let of_all = DestinationKey { port: 0, ..of_port };
    let (of_port, of_all) = (tables.destination(&of_port), tables.destination(&of_all));
    of_port.or(of_all).copied().unwrap_or_default()
}

/// Whether a bound secret of this generation forbids every other destination, replies included.
#[inline(always)]
pub fn isolates(policy: &Policy) -> bool {
    let mut isolating = Bindings::default();
    let mut index = 0;
    while index < GROUPS {
        isolating = isolating.or(policy.groups[index].isolating);
        index += 1;
    }
    !policy.bound.and(isolating).is_empty()
}

/// Socket families (include/linux/socket.h) that lead nowhere (unix, netlink, alg) or whose destinations are decided on
/// (inet, inet6).
#[inline(always)]
pub const fn has_destinations(family: u32) -> bool {
    matches!(family, 1 | 2 | 10 | 16 | 38)
}

/// May this workload have a socket for which nobody can say where it leads? Not under a rule that limits its egress.
#[inline(always)]
pub fn undirected(tables: &impl Tables, actor: &Actor, policy: &Policy) -> Decision {
    if actor.is_free() {
        return Decision::ALLOWED;
    }
    Refusals::of_unknown(policy, silence(tables)).decision(policy)
}
