//! The only code that knows a kernel layout: typed handles over field offsets that the sensor resolves from the
//! running kernel's BTF and sets as frozen globals before load.

mod cgroup;
mod exec;
mod file;
mod socket;
mod task;

use core::mem::MaybeUninit;
use core::ptr;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
pub use cgroup::Cgroup;
use cofferdam_abi::fields::ABSENT;
use cofferdam_abi::kernel_fields;
pub use exec::Bprm;
pub use file::{Dentry, File, Inode, Special};
pub use socket::{Sock, UnixSock};
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

/// How fields are read through a handle. What cannot be read is zero: one path for the verifier, and no field of ours
/// means anything when it is zero.
pub trait Read: Copy {
    /// Reads the field at `offset` of the object at `base`.
    ///
    /// # Safety
    /// `base` must be what the implementation asks for, and `T` the field's type: an integer or a raw pointer.
    unsafe fn read<T: Copy>(base: *const u8, offset: Offset) -> T;
}

/// The verifier knows the object's type (a hook's argument, or a pointer loaded from one): plain loads, which it
/// checks against BTF.
#[derive(Clone, Copy)]
pub struct Typed;

/// Any kernel address: each load goes through a helper that cannot fault.
#[derive(Clone, Copy)]
pub struct Probed;

impl Read for Typed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, offset: Offset) -> T {
        // SAFETY: the verifier refuses the program unless the offset is that of a readable field of the type that
        // it tracks for `base`; such loads are fault-protected by the kernel.
        unsafe { ptr::read_volatile(base.add(offset.get() as usize).cast::<T>()) }
    }
}

impl Read for Probed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, offset: Offset) -> T {
        probe(base.wrapping_add(offset.get() as usize))
    }
}

/// Reads an integer or a raw pointer at any address.
#[inline(always)]
fn probe<T: Copy>(at: *const u8) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper validates the address and writes all of `value`: zeros where it cannot read
    // (bpf_probe_read_kernel_common, kernel/trace/bpf_trace.c). Any bytes are a valid integer or raw pointer.
    unsafe {
        bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, at.cast());
        value.assume_init()
    }
}

/// The descriptor or number that the attributes of a call of bpf(2) begin with; the kernel has copied them.
#[inline(always)]
pub fn first_word(attributes: *const u8) -> u32 {
    probe(attributes)
}

/// The number that the kernel gives a map.
#[inline(always)]
pub fn id_of_map(map: *const u8) -> u32 {
    probe(inside(map, offset::MAP_ID))
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
