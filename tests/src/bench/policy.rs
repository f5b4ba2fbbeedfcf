//! A policy of a test: applied through the real command line, and removed with the value that stands for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::answers::Answers;
use super::wait::Look;
use super::{Agent, Container, Place, until};

/// A policy in force. Removed on drop.
#[derive(Debug)]
pub struct Policy {
    name: String,
    file: PathBuf,
    socket: PathBuf,
}

impl Policy {
    /// Has an agent put a policy of this name into force. `spec` is YAML, indented by two spaces a level.
    ///
    /// # Errors
    /// If the agent refuses it; with what it says.
    pub fn apply(place: &Place, agent: &Agent, name: &str, spec: &str) -> Result<Self> {
        Self::apply_text(place, agent, name, &document(name, spec))
    }

    /// Has an agent put a whole text into force, which is a policy of this name.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_text(place: &Place, agent: &Agent, name: &str, text: &str) -> Result<Self> {
        let file = place.path(format!("policy-{name}.yaml"));
        let policy = Self { name: name.to_owned(), file, socket: agent.socket() };
        policy.says_all(text)?;
        Ok(policy)
    }

    /// As [`Self::apply`], unless nobody confirms it within this time.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_for(place: &Place, agent: &Agent, name: &str, within: Duration, spec: &str) -> Result<Self> {
        let file = place.path(format!("policy-{name}.yaml"));
        let policy = Self { name: name.to_owned(), file, socket: agent.socket() };
        policy.says_for(within, spec)?;
        Ok(policy)
    }

    /// Has an agent put the policy of this name in a file into force.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_file(file: &Path, agent: &Agent, name: &str) -> Result<Self> {
        let policy = Self { name: name.to_owned(), file: file.to_owned(), socket: agent.socket() };
        policy.applied()?;
        Ok(policy)
    }

    /// Has what the file says by now put into force.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn applied(&self) -> Result<()> {
        self.ordered(&["policy", "apply", &self.file.to_string_lossy()])
    }

    /// Has it say something else from now on.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn says(&self, spec: &str) -> Result<()> {
        self.says_all(&document(&self.name, spec))
    }

    /// As [`Self::says`], by the whole text of its file.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn says_all(&self, text: &str) -> Result<()> {
        self.write_all(text)?;
        self.applied()
    }

    /// Has it say something else, unless nobody confirms it within this time.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn says_for(&self, within: Duration, spec: &str) -> Result<()> {
        self.write(spec)?;
        let within = format!("{}s", within.as_secs());
        self.ordered(&["policy", "apply", &self.file.to_string_lossy(), "--confirm-within", &within])
    }

    /// Keeps what it says.
    ///
    /// # Errors
    /// If nothing waits for that.
    pub fn confirm(&self) -> Result<()> {
        self.ordered(&["policy", "confirm", &self.name])
    }

    fn write(&self, spec: &str) -> Result<()> {
        self.write_all(&document(&self.name, spec))
    }

    fn write_all(&self, text: &str) -> Result<()> {
        fs::write(&self.file, text).with_context(|| format!("writing {}", self.file.display()))
    }

    /// By which name it is known.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until these of its rules are in force for a container.
    ///
    /// # Errors
    /// If that does not come.
    pub fn holds(&self, container: &Container, rules: &[&str]) -> Result<()> {
        let digits = &container.id()[..12];
        until(&format!("the policy {} on a container", self.name), || {
            let status = Answers::of_agent(&self.socket).policy_status()?;
            let is_in_force = |id: &&str| {
                status.rules.iter().any(|rule| {
                    let of_it = rule.workload.as_ref().is_some_and(|workload| workload.contains(digits));
                    of_it && rule.policy == self.name && rule.rule == *id && !rule.effective.is_empty()
                })
            };
            let all = rules.iter().all(is_in_force);
            Ok(if all { Look::Found(()) } else { Look::NotYet(format!("there is {status:?}")) })
        })
    }

    /// Lifts it.
    ///
    /// # Errors
    /// If the agent does not.
    pub fn lift(mut self) -> Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> Result<()> {
        let name = std::mem::take(&mut self.name);
        // An agent that has ended lifts nothing; what it leaves goes with its pins.
        if name.is_empty() || !is_answered_at(&self.socket) {
            return Ok(());
        }
        // One that was not confirmed may be gone.
        if !Answers::of_agent(&self.socket).text(&["policy", "list"])?.contains(&name) {
            return Ok(());
        }
        self.ordered(&["policy", "remove", &name])
    }

    fn ordered(&self, words: &[&str]) -> Result<()> {
        let done = Answers::of_agent(&self.socket).ending(words)?;
        let said =
            || format!("`cofferdam {}` ended with {:?}: {}", words.join(" "), done.code, done.complaint);
        ensure!(done.code == Some(0), "{}", said().trim_end());
        Ok(())
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("could not lift a policy: {error:#}");
        }
    }
}

fn is_answered_at(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

/// The file of a policy.
pub fn document(name: &str, spec: &str) -> String {
    let head = "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\n";
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("{head}metadata: {{ name: {name} }}\nspec:\n{spec}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_says_stands_below_its_name() {
        let text = document("one", "selector: { cgroup: a }\nmemory: { id: m, attach: deny }");
        assert!(
            text.contains("metadata: { name: one }\nspec:\n  selector: { cgroup: a }\n  memory:"),
            "{text}"
        );
    }
}
