//! Random policies, and the world that they speak of.

use cofferdam_policy::{Order, OrderSays, Policy};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::kit::{Case, minutes, object, parsed};

pub const PATHS: &[&str] = &["/app/server", "/app/migrate", "/bin/sh", "/bin/bash"];
pub const PATTERNS: &[&str] = &["/app/server", "/app/*", "/bin/sh", "/bin/*sh", "*"];
pub const SECRETS: &[&str] = &["db-password", "api-key", "token"];
pub const ENDS: &[&str] = &["2026-11-22T00:20:00Z", "2026-11-22T00:40:00Z"];
pub const ADDRESSES: &[&str] =
    &["10.1.1.1", "10.1.2.3", "10.9.9.9", "192.0.2.1", "8.8.8.8", "10.96.0.10", "2001:db8::1", "fd00::1"];

fn pattern() -> impl Strategy<Value = String> {
    select(PATTERNS).prop_map(|it| if it == "*" { "'/*/*'".to_owned() } else { format!("'{it}'") })
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

pub fn any_policy(name: &'static str) -> impl Strategy<Value = Policy> {
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
    let order = (says, prop::option::of(select(&[20, 40][..]))).prop_map(|(says, until)| Order {
        id: "o-1".into(),
        says,
        until: until.map(minutes),
        owner: "alice".into(),
        reason: "r".into(),
    });
    prop::option::weighted(0.2, order).prop_map(|order| order.into_iter().collect())
}

pub fn case() -> impl Strategy<Value = Case> {
    let own = (any_policy("one"), prop::option::of(any_policy("two")), prop::option::of(any_policy("three")));
    (own, prop::option::of(any_policy("other")), orders(), subsequence(SECRETS, 0..3)).prop_map(
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
