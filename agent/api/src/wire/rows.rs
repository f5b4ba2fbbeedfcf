//! Which fields the messages have, and how rows are put into replies.

use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, Completeness, ConnectionRow, DetectionRow, Filter, LossRow, Peer,
    ProcessRow, SecretRow, TargetRow, ToldRow, WorkloadRow,
};

use super::{Malformed, Problem, Wire, wire};
use crate::{
    BlindSpot, Check, Counter, DetectionRule, Doctor, Ending, Event, HookEvents, HookReport, JournalStatus,
    Memory, Program, Ring, Source, Status, TableFill, WorkloadCount, proto,
};

wire! {
    Filter { workload, namespace, pod, container, secret, binary, verdict, since, until, limit, severity, rule }
    Ending { since, until, completeness }
    Completeness { complete, lost, over_budget, unknown_workloads, seen_since, sources, reasons }
    TargetRow { relation, pid, process_start, workload, binary }
    AccessRow {
        id, first, last, count, workload, namespace, pod, container, container_id, cgroup, binary, binary_inode,
        binary_origin, interpreter, pid, process_start, boot_id, ppid, uid, exec_session, secret, secret_kind,
        secret_uid, key, how, mode, target, verdict, denied_by, enforced_by, policy, rule, exception, generation, order, image,
        labels,
    }
    ConnectionRow {
        id, first, last, count, workload, namespace, pod, container, container_id, cgroup, binary, binary_inode,
        binary_origin, interpreter, pid, process_start, boot_id, ppid, uid, exec_session, destination, port,
        protocol, family, unconnected, tainted_by, verdict, denied_by, enforced_by, policy, rule, exception, generation,
    }
    AttemptRow {
        id, at, workload, namespace, pod, container, container_id, cgroup, binary, binary_inode, binary_origin,
        interpreter, pid, process_start, boot_id, ppid, uid, exec_session, what, object, object_inode,
        object_origin, verdict, denied_by, enforced_by, policy, rule, exception, generation,
    }
    AuditRow { at, what, subject, workload, by, detail, boot_id }
    DetectionRow {
        id, at, rule, title, severity, techniques, workload, namespace, pod, container, container_id, binary,
        binary_origin, pid, process_start, uid, exec_session, secret, secret_kind, key, evidence, told, withheld, contain, revoke, boot_id,
    }
    ToldRow { event, field, value }
    Peer { uid, pid }
    ProcessRow {
        id, parent, began, ended, workload, pid, process_start, ppid, uid, binary, binary_inode, binary_origin,
        interpreter, interpreter_inode, exec_session, runtime, adopted,
    }
    WorkloadRow {
        workload, kind, namespace, pod, container, container_id, pod_uid, runtime, cgroup, cgroup_id, image,
        image_digest, labels, credential_variables, since, until, boot_id,
    }
    SecretRow {
        secret, kind, namespace, pod_uid, secret_uid, keys, path, since, until, visible_to, accessed_by, accesses,
        last_access,
    }
    LossRow { since, until, hook, workload, reason, count }
    Status {
        agent_version, abi_version, node, cluster, pid, started, ready, tier, boot_id, programs, rings, events,
        counters, losses, over_budget, tables, journal, sources, watchers, memory, rules,
    }
    DetectionRule {
        name, file, severity, techniques, contain, revoke, off, found, withheld, undecided, cut, forgotten,
    }
    Program { name, attach_point, attached }
    Ring { name, bytes }
    HookEvents { hook, events }
    Counter { hook, reason, count }
    WorkloadCount { workload, count }
    TableFill { name, used, capacity }
    JournalStatus { path, bytes, max_bytes, rows, segments, oldest, errors }
    Source { name, state, ok }
    Memory { rss_bytes, map_bytes }
    Doctor { kernel, tier, reasons, hooks, checks, blind_spots }
    BlindSpot { what, instead }
    HookReport { hook, tier, program, attach_point, state, sees, without_it, reason }
    Check { name, ok, found, costs, remedy }
}

impl Wire for Event {
    type Message = proto::Event;

    fn encode(self) -> proto::Event {
        use proto::event::Event as Kind;
        let event = match self {
            Self::Process(row) => Kind::Process(row.encode()),
            Self::Access(row) => Kind::Access(row.encode()),
            Self::Connection(row) => Kind::Connection(row.encode()),
            Self::Attempt(row) => Kind::Attempt(row.encode()),
            Self::Audit(row) => Kind::Audit(row.encode()),
            Self::Detection(row) => Kind::Detection(row.encode()),
            Self::Loss(row) => Kind::Loss(row.encode()),
        };
        proto::Event { event: Some(event) }
    }

    fn decode(message: proto::Event) -> Result<Self, Malformed> {
        use proto::event::Event as Kind;
        match message.event {
            Some(Kind::Process(row)) => ProcessRow::decode(row).map(Self::from),
            Some(Kind::Access(row)) => AccessRow::decode(row).map(Self::from),
            Some(Kind::Connection(row)) => ConnectionRow::decode(row).map(Self::from),
            Some(Kind::Attempt(row)) => AttemptRow::decode(row).map(Self::from),
            Some(Kind::Audit(row)) => AuditRow::decode(row).map(Self::from),
            Some(Kind::Detection(row)) => DetectionRow::decode(row).map(Self::from),
            Some(Kind::Loss(row)) => LossRow::decode(row).map(Self::from),
            None => Err(Malformed { message: "Event", field: "event", problem: Problem::Absent }),
        }
    }
}

/// A row that is answered in a stream of replies.
pub(crate) trait Chunk: Wire<Message: prost::Message + Send> + Send + 'static {
    /// The reply that carries it.
    type Reply: Send + 'static;
    /// A reply with these rows; with an ending if it is the last.
    fn reply(rows: Vec<Self::Message>, ending: Option<Ending>) -> Self::Reply;
    /// The rows of a reply, and the ending if it is the last.
    fn parts(reply: Self::Reply) -> Result<(Vec<Self>, Option<Ending>), Malformed>;
}

macro_rules! chunk {
    ($($row:ident in $reply:ident),+ $(,)?) => {$(
        impl Chunk for $row {
            type Reply = proto::$reply;

            fn reply(rows: Vec<Self::Message>, ending: Option<Ending>) -> Self::Reply {
                proto::$reply { rows, ending: ending.map(Wire::encode) }
            }

            fn parts(reply: Self::Reply) -> Result<(Vec<Self>, Option<Ending>), Malformed> {
                let rows = reply.rows.into_iter().map(Self::decode).collect::<Result<_, _>>()?;
                Ok((rows, reply.ending.map(Ending::decode).transpose()?))
            }
        }
    )+};
}

chunk! {
    AccessRow in AccessesReply,
    ConnectionRow in ConnectionsReply,
    AttemptRow in AttemptsReply,
    AuditRow in AuditsReply,
    DetectionRow in DetectionsReply,
    Event in TimelineReply,
    WorkloadRow in WorkloadsReply,
    SecretRow in SecretsReply,
}
