//! Reading a whole kernel hash table in few system calls (BPF_MAP_LOOKUP_BATCH, since Linux 5.6).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use aya::Pod;

const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
/// Entries asked for at a time: larger than any bucket of our tables gets.
const BATCH: usize = 4096;

/// `union bpf_attr`, its `batch` member, include/uapi/linux/bpf.h.
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Calls `each` for every entry. Entries that come or go meanwhile may be left out; one that stays is seen once.
///
/// # Errors
/// If the kernel refuses the read.
pub(crate) fn for_each<K: Pod, V: Pod>(fd: BorrowedFd<'_>, mut each: impl FnMut(K, V)) -> io::Result<()> {
    let mut keys: Vec<K> = Vec::with_capacity(BATCH);
    let mut values: Vec<V> = Vec::with_capacity(BATCH);
    let mut position = 0u32;
    let mut begun = false;
    loop {
        let mut next = 0u32;
        let mut attr = BatchAttr {
            in_batch: if begun { (&raw const position) as u64 } else { 0 },
            out_batch: (&raw mut next) as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: BATCH as u32,
            map_fd: fd.as_raw_fd() as u32,
            ..BatchAttr::default()
        };
        // SAFETY: the kernel writes at most `count` keys and values into buffers of that capacity, one position
        // word, and the count; all outlive the call.
        let result = unsafe {
            libc::syscall(libc::SYS_bpf, BPF_MAP_LOOKUP_BATCH, &raw mut attr, size_of::<BatchAttr>())
        };
        let ended = result < 0;
        if ended {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ENOENT) {
                return Err(error);
            }
        }
        let count = (attr.count as usize).min(BATCH);
        // SAFETY: the kernel has initialised the first `count` elements; any bytes are a valid `Pod`.
        unsafe {
            keys.set_len(count);
            values.set_len(count);
        }
        for (key, value) in keys.iter().zip(&values) {
            each(*key, *value);
        }
        if ended {
            return Ok(());
        }
        (position, begun) = (next, true);
    }
}
