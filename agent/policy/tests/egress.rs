//! Where a workload may send.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use cofferdam_policy::{Order, OrderSays};
use kit::{Case, minutes, object, socket};

const DB: &str = "secrets: { id: db, secret: db-password, readers: any,
    destinations: [{ cidr: 10.20.0.0/16, ports: [5432], protocol: tcp }] }";
const EXCEPTION: &str = "reason: r, owner: o, expires: 2026-11-22T01:00:00Z";

#[test]
fn a_secret_that_was_read_travels_to_its_destinations_only() {
    let mut world = Case::one(DB).world();
    assert_eq!(world.sends("1.1.1.1", 443), "allowed", "nothing was read yet");
    world.begins("db-password");
    assert_eq!(world.sends("10.20.1.1", 5432), "allowed");
    for (address, port) in [("1.1.1.1", 443), ("10.20.1.1", 5433), ("10.21.0.1", 5432), ("127.0.0.1", 5432)] {
        assert_eq!(world.sends(address, port), "denied one/db", "{address}:{port}");
    }
    assert_eq!(world.told(world.send("10.20.1.1", 17, 5432)), "denied one/db", "not by UDP");
    assert_eq!(world.told(world.send("10.20.1.1", 132, 5432)), "denied one/db", "not by SCTP");
}

#[test]
fn what_was_read_before_the_policy_binds_from_the_start_and_so_does_who_says_so() {
    let mut case = Case::one(DB);
    case.read = [object("db-password")].into();
    assert_eq!(case.world().sends("1.1.1.1", 443), "denied one/db");
    let world = Case::one(&DB.replace("readers", "bind: start, readers")).world();
    assert_eq!(world.sends("1.1.1.1", 443), "denied one/db");
    assert_eq!(world.sends("10.20.1.1", 5432), "allowed");
}

#[test]
fn several_secrets_permit_the_union_and_egress_what_it_allows() {
    let mut world = Case::one(
        "secrets: [ { id: db, secret: db-password, readers: any, destinations: [{ cidr: 10.20.0.0/16 }] },
                    { id: api, secret: api-key, readers: any, destinations: [{ cidr: 192.0.2.7 }] } ],
         egress: { id: out, allow: [{ cidr: 198.51.100.0/24, ports: [443] }] }",
    )
    .world();
    world.begins("db-password");
    assert_eq!(world.sends("192.0.2.7", 443), "denied one/db one/api", "its secret was not read");
    world.begins("api-key");
    for (address, port, expected) in [
        ("192.0.2.7", 443, "allowed"),
        ("10.20.0.1", 1, "allowed"),
        ("198.51.100.9", 443, "allowed"),
        ("198.51.100.9", 80, "denied one/db one/api"),
    ] {
        assert_eq!(world.sends(address, port), expected, "{address}:{port}");
    }
}

#[test]
fn an_isolating_secret_permits_nothing_else() {
    let mut world = Case::one(
        "secrets: [ { id: db, secret: db-password, readers: any, isolate: true, destinations: [{ cidr: 10.20.0.0/16 }] },
                    { id: api, secret: api-key, readers: any, destinations: [{ cidr: 10.20.3.0/24 }, { cidr: 192.0.2.7 }] } ],
         egress: { id: out, allow: [{ cidr: 198.51.100.0/24 }] }",
    )
    .world();
    world.begins("api-key");
    assert_eq!(world.sends("198.51.100.9", 443), "allowed");
    assert_eq!(world.sends("192.0.2.7", 443), "allowed");
    world.begins("db-password");
    assert_eq!(world.sends("198.51.100.9", 443), "denied one/db one/api");
    assert_eq!(world.sends("192.0.2.7", 443), "denied one/db one/api");
    assert_eq!(world.sends("10.20.9.9", 443), "allowed");
}

#[test]
fn a_secret_may_travel_nowhere() {
    let mut world = Case::one("secrets: { id: k, secret: token, readers: any, destinations: [] }").world();
    world.begins("token");
    assert_eq!(world.sends("127.0.0.1", 80), "denied one/k");
}

