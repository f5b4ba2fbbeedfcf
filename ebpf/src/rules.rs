//! The tables of policy as decisions ask them.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::maps::lpm_trie::Key;
use cofferdam_abi::decide::{Actor, Decision, Tables};
use cofferdam_abi::event::verdict;
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::map::control;
use cofferdam_abi::policy::{
    Assignment, Destination, DestinationKey, GENERATION_BITS, Grant, GrantKey, Policy, PrefixKey, SecretKey,
    SecretRule,
};
use cofferdam_abi::process::ProcessState;

use crate::maps::{ASSIGNED, CONTROL, DESTINATIONS, GRANTS, POLICIES, PREFIXES, SECRETS};
use crate::verifier;

/// The kernel's own tables.
pub struct Kernel;

impl Tables for Kernel {
    #[inline(always)]
    fn policy(&self, generation: u32) -> Option<&Policy> {
        // SAFETY: without preallocation an element is not reused while a program can see it.
        unsafe { POLICIES.get(generation) }
    }

    #[inline(always)]
    fn secret(&self, key: &SecretKey) -> Option<&SecretRule> {
        // SAFETY: as above.
        unsafe { SECRETS.get(key) }
    }

    #[inline(always)]
    fn grant(&self, key: &GrantKey) -> Option<&Grant> {
        // SAFETY: as above.
        unsafe { GRANTS.get(key) }
    }

    #[inline(always)]
    fn class(&self, generation: u32, address: &[u8; 16]) -> u32 {
        let key = Key::new(GENERATION_BITS + 128, PrefixKey { generation, address: *address });
        PREFIXES.get(&key).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn destination(&self, key: &DestinationKey) -> Option<&Destination> {
        // SAFETY: as above.
        unsafe { DESTINATIONS.get(key) }
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_ktime_get_boot_ns() }
    }

    #[inline(always)]
    fn heartbeat(&self) -> u64 {
        CONTROL.get(control::HEARTBEAT).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn forget(&self, number: u64) -> u64 {
        verifier::forget(number)
    }
}

/// Whether these tables are those that decide: not while another version's are carried over into them.
#[inline(always)]
pub fn are_in_charge() -> bool {
    CONTROL.get(control::ACTIVE_GENERATION).is_some_and(|active| *active != 0)
}

/// The generation that decides for a workload; 0: nothing is refused.
#[inline(always)]
pub fn generation_of(workload: u64) -> u32 {
    if !are_in_charge() {
        return 0;
    }
    assigned(workload).generation
}

/// What a workload has, by tables that are in charge.
#[inline(always)]
pub fn assigned(workload: u64) -> Assignment {
    // SAFETY: as above.
    unsafe { ASSIGNED.get(workload) }.copied().unwrap_or_default()
}

/// A process as decisions know it.
#[inline(always)]
pub fn actor(process: &ProcessState, generation: u32) -> Actor {
    Actor { generation, flags: process.flags, facts: process.facts, binary: process.binary }
}

/// A process of which nothing is known but its workload: no reader of anything.
#[inline(always)]
pub fn stranger(generation: u32) -> Actor {
    Actor { generation, flags: 0, facts: 0, binary: InodeKey::default() }
}

/// What was decided, as events carry it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Ruled(Decision);

impl Ruled {
    /// Nothing was asked of any rule.
    pub const FREE: Self = Self(Decision::ALLOWED);

    /// By the generation of the actor, or of the target.
    #[inline(always)]
    pub fn by(decision: Decision, actor: u32, target: u32) -> Self {
        let ruled = decision.of_generation(if decision.is_of_target() { target } else { actor });
        Self(Decision(verifier::forget(ruled.0)))
    }

    /// As a hook that only sees can tell it: what it would refuse has gone through.
    #[inline(always)]
    pub fn seen(self) -> Self {
        if self.is_denied() { Self(self.0.unenforced()) } else { self }
    }

    /// Whether it is refused.
    #[inline(always)]
    pub fn is_denied(self) -> bool {
        self.0.is_denied()
    }

    /// The generation that decided; 0: none.
    #[inline(always)]
    pub fn generation(self) -> u32 {
        self.0.generation()
    }

    /// Number of the rule within it; 0: no rule spoke.
    #[inline(always)]
    pub fn rule(self) -> u32 {
        self.0.rule()
    }

    /// One of [`verdict`], exceptions told apart.
    #[inline(always)]
    pub fn verdict(self) -> u8 {
        if self.0.is_exception() { verdict::EXCEPTED } else { self.0.verdict() }
    }
}
