//! What is said on the command line about detection rules.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

use super::{Found, Range, Who};
use crate::help;
use crate::moment::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// The rules of this node: how bad it is what each finds, what it wants done, and what it has found
    #[command(after_help = help::RULES_LIST)]
    List,
    /// What is wrong with files of rules, each mistake with its place
    #[command(after_help = help::RULES_CHECK)]
    Check {
        /// Rules: a file, a folder (its *.yaml and *.yml), or - for the standard input
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath)]
        files: Vec<PathBuf>,
    },
    /// What a rule waits for, in words, and what each field means that it asks for
    #[command(after_help = help::RULES_EXPLAIN)]
    Explain {
        /// The rule, as `cofferdam rules list` names it
        name: String,
        #[command(flatten)]
        own: OwnRules,
    },
    /// The JSON schema of files of rules
    #[command(after_help = help::RULES_SCHEMA)]
    Schema,
}

/// Rules besides those that are built in.
#[derive(Debug, Default, Args)]
pub(crate) struct OwnRules {
    /// Rules besides those that are built in: a file, a folder (its *.yaml and *.yml), or - for the standard input;
    /// those of this node unless given
    #[arg(long = "rules", value_name = "FILE", value_hint = ValueHint::AnyPath, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Detect {
    /// What rules would have found in what a journal holds, or in a recording
    #[command(after_help = help::DETECT_REPLAY)]
    Replay(Box<ReplayRules>),
    /// What a journal holds as a recording: one record of JSON a line
    #[command(after_help = help::DETECT_RECORD)]
    Record,
}

/// What to replay, and with which rules.
#[derive(Debug, Args)]
pub(crate) struct ReplayRules {
    /// A recording, one record of JSON a line, or - for the standard input; a journal unless given
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "journal")]
    pub(crate) records: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) own: OwnRules,
    /// How long after it was first seen a workload's habits are known
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) learning: Duration,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) what: Found,
    #[command(flatten)]
    pub(crate) range: Range,
}
