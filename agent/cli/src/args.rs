//! The command line.

mod containment;
mod detect;

pub(crate) use containment::{Apply, Check, Contain, Learn, Past, Policy, Replay, Selection};
pub(crate) use detect::{Detect, OwnRules, ReplayRules, Rules};

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use cofferdam_model::{Filter, Severity, Verdict, WallTime};

use crate::failure::BadUsage;
use crate::help;
use crate::moment::{Moment, to_seconds};

/// What a compromised container did with the credentials that it holds.
///
/// Asks the agent of this node, or a copied journal, who touched which secret, with what binary, and where it
/// connected afterwards. A secret's value is never part of an answer. Every answer ends with how complete it is.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, after_help = help::MAIN)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where to ask, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The agent's socket [env: COFFERDAM_SOCKET] [default: /run/cofferdam/cofferdamd.sock]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "journal")]
    pub(crate) socket: Option<PathBuf>,
    /// Ask a copied journal instead of the agent
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) journal: Option<PathBuf>,
    /// How to answer: table, wide (every column), json, or jsonl (rows as they arrive, completeness last)
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        hide_possible_values = true
    )]
    pub(crate) output: Format,
    /// Exit with 3 if the answer is incomplete
    #[arg(long, global = true)]
    pub(crate) strict: bool,
}

/// How to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For people with wide screens.
    Wide,
    /// One document.
    Json,
    /// One row per line.
    Jsonl,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What this node lets the agent see and deny, and what to do about the rest
    #[command(after_help = help::DOCTOR)]
    Doctor,
    /// How the agent is: hooks, losses, tables, journal, sources
    #[command(after_help = help::STATUS)]
    Status {
        /// What really enforces each rule of the policies instead
        #[arg(long)]
        policy: bool,
    },
    /// What runs and ran on this node
    #[command(after_help = help::WORKLOADS)]
    Workloads {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        range: Range,
    },
    /// What credentials this node holds, who may see each, who has
    #[command(after_help = help::SECRETS)]
    Secrets {
        #[command(flatten)]
        who: Who,
        /// The secret, with or without its key
        #[arg(long, value_name = "GLOB")]
        secret: Option<String>,
        #[command(flatten)]
        range: Range,
    },
    /// Who touched which secret
    #[command(after_help = help::ACCESSES)]
    Accesses {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        range: Range,
    },
    /// Who connected where
    #[command(after_help = help::CONNECTIONS)]
    Connections {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        range: Range,
    },
    /// What detection rules have found: credentials that are misused
    #[command(after_help = help::DETECTIONS)]
    Detections {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        what: Found,
        #[command(flatten)]
        range: Range,
    },
    /// What was refused or would have been: accesses, connections and everything else
    #[command(after_help = help::DENIALS)]
    Denials {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        what: Refused,
        #[command(flatten)]
        range: Range,
    },
    /// What else rules decided about: programs, signals, sockets, the agent's own files
    #[command(after_help = help::ATTEMPTS)]
    Attempts {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        what: Tried,
        #[command(flatten)]
        range: Range,
    },
    /// What was done to the enforcement, or by it, and by whom
    #[command(after_help = help::AUDIT)]
    Audit {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        range: Range,
    },
    /// What one workload did, in order, as a process tree
    #[command(after_help = help::TIMELINE)]
    Timeline {
        /// The workload, as `cofferdam workloads` names it; the same as --workload
        #[arg(value_name = "WORKLOAD", conflicts_with = "workload")]
        name: Option<String>,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        range: Range,
    },
    /// What happens, while it happens
    #[command(after_help = help::WATCH)]
    Watch {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        by: ByRule,
        /// End after so many events
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Policies: put into force, look at, take back
    #[command(after_help = help::POLICY)]
    Policy {
        #[command(subcommand)]
        command: Policy,
    },
    /// Detection rules: which there are, what they wait for, what is wrong with a file of them
    #[command(after_help = help::RULES)]
    Rules {
        #[command(subcommand)]
        command: Rules,
    },
    /// Try detection rules on what has happened
    #[command(after_help = help::DETECT)]
    Detect {
        #[command(subcommand)]
        command: Detect,
    },
    /// Cut a workload off, or take a credential away, now
    #[command(after_help = help::CONTAIN)]
    Contain(Contain),
    /// End an order
    #[command(after_help = help::RELEASE)]
    Release {
        /// The order, as `cofferdam orders` names it
        id: String,
    },
    /// The orders in force
    #[command(after_help = help::ORDERS)]
    Orders,
    /// Lift every rule and order of this node, and end the agent
    #[command(after_help = help::UNLOAD)]
    Unload {
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// The completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Whose.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct Who {
    /// Workload, as `cofferdam workloads` names it
    #[arg(long, value_name = "GLOB")]
    pub(crate) workload: Option<String>,
    /// Kubernetes namespace
    #[arg(long, value_name = "GLOB")]
    namespace: Option<String>,
    /// Pod name
    #[arg(long, value_name = "GLOB")]
    pod: Option<String>,
    /// Container name, or a container id or its first six or more characters
    #[arg(long, value_name = "GLOB|ID")]
    container: Option<String>,
}

/// What.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct What {
    /// The secret, with or without its key
    #[arg(long, value_name = "GLOB")]
    secret: Option<String>,
    /// Path of the binary
    #[arg(long, value_name = "GLOB")]
    binary: Option<String>,
    /// The verdict: allowed, denied or would-deny
    #[arg(long, value_name = "VERDICT", value_parser = verdict(Verdict::ALL), hide_possible_values = true)]
    verdict: Option<Verdict>,
}

