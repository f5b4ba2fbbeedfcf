use std::path::Path;

use super::*;

fn accept<T>(run: impl FnOnce(Acceptance<'_>) -> T) -> T {
    let first = BTreeMap::new();
    run(Acceptance { now: "2026-11-22T00:00:00Z".parse().unwrap(), first: &first })
}

fn refused(text: &str) -> String {
    accept(|acceptance| parse(Path::new("p.yaml"), text, acceptance)).unwrap_err().to_string()
}

const EXAMPLE: &str = r#"
apiVersion: cofferdam.dev/v1alpha1
kind: ContainmentPolicy
metadata: { name: payments-api, namespace: payments }
spec:
  selector: { matchLabels: { app: payments-api } }
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

#[test]
fn the_example_is_understood() {
    let policies = accept(|acceptance| parse(Path::new("p.yaml"), EXAMPLE, acceptance)).unwrap();
    assert_eq!(policies.len(), 1);
    insta::assert_debug_snapshot!(policies[0]);
}

#[test]
fn t() {
    for (from, to) in [
        ("id: db", "idd: db"),
        ("owner: payments-oncall, ", ""),
        ("10.20.0.0/16", "10.20.0.1/16"),
        ("releaseAfter: 10m", "releaseAfter: 10"),
        ("read: own", "read: mine"),
        ("ports: [5432], protocol", "ports: [0], protocol"),
    ] {
        println!("{}\n", refused(&EXAMPLE.replace(from, to)));
    }
}