#[test]
fn a_default_of_deny_permits_what_is_named_also_by_secrets_that_were_not_read() {
    let world =
        Case::one(&format!("{DB}, egress: {{ id: out, default: deny, allow: [{{ cidr: 192.0.2.0/24, ports: ['8000-8010', 443] }}] }}"))
            .world();
    for (address, port, expected) in [
        ("10.20.0.1", 5432, "allowed"),
        ("10.20.0.1", 22, "denied one/out"),
        ("192.0.2.1", 443, "allowed"),
        ("192.0.2.1", 7999, "denied one/out"),
        ("192.0.2.1", 8000, "allowed"),
        ("192.0.2.1", 8010, "allowed"),
        ("192.0.2.1", 8011, "denied one/out"),
        ("8.8.8.8", 443, "denied one/out"),
        ("2001:db8::1", 443, "denied one/out"),
    ] {
        assert_eq!(world.sends(address, port), expected, "{address}:{port}");
    }
}

#[test]
fn the_resolver_stays_reachable_for_questions() {
    let mut case = Case::one(&DB.replace("readers", "bind: start, isolate: true, readers"));
    case.resolvers = vec!["10.96.0.10".parse().unwrap()];
    let world = case.world();
    assert_eq!(world.told(world.send("10.96.0.10", 17, 53)), "allowed");
    assert_eq!(world.sends("10.96.0.10", 53), "allowed");
    assert_eq!(world.sends("10.96.0.10", 443), "denied one/db");
    assert_eq!(world.told(world.send("8.8.8.8", 17, 53)), "denied one/db");
}

#[test]
fn the_metadata_services_are_a_set_and_what_is_denied_beats_what_is_allowed() {
    let world = Case::two(
        "egress: { id: out, deny: [{ set: cloud-metadata }] }",
        "egress: { id: all, default: deny, allow: [{ cidr: 0.0.0.0/0 }] }",
    )
    .world();
    for address in ["169.254.169.254", "168.63.129.16", "100.100.100.200", "::ffff:169.254.170.2"] {
        assert_eq!(world.sends(address, 80), "denied one/out", "{address}");
    }
    assert_eq!(world.sends("fd00:ec2::254", 80), "denied one/out");
    assert_eq!(world.sends("169.254.169.253", 80), "allowed");
    assert_eq!(world.sends("2001:db8::1", 80), "denied two/all");
}

#[test]
fn ipv4_is_no_part_of_ipv6_whatever_form_it_is_written_in() {
    let world = Case::one("egress: { id: out, deny: [{ cidr: '::/0' }] }").world();
    assert_eq!(world.sends("192.0.2.1", 443), "allowed");
    assert_eq!(world.sends("::ffff:192.0.2.1", 443), "allowed");
    assert_eq!(world.sends("2001:db8::1", 443), "denied one/out");
    let world = Case::one("egress: { id: out, deny: [{ cidr: '::ffff:192.0.2.0/120' }] }").world();
    assert_eq!(world.sends("192.0.2.1", 443), "denied one/out");
    assert_eq!(world.sends("192.0.3.1", 443), "allowed");
}

#[test]
fn the_longest_prefix_says_what_the_shorter_ones_say_too() {
    let world = Case::one(
        "egress: { id: out, default: deny, allow: [{ cidr: 10.0.0.0/8, ports: [443] }, { cidr: 10.1.0.0/16, ports: [80] }],
                   deny: [{ cidr: 10.1.1.1 }] }",
    )
    .world();
    for (address, port, expected) in [
        ("10.1.2.3", 443, "allowed"),
        ("10.1.2.3", 80, "allowed"),
        ("10.2.2.3", 80, "denied one/out"),
        ("10.1.1.1", 443, "denied one/out"),
    ] {
        assert_eq!(world.sends(address, port), expected, "{address}:{port}");
    }
}

