//! What aya does not do to kernel tables: reading a whole one in few system calls (BPF_MAP_LOOKUP_BATCH, since Linux 5.6,
//! for prefixes since 5.13), and entries as mere bytes, for tables whose values are another version's.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use aya::Pod;

const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
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

/// The same, of its members for one element.
#[repr(C)]
#[derive(Default)]
struct ElementAttr {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Whether to write over what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// In any case.
    Anyway = 0,
    /// Only where there is nothing yet.
    New = 1,
}

/// A table by its descriptor, with the sizes of its keys and values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) key: usize,
    pub(crate) value: usize,
}

impl Raw<'_> {
    /// Calls `each` with the bytes of every entry. Entries that come or go meanwhile may be left out; one that stays is
    /// seen once.
    ///
    /// # Errors
    /// If the kernel refuses the read.
    pub(crate) fn for_each(self, mut each: impl FnMut(&[u8], &[u8])) -> io::Result<()> {
        let (mut keys, mut values) = (vec![0; BATCH * self.key], vec![0; BATCH * self.value]);
        // Of hash tables the number of a bucket, of others a key.
        let mut position = vec![0; self.key.max(size_of::<u32>())];
        let mut next = position.clone();
        let mut begun = false;
        loop {
            let mut attr = BatchAttr {
                in_batch: if begun { position.as_ptr() as u64 } else { 0 },
                out_batch: next.as_mut_ptr() as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: BATCH as u32,
                map_fd: self.fd.as_raw_fd() as u32,
                ..BatchAttr::default()
            };
            // SAFETY: the kernel writes at most `count` keys and values of the table's sizes into buffers of that
            // capacity, one position, and the count; all outlive the call.
            let ended = match unsafe { call(BPF_MAP_LOOKUP_BATCH, &mut attr) } {
                Ok(()) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Err(error) => return Err(error),
            };
            let count = (attr.count as usize).min(BATCH);
            let entries = keys.chunks_exact(self.key).zip(values.chunks_exact(self.value));
            entries.take(count).for_each(|(key, value)| each(key, value));
            if ended {
                return Ok(());
            }
            std::mem::swap(&mut position, &mut next);
            begun = true;
        }
    }

    /// Writes an entry; both must have the table's sizes. Where it shall be new and is not, nothing is done.
    ///
    /// # Errors
    /// If the kernel refuses; `E2BIG` means that the table is full.
    pub(crate) fn put(self, key: &[u8], value: &[u8], how: Put) -> io::Result<()> {
        // SAFETY: the kernel reads a key and a value of the table's sizes; both outlive the call.
        match unsafe { self.element(BPF_MAP_UPDATE_ELEM, key, value.as_ptr() as u64, how as u64) } {
            Err(error) if how == Put::New && error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            done => done,
        }
    }

    /// Removes an entry, if it is there.
    pub(crate) fn remove(self, key: &[u8]) {
        // SAFETY: the kernel reads a key of the table's size, which outlives the call.
        let _ = unsafe { self.element(BPF_MAP_DELETE_ELEM, key, 0, 0) };
    }

    /// # Safety
    /// Key and value must be what the command reads or writes of this table.
    unsafe fn element(self, command: libc::c_long, key: &[u8], value: u64, flags: u64) -> io::Result<()> {
        let map_fd = self.fd.as_raw_fd() as u32;
        let mut attr = ElementAttr { map_fd, key: key.as_ptr() as u64, value, flags, padding: 0 };
        // SAFETY: the caller's.
        unsafe { call(command, &mut attr) }
    }
}

/// bpf(2).
///
/// # Safety
/// What `attr` points to must be valid for the command.
unsafe fn call<T>(command: libc::c_long, attr: &mut T) -> io::Result<()> {
    // SAFETY: the caller's.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<T>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// As [`Raw::for_each`], of a table of these types.
///
/// # Errors
/// If the kernel refuses the read.
pub(crate) fn for_each<K: Pod, V: Pod>(fd: BorrowedFd<'_>, mut each: impl FnMut(K, V)) -> io::Result<()> {
    let table = Raw { fd, key: size_of::<K>(), value: size_of::<V>() };
    table.for_each(|key, value| {
        if let (Some(key), Some(value)) = (read(key), read(value)) {
            each(key, value);
        }
    })
}

/// The value that these bytes are; `None` if they are not as many.
pub(crate) fn read<T: Pod>(bytes: &[u8]) -> Option<T> {
    // SAFETY: any bytes are a valid `Pod`, and there are as many as one has.
    (bytes.len() == size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}
