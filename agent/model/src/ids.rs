//! Identifiers. Each is its own type, so that one can never be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::BootTime;

/// A text that is no identifier of the kind asked for.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a {expected}")]
pub struct ParseIdError {
    /// What was given.
    pub text: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

/// The kernel's id of a cgroup v2: the 64-bit inode number of its folder; never reused within a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

/// One instance of a workload within one boot: the id of the cgroup at its root.
///
/// Zero ([`WorkloadId::UNKNOWN`]) says that the kernel did not know the cgroup when the event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkloadId(pub u64);

impl WorkloadId {
    /// Not known, as an explicit value.
    pub const UNKNOWN: Self = Self(0);
    /// The host: everything outside containers and units (the root cgroup's id is 1 on every kernel).
    pub const HOST: Self = Self(1);

    /// The workload whose root is this cgroup.
    pub fn rooted_at(cgroup: CgroupId) -> Self {
        Self(cgroup.0)
    }

    /// Whether the kernel knew it.
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }
}

/// A mounted file system: its superblock's device number (`major << 20 | minor`, the kernel's own
/// encoding) and the generation of its root inode, because device numbers are reused at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FilesystemKey {
    /// `s_dev` as the kernel holds it.
    pub device: u32,
    /// `i_generation` of the root inode.
    pub generation: u32,
}

/// A file by superblock, inode and generation; never by a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InodeKey {
    /// The file system that it lies on.
    pub filesystem: FilesystemKey,
    /// The kernel's `i_ino`.
    pub ino: u64,
    /// The kernel's `i_generation`.
    pub generation: u32,
}

impl fmt::Display for InodeKey {
    /// `major:minor/inode`, as a responder compares it with `stat`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.filesystem.device;
        write!(f, "{}:{}/{}", device >> 20, device & 0xf_ffff, self.ino)
    }
}

/// Identifies one event of one boot: the time since boot in nanoseconds and the CPU that it ran on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// From the time and CPU of an event. Unique: two events of one CPU are never in the same nanosecond.
    pub fn new(time: BootTime, cpu: u32) -> Self {
        Self(time.as_nanos() << 8 | u64::from(cpu & 0xff))
    }

    /// When the event happened.
    pub fn time(self) -> BootTime {
        BootTime::from_nanos(self.0 >> 8)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A container's id as its runtime names it (64 hex digits with most runtimes, any name with containerd's `ctr`).
    ContainerId
}

text_id! {
    /// A pod's UID in canonical form: lower-case with dashes (systemd's cgroup names write underscores).
    /// Static pods carry 32 hex digits without dashes.
    PodUid
}

text_id! {
    /// The kernel's random id of this boot, `/proc/sys/kernel/random/boot_id`.
    BootId
}

impl FromStr for ContainerId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let fits = !text.is_empty()
            && text.len() <= 128
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseIdError { text: text.chars().take(160).collect(), expected: "container id" })
        }
    }
}

impl FromStr for PodUid {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let dashed = text.replace('_', "-").to_ascii_lowercase();
        if is_uuid(&dashed) || (dashed.len() == 32 && dashed.bytes().all(|b| b.is_ascii_hexdigit())) {
            Ok(Self(dashed))
        } else {
            Err(ParseIdError { text: text.chars().take(80).collect(), expected: "pod UID" })
        }
    }
}

impl FromStr for BootId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let text = text.trim();
        if is_uuid(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseIdError { text: text.chars().take(80).collect(), expected: "boot id" })
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_uid_reads_the_same_from_both_cgroup_drivers() {
        let systemd: PodUid = "0a1B2c3d_1111_2222_3333_444455556666".parse().unwrap();
        let cgroupfs: PodUid = "0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap();
        assert_eq!(systemd, cgroupfs);
        assert!("0a1b2c3d".parse::<PodUid>().is_err());
    }

    #[test]
    fn an_event_id_keeps_its_time() {
        let time = BootTime::from_nanos(123_456_789_012);
        assert_eq!(EventId::new(time, 3).time(), time);
        assert_ne!(EventId::new(time, 3), EventId::new(time, 4));
    }
}
