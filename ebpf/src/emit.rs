//! Sending records, and counting what could not be sent.

use core::{intrinsics, ptr};

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::maps::RingBuf;
use cofferdam_abi::count::LossKey;
use cofferdam_abi::event::Header;
use cofferdam_abi::hook::{Hook, REASONS, Reason};
use cofferdam_abi::map::control;

use crate::maps::{CONTROL, COUNTERS, LOSSES, SENT};

/// Number of this load of the programs; set before load.
#[unsafe(no_mangle)]
static GENERATION: u64 = 0;

/// Whether this load of the programs may speak. While an agent takes over from another, both loads are attached,
/// and flipping one slot hands over without a gap and without doubles.
#[inline(always)]
pub fn is_active() -> bool {
    // SAFETY: a reference to a static is valid; volatile, because the loader changes it after compilation.
    let own = unsafe { ptr::read_volatile(&raw const GENERATION) };
    CONTROL.get(control::ACTIVE_GENERATION).is_some_and(|active| *active == own)
}

/// Whether this load of the programs keeps processes and cgroups up to date: it speaks, or will once the tables of another
/// version are carried over.
#[inline(always)]
pub fn follows() -> bool {
    // SAFETY: as above.
    let own = unsafe { ptr::read_volatile(&raw const GENERATION) };
    is_active() || CONTROL.get(control::FOLLOWING).is_some_and(|following| *following == own)
}

/// When and where an event happens; its identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Boot clock, ns.
    pub time: u64,
    /// CPU.
    pub cpu: u32,
}

impl Moment {
    #[inline(always)]
    pub fn now() -> Self {
        // SAFETY: neither helper has preconditions.
        let (time, cpu) = unsafe { (bpf_ktime_get_boot_ns(), bpf_get_smp_processor_id()) };
        Self { time, cpu }
    }

    /// The event's id.
    #[inline(always)]
    pub fn id(self) -> u64 {
        self.time << 8 | u64::from(self.cpu & 0xff)
    }

    #[inline(always)]
    pub fn header(self, kind: u16, hook: Hook) -> Header {
        Header { time: self.time, cpu: self.cpu, kind, hook: hook as u16 }
    }
}

/// Reserves a record of type `T`, has it filled, and submits it. `false`: the ring is full, and nothing was counted.
#[inline(always)]
pub fn send<T: 'static>(ring: &RingBuf, hook: Hook, fill: impl FnOnce(*mut T)) -> bool {
    let Some(mut record) = ring.reserve::<T>(0) else {
        return false;
    };
    fill(record.as_mut_ptr());
    record.submit(0);
    add(SENT.get_ptr_mut(hook as u32), 1);
    true
}

/// As [`send`]; a full ring is counted for the hook and the workload.
#[inline(always)]
pub fn send_or_count<T: 'static>(ring: &RingBuf, hook: Hook, workload: u64, fill: impl FnOnce(*mut T)) {
    if !send(ring, hook, fill) {
        count(hook, Reason::RingFull, workload);
    }
}

/// Counts by hook, reason and workload.
#[inline(never)]
pub fn count(hook: Hook, reason: Reason, workload: u64) {
    add(COUNTERS.get_ptr_mut(hook as u32 * REASONS + reason as u32), 1);
    let key = LossKey { workload, hook: hook as u32, reason: reason as u32 };
    if LOSSES.insert(&key, 1, u64::from(BPF_NOEXIST)).is_err() {
        add(LOSSES.get_ptr_mut(&key), 1);
    }
}

/// Adds to a shared counter, if it is there.
#[inline(always)]
pub fn add(counter: Option<*mut u64>, by: u64) {
    if let Some(counter) = counter {
        // SAFETY: a pointer out of a map is valid until the program ends, aligned to 8; all writers add atomically.
        unsafe { intrinsics::atomic_xadd::<u64, u64, { intrinsics::AtomicOrdering::Relaxed }>(counter, by) };
    }
}
