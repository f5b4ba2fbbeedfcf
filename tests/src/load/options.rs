//! How much of everything.

use clap::{Args, ValueEnum};

/// What holds for every experiment.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// A smoke test: little of everything
    #[arg(long)]
    pub(crate) quick: bool,
    /// What a nanosecond of this machine is
    #[arg(long, default_value = "time")]
    pub(crate) clock: Clock,
}

/// What a nanosecond is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    /// A nanosecond.
    Time,
    /// An instruction of the guest.
    Instructions,
}

impl Clock {
    /// The unit of a duration.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Time => "ns",
            Self::Instructions => "instructions",
        }
    }
}

impl Options {
    /// Samples of all operations in each state of the machine. Instructions repeat, time does not.
    pub(crate) fn samples(&self) -> u32 {
        match (self.clock, self.quick) {
            (Clock::Instructions, _) => 1,
            (Clock::Time, true) => 3,
            (Clock::Time, false) => 15,
        }
    }

    /// Rounds through all operations in a sample.
    pub(crate) fn rounds(&self) -> u32 {
        match (self.clock, self.quick) {
            (Clock::Instructions, true) => 3,
            (Clock::Instructions, false) => 9,
            (Clock::Time, _) => 7,
        }
    }

    /// How often the macro workload is done in each state.
    pub(crate) fn compilations(&self) -> u32 {
        match (self.clock, self.quick) {
            (Clock::Instructions, true) => 1,
            (Clock::Instructions, false) | (Clock::Time, true) => 3,
            (Clock::Time, false) => 9,
        }
    }
}
