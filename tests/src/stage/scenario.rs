//! A scenario: what it is called, what must be seen of it on each tier, and how it plays.

use anyhow::Result;
use cofferdam_api::Tier;

use super::Stage;
use crate::bypass::Technique;

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// `group/name`, as it is chosen with `--only`.
    pub name: &'static str,
    /// What must happen, tier by tier.
    pub expects: PerTier,
    /// Counters of the shared agent that it moves; any other must stay as it was.
    pub counts: &'static [&'static str],
    /// A program that not every machine has; without it the scenario is skipped.
    pub needs: Option<&'static str>,
    /// Whether it is to be played on every kernel.
    pub subject: Subject,
    /// How it plays.
    pub play: Play,
}

/// What a scenario tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What the kernel sees, decides or keeps, or depends on that: no kernel stands for another.
    Kernel,
    /// Files, answers and commands of user space alone.
    UserSpace,
}

/// How a scenario plays.
#[derive(Debug, Clone, Copy)]
pub enum Play {
    /// By itself; an error says what was not as it must be.
    Alone(fn(&Stage<'_>) -> Result<()>),
    /// As a technique, which says what came of it.
    Technique(Technique),
}

impl Scenario {
    /// A scenario that moves no counter.
    pub const fn new(name: &'static str, expects: PerTier, play: fn(&Stage<'_>) -> Result<()>) -> Self {
        Self { name, expects, counts: &[], needs: None, subject: Subject::Kernel, play: Play::Alone(play) }
    }

    /// A scenario that tries to get around a policy.
    pub const fn technique(name: &'static str, technique: Technique) -> Self {
        Self {
            name,
            expects: PerTier::SEEN,
            counts: &[],
            needs: None,
            subject: Subject::Kernel,
            play: Play::Technique(technique),
        }
    }

    /// Plays it.
    ///
    /// # Errors
    /// If something was not as it must be.
    pub fn play(&self, stage: &Stage<'_>) -> Result<()> {
        match &self.play {
            Play::Alone(play) => play(stage),
            Play::Technique(technique) => technique.play(stage),
        }
    }

    /// It moves these counters, by the reasons that `status` tells.
    #[must_use]
    pub const fn counting(self, counts: &'static [&'static str]) -> Self {
        Self { counts, ..self }
    }

    /// One kernel is enough to play it on.
    #[must_use]
    pub const fn of_user_space(self) -> Self {
        Self { subject: Subject::UserSpace, ..self }
    }

    /// It is skipped where this program is not installed.
    #[must_use]
    pub const fn needing(self, program: &'static str) -> Self {
        Self { needs: Some(program), ..self }
    }
}

/// What a tier must make of what a scenario is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is reported, exactly.
    Seen,
    /// It is not reported, and `doctor` says so in words that contain these.
    Missed(&'static str),
}

/// What each tier must make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerTier {
    /// With BPF LSM programs.
    pub lsm: Expected,
    /// With tracepoints and cgroup programs alone.
    pub tracepoint: Expected,
}

impl PerTier {
    /// Seen on every tier.
    pub const SEEN: Self = Self { lsm: Expected::Seen, tracepoint: Expected::Seen };

    /// Seen by LSM programs alone; `doctor` names it on the other tier in these words.
    pub const fn only_lsm(words: &'static str) -> Self {
        Self { lsm: Expected::Seen, tracepoint: Expected::Missed(words) }
    }

    /// What is expected on this tier; `None` for tiers that are not built yet.
    pub fn on(self, tier: Tier) -> Option<Expected> {
        match tier {
            Tier::Lsm => Some(self.lsm),
            Tier::Tracepoint => Some(self.tracepoint),
            Tier::Trampoline => None,
        }
    }
}
