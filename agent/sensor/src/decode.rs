//! From ring records to events. Bytes that are no record of ours are an error that counts, never a panic.

use aya::Pod;
use cofferdam_abi::event::{
    AccessEvent, AttemptEvent, CgroupEvent, ConnectionEvent, EntryEvent, ExecEvent, ExitEvent,
    FilesystemEvent, ForkEvent, Header, kind,
};
use cofferdam_abi::hook::Hook;
use cofferdam_abi::key::{ConnectionKey, InodeKey};
use cofferdam_abi::process::ProcessState;
use cofferdam_model::{BootTime, CgroupId, EventId, FilesystemKey, ProcessKey, WorkloadId};

/// When, where and by which hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The event's id.
    pub id: EventId,
    /// When.
    pub time: BootTime,
    /// The hook.
    pub hook: Hook,
}

/// What the kernel reported.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A process executed a file.
    Exec {
        /// Stamp.
        stamp: Stamp,
        /// The process with its new program.
        process: ProcessState,
        /// The program that it ran before.
        previous: EventId,
        /// Path as given.
        path: String,
        /// The interpreter, for scripts.
        interpreter: Option<String>,
    },
    /// A process was forked.
    Fork {
        /// Stamp.
        stamp: Stamp,
        /// The child.
        process: ProcessState,
        /// The parent's program.
        parent_exec: EventId,
        /// The parent's birth.
        parent_start: BootTime,
    },
    /// A process ended.
    Exit {
        /// Stamp.
        stamp: Stamp,
        /// The process.
        process: ProcessKey,
        /// The program that it last ran.
        exec: EventId,
        /// Its workload.
        workload: WorkloadId,
    },
    /// First access of a process to a secret in one way.
    Access {
        /// Stamp.
        stamp: Stamp,
        /// The reader.
        process: ProcessState,
        /// File, or for environments and ptrace the target (`ino` its birth, `generation` its pid).
        object: InodeKey,
        /// Target's workload.
        target_workload: WorkloadId,
        /// Target's cgroup.
        target_cgroup: CgroupId,
        /// One of [`cofferdam_abi::event::how`].
        how: u16,
        /// Bits of [`cofferdam_abi::event::mode`].
        mode: u8,
        /// One of [`cofferdam_abi::event::verdict`].
        verdict: u8,
        /// No counter runs for it: each repeat is an event.
        uncounted: bool,
        /// Policy generation, and the number of the rule within it.
        ruled: (u32, u32),
        /// Names from the file up to the root of its file system.
        names: Vec<String>,
    },
    /// First connection of a process to a destination.
    Connection {
        /// Stamp.
        stamp: Stamp,
        /// The process.
        process: ProcessState,
        /// The destination and verdict.
        key: ConnectionKey,
        /// No counter runs for it.
        uncounted: bool,
        /// Policy generation, and the number of the rule within it.
        ruled: (u32, u32),
    },
    /// Something else was refused, or would be.
    Attempt {
        /// Stamp.
        stamp: Stamp,
        /// Who.
        process: ProcessState,
        /// One of [`cofferdam_abi::event::attempt`].
        what: u16,
        /// The file, where there is one.
        file: InodeKey,
        /// Bits of [`cofferdam_abi::process::facts`] about it.
        facts: u32,
        /// One of [`cofferdam_abi::event::verdict`].
        verdict: u8,
        /// Policy generation, and the number of the rule within it.
        ruled: (u32, u32),
        /// A signal, a command, a socket family.
        detail: u64,
        /// The path that was named, where one was.
        path: String,
    },
    /// A cgroup was made.
    CgroupMade {
        /// Stamp.
        stamp: Stamp,
        /// The cgroup.
        cgroup: CgroupId,
        /// Its parent.
        parent: CgroupId,
        /// The workload that the kernel gave it.
        workload: WorkloadId,
        /// Path below the v2 root.
        path: String,
    },
    /// A cgroup was removed.
    CgroupRemoved {
        /// Stamp.
        stamp: Stamp,
        /// The cgroup.
        cgroup: CgroupId,
    },
    /// A process entered a workload from outside.
    Entered {
        /// Stamp.
        stamp: Stamp,
        /// The process after its entry.
        process: ProcessState,
    },
    /// A watched device number belongs to another file system now.
    StaleFilesystem {
        /// Stamp.
        stamp: Stamp,
        /// What was watched.
        expected: FilesystemKey,
    },
}

