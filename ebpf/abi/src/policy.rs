//! What policies compile to: the tables that decisions are made from.
//!
//! A workload is assigned one generation, a number that is never used twice. All rows of a generation are written
//! before it is assigned and never changed afterwards (but for [`Policy::bound`]), so that no hook sees half a policy.

use crate::key::{FilesystemKey, InodeKey};

/// Policies of one workload that may limit its egress, each in one mode.
pub const GROUPS: usize = 8;
/// Rules of one workload that may bind a secret to destinations.
pub const BINDINGS: usize = 16;
/// Rules that may bind one and the same secret.
pub const BINDINGS_OF_SECRET: usize = 4;
/// No binding, in [`SecretRule::bind`].
pub const NO_BINDING: u8 = 0xff;
/// Bytes of a file's name that tell keys of one secret apart, the terminating NUL included.
pub const KEY_NAME_LEN: usize = 64;
/// A deadline that never comes.
pub const FOREVER: u64 = u64::MAX;

/// A set of bindings: one byte each, so that a program can add one without a lock; read as words.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bindings([u64; BINDINGS / 8]);

impl Bindings {
    /// Adds one.
    pub const fn add(&mut self, index: usize) {
        if index < BINDINGS {
            self.0[index / 8] |= Self::byte(index);
        }
    }

    /// Whether one is in it.
    pub const fn has(&self, index: usize) -> bool {
        index < BINDINGS && self.0[index / 8] & Self::byte(index) != 0
    }

    /// Whether there is none.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.0[0] | self.0[1] == 0
    }

    /// 1 if there is any, without a branch: its bytes are 0 or 0xff.
    #[inline(always)]
    pub const fn some(&self) -> u32 {
        let mut all = self.0[0] | self.0[1];
        all |= all >> 32;
        all |= all >> 16;
        all |= all >> 8;
        all as u32 & 1
    }

    /// Those in both.
    #[inline(always)]
    pub const fn and(self, other: Self) -> Self {
        Self([self.0[0] & other.0[0], self.0[1] & other.0[1]])
    }

    /// Those in this alone.
    #[inline(always)]
    pub const fn without(self, other: Self) -> Self {
        Self([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    /// Those in either.
    #[inline(always)]
    pub const fn or(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// In memory the byte at `index`, on the little-endian machines that we support.
    const fn byte(index: usize) -> u64 {
        0xff << (index % 8 * 8)
    }
}

/// Which generation of which workload decides.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Assignment {
    /// The generation; 0: nothing is refused.
    pub generation: u32,
    /// Bits of [`assignment`].
    pub flags: u32,
    /// The generation that is about to follow, whose rows are there: what is read meanwhile binds under it too. 0: none.
    pub successor: u32,
    /// Always zero.
    pub reserved: u32,
}

/// Bits of [`Assignment::flags`].
pub mod assignment {
    /// User space has looked for policies of this workload: the generation is no baseline.
    pub const DECIDED: u32 = 1 << 0;
}

/// A rule of one class (environment, memory, exec) as it concerns a workload.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Class {
    /// Boot clock, ns: until then `eased` counts, from then on `deny`.
    pub until: u64,
    /// Number of the enforcing rule; 0 none.
    pub enforce: u32,
    /// Number of the observing rule; 0 none.
    pub observe: u32,
    /// Number of the rule of the exception behind `until`.
    pub exception: u32,
    /// Seconds without a sign of life of the agent after which `enforce` only observes; 0: never.
    pub release: u32,
    /// What is refused: for environments and memory bits of [`environment`], for exec a mask of [`exec`].
    pub deny: u32,
    /// What is refused while the exception holds.
    pub eased: u32,
}

/// Bits of [`Class::deny`] for environments and memory, for enforcing and, 8 bits further up, for observing rules.
pub mod environment {
    /// Environments, or the memory, of other processes.
    pub const OTHERS: u32 = 1 << 0;
    /// One's own.
    pub const OWN: u32 = 1 << 1;
    /// Shift to the bits of observing rules.
    pub const OBSERVE: u32 = 8;
}

/// Masks of refused executables: four groups of eight bits, one bit an origin.
pub mod exec {
    /// Origin: the image.
    pub const IMAGE: u32 = 1 << 0;
    /// Origin: written or mounted after the container was made.
    pub const WRITTEN: u32 = 1 << 1;
    /// Origin: an anonymous file in memory.
    pub const MEMFD: u32 = 1 << 2;
    /// Origin: a file without a name.
    pub const DELETED: u32 = 1 << 3;
    /// Origin: the host.
    pub const HOST: u32 = 1 << 4;
    /// Origin: could not be told.
    pub const UNKNOWN: u32 = 1 << 5;
    /// Every origin.
    pub const ANY: u32 = 0x3f;
    /// Shift to the group that only counts in exec sessions.
    pub const SESSION: u32 = 8;
    /// Shift to the groups of observing rules.
    pub const OBSERVE: u32 = 16;
}

/// Egress of a workload under one policy in one mode.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Group {
    /// The bindings of this policy.
    pub bindings: Bindings,
    /// Those of them whose destinations are exclusive.
    pub isolating: Bindings,
    /// Bits of [`group`]; 0: there is no such group.
    pub flags: u32,
    /// Number of the egress rule.
    pub egress_rule: u32,
    /// Number of the binding rule, or of the first of several.
    pub binding_rule: u32,
    /// As [`Class::release`], where [`group::RELEASES`] is set.
    pub release: u32,
}

