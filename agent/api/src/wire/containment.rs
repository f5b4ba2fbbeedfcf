//! Which fields the messages about policies and orders have.

use std::time::Duration;

use super::{Field, Malformed, Problem, Wire, wire};
use crate::{
    AcceptedException, ApplyOptions, ExceptionStatus, Explanation, FailOpen, OrderRequest, OrderRow,
    OrderScope, PolicyRow, PolicyStatus, PolicyText, PolicyTexts, RefusedFile, RuleStatus, TextInForce,
    proto,
};

wire! {
    PolicyText { source, text }
    ApplyOptions { dry_run, confirm_within }
    PolicyRow { name, namespace, mode, origin, source, applied, by, rules, workloads, confirm_until }
    PolicyTexts { texts, accepted }
    TextInForce { names, text }
    AcceptedException { exception, at }
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

#[cfg(test)]
mod tests {
    use cofferdam_model::{EnforcedBy, Verdict, WallTime};
    use proptest::prelude::*;
    use prost::Message as _;

    use super::super::tests::{travels, words_travel};
    use cofferdam_model::Peer;

    use super::*;
    use crate::{PolicyMode, PolicyOrigin, RuleKind};

    #[test]
    fn every_word_travels() {
        words_travel::<PolicyMode>();
        words_travel::<PolicyOrigin>();
        words_travel::<RuleKind>();
        let all = EnforcedBy::ALL.to_vec();
        assert_eq!(Vec::<EnforcedBy>::from_wire(all.clone().to_wire()).unwrap(), all);
        assert!(Vec::<EnforcedBy>::from_wire(vec![1, 0]).is_err());
        assert!(Vec::<EnforcedBy>::from_wire(vec![99]).is_err());
    }

    fn policy() -> PolicyRow {
        PolicyRow {
            name: "web".into(),
            namespace: Some("shop".into()),
            mode: PolicyMode::Enforce,
            origin: PolicyOrigin::Applied,
            source: "web.yaml".into(),
            applied: WallTime::from_nanos(1),
            by: Some(Peer { uid: 1000, pid: 7 }),
            rules: 5,
            workloads: vec!["shop/web-1/app".into()],
            confirm_until: Some(WallTime::from_nanos(2)),
        }
    }

    fn order() -> OrderRow {
        OrderRow {
            id: "o-1".into(),
            scope: OrderScope::Credential {
                secret: "creds:password".into(),
                workload: Some("shop/*".into()),
            },
            cut_off: true,
            workloads: vec!["shop/web-1/app".into()],
            until: Some(WallTime::from_nanos(3)),
            owner: "oncall".into(),
            reason: "INC-1".into(),
            since: WallTime::from_nanos(1),
            by: Peer { uid: 0, pid: 0 },
            sockets_destroyed: 2,
            notes: vec!["a process holds it open".into()],
        }
    }

    fn status() -> PolicyStatus {
        let rule = RuleStatus {
            policy: "shop/web".into(),
            rule: "db".into(),
            kind: RuleKind::Secret,
            mode: PolicyMode::Observe,
            workload: Some("shop/web-1/app".into()),
            effective: vec![EnforcedBy::Lsm, EnforcedBy::Cgroup],
            why: vec!["because".into()],
            late_bind: true,
        };
        let unused = RuleStatus { workload: None, effective: vec![], why: vec![], ..rule.clone() };
        PolicyStatus {
            rules: vec![rule, unused],
            exceptions: vec![ExceptionStatus {
                policy: "shop/web".into(),
                rule: "ex".into(),
                allow: "binary /bin/sh".into(),
                reason: "INC-1".into(),
                owner: "oncall".into(),
                accepted: WallTime::from_nanos(-1),
                expires: WallTime::from_nanos(1),
                expired: true,
            }],
            pending: vec!["docker:c0ffee".into()],
            refused: vec![RefusedFile {
                file: "web.yaml".into(),
                message: "web.yaml:1:1: one\nweb.yaml:2:1: two".into(),
                since: WallTime::from_nanos(4),
            }],
            fail_open: vec![FailOpen { name: "recursion_misses".into(), count: 0, means: "it ran".into() }],
        }
    }

    #[test]
    fn answers_travel_with_every_field_and_without() {
        travels(&policy());
        travels(&PolicyRow { namespace: None, by: None, workloads: vec![], confirm_until: None, ..policy() });
        travels(&status());
        travels(&order());
        travels(&OrderRow {
            scope: OrderScope::Workload { workload: "shop/*".into() },
            until: None,
            ..order()
        });
        let explanation = Explanation {
            event: "e-1".into(),
            what: "it was opened".into(),
            verdict: Verdict::WouldDeny,
            policy: Some("shop/web".into()),
            rule: Some("db".into()),
            text: Some("id: db\n".into()),
            why: vec!["because".into()],
        };
        travels(&explanation);
        travels(&Explanation { policy: None, rule: None, text: None, why: vec![], ..explanation });
    }

    #[test]
    fn an_order_without_a_scope_is_named() {
        let mut message = order().encode();
        message.scope = Some(proto::OrderScope { scope: None });
        let error = OrderRow::decode(message).unwrap_err();
        assert_eq!(error.to_string(), "OrderRow.scope: OrderScope.scope: is absent");
    }

    #[test]
    fn a_negative_length_of_time_is_refused() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000)] {
            let wire = Some(prost_types::Duration { seconds, nanos });
            assert!(Option::<Duration>::from_wire(wire).is_err(), "{seconds} {nanos}");
        }
    }

    proptest! {
        #[test]
        fn any_question_travels(
            source: String, text: String, dry_run: bool, within in proptest::option::of((0..=i64::MAX as u64, 0..1_000_000_000u32)),
            workload: Option<String>, owner: String, until: Option<i64>,
        ) {
            travels(&PolicyText { source, text: text.clone() });
            let confirm_within = within.map(|(seconds, nanos)| Duration::new(seconds, nanos));
            travels(&ApplyOptions { dry_run, confirm_within });
            let scope = OrderScope::Credential { secret: text.clone(), workload };
            let until = until.map(WallTime::from_nanos);
            travels(&OrderRequest { scope, cut_off: dry_run, until, owner, reason: text });
        }

        #[test]
        fn any_bytes_are_decoded_or_refused_but_never_a_panic(bytes: Vec<u8>) {
            if let Ok(message) = proto::PolicyStatus::decode(&bytes[..]) {
                let _ = PolicyStatus::decode(message);
            }
            if let Ok(message) = proto::OrderRequest::decode(&bytes[..]) {
                let _ = OrderRequest::decode(message);
            }
            if let Ok(message) = proto::ApplyOptions::decode(&bytes[..]) {
                let _ = ApplyOptions::decode(message);
            }
        }
    }
}