/// A record that is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ring record of kind {kind} with {len} bytes is malformed")]
pub struct MalformedRecord {
    /// Its kind, 0 if there is not even a header.
    pub kind: u16,
    /// Its length.
    pub len: usize,
}

/// Decodes one record.
///
/// # Errors
/// If kind, length or hook are not of this ABI.
pub fn decode(bytes: &[u8]) -> Result<Event, MalformedRecord> {
    let malformed = |kind| MalformedRecord { kind, len: bytes.len() };
    let header: Header = prefix(bytes).ok_or(malformed(0))?;
    let bad = || malformed(header.kind);
    let stamp = Stamp {
        id: EventId::new(BootTime::from_nanos(header.time), header.cpu),
        time: BootTime::from_nanos(header.time),
        hook: Hook::from_number(header.hook).ok_or_else(bad)?,
    };
    let event = match header.kind {
        kind::EXEC => exec(stamp, bytes),
        kind::FORK => exactly(bytes).map(|event| fork(stamp, &event)),
        kind::EXIT => exactly(bytes).map(|event| exit(stamp, &event)),
        kind::ACCESS => access(stamp, bytes),
        kind::CONNECTION => exactly(bytes).map(|event| connection(stamp, &event)),
        kind::ATTEMPT => exactly(bytes).map(|event| attempt(stamp, &event)),
        kind::CGROUP_MADE => exactly(bytes).map(|event| cgroup_made(stamp, &event)),
        kind::CGROUP_REMOVED => exactly(bytes).map(|event| cgroup_removed(stamp, &event)),
        kind::ENTERED => {
            exactly(bytes).map(|event: EntryEvent| Event::Entered { stamp, process: event.process })
        }
        kind::STALE_FILESYSTEM => exactly(bytes).map(|event| stale_filesystem(stamp, &event)),
        _ => None,
    };
    event.ok_or_else(bad)
}

/// When a record was made, boot clock, ns; `None` if it has not even a header, which no version may change.
pub(crate) fn time_of(bytes: &[u8]) -> Option<u64> {
    prefix::<Header>(bytes).map(|header| header.time)
}

fn exec(stamp: Stamp, bytes: &[u8]) -> Option<Event> {
    let event: ExecEvent = exactly(bytes)?;
    let names = event.names.get(..event.names_len as usize)?;
    let (path, interpreter) = (text(&event.path), text(&event.interpreter));
    let interpreter = (interpreter != path).then_some(interpreter);
    let path = if interpreter.is_none() { telling_path(path, names) } else { path };
    let previous = EventId(event.previous);
    Some(Event::Exec { stamp, process: event.process, previous, path, interpreter })
}

fn fork(stamp: Stamp, event: &ForkEvent) -> Event {
    Event::Fork {
        stamp,
        process: event.process,
        parent_exec: EventId(event.parent_exec),
        parent_start: BootTime::from_nanos(event.parent_start),
    }
}

fn exit(stamp: Stamp, event: &ExitEvent) -> Event {
    Event::Exit {
        stamp,
        process: ProcessKey { pid: event.tgid, start: BootTime::from_nanos(event.start) },
        exec: EventId(event.exec),
        workload: WorkloadId(event.workload),
    }
}

fn access(stamp: Stamp, bytes: &[u8]) -> Option<Event> {
    let event: AccessEvent = exactly(bytes)?;
    let names = event.names.get(..event.names_len as usize)?;
    Some(Event::Access {
        stamp,
        process: event.process,
        object: event.object,
        target_workload: WorkloadId(event.target_workload),
        target_cgroup: CgroupId(event.target_cgroup),
        how: event.how,
        mode: event.mode,
        verdict: event.verdict,
        uncounted: event.uncounted != 0,
        ruled: (event.generation, event.rule),
        names: names_of(names),
    })
}

fn connection(stamp: Stamp, event: &ConnectionEvent) -> Event {
    Event::Connection {
        stamp,
        process: event.process,
        key: event.connection,
        uncounted: event.uncounted != 0,
        ruled: (event.generation, event.rule),
    }
}

