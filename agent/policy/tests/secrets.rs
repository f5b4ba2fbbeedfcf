//! Who reads a secret.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use cofferdam_abi::decide::Actor;
use cofferdam_abi::process::flags;
use cofferdam_model::BootTime;
use cofferdam_policy::{Order, OrderSays};
use kit::{Case, container, minutes, object, policy, process, runtime, written};

const SERVER: &str = "secrets: { id: db, secret: db-password, readers: [{ binary: /app/server }] }";

#[test]
fn a_reader_reads_and_nobody_else_does() {
    let world = Case::one(SERVER).world();
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "allowed");
    assert_eq!(world.reads(&process("/usr/bin/curl"), "db-password"), "denied one/db");
    assert_eq!(world.reads(&process("/usr/bin/curl"), "api-key"), "allowed", "no rule speaks of it");
}

#[test]
fn a_reader_that_was_replaced_or_runs_foreign_code_does_not_read_unless_any_origin_may() {
    let world = Case::one(SERVER).world();
    let injected = Actor { flags: flags::FOREIGN_CODE, ..process("/app/server") };
    assert_eq!(world.reads(&written("/app/server"), "db-password"), "denied one/db");
    assert_eq!(world.reads(&injected, "db-password"), "denied one/db");
    let any = "secrets: { id: db, secret: db-password, readers: [{ binary: /app/server, origin: any }] }";
    let world = Case::one(any).world();
    assert_eq!(world.reads(&written("/app/server"), "db-password"), "allowed");
    assert_eq!(world.reads(&written("/usr/bin/curl"), "db-password"), "denied one/db");
}

#[test]
fn the_runtime_that_sets_the_container_up_is_free() {
    assert_eq!(Case::one(SERVER).world().reads(&runtime(), "db-password"), "allowed");
}

#[test]
fn a_runtime_that_somebody_has_in_his_hands_is_not() {
    let runtime = Actor { flags: flags::RUNTIME | flags::TAKEN_OVER, ..runtime() };
    assert_eq!(Case::one(SERVER).world().reads(&runtime, "db-password"), "denied one/db");
}

#[test]
fn any_is_everyone_and_globs_are_all_that_fit() {
    let world = Case::one("secrets: { id: db, secret: 'db-*', readers: any }").world();
    assert_eq!(world.reads(&written("/tmp/x"), "db-password"), "allowed");
    let world = Case::one("secrets: { id: db, secret: '*', readers: [{ binary: '/app/*' }] }").world();
    for (binary, expected) in
        [("/app/server", "allowed"), ("/app/migrate", "allowed"), ("/bin/sh", "denied one/db")]
    {
        assert_eq!(world.reads(&process(binary), "token"), expected, "{binary}");
    }
    let world =
        Case::one("secrets: { id: db, secret: '/srv/secrets/t*', readers: [{ binary: /bin/sh }] }").world();
    assert_eq!(world.reads(&process("/app/server"), "token"), "denied one/db", "by its path on the host");
}

#[test]
fn keys_have_their_own_readers() {
    let world = Case::one(
        "secrets: [ { id: all, secret: db-password, readers: [{ binary: /app/server }, { binary: /app/migrate }] },
                    { id: key, secret: db-password, keys: [password], readers: [{ binary: /app/server }] } ]",
    )
    .world();
    let migrate = process("/app/migrate");
    assert_eq!(world.told(world.read(&migrate, "db-password", "username")), "allowed");
    assert_eq!(world.told(world.read(&migrate, "db-password", "password")), "denied one/all one/key");
    assert_eq!(world.told(world.read(&process("/app/server"), "db-password", "password")), "allowed");
}

#[test]
fn readers_of_several_policies_intersect() {
    let two =
        "secrets: { id: db, secret: db-password, readers: [{ binary: '/app/*' }, { binary: /bin/sh }] }";
    let world = Case::two(
        "secrets: { id: db, secret: db-password, readers: [{ binary: /app/server }, { binary: /bin/sh, origin: any }] }",
        two,
    )
    .world();
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "allowed");
    assert_eq!(world.reads(&process("/app/migrate"), "db-password"), "denied one/db two/db");
    assert_eq!(world.reads(&process("/bin/sh"), "db-password"), "allowed");
    assert_eq!(world.reads(&written("/bin/sh"), "db-password"), "denied one/db two/db");
}

#[test]
fn observing_rules_tell_what_they_would_refuse_and_never_weaken_what_is_enforced() {
    let observing = "secrets: { id: all, secret: '*', readers: [{ binary: /bin/sh }], mode: observe }";
    let world = Case::two(SERVER, observing).world();
    assert_eq!(world.reads(&process("/bin/sh"), "db-password"), "denied one/db");
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "would-deny two/all");
    assert_eq!(world.reads(&process("/app/server"), "api-key"), "would-deny two/all");
    assert_eq!(world.reads(&process("/bin/sh"), "api-key"), "allowed");
}

const EXCEPTION: &str = "reason: r, owner: o, expires: 2026-11-22T01:00:00Z";

