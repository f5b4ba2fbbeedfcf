//! Repeats are counted, not sent: the first of a kind is an event, the others add to a counter that user space
//! reads on a timer. A workload has a budget of firsts, so that it cannot crowd out others.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::maps::HashMap;
use cofferdam_abi::count::{AGGREGATES_MAX, Count};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::map::control;
use cofferdam_abi::process::ProcessState;

use crate::emit::{Moment, add, count};
use crate::maps::{CONTROL, WORKLOADS};
use crate::rules::Ruled;

/// What an occurrence turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// The first: to be sent; a counter exists.
    First(Moment),
    /// The first, but the table is full: to be sent, and so will every repeat be.
    Uncounted(Moment),
    /// Counted; nothing to send.
    Counted,
}

/// A key that can stand for all processes of a workload together.
pub trait Repeatable: Copy {
    /// The key under which occurrences beyond the budget are counted: without the process.
    fn aggregate(self) -> Self;
    /// As `aggregate`, and without the object: a workload that makes up objects must not fill the table.
    fn nameless(self) -> Self;
}

/// Counts one occurrence. The key is the caller's own, and is another one afterwards if the budget was exceeded: a
/// second key would not fit the stack.
#[inline(always)]
pub fn occurred<K: Repeatable>(
    table: &HashMap<K, Count>,
    key: &mut K,
    process: &ProcessState,
    ruled: Ruled,
    hook: Hook,
) -> Occurrence {
    let moment = Moment::now();
    if again(table, key, moment) {
        return Occurrence::Counted;
    }
    if !spend(process.workload, Budget::Firsts, moment) {
        count(hook, Reason::OverBudget, process.workload);
        *key = key.aggregate();
        aggregated(table, key, process, ruled, hook, moment);
        return Occurrence::Counted;
    }
    if begin(table, key, process.cgroup, ruled, &moment) {
        Occurrence::First(moment)
    } else if again(table, key, moment) {
        // Another thread was first.
        Occurrence::Counted
    } else {
        count(hook, Reason::CountTableFull, process.workload);
        Occurrence::Uncounted(moment)
    }
}

/// Adds to a counter of the workload as a whole.
#[inline(always)]
fn aggregated<K: Repeatable>(
    table: &HashMap<K, Count>,
    key: &mut K,
    process: &ProcessState,
    ruled: Ruled,
    hook: Hook,
    moment: Moment,
) {
    if again(table, key, moment) {
        return;
    }
    if !has_room(process.workload) {
        *key = key.nameless();
    }
    let counted = again(table, key, moment)
        || begin(table, key, process.cgroup, ruled, &moment)
        || again(table, key, moment);
    if !counted {
        count(hook, Reason::NotCounted, process.workload);
    }
}

/// Takes one of the workload's counters for what exceeds its budget.
#[inline(always)]
fn has_room(workload: u64) -> bool {
    let Some(state) = WORKLOADS.get_ptr_mut(workload) else { return false };
    // SAFETY: a pointer out of a map is valid until the program ends. Two CPUs may both take the last one.
    unsafe {
        if (*state).aggregates >= AGGREGATES_MAX {
            return false;
        }
        add(Some(&raw mut (*state).aggregates), 1);
    }
    true
}

/// Adds to a running counter, if there is one.
#[inline(always)]
fn again<K>(table: &HashMap<K, Count>, key: &K, moment: Moment) -> bool {
    let Some(entry) = table.get_ptr_mut(key) else { return false };
    // SAFETY: a pointer out of a map is valid until the program ends; the total is only ever added to, the time of
    // the latest is any of the latest.
    unsafe {
        add(Some(&raw mut (*entry).total), 1);
        (&raw mut (*entry).last).write(moment.time);
    }
    true
}

#[inline(always)]
fn begin<K>(table: &HashMap<K, Count>, key: &K, cgroup: u64, ruled: Ruled, moment: &Moment) -> bool {
    let entry = Count {
        total: 1,
        last: moment.time,
        first: moment.time,
        cgroup,
        cpu: moment.cpu,
        unsent: 0,
        generation: ruled.generation(),
        rule: ruled.rule(),
    };
    table.insert(key, &entry, u64::from(BPF_NOEXIST)).is_ok()
}

/// The event of a first found the ring full: user space will find the entry instead. `false` if there is none.
#[inline(always)]
pub fn defer<K>(table: &HashMap<K, Count>, key: &K) -> bool {
    let Some(entry) = table.get_ptr_mut(key) else { return false };
    // SAFETY: as in `again`; only the first occurrence writes this field.
    unsafe { (&raw mut (*entry).unsent).write(1) };
    true
}

/// What a workload may send so much of in a second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// First accesses and connections.
    Firsts,
    /// Forks and execs.
    Beginnings,
}

/// Takes one from the workload's budget of this second. Unknown workloads share one budget, that of workload 0.
#[inline(always)]
pub fn spend(workload: u64, budget: Budget, moment: Moment) -> bool {
    let Some(state) = WORKLOADS.get_ptr_mut(workload) else { return true };
    // 2^30 ns: a second, nearly, without a division.
    let second = moment.time >> 30;
    // SAFETY: a pointer out of a map is valid until the program ends. Two CPUs may both open a window: the budget
    // is then a little larger, the counts stay exact.
    unsafe {
        if (*state).window != second {
            (*state).window = second;
            (*state).firsts = 0;
            (*state).beginnings = 0;
        }
        let (spent, slot) = match budget {
            Budget::Firsts => (&raw mut (*state).firsts, control::FIRSTS_BUDGET),
            Budget::Beginnings => (&raw mut (*state).beginnings, control::BEGINNINGS_BUDGET),
        };
        if spent.read() >= CONTROL.get(slot).copied().unwrap_or(u64::MAX) {
            return false;
        }
        add(Some(spent), 1);
    }
    true
}
