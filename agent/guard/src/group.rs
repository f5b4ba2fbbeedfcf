//! The fanotify group: marks, and events that wait for an answer.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::protocol::{Marked, What};

/// Events read at a time.
const BATCH: usize = 32;
const METADATA: usize = size_of::<libc::fanotify_event_metadata>();

/// An open that the kernel holds back.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The file. The kernel has opened it for us without asking anybody.
    pub(crate) file: OwnedFd,
    /// Thread-group id of the opener; 0 if it is not in our pid namespace.
    pub(crate) tgid: u32,
}

/// The group. When its last descriptor closes, the kernel lets everything pass.
#[derive(Debug)]
pub struct Group(OwnedFd);

impl Group {
    /// Makes a group without marks.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`, or on a kernel without fanotify's permission events.
    pub fn new() -> io::Result<Self> {
        let flags = libc::FAN_CLASS_CONTENT
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK
            | libc::FAN_UNLIMITED_QUEUE
            | libc::FAN_UNLIMITED_MARKS;
        // Not to wait for the other end of a pipe that somebody has put beside the secrets.
        let of_files = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_LARGEFILE;
        // SAFETY: no pointers; the descriptor is new and ours.
        let group = unsafe { libc::fanotify_init(flags, of_files as u32) };
        if group < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(group) }))
    }

    /// From now on opens there wait for our answer. `place` may be a descriptor of the mere place (`O_PATH`).
    ///
    /// # Errors
    /// If the kernel refuses the mark.
    pub fn mark(&self, what: What, place: BorrowedFd<'_>) -> io::Result<()> {
        self.change(libc::FAN_MARK_ADD, what, place)
    }

    /// Opens there are not held back any more.
    ///
    /// # Errors
    /// `ENOENT` if nothing was marked there.
    pub fn unmark(&self, what: What, place: BorrowedFd<'_>) -> io::Result<()> {
        self.change(libc::FAN_MARK_REMOVE, what, place)
    }

    fn change(&self, change: u32, what: What, place: BorrowedFd<'_>) -> io::Result<()> {
        let (kind, mask) = match what {
            What::Filesystem => (libc::FAN_MARK_FILESYSTEM, libc::FAN_OPEN_PERM),
            What::File => (libc::FAN_MARK_INODE, libc::FAN_OPEN_PERM | libc::FAN_EVENT_ON_CHILD),
        };
        // The call takes no descriptor of a mere place, but a link to one.
        let link = format!("/proc/self/fd/{}\0", place.as_raw_fd());
        // SAFETY: the path is NUL-terminated and outlives the call.
        let done = unsafe {
            libc::fanotify_mark(self.0.as_raw_fd(), change | kind, mask, libc::AT_FDCWD, link.as_ptr().cast())
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// What is marked now, as the kernel says: the marks of a file system that was unmounted are gone.
    ///
    /// # Errors
    /// If /proc cannot be read.
    pub fn marks(&self) -> io::Result<Vec<Marked>> {
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0.as_raw_fd()))?;
        Ok(text.lines().filter_map(marked).collect())
    }

    /// Passes each open that waits to `decide`, and answers with what it says: `true` lets it pass. Allocates nothing.
    ///
    /// # Errors
    /// If the kernel has no events to give although it said so.
    pub(crate) fn answer(&self, mut decide: impl FnMut(&Opening) -> bool) -> io::Result<()> {
        let mut buffer = Buffer([0; BATCH * METADATA]);
        // SAFETY: the buffer is as long as is said.
        let length = unsafe { libc::read(self.0.as_raw_fd(), buffer.0.as_mut_ptr().cast(), buffer.0.len()) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) };
        };
        for event in events(buffer.0.get(..length).unwrap_or_default()) {
            let Some(file) = event.file else { continue };
            // SAFETY: the kernel has made this descriptor for us with this event, and it is wrapped once.
            let opening = Opening { file: unsafe { OwnedFd::from_raw_fd(file) }, tgid: event.tgid };
            let allow = event.asks && decide(&opening);
            if event.asks {
                self.respond(&opening, allow);
            }
        }
        Ok(())
    }

    fn respond(&self, opening: &Opening, allow: bool) {
        let response = if allow { libc::FAN_ALLOW } else { libc::FAN_DENY };
        let answer = libc::fanotify_response { fd: opening.file.as_raw_fd(), response };
        // It fails only for an open that nobody waits for any more: its process was killed.
        // SAFETY: the record is as long as is said, and outlives the call.
        let _ = unsafe {
            libc::write(self.0.as_raw_fd(), (&raw const answer).cast(), size_of::<libc::fanotify_response>())
        };
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Aligned as the records in it.
#[repr(C, align(8))]
struct Buffer([u8; BATCH * METADATA]);

/// A record of the kernel.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    /// Whether it waits for an answer.
    asks: bool,
    /// None where the queue overflowed, or the file could not be opened: the kernel has answered itself.
    file: Option<RawFd>,
    tgid: u32,
}

