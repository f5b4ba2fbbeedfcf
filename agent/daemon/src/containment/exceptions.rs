//! What is remembered of exceptions: when each was first accepted, from when on its days count, and which ends were told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use cofferdam_model::WallTime;
use cofferdam_policy::{Policy, exception_key};

use super::disk::{read_json, write_json};
use super::store::Change;

/// When exceptions were first accepted, in the state folder.
const ACCEPTED: &str = "exceptions.json";
/// Which ends were told.
const ENDED: &str = "ended.json";

/// Moments of exceptions by their keys, on disk and in memory.
#[derive(Debug)]
pub struct Exceptions {
    state: PathBuf,
    accepted: BTreeMap<String, WallTime>,
    /// The expiry whose end was told: one that was put off ends again.
    ended: BTreeMap<String, WallTime>,
}

impl Exceptions {
    /// What an agent before has noted.
    ///
    /// # Errors
    /// If it cannot be read: an exception is never renewed because of that.
    pub fn open(state: &Path) -> Result<Self> {
        let accepted = read_json(&state.join(ACCEPTED))?.unwrap_or_default();
        let ended = read_json(&state.join(ENDED))?.unwrap_or_default();
        Ok(Self { state: state.to_owned(), accepted, ended })
    }

    /// When each was first accepted.
    pub fn accepted(&self) -> &BTreeMap<String, WallTime> {
        &self.accepted
    }

    /// Notes those that are seen for the first time.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn accept(&mut self, policies: &[Policy], now: WallTime) -> Result<Vec<Change>, String> {
        let mut accepted = self.accepted.clone();
        let mut changes = Vec::new();
        for (key, _) in policies.iter().flat_map(by_key) {
            if !accepted.contains_key(&key) {
                accepted.insert(key.clone(), now);
                changes.push(Change::Accepted(key));
            }
        }
        if !changes.is_empty() {
            write_json(&self.state.join(ACCEPTED), &accepted).map_err(|error| format!("{error:#}"))?;
            self.accepted = accepted;
        }
        Ok(changes)
    }

    /// Those that have ended by now, each told once, also if the agent is started again.
    pub fn end(&mut self, policies: &[&Policy], now: WallTime) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, exception) in policies.iter().flat_map(|policy| by_key(policy)) {
            let is_told = self.ended.get(&key).is_some_and(|told| *told >= exception.expires);
            if exception.expires <= now && !is_told {
                self.ended.insert(key.clone(), exception.expires);
                changes.push(Change::Expired(key, format!("{}: {}", exception.owner, exception.reason)));
            }
        }
        if !changes.is_empty()
            && let Err(error) = write_json(&self.state.join(ENDED), &self.ended)
        {
            tracing::warn!("after a restart the end of an exception is told once more: {error:#}");
        }
        changes
    }
}

fn by_key(policy: &Policy) -> impl Iterator<Item = (String, &cofferdam_policy::Exception)> {
    let key = |rule: &cofferdam_policy::Rule, it: &cofferdam_policy::Exception| {
        exception_key(policy.name(), &rule.id, &it.allow)
    };
    policy.exceptions().map(move |(rule, it)| (key(rule, it), it))
}

#[cfg(test)]
mod tests {
    use cofferdam_policy::{Acceptance, parse};

    use super::*;

    fn at(text: &str) -> WallTime {
        text.parse().unwrap()
    }

    fn policy(expires: &str, exceptions: &Exceptions) -> Vec<Policy> {
        let text = format!(
            "apiVersion: cofferdam.dev/v1alpha1\n\
             kind: ContainmentPolicy\n\
             metadata: {{ name: p }}\n\
             spec:\n\
             \x20 selector: {{ cgroup: /a }}\n\
             \x20 exec: {{ id: ex, deny: [ {{ origin: written }} ] }}\n\
             \x20 exceptions: {{ rule: ex, allow: any, reason: a, owner: b, expires: \"{expires}\" }}\n"
        );
        let acceptance = Acceptance { now: at("2026-11-22T10:00:00Z"), first: exceptions.accepted() };
        parse(Path::new("p.yaml"), &text, acceptance).unwrap()
    }

    #[test]
    fn the_days_of_an_exception_count_from_when_it_was_first_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let mut exceptions = Exceptions::open(folder.path()).unwrap();
        let policies = policy("2026-11-22T11:00:00Z", &exceptions);
        assert_eq!(exceptions.accept(&policies, at("2026-11-22T10:00:00Z")).unwrap().len(), 1);
        assert_eq!(exceptions.accept(&policies, at("2026-11-22T10:30:00Z")).unwrap(), []);
        let again = Exceptions::open(folder.path()).unwrap();
        assert_eq!(again.accepted().values().collect::<Vec<_>>(), [&at("2026-11-22T10:00:00Z")]);
    }

    #[test]
    fn an_end_is_told_once_and_again_if_it_was_put_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut exceptions = Exceptions::open(folder.path()).unwrap();
        let first = policy("2026-11-22T11:00:00Z", &exceptions);
        let later = policy("2026-11-22T12:00:00Z", &exceptions);
        let mut ends = |policies: &[Policy], now: &str| {
            let told = exceptions.end(&policies.iter().collect::<Vec<_>>(), at(now)).len();
            exceptions = Exceptions::open(folder.path()).unwrap();
            told
        };
        assert_eq!(ends(&first, "2026-11-22T10:59:59Z"), 0);
        assert_eq!(ends(&first, "2026-11-22T11:00:00Z"), 1);
        assert_eq!(ends(&first, "2026-11-22T11:00:01Z"), 0);
        assert_eq!(ends(&later, "2026-11-22T11:00:02Z"), 0);
        assert_eq!(ends(&later, "2026-11-22T12:00:00Z"), 1);
    }
}
