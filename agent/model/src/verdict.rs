//! What was decided, and by whom.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident : $expected:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The words of all of them, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($text),+];

            /// The word used in output, filters and the journal.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseIdError;

            fn from_str(text: &str) -> Result<Self, $crate::ParseIdError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::ParseIdError { text: text.chars().take(80).collect(), expected: $expected }),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Our decision about an access or a connection.
    Verdict: "verdict (allowed, denied, would-deny)" {
        /// It went through.
        Allowed = "allowed",
        /// We refused it.
        Denied = "denied",
        /// A rule in observe mode would have refused it.
        WouldDeny = "would-deny",
    }
}

words! {
    /// Who refused.
    DeniedBy: "denier (us, other)" {
        /// A rule of ours.
        Us = "us",
        /// Someone else, as another source told us.
        Other = "other",
    }
}

words! {
    /// What really enforces decisions of this class on this node.
    EnforcedBy: "enforcement (lsm, fmod_ret, cgroup, fanotify, observe-only, late-bind, path-only)" {
        /// A BPF LSM program.
        Lsm = "lsm",
        /// An `fmod_ret` program on the security function.
        FmodRet = "fmod_ret",
        /// A cgroup program.
        Cgroup = "cgroup",
        /// The guard's fanotify group.
        Fanotify = "fanotify",
        /// Nothing: it is only seen.
        ObserveOnly = "observe-only",
        /// The policy arrived after the container had started.
        LateBind = "late-bind",
        /// The executable could only be identified by its path.
        PathOnly = "path-only",
    }
}
