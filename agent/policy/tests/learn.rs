//! What is learnt is a policy that agrees with what it was learnt from.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;
#[path = "kit/past.rs"]
mod past;

use cofferdam_model::{
    BinaryOrigin, Completeness, Executor, PodUid, Protocol, Runtime, SecretKind, TargetRelation, Workload,
    WorkloadId, WorkloadKind,
};
use cofferdam_policy::{Lesson, Policy, Selection, check, learn};
use kit::{container, wall};
use past::{Story, accepted, complete, span};
use proptest::prelude::*;

fn lesson<'a>(story: &'a Story, taints: &'a [Vec<String>], completeness: &'a Completeness) -> Lesson<'a> {
    Lesson {
        workload: "*",
        known: &story.known,
        accesses: &story.accesses,
        connections: &story.connections,
        taints,
        executions: &story.executions,
        range: (Some(wall("2026-11-22T00:00:00Z")), Some(wall("2026-11-22T01:00:00Z"))),
        completeness,
    }
}

/// Checks it, and replays the very same past.
fn agrees(story: &Story, text: &str) -> Vec<String> {
    let policies = accepted(text);
    let policies: Vec<&Policy> = policies.iter().collect();
    let workloads = &story.known.workloads;
    assert!(workloads.iter().all(|it| policies[0].selects(it) == Selection::Yes), "{text}");
    assert_eq!(check(&policies, &[], workloads, wall("2026-11-22T01:00:00Z")), [], "{text}");
    let rows = story.replayed(&policies);
    rows.iter().filter(|row| row.denied > 0).map(|row| format!("{row:?}")).collect()
}