/// What, where there is no secret.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct Tried {
    /// Path of the binary that tried
    #[arg(long, value_name = "GLOB")]
    binary: Option<String>,
    /// The verdict: denied, would-deny, or allowed (by an exception)
    #[arg(long, value_name = "VERDICT", value_parser = verdict(Verdict::ALL), hide_possible_values = true)]
    verdict: Option<Verdict>,
}

/// What, where nothing was simply allowed.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct Refused {
    /// The secret, with or without its key
    #[arg(long, value_name = "GLOB")]
    secret: Option<String>,
    /// Path of the binary
    #[arg(long, value_name = "GLOB")]
    binary: Option<String>,
    /// The verdict: denied, or would-deny
    #[arg(long, value_name = "VERDICT", value_parser = verdict(REFUSED), hide_possible_values = true)]
    verdict: Option<Verdict>,
}

/// What, of what rules have found.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct Found {
    /// The secret that it is about, with or without its key
    #[arg(long, value_name = "GLOB")]
    secret: Option<String>,
    /// Path of the binary
    #[arg(long, value_name = "GLOB")]
    binary: Option<String>,
    #[command(flatten)]
    by: ByRule,
}

/// Which of what rules have found.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct ByRule {
    /// Detections that are at least this bad: info, low, medium, high or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), hide_possible_values = true)]
    severity: Option<Severity>,
    /// Detections by rules of this name
    #[arg(long, value_name = "GLOB")]
    rule: Option<String>,
}

impl ByRule {
    /// Narrows a filter.
    pub(crate) fn narrow(self, filter: Filter) -> Filter {
        Filter { severity: self.severity, rule: self.rule, ..filter }
    }
}

const REFUSED: &[Verdict] = &[Verdict::Denied, Verdict::WouldDeny];

/// When, and how much of it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct Range {
    /// From then on: 15m, 2h, 7d (ago), RFC 3339, or UTC as it is shown
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Before then
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// The latest N rows only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// Knows the words, so that completions and errors name them.
fn verdict(words: &'static [Verdict]) -> impl TypedValueParser<Value = Verdict> {
    PossibleValuesParser::new(words.iter().map(|verdict| verdict.as_str()))
        .try_map(|word| word.parse::<Verdict>())
}

/// The same for how bad it is.
fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::WORDS).try_map(|word| word.parse::<Severity>())
}

impl Who {
    /// Whether anything selects a workload.
    pub(crate) fn selects(&self) -> bool {
        self.workload.is_some() || self.pod.is_some() || self.container.is_some() || self.namespace.is_some()
    }
}

/// The range that two times make, as of `now`.
pub(crate) fn between(
    since: Option<Moment>,
    until: Option<Moment>,
    now: WallTime,
) -> Result<(Option<WallTime>, Option<WallTime>), BadUsage> {
    let since = since.map(|moment| moment.resolve(now));
    let until = until.map(|moment| moment.resolve(now));
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(BadUsage(format!(
            "--since {} UTC is not before --until {} UTC: nothing can lie between",
            to_seconds(since),
            to_seconds(until)
        )));
    }
    Ok((since, until))
}

/// The filter that the arguments make, as of `now`.
pub(crate) fn filter(who: Who, what: What, range: Range, now: WallTime) -> Result<Filter, BadUsage> {
    let (since, until) = between(range.since, range.until, now)?;
    Ok(Filter {
        workload: who.workload,
        namespace: who.namespace,
        pod: who.pod,
        container: who.container,
        secret: what.secret,
        binary: what.binary,
        verdict: what.verdict,
        severity: None,
        rule: None,
        since,
        until,
        limit: range.limit,
    })
}

/// The filter that the arguments make for what rules have found, as of `now`.
pub(crate) fn found(who: Who, what: Found, range: Range, now: WallTime) -> Result<Filter, BadUsage> {
    let Found { secret, binary, by } = what;
    Ok(by.narrow(filter(who, What { secret, binary, verdict: None }, range, now)?))
}

impl From<Option<String>> for What {
    fn from(secret: Option<String>) -> Self {
        Self { secret, ..Self::default() }
    }
}

impl From<Tried> for What {
    fn from(Tried { binary, verdict }: Tried) -> Self {
        Self { secret: None, binary, verdict }
    }
}

impl From<Refused> for What {
    fn from(Refused { secret, binary, verdict }: Refused) -> Self {
        Self { secret, binary, verdict }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused() {
        let now = "2026-11-22T05:00:00Z".parse().unwrap();
        let range = |since: &str, until: &str| Range {
            since: since.parse().ok(),
            until: until.parse().ok(),
            limit: None,
        };
        assert!(filter(Who::default(), What::default(), range("2h", "1h"), now).is_ok());
        assert!(filter(Who::default(), What::default(), range("1h", "2h"), now).is_err());
    }
}
