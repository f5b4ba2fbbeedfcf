//! Whatever a row says, it says on the other side.

use std::fmt::Debug;

use cofferdam_model::{
    AccessKind, AccessRow, AttemptRow, AuditKind, AuditRow, BinaryOrigin, Completeness, DetectionRow, Filter,
    LossRow, Peer, SecretKind, Severity, Verdict, WallTime, WorkloadRow,
};
use proptest::prelude::*;
use prost::Message as _;

use super::{Field, Wire};
use crate::{
    BlindSpot, Check, CheckResult, DetectionRule, Doctor, Event, HookReport, HookState, Tier, proto,
};

/// Every value of a word, so that the table of words can be tested whole.
pub(super) trait AllWords: Sized + 'static {
    const WORDS: &'static [Self];
}

pub(super) fn travels<T: Wire<Message: prost::Message + Default> + Clone + PartialEq + Debug>(value: &T) {
    let bytes = value.clone().encode().encode_to_vec();
    let message = T::Message::decode(&bytes[..]).unwrap();
    assert_eq!(&T::decode(message).unwrap(), value);
}

pub(super) fn words_travel<T: AllWords + Field<Wire = i32> + Copy + PartialEq + Debug>()
where
    Option<T>: Field<Wire = i32>,
{
    for word in T::WORDS {
        let wire = word.to_wire();
        assert_ne!(wire, 0, "{word:?} must not be the zero of its enum");
        assert_eq!(T::from_wire(wire).unwrap(), *word);
        assert_eq!(Option::<T>::from_wire(wire).unwrap(), Some(*word));
    }
    assert!(T::from_wire(0).is_err());
    assert_eq!(Option::<T>::from_wire(0).unwrap(), None);
    assert!(T::from_wire(99).is_err());
}

#[test]
fn every_word_travels() {
    words_travel::<Verdict>();
    words_travel::<cofferdam_model::DeniedBy>();
    words_travel::<cofferdam_model::EnforcedBy>();
    words_travel::<AccessKind>();
    words_travel::<cofferdam_model::AttemptKind>();
    words_travel::<cofferdam_model::AuditKind>();
    words_travel::<Severity>();
    words_travel::<cofferdam_model::Contain>();
    words_travel::<cofferdam_model::AccessMode>();
    words_travel::<cofferdam_model::TargetRelation>();
    words_travel::<BinaryOrigin>();
    words_travel::<SecretKind>();
    words_travel::<cofferdam_model::Protocol>();
    words_travel::<cofferdam_model::LossReason>();
    words_travel::<Tier>();
    words_travel::<HookState>();
    words_travel::<CheckResult>();
}

/// A row as it is written; the tests of the server use more.
pub(crate) fn access() -> AccessRow {
    serde_json::from_value(serde_json::json!({
        "id": "0a1b2c3d-1f", "first": "2026-11-22T05:00:00.000000001Z", "last": "2026-11-22T05:00:09Z", "count": 3,
        "workload": "shop/web-1/app", "namespace": "shop", "pod": "web-1", "container": "app",
        "container_id": "c0ffee", "cgroup": "/kubepods/podx/c0ffee", "binary": "/usr/bin/python3",
        "binary_inode": "0:40/77", "binary_origin": "written", "interpreter": "/bin/sh", "pid": 4242,
        "process_start": "2026-11-22T04:59:59Z", "boot_id": "0a1b2c3d-1111-2222-3333-444455556666", "ppid": 1,
        "uid": 1000, "exec_session": true, "secret": "volume/creds", "secret_kind": "secret-volume",
        "secret_uid": "u-1", "key": "password", "how": "environ", "mode": "read-write",
        "target": {
            "relation": "other", "pid": 7, "process_start": "1969-12-31T23:59:59.5Z", "workload": "host",
            "binary": "/sbin/init"
        },
        "verdict": "denied", "denied_by": "us", "enforced_by": "lsm", "policy": "payments", "rule": "db",
        "exception": true, "generation": 12, "order": 2, "image": "registry/web:1", "labels": { "app": "web" }
    }))
    .unwrap()
}

/// As little as possible of the same in an attempt.
fn attempt(origin: Option<BinaryOrigin>) -> AttemptRow {
    serde_json::from_value(serde_json::json!({
        "id": "0a1b2c3d-20", "at": "2026-11-22T05:00:00.000000001Z", "workload": null, "namespace": null,
        "pod": null, "container": null, "container_id": null, "cgroup": null, "binary": "/bin/sh",
        "binary_inode": null, "binary_origin": "image", "interpreter": null, "pid": 7, "process_start": null,
        "boot_id": "0a1b2c3d-1111-2222-3333-444455556666", "ppid": null, "uid": null, "exec_session": null,
        "what": "map-code", "object": "/tmp/x", "object_inode": "0:40/78", "object_origin": origin,
        "verdict": "would-deny", "denied_by": null, "enforced_by": "observe-only", "policy": "payments",
        "rule": "ex", "exception": false, "generation": 3
    }))
    .unwrap()
}

/// What a rule has found; the tests of the matcher use it too.
pub(crate) fn detection() -> DetectionRow {
    serde_json::from_value(serde_json::json!({
        "id": "0a1b2c3d-1f/secret-sweep", "at": "2026-11-22T05:00:00.000000001Z", "rule": "secret-sweep",
        "title": "Processes of one origin went through many secrets", "severity": "high",
        "techniques": ["T1552.001", "T1083"], "workload": "shop/web-1/app", "namespace": "shop", "pod": "web-1",
        "container": "app", "container_id": "c0ffee", "binary": "/usr/bin/python3",
        "binary_origin": "written", "pid": 4242, "process_start": "2026-11-22T04:59:59Z", "uid": 1000,
        "exec_session": false, "secret": "volume/creds", "secret_kind": "secret-volume", "key": "password",
        "evidence": ["0a1b2c3d-1e", "0a1b2c3d-1f"],
        "told": [{ "event": "0a1b2c3d-1f", "field": "access.usual", "value": "false" }], "withheld": 2,
        "contain": "workload", "revoke": true, "boot_id": "0a1b2c3d-1111-2222-3333-444455556666"
    }))
    .unwrap()
}