#[test]
fn an_exception_lets_a_binary_of_the_image_read_until_it_expires() {
    let world = Case::one(&format!(
        "{SERVER}, exceptions: {{ rule: db, allow: {{ binary: /bin/sh }}, {EXCEPTION} }}"
    ))
    .world();
    assert_eq!(world.reads(&process("/bin/sh"), "db-password"), "exception one/db");
    assert_eq!(world.reads(&written("/bin/sh"), "db-password"), "denied one/db");
    assert_eq!(world.reads(&process("/bin/bash"), "db-password"), "denied one/db");
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "allowed", "needs no exception");
    assert_eq!(world.at(minutes(59)).reads(&process("/bin/sh"), "db-password"), "exception one/db");
    assert_eq!(world.at(minutes(60)).reads(&process("/bin/sh"), "db-password"), "denied one/db");
    assert_eq!(world.compiled.expires, Some(minutes(60)));
}

#[test]
fn an_exception_for_all_eases_its_own_rule_only() {
    let any = format!("{SERVER}, exceptions: {{ rule: db, allow: any, {EXCEPTION} }}");
    let world = Case::one(&any).world();
    assert_eq!(world.reads(&written("/tmp/x"), "db-password"), "exception one/db");
    assert_eq!(world.at(minutes(60)).reads(&written("/tmp/x"), "db-password"), "denied one/db");

    let other = "secrets: { id: db, secret: db-password, readers: [{ binary: /bin/sh }] }";
    let world = Case::two(&any, other).world();
    assert_eq!(world.reads(&process("/bin/sh"), "db-password"), "exception one/db");
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "denied one/db two/db");
    assert_eq!(world.at(minutes(60)).reads(&process("/bin/sh"), "db-password"), "denied one/db two/db");

    let observing = format!("mode: observe, {other}");
    let world = Case::two(&any, &observing).world();
    assert_eq!(world.reads(&process("/bin/sh"), "db-password"), "exception one/db");
    assert_eq!(world.reads(&process("/bin/bash"), "db-password"), "would-deny two/db");
}

#[test]
fn what_has_expired_is_not_compiled() {
    let case = Case::one(&format!("{SERVER}, exceptions: {{ rule: db, allow: any, {EXCEPTION} }}"));
    let compiled = case.compile_at(minutes(60)).unwrap();
    assert!(compiled.secrets.iter().all(|(_, rule)| rule.until == 0));
    assert_eq!(compiled.expires, None);
}

#[test]
fn an_exclusive_secret_is_denied_to_who_is_not_selected_but_for_what_the_node_lives_on() {
    let owner = policy(
        "owner",
        &format!(
            "{}, exceptions: {{ rule: db, allow: any, {EXCEPTION} }}",
            SERVER.replace("readers", "exclusive: true, readers")
        ),
    );
    let mut case = Case::of(Vec::new());
    case.others = vec![owner];
    let world = case.world();
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "denied owner/db");
    assert_eq!(world.reads(&process("/app/server"), "api-key"), "allowed");

    let mut kubelet = container("web");
    kubelet.kind = cofferdam_model::WorkloadKind::Unit { unit: "kubelet.service".into() };
    let mut system = container("web");
    system.namespace = Some("kube-system".into());
    for guarded in [kubelet, system] {
        case.workload = guarded;
        assert!(case.compile().unwrap().secrets.is_empty());
    }
}

#[test]
fn a_rule_that_asks_for_it_is_released_when_the_agent_is_lost_and_others_are_not() {
    let releasing = SERVER.replace("readers", "onAgentLoss: { releaseAfter: 10m }, readers");
    let lost = |case: Case| {
        let world = case.world();
        let curl = process("/usr/bin/curl");
        assert_eq!(world.reads(&curl, "db-password").split(' ').next(), Some("denied"));
        world.at(minutes(21)).tables.set_heartbeat(minutes(10));
        world.reads(&curl, "db-password")
    };
    assert_eq!(lost(Case::one(&releasing)), "would-deny one/db");
    assert_eq!(lost(Case::one(SERVER)), "denied one/db");
    assert_eq!(lost(Case::two(&releasing, SERVER)), "denied one/db two/db", "one of them keeps");
}

#[test]
fn an_order_denies_a_secret_to_all_until_it_ends_and_then_all_is_as_before() {
    let order = |until: Option<BootTime>| Order {
        id: "o-1".into(),
        says: OrderSays::DenySecrets([object("db-password"), object("token")].into()),
        until,
        owner: "alice".into(),
        reason: "leaked".into(),
    };
    let mut case = Case::one(SERVER);
    case.orders = vec![order(Some(minutes(60)))];
    let world = case.world();
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "denied alice/o-1");
    assert_eq!(world.reads(&process("/app/server"), "token"), "denied alice/o-1");
    assert_eq!(world.reads(&process("/app/server"), "api-key"), "allowed");
    world.at(minutes(60));
    assert_eq!(world.reads(&process("/app/server"), "db-password"), "allowed");
    assert_eq!(world.reads(&process("/bin/sh"), "db-password"), "denied one/db");
    assert_eq!(world.reads(&process("/bin/sh"), "token"), "allowed");

    case.orders = vec![order(None)];
    assert_eq!(case.world().at(minutes(1 << 20)).reads(&process("/app/server"), "token"), "denied alice/o-1");
}
