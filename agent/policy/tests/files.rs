//! Files: what is understood, and what is refused in which words.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_policy::{Acceptance, Refused, exception_key, parse, schema};
use kit::{parsed, wall};
use proptest::prelude::*;

const EXAMPLE: &str = r#"
apiVersion: cofferdam.dev/v1alpha1
kind: ContainmentPolicy
metadata: { name: payments-api, namespace: payments }
spec:
  selector: { matchLabels: { app: payments-api } }        # and/or container, image, unit, cgroup (globs)
  mode: enforce
  secrets:
    - id: db
      secret: db-password
      readers: [ { binary: /app/server } ]
      destinations: [ { cidr: 10.20.0.0/16, ports: [5432], protocol: tcp }, { host: db.payments.svc.cluster.local, ports: [5432] } ]
      bind: first-read
      onAgentLoss: { releaseAfter: 10m }
  environment: { id: env, read: own }
  exec: { id: ex, deny: [ { origin: written }, { origin: memfd }, { binary: "/bin/*sh", session: exec } ] }
  egress: { id: out, default: allow, deny: [ { set: cloud-metadata } ] }
  memory: { id: mem, attach: deny, onAgentLoss: keep }
  exceptions:
    - { rule: ex, allow: { binary: /bin/sh }, reason: INC-1234 live debugging, owner: payments-oncall, expires: 2026-12-01T00:00:00Z }
"#;

const DESTINATIONS: &str = "destinations: [ { cidr: 10.20.0.0/16, ports: [5432], protocol: tcp }, { host: db.payments.svc.cluster.local, ports: [5432] } ]";

fn refused(text: &str) -> String {
    parsed(text).err().map_or_else(|| "understood".to_owned(), |refused| refused.to_string())
}

