//! A policy that was understood: wrong states have no form here.

use std::collections::BTreeSet;
use std::fmt;

use cofferdam_model::WallTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, Ports};
use crate::select::Selector;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// The word in files and in output.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Whether a rule refuses, or only tells what it would refuse.
    Mode {
        /// It only tells.
        Observe = "observe",
        /// It refuses.
        Enforce = "enforce",
    }
}

words! {
    /// When a secret's destinations begin to bind the workload.
    Bind {
        /// When it is read.
        FirstRead = "first-read",
        /// From the start.
        Start = "start",
    }
}

words! {
    /// Whose environment a process may read.
    Read {
        /// Its own.
        Own = "own",
        /// None.
        None = "none",
        /// Any.
        Any = "any",
    }
}

words! {
    /// Where an executable comes from.
    Origin {
        /// The image.
        Image = "image",
        /// Written or mounted after the container was made.
        Written = "written",
        /// An anonymous file in memory.
        Memfd = "memfd",
        /// A file without a name.
        Deleted = "deleted",
        /// The host.
        Host = "host",
        /// It could not be told.
        Unknown = "unknown",
    }
}

words! {
    /// How a process came into its workload.
    Session {
        /// It, or an ancestor, entered after the start.
        Exec = "exec",
    }
}

words! {
    /// What holds for destinations that nothing names.
    Stance {
        /// They are reached.
        Allow = "allow",
        /// They are not.
        Deny = "deny",
    }
}

words! {
    /// Whether a process may reach into the memory of others.
    Attach {
        /// It may.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
    }
}

words! {
    /// A named set of addresses.
    Set {
        /// Where clouds hand out credentials of the machine.
        CloudMetadata = "cloud-metadata",
    }
}

words! {
    /// What a rule speaks of. A secret's destinations are a rule of their own, with the same id.
    RuleKind {
        /// Who reads a secret.
        Secret = "secret",
        /// Where it may travel.
        Destinations = "destinations",
        /// Environments of processes.
        Environment = "environment",
        /// Executables.
        Exec = "exec",
        /// Where the workload may send.
        Egress = "egress",
        /// Memory of processes.
        Memory = "memory",
        /// An order to contain a workload or a credential.
        Order = "order",
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) selector: Selector,
    pub(crate) opt_in: BTreeSet<String>,
    pub(crate) rules: Vec<Rule>,
}

impl Policy {
    /// `namespace/name`, or `name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules, in the order of the file within each kind.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Which workloads it is for.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Its exceptions, with the rule of each.
    pub fn exceptions(&self) -> impl Iterator<Item = (&Rule, &Exception)> {
        self.rules.iter().flat_map(|rule| rule.exceptions.iter().map(move |exception| (rule, exception)))
    }

    /// Globs of the binaries that it names, to be resolved in the workload's root.
    pub fn binaries(&self) -> BTreeSet<&str> {
        let of_rules = self.rules.iter().flat_map(|rule| match &rule.says {
            Says::Secret(SecretRule { readers: Readers::Only(readers), .. }) => {
                readers.iter().map(|reader| reader.binary.as_str()).collect()
            }
            Says::Exec(denials) => denials.iter().filter_map(|it| it.binary.as_deref()).collect(),
            _ => Vec::new(),
        });
        let of_exceptions = self.exceptions().filter_map(|(_, exception)| match &exception.allow {
            Allow::Binary(binary) => Some(binary.as_str()),
            _ => None,
        });
        of_rules.chain(of_exceptions).collect()
    }

    /// Names of the hosts that it names, to be resolved.
    pub fn hosts(&self) -> BTreeSet<&str> {
        self.endpoints().filter_map(Endpoint::host).collect()
    }