#[test]
fn a_host_is_the_addresses_that_its_name_has() {
    let mut case = Case::one(
        &DB.replace("cidr: 10.20.0.0/16", "host: DB.example.").replace("readers", "bind: start, readers"),
    );
    case.names =
        [("db.example".to_owned(), vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()])]
            .into();
    let world = case.world();
    assert_eq!(world.sends("192.0.2.9", 5432), "allowed");
    assert_eq!(world.sends("2001:db8::9", 5432), "allowed");
    assert_eq!(world.sends("192.0.2.8", 5432), "denied one/db");
}

#[test]
fn an_observing_rule_tells_and_never_permits() {
    // What the observing rule allows is no destination of the enforcing one.
    let mut world = Case::one(&format!(
        "{DB}, egress: {{ id: out, mode: observe, default: deny, allow: [{{ cidr: 192.0.2.0/24 }}] }}"
    ))
    .world();
    assert_eq!(world.sends("8.8.8.8", 443), "would-deny one/out");
    assert_eq!(world.sends("192.0.2.1", 443), "allowed");
    assert_eq!(world.sends("10.20.0.1", 5432), "allowed", "named by the other rule of the policy");
    world.begins("db-password");
    assert_eq!(world.sends("192.0.2.1", 443), "denied one/db");
    let observed =
        Case::two(&format!("mode: observe, {DB}"), "egress: { id: out, deny: [{ cidr: 8.8.8.8 }] }");
    let mut world = observed.world();
    world.begins("db-password");
    assert_eq!(world.sends("8.8.8.8", 53), "denied two/out");
    assert_eq!(world.sends("8.8.4.4", 53), "would-deny one/db");
}

#[test]
fn exceptions_of_egress_lift_its_own_refusals_until_they_expire() {
    let rules = format!(
        "egress: {{ id: out, default: deny, deny: [{{ set: cloud-metadata }}] }},
         exceptions: [{{ rule: out, allow: {{ cidr: 169.254.0.0/16, ports: [80] }}, {EXCEPTION} }}]"
    );
    let world = Case::one(&rules).world();
    assert_eq!(world.sends("169.254.169.254", 80), "exception one/out");
    assert_eq!(world.sends("169.254.1.1", 80), "exception one/out");
    assert_eq!(world.sends("169.254.169.254", 81), "denied one/out");
    assert_eq!(world.at(minutes(60)).sends("169.254.169.254", 80), "denied one/out");
    let world = Case::two(&rules, "egress: { id: meta, deny: [{ set: cloud-metadata }] }").world();
    assert_eq!(world.sends("169.254.169.254", 80), "denied two/meta", "the other policy knows no exception");
    assert_eq!(world.sends("169.254.1.1", 80), "exception one/out");
}

#[test]
fn exceptions_of_bindings_lift_the_limit_but_no_isolation_by_another_secret() {
    let api = "{ id: api, secret: api-key, readers: any, destinations: [{ cidr: 192.0.2.7 }] }";
    let rules = |isolate: &str| {
        format!(
            "secrets: [{{ id: db, secret: db-password, readers: any, bind: start, {isolate} destinations: [{{ cidr: 192.0.2.0/24 }}] }}, {api}],
             exceptions: {{ rule: api, allow: {{ cidr: 198.51.100.1 }}, {EXCEPTION} }}"
        )
    };
    assert_eq!(Case::one(&rules("")).world().sends("198.51.100.1", 443), "exception one/api");
    assert_eq!(
        Case::one(&rules("isolate: true,")).world().sends("198.51.100.1", 443),
        "denied one/db one/api"
    );
    let any = format!(
        "{}, exceptions: {{ rule: db, allow: any, {EXCEPTION} }}",
        DB.replace("readers", "bind: start, readers")
    );
    let world = Case::one(&any).world();
    assert_eq!(world.sends("8.8.8.8", 443), "exception one/db");
    assert_eq!(world.sends("2001:db8::1", 443), "exception one/db");
    assert_eq!(world.at(minutes(60)).sends("8.8.8.8", 443), "denied one/db");
}

