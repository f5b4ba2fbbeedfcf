//! Through io_uring the kernel opens, connects and sends without a system call for it.

use std::net::SocketAddrV4;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrLike, socket};

use super::open::{c_string, drained};
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `IORING_OP_CONNECT`, include/uapi/linux/io_uring.h; the same header has all that follows.
const OP_CONNECT: u8 = 16;
const OP_OPENAT: u8 = 18;
const OP_SEND: u8 = 26;
const ENTER_GETEVENTS: libc::c_uint = 1;
const OFF_SUBMISSION_RING: i64 = 0;
const OFF_COMPLETION_RING: i64 = 0x800_0000;
const OFF_ENTRIES: i64 = 0x1000_0000;

#[repr(C)]
#[derive(Default)]
struct SubmissionOffsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    reserved: u32,
    address: u64,
}

#[repr(C)]
#[derive(Default)]
struct CompletionOffsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    overflow: u32,
    cqes: u32,
    flags: u32,
    reserved: u32,
    address: u64,
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Params {
    submission_entries: u32,
    completion_entries: u32,
    flags: u32,
    thread_cpu: u32,
    thread_idle: u32,
    features: u32,
    shared_with: u32,
    reserved: [u32; 3],
    submission: SubmissionOffsets,
    completion: CompletionOffsets,
}

/// `struct io_uring_sqe`.
#[repr(C)]
struct Submission {
    opcode: u8,
    flags: u8,
    priority: u16,
    descriptor: i32,
    offset: u64,
    address: u64,
    length: u32,
    open_flags: u32,
    user_data: u64,
    rest: [u64; 3],
}

/// `struct io_uring_cqe`.
#[repr(C)]
struct Completion {
    user_data: u64,
    result: i32,
    flags: u32,
}

impl Submission {
    fn new(opcode: u8, descriptor: i32, address: u64) -> Self {
        let rest = [0; 3];
        let (flags, priority, offset, length, open_flags, user_data) = (0, 0, 0, 0, 0, 1);
        Self { opcode, flags, priority, descriptor, offset, address, length, open_flags, user_data, rest }
    }
}

/// `open-uring PATH`
pub(super) fn open(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let text = c_string(path)?;
    let open_flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u32;
    let submission = Submission::new(OP_OPENAT, libc::AT_FDCWD, text.as_ptr() as u64);
    let opened = done(Submission { open_flags, ..submission }, || format!("opening {path}"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    drained(unsafe { OwnedFd::from_raw_fd(opened) }, OFlag::O_RDONLY, path)
}

/// `connect-uring ADDRESS`: TCP over IPv4.
pub(super) fn connect(given: &Given<'_>, _: &mut Hands) -> Done {
    let address: SocketAddrV4 = given.parsed(0, "address")?;
    let stream = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
        .doing(|| "making a socket".to_owned())?;
    let to = SockaddrIn::from(address);
    let submission = Submission::new(OP_CONNECT, stream.as_raw_fd(), to.as_ptr() as u64);
    let offset = u64::from(to.len());
    done(Submission { offset, ..submission }, || format!("connecting to {address}"))?;
    Ok(String::new())
}

/// `send-uring NAME`: one byte over a held socket.
pub(super) fn send(given: &Given<'_>, hands: &mut Hands) -> Done {
    let name = given.text(0, "name")?;
    let byte = [b'x'];
    let submission = Submission::new(OP_SEND, hands.held(name)?.as_raw_fd(), byte.as_ptr() as u64);
    done(Submission { length: 1, ..submission }, || format!("sending over {name}"))?;
    Ok(String::new())
}

/// Has the kernel do one thing, and waits for it. Whatever the submission points to lives until then.
fn done(submission: Submission, doing: impl Fn() -> String) -> Result<i32, Refused> {
    let mut params = Params::default();
    // SAFETY: `params` has the layout that the kernel expects and lives until the call returns.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut params) };
    let ring = Errno::result(ring).doing(|| "making an io_uring".to_owned())?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    let ring = unsafe { OwnedFd::from_raw_fd(ring as i32) };

    let submissions = map(&ring, OFF_SUBMISSION_RING, params.submission.array as usize + size_of::<u32>())?;
    let cqes = params.completion.cqes as usize;
    let completions =
        map(&ring, OFF_COMPLETION_RING, cqes + params.completion_entries as usize * size_of::<Completion>())?;
    let entries = map(&ring, OFF_ENTRIES, size_of::<Submission>())?;
    // SAFETY: the ring has one entry and one slot, mapped above at the offsets that the kernel gave; it is fresh, so
    // both tails are 0 and the kernel reads nothing before the call below.
    unsafe {
        entries.cast::<Submission>().write(submission);
        submissions.add(params.submission.array as usize).cast::<u32>().write(0);
        let tail = submissions.add(params.submission.tail as usize).cast::<u32>();
        AtomicU32::from_ptr(tail).store(1, Ordering::Release);
    }
    // SAFETY: the descriptor is a ring with one submission; what that points to lives until the caller returns.
    let entered = unsafe {
        libc::syscall(libc::SYS_io_uring_enter, ring.as_raw_fd(), 1, 1, ENTER_GETEVENTS, ptr::null::<u8>(), 0)
    };
    Errno::result(entered).doing(|| "waiting for the io_uring".to_owned())?;
    // SAFETY: the kernel has written one completion: the call above has waited for it.
    let result = unsafe { completions.add(cqes).cast::<Completion>().read_volatile() }.result;
    if result < 0 {
        let doing = format!("{} through io_uring", doing());
        return Err(Refused { doing, errno: Errno::from_raw(-result) });
    }
    Ok(result)
}

/// A part of the ring. It stays mapped as long as the process lives.
fn map(ring: &OwnedFd, offset: i64, length: usize) -> Result<*mut u8, Refused> {
    let length = NonZeroUsize::new(length).unwrap_or(NonZeroUsize::MIN);
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
    let at = unsafe { mmap(None, length, access, flags, ring, offset) }
        .doing(|| "mapping an io_uring".to_owned())?;
    Ok(at.as_ptr().cast())
}
