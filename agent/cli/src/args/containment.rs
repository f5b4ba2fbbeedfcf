//! What is said on the command line about policies and orders.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueHint};
use cofferdam_api::{OrderRequest, OrderScope};
use cofferdam_model::WallTime;

use crate::failure::BadUsage;
use crate::help;
use crate::moment::{Moment, duration, to_seconds};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Put policies into force; a refused one changes nothing
    #[command(after_help = help::POLICY_APPLY)]
    Apply(Apply),
    /// Keep a policy that would otherwise roll itself back
    #[command(after_help = help::POLICY_CONFIRM)]
    Confirm {
        /// The policy, as `cofferdam policy list` names it
        name: String,
    },
    /// What is wrong with policies, or probably not meant, before they are applied
    #[command(after_help = help::POLICY_CHECK)]
    Check(Check),
    /// What policies would have refused of what the journal has seen
    #[command(after_help = help::POLICY_TEST)]
    Test(Replay),
    /// The least policy that permits what a workload was seen to do, as YAML
    #[command(after_help = help::POLICY_LEARN)]
    Learn(Learn),
    /// The JSON schema of policy files
    #[command(after_help = help::POLICY_SCHEMA)]
    Schema,
    /// The policies in force
    #[command(after_help = help::POLICY_LIST)]
    List,
    /// Lift a policy
    #[command(after_help = help::POLICY_REMOVE)]
    Remove {
        /// The policy, as `cofferdam policy list` names it
        name: String,
    },
    /// What really enforces each rule on this node, and why
    #[command(after_help = help::POLICY_STATUS)]
    Status(Selection),
    /// Which rule of which policy decided an event
    #[command(after_help = help::POLICY_EXPLAIN)]
    Explain {
        /// The event's id, as `-o wide` and `-o json` give it
        #[arg(long, value_name = "ID")]
        event: String,
    },
}

/// What to apply, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "How to apply")]
pub(crate) struct Apply {
    /// Policies: a file, a folder (its *.yaml and *.yml), or - for the standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath, help_heading = "Arguments")]
    pub(crate) files: Vec<PathBuf>,
    /// Only check, and say what would be in force
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Roll back after this long, unless `cofferdam policy confirm` comes before
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) confirm_within: Option<Duration>,
}

/// What to check, and against which past.
#[derive(Debug, Args)]
#[command(next_help_heading = "The past")]
pub(crate) struct Check {
    /// Policies: a file, a folder (its *.yaml and *.yml), or - for the standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath, help_heading = "Arguments")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) past: Past,
    /// What was normal since then: 15m, 2h, 7d (ago), RFC 3339, or UTC as it is shown
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub(crate) since: Moment,
}

/// What to replay.
#[derive(Debug, Args)]
#[command(next_help_heading = "The past")]
pub(crate) struct Replay {
    /// Policies: a file, a folder (its *.yaml and *.yml), or - for the standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath, help_heading = "Arguments")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) past: Past,
    /// From then on: 15m, 2h, 7d (ago), RFC 3339, or UTC as it is shown
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) since: Moment,
    /// Before then
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// Show also what would have passed (-o json and jsonl always do)
    #[arg(long)]
    pub(crate) all: bool,
}

/// What a journal does not know.
#[derive(Debug, Args)]
pub(crate) struct Past {
    /// A resolver that workloads are configured with; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) resolver: Vec<IpAddr>,
}

/// What to learn from.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to learn from")]
pub(crate) struct Learn {
    /// Workload, as `cofferdam workloads` names it, or a glob of such
    #[arg(long, value_name = "GLOB")]
    pub(crate) workload: String,
    /// From then on: 15m, 2h, 7d (ago), RFC 3339, or UTC as it is shown
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub(crate) since: Moment,
    /// Before then
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
}

