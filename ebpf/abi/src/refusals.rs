//! Which groups of a workload's egress rules refuse a destination: one bit each.
//!
//! No branch but "is there another group": the kernel's verifier follows every combination of outcomes, which for eight
//! groups with four questions each took longer than all the other programs together.

use crate::decide::Decision;
use crate::event::verdict;
use crate::policy::{Bindings, Destination, GROUPS, Group, Policy, group};

/// Bit per group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refusals {
    /// Its egress rule refuses.
    egress: u32,
    /// Its bound secrets refuse.
    binding: u32,
    /// It only observes.
    observes: u32,
}

impl Refusals {
    /// Of a destination, after the agent was silent for so many ns.
    #[inline(always)]
    pub fn of(policy: &Policy, to: &Destination, silence: u64) -> Self {
        let mut all = Self::default();
        let mut index = 0;
        while index < GROUPS {
            let group = &policy.groups[index];
            if group.flags & group::PRESENT == 0 {
                // They are filled from the first.
                break;
            }
            let at = index as u32;
            let denied = u32::from(to.deny) >> at & 1;
            let (by_default, by_binding) = limits(group, at, policy.bound, to);
            all.egress |= (denied | by_default) << at;
            all.binding |= (by_binding & !denied) << at;
            all.observes |= observes(group, silence) << at;
            index += 1;
        }
        all
    }

    /// Of a destination that nobody can tell.
    #[inline(always)]
    pub fn of_unknown(policy: &Policy, silence: u64) -> Self {
        let mut all = Self::default();
        let mut index = 0;
        while index < GROUPS {
            let group = &policy.groups[index];
            if group.flags & group::PRESENT == 0 {
                break;
            }
            let at = index as u32;
            let binds = bit(group.flags, group::BINDS);
            all.binding |= binds << at;
            all.egress |= (bit(group.flags, group::DEFAULT_DENY) & !binds) << at;
            all.observes |= observes(group, silence) << at;
            index += 1;
        }
        all
    }

    /// All that refuse.
    #[inline(always)]
    pub const fn any(self) -> u32 {
        self.egress | self.binding
    }

    /// Those of the other groups.
    #[inline(always)]
    pub const fn without(self, groups: u32) -> Self {
        Self { egress: self.egress & !groups, binding: self.binding & !groups, observes: self.observes }
    }

    /// The strictest, and of equals the first.
    #[inline(always)]
    pub fn decision(self, policy: &Policy) -> Decision {
        let denied = self.any() & !self.observes;
        let (verdict, which) =
            if denied != 0 { (verdict::DENIED, denied) } else { (verdict::WOULD_DENY, self.any()) };
        if which == 0 {
            return Decision::ALLOWED;
        }
        // The compiler knows that it is below 8 and would drop the bound, which the verifier wants to see.
        let at = core::hint::black_box(which).trailing_zeros() as usize % GROUPS;
        let group = &policy.groups[at];
        let rule = if self.binding >> at & 1 != 0 { group.binding_rule } else { group.egress_rule };
        Decision::by(verdict, rule)
    }
}

/// 1 if what is not named is refused; 1 if a bound secret refuses.
#[inline(always)]
fn limits(group: &Group, at: u32, bound: Bindings, to: &Destination) -> (u32, u32) {
    // Any bound secret's destination will do; of one that isolates, its own alone.
    let active = bound.and(group.bindings);
    let is_bound = active.some();
    let permitted = active.and(to.permits).some();
    // Before anything is read a secret's destinations are only named, which is enough.
    let named = group.bindings.and(to.permits).some();
    let isolated_elsewhere = active.and(group.isolating).without(to.permits).some();
    let free = u32::from(to.resolver) & 1;
    let passes = permitted | u32::from(to.allow) >> at & 1;
    let by_binding = (isolated_elsewhere | is_bound & !passes) & !free;
    let by_default = bit(group.flags, group::DEFAULT_DENY) & !(free | by_binding | passes | is_bound | named);
    (by_default & 1, by_binding & 1)
}

/// 1 if the group only observes, or by now does without its agent.
#[inline(always)]
fn observes(group: &Group, silence: u64) -> u32 {
    let patience = group.release as u64 * 1_000_000_000;
    // The sign of the difference; neither comes near 2^63 ns.
    let is_late = (patience.wrapping_sub(silence) >> 63) as u32;
    bit(group.flags, group::OBSERVES) | is_late & bit(group.flags, group::RELEASES)
}

#[inline(always)]
const fn bit(flags: u32, of: u32) -> u32 {
    flags >> of.trailing_zeros() & 1
}
