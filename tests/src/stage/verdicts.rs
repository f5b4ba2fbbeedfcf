//! What the agent must say of what has happened on the stage.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use cofferdam_api::{Doctor, HookState};
use cofferdam_model::{AccessKind, AccessRow, LossReason, LossRow, TargetRelation};
use serde::Serialize;

use super::{AccessWanted, ConnectionWanted, Expected, Ledger, Stage, Went};
use crate::bench::wait::Look;
use crate::bench::{Container, until};

impl Stage<'_> {
    /// The scenario's subject: reported exactly, or missed and named by `doctor`, as expected on this tier.
    ///
    /// # Errors
    /// If it is otherwise.
    pub fn must_report(&self, by: &Container, wanted: &AccessWanted) -> Result<()> {
        match self.expected() {
            Expected::Seen => self.reports(wanted),
            Expected::Missed(words) => {
                self.says_nothing_of(by, wanted)?;
                self.doctor_names(words)
            }
        }
    }

    /// The agent reports this access exactly.
    ///
    /// # Errors
    /// If it does not.
    pub fn reports(&self, wanted: &AccessWanted) -> Result<()> {
        let agent = self.agent()?;
        until("an access", || {
            let rows = agent.asked(|answers| answers.accesses_of(&wanted.container_id))?;
            let about: Vec<_> = rows.iter().filter(|row| wanted.is_about(row)).collect();
            if let Some(missing) = wanted.missing(&about) {
                return Ok(Look::NotYet(format!(
                    "{missing}; wanted {wanted:?}; there are {}",
                    listed(&rows)
                )));
            }
            for row in about {
                if let Some(differences) = wanted.differences(row, self.boot_id()) {
                    bail!("an access is reported wrongly: {differences}; {}", listed(&[row]));
                }
            }
            Ok(Look::Found(()))
        })
    }

    /// The agent reports this connection exactly.
    ///
    /// # Errors
    /// If it does not.
    pub fn reports_connection(&self, wanted: &ConnectionWanted) -> Result<()> {
        let agent = self.agent()?;
        until("a connection", || {
            let rows = agent.asked(|answers| answers.connections_of(&wanted.container_id))?;
            let about: Vec<_> = rows.iter().filter(|row| wanted.is_about(row)).collect();
            if let Some(missing) = wanted.missing(&about) {
                return Ok(Look::NotYet(format!(
                    "{missing}; wanted {wanted:?}; there are {}",
                    listed(&rows)
                )));
            }
            for row in about {
                if let Some(differences) = wanted.differences(row, self.boot_id()) {
                    bail!("a connection is reported wrongly: {differences}; {}", listed(&[row]));
                }
            }
            Ok(Look::Found(()))
        })
    }

    /// The agent has no row about this, although it has one about what happened afterwards.
    ///
    /// # Errors
    /// If it has.
    pub fn says_nothing_of(&self, by: &Container, unwanted: &AccessWanted) -> Result<()> {
        self.everything_has_arrived(by)?;
        let rows = self.agent()?.asked(|answers| answers.accesses_of(&unwanted.container_id))?;
        let about: Vec<_> = rows.iter().filter(|row| unwanted.is_about(row)).collect();
        ensure!(about.is_empty(), "reported, and must not be: {}", listed(&about));
        Ok(())
    }

    /// Waits until the agent knows all that has happened in a container until now: a new process there reads its
    /// own environment, which every tier sees, and events of one CPU or one process arrive in their order.
    ///
    /// # Errors
    /// If that does not arrive.
    pub fn everything_has_arrived(&self, container: &Container) -> Result<()> {
        let before = self.own_environments_read(container)?;
        container.child_does("open", &["/proc/self/environ"])?.went_through()?;
        until("what happened afterwards", || {
            let now = self.own_environments_read(container)?;
            Ok(if now > before { Look::Found(()) } else { Look::NotYet("it is not there".to_owned()) })
        })
    }

    fn own_environments_read(&self, container: &Container) -> Result<usize> {
        let rows = self.agent()?.asked(|answers| answers.accesses_of(container.id()))?;
        let own = rows.iter().filter(|row| {
            let relation = row.target.as_ref().map(|target| target.relation);
            row.how == AccessKind::Environ && relation == Some(TargetRelation::Own)
        });
        Ok(own.count())
    }

    /// `doctor` says in words that contain these what is not seen here.
    ///
    /// # Errors
    /// If it does not.
    pub fn doctor_names(&self, words: &str) -> Result<()> {
        let doctor = self.agent()?.asked(|answers| answers.doctor())?;
        let admitted = admissions(&doctor);
        ensure!(
            admitted.iter().any(|text| text.contains(words)),
            "doctor does not say `{words}`, only: {admitted:#?}"
        );
        Ok(())
    }

    /// The agent's counters, as it has read them last: up to a second ago.
    ///
    /// # Errors
    /// If it does not say.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(Ledger::from(&self.agent()?.asked(|answers| answers.status())?))
    }

    /// The agent's counters, read after everything that has happened until now: a cgroup is made and removed, and the
    /// counters tell of it.
    ///
    /// # Errors
    /// If they do not.
    pub fn ledger_by_now(&self) -> Result<Ledger> {
        let before = self.ledger()?.sent_by("cgroup");
        let mark = self.cgroup_folder()?.join("mark");
        fs::create_dir(&mark).with_context(|| format!("creating {}", mark.display()))?;
        fs::remove_dir(&mark).with_context(|| format!("removing {}", mark.display()))?;
        until("the agent to read its counters again", || {
            let ledger = self.ledger()?;
            let fresh = ledger.sent_by("cgroup") > before && !ledger.is_behind();
            Ok(if fresh { Look::Found(ledger) } else { Look::NotYet(format!("it has not: {ledger:?}")) })
        })
    }

    /// No way in which something could pass that should not was taken since this was last asked, by the agent's counters.
    ///
    /// # Errors
    /// If one was.
    pub fn nothing_fails_open(&self) -> Result<()> {
        let status = self.agent()?.asked(|answers| answers.policy_status())?;
        let now = status.fail_open.iter().map(|counter| counter.count).sum();
        let before = self.failed_open(now);
        let taken: Vec<_> = status.fail_open.iter().filter(|counter| counter.count != 0).collect();
        ensure!(now == before, "something may have passed, {} times: {taken:?}", now - before);
        Ok(())
    }

    /// The agent that watches has lost nothing since its first start, and nothing went wrong with it.
    ///
    /// # Errors
    /// If it has.
    pub fn nothing_was_lost(&self) -> Result<()> {
        self.ledger_by_now()?.is_clean_since(&Ledger::default(), &[]).context("the scenario's own agent")?;
        // What could not be understood stands in the journal alone.
        let agent = self.agent()?;
        let lost = agent.asked(|answers| answers.answer::<AccessRow>(&["accesses"]))?.completeness.lost;
        let losses = agent.asked(|answers| answers.losses())?;
        let left_out = |loss: &&LossRow| loss.reason == LossReason::NotRun;
        let by_the_kernel: u64 = losses.iter().filter(left_out).map(|loss| loss.count).sum();
        ensure!(lost <= by_the_kernel, "the journal tells of {lost} lost events: {}", listed(&losses));
        Ok(())
    }
}

/// Rows for a message, one a line, as the command line writes them.
pub fn listed<Row: Serialize>(rows: &[Row]) -> String {
    let line = |row| serde_json::to_string(row).unwrap_or_else(|error| error.to_string());
    rows.iter().map(|row| format!("\n    {}", line(row))).collect()
}

/// What `doctor` says is not seen.
fn admissions(doctor: &Doctor) -> Vec<String> {
    let hooks = doctor.hooks.iter().filter(|hook| hook.state != HookState::Attached);
    let spots = doctor.blind_spots.iter().map(|spot| spot.what.clone());
    hooks.map(|hook| hook.without_it.clone()).chain(spots).collect()
}
