//! What is told of policies together, and what a number is explained as.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use cofferdam_model::Workload;
use cofferdam_policy::{Policy, check, explain};
use kit::{Case, container, parsed, policy, wall};

fn findings(policies: &[Policy], workloads: &[Workload]) -> Vec<String> {
    findings_beside(policies, &[], workloads)
}

fn findings_beside(policies: &[Policy], in_force: &[Policy], workloads: &[Workload]) -> Vec<String> {
    let (policies, in_force): (Vec<&Policy>, Vec<&Policy>) =
        (policies.iter().collect(), in_force.iter().collect());
    let found = check(&policies, &in_force, workloads, wall("2026-11-22T02:00:00Z"));
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn policies_that_get_along_give_no_findings() {
    let one = policy(
        "one",
        "secrets: { id: db, secret: db, readers: [{ binary: '/app/*' }], destinations: [{ cidr: 10.0.0.0/8 }] }",
    );
    let two = policy(
        "two",
        "secrets: { id: db, secret: db, readers: [{ binary: /app/server }], destinations: [{ cidr: 10.1.0.0/16 }] }",
    );
    assert!(findings(&[one, two], &[container("web")]).is_empty());
}

#[test]
fn what_policies_refuse_each_other_is_found() {
    let one = policy(
        "one",
        "secrets: { id: db, secret: db, readers: [{ binary: /app/server }], destinations: [{ cidr: 10.0.0.0/8 }] }",
    );
    let two = policy(
        "two",
        "secrets: { id: db, secret: db, readers: [{ binary: /bin/sh }] }, egress: { id: out, deny: [{ cidr: 0.0.0.0/0 }] }",
    );
    let three = policy(
        "three",
        "secrets: { id: api, secret: api, readers: any, destinations: [{ cidr: 192.0.2.0/24 }] }",
    );
    insta::assert_snapshot!(findings(&[one, two, three], &[container("web")]).join("\n"));
}

#[test]
fn what_a_policy_and_those_in_force_refuse_each_other_is_found_but_not_what_these_do_among_themselves() {
    let new = policy(
        "new",
        "secrets: { id: db, secret: db, readers: [{ binary: /app/server }], destinations: [{ cidr: 10.0.0.0/8 }] }",
    );
    let old = policy("old", "egress: { id: out, deny: [{ cidr: 0.0.0.0/0 }] }");
    let older = policy("older", "egress: { id: out, default: deny, allow: [{ cidr: 192.0.2.0/24 }] }");
    let reader = policy("reader", "secrets: { id: db, secret: db, readers: [{ binary: /bin/sh }] }");
    assert_eq!(
        findings_beside(&[new], &[old, older, reader], &[container("web")]),
        [
            "new/db: old/out: 10.0.0.0/8 is refused there; old is in force",
            "new/db: reader/db: no binary may read db by both; reader is in force",
            "reader/db: new/db: no binary may read db by both; reader is in force",
        ]
    );
}

#[test]
fn what_is_no_use_is_found() {
    let text = "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: { name: none }\n\
         spec: { selector: { unit: 'nginx*' }, memory: { id: mem, attach: deny },\n\
           secrets: [ { id: a, secret: a, readers: any, isolate: true, destinations: [{ cidr: 10.0.0.1 }] },\n\
                      { id: b, secret: b, readers: any, destinations: [{ cidr: 10.0.0.2 }] } ],\n\
           exceptions: { rule: mem, allow: any, reason: INC-1, owner: oncall, expires: 2026-11-22T01:00:00Z } }\n";
    let policy = parsed(text).unwrap().remove(0);
    insta::assert_snapshot!(findings(&[policy.clone(), policy], &[container("web")]).join("\n"));
}

#[test]
fn what_one_policy_has_for_itself_and_another_gives_away_is_found() {
    let of = |name: &str, container: &str, exclusive: bool| {
        let text = format!(
            "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: {{ name: {name} }}\n\
             spec: {{ selector: {{ container: {container} }}, secrets: {{ id: db, secret: db, readers: any, exclusive: {exclusive} }} }}\n"
        );
        parsed(&text).unwrap().remove(0)
    };
    let found =
        findings(&[of("one", "api", true), of("two", "web", false)], &[container("api"), container("web")]);
    assert_eq!(found, ["one/db: two/db: its workloads do not read what is exclusive here"]);
}

#[test]
fn a_number_is_explained_by_the_words_of_its_rules() {
    let case = Case::two(
        "secrets: { id: db, secret: db-password, keys: [password], exclusive: true, readers: [{ binary: /app/server, origin: any }],
                    destinations: [{ cidr: 10.20.0.0/16, ports: [5432, '8000-8010'], protocol: tcp }, { set: cloud-metadata }], isolate: true },
         exec: { id: ex, deny: [{ origin: memfd }, { binary: '/bin/*sh', session: exec }], onAgentLoss: { releaseAfter: 1m } },
         egress: { id: out, default: deny, allow: [{ host: db.example }] }, environment: { id: env, read: own }",
        "secrets: { id: db, secret: '*', readers: [{ binary: /bin/sh }] }, memory: { id: mem, attach: deny },
         exceptions: [{ rule: db, allow: any, reason: INC-1, owner: oncall, expires: 2026-11-22T01:00:00Z }]",
    );
    let world = case.world();
    let policies: Vec<&Policy> = case.policies.iter().collect();
    let mut told = String::new();
    for number in 1..=world.compiled.rules.len() as u32 {
        let explanation = explain(&world.compiled, number, &policies).unwrap();
        told += &format!(
            "{}{}\n",
            explanation.name.kind,
            if explanation.name.exception { ", exception" } else { "" }
        );
        for (id, says) in explanation.says {
            told += &format!("    {}/{}: {says}\n", id.policy, id.rule);
        }
    }
    insta::assert_snapshot!(told);
    assert!(explain(&world.compiled, 0, &policies).is_none());
}