/// Bits of [`Group::flags`].
pub mod group {
    /// The group is there.
    pub const PRESENT: u32 = 1 << 0;
    /// It only observes.
    pub const OBSERVES: u32 = 1 << 1;
    /// What is not named is refused, whatever was read.
    pub const DEFAULT_DENY: u32 = 1 << 2;
    /// It has a binding rule.
    pub const BINDS: u32 = 1 << 3;
    /// Its `release` counts.
    pub const RELEASES: u32 = 1 << 4;
}

/// One generation.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Bits of [`row`].
    pub flags: u32,
    /// Number of the order that cuts the workload off.
    pub cut_rule: u32,
    /// Boot clock, ns: until then nothing leaves and nothing comes in.
    pub cut_until: u64,
    /// Environments of processes.
    pub environment: Class,
    /// Memory of processes.
    pub memory: Class,
    /// Executables that no row of the grants speaks of.
    pub exec: Class,
    /// Egress.
    pub groups: [Group; GROUPS],
    /// The bindings whose secret was read: the one thing that a program changes, and only ever adds to.
    pub bound: Bindings,
    /// How often a secret was read under it.
    #[cfg(feature = "next")]
    pub reads: u64,
}

/// Bits of [`Policy::flags`].
pub mod row {
    /// Grants speak of single executables: ask them.
    pub const EXEC_GRANTS: u32 = 1 << 0;
    /// Egress is limited, now or once a secret is read.
    pub const EGRESS: u32 = 1 << 1;
    /// The processes of this workload may not touch what is the agent's.
    pub const CONTAINED: u32 = 1 << 2;
}

/// Which rule speaks of a secret.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SecretKey {
    /// The secret: [`object_of_file`] or [`object_of_filesystem`].
    pub object: u64,
    /// [`key_of_name`] of the file, or 0 for all that have no row of their own.
    pub key: u64,
    /// Generation.
    pub generation: u32,
    /// Always zero.
    pub reserved: u32,
}

/// A workload has read a secret.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReadKey {
    /// The workload.
    pub workload: u64,
    /// The secret, as in [`SecretKey`].
    pub object: u64,
}

/// The rule.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecretRule {
    /// Boot clock, ns: until then `eased` counts, from then on `any`.
    pub until: u64,
    /// Boot clock, ns: until then nothing reads it.
    pub cut_until: u64,
    /// Number of the enforcing rule; 0 none.
    pub enforce: u32,
    /// Number of the observing rule; 0 none.
    pub observe: u32,
    /// Number of the rule of the exception behind `until`.
    pub exception: u32,
    /// As [`Class::release`].
    pub release: u32,
    /// Its readers: [`GrantKey::set`].
    pub readers: u32,
    /// Number of the order that cuts the secret off.
    pub cut_rule: u32,
    /// Bits of [`permit`] that every binary has.
    pub any: u16,
    /// Bits of [`permit`] that every binary has while the exception holds.
    pub eased: u16,
    /// Bindings that begin with a read; [`NO_BINDING`] where there is none.
    pub bind: [u8; BINDINGS_OF_SECRET],
}

/// What a binary may.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GrantKey {
    /// The executed file.
    pub binary: InodeKey,
    /// Generation.
    pub generation: u32,
    /// One of [`set`], or the readers of a secret.
    pub set: u32,
}

/// Sets of grants that every generation has; those of secrets follow.
pub mod set {
    /// What may be executed. Bits are a mask of [`super::exec`]: what is refused.
    pub const EXEC: u32 = 1;
    /// Exceptions of who may read environments. Bits of [`super::environment`]: what is refused.
    pub const ENVIRONMENT: u32 = 2;
    /// Exceptions of who may reach into memory. Bits of [`super::environment`]: what is refused.
    pub const MEMORY: u32 = 3;
    /// The first of the secrets' own.
    pub const READERS: u32 = 4;
}

/// Bits of [`Grant::before`] and [`Grant::after`] in the sets of secrets.
pub mod permit {
    /// The enforcing rules permit it, if it comes from the image.
    pub const ENFORCE: u32 = 1 << 0;
    /// The observing rules permit it, if it comes from the image.
    pub const OBSERVE: u32 = 1 << 1;
    /// The enforcing rules permit it wherever it comes from.
    pub const ENFORCE_ANY_ORIGIN: u32 = 1 << 2;
    /// The observing rules permit it wherever it comes from.
    pub const OBSERVE_ANY_ORIGIN: u32 = 1 << 3;
}

