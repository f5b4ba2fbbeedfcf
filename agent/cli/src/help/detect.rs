//! Examples about detection rules.

pub(crate) const RULES: &str = "\
A rule is a file of YAML: what must happen, how bad it is, what is to be done about it. Those that
are built in need no file; one of the same name in /etc/cofferdam/detections takes its place. They
are read when the agent starts; `detections` in its configuration names another folder, and rules
that are off.

Examples:
  cofferdam rules list
  cofferdam rules explain read-then-new-destination
  cofferdam rules check /etc/cofferdam/detections";

pub(crate) const RULES_LIST: &str = "\
FOUND counts since the agent's start. WITHHELD was found and not told, because the same had been
told shortly before. UNDECIDED asked what was not known of an event: it counts as not found. Without
an agent the rules are those that it would run, and nothing is counted.

Examples:
  cofferdam rules list
  cofferdam rules list -o wide               also where each is from, and all that is counted
  cofferdam rules list -o json | jq -r '.rows[] | select(.found > 0) | .name'";

pub(crate) const RULES_CHECK: &str = "\
Needs no agent. Unknown fields, types that do not fit, words that a field never is, names that are
taken, and conditions that cost too much are refused. Exits with 0 if there is nothing, with 2 for
refusals.

Examples:
  cofferdam rules check sweep.yaml
  cofferdam rules check /etc/cofferdam/detections -o json | jq -r '.refusals[].reason'";

pub(crate) const RULES_EXPLAIN: &str = "\
Examples:
  cofferdam rules explain unexpected-reader
  cofferdam rules explain my-rule --rules my-rule.yaml";

pub(crate) const RULES_SCHEMA: &str = "\
Examples:
  cofferdam rules schema > detection-rule.schema.json";

pub(crate) const DETECT: &str = "\
Examples:
  cofferdam detect replay --rules my-rule.yaml --rule my-rule
  cofferdam --journal ./evidence detect record > theft.jsonl";

pub(crate) const DETECT_RECORD: &str = "\
Workloads, programs, accesses, connections and attempts, oldest first: what rules see. No value of a
secret is among them, for none is in the journal. `cofferdam detect replay --records` reads it.

Examples:
  cofferdam detect record > node.jsonl
  cofferdam --journal ./evidence detect record > theft.jsonl";

pub(crate) const DETECT_REPLAY: &str = "\
Looks at everything from the journal's beginning on, as the agent does, so that what is usual is
known; --since and the other filters choose what of the findings is shown. A journal that was shed
has less than the agent has seen. Reads the journal where the agent keeps it, a copy with --journal,
or a recording: a file with a record of JSON in each line. A line {\"record\":\"boot\",
\"boot_id\":...,\"booted\":...} says of which boot those after it are.

Examples:
  cofferdam detect replay --since 24h
  cofferdam detect replay --rules my-rule.yaml --rule my-rule
  cofferdam --journal ./evidence detect replay --severity high -o json
  cofferdam detect replay --records theft.jsonl --rules rules/";
