//! What rules can ask an event for: the fields of each kind of event, by name, with how they are read.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use cofferdam_model::{
    Access, AccessKind, AccessMode, Attempt, AttemptKind, BinaryOrigin, BootTime, Connection, EventId,
    Process, ProcessKey, Protocol, SecretKind, TargetRelation, Verdict, Workload, WorkloadId,
};

use crate::condition::{Field, Type, Value, Values};
use crate::recent::News;

/// A kind of event that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A secret was touched.
    Access,
    /// A connection was made, or tried.
    Connection,
    /// Something else was refused, or would have been.
    Attempt,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Access, Self::Connection, Self::Attempt];

    /// Its name in rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Connection => "connection",
            Self::Attempt => "attempt",
        }
    }

    /// The fields that a condition on it may ask for.
    pub fn fields(self) -> Vec<Field> {
        facts(self).map(|fact| fact.field).collect()
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Happened<'e> {
    /// A secret was touched.
    Access(&'e Access),
    /// A connection.
    Connection(&'e Connection),
    /// An attempt.
    Attempt(&'e Attempt),
}

/// What the workload has done before, where that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Before {
    /// This workload has been seen for long enough to know what is usual.
    pub learnt: Option<bool>,
    /// This program has read this secret before.
    pub reader: Option<bool>,
    /// The workload has spoken to this destination before.
    pub destination: Option<bool>,
}

/// An event with all that is known around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'e> {
    /// What happened.
    pub happened: Happened<'e>,
    /// In which workload, if its names are known.
    pub workload: Option<&'e Workload>,
    /// The program that did it.
    pub program: Option<&'e Process>,
    /// What was usual.
    pub before: Before,
    /// Whether it happened for the first time.
    pub news: News,
}

impl<'e> Seen<'e> {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.happened {
            Happened::Access(_) => Kind::Access,
            Happened::Connection(_) => Kind::Connection,
            Happened::Attempt(_) => Kind::Attempt,
        }
    }

    /// The event.
    pub fn id(&self) -> EventId {
        match self.happened {
            Happened::Access(it) => it.id,
            Happened::Connection(it) => it.id,
            Happened::Attempt(it) => it.id,
        }
    }

    /// When it happened; of repeats, the latest.
    pub fn at(&self) -> BootTime {
        let (first, last) = self.span();
        if self.news == News::First { first } else { last }
    }

    /// How often it has happened.
    pub fn total(&self) -> u64 {
        match self.happened {
            Happened::Access(it) => it.total,
            Happened::Connection(it) => it.total,
            Happened::Attempt(_) => 1,
        }
    }

    /// How many times are new, as far as they lie within that time: what was counted over a longer one is one.
    pub fn times(&self, within: Duration) -> u64 {
        let (first, last) = self.span();
        match self.news {
            News::First if last.since(first) <= within => self.total().max(1),
            News::First => 1,
            News::More(more) => more,
        }
    }

    fn span(&self) -> (BootTime, BootTime) {
        match self.happened {
            Happened::Access(it) => (it.first, it.last),
            Happened::Connection(it) => (it.first, it.last),
            Happened::Attempt(it) => (it.at, it.at),
        }
    }

    /// In which workload.
    pub fn workload_id(&self) -> WorkloadId {
        match self.happened {
            Happened::Access(it) => it.workload,
            Happened::Connection(it) => it.workload,
            Happened::Attempt(it) => it.workload,
        }
    }

    /// By which process.
    pub fn process(&self) -> Option<ProcessKey> {
        match self.happened {
            Happened::Access(it) => it.process,
            Happened::Connection(it) => it.process,
            Happened::Attempt(it) => it.process,
        }
    }

    /// The program's beginning.
    pub fn exec(&self) -> Option<EventId> {
        match self.happened {
            Happened::Access(it) => it.exec,
            Happened::Connection(it) => it.exec,
            Happened::Attempt(it) => it.exec,
        }
    }

    /// Its user on the host, where the event tells it.
    pub fn uid(&self) -> Option<u32> {
        match self.happened {
            Happened::Access(it) => it.uid,
            Happened::Connection(it) => it.uid,
            Happened::Attempt(it) => it.uid,
        }
    }

    fn access(&self) -> Option<&'e Access> {
        if let Happened::Access(it) = self.happened { Some(it) } else { None }
    }

    fn connection(&self) -> Option<&'e Connection> {
        if let Happened::Connection(it) = self.happened { Some(it) } else { None }
    }

    fn attempt(&self) -> Option<&'e Attempt> {
        if let Happened::Attempt(it) = self.happened { Some(it) } else { None }
    }

    fn verdict(&self) -> Verdict {
        match self.happened {
            Happened::Access(it) => it.verdict,
            Happened::Connection(it) => it.verdict,
            Happened::Attempt(it) => it.verdict,
        }
    }
}

/// One field and how it is read.
pub(crate) struct Fact {
    pub(crate) field: Field,
    read: for<'s> fn(&'s Seen<'s>) -> Option<Value<'s>>,
}

/// The facts of a kind, in the order of their numbers.
pub(crate) fn facts(kind: Kind) -> impl Iterator<Item = &'static Fact> {
    let own = match kind {
        Kind::Access => ACCESS,
        Kind::Connection => CONNECTION,
        Kind::Attempt => ATTEMPT,
    };
    COMMON.iter().chain(own)
}

/// An event as conditions on its kind ask it.
pub(crate) struct Asked<'s>(pub(crate) &'s Seen<'s>);

impl Values for Asked<'_> {
    fn value(&self, field: usize) -> Option<Value<'_>> {
        let own = match self.0.kind() {
            Kind::Access => ACCESS,
            Kind::Connection => CONNECTION,
            Kind::Attempt => ATTEMPT,
        };
        let fact = COMMON.get(field).or_else(|| own.get(field.checked_sub(COMMON.len())?))?;
        (fact.read)(self.0)
    }
}