/// Which rules to show.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (text is a glob: *, ?)")]
pub(crate) struct Selection {
    /// The policy
    #[arg(long, value_name = "GLOB")]
    pub(crate) policy: Option<String>,
    /// Workload, as `cofferdam workloads` names it
    #[arg(long, value_name = "GLOB")]
    pub(crate) workload: Option<String>,
}

/// An order.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "The order",
    group = ArgGroup::new("scope").args(["workload", "secret"]).multiple(true).required(true)
)]
pub(crate) struct Contain {
    /// The workload, or a glob of workloads; with --secret those that it is taken from
    #[arg(long, value_name = "GLOB")]
    workload: Option<String>,
    /// The credential, with or without its key
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// Nothing in, nothing out, open connections destroyed
    #[arg(long)]
    cut_off: bool,
    /// Until then (RFC 3339, or UTC as it is shown) [default: until it is released]
    #[arg(long, value_name = "TIME", conflicts_with = "lasting")]
    until: Option<Moment>,
    /// For so long
    #[arg(long = "for", id = "lasting", value_name = "DURATION", value_parser = duration)]
    lasting: Option<Duration>,
    /// Whose decision it is
    #[arg(long)]
    owner: String,
    /// Why
    #[arg(long)]
    reason: String,
}

impl Contain {
    /// The order that the arguments make, as of `now`.
    pub(crate) fn order(self, now: WallTime) -> Result<OrderRequest, BadUsage> {
        for (name, value) in [("--owner", &self.owner), ("--reason", &self.reason)] {
            if value.trim().is_empty() {
                return Err(BadUsage(format!("{name} is empty: who reads the order later needs it")));
            }
        }
        let scope = match (self.secret, self.workload) {
            (Some(secret), workload) => OrderScope::Credential { secret, workload },
            (None, Some(workload)) => OrderScope::Workload { workload },
            (None, None) => return Err(BadUsage("name a --workload, a --secret or both".to_owned())),
        };
        let until = end(self.until, self.lasting, now)?;
        let (cut_off, owner, reason) = (self.cut_off, self.owner, self.reason);
        Ok(OrderRequest { scope, cut_off, until, owner, reason })
    }
}

fn end(
    until: Option<Moment>,
    lasting: Option<Duration>,
    now: WallTime,
) -> Result<Option<WallTime>, BadUsage> {
    if let Some(lasting) = lasting {
        let nanos = i64::try_from(lasting.as_nanos()).unwrap_or(i64::MAX);
        return Ok(Some(WallTime::from_nanos(now.as_nanos().saturating_add(nanos))));
    }
    match until {
        None => Ok(None),
        Some(Moment::Ago(_)) => {
            Err(BadUsage("--until is a time; for a length of time say --for, as in --for 30m".to_owned()))
        }
        Some(Moment::At(time)) if time <= now => Err(BadUsage(format!(
            "--until {} UTC has passed: it is {} UTC now",
            to_seconds(time),
            to_seconds(now)
        ))),
        Some(Moment::At(time)) => Ok(Some(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_ends_later_or_never() {
        let now: WallTime = "2026-11-22T05:00:00Z".parse().unwrap();
        let ends = |until: Option<&str>, lasting: Option<u64>| {
            end(until.map(|text| text.parse().unwrap()), lasting.map(Duration::from_secs), now)
                .map(|end| end.map_or("never".to_owned(), to_seconds))
                .unwrap_or_else(|error| error.to_string())
        };
        assert_eq!(ends(None, None), "never");
        assert_eq!(ends(None, Some(1_800)), "2026-11-22 05:30:00");
        assert_eq!(ends(Some("2026-11-23"), None), "2026-11-23 00:00:00");
        assert_eq!(
            ends(Some("2026-11-21"), None),
            "--until 2026-11-21 00:00:00 UTC has passed: it is 2026-11-22 05:00:00 UTC now"
        );
        assert!(ends(Some("30m"), None).contains("--for 30m"));
        assert!(
            ends(None, Some(u64::MAX)).starts_with("2262"),
            "a time without end is the last one there is"
        );
    }
}
