//! What a journal may lack for a decision.

use std::fmt;

use serde::Serialize;

macro_rules! lacks {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What a decision would have asked for and the journal does not know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Lack {
            $($(#[$doc])* $name),+
        }

        impl fmt::Display for Lack {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$name => $text),+ })
            }
        }
    };
}

lacks! {
    /// Who did it.
    Workload = "its workload is not known",
    /// What policies select by.
    Names = "names that a policy selects by are not known",
    /// The program.
    Process = "its process is not known, or was over its workload's budget",
    /// The path of the binary.
    Path = "the path of its binary is not known",
    /// The origin of the binary.
    Origin = "where its binary comes from is not known",
    /// Whether it came in later.
    Session = "whether it belongs to an exec session is not known",
    /// Who executed it.
    Executor = "who executed it is not known",
    /// The secret.
    Secret = "which secret it was is not known",
    /// The key of the secret.
    Key = "which key of the secret it was is not known",
    /// The path of the secret.
    Place = "where the secret lies is not known",
    /// The process that was looked into.
    Target = "whose environment or memory it was is not known",
    /// The address.
    Destination = "its destination is not known",
    /// Addresses of a host.
    Host = "a host that the policy names has no address here",
    /// The configured resolver.
    Resolver = "whether it is the workload's resolver is not known: name it with --resolver",
    /// A read that is itself undecidable.
    Read = "whether a secret was read before is not known",
    /// Repeats, counted together.
    Order = "it was repeated before and after a secret was first read",
}
