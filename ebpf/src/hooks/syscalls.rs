//! Tracepoint tier: successful opens, seen when the system call returns the descriptor.

use core::ptr;

use cofferdam_abi::event::how;
use cofferdam_abi::hook::Hook;

use super::file;
use crate::kernel::{Task, syscall_number};

/// Numbers of `open`, `creat`, `openat`, `open_by_handle_at`, `openat2` in the native table; set before load,
/// -1 where the architecture has none.
#[unsafe(no_mangle)]
static NATIVE_OPENS: [i32; 5] = [-1; 5];
/// The same in the 32-bit table.
#[unsafe(no_mangle)]
static COMPAT_OPENS: [i32; 5] = [-1; 5];

/// Bit that x32 programs set in their numbers, arch/x86/include/uapi/asm/unistd.h.
const X32_BIT: i32 = 0x4000_0000;

/// A system call returned.
#[inline(always)]
pub fn returned(regs: *const u8, result: i64) {
    if result < 0 {
        return;
    }
    let number = syscall_number(regs);
    let native = contains(&raw const NATIVE_OPENS, number & !X32_BIT);
    let compat = contains(&raw const COMPAT_OPENS, number);
    if !native && !compat {
        return;
    }
    let task = Task::current();
    if !(if task.in_compat_syscall() { compat } else { native }) {
        return;
    }
    // A descriptor of a mere place (O_PATH) reads nothing; the lsm tier does not see it either.
    if let Some(opened) = task.descriptor(result as u64).filter(|file| !file.is_place()) {
        file::reached(opened, Hook::Open, how::OPEN, false);
    }
}

#[inline(always)]
fn contains(numbers: *const [i32; 5], number: i32) -> bool {
    // SAFETY: a pointer to a static; volatile, because the loader changes it after compilation.
    let [a, b, c, d, e] = unsafe { ptr::read_volatile(numbers) };
    number == a || number == b || number == c || number == d || number == e
}
