//! However many rules there are, a decision makes the same lookups.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use cofferdam_abi::process::facts;
use cofferdam_policy::{HostTables, Lookups};
use kit::{Case, GENERATION, NOW, World, process, secret};

/// Each request with the lookups that it made.
fn lookups(world: &World) -> Vec<(&'static str, String, Lookups)> {
    let server = process("/app/server");
    let mut all = Vec::new();
    let mut made = |what: &'static str, told: String| all.push((what, told, world.tables.take_lookups()));
    made("a permitted read", world.reads(&server, "secret-0"));
    made("a denied read", world.reads(&process("/bin/sh"), "secret-0"));
    made("a file that is no secret", world.reads(&server, "elsewhere"));
    made("a denied exec", world.executes(&server, "/tmp/x", facts::MEMFD));
    made("an exec", world.executes(&server, "/bin/sh", facts::OVERLAY));
    made("an environment", world.sees(&server, 1, false));
    made("memory", world.attaches(&server, 1));
    made("a permitted connect", world.sends("10.0.0.1", 5432));
    made("a denied connect", world.sends("8.8.8.8", 443));
    all
}

/// Ten rules: six of secrets, one of each other class.
fn rules() -> String {
    let secrets: Vec<String> = (0..6)
        .map(|id| {
            format!(
                "{{ id: s{id}, secret: secret-{id}, readers: [{{ binary: /app/server }}],
                    destinations: [{{ cidr: 10.{id}.0.0/16, ports: [5432] }}] }}"
            )
        })
        .collect();
    format!(
        "secrets: [{}], egress: {{ id: out, default: deny, deny: [{{ set: cloud-metadata }}] }},
         exec: {{ id: ex, deny: [{{ origin: memfd }}, {{ binary: '/bin/*sh', session: exec }}] }},
         environment: {{ id: env, read: own }}, memory: {{ id: mem, attach: deny }}",
        secrets.join(", ")
    )
}

#[test]
fn one_rule_of_each_kind_costs_what_ten_thousand_over_a_thousand_workloads_cost() {
    let few = "secrets: { id: s0, secret: secret-0, readers: [{ binary: /app/server }] },
        egress: { id: out, default: deny, allow: [{ cidr: 10.0.0.0/16, ports: [5432] }] },
        exec: { id: ex, deny: [{ origin: memfd }, { binary: '/bin/*sh', session: exec }] },
        environment: { id: env, read: own }, memory: { id: mem, attach: deny }";
    let mut one = Case::one(few);
    one.objects = vec![secret("secret-0")];

    let mut case = Case::one(&rules());
    case.objects = (0..6).map(|id| secret(&format!("secret-{id}"))).collect();
    let mut tables = HostTables::default();
    for generation in 1..=1_000 {
        case.generation = generation;
        let compiled = case.compile().unwrap();
        assert_eq!(compiled.effective.len() - 6, 10, "rules, and the destinations of six");
        tables.add(&compiled);
    }
    tables.set_time(NOW);
    case.generation = GENERATION;
    let many = World { compiled: case.compile().unwrap(), tables };

    let (few, many) = (lookups(&one.world()), lookups(&many));
    for ((what, told, few), (_, also, many)) in few.iter().zip(&many) {
        assert_eq!(few, many, "{what}");
        assert_eq!(told, also, "{what}");
    }
    assert_eq!(many[0].2, Lookups { secrets: 2.into(), grants: 1.into(), ..Lookups::default() });
    assert_eq!(many[4].2, Lookups { policies: 1.into(), grants: 1.into(), ..Lookups::default() });
    assert_eq!(many[5].2, Lookups { policies: 2.into(), grants: 1.into(), ..Lookups::default() });
    let of_egress =
        Lookups { policies: 1.into(), prefixes: 1.into(), destinations: 2.into(), ..Lookups::default() };
    assert_eq!(many[8].2, of_egress);
}
