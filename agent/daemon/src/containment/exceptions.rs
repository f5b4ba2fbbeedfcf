//! What is remembered of exceptions: when each was first accepted, from when on its days count, and which ends were told;
//! and that is forgotten once no policy has had an exception for as long as it may last at most.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use cofferdam_model::WallTime;
use cofferdam_policy::{EXCEPTION_MAX, Policy, exception_key};

use super::disk::{read_json, write_json};
use super::store::Change;

/// When exceptions were first accepted, in the state folder.
const ACCEPTED: &str = "exceptions.json";
/// Which ends were told.
const ENDED: &str = "ended.json";
/// Since when no policy has had them.
const ABSENT: &str = "absent.json";

/// A moment of each exception, by its key.
type Moments = BTreeMap<String, WallTime>;

/// Moments of exceptions, on disk and in memory.
#[derive(Debug)]
pub struct Exceptions {
    state: PathBuf,
    accepted: Moments,
    /// The expiry whose end was told: one that was put off ends again.
    ended: Moments,
    /// Since when no policy in force has had it.
    absent: Moments,
}

impl Exceptions {
    /// What an agent before has noted.
    ///
    /// # Errors
    /// If it cannot be read: an exception is never renewed because of that.
    pub fn open(state: &Path) -> Result<Self> {
        let accepted = read_json(&state.join(ACCEPTED))?.unwrap_or_default();
        let ended = read_json(&state.join(ENDED))?.unwrap_or_default();
        let absent = read_json(&state.join(ABSENT))?.unwrap_or_default();
        Ok(Self { state: state.to_owned(), accepted, ended, absent })
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

    /// Forgets what no policy in force has had for so long that it would have ended whenever it was seen last: the next
    /// of its kind is a new one.
    pub fn forget(&mut self, policies: &[&Policy], now: WallTime) {
        let present: BTreeSet<String> =
            policies.iter().flat_map(|policy| by_key(policy)).map(|(key, _)| key).collect();
        let gone = self.accepted.keys().filter(|key| !present.contains(*key));
        let since = |key: &String| self.absent.get(key).copied().unwrap_or(now);
        let absent: Moments = gone.map(|key| (key.clone(), since(key))).collect();
        let is_over = |key: &String| absent.get(key).is_some_and(|since| *since <= now.before(EXCEPTION_MAX));
        let (accepted, ended) = (without(&self.accepted, is_over), without(&self.ended, is_over));
        let absent = without(&absent, is_over);
        if let Err(error) = self.replace(accepted, ended, absent) {
            tracing::warn!("exceptions of former policies are remembered for longer: {error:#}");
        }
    }

    /// What changes is on disk first.
    fn replace(&mut self, accepted: Moments, ended: Moments, absent: Moments) -> Result<()> {
        let known = [
            (ABSENT, absent, &mut self.absent),
            (ENDED, ended, &mut self.ended),
            (ACCEPTED, accepted, &mut self.accepted),
        ];
        for (file, new, old) in known {
            if new != *old {
                write_json(&self.state.join(file), &new)?;
                *old = new;
            }
        }
        Ok(())
    }
}

fn without(all: &Moments, is_over: impl Fn(&String) -> bool) -> Moments {
    all.iter().filter(|(key, _)| !is_over(key)).map(|(key, at)| (key.clone(), *at)).collect()
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
    #[test]
    fn an_acceptance_is_forgotten_once_no_policy_has_had_the_exception_for_thirty_days() {
        let folder = tempfile::tempdir().unwrap();
        let mut exceptions = Exceptions::open(folder.path()).unwrap();
        let policies = policy("2026-11-22T11:00:00Z", &exceptions);
        let having: Vec<&Policy> = policies.iter().collect();
        exceptions.accept(&policies, at("2026-11-22T10:00:00Z")).unwrap();
        exceptions.end(&having, at("2026-11-22T11:00:00Z"));
        let mut is_known = |policies: &[&Policy], now: &str| {
            exceptions.forget(policies, at(now));
            exceptions = Exceptions::open(folder.path()).unwrap();
            (!exceptions.accepted.is_empty(), !exceptions.ended.is_empty(), !exceptions.absent.is_empty())
        };
        assert_eq!(is_known(&[], "2026-11-23T00:00:00Z"), (true, true, true));
        assert_eq!(is_known(&having, "2026-12-22T00:00:00Z"), (true, true, false), "it was there again");
        assert_eq!(
            is_known(&having, "2027-12-22T00:00:00Z"),
            (true, true, false),
            "it is there, though ended"
        );
        assert_eq!(is_known(&[], "2028-01-01T00:00:00Z"), (true, true, true));
        assert_eq!(is_known(&[], "2028-01-30T23:59:59Z"), (true, true, true));
        assert_eq!(is_known(&[], "2028-01-31T00:00:00Z"), (false, false, false));
    }
}