#[test]
fn detections_travel_with_every_field_and_without() {
    travels(&detection());
    let bare = DetectionRow {
        secret: None,
        secret_kind: None,
        key: None,
        pid: None,
        process_start: None,
        exec_session: None,
        evidence: Vec::new(),
        told: Vec::new(),
        ..detection()
    };
    travels(&bare);
    travels(&Event::from(bare));
}

#[test]
fn a_rule_at_work_travels() {
    let built_in = DetectionRule {
        name: "secret-sweep".into(),
        file: None,
        severity: Severity::High,
        techniques: vec!["T1083".into()],
        contain: cofferdam_model::Contain::Workload,
        revoke: false,
        off: true,
        found: 1,
        withheld: 2,
        undecided: 3,
        cut: 4,
        forgotten: 5,
    };
    travels(&built_in);
    travels(&DetectionRule { file: Some("/etc/sweep.yaml".into()), off: false, ..built_in });
}

#[test]
fn attempts_and_acts_travel_with_every_field_and_without() {
    for origin in [None, Some(BinaryOrigin::Written)] {
        travels(&attempt(origin));
        travels(&Event::from(attempt(origin)));
    }
    for by in [None, Some(Peer { uid: 0, pid: 0 })] {
        let act = AuditRow {
            at: WallTime::from_nanos(1),
            what: AuditKind::PolicyRolledBack,
            subject: "payments/api".into(),
            workload: by.map(|_| "shop/web-1/app".into()),
            by,
            detail: "nobody confirmed it within 5m".into(),
            boot_id: access().boot_id,
        };
        travels(&act);
        travels(&Event::from(act));
    }
}

#[test]
fn rows_travel_with_every_field_and_without() {
    travels(&access());
    let bare = AccessRow {
        workload: None,
        pid: None,
        process_start: None,
        exec_session: None,
        target: None,
        denied_by: None,
        order: None,
        labels: Default::default(),
        ..access()
    };
    travels(&bare);
    travels(&Event::from(bare));
    travels(&Event::from(LossRow {
        since: WallTime::from_nanos(1),
        until: WallTime::from_nanos(2),
        hook: "file_open".into(),
        workload: None,
        reason: cofferdam_model::LossReason::RingFull,
        count: 12,
    }));
    travels(&Doctor {
        kernel: "6.12".into(),
        tier: None,
        reasons: vec!["no BTF".into()],
        hooks: vec![HookReport {
            hook: "open".into(),
            tier: Tier::Lsm,
            program: "file_open".into(),
            attach_point: "lsm/file_open".into(),
            state: HookState::Failed,
            sees: "opens".into(),
            without_it: "opens".into(),
            reason: Some("EPERM".into()),
        }],
        checks: vec![Check {
            name: "BTF".into(),
            ok: CheckResult::Fail,
            found: "none".into(),
            costs: None,
            remedy: None,
        }],
        blind_spots: vec![BlindSpot { what: "io_uring".into(), instead: "nothing".into() }],
    });
}

#[test]
fn a_message_of_another_version_is_named_with_its_field() {
    let mut message = access().encode();
    message.how = 42;
    let error = AccessRow::decode(message).unwrap_err();
    assert_eq!(
        error.to_string(),
        "AccessRow.how: 42 is no value of this enum (are agent and command line of one version?)"
    );

    let mut message = access().encode();
    if let Some(target) = &mut message.target {
        target.relation = 0;
    }
    let error = AccessRow::decode(message).unwrap_err();
    assert_eq!(error.to_string(), "AccessRow.target: TargetRow.relation: is absent");

    let mut message = access().encode();
    message.boot_id = "nonsense".into();
    assert!(AccessRow::decode(message).is_err());

    assert!(Event::decode(proto::Event { event: None }).is_err());
}

proptest! {
    #[test]
    fn any_time_travels(nanos: i64) {
        let time = WallTime::from_nanos(nanos);
        prop_assert_eq!(WallTime::from_wire(time.to_wire()).unwrap(), time);
    }

    #[test]
    fn any_filter_travels(
        workload: Option<String>, secret: Option<String>, since: Option<i64>, limit: Option<u64>, verdict in 0..4usize,
        severity in 0..6usize, rule: Option<String>,
    ) {
        let severity = Severity::ALL.get(severity).copied();
        let verdict = Verdict::ALL.get(verdict).copied();
        let since = since.map(WallTime::from_nanos);
        travels(&Filter { workload, secret, since, limit, verdict, severity, rule, ..Filter::default() });
    }

    #[test]
    fn any_completeness_travels(complete: bool, lost: u64, reasons: Vec<String>) {
        travels(&Completeness {
            complete, lost, over_budget: 1, unknown_workloads: 2, seen_since: None, sources: reasons.clone(), reasons,
        });
    }

    #[test]
    fn any_bytes_are_decoded_or_refused_but_never_a_panic(bytes: Vec<u8>) {
        if let Ok(message) = proto::WorkloadRow::decode(&bytes[..]) {
            let _ = WorkloadRow::decode(message);
        }
        if let Ok(message) = proto::Event::decode(&bytes[..]) {
            let _ = Event::decode(message);
        }
    }
}
