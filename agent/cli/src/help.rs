//! Examples, at the end of every `--help`.

mod containment;
mod detect;

pub(crate) use containment::{
    CONTAIN, ORDERS, POLICY, POLICY_APPLY, POLICY_CHECK, POLICY_CONFIRM, POLICY_EXPLAIN, POLICY_LEARN,
    POLICY_LIST, POLICY_REMOVE, POLICY_SCHEMA, POLICY_STATUS, POLICY_TEST, RELEASE, UNLOAD,
};

pub(crate) use detect::{
    DETECT, DETECT_RECORD, DETECT_REPLAY, RULES, RULES_CHECK, RULES_EXPLAIN, RULES_LIST, RULES_SCHEMA,
};

pub(crate) const MAIN: &str = "\
Examples:
  cofferdam secrets                          what credentials lie on this node, and who touched them
  cofferdam accesses --since 1h              who touched which secret in the last hour
  cofferdam detections --since 1h            which credentials were misused, by whom
  cofferdam timeline shop/web-1/app          what that container did, as a process tree
  cofferdam policy status                    which rule is really enforced here, by what, and why
  cofferdam denials --since 1h               what was refused in the last hour, and by which rule
  cofferdam doctor                           what the agent can see here, and what it cannot

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 answer incomplete or a
policy not enforced as written (with --strict).
NO_COLOR turns colours off.";

pub(crate) const DOCTOR: &str = "\
Without an agent it looks at what can be looked at without one, and exits with 1.
Exits with 1 too if a check fails or a hook that this node needs is missing.

Examples:
  cofferdam doctor
  cofferdam doctor -o json | jq '.hooks[] | select(.state == \"failed\") | .without_it'";

pub(crate) const STATUS: &str = "\
Examples:
  cofferdam status
  cofferdam status --policy                  the same as `cofferdam policy status`
  cofferdam status --strict                  exit with 3 if anything was lost since its start
  cofferdam status -o json | jq '.losses'";

pub(crate) const WORKLOADS: &str = "\
Examples:
  cofferdam workloads
  cofferdam workloads --namespace shop
  cofferdam workloads -o json | jq -r '.rows[] | select(.until == null) | .workload'";

pub(crate) const SECRETS: &str = "\
A workload marked [not its own] has touched a secret that it is not known to have mounted.

Examples:
  cofferdam secrets
  cofferdam secrets --secret 'shop/volume/*'
  cofferdam secrets --pod web-1 -o wide      also where each lies on the host";

pub(crate) const ACCESSES: &str = "\
A row is one process, one secret and one way to it; COUNT says how often. Marks after a process:
[written] its binary was not in the image, [memfd] it was never a file, [deleted] its file was gone,
[exec session] it entered the container after its first process, as `kubectl exec` does.

Examples:
  cofferdam accesses --since 15m
  cofferdam accesses --workload 'shop/*' --secret 'volume/creds:password'
  cofferdam accesses --binary '/tmp/*' --strict -o jsonl
  cofferdam --journal ./evidence accesses --since '2026-11-22 04:00' --until '2026-11-22 05:00'";

pub(crate) const CONNECTIONS: &str = "\
AFTER TOUCHING names the secrets that the process or an ancestor had touched before it connected.
--secret selects by them.

Examples:
  cofferdam connections --since 1h
  cofferdam connections --secret 'volume/creds*'   where did those go who had touched it?
  cofferdam connections --container 1f2e3d4c5b6a -o json";

pub(crate) const DETECTIONS: &str = "\
Newest last, with what has happened below each row. --severity medium also shows what is worse.
EVIDENCE of -o wide and -o json names the rows that a detection rests on, as the ids of `accesses`,
`connections` and `attempts`; told is what of them has decided. `cofferdam rules explain NAME` says
what a rule waits for.

Examples:
  cofferdam detections --since 1h
  cofferdam detections --severity high --workload 'shop/*'
  cofferdam detections --rule 'read-*' -o wide
  cofferdam detections -o json | jq -r '.rows[] | [.at, .rule, .workload, .secret] | @tsv'";

pub(crate) const DENIALS: &str = "\
Newest last. VERDICT is denied, or would-deny where the rule only observes; RULE names the policy
and its rule. What passed by an exception is not here: `attempts`, `accesses` and `connections`
have that. Each row of -o json has an `event`: access, connection or attempt.

Examples:
  cofferdam denials --since 1h
  cofferdam denials --workload 'shop/*' --verdict would-deny
  cofferdam denials -o json | jq -r '.rows[] | [.event, .workload, .policy, .rule] | @tsv'";

pub(crate) const ATTEMPTS: &str = "\
What is neither an access to a secret nor a connection: running a program, mapping code, making a
socket or reaching another container's unix socket, calling bpf(2), unmounting; signalling, limiting
or tracing the agent, touching its files. Only what a rule refused, would have refused, or let pass
by an exception.

Examples:
  cofferdam attempts --since 1h
  cofferdam attempts --workload 'shop/*' --verdict denied
  cofferdam attempts -o json | jq -r '.rows[] | select(.what == \"execute\") | .object'";

pub(crate) const AUDIT: &str = "\
Policies applied, confirmed, removed, refused or rolled back; exceptions accepted and expired;
workloads bound late, contained and released; descriptors that were held before a policy; clients
refused; unloads. BY names the client as the kernel knows it. With a filter, only what concerned a
workload that fits.

Examples:
  cofferdam audit --since 7d
  cofferdam audit --workload 'shop/*'
  cofferdam audit -o json | jq -r '.rows[] | select(.what == \"unloaded\")'";

pub(crate) const TIMELINE: &str = "\
Times are relative to the first event. -o json gives the lists: processes, accesses, connections,
attempts, audits, detections, losses.

Examples:
  cofferdam timeline shop/web-1/app --since 10m
  cofferdam timeline --container 1f2e3d4c5b6a
  cofferdam timeline 'shop/*' --secret '*creds*' -o json";

pub(crate) const WATCH: &str = "\
Live and best effort: it says what it missed; the other commands have that too. Ends with Ctrl-C.
With --strict it exits with 3 if it missed something or the agent lost something meanwhile.

Each line of -o jsonl has an `event`: watching (the first: from here on nothing is missed untold),
process, access, connection, attempt, audit, detection, loss or missed. The last line has the completeness instead.

Examples:
  cofferdam watch
  cofferdam watch --workload 'shop/*' --verdict denied
  cofferdam watch --severity high            detections alone
  cofferdam watch -o jsonl | jq -c 'select(.event == \"access\") | [.workload, .binary, .secret, .key]'";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  cofferdam completions bash > /etc/bash_completion.d/cofferdam
  cofferdam completions zsh  > /usr/local/share/zsh/site-functions/_cofferdam
  cofferdam completions fish > ~/.config/fish/completions/cofferdam.fish";
