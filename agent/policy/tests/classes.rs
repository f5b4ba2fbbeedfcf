//! Executables, environments, memory, and what really enforces.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use cofferdam_abi::decide::Actor;
use cofferdam_abi::process::{facts, flags};
use cofferdam_policy::Tier;
use kit::{Case, GENERATION, minutes, process, runtime, written};

const EXCEPTION: &str = "reason: r, owner: o, expires: 2026-11-22T01:00:00Z";
const IMAGE: u32 = facts::OVERLAY | facts::ON_WORKLOAD_ROOT | facts::ROOT_KNOWN;
const WRITTEN: u32 = IMAGE | facts::OVERLAY_UPPER;
const VOLUME: u32 = facts::ROOT_KNOWN;
const OTHER: u32 = 99;

fn in_session() -> Actor {
    Actor { flags: flags::EXEC_SESSION, ..process("/bin/bash") }
}

#[test]
fn origins_are_refused_each_for_itself() {
    let world = Case::one("exec: { id: ex, deny: [{ origin: written }, { origin: memfd }] }").world();
    let server = process("/app/server");
    assert_eq!(world.executes(&server, "/bin/sh", IMAGE), "allowed");
    assert_eq!(world.executes(&server, "/bin/sh", WRITTEN), "denied one/ex");
    assert_eq!(world.executes(&server, "/data/tool", VOLUME), "denied one/ex");
    assert_eq!(world.executes(&server, "/memfd:x", facts::MEMFD), "denied one/ex");
    assert_eq!(world.executes(&server, "/tmp/x", WRITTEN | facts::UNLINKED), "allowed", "it is `deleted`");
    assert_eq!(world.executes(&runtime(), "/memfd:runc", facts::MEMFD), "allowed", "the container starts");
}

#[test]
fn binaries_are_refused_in_sessions_only_where_the_rule_says_so() {
    let world = Case::one(
        "exec: { id: ex, deny: [{ binary: '/bin/*sh', session: exec }, { binary: /usr/bin/curl }] }",
    )
    .world();
    let server = process("/app/server");
    assert_eq!(world.executes(&server, "/bin/sh", IMAGE), "allowed");
    assert_eq!(world.executes(&in_session(), "/bin/sh", IMAGE), "denied one/ex");
    assert_eq!(world.executes(&in_session(), "/bin/bash", IMAGE), "denied one/ex");
    assert_eq!(world.executes(&in_session(), "/app/server", IMAGE), "allowed");
    assert_eq!(world.executes(&server, "/usr/bin/curl", IMAGE), "denied one/ex");
    let world = Case::one("exec: { id: ex, deny: [{ session: exec }] }").world();
    assert_eq!(world.executes(&in_session(), "/app/server", IMAGE), "denied one/ex");
    assert_eq!(world.executes(&server, "/app/server", IMAGE), "allowed");
}

#[test]
fn an_exception_of_exec_is_for_the_binary_of_the_image_and_for_its_own_rule() {
    let rules = format!(
        "exec: {{ id: ex, deny: [{{ origin: written }}, {{ binary: '/bin/*sh' }}] }},
         exceptions: {{ rule: ex, allow: {{ binary: /bin/sh }}, {EXCEPTION} }}"
    );
    let world = Case::one(&rules).world();
    let server = process("/app/server");
    assert_eq!(world.executes(&server, "/bin/sh", IMAGE), "exception one/ex");
    assert_eq!(world.executes(&server, "/bin/sh", WRITTEN), "denied one/ex");
    assert_eq!(world.executes(&server, "/bin/bash", IMAGE), "denied one/ex");
    assert_eq!(world.at(minutes(60)).executes(&server, "/bin/sh", IMAGE), "denied one/ex");

    let world = Case::two(&rules, "exec: { id: no, deny: [{ binary: /bin/sh }] }").world();
    assert_eq!(world.executes(&server, "/bin/sh", IMAGE), "denied one/ex two/no");
    let world = Case::two(&rules, "exec: { id: no, mode: observe, deny: [{ binary: '/bin/*' }] }").world();
    assert_eq!(world.executes(&server, "/bin/sh", IMAGE), "would-deny two/no");
    assert_eq!(world.executes(&server, "/bin/bash", IMAGE), "denied one/ex");
}

#[test]
fn a_binary_off_the_layers_is_excepted_wherever_it_lies() {
    let rules = format!(
        "exec: {{ id: ex, deny: [{{ origin: written }}] }},
         exceptions: {{ rule: ex, allow: {{ binary: /usr/bin/curl }}, {EXCEPTION} }}"
    );
    let mut case = Case::one(&rules);
    case.flat = vec!["/usr/bin/curl"];
    assert_eq!(case.world().executes(&process("/app/server"), "/usr/bin/curl", VOLUME), "exception one/ex");
}

#[test]
fn an_exception_of_exec_for_all_holds_for_every_binary() {
    let rules = format!(
        "exec: {{ id: ex, deny: [{{ origin: written }}, {{ binary: '/bin/*sh' }}] }},
         exceptions: {{ rule: ex, allow: any, {EXCEPTION} }}"
    );
    let world = Case::one(&rules).world();
    let server = process("/app/server");
    for path in ["/bin/sh", "/tmp/x"] {
        assert_eq!(world.at(minutes(59)).executes(&server, path, WRITTEN), "exception one/ex", "{path}");
        assert_eq!(world.at(minutes(60)).executes(&server, path, WRITTEN), "denied one/ex", "{path}");
    }
}

