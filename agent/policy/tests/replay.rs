//! A replay says what the policies say, and what the journal does not know it does not guess.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

#[path = "kit/cases.rs"]
mod cases;
mod kit;
#[path = "kit/naive.rs"]
mod naive;
#[path = "kit/past.rs"]
mod past;

use std::collections::BTreeSet;

use cases::{ADDRESSES, PATHS, SECRETS, case};
use cofferdam_model::{BinaryOrigin, Executor, Protocol, TargetRelation};
use cofferdam_policy::{Origin, Policy};
use kit::{Case, NOW, container, policy};
use naive::{Naive, Verdict, Who};
use past::{Story, span};
use proptest::prelude::*;

/// Every request once: what the naive reading makes of it, by how the replay names it.
fn story(case: &Case) -> (Story, Vec<(String, Verdict)>) {
    let mut story = Story::of(case.workload.clone());
    let mut expected = Vec::new();
    let read: BTreeSet<u64> = BTreeSet::new();
    let Case { policies, others, resolvers, .. } = case;
    let naive = Naive { policies, others, orders: &[], read: &read, resolvers, at: NOW };
    let secrets: Vec<(&str, &str, u32)> = SECRETS
        .iter()
        .flat_map(|name| ["password", "username"].map(|key| (*name, key)))
        .map(|(name, key)| (name, key, story.secret(name, Some(key))))
        .collect();
    for path in PATHS {
        for (origin, of_image) in [(BinaryOrigin::Image, true), (BinaryOrigin::Written, false)] {
            let program = story.program(Some(path), origin);
            let who = Who { path, of_image, session: false };
            for (name, key, secret) in &secrets {
                story.reads(Some(program), *secret, span(100, 100, 1));
                expected.push((format!("{path} {origin} read {name}:{key}"), naive.secret(who, name, key)));
            }
            for (relation, own) in [(TargetRelation::Own, true), (TargetRelation::Sibling, false)] {
                story.sees(Some(program), Some(relation), false, span(100, 100, 1));
                let verdict = naive.environment(who, own);
                expected.push((format!("{path} {origin} environment {relation} of docker:web"), verdict));
            }
            story.sees(Some(program), Some(TargetRelation::Sibling), true, span(100, 100, 1));
            expected.push((format!("{path} {origin} memory sibling of docker:web"), naive.memory(who)));
            story.executes(program, Executor::Within, span(100, 100, 1));
            let as_file = if of_image { Origin::Image } else { Origin::Written };
            expected.push((format!("{path} {origin} execute {path}"), naive.execute(false, path, as_file)));
        }
    }
    // Before anything was read.
    for address in ADDRESSES {
        for (protocol, number, port) in
            [(Protocol::Tcp, 6, 443), (Protocol::Tcp, 6, 80), (Protocol::Udp, 17, 53)]
        {
            story.connects(Some(0), address, port, protocol, span(10, 10, 1));
            let socket = std::net::SocketAddr::new(address.parse().unwrap(), port);
            let verdict = naive.egress(address.parse().unwrap(), number, port);
            expected.push((format!("{} image connect {socket}/{protocol}", PATHS[0]), verdict));
        }
    }
    (story, expected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_says_what_the_policies_say(mut case in case()) {
        // An order is none of a policy's, and what other policies have for themselves is theirs only if they do not
        // select the workload.
        (case.orders, case.others, case.read) = (Vec::new(), Vec::new(), BTreeSet::new());
        let (story, expected) = story(&case);
        let policies: Vec<&Policy> = case.policies.iter().collect();
        let rows = story.replayed(&policies);
        for (what, verdict) in expected {
            let row = rows.iter().find(|row| {
                let binary = row.binary.as_deref().unwrap_or("?");
                format!("{binary} {} {} {}", row.origin, row.act.as_str(), row.object) == what
            });
            let row = row.unwrap_or_else(|| panic!("{what} is missing of {rows:#?}"));
            prop_assert_eq!(row.undecidable, 0, "{}", &what);
            prop_assert_eq!(row.denied > 0, verdict >= Verdict::WouldDeny, "{}: {:?}, {:?}", what, row, verdict);
        }
    }
}

fn db() -> Policy {
    policy(
        "p",
        "secrets: { id: db, secret: db, readers: [{ binary: /app/server }], destinations: [{ cidr: 10.0.0.0/8 }] },
         exec: { id: ex, deny: [{ origin: written }, { binary: '/bin/*sh', session: exec }] },
         environment: { id: env, read: own }, memory: { id: mem, attach: deny }",
    )
}

#[test]
fn a_first_read_binds_what_comes_later_and_a_denied_one_does_not() {
    let mut story = Story::of(container("web"));
    let server = story.program(Some("/app/server"), BinaryOrigin::Image);
    let shell = story.program(Some("/bin/sh"), BinaryOrigin::Image);
    let db_secret = story.secret("db", Some("password"));
    story.reads(Some(shell), db_secret, span(5, 5, 1));
    story.reads(Some(server), db_secret, span(20, 90, 3));
    story.connects(Some(shell), "192.0.2.1", 443, Protocol::Tcp, span(10, 10, 1));
    story.connects(Some(shell), "192.0.2.2", 443, Protocol::Tcp, span(30, 30, 2));
    story.connects(Some(server), "10.1.2.3", 5432, Protocol::Tcp, span(30, 40, 4));
    // Ten times on both sides of the read: only of the first and the last it is known when they were.
    story.connects(Some(shell), "192.0.2.3", 443, Protocol::Tcp, span(10, 40, 10));
    insta::assert_snapshot!(story.told(&[&db()]).join("\n"));
}

#[test]
fn what_the_journal_lacks_and_a_rule_asks_for_is_undecidable() {
    let mut story = Story::of(container("web"));
    let server = story.program(Some("/app/server"), BinaryOrigin::Image);
    let unknown_origin = story.program(Some("/app/server"), BinaryOrigin::Unknown);
    let no_path = story.program(None, BinaryOrigin::Image);
    let late = story.program_as(Some("/bin/bash"), BinaryOrigin::Image, None, false);
    let (password, any_key) = (story.secret("db", Some("password")), story.secret("db", None));
    let several = {
        let number = story.secret("several", None);
        story.known.secrets[number as usize].of.kind = cofferdam_model::SecretKind::Unknown;
        number
    };
    let other = story.secret("api-key", Some("x"));
    let at = span(10, 10, 1);
    for program in [Some(server), Some(unknown_origin), Some(no_path), None] {
        story.reads(program, password, at);
        story.reads(program, other, at);
    }
    story.reads(Some(server), any_key, at);
    story.reads(Some(server), several, at);
    story.sees(None, None, false, at);
    story.executes(late, Executor::Within, at);
    story.executes(server, Executor::Unknown, at);
    story.connects(None, "unknown", 0, Protocol::Tcp, span(20, 20, 7));
    insta::assert_snapshot!(story.told(&[&db()]).join("\n"));
}

#[test]
fn names_and_resolvers_that_are_not_known_decide_nothing() {
    let out = policy("p", "egress: { id: out, default: deny, allow: [{ host: db.example, ports: [5432] }] }");
    let mut story = Story::of(container("web"));
    let server = story.program(Some("/app/server"), BinaryOrigin::Image);
    for (port, protocol) in [(5432, Protocol::Tcp), (443, Protocol::Tcp), (53, Protocol::Udp)] {
        story.connects(Some(server), "192.0.2.7", port, protocol, span(1, 1, 1));
    }
    let known = story.told(&[&out]);
    story.resolvers.clear();
    let unknown = story.told(&[&out]);
    story.names.insert("db.example".into(), vec!["192.0.2.7".parse().unwrap()]);
    let named = story.told(&[&out]);
    insta::assert_snapshot!([known, unknown, named].map(|lines| lines.join("\n")).join("\n--\n"));
}

#[test]
fn a_container_that_is_set_up_is_free_and_who_comes_in_later_is_not() {
    let mut story = Story::of(container("web"));
    let at = span(1, 1, 1);
    let runtime = story.program_as(Some("/proc/self/exe"), BinaryOrigin::Memfd, Some(false), true);
    let start = story.program_as(Some("/data/start"), BinaryOrigin::Written, Some(false), false);
    let shell = story.program_as(Some("/bin/sh"), BinaryOrigin::Image, Some(true), false);
    let secret = story.secret("db", Some("password"));
    story.reads(Some(runtime), secret, at);
    story.executes(start, Executor::Outside, at);
    story.executes(shell, Executor::Outside, at);
    insta::assert_snapshot!(story.told(&[&db()]).join("\n"));
}

#[test]
fn workloads_that_no_policy_is_for_are_only_counted() {
    let mut story = Story::of(container("web"));
    story.known.workloads.push(container("other"));
    let text = "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: { name: p }\n\
        spec: { selector: { container: other }, secrets: { id: db, secret: db, readers: any, exclusive: true } }\n";
    let exclusive = past::accepted(text).remove(0);
    let secret = story.secret("db", None);
    let server = story.program(Some("/app/server"), BinaryOrigin::Image);
    story.reads(Some(server), secret, span(1, 1, 3));
    assert_eq!(story.told(&[&exclusive]), ["/app/server read db: 3/0/0 p/db"], "but for what is exclusive");
    let own = past::accepted(&text.replace(", exclusive: true", "")).remove(0);
    assert!(story.told(&[&own]).is_empty());
}

#[test]
fn who_has_no_policy_is_kept_from_the_memory_of_who_has_one() {
    let text = "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: { name: p }\n\
        spec: { selector: { container: web }, environment: { id: env, read: own }, memory: { id: mem, attach: deny } }\n";
    let policy = past::accepted(text).remove(0);
    let mut story = Story::of(container("web"));
    story.known.workloads.push(container("other"));
    let thief = story.program(Some("/bin/thief"), BinaryOrigin::Image);
    let runtime = story.program_as(Some("/bin/runc"), BinaryOrigin::Host, Some(false), true);
    for program in [thief, runtime] {
        for attach in [false, true] {
            story.sees(Some(program), Some(TargetRelation::Other), attach, span(1, 1, 1));
        }
    }
    story.accesses.iter_mut().for_each(|access| access.workload = Some(1));
    insta::assert_snapshot!(story.told(&[&policy]).join("\n"), @r"
    /bin/thief environment other of docker:web: 1/0/0 p/env
    /bin/thief memory other of docker:web: 1/0/0 p/mem
    /bin/runc environment other of docker:web: 0/1/0
    /bin/runc memory other of docker:web: 0/1/0
    ");
}