macro_rules! facts {
    ($($name:literal : $of:ident $([$words:ident])? = $what:literal, $read:expr;)+) => {
        &[$(Fact {
            field: Field { name: $name, of: Type::$of, words: facts!(@words $($words)?), what: $what },
            read: $read,
        }),+]
    };
    (@words) => { None };
    (@words $words:ident) => { Some($words::WORDS) };
}

fn word(word: &'static str) -> Option<Value<'static>> {
    Some(Value::Text(Cow::Borrowed(word)))
}

fn text(text: &str) -> Option<Value<'_>> {
    Some(Value::Text(Cow::Borrowed(text)))
}

const COMMON: &[Fact] = facts! {
    "verdict": Text [Verdict] = "what was decided", |it| word(it.verdict().as_str());
    "policy": Text = "the deciding policy", |it| text(match it.happened {
        Happened::Access(it) => it.policy.as_deref(),
        Happened::Connection(it) => it.policy.as_deref(),
        Happened::Attempt(it) => it.policy.as_deref(),
    }.unwrap_or_default());
    "exception": Bool = "it passed only by an exception", |it| Some(Value::Bool(match it.happened {
        Happened::Access(it) => it.exception,
        Happened::Connection(it) => it.exception,
        Happened::Attempt(it) => it.exception,
    }));
    "workload.container": Bool = "it is a container", |it| Some(Value::Bool(it.workload?.kind.is_container()));
    "workload.namespace": Text = "Kubernetes namespace", |it| text(it.workload?.namespace.as_deref()?);
    "workload.pod": Text = "name of the pod", |it| text(it.workload?.pod.as_deref()?);
    "workload.name": Text = "name of the container", |it| text(it.workload?.container.as_deref()?);
    "workload.image": Text = "image, as the workload names it", |it| text(&it.workload?.image.as_ref()?.name);
    "workload.learnt": Bool = "what is usual for this workload is known", |it| it.before.learnt.map(Value::Bool);
    "process.path": Text = "path of the program, as it was executed; evidence, not identity",
        |it| text(it.program?.executable.path.as_deref()?);
    "process.interpreter": Text = "of a script: the interpreter that runs it", |it| text(it.program?.executable.interpreter.as_deref()?);
    "process.origin": Text [BinaryOrigin] = "where the program's file comes from", |it| word(it.program?.executable.origin.as_str());
    "process.exec_session": Bool = "it came in after the container's start: `kubectl exec`, `docker exec`, `nsenter`",
        |it| it.program?.exec_session.map(Value::Bool);
    "process.runtime": Bool = "it is the container's runtime", |it| Some(Value::Bool(it.program?.runtime));
    "process.uid": Int = "its user on the host",
        |it| Some(Value::Int(it.uid().or(it.program.map(|program| program.uid))?.into()));
};

const ACCESS: &[Fact] = facts! {
    "access.how": Text [AccessKind] = "how the secret was reached", |it| word(it.access()?.how.as_str());
    "access.mode": Text [AccessMode] = "what was asked for", |it| word(it.access()?.mode.as_str());
    "access.usual": Bool = "this program of this workload has done that before", |it| it.before.reader.map(Value::Bool);
    "secret.kind": Text [SecretKind] = "where the secret comes from", |it| word(it.access()?.secret.kind.as_str());
    "secret.name": Text = "name of the volume, the configured name, or the path", |it| text(&it.access()?.secret.name);
    "secret.namespace": Text = "its Kubernetes namespace", |it| text(it.access()?.secret.namespace.as_deref()?);
    "secret.key": Text = "key: the file's name in the volume", |it| text(it.access()?.secret.key.as_deref()?);
    "target.relation": Text [TargetRelation] = "whose environment or memory it is, as the reader stands to it",
        |it| word(it.access()?.target.as_ref()?.relation.as_str());
};

const CONNECTION: &[Fact] = facts! {
    "destination.address": Text = "address", |it| Some(Value::Text(Cow::Owned(it.connection()?.destination?.to_string())));
    "destination.port": Int = "port", |it| Some(Value::Int(it.connection()?.port.into()));
    "destination.protocol": Text [Protocol] = "protocol", |it| word(it.connection()?.protocol.as_str());
    "destination.loopback": Bool = "it is the workload itself, or a neighbour in its pod",
        |it| Some(Value::Bool(it.connection()?.destination?.is_loopback()));
    "destination.private": Bool = "the address is not of the public internet",
        |it| Some(Value::Bool(is_private(it.connection()?.destination?)));
    "destination.usual": Bool = "the workload has spoken to it before", |it| it.before.destination.map(Value::Bool);
    "tainted_by": Texts = "secrets that the process or an ancestor had touched", |it| Some(Value::Texts(&it.connection()?.tainted_by));
};

const ATTEMPT: &[Fact] = facts! {
    "attempt.what": Text [AttemptKind] = "what was tried", |it| word(it.attempt()?.what.as_str());
    "attempt.object": Text = "on what: a path, a signal, a socket family", |it| text(&it.attempt()?.object);
    "attempt.origin": Text [BinaryOrigin] = "of an execution: where the file comes from", |it| word(it.attempt()?.origin?.as_str());
};

/// Loopback, link-local, private (RFC 1918, 6598, 4193) and unspecified addresses.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let [a, b, ..] = it.octets();
            it.is_loopback()
                || it.is_private()
                || it.is_link_local()
                || it.is_unspecified()
                || a == 100 && b & 0xc0 == 64
        }
        IpAddr::V6(it) => {
            it.is_loopback() || it.is_unspecified() || it.is_unique_local() || it.is_unicast_link_local()
        }
    }
}
