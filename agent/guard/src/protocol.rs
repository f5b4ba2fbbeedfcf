//! What agent and guard say to each other: packets of native integers on a unix socket of this machine. Descriptors
//! (programs, places) travel beside them.

/// Of this protocol. An agent that meets another one starts a guard of its own, and ends the old one.
pub const VERSION: u32 = 1;
/// Marks told in one packet.
pub(crate) const MARKS_A_PACKET: usize = 128;
/// Bytes that hold any packet.
pub(crate) const PACKET: usize = 16 + MARKS_A_PACKET * MARK;
const MARK: usize = 16;

/// What a mark covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A whole file system, through whichever mount: for tmpfs.
    Filesystem,
    /// One file, or the files that lie in one folder.
    File,
}

/// A mark that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Marked {
    /// Of a file system, by the kernel's device number (`major << 20 | minor`).
    Filesystem {
        /// Device.
        device: u32,
    },
    /// Of a file or folder.
    File {
        /// Device.
        device: u32,
        /// Inode number.
        ino: u64,
    },
}

/// How the guard is, and what it has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Its [`VERSION`].
    pub version: u32,
    /// Its process.
    pub pid: u32,
    /// Whether it has been handed the rules.
    pub has_program: bool,
    /// Whether its memory is locked.
    pub locked: bool,
    /// Whether it is killed last when memory runs out.
    pub oom_last: bool,
    /// Opens that went on.
    pub allowed: u64,
    /// Opens that a rule refused; each is an access event, or counted by one.
    pub denied: u64,
    /// Opens refused because nobody could say whose they are or what the rules say: nothing else tells of them.
    pub unclear: u64,
    /// Events that the kernel could not hand over, and refused itself.
    pub failed: u64,
    /// Times that it had to wait for a disk.
    pub major_faults: u64,
}

/// What the agent asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// How are you?
    State,
    /// Ask this program from now on.
    Program,
    /// Hold back opens at this place.
    Mark(What),
    /// Do so no more.
    Unmark(What),
    /// What is marked, from this one on?
    Marks(u32),
    /// Let go of everything.
    End,
}

/// What the guard answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is done.
    Done,
    /// The system's reason why not.
    Refused(i32),
    /// To [`Request::State`].
    State(State),
    /// To [`Request::Marks`].
    Marks {
        /// How many there are in all.
        total: u32,
        /// At most [`MARKS_A_PACKET`].
        marks: Vec<Marked>,
    },
}

impl Request {
    /// As a packet.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let (kind, argument) = match self {
            Self::State => (0, 0),
            Self::Program => (1, 0),
            Self::Mark(what) => (2, what.number()),
            Self::Unmark(what) => (3, what.number()),
            Self::Marks(from) => (4, from),
            Self::End => (5, 0),
        };
        words(&[kind, argument])
    }

    /// From a packet.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (kind, argument) = (reader.word()?, reader.word()?);
        let request = match kind {
            0 => Self::State,
            1 => Self::Program,
            2 => Self::Mark(What::from_number(argument)?),
            3 => Self::Unmark(What::from_number(argument)?),
            4 => Self::Marks(argument),
            5 => Self::End,
            _ => return None,
        };
        reader.0.is_empty().then_some(request)
    }
}

impl What {
    fn number(self) -> u32 {
        match self {
            Self::Filesystem => 0,
            Self::File => 1,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Filesystem),
            1 => Some(Self::File),
            _ => None,
        }
    }
}

impl Reply {
    /// As a packet.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Done => words(&[0]),
            Self::Refused(errno) => words(&[1, errno.cast_unsigned()]),
            Self::State(state) => state.to_bytes(),
            Self::Marks { total, marks } => {
                let mut bytes = words(&[3, *total]);
                for mark in marks {
                    let (what, device, ino) = match *mark {
                        Marked::Filesystem { device } => (What::Filesystem, device, 0),
                        Marked::File { device, ino } => (What::File, device, ino),
                    };
                    bytes.extend(words(&[what.number(), device]));
                    bytes.extend(ino.to_ne_bytes());
                }
                bytes
            }
        }
    }

    /// From a packet.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let reply = match reader.word()? {
            0 => Self::Done,
            1 => Self::Refused(reader.word()?.cast_signed()),
            2 => Self::State(State::from_reader(&mut reader)?),
            3 => {
                let total = reader.word()?;
                let mut marks = Vec::new();
                while !reader.0.is_empty() {
                    let what = What::from_number(reader.word()?)?;
                    let (device, ino) = (reader.word()?, reader.long()?);
                    marks.push(match what {
                        What::Filesystem => Marked::Filesystem { device },
                        What::File => Marked::File { device, ino },
                    });
                }
                Self::Marks { total, marks }
            }
            _ => return None,
        };
        reader.0.is_empty().then_some(reply)
    }
}

impl State {
    fn to_bytes(self) -> Vec<u8> {
        let bits = u32::from(self.has_program) | u32::from(self.locked) << 1 | u32::from(self.oom_last) << 2;
        let mut bytes = words(&[2, self.version, self.pid, bits]);
        for count in [self.allowed, self.denied, self.unclear, self.failed, self.major_faults] {
            bytes.extend(count.to_ne_bytes());
        }
        bytes
    }

    fn from_reader(reader: &mut Reader<'_>) -> Option<Self> {
        let (version, pid, bits) = (reader.word()?, reader.word()?, reader.word()?);
        Some(Self {
            version,
            pid,
            has_program: bits & 1 != 0,
            locked: bits & 2 != 0,
            oom_last: bits & 4 != 0,
            allowed: reader.long()?,
            denied: reader.long()?,
            unclear: reader.long()?,
            failed: reader.long()?,
            major_faults: reader.long()?,
        })
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Bytes not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*head))
    }

    fn long(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*head))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks() -> impl Strategy<Value = Vec<Marked>> {
        let file = (any::<u32>(), any::<u64>()).prop_map(|(device, ino)| Marked::File { device, ino });
        let filesystem = any::<u32>().prop_map(|device| Marked::Filesystem { device });
        proptest::collection::vec(prop_oneof![file, filesystem], 0..=MARKS_A_PACKET)
    }

    #[test]
    fn every_request_arrives_as_it_was_sent() {
        for request in [
            Request::State,
            Request::Program,
            Request::Mark(What::Filesystem),
            Request::Unmark(What::File),
            Request::Marks(7),
            Request::End,
        ] {
            assert_eq!(Request::from_bytes(&request.to_bytes()), Some(request));
        }
    }

    #[test]
    fn the_state_arrives_as_it_was_sent() {
        let state =
            State { version: 1, pid: 2, locked: true, denied: 3, major_faults: 4, ..State::default() };
        let reply = Reply::State(state);
        assert_eq!(Reply::from_bytes(&reply.to_bytes()), Some(reply));
    }

    proptest! {
        #[test]
        fn marks_arrive_as_they_were_sent_and_fit_a_packet(total: u32, marks in marks()) {
            let reply = Reply::Marks { total, marks };
            let bytes = reply.to_bytes();
            prop_assert!(bytes.len() <= PACKET);
            prop_assert_eq!(Reply::from_bytes(&bytes), Some(reply));
        }

        #[test]
        fn no_bytes_upset_either_side(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(request) = Request::from_bytes(&bytes) {
                prop_assert_eq!(request.to_bytes().len(), bytes.len());
            }
            let _ = Reply::from_bytes(&bytes);
        }
    }
}