#[test]
fn the_example_is_understood() {
    let policies = parsed(EXAMPLE).unwrap();
    assert_eq!(policies[0].name(), "payments/payments-api");
    assert_eq!(policies[0].binaries(), ["/app/server", "/bin/*sh", "/bin/sh"].into());
    assert_eq!(policies[0].hosts(), ["db.payments.svc.cluster.local"].into());
    insta::assert_debug_snapshot!(policies[0]);
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_reason() {
    let both =
        "egress: { id: out, allow: [ { cidr: 10.1.0.0/16, ports: [443] } ], deny: [ { cidr: 10.0.0.0/8 } ] }";
    let second = "  secrets:\n    - { id: ex, secret: a, readers: any, isolate: true, destinations: [ { cidr: 10.1.0.0/16 } ] }\n    - { id: two, secret: b, readers: any, isolate: true, destinations: [ { cidr: 10.2.0.0/16 } ] }\n    - id: db\n";
    let egress = "egress: { id: out, default: allow, deny: [ { set: cloud-metadata } ] }";
    let cases = [
        ("an unknown field", "id: db\n", "idd: db\n"),
        ("an unknown field deep down", "protocol: tcp", "protcol: tcp"),
        ("an unknown word", "read: own", "read: mine"),
        ("a missing owner", "owner: payments-oncall, ", ""),
        ("a missing expiry", ", expires: 2026-12-01T00:00:00Z", ""),
        ("an expiry too far ahead", "2026-12-01T00:00:00Z", "2026-12-22T00:00:01Z"),
        ("an expiry that is none", "2026-12-01T00:00:00Z", "soon"),
        ("an exception of no rule", "rule: ex", "rule: exx"),
        ("an exception that does not fit", "allow: { binary: /bin/sh }", "allow: { cidr: 10.0.0.1 }"),
        ("an exception for a binary of egress", "rule: ex, ", "rule: out, "),
        ("a missing reader", "readers: [ { binary: /app/server } ]", "keys: [a]"),
        ("no reader", "[ { binary: /app/server } ]", "[]"),
        ("readers in a word that is not any", "[ { binary: /app/server } ]", "all"),
        ("a relative binary", "/app/server", "app/server"),
        ("a glob of another kind", "/bin/*sh", "/bin/{ba,}sh"),
        ("an id twice", "id: mem", "id: db"),
        ("a network that is none", "10.20.0.0/16", "10.20.0.0/33"),
        ("an address within a network", "10.20.0.0/16", "10.20.0.1/16"),
        ("an address as a host", "db.payments.svc.cluster.local", "10.0.0.1"),
        ("a port that is none", "ports: [5432], protocol", "ports: [70000], protocol"),
        ("a range upside down", "ports: [5432], protocol", "ports: [\"9-8\"], protocol"),
        ("too many ports", "ports: [5432], protocol", "ports: [\"1-1025\"], protocol"),
        ("two kinds of destination", "cidr: 10.20.0.0/16,", "cidr: 10.20.0.0/16, set: cloud-metadata,"),
        ("binding without destinations", DESTINATIONS, "keys: [password]"),
        ("a duration that is none", "releaseAfter: 10m", "releaseAfter: 10"),
        ("an empty selector", "{ matchLabels: { app: payments-api } }", "{}"),
        ("an empty glob", "{ matchLabels: { app: payments-api } }", "{ container: \"\" }"),
        ("another namespace", "{ matchLabels: { app: payments-api } }", "{ namespace: shop }"),
        ("a guarded namespace", "namespace: payments", "namespace: kube-system"),
        ("another version", "v1alpha1", "v1"),
        ("what is allowed and denied", egress, both),
        ("a destination that is denied", "set: cloud-metadata", "cidr: 10.0.0.0/8"),
        ("isolation from all", "  secrets:\n    - id: db\n", second),
        ("no rule's kind", "kind: ContainmentPolicy", "kind: Policy"),
        ("no YAML", "metadata: {", "metadata: {{"),
    ];
    let mut told = String::new();
    for (what, from, to) in cases {
        let text = EXAMPLE.replace(from, to);
        assert_ne!(text, EXAMPLE, "{what}");
        told += &format!("# {what}\n{}\n", refused(&text));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_file_holds_several_policies_and_is_refused_as_a_whole() {
    let second = EXAMPLE.replace("name: payments-api", "name: other");
    assert_eq!(parsed(&format!("{EXAMPLE}---{second}")).unwrap().len(), 2);
    assert_eq!(
        refused(&format!("{EXAMPLE}---{EXAMPLE}")),
        "p.yaml:24:19: metadata.name: `payments-api` is named twice"
    );
    let Refused(all) = parsed(&format!("{EXAMPLE}---{}", second.replace("/app/", "app/"))).unwrap_err();
    assert_eq!(all.len(), 1);
}

#[test]
fn a_file_that_has_lost_its_content_is_refused_and_not_taken_for_a_removal() {
    for text in ["", "\n", "# payments\n", "---\n---\n"] {
        let reason = "holds no policy; to lift what it said before, remove the file";
        assert_eq!(refused(text), format!("p.yaml:1:1: {reason}"), "{text:?}");
    }
}

#[test]
fn a_policy_that_would_fill_the_tables_of_the_kernel_is_refused_with_the_numbers() {
    let to = |count: usize| {
        let port = |n: usize| format!("{{ cidr: 10.{n}.0.0/16, ports: [\"1-1024\"], protocol: tcp }}");
        let list: Vec<String> = (0..count).map(port).collect();
        EXAMPLE.replace(DESTINATIONS, &format!("destinations: [ {} ]", list.join(", ")))
    };
    assert_eq!(refused(&to(3)), "understood");
    let reason = "its destinations and their ports come to 5123 entries, of which there may be 4096";
    assert!(refused(&to(5)).starts_with(&format!("p.yaml:6:13: spec: {reason}")), "{}", refused(&to(5)));
}

#[test]
fn applying_an_exception_again_does_not_renew_it() {
    let policy = &parsed(EXAMPLE).unwrap()[0];
    let (rule, exception) = policy.exceptions().next().unwrap();
    let key = exception_key(policy.name(), &rule.id, &exception.allow);
    assert_eq!(key, "payments/payments-api ex: binary /bin/sh");
    let first = BTreeMap::from([(key, wall("2026-11-01T00:00:00Z"))]);
    let now = wall("2026-11-30T00:00:00Z");
    let later = EXAMPLE.replace("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z");
    let file = Path::new("p.yaml");
    assert!(parse(file, EXAMPLE, Acceptance { now, first: &first }).is_ok());
    assert!(parse(file, &later, Acceptance { now, first: &first }).is_err());
    assert!(parse(file, &later, Acceptance { now, first: &BTreeMap::new() }).is_ok());
}

#[test]
fn an_exception_that_has_expired_does_not_refuse_the_policy() {
    let now = wall("2027-11-30T00:00:00Z");
    assert!(parse(Path::new("p.yaml"), EXAMPLE, Acceptance { now, first: &BTreeMap::new() }).is_ok());
}

#[test]
fn the_schema_is_made_from_the_types() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema()).unwrap());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        let _ = parsed(&text);
    }

    #[test]
    fn no_change_of_a_character_makes_it_panic(at in 0..EXAMPLE.len(), by in "[ -~\n]{0,3}") {
        let text = format!("{}{by}{}", &EXAMPLE[..at], &EXAMPLE[at + 1..]);
        let _ = parsed(&text);
    }
}