/// The records in what was read. Ends at the first that is not whole, or of another version.
fn events(mut bytes: &[u8]) -> impl Iterator<Item = Event> {
    std::iter::from_fn(move || {
        let (head, _) = bytes.split_at_checked(METADATA)?;
        // SAFETY: long enough, and any bytes are a valid record of integers.
        let record: libc::fanotify_event_metadata =
            unsafe { head.as_ptr().cast::<libc::fanotify_event_metadata>().read_unaligned() };
        let length = record.event_len as usize;
        if record.vers != libc::FANOTIFY_METADATA_VERSION || length < METADATA {
            return None;
        }
        bytes = bytes.get(length..)?;
        Some(Event {
            asks: record.mask & libc::FAN_OPEN_PERM != 0,
            file: (record.fd >= 0).then_some(record.fd),
            tgid: u32::try_from(record.pid).unwrap_or(0),
        })
    })
}

/// A line of the group's fdinfo that speaks of a mark.
fn marked(line: &str) -> Option<Marked> {
    let rest = line.strip_prefix("fanotify ")?;
    let field = |name: &str| {
        rest.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))
    };
    let device = u32::from_str_radix(field("sdev")?, 16).ok()?;
    Some(match field("ino") {
        Some(ino) => Marked::File { device, ino: u64::from_str_radix(ino, 16).ok()? },
        None => Marked::Filesystem { device },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(length: u32, mask: u64, fd: i32, pid: i32) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend([libc::FANOTIFY_METADATA_VERSION, 0]);
        bytes.extend((METADATA as u16).to_ne_bytes());
        bytes.extend(mask.to_ne_bytes());
        bytes.extend(fd.to_ne_bytes());
        bytes.extend(pid.to_ne_bytes());
        bytes
    }

    #[test]
    fn records_are_read_one_after_the_other() {
        let mut bytes = record(METADATA as u32, libc::FAN_OPEN_PERM, 7, 42);
        bytes.extend(record(METADATA as u32, libc::FAN_Q_OVERFLOW, -1, 0));
        let found: Vec<_> = events(&bytes).collect();
        assert_eq!(
            found,
            [Event { asks: true, file: Some(7), tgid: 42 }, Event { asks: false, file: None, tgid: 0 },]
        );
    }

    #[test]
    fn a_record_that_claims_more_than_there_is_ends_the_reading() {
        assert_eq!(events(&record(METADATA as u32 + 1, libc::FAN_OPEN_PERM, 7, 42)).count(), 0);
        assert_eq!(events(&record(0, libc::FAN_OPEN_PERM, 7, 42)).count(), 0);
    }

    #[test]
    fn marks_are_told_as_the_kernel_lists_them() {
        let text = "pos:\t0\nflags:\t02004002\nmnt_id:\t15\nino:\t1058\nfanotify flags:34 event-flags:8000\n\
                    fanotify sdev:2b mflags:0 mask:10000 ignored_mask:0\n\
                    fanotify ino:4f969 sdev:fd00001 mflags:0 mask:8010000 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:69f904\n";
        let found: Vec<_> = text.lines().filter_map(marked).collect();
        assert_eq!(
            found,
            [Marked::Filesystem { device: 0x2b }, Marked::File { device: 0x0fd0_0001, ino: 0x4f969 },]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(events(&bytes).count() <= bytes.len() / METADATA);
        }

        #[test]
        fn no_line_upsets_the_list(line in ".{0,80}") {
            let _ = marked(&line);
            let _ = marked(&format!("fanotify {line}"));
        }
    }
}