fn pod(name: &str) -> Workload {
    let mut workload = container(name);
    workload.kind = WorkloadKind::PodContainer {
        pod_uid: "0a1b2c3d-1111-2222-3333-444455556666".parse::<PodUid>().unwrap(),
        container_id: "c1".parse().unwrap(),
        runtime: Runtime::Containerd,
    };
    workload.namespace = Some("shop".into());
    workload.pod = Some(format!("{name}-6f9b7c9d8-x2x1k"));
    workload.container = Some("app".into());
    workload.labels =
        [("app", name), ("pod-template-hash", "6f9b7c9d8")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    workload
}

#[test]
fn a_quiet_workload_gets_a_small_policy_with_its_evidence() {
    let mut story = Story::of(pod("web"));
    let server = story.program(Some("/usr/bin/python3"), BinaryOrigin::Image);
    let migrate = story.program(Some("/data/migrate"), BinaryOrigin::Written);
    let runtime = story.program_as(Some("/usr/bin/runc"), BinaryOrigin::Host, Some(false), true);
    let creds = story.secret("creds", Some("password"));
    let username = story.secret("creds", Some("username"));
    let token = story.secret("token", Some("token"));
    for secret in [creds, username, token] {
        story.known.secrets[secret as usize].of.kind = SecretKind::SecretVolume;
        story.known.secrets[secret as usize].of.pod_uid = "0a1b2c3d-1111-2222-3333-444455556666".parse().ok();
        story.known.secrets[secret as usize].of.namespace = Some("shop".into());
    }
    story.reads(Some(server), creds, span(10, 500, 12));
    story.reads(Some(server), username, span(11, 11, 1));
    story.reads(Some(migrate), creds, span(3, 3, 1));
    story.reads(Some(runtime), token, span(1, 1, 1));
    story.reads(None, token, span(40, 50, 9));
    story.executes(migrate, Executor::Within, span(2, 2, 1));
    story.sees(Some(server), Some(TargetRelation::Own), false, span(9, 9, 1));
    story.connects(Some(server), "10.0.0.5", 5432, Protocol::Tcp, span(20, 900, 40));
    story.connections[0].taint = Some(0);
    story.connects(Some(server), "10.96.0.10", 53, Protocol::Udp, span(5, 900, 80));
    story.connects(Some(migrate), "192.0.2.9", 0, Protocol::Icmp, span(5, 5, 1));
    let taints = [vec!["shop/volume/creds:password".to_owned()]];
    let doubtful = Completeness {
        complete: false,
        over_budget: 9,
        reasons: vec![
            "not watched from 2026-11-22T00:00:00Z to 2026-11-22T00:05:00Z: the agent did not run".into(),
        ],
        ..complete()
    };
    let text = learn(&lesson(&story, &taints, &doubtful)).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(text, learn(&lesson(&story, &taints, &doubtful)).unwrap(), "the same each time");
    assert!(agrees(&story, &text).is_empty());
}

#[test]
fn what_was_done_is_permitted_however_unusual() {
    let mut story = Story::of(container("web"));
    let odd = story.program(Some("/tmp/a, b]: {c}*"), BinaryOrigin::Memfd);
    let bash = story.program(Some("/bin/bash"), BinaryOrigin::Deleted);
    let server = story.program(Some("/app/server"), BinaryOrigin::Image);
    let at = span(1, 1, 1);
    let secret = story.secret("db", None);
    story.reads(Some(server), secret, at);
    story.executes(odd, Executor::Within, at);
    story.executes(bash, Executor::Within, at);
    story.sees(Some(server), Some(TargetRelation::Sibling), false, at);
    story.sees(Some(server), Some(TargetRelation::Sibling), true, at);
    story.connects(Some(server), "169.254.169.254", 80, Protocol::Tcp, span(5, 5, 1));
    for host in 0..150 {
        story.connects(Some(server), &format!("198.51.100.{host}"), 443, Protocol::Tcp, span(5, 5, 1));
    }
    let text = learn(&lesson(&story, &[], &complete())).unwrap();
    insta::assert_snapshot!(text);
    assert!(agrees(&story, &text).is_empty());
}

#[test]
fn what_cannot_be_selected_is_not_learnt() {
    let mut story = Story::of(container("web"));
    let of = |story: &Story, workload: &str| {
        let completeness = complete();
        let lesson = Lesson { workload, ..lesson(story, &[], &completeness) };
        learn(&lesson).unwrap_err().to_string()
    };
    let mut told = vec![of(&story, "docker:none")];
    let mut host = container("host");
    (host.kind, host.id) = (WorkloadKind::Host, WorkloadId::HOST);
    story.known.workloads.push(host);
    told.push(of(&story, "host"));
    story.known.workloads.push(pod("web"));
    told.push(of(&story, "*"));
    insta::assert_snapshot!(told.join("\n"));
}

/// A past of any names, addresses and origins, of which nothing was refused.
fn any_story() -> impl Strategy<Value = (Story, Vec<Vec<String>>)> {
    let origin = prop::sample::select(&[
        BinaryOrigin::Image,
        BinaryOrigin::Written,
        BinaryOrigin::Memfd,
        BinaryOrigin::Deleted,
        BinaryOrigin::Host,
        BinaryOrigin::Unknown,
    ]);
    let path =
        prop_oneof!["(/[a-z.*?\\[{,:# ]{1,5}){1,3}", "/\\PC{1,8}", "[a-z./]{1,8}", "/[\\x00-\\x7f]{1,6}"];
    let programs = prop::collection::vec((prop::option::weighted(0.9, path), origin), 1..6);
    let name = prop_oneof!["[a-z]{1,6}(/[a-z]{1,4})?", "\\PC{1,12}", "[\\[\\]{}*?:#'\" -]{1,5}"];
    let secrets = prop::collection::vec((name, prop::option::of("[a-z.]{1,8}")), 1..20);
    let read = (0usize..6, 0usize..20, 0i64..50, 0i64..50);
    let reads = prop::collection::vec(read, 0..30);
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|it| std::net::IpAddr::from(it).to_string()),
        any::<[u8; 16]>().prop_map(|it| std::net::IpAddr::from(it).to_string()),
        Just("169.254.169.254".to_owned()),
    ];
    let protocol = prop::sample::select(&[Protocol::Tcp, Protocol::Udp, Protocol::Icmp, Protocol::Other]);
    let send = (0usize..6, address, any::<u16>(), protocol, 0i64..50, 0i64..50);
    let sends = prop::collection::vec(send, 0..30);
    let taints = any::<bool>();
    (programs, secrets, reads, sends, taints).prop_map(|(programs, secrets, reads, sends, tainted)| {
        let mut story = Story::of(pod("web"));
        let programs: Vec<u32> =
            programs.iter().map(|(path, origin)| story.program(path.as_deref(), *origin)).collect();
        let secrets: Vec<u32> =
            secrets.iter().map(|(name, key)| story.secret(name, key.as_deref())).collect();
        let mut label = None;
        for (program, secret, first, long) in reads {
            let (program, secret) = (programs[program % programs.len()], secrets[secret % secrets.len()]);
            story.reads(Some(program), secret, span(first, first + long, 1 + long as u64));
            label = label.or_else(|| Some(story.known.secrets[secret as usize].of.display_name()));
        }
        for program in &programs {
            story.executes(*program, Executor::Within, span(1, 1, 1));
        }
        let taints: Vec<Vec<String>> = label.into_iter().filter(|_| tainted).map(|it| vec![it]).collect();
        // Whoever has touched a secret connects later.
        let later = if taints.is_empty() { 0 } else { 60 };
        for (program, address, port, protocol, first, long) in sends {
            let program = programs[program % programs.len()];
            let span = span(later + first, later + first + long, 1 + long as u64);
            story.connects(Some(program), &address, port, protocol, span);
            if let Some(connection) = story.connections.last_mut() {
                connection.taint = (!taints.is_empty()).then_some(0);
            }
        }
        (story, taints)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_what_it_was_learnt_from_is_denied((story, taints) in any_story()) {
        let text = learn(&lesson(&story, &taints, &complete())).unwrap();
        let denied = agrees(&story, &text);
        // What no rule can name cannot be permitted: it is told in the head.
        let unnamed: Vec<_> = denied.iter().filter(|_| !text.contains("What this cannot vouch for")).collect();
        prop_assert!(unnamed.is_empty(), "{:#?}\n{}", unnamed, text);
        prop_assert!(text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')), "nothing that a terminal obeys");
    }
}
