//! What came of a replay, by workload, binary and object.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cofferdam_model::{BinaryOrigin, Known, Protocol, SeenAccess, SeenConnection, Span, WallTime};
use serde::Serialize;

use super::requests::Subject;
use super::{Judged, Lack};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A secret was opened, received or mapped.
    Read,
    /// An environment was read.
    Environment,
    /// Memory was reached into.
    Memory,
    /// A program was executed.
    Execute,
    /// It connected or sent.
    Connect,
}

impl Act {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Environment => "environment",
            Self::Memory => "memory",
            Self::Execute => "execute",
            Self::Connect => "connect",
        }
    }
}

/// What would have become of the same thing, done over and over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Stable name of the workload; `None`: not known.
    pub workload: Option<String>,
    /// Path of the binary; `None`: not known.
    pub binary: Option<String>,
    /// Where the binary comes from.
    pub origin: BinaryOrigin,
    /// What was done.
    pub act: Act,
    /// To what: a secret with its key, a destination, a path.
    pub object: String,
    /// How often it would have been refused.
    pub denied: u64,
    /// How often it would have passed.
    pub allowed: u64,
    /// How often nobody can say.
    pub undecidable: u64,
    /// The rules that would have refused, each as `policy/rule`.
    pub rules: Vec<String>,
    /// What the journal lacks, and how often.
    pub lacks: BTreeMap<Lack, u64>,
    /// The first time.
    pub first: WallTime,
    /// The latest time.
    pub last: WallTime,
}

/// Rows by numbers; their words are made once.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: HashMap<Key, Sum>,
    pub unconcerned: u64,
}

type Key = (Option<String>, Option<String>, BinaryOrigin, Act, String);

#[derive(Debug)]
struct Sum {
    denied: u64,
    allowed: u64,
    rules: BTreeSet<String>,
    lacks: BTreeMap<Lack, u64>,
    first: WallTime,
    last: WallTime,
}

/// What is judged, in words.
#[derive(Debug)]
pub(super) struct Done {
    pub subject: Subject,
    pub act: Act,
    pub object: String,
    pub count: u64,
    pub span: Span,
}

impl Tally {
    pub(super) fn add(&mut self, known: &Known, done: Done, judged: Judged) {
        let Done { subject, act, object, count, span } = done;
        let workload = subject.workload.and_then(|number| known.workloads.get(number as usize));
        let program = subject.program.and_then(|number| known.programs.get(number as usize));
        let binary = program.and_then(|it| it.executable.path.clone());
        let origin = program.map_or(BinaryOrigin::Unknown, |it| it.executable.origin);
        let key = (workload.map(|it| it.name().to_string()), binary, origin, act, object);
        let sum = self.rows.entry(key).or_insert(Sum {
            denied: 0,
            allowed: 0,
            rules: BTreeSet::new(),
            lacks: BTreeMap::new(),
            first: span.first,
            last: span.last,
        });
        (sum.first, sum.last) = (sum.first.min(span.first), sum.last.max(span.last));
        let counter = match judged {
            Judged::Allowed => &mut sum.allowed,
            Judged::Denied { rules, .. } => {
                sum.rules.extend(rules);
                &mut sum.denied
            }
            Judged::Undecidable(lack) => sum.lacks.entry(lack).or_default(),
        };
        *counter = counter.saturating_add(count);
    }

    /// Something that no policy concerns.
    pub(super) fn pass(&mut self, count: u64) {
        self.unconcerned = self.unconcerned.saturating_add(count);
    }

    /// Workload by workload, what would be refused first.
    pub(super) fn rows(self) -> Vec<Replayed> {
        let row = |((workload, binary, origin, act, object), sum): (Key, Sum)| Replayed {
            workload,
            binary,
            origin,
            act,
            object,
            denied: sum.denied,
            allowed: sum.allowed,
            undecidable: sum.lacks.values().fold(0, |all, count| all.saturating_add(*count)),
            rules: sum.rules.into_iter().collect(),
            lacks: sum.lacks,
            first: sum.first,
            last: sum.last,
        };
        let mut rows: Vec<Replayed> = self.rows.into_iter().map(row).collect();
        let class = |row: &Replayed| (row.denied == 0, row.undecidable == 0);
        rows.sort_by(|a, b| {
            (&a.workload, class(a), a.act, &a.binary, &a.object, a.origin).cmp(&(
                &b.workload,
                class(b),
                b.act,
                &b.binary,
                &b.object,
                b.origin,
            ))
        });
        rows
    }
}

/// What was reached, as people know it.
pub(super) fn object(known: &Known, seen: &SeenAccess) -> String {
    let of_target = || {
        let target = seen.target?;
        let workload = target.workload.and_then(|number| known.workloads.get(number as usize));
        Some(match workload {
            Some(workload) => format!("{} of {}", target.relation, workload.name()),
            None => target.relation.to_string(),
        })
    };
    let Some(secret) = known.secrets.get(seen.secret as usize) else { return "unknown".to_owned() };
    match (of_target(), &secret.of.key) {
        (Some(target), _) => target,
        (None, Some(key)) => format!("{}:{key}", secret.of.display_name()),
        (None, None) => secret.of.display_name(),
    }
}

/// `10.0.0.5:5432/tcp`.
pub(super) fn destination(seen: &SeenConnection) -> String {
    let protocol = seen.protocol;
    match seen.destination {
        Some(address) if matches!(protocol, Protocol::Tcp | Protocol::Udp | Protocol::Sctp) => {
            format!("{}/{protocol}", std::net::SocketAddr::new(address, seen.port))
        }
        Some(address) => format!("{address}/{protocol}"),
        None => "(unknown)".to_owned(),
    }
}