#[test]
fn a_workload_that_is_cut_off_sends_nothing_until_the_order_ends() {
    let mut case = Case::one("egress: { id: out, allow: [{ cidr: 0.0.0.0/0 }] }");
    case.orders = vec![Order {
        id: "o-1".into(),
        says: OrderSays::CutOff,
        until: Some(minutes(60)),
        owner: "alice".into(),
        reason: "compromised".into(),
    }];
    let world = case.world();
    assert_eq!(world.sends("127.0.0.1", 80), "denied alice/o-1");
    assert_eq!(world.at(minutes(60)).sends("127.0.0.1", 80), "allowed");
    assert_eq!(case.compile_at(minutes(60)).unwrap().policy.cut_until, 0);
}

#[test]
fn too_much_is_refused_with_its_numbers() {
    let rules = "egress: { id: out, default: deny }";
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let case = Case::of(names.map(|name| kit::policy(name, rules)).into());
    insta::assert_snapshot!(case.compile().unwrap_err());
    let bindings = |ids: std::ops::Range<u32>| {
        let list: Vec<String> =
            ids.map(|id| format!("{{ id: r{id}, secret: s{id}, readers: any, destinations: [] }}")).collect();
        format!("secrets: [{}]", list.join(", "))
    };
    insta::assert_snapshot!(Case::two(&bindings(0..10), &bindings(10..20)).compile().unwrap_err());
    let one = "secrets: { id: s, secret: token, readers: any, destinations: [] }";
    let case = Case::of(["a", "b", "c", "d", "e"].map(|name| kit::policy(name, one)).into());
    insta::assert_snapshot!(case.compile().unwrap_err());
}

#[test]
fn unix_sockets_of_others_are_destinations_that_must_be_named() {
    let mut case = Case::one(
        "secrets: { id: db, secret: db-password, readers: any,
            destinations: [{ cidr: 10.20.0.0/16 }, { unix: /run/postgresql/.s.PGSQL.5432 }] }",
    );
    const NAMED: &str = "/run/postgresql/.s.PGSQL.5432";
    case.sockets = [(NAMED.to_owned(), socket(NAMED))].into();
    let mut world = case.world();
    assert_eq!(world.sends_to_socket(Some("/run/docker.sock")), "allowed", "nothing was read yet");
    world.begins("db-password");
    assert_eq!(world.sends_to_socket(Some(NAMED)), "allowed");
    for other in [Some("/run/docker.sock"), Some("/run/postgresql/.s.PGSQL.5433"), None] {
        assert_eq!(world.sends_to_socket(other), "denied one/db", "{other:?}");
    }
    assert_eq!(world.sends("1.1.1.1", 443), "denied one/db");
}

#[test]
fn a_socket_can_be_denied_and_everything_else_left_alone() {
    let mut case = Case::one("egress: { id: out, deny: [{ unix: /run/docker.sock }] }");
    case.sockets = [("/run/docker.sock".to_owned(), socket("/run/docker.sock"))].into();
    let world = case.world();
    assert_eq!(world.sends_to_socket(Some("/run/docker.sock")), "denied one/out");
    assert_eq!(world.sends_to_socket(Some("/run/log")), "allowed");
    assert_eq!(world.sends("1.1.1.1", 443), "allowed");
}

#[test]
fn a_network_of_everything_holds_no_unix_socket() {
    let case =
        Case::one("egress: { id: out, default: deny, allow: [{ cidr: 0.0.0.0/0 }, { cidr: \"::/0\" }] }");
    assert_eq!(case.world().sends_to_socket(Some("/run/docker.sock")), "denied one/out");
}

#[test]
fn an_exception_for_everything_lets_unix_sockets_pass_until_it_ends() {
    let world = Case::one(&format!(
        "egress: {{ id: out, default: deny }}, exceptions: [{{ rule: out, allow: any, {EXCEPTION} }}]"
    ))
    .world();
    assert_eq!(world.sends_to_socket(Some("/run/docker.sock")), "exception one/out");
    assert_eq!(world.at(minutes(61)).sends_to_socket(Some("/run/docker.sock")), "denied one/out");
}