fn attempt(stamp: Stamp, event: &AttemptEvent) -> Event {
    Event::Attempt {
        stamp,
        process: event.process,
        what: event.what,
        file: event.file,
        facts: event.facts,
        verdict: event.verdict,
        ruled: (event.generation, event.rule),
        detail: event.detail,
        path: text(&event.path),
    }
}

fn cgroup_made(stamp: Stamp, event: &CgroupEvent) -> Event {
    Event::CgroupMade {
        stamp,
        cgroup: CgroupId(event.cgroup),
        parent: CgroupId(event.parent),
        workload: WorkloadId(event.workload),
        path: text(&event.path),
    }
}

fn cgroup_removed(stamp: Stamp, event: &CgroupEvent) -> Event {
    Event::CgroupRemoved { stamp, cgroup: CgroupId(event.cgroup) }
}

fn stale_filesystem(stamp: Stamp, event: &FilesystemEvent) -> Event {
    let FilesystemEvent { expected, .. } = event;
    let expected = FilesystemKey { device: expected.device, generation: expected.generation };
    Event::StaleFilesystem { stamp, expected }
}

/// The path given to exec, unless it says nothing about the file: then the file's own, within its file system.
fn telling_path(given: String, names: &[u8]) -> String {
    let hides = !given.starts_with('/') || given.starts_with("/proc/") || given.starts_with("/dev/fd/");
    let names = names_of(names);
    if !hides || names.is_empty() {
        return given;
    }
    names.iter().rev().fold(String::new(), |path, name| path + "/" + name)
}

/// Names that are each ended by NUL.
fn names_of(bytes: &[u8]) -> Vec<String> {
    bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(text).collect()
}

/// Text up to the first NUL; bytes that are not UTF-8 are replaced, control characters escaped.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text.into_owned() }
}

fn exactly<T: Pod>(bytes: &[u8]) -> Option<T> {
    // The ring rounds lengths up to 8; our records are multiples of 8.
    (bytes.len() == size_of::<T>()).then(|| prefix(bytes)).flatten()
}

fn prefix<T: Pod>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: `bytes` is exactly as long as `T`; an unaligned read needs no alignment; any bytes are a valid `Pod`.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record<T: Pod>(event: &T) -> Vec<u8> {
        // SAFETY: a `Pod` has no padding: every byte is initialised.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(event).cast::<u8>(), size_of::<T>()) }.to_vec()
    }

    #[test]
    fn an_exit_is_read_as_the_kernel_wrote_it() {
        let event = ExitEvent {
            header: Header { time: 1_000, cpu: 1, kind: kind::EXIT, hook: Hook::Exit as u16 },
            start: 500,
            exec: 7,
            workload: 42,
            tgid: 123,
            reserved: 0,
        };
        let decoded = decode(&record(&event)).unwrap();
        let Event::Exit { stamp, process, exec, workload } = decoded else { panic!("{decoded:?}") };
        assert_eq!(stamp.time, BootTime::from_nanos(1_000));
        assert_eq!(process, ProcessKey { pid: 123, start: BootTime::from_nanos(500) });
        assert_eq!((exec, workload), (EventId(7), WorkloadId(42)));
    }

    #[test]
    fn a_cut_record_is_malformed_and_says_which() {
        let header = Header { time: 1, cpu: 0, kind: kind::FORK, hook: Hook::Fork as u16 };
        assert_eq!(decode(&record(&header)), Err(MalformedRecord { kind: kind::FORK, len: 16 }));
        assert_eq!(decode(b"short"), Err(MalformedRecord { kind: 0, len: 5 }));
    }

    #[test]
    fn a_path_that_hides_the_file_is_replaced_by_the_file_s_own() {
        let names = b"busybox\0bin\0";
        assert_eq!(telling_path("/proc/self/exe".into(), names), "/bin/busybox");
        assert_eq!(telling_path("./tool".into(), names), "/bin/busybox");
        assert_eq!(telling_path("/bin/cat".into(), names), "/bin/cat");
        assert_eq!(telling_path("/proc/self/fd/4".into(), b""), "/proc/self/fd/4");
    }

    #[test]
    fn control_characters_in_names_are_escaped() {
        assert_eq!(text(b"a\x1b[31mb\0rest"), "a\\u{1b}[31mb");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..700), kind in 0u16..12) {
            if bytes.len() >= 16 {
                bytes[12..14].copy_from_slice(&kind.to_le_bytes());
            }
            let _ = decode(&bytes);
        }
    }
}
