//! For any policies and any request the compiled tables say what the policies say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;
#[path = "kit/naive.rs"]
mod naive;

use std::collections::BTreeSet;

use cofferdam_abi::decide::Actor;
use cofferdam_abi::process::{facts, flags};
use cofferdam_policy::{Order, OrderSays, Origin, Policy};
use kit::{Case, GENERATION, NOW, World, minutes, object, parsed, process, wall, written};
use naive::{Naive, Verdict, Who};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PATHS: &[&str] = &["/app/server", "/app/migrate", "/bin/sh", "/bin/bash"];
const PATTERNS: &[&str] = &["/app/server", "/app/*", "/bin/sh", "/bin/*sh", "*"];
const SECRETS: &[&str] = &["db-password", "api-key", "token"];
const ENDS: &[&str] = &["2026-11-22T00:20:00Z", "2026-11-22T00:40:00Z"];
const ADDRESSES: &[&str] =
    &["10.1.1.1", "10.1.2.3", "10.9.9.9", "192.0.2.1", "8.8.8.8", "10.96.0.10", "2001:db8::1", "fd00::1"];

fn pattern() -> impl Strategy<Value = String> {
    select(PATTERNS).prop_map(|it| if it == "*" { "'/*'".to_owned() } else { format!("'{it}'") })
}

fn endpoint() -> impl Strategy<Value = String> {
    let cidrs =
        &["10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "0.0.0.0/0", "'::/0'", "'2001:db8::/32'", "192.0.2.0/24"];
    let ports = &["", ", ports: [443]", ", ports: [80, 443]", ", ports: ['440-450', 53]"];
    let protocols = &["", ", protocol: tcp", ", protocol: udp", ", protocol: any"];
    (select(&cidrs[..]), select(&ports[..]), select(&protocols[..]))
        .prop_map(|(cidr, ports, protocol)| format!("{{ cidr: {cidr}{ports}{protocol} }}"))
}

fn endpoints() -> impl Strategy<Value = String> {
    prop::collection::vec(endpoint(), 0..3).prop_map(|list| format!("[{}]", list.join(", ")))
}

fn mode() -> impl Strategy<Value = &'static str> {
    select(&["", ", mode: observe", ", mode: enforce"][..])
}

/// Exceptions of a rule, by what may be allowed.
fn exceptions(rule: String, binary: bool, destination: bool) -> impl Strategy<Value = Vec<String>> {
    let allow = (select(&[0, 1, 2][..]), pattern(), endpoint()).prop_map(
        move |(which, pattern, endpoint)| match which {
            1 if binary => format!("{{ binary: {pattern} }}"),
            2 if destination => endpoint,
            _ => "any".to_owned(),
        },
    );
    let exception = (allow, select(ENDS)).prop_map(move |(allow, end)| {
        format!("{{ rule: {rule}, allow: {allow}, reason: r, owner: o, expires: {end} }}")
    });
    prop::collection::vec(exception, 0..2)
}

/// The text of a rule, and its exceptions.
type Text = (String, Vec<String>);

fn secret(id: &'static str) -> impl Strategy<Value = Text> {
    let readers = prop_oneof![
        Just("any".to_owned()),
        prop::collection::vec((pattern(), select(&["", ", origin: any"][..])), 1..3).prop_map(|list| {
            let list: Vec<String> =
                list.iter().map(|(binary, origin)| format!("{{ binary: {binary}{origin} }}")).collect();
            format!("[{}]", list.join(", "))
        }),
    ];
    let bound = (endpoints(), select(&["", ", bind: start"][..]), any::<bool>())
        .prop_map(|(to, bind, isolate)| format!(", destinations: {to}{bind}, isolate: {isolate}"));
    let names = select(&["db-password", "api-key", "'*-*'", "'*'"][..]);
    let rest = (select(&["", ", keys: [password]"][..]), mode(), any::<bool>());
    (names, readers, prop::option::of(bound), rest).prop_flat_map(
        move |(name, readers, bound, (keys, mode, exclusive))| {
            let is_bound = bound.is_some();
            let bound = bound.unwrap_or_default();
            let text = format!(
                "{{ id: {id}, secret: {name}, readers: {readers}{keys}{bound}{mode}, exclusive: {exclusive} }}"
            );
            (Just(text), exceptions(id.to_owned(), true, is_bound))
        },
    )
}

