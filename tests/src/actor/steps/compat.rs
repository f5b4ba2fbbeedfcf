//! Opens through the 32-bit system call table of x86-64 kernels, as a 64-bit program can make them.

use std::num::NonZeroUsize;
use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::open::{c_string, drained};
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// One page holds any path.
const PAGE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// `open32 PATH`: `open` by `int 0x80`. A kernel without the table kills the caller: take this step in a child.
pub(super) fn open(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let result = call(path)?;
    if result < 0 {
        return Err(Refused {
            doing: format!("opening {path} by int 0x80"),
            errno: Errno::from_raw(-result),
        });
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    drained(unsafe { OwnedFd::from_raw_fd(result) }, OFlag::O_RDONLY, path)
}

#[cfg(target_arch = "x86_64")]
fn call(path: &str) -> Result<i32, Refused> {
    use nix::libc::MAP_32BIT;

    /// `open` in arch/x86/entry/syscalls/syscall_32.tbl.
    const OPEN: i32 = 5;
    let text = c_string(path)?;
    let bytes = text.as_bytes_with_nul();
    if bytes.len() > PAGE.get() {
        return Err(Refused { doing: "passing a path".to_owned(), errno: Errno::ENAMETOOLONG });
    }
    let flags = MapFlags::MAP_PRIVATE | MapFlags::from_bits_retain(MAP_32BIT);
    // SAFETY: a new private mapping at an address of the kernel's choice overlaps nothing.
    let page = unsafe { mmap_anonymous(None, PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags) }
        .doing(|| "mapping a page below 4 GiB".to_owned())?;
    let result: i32;
    // SAFETY: the path fits into the page, which is ours and is unmapped only after the call. The call takes its
    // arguments in ebx, ecx and edx; rbx belongs to the compiler and is put back; the kernel clears r8 to r11.
    unsafe {
        page.cast::<u8>().as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        std::arch::asm!(
            "xchg rbx, {path}",
            "int 0x80",
            "xchg rbx, {path}",
            path = inout(reg) page.as_ptr() as u64 => _,
            inlateout("eax") OPEN => result,
            in("ecx") 0,
            in("edx") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
        munmap(page, PAGE.get()).doing(|| "unmapping the page".to_owned())?;
    }
    Ok(result)
}

#[cfg(not(target_arch = "x86_64"))]
fn call(path: &str) -> Result<i32, Refused> {
    let _ = (c_string(path)?, PAGE);
    Err(Refused { doing: "calling by the 32-bit table".to_owned(), errno: Errno::ENOSYS })
}
