//! What a process says it runs: with all of its program copied into anonymous memory, it may name another file.

use std::fs;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::mman::{MRemapFlags, MapFlags, ProtFlags, mmap_anonymous, mprotect, mremap};
use nix::sys::stat::Mode;

use crate::actor::given::senseless;
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `struct prctl_mm_map`, include/uapi/linux/prctl.h.
#[repr(C)]
#[derive(Default)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// `set-exe PATH`: has `/proc/self/exe` say another file, by `PR_SET_MM_MAP`; in a user namespace of one's own. Says
/// what it says then.
pub(super) fn set_exe(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let file = open(path, OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("opening {path}"))?;
    let own = own_name()?;
    let table = fs::read_to_string("/proc/self/maps").doing(|| "reading our mappings".to_owned())?;
    table.lines().filter(|line| line.ends_with(&own)).try_for_each(replace)?;
    let map = MemoryMap { exe_fd: file.as_raw_fd().unsigned_abs(), ..now()? };
    let size = size_of::<MemoryMap>();
    // SAFETY: `map` has the layout and the size that the kernel expects, and lives until the call returns.
    let done =
        unsafe { libc::prctl(libc::PR_SET_MM, libc::PR_SET_MM_MAP, (&raw const map) as usize, size, 0) };
    Errno::result(done).doing(|| format!("naming {path} as our program"))?;
    match own_name()? {
        said if said == path => Ok(said),
        said => Err(senseless(format!("our program is still {said}"))),
    }
}

fn own_name() -> Result<String, Refused> {
    let own = fs::read_link("/proc/self/exe").doing(|| "reading /proc/self/exe".to_owned())?;
    Ok(own.to_string_lossy().into_owned())
}

/// Puts a copy in anonymous memory in the place of a mapping of our program.
fn replace(line: &str) -> Result<(), Refused> {
    let wrong = || senseless(format!("`{line}` is no mapping"));
    let (range, rest) = line.split_once(' ').ok_or_else(wrong)?;
    let (start, end) = range.split_once('-').ok_or_else(wrong)?;
    let number = |text| usize::from_str_radix(text, 16).map_err(|_| wrong());
    let (start, end) = (number(start)?, number(end)?);
    let length = end.checked_sub(start).and_then(NonZeroUsize::new).ok_or_else(wrong)?;
    let mut access = ProtFlags::PROT_READ;
    access.set(ProtFlags::PROT_WRITE, rest.as_bytes().get(1) == Some(&b'w'));
    access.set(ProtFlags::PROT_EXEC, rest.as_bytes().get(2) == Some(&b'x'));
    let at = NonNull::new(start as *mut libc::c_void).ok_or_else(wrong)?;
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new private mapping at an address of the kernel's choice overlaps nothing. The old one is readable for
    // its whole length, and what is put in its place has the same bytes and rights; nothing is written to it between.
    unsafe {
        let copy = mmap_anonymous(None, length, both, MapFlags::MAP_PRIVATE)
            .doing(|| "mapping a copy".to_owned())?;
        copy.cast::<u8>().as_ptr().copy_from_nonoverlapping(at.cast::<u8>().as_ptr(), length.get());
        mprotect(copy, length.get(), access).doing(|| "giving a copy its rights".to_owned())?;
        let how = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
        mremap(copy, length.get(), length.get(), how, Some(at))
            .doing(|| "putting a copy in the place of our program".to_owned())?;
    }
    Ok(())
}

/// Our memory as the kernel knows it.
fn now() -> Result<MemoryMap, Refused> {
    let text = fs::read_to_string("/proc/self/stat").doing(|| "reading our state".to_owned())?;
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = after_name.split(' ').map(|word| word.trim().parse().unwrap_or(0)).collect();
    // proc(5) counts from 1, and the name is the second.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    // SAFETY: asking for the break changes nothing.
    let brk = unsafe { libc::sbrk(0) } as u64;
    Ok(MemoryMap {
        start_code: field(26),
        end_code: field(27),
        start_data: field(45),
        end_data: field(46),
        start_brk: field(47),
        brk,
        start_stack: field(28),
        arg_start: field(48),
        arg_end: field(49),
        env_start: field(50),
        env_end: field(51),
        ..MemoryMap::default()
    })
}
