//! The only code that knows a kernel layout: typed handles over field offsets that the sensor resolves from the
//! running kernel's BTF and sets as frozen globals before load.

mod cgroup;
mod exec;
mod file;
mod task;

use core::ptr;

use aya_ebpf::helpers::bpf_probe_read_kernel;
pub use cgroup::Cgroup;
use cofferdam_abi::fields::ABSENT;
use cofferdam_abi::kernel_fields;
pub use exec::Bprm;
pub use file::{Dentry, File, Inode};
pub use task::{Task, syscall_number};

/// A global that carries a field's offset; frozen before load, so the verifier knows its value.
#[derive(Clone, Copy)]
pub struct Offset(&'static u64);

impl Offset {
    #[inline(always)]
    fn get(self) -> u64 {
        // SAFETY: a reference to a static is valid; volatile, because the loader changes the value after compilation.
        unsafe { ptr::read_volatile(self.0) }
    }

    /// Whether this kernel has the field.
    #[inline(always)]
    pub fn exists(self) -> bool {
        self.get() != ABSENT
    }
}

macro_rules! globals {
    ($($symbol:ident: $structure:literal [$($path:literal),+] $kind:ident $(($size:literal))? $source:ident $(($module:literal))?;)+) => {
        mod global {
            $(#[unsafe(no_mangle)] pub static $symbol: u64 = super::ABSENT;)+
        }
        mod offset {
            use super::{Offset, global};
            $(pub const $symbol: Offset = Offset(&global::$symbol);)+
        }
    };
}

kernel_fields!(globals);

/// How fields are read through a handle.
pub trait Read: Copy {
    /// Reads the field at `offset` of the object at `base`; `None` if it cannot be read.
    ///
    /// # Safety
    /// `base` must be what the implementation asks for, and `T` the field's type.
    unsafe fn read<T: Copy>(base: *const u8, offset: Offset) -> Option<T>;
}

/// The verifier knows the object's type (a hook's argument, or a pointer loaded from one): plain loads, which it
/// checks against BTF. A bad pointer reads as zero.
#[derive(Clone, Copy)]
pub struct Typed;

/// Any kernel address: each load goes through a helper that cannot fault.
#[derive(Clone, Copy)]
pub struct Probed;

impl Read for Typed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, offset: Offset) -> Option<T> {
        // SAFETY: the verifier refuses the program unless the offset is that of a readable field of the type that
        // it tracks for `base`; such loads are fault-protected by the kernel.
        Some(unsafe { ptr::read_volatile(base.add(offset.get() as usize).cast::<T>()) })
    }
}

impl Read for Probed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, offset: Offset) -> Option<T> {
        if base.is_null() {
            return None;
        }
        // SAFETY: the helper validates the address; any bytes are a valid `T` (integers and raw pointers only).
        unsafe { bpf_probe_read_kernel(base.wrapping_add(offset.get() as usize).cast::<T>()).ok() }
    }
}

/// Reads `T` at an address that was computed, not looked up by field.
#[inline(always)]
fn probe<T: Copy>(at: *const u8) -> Option<T> {
    if at.is_null() {
        return None;
    }
    // SAFETY: the helper validates the address; any bytes are a valid `T` (integers and raw pointers only).
    unsafe { bpf_probe_read_kernel(at.cast::<T>()).ok() }
}

/// The address `offset` bytes into the object at `base`.
#[inline(always)]
fn inside(base: *const u8, offset: Offset) -> *const u8 {
    base.wrapping_add(offset.get() as usize)
}

/// The object that contains, at `offset`, the member at `member`.
#[inline(always)]
fn container_of(member: *const u8, offset: Offset) -> *const u8 {
    member.wrapping_sub(offset.get() as usize)
}
