//! Code that is mapped from files.

use std::fs;
use std::num::NonZeroUsize;
use std::os::raw::c_void;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::stat::Mode;

use crate::actor::{Doing, Done, Given, Hands, Refused};

/// A function that returns 42.
#[cfg(target_arch = "x86_64")]
const PROGRAM: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3];
/// A function that returns 42.
#[cfg(target_arch = "aarch64")]
const PROGRAM: &[u8] = &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];

/// `map-code PATH`: maps a file as code, as the loader does with a library.
pub(super) fn map(given: &Given<'_>, _: &mut Hands) -> Done {
    mapped(given.text(0, "path")?).map(|_| String::new())
}

/// `run-mapped PATH`: writes a program, maps it as code and jumps into it, as the loader does with a program that it is
/// given by name.
pub(super) fn run(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    fs::write(path, PROGRAM).doing(|| format!("writing {path}"))?;
    let code = mapped(path)?;
    // SAFETY: the mapping begins with a whole function of this type and this machine, and stays.
    let function = unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> i32>(code.as_ptr()) };
    match function() {
        42 => Ok(String::new()),
        other => Err(Refused { doing: format!("the code of {path} said {other}"), errno: Errno::ENOEXEC }),
    }
}

fn mapped(path: &str) -> Result<NonNull<c_void>, Refused> {
    let file = open(path, OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("opening {path}"))?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: a new private mapping at an address of the kernel's choice overlaps nothing; it stays.
    unsafe { mmap(None, NonZeroUsize::MIN, access, MapFlags::MAP_PRIVATE, &file, 0) }
        .doing(|| format!("mapping {path} as code"))
}
