//! Repeats are counted, not sent: the first of a kind is an event, the others add to a counter that user space
//! reads on a timer. A workload has a budget of firsts, so that it cannot crowd out others.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::maps::HashMap;
use cofferdam_abi::count::Count;
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::map::control;
use cofferdam_abi::process::ProcessState;

use crate::emit::{Moment, add, count};
use crate::maps::{CONTROL, WORKLOADS};

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
    /// The key under which occurrences beyond the budget are counted.
    fn aggregate(self) -> Self;
}

/// Counts one occurrence.
#[inline(always)]
pub fn occurred<K: Repeatable>(
    table: &HashMap<K, Count>,
    key: &K,
    process: &ProcessState,
    hook: Hook,
) -> Occurrence {
    let moment = Moment::now();
    if again(table, key, moment) {
        return Occurrence::Counted;
    }
    if !spend(process.workload, moment) {
        count(hook, Reason::OverBudget, process.workload);
        let all = key.aggregate();
        if !again(table, &all, moment) && !begin(table, &all, process, moment) {
            again(table, &all, moment);
        }
        return Occurrence::Counted;
    }
    if begin(table, key, process, moment) {
        Occurrence::First(moment)
    } else if again(table, key, moment) {
        // Another thread was first.
        Occurrence::Counted
    } else {
        count(hook, Reason::CountTableFull, process.workload);
        Occurrence::Uncounted(moment)
    }
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
fn begin<K>(table: &HashMap<K, Count>, key: &K, process: &ProcessState, moment: Moment) -> bool {
    let entry = Count {
        total: 1,
        last: moment.time,
        first: moment.time,
        cgroup: process.cgroup,
        cpu: moment.cpu,
        unsent: 0,
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

/// Takes one from the workload's budget of this second. Unknown workloads share one budget, that of workload 0.
#[inline(always)]
fn spend(workload: u64, moment: Moment) -> bool {
    let Some(state) = WORKLOADS.get_ptr_mut(workload) else { return true };
    // 2^30 ns: a second, nearly, without a division.
    let second = moment.time >> 30;
    // SAFETY: a pointer out of a map is valid until the program ends. Two CPUs may both open a window: the budget
    // is then a little larger, the counts stay exact.
    unsafe {
        if (*state).window != second {
            (*state).window = second;
            (*state).spent = 0;
        }
        if (*state).spent >= CONTROL.get(control::BUDGET).copied().unwrap_or(u64::MAX) {
            add(Some(&raw mut (*state).over_budget), 1);
            return false;
        }
        add(Some(&raw mut (*state).spent), 1);
    }
    true
}
