//! Ways to open a file.

mod creat;
mod descriptor_passed;
mod io_uring;
mod mmap;
mod open_32_bit;
mod open_by_handle;
mod openat;
mod openat2;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    openat::SCENARIO,
    openat2::SCENARIO,
    open_32_bit::SCENARIO,
    open_by_handle::SCENARIO,
    creat::SCENARIO,
    io_uring::SCENARIO,
    mmap::SCENARIO,
    descriptor_passed::SCENARIO,
];
