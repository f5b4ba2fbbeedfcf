//! Examples about policies and orders.

pub(crate) const POLICY: &str = "\
Roll a policy out: learn it from what a workload was seen to do, check it, test it against the past,
apply it in mode observe, look at what it would have denied (`cofferdam denials`), then apply it in
mode enforce with --confirm-within.

Examples:
  cofferdam policy learn --workload 'shop/web-*/app' > web.yaml
  cofferdam policy check web.yaml
  cofferdam policy test web.yaml --since 24h
  cofferdam policy apply web.yaml
  cofferdam policy status                    is my rule really enforced here, and if not, why?";

pub(crate) const POLICY_CHECK: &str = "\
Refusals (what the agent would not take) say file, line, column, field and reason. Findings are what
is probably not meant: rules that leave nothing, policies that refuse each other what they permit,
selectors that fit no workload, and what was normal and would be denied. Without an agent, and
without --journal, only the files are looked at.

Exits with 0 if there is nothing, with 1 for findings, with 2 for refusals.

Examples:
  cofferdam policy check payments.yaml
  cofferdam policy check policies/ --since 24h
  cofferdam --journal ./evidence policy check web.yaml -o json | jq '.findings[].reason'";

pub(crate) const POLICY_TEST: &str = "\
Decides on every access, connection, execution and look into another process that the journal has,
by the very decision that the kernel makes. Policies in force do not matter, and DENIED counts what
observing rules would refuse as well. A binding begins with the first read that the journal has of
the workload, also before the range. What a rule asks for and the journal does not know is
UNDECIDABLE, with the reason. The journal never knows which libraries a program mapped, nor where
the interpreter of a script comes from: these are taken for the image's.

Reads the journal where the agent keeps it, or a copy with --journal. Names of hosts are resolved
here and now; for a copy they are not, and what they decide is undecidable.

Examples:
  cofferdam policy test payments.yaml --since 24h
  cofferdam policy test payments.yaml --since 7d --resolver 10.96.0.10
  cofferdam --journal ./evidence policy test web.yaml -o jsonl | jq -c 'select(.denied > 0)'";

pub(crate) const POLICY_LEARN: &str = "\
Permits what was seen in the range and refuses the rest, in mode observe. Each line has its evidence
above it; the first lines say what the journal cannot vouch for. Read it before you apply it: an
attacker who was there already is normal to it.

Examples:
  cofferdam policy learn --workload shop/web-1/app
  cofferdam policy learn --workload 'shop/web-*/app' --since 7d > web.yaml
  cofferdam --journal ./evidence policy learn --workload 'container:2c85*'";

pub(crate) const POLICY_SCHEMA: &str = "\
Examples:
  cofferdam policy schema > containment-policy.schema.json";

pub(crate) const POLICY_APPLY: &str = "\
A policy of the same name is replaced at once, with no moment without either. Of several files none
is applied if one is refused. A refusal says file, line, field and reason, and exits with 2.

Examples:
  cofferdam policy apply payments.yaml --dry-run
  cofferdam policy apply payments.yaml --confirm-within 5m
  cofferdam policy apply policies/           every *.yaml and *.yml in it
  kustomize build . | cofferdam policy apply -";

pub(crate) const POLICY_CONFIRM: &str = "\
Examples:
  cofferdam policy confirm payments/payments-api";

pub(crate) const POLICY_LIST: &str = "\
Examples:
  cofferdam policy list
  cofferdam policy list -o wide              also every workload, and who applied it
  cofferdam policy list -o json | jq -r '.rows[] | select(.mode == \"observe\") | .name'";

pub(crate) const POLICY_REMOVE: &str = "\
What lies in the policy folder is not removed this way: remove its file.

Examples:
  cofferdam policy remove payments/payments-api";

pub(crate) const POLICY_STATUS: &str = "\
EFFECTIVE says what really enforces the rule. lsm and cgroup are programs in the kernel.
fanotify is weaker: it ends with its guard. late-bind, path-only and observe-only have their reason
below. With --strict it exits with 3 unless every rule that enforces is enforced as written.

Examples:
  cofferdam policy status
  cofferdam policy status --policy 'payments/*' --workload 'payments/api-*'
  cofferdam policy status --strict -o json | jq '.rules[] | select(.effective == [])'";

pub(crate) const POLICY_EXPLAIN: &str = "\
Examples:
  cofferdam accesses --verdict denied -o json | jq -r '.rows[].id'
  cofferdam policy explain --event 0a1b2c3d-10e0";

pub(crate) const CONTAIN: &str = "\
Takes effect at once, needs no policy file, and survives the agent like a policy does. Without
--cut-off the workload keeps running and loses what --secret names, or all secrets. A key that lies
in a volume with others takes all of them along.

Examples:
  cofferdam contain --workload shop/web-1/app --cut-off --owner oncall --reason INC-1234
  cofferdam contain --secret volume/creds:password --for 2h --owner oncall --reason INC-1234
  cofferdam contain --secret 'volume/creds*' --workload 'shop/*' --owner oncall --reason INC-1234";

pub(crate) const RELEASE: &str = "\
Examples:
  cofferdam release order-17";

pub(crate) const ORDERS: &str = "\
Examples:
  cofferdam orders
  cofferdam orders -o json | jq -r '.rows[] | select(.until == null) | .id'";

pub(crate) const UNLOAD: &str = "\
Stopping or killing the agent lifts nothing; this does. Policies and orders are kept, and are in
force again once the agent is started. It is recorded, with who did it. Without --yes it says what
would be lifted, and exits with 2.

Examples:
  cofferdam unload
  cofferdam unload --yes";