#[test]
fn environments_are_ones_own_nobodys_or_anybodys() {
    let server = process("/app/server");
    for (read, own, sibling, other) in [
        ("own", "allowed", "denied one/env", "denied one/env"),
        ("none", "denied one/env", "denied one/env", "denied one/env"),
        ("any", "allowed", "allowed", "allowed"),
    ] {
        let world = Case::one(&format!("environment: {{ id: env, read: {read} }}")).world();
        assert_eq!(world.sees(&server, GENERATION, true), own, "{read}");
        assert_eq!(world.sees(&server, GENERATION, false), sibling, "{read}");
        assert_eq!(world.sees(&server, OTHER, false), other, "{read}");
        assert_eq!(world.sees(&runtime(), GENERATION, false), "allowed");
    }
}

#[test]
fn the_policy_of_the_target_protects_it_too() {
    let mut case = Case::one("environment: { id: env, read: own }, memory: { id: mem, attach: deny }");
    let mut world = case.world();
    (case.generation, case.policies) = (OTHER, Vec::new());
    world.tables.add(&case.compile().unwrap());
    let stranger = Actor { generation: OTHER, ..process("/bin/sh") };
    assert_eq!(world.sees(&stranger, GENERATION, false), "denied one/env");
    assert_eq!(world.attaches(&stranger, GENERATION), "denied one/mem");
    assert_eq!(world.sees(&stranger, OTHER, false), "allowed");
    let without_a_policy = Actor { generation: 0, ..process("/bin/sh") };
    assert_eq!(world.sees(&without_a_policy, GENERATION, false), "denied one/env");
    assert_eq!(world.attaches(&without_a_policy, GENERATION), "denied one/mem");
    assert_eq!(world.sees(&without_a_policy, 0, false), "allowed");
    assert_eq!(world.sees(&Actor { generation: 0, ..runtime() }, GENERATION, false), "allowed");
}

#[test]
fn memory_is_reached_where_nothing_speaks_against_it() {
    let server = process("/app/server");
    let world = Case::one("memory: { id: mem, attach: deny }").world();
    assert_eq!(world.attaches(&server, GENERATION), "denied one/mem");
    assert_eq!(world.attaches(&server, OTHER), "denied one/mem");
    let world = Case::one("memory: { id: mem, attach: allow }").world();
    assert_eq!(world.attaches(&server, GENERATION), "allowed");
    let world =
        Case::two("memory: { id: mem, attach: deny, mode: observe }", "memory: { id: mem, attach: allow }")
            .world();
    assert_eq!(world.attaches(&server, GENERATION), "would-deny one/mem");
}

#[test]
fn exceptions_of_memory_and_environment_are_for_a_binary_of_the_image() {
    let world = Case::one(&format!(
        "memory: {{ id: mem, attach: deny }}, environment: {{ id: env, read: none }},
         exceptions: [{{ rule: mem, allow: {{ binary: /bin/bash }}, {EXCEPTION} }}, {{ rule: env, allow: any, {EXCEPTION} }}]"
    ))
    .world();
    let bash = process("/bin/bash");
    assert_eq!(world.attaches(&bash, GENERATION), "exception one/mem");
    assert_eq!(world.attaches(&written("/bin/bash"), GENERATION), "denied one/mem");
    assert_eq!(world.attaches(&process("/bin/sh"), GENERATION), "denied one/mem");
    assert_eq!(world.sees(&process("/bin/sh"), GENERATION, true), "exception one/env");
    world.at(minutes(60));
    assert_eq!(world.attaches(&bash, GENERATION), "denied one/mem");
    assert_eq!(world.sees(&bash, GENERATION, true), "denied one/env");
}

#[test]
fn every_rule_says_what_really_enforces_it_here_and_why_it_is_not_more() {
    let rules = "secrets: [ { id: db, secret: db-password, readers: [{ binary: /app/server }, { binary: /bin/sh }, { binary: /gone }],
                              destinations: [{ host: db.example }] },
                            { id: none, secret: elsewhere, readers: any, mode: observe } ],
                 exec: { id: ex, deny: [{ origin: written }] }, egress: { id: out, default: deny },
                 memory: { id: mem, attach: deny }, environment: { id: env, read: own }";
    let mut case = Case::one(rules);
    case.flat = vec!["/app/server"];
    case.multi_call = vec!["/bin/sh"];
    let mut told = String::new();
    for tier in [Tier::Lsm, Tier::Tracepoint] {
        case.tier = tier;
        told += &format!("{tier:?}\n");
        for it in case.compile().unwrap().effective {
            let by: Vec<&str> = it.by.iter().map(|by| by.as_str()).collect();
            told += &format!("{}/{} {} {}: {}\n", it.id.policy, it.id.rule, it.kind, it.mode, by.join(", "));
            it.why.iter().for_each(|why| told += &format!("    {why}\n"));
        }
    }
    insta::assert_snapshot!(told);
}