/// What one binary may.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grant {
    /// Boot clock, ns: until then `before` counts, from then on `after`. Both say all, what holds for everyone included.
    pub until: u64,
    /// Bits while the exception holds.
    pub before: u32,
    /// Bits without it.
    pub after: u32,
    /// Number of the rule of the exception.
    pub exception: u32,
    /// Always zero.
    pub reserved: u32,
}

/// Key of the table of address prefixes, without the prefix length: the generation's 32 bits always count.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PrefixKey {
    /// Generation.
    pub generation: u32,
    /// Address in network order; IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
}

/// Bits of [`PrefixKey::generation`].
pub const GENERATION_BITS: u32 = 32;

/// A destination: addresses of one class, a protocol, a port.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DestinationKey {
    /// Generation.
    pub generation: u32,
    /// What the table of prefixes says of the address; 0: nothing.
    pub class: u32,
    /// One of [`protocol`].
    pub protocol: u32,
    /// Port in host order; 0 for all that have no row of their own.
    pub port: u32,
}

/// Protocols as destinations know them.
pub mod protocol {
    /// TCP, MPTCP included.
    pub const TCP: u32 = 6;
    /// UDP, UDP-Lite included.
    pub const UDP: u32 = 17;
    /// A unix socket: its address is [`super::address_of_socket`], its port 0.
    pub const UNIX: u32 = 1;
    /// Everything else.
    pub const OTHER: u32 = 0;
}

/// What is said of a destination.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Destination {
    /// The bindings whose secret may travel there.
    pub permits: Bindings,
    /// Boot clock, ns: until then an exception lets the groups in `excepted` pass.
    pub until: u64,
    /// Number of the rule of the exception.
    pub exception: u32,
    /// Bit per group: it names the destination as allowed.
    pub allow: u8,
    /// Bit per group: it names the destination as refused.
    pub deny: u8,
    /// Bit per group: see `until`.
    pub excepted: u8,
    /// 1: the configured resolver.
    pub resolver: u8,
}

/// Key of a file's name: FNV-1a of its first [`KEY_NAME_LEN`] - 1 bytes, never 0.
#[inline(always)]
pub fn key_of_name(name: &[u8; KEY_NAME_LEN]) -> u64 {
    let mut hash = FNV_OFFSET;
    let mut index = 0;
    while index < KEY_NAME_LEN {
        let byte = name[index];
        if byte == 0 {
            break;
        }
        hash = (hash ^ byte as u64).wrapping_mul(FNV_PRIME);
        index += 1;
    }
    hash | 1
}

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// The object that a file or the root of a tree is, and whatever replaces it: the same in every agent that looks at it.
pub const fn object_of_file(key: InodeKey) -> u64 {
    let InodeKey { ino, filesystem: FilesystemKey { device, generation: of_root }, generation, .. } = key;
    let seed = mix((device as u64) << 32 | of_root as u64);
    mix(mix(seed ^ ino) ^ generation as u64) | 1 << 63
}

/// The object that a whole file system is.
pub const fn object_of_filesystem(key: FilesystemKey) -> u64 {
    object_of_file(InodeKey { ino: 0, filesystem: key, generation: 0, reserved: 0 })
}

/// The address that stands for the unix sockets of one name in one folder, whoever binds them there: of the block that
/// nobody has (100::/64, RFC 6666). `name` is its [`key_of_name`].
pub const fn address_of_socket(folder: InodeKey, name: u64) -> [u8; 16] {
    let mut address = [0; 16];
    address[0] = 1;
    let number = mix(object_of_file(folder) ^ name).to_be_bytes();
    let mut index = 0;
    while index < number.len() {
        address[8 + index] = number[index];
        index += 1;
    }
    address
}

/// The finaliser of MurmurHash3: a bijection that spreads every bit.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ x >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

const _: () = assert!(BINDINGS == 16 && size_of::<Bindings>() == BINDINGS);
const _: () = assert!(size_of::<Assignment>() == 16);
const _: () = assert!(size_of::<Class>() == 32);
const _: () = assert!(size_of::<Group>() == 48);
const POLICY: usize = 16 + 3 * 32 + GROUPS * 48 + BINDINGS;
const _: () = assert!(size_of::<Policy>() == POLICY + if cfg!(feature = "next") { 8 } else { 0 });
const _: () = assert!(size_of::<ReadKey>() == 16);
const _: () = assert!(size_of::<SecretKey>() == 24);
const _: () = assert!(size_of::<SecretRule>() == 48);
const _: () = assert!(size_of::<GrantKey>() == 32);
const _: () = assert!(size_of::<Grant>() == 24);
const _: () = assert!(size_of::<PrefixKey>() == 20);
const _: () = assert!(size_of::<DestinationKey>() == 16);
const _: () = assert!(size_of::<Destination>() == 32);
