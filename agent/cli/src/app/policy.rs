//! `policy`: from files to rules in force.

use anyhow::{Context as _, Result, bail};
use cofferdam_api::{ApplyOptions, ClientError, PolicyRow, PolicyText};
use cofferdam_model::WallTime;
use serde::Serialize;

use super::Run;
use crate::args::{Apply, Format, Policy, Selection};
use crate::failure::{BadUsage, NotAsWritten, Outcome};
use crate::source::Agent;
use crate::text::Line;
use crate::{output, policy_files, show};

/// An answer that the agent always knows whole.
#[derive(Serialize)]
struct Rows<'a, R> {
    rows: &'a [R],
}

/// What was applied, or would be.
#[derive(Serialize)]
struct Applied<'a> {
    dry_run: bool,
    rows: &'a [PolicyRow],
}

impl Run<'_> {
    pub(super) fn policy(&mut self, command: Policy, now: WallTime) -> Result<Outcome> {
        match command {
            Policy::Check(check) => self.check(&check, now),
            Policy::Test(replay) => self.test(&replay, now),
            Policy::Learn(learn) => self.learn(&learn, now),
            Policy::Schema => {
                output::document(self.out, &cofferdam_policy::schema())?;
                Ok(Outcome::Done)
            }
            Policy::Apply(apply) => self.apply(&apply),
            Policy::Confirm { name } => {
                let row =
                    self.agent("policy confirm")?.ask(async |client| client.confirm_policy(&name).await)?;
                self.changed(&row, &show::confirmed(&row))
            }
            Policy::List => {
                let rows = self.agent("policy list")?.ask(async |client| client.policies().await)?;
                self.listed(&rows, |screen| show::policies(&rows, screen))
            }
            Policy::Remove { name } => {
                let row =
                    self.agent("policy remove")?.ask(async |client| client.remove_policy(&name).await)?;
                self.changed(&row, &show::removed(&row))
            }
            Policy::Status(selection) => self.policy_status(&selection),
            Policy::Explain { event } => {
                let explanation =
                    self.agent("policy explain")?.ask(async |client| client.explain(&event).await)?;
                let columns = self.screen.columns;
                self.one(&explanation, |_| show::explanation(&explanation, columns))
            }
        }
    }

    pub(super) fn policy_status(&mut self, selection: &Selection) -> Result<Outcome> {
        let status = self.agent("policy status")?.ask(async |client| client.policy_status().await)?;
        let status = show::selected(status, selection);
        match self.options.output {
            Format::Json => output::document(self.out, &status)?,
            Format::Jsonl => {
                show::entries(&status).into_iter().try_for_each(|entry| output::line(self.out, &entry))?;
            }
            Format::Table | Format::Wide => self.lines(&show::policy_status(&status, self.screen))?,
        }
        if self.options.strict && !show::is_as_written(&status) {
            bail!(NotAsWritten);
        }
        Ok(Outcome::Done)
    }

    fn apply(&mut self, apply: &Apply) -> Result<Outcome> {
        let texts = policy_files::read(&apply.files)?;
        let mut agent = self.agent("policy apply")?;
        let options = ApplyOptions { dry_run: apply.dry_run, confirm_within: apply.confirm_within };
        // The agent takes one text whole or not at all; for several that is up to us, as far as it can be.
        if texts.len() > 1 && !options.dry_run {
            put(&mut agent, &texts, ApplyOptions { dry_run: true, ..options })?;
        }
        let rows = put(&mut agent, &texts, options)?;
        match self.options.output {
            Format::Json => output::document(self.out, &Applied { dry_run: options.dry_run, rows: &rows })?,
            Format::Jsonl => rows.iter().try_for_each(|row| output::line(self.out, row))?,
            Format::Table | Format::Wide => {
                self.lines(&show::applied(&rows, options.dry_run, self.screen))?;
            }
        }
        Ok(Outcome::Done)
    }

    /// Rows without a completeness: the agent always knows all of them.
    pub(super) fn listed<R: Serialize>(
        &mut self,
        rows: &[R],
        lines: impl FnOnce(crate::screen::Screen) -> Vec<Line>,
    ) -> Result<Outcome> {
        match self.options.output {
            Format::Json => output::document(self.out, &Rows { rows })?,
            Format::Jsonl => rows.iter().try_for_each(|row| output::line(self.out, row))?,
            Format::Table | Format::Wide => self.lines(&lines(self.screen))?,
        }
        Ok(Outcome::Done)
    }

    /// One thing.
    pub(super) fn one(
        &mut self,
        row: &impl Serialize,
        lines: impl FnOnce(crate::screen::Screen) -> Vec<Line>,
    ) -> Result<Outcome> {
        match self.options.output {
            Format::Json => output::document(self.out, row)?,
            Format::Jsonl => output::line(self.out, row)?,
            Format::Table | Format::Wide => self.lines(&lines(self.screen))?,
        }
        Ok(Outcome::Done)
    }

    fn changed(&mut self, row: &PolicyRow, closing: &Line) -> Result<Outcome> {
        self.one(row, |screen| {
            let mut lines = show::policy_table(std::slice::from_ref(row), screen);
            lines.extend([Line::new(), closing.clone()]);
            lines
        })
    }
}

/// Hands each text to the agent. Checking goes through all of them and tells what is refused in each; applying ends at
/// the first that is refused.
fn put(agent: &mut Agent, texts: &[PolicyText], options: ApplyOptions) -> Result<Vec<PolicyRow>> {
    let mut rows = Vec::new();
    let mut applied: Vec<&str> = Vec::new();
    let mut refused = Vec::new();
    for text in texts {
        let answer = agent.ask(async |client| client.apply_policy(text.clone(), options).await);
        match answer {
            Ok(more) => {
                rows.extend(more);
                applied.push(&text.source);
            }
            Err(error) => match error.downcast_ref::<ClientError>() {
                Some(ClientError::BadQuestion(reasons)) if options.dry_run || texts.len() == 1 => {
                    refused.push(reasons.clone());
                }
                _ if options.dry_run || applied.is_empty() => return Err(error),
                _ => {
                    let applied = applied.join(", ");
                    return Err(error)
                        .with_context(|| format!("applied so far: {applied}; then {} was not", text.source));
                }
            },
        }
    }
    if refused.is_empty() { Ok(rows) } else { bail!(refusal(&refused, texts.len())) }
}

/// What was refused, each with its reasons.
fn refusal(refused: &[String], of: usize) -> BadUsage {
    let reasons = refused.join("\n\n");
    BadUsage(if of == 1 {
        format!("refused, and nothing was changed:\n{reasons}")
    } else {
        format!("{} of {of} files refused, and nothing was changed:\n\n{reasons}", refused.len())
    })
}
