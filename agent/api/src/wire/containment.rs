//! Which fields the messages about policies and orders have.

use std::time::Duration;

use super::{Field, Malformed, Problem, Wire, wire};
use crate::{
    ApplyOptions, ExceptionStatus, Explanation, FailOpen, OrderRequest, OrderRow, OrderScope, Peer,
    PolicyRow, PolicyStatus, PolicyText, RefusedFile, RuleStatus, proto,
};

wire! {
    Peer { uid, pid }
    PolicyText { source, text }
    ApplyOptions { dry_run, confirm_within }
    PolicyRow { name, namespace, mode, origin, source, applied, by, rules, workloads, confirm_until }
    PolicyStatus { rules, exceptions, pending, refused, fail_open }
    RuleStatus { policy, rule, kind, mode, workload, effective, why, late_bind }
    ExceptionStatus { policy, rule, allow, reason, owner, accepted, expires, expired }
    RefusedFile { file, message, since }
    FailOpen { name, count, means }
    Explanation { event, what, verdict, policy, rule, text, why }
    OrderRequest { scope, cut_off, until, owner, reason }
    OrderRow { id, scope, cut_off, workloads, until, owner, reason, since, by, sockets_destroyed, notes }
}

impl Wire for OrderScope {
    type Message = proto::OrderScope;

    fn encode(self) -> proto::OrderScope {
        use proto::order_scope::Scope;
        let scope = match self {
            Self::Workload { workload } => Scope::Workload(proto::WorkloadScope { workload }),
            Self::Credential { secret, workload } => {
                Scope::Credential(proto::CredentialScope { secret, workload })
            }
        };
        proto::OrderScope { scope: Some(scope) }
    }

    fn decode(message: proto::OrderScope) -> Result<Self, Malformed> {
        use proto::order_scope::Scope;
        match message.scope {
            Some(Scope::Workload(proto::WorkloadScope { workload })) => Ok(Self::Workload { workload }),
            Some(Scope::Credential(proto::CredentialScope { secret, workload })) => {
                Ok(Self::Credential { secret, workload })
            }
            None => Err(Malformed { message: "OrderScope", field: "scope", problem: Problem::Absent }),
        }
    }
}

impl Field for Option<Duration> {
    type Wire = Option<prost_types::Duration>;

    fn to_wire(self) -> Self::Wire {
        self.map(|duration| prost_types::Duration {
            seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
        })
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, Problem> {
        let Some(duration) = wire else { return Ok(None) };
        let seconds = u64::try_from(duration.seconds);
        let nanos = u32::try_from(duration.nanos);
        match (seconds, nanos) {
            (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) => Ok(Some(Duration::new(seconds, nanos))),
            (Ok(_), _) => Err(Problem::OutOfRange(duration.nanos.into())),
            (Err(_), _) => Err(Problem::OutOfRange(duration.seconds.into())),
        }
    }
}