    /// Paths of the unix sockets that it names, to be resolved in each container.
    pub fn sockets(&self) -> BTreeSet<&str> {
        self.endpoints().filter_map(Endpoint::socket).collect()
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let of_rules = self.rules.iter().flat_map(|rule| rule.says.endpoints());
        let of_exceptions = self.exceptions().filter_map(|(_, exception)| match &exception.allow {
            Allow::Endpoint(endpoint) => Some(endpoint),
            _ => None,
        });
        of_rules.chain(of_exceptions)
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Unique within its policy.
    pub id: String,
    /// Whether it refuses.
    pub mode: Mode,
    /// Seconds without a sign of life of the agent after which it only observes.
    pub release: Option<u32>,
    /// What it says.
    pub says: Says,
    /// What it lets pass for a time.
    pub exceptions: Vec<Exception>,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// Who reads a secret, and where it may travel.
    Secret(SecretRule),
    /// Whose environment may be read.
    Environment(Read),
    /// What may not be executed.
    Exec(Vec<ExecDenial>),
    /// Where the workload may send.
    Egress(EgressRule),
    /// Whether memory of other processes may be reached.
    Memory(Attach),
}

impl Says {
    /// What it speaks of.
    pub fn kind(&self) -> RuleKind {
        match self {
            Self::Secret(_) => RuleKind::Secret,
            Self::Environment(_) => RuleKind::Environment,
            Self::Exec(_) => RuleKind::Exec,
            Self::Egress(_) => RuleKind::Egress,
            Self::Memory(_) => RuleKind::Memory,
        }
    }

    pub(crate) fn endpoints(&self) -> Vec<&Endpoint> {
        match self {
            Self::Secret(secret) => secret.binding.iter().flat_map(|it| &it.destinations).collect(),
            Self::Egress(egress) => egress.allow.iter().chain(&egress.deny).collect(),
            Self::Environment(_) | Self::Exec(_) | Self::Memory(_) => Vec::new(),
        }
    }
}

/// Who reads a secret, and where it may travel.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretRule {
    /// Glob of its name or path.
    pub secret: String,
    /// Its keys; `None`: all.
    pub keys: Option<BTreeSet<String>>,
    /// Who reads it.
    pub readers: Readers,
    /// Where it may travel; `None`: anywhere.
    pub binding: Option<Binding>,
    /// No other workload of the node reads it.
    pub exclusive: bool,
}

/// Who reads a secret.
#[derive(Debug, Clone, PartialEq)]
pub enum Readers {
    /// Everyone.
    Any,
    /// These binaries.
    Only(Vec<Reader>),
}

/// A binary that reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// Glob of its path in the container.
    pub binary: String,
    /// Also if it was written after the container was made.
    pub any_origin: bool,
}

/// Where a secret may travel.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// There.
    pub destinations: Vec<Endpoint>,
    /// When it begins.
    pub bind: Bind,
    /// Nothing else is permitted then, whatever names it.
    pub isolate: bool,
}

/// An executable that is refused if all fits.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecDenial {
    /// Where it comes from.
    pub origin: Option<Origin>,
    /// Glob of its path in the container.
    pub binary: Option<String>,
    /// Who executes it.
    pub session: Option<Session>,
}

/// Where a workload may send.
#[derive(Debug, Clone, PartialEq)]
pub struct EgressRule {
    /// What holds for what is not named.
    pub default: Stance,
    /// Named as allowed.
    pub allow: Vec<Endpoint>,
    /// Refused.
    pub deny: Vec<Endpoint>,
}

/// What a rule lets pass for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// What passes.
    pub allow: Allow,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Until when.
    pub expires: WallTime,
}

/// What an exception lets pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Allow {
    /// Everything that the rule refuses.
    Any,
    /// A binary of the image, by the glob of its path.
    Binary(String),
    /// A destination.
    Endpoint(Endpoint),
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Binary(binary) => write!(f, "binary {binary}"),
            Self::Endpoint(endpoint) => write!(f, "{endpoint}"),
        }
    }
}

impl Endpoint {
    fn host(&self) -> Option<&str> {
        match &self.to {
            crate::endpoint::To::Host(name) => Some(name),
            _ => None,
        }
    }

    fn socket(&self) -> Option<&str> {
        match &self.to {
            crate::endpoint::To::Unix(path) => Some(path),
            _ => None,
        }
    }
}

impl Ports {
    /// Whether every port is meant.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }
}