fn exec() -> impl Strategy<Value = Text> {
    let origin = select(&["origin: written", "origin: memfd", "origin: image", "origin: unknown"][..]);
    let denial = prop_oneof![
        origin.prop_map(str::to_owned),
        pattern().prop_map(|it| format!("binary: {it}")),
        pattern().prop_map(|it| format!("binary: {it}, session: exec, origin: image")),
        Just("session: exec, origin: written".to_owned()),
    ];
    let denials = prop::collection::vec(denial.prop_map(|it| format!("{{ {it} }}")), 1..3);
    (denials, mode(), exceptions("ex".into(), true, false)).prop_map(|(list, mode, exceptions)| {
        (format!("{{ id: ex, deny: [{}]{mode} }}", list.join(", ")), exceptions)
    })
}

fn egress() -> impl Strategy<Value = Text> {
    let default = select(&["", ", default: deny"][..]);
    (default, endpoints(), endpoints(), mode(), exceptions("out".into(), false, true)).prop_map(
        |(default, allow, deny, mode, exceptions)| {
            (format!("{{ id: out{default}, allow: {allow}, deny: {deny}{mode} }}"), exceptions)
        },
    )
}

fn simple(id: &'static str, words: &'static [&'static str]) -> impl Strategy<Value = Text> {
    (select(words), mode(), exceptions(id.to_owned(), true, false))
        .prop_map(move |(word, mode, exceptions)| (format!("{{ id: {id}, {word}{mode} }}"), exceptions))
}

fn policy(name: &'static str) -> impl Strategy<Value = Policy> {
    let secrets = (prop::option::of(secret("a")), prop::option::of(secret("b")));
    let others = (
        prop::option::of(exec()),
        prop::option::of(egress()),
        prop::option::of(simple("env", &["read: own", "read: none", "read: any"])),
        prop::option::of(simple("mem", &["attach: deny", "attach: allow"])),
    );
    (secrets, others).prop_filter_map(
        "contradictory",
        move |((a, b), (exec, egress, environment, memory))| {
            let of_kinds = [("secrets", vec![a, b]), ("exec", vec![exec]), ("egress", vec![egress])];
            let of_classes = [("environment", vec![environment]), ("memory", vec![memory])];
            let (mut lines, mut exceptions) = (Vec::new(), Vec::new());
            for (kind, rules) in of_kinds.into_iter().chain(of_classes) {
                let rules: Vec<Text> = rules.into_iter().flatten().collect();
                let texts: Vec<&str> = rules.iter().map(|(text, _)| text.as_str()).collect();
                lines.push(format!("{kind}: [{}]", texts.join(", ")));
                exceptions.extend(rules.iter().flat_map(|(_, exceptions)| exceptions.clone()));
            }
            lines.push(format!("exceptions: [{}]", exceptions.join(", ")));
            let text = format!(
                "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: {{ name: {name} }}\n\
             spec: {{ selector: {{ workload: '*' }}, {} }}\n",
                lines.join(", ")
            );
            parsed(&text).ok()?.pop()
        },
    )
}

fn orders() -> impl Strategy<Value = Vec<Order>> {
    let says = prop_oneof![
        Just(OrderSays::CutOff),
        subsequence(SECRETS, 1..3)
            .prop_map(|names| OrderSays::DenySecrets(names.iter().map(|it| object(it)).collect())),
    ];
    let order = (says, prop::option::of(select(ENDS))).prop_map(|(says, until)| Order {
        id: "o-1".into(),
        says,
        until: until.map(wall),
        owner: "alice".into(),
        reason: "r".into(),
    });
    prop::option::weighted(0.2, order).prop_map(|order| order.into_iter().collect())
}

fn case() -> impl Strategy<Value = Case> {
    let own = (policy("one"), prop::option::of(policy("two")), prop::option::of(policy("three")));
    (own, prop::option::of(policy("other")), orders(), subsequence(SECRETS, 0..3)).prop_map(
        |((one, two, three), other, orders, read)| {
            let mut case = Case::of([Some(one), two, three].into_iter().flatten().collect());
            case.others = other.into_iter().collect();
            case.paths = PATHS.to_vec();
            case.orders = orders;
            case.read = read.iter().map(|it| object(it)).collect();
            case.resolvers = vec!["10.96.0.10".parse().unwrap()];
            case
        },
    )
}

/// The words for a decision.
fn told(told: &str) -> Verdict {
    match told.split(' ').next() {
        Some("denied") => Verdict::Denied,
        Some("would-deny") => Verdict::WouldDeny,
        Some("exception") => Verdict::Exception,
        _ => Verdict::Allowed,
    }
}

/// Every request with what the tables and what the policies say.
fn answers(world: &World, naive: &Naive<'_>) -> Vec<(String, Verdict, Verdict)> {
    let mut all = Vec::new();
    let mut both =
        |what: String, tables: String, policies: Verdict| all.push((what, told(&tables), policies));
    for path in PATHS {
        let foreign = Actor { flags: flags::FOREIGN_CODE, ..process(path) };
        for (actor, of_image) in [(process(path), true), (written(path), false), (foreign, false)] {
            let who = Who { path, of_image, session: false };
            for secret in SECRETS {
                for key in ["password", "username"] {
                    let tables = world.told(world.read(&actor, secret, key));
                    both(format!("{who:?} {secret}/{key}"), tables, naive.secret(who, secret, key));
                }
            }
            for own in [true, false] {
                both(
                    format!("{who:?} environ {own}"),
                    world.sees(&actor, GENERATION, own),
                    naive.environment(who, own),
                );
            }
            both(format!("{who:?} memory"), world.attaches(&actor, GENERATION), naive.memory(who));
        }
        let image = facts::OVERLAY | facts::ON_WORKLOAD_ROOT | facts::ROOT_KNOWN;
        for (bits, origin) in [
            (image, Origin::Image),
            (image | facts::OVERLAY_UPPER, Origin::Written),
            (facts::MEMFD, Origin::Memfd),
            (0, Origin::Unknown),
        ] {
            for session in [true, false] {
                let flags = if session { flags::EXEC_SESSION } else { 0 };
                let tables = world.executes(&Actor { flags, ..process(path) }, path, bits);
                both(format!("{path} {origin} {session}"), tables, naive.execute(session, path, origin));
            }
        }
    }
    for address in ADDRESSES {
        for (protocol, port) in
            [(6, 443), (6, 80), (6, 445), (17, 53), (6, 53), (17, 22), (132, 443), (132, 9)]
        {
            let tables = world.told(world.send(address, protocol, port));
            let policies = naive.egress(address.parse().unwrap(), protocol, port);
            both(format!("to {address} {protocol} {port}"), tables, policies);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_say_what_the_policies_say(case in case()) {
        let world = case.world();
        let read: BTreeSet<u64> = case.read.clone();
        // In the middle one exception has ended and another has not: there tables may be stricter, never weaker.
        for (at, is_exact) in [(NOW, true), (minutes(30), false), (minutes(50), true)] {
            world.at(at);
            let Case { policies, others, orders, resolvers, .. } = &case;
            let naive = Naive { policies, others, orders, read: &read, resolvers, at };
            for (what, tables, policies) in answers(&world, &naive) {
                let holds = if is_exact { tables == policies } else { tables >= policies };
                prop_assert!(holds, "{what} at {at:?}: tables {tables:?}, policies {policies:?}\n{:#?}", case.policies);
            }
        }
    }
}
