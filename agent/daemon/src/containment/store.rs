//! The policies in force: applied through the agent or read from the policy folder. A policy is lifted only when its
//! removal was understood, never because something could not be read.

mod folder;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use cofferdam_api::{
    AcceptedException, Peer, PolicyOrigin, PolicyText, PolicyTexts, RefusedFile, TextInForce,
};
use cofferdam_model::{BootId, WallTime};
use cofferdam_policy::{Acceptance, Policy, parse};
pub use folder::Read;
use folder::{FolderId, Seen};
use serde::{Deserialize, Serialize};

use super::disk::{read_json, write_json};
use super::ending::{Ending, Moment};
use super::exceptions::Exceptions;

/// A policy in force, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// `namespace/name`, or `name`.
    pub name: String,
    /// How it came here.
    pub origin: PolicyOrigin,
    /// The file that it came from.
    pub source: String,
    /// The whole text of that file.
    pub text: String,
    /// When.
    pub applied: WallTime,
    /// Who applied it.
    pub by: Option<Peer>,
    /// When it rolls itself back.
    pub confirm_until: Option<WallTime>,
    /// The same by the clock that decides it.
    #[serde(default)]
    pub confirm_end: Option<Ending>,
    /// What comes back then.
    pub replaced: Option<Box<Kept>>,
}

/// A policy in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// As it was understood.
    pub policy: Policy,
    /// As it is kept.
    pub kept: Kept,
}

/// What a look at the policy folder, or at the clock, has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A policy is in force, anew or changed.
    Applied(String, String),
    /// A policy was lifted.
    Removed(String, String),
    /// A file was refused.
    Refused(String, String),
    /// A policy was not confirmed in time.
    RolledBack(String),
    /// An exception was seen for the first time.
    Accepted(String),
    /// An exception is over; whose it was, and why.
    Expired(String, String),
}

/// The policies in force.
#[derive(Debug)]
pub struct Store {
    state: PathBuf,
    folder: PathBuf,
    boot: BootId,
    in_force: Vec<InForce>,
    exceptions: Exceptions,
    /// The policy folder that is gone by; none yet.
    folder_id: Option<FolderId>,
    seen: BTreeMap<PathBuf, Seen>,
    /// Policies of the folder that no file of it says any more, and at how many looks on end.
    unsaid: BTreeMap<String, u32>,
    refused: BTreeMap<PathBuf, RefusedFile>,
}

impl Store {
    /// What was in force when the agent ended.
    ///
    /// # Errors
    /// If it cannot be read or understood: better no agent, while the kernel goes on enforcing, than one that lifts
    /// policies because of it.
    pub fn open(state: PathBuf, folder: PathBuf, boot: BootId, now: Moment) -> Result<Self> {
        fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
        let exceptions = Exceptions::open(&state)?;
        let kept: Vec<Kept> = read_json(&state.join(POLICIES))?.unwrap_or_default();
        let mut store = Self {
            state,
            folder,
            boot,
            in_force: Vec::new(),
            exceptions,
            folder_id: None,
            seen: BTreeMap::new(),
            unsaid: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        for kept in kept {
            store.in_force.push(store.understood(kept, now)?);
        }
        Ok(store)
    }

    fn understood(&self, mut kept: Kept, now: Moment) -> Result<InForce> {
        let resumed =
            |until| Ending::resumed(kept.confirm_end.as_ref(), kept.applied, until, &self.boot, now);
        kept.confirm_end = kept.confirm_until.map(resumed);
        let policies = self.parse(&kept.source, &kept.text, now.wall).map_err(anyhow::Error::msg)?;
        let policy = policies.into_iter().find(|policy| policy.name() == kept.name);
        let policy = policy.with_context(|| format!("{} is not in its own text any more", kept.name))?;
        Ok(InForce { policy, kept })
    }

    fn parse(&self, source: &str, text: &str, now: WallTime) -> Result<Vec<Policy>, String> {
        let acceptance = Acceptance { now, first: self.exceptions.accepted() };
        parse(Path::new(source), text, acceptance).map_err(|refused| refused.to_string())
    }

    /// All of them.
    pub fn in_force(&self) -> &[InForce] {
        &self.in_force
    }

    /// What they say, each text once, and when exceptions were first accepted.
    pub fn texts(&self) -> PolicyTexts {
        let mut names: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for Kept { name, source, text, .. } in self.in_force.iter().map(|it| &it.kept) {
            names.entry((source, text)).or_default().push(name.clone());
        }
        let text = |((source, text), names): ((&str, &str), _)| TextInForce {
            names,
            text: PolicyText { source: source.to_owned(), text: text.to_owned() },
        };
        let accepted = self.exceptions.accepted().iter();
        let accepted =
            accepted.map(|(exception, at)| AcceptedException { exception: exception.clone(), at: *at });
        PolicyTexts { texts: names.into_iter().map(text).collect(), accepted: accepted.collect() }
    }

    /// Files that are not in force as they are now.
    pub fn refused(&self) -> impl Iterator<Item = &RefusedFile> {
        self.refused.values()
    }

    /// When an exception was first accepted.
    pub fn accepted(&self, key: &str) -> Option<WallTime> {
        self.exceptions.accepted().get(key).copied()
    }

    fn find(&self, name: &str) -> Option<&InForce> {
        let bare = |it: &&InForce| it.kept.name.rsplit('/').next() == Some(name);
        self.in_force.iter().find(|it| it.kept.name == name).or_else(|| {
            let mut found = self.in_force.iter().filter(bare);
            found.next().filter(|_| found.next().is_none())
        })
    }

    /// Whether it is the folder's to change: not if that says nothing of it any more.
    fn belongs_to_folder(&self, it: &InForce) -> bool {
        it.kept.origin == PolicyOrigin::Folder && !self.unsaid.contains_key(&it.kept.name)
    }

    /// Understands a text and says what would be in force; changes nothing.
    ///
    /// # Errors
    /// With file, line, field and reason.
    pub fn check(&self, text: &PolicyText, now: WallTime) -> Result<Vec<Policy>, String> {
        let policies = self.parse(&text.source, &text.text, now)?;
        for policy in &policies {
            let same = self.in_force.iter().find(|it| it.kept.name == policy.name());
            if let Some(it) = same.filter(|it| self.belongs_to_folder(it)) {
                return Err(format!(
                    "{}: {} comes from {} in the policy folder: change it there",
                    text.source,
                    policy.name(),
                    it.kept.source
                ));
            }
        }
        Ok(policies)
    }

    /// The policies that would be in force with these.
    pub fn with(&self, policies: &[Policy]) -> Vec<Policy> {
        let replaced = |it: &&InForce| policies.iter().any(|policy| policy.name() == it.kept.name);
        let others = self.in_force.iter().filter(|it| !replaced(it)).map(|it| it.policy.clone());
        others.chain(policies.iter().cloned()).collect()
    }

    /// Puts a text into force.
    ///
    /// # Errors
    /// As [`Store::check`], or if it cannot be written to disk.
    pub fn apply(
        &mut self,
        text: &PolicyText,
        confirm_within: Option<Duration>,
        by: Peer,
        now: Moment,
    ) -> Result<(Vec<String>, Vec<Change>), String> {
        let policies = self.check(text, now.wall)?;
        let mut in_force = self.in_force.clone();
        for policy in &policies {
            let replaced = self.in_force.iter().find(|it| it.kept.name == policy.name());
            // A second change before the first was confirmed rolls back to what was confirmed.
            let replaced = replaced.map(|it| match (&it.kept.replaced, it.kept.confirm_until) {
                (Some(confirmed), Some(_)) => confirmed.clone(),
                _ => Box::new(Kept { replaced: None, ..it.kept.clone() }),
            });
            let until = confirm_within.map(|within| {
                let within = i64::try_from(within.as_nanos()).unwrap_or(i64::MAX);
                WallTime::from_nanos(now.wall.as_nanos().saturating_add(within))
            });
            let kept = Kept {
                name: policy.name().to_owned(),
                origin: PolicyOrigin::Applied,
                source: text.source.clone(),
                text: text.text.clone(),
                applied: now.wall,
                by: Some(by),
                confirm_until: until,
                confirm_end: until.map(|until| Ending::new(until, &self.boot, now)),
                replaced: replaced.filter(|_| until.is_some()),
            };
            in_force.retain(|it| it.kept.name != policy.name());
            in_force.push(InForce { policy: policy.clone(), kept });
        }
        let mut changes = self.exceptions.accept(&policies, now.wall)?;
        self.keep(in_force)?;
        changes.extend(policies.iter().map(|it| Change::Applied(it.name().to_owned(), text.source.clone())));
        Ok((policies.iter().map(|policy| policy.name().to_owned()).collect(), changes))
    }

    /// Exceptions that have ended by now, each told once; those that are long gone are forgotten.
    pub fn ended(&mut self, now: WallTime) -> Vec<Change> {
        let policies: Vec<&Policy> = self.in_force.iter().map(|it| &it.policy).collect();
        self.exceptions.forget(&policies, now);
        self.exceptions.end(&policies, now)
    }

    fn keep(&mut self, in_force: Vec<InForce>) -> Result<(), String> {
        let kept: Vec<&Kept> = in_force.iter().map(|it| &it.kept).collect();
        write_json(&self.state.join(POLICIES), &kept).map_err(|error| format!("{error:#}"))?;
        self.in_force = in_force;
        Ok(())
    }

    /// Keeps a policy that would roll itself back.
    ///
    /// # Errors
    /// If there is none such, or it cannot be written.
    pub fn confirm(&mut self, name: &str) -> Result<InForce, String> {
        let found = self.find(name).ok_or_else(|| unknown(name))?.clone();
        if found.kept.confirm_until.is_none() {
            return Err(format!("{} waits for no confirmation", found.kept.name));
        }
        let kept = Kept { confirm_until: None, confirm_end: None, replaced: None, ..found.kept };
        let confirmed = InForce { policy: found.policy, kept };
        let mut in_force = self.in_force.clone();
        in_force.retain(|it| it.kept.name != confirmed.kept.name);
        in_force.push(confirmed.clone());
        self.keep(in_force)?;
        Ok(confirmed)
    }

    /// Lifts a policy that was applied, or of which the folder says nothing any more.
    ///
    /// # Errors
    /// If there is none such, a file of the folder says it, or it cannot be written.
    pub fn remove(&mut self, name: &str) -> Result<InForce, String> {
        let found = self.find(name).ok_or_else(|| unknown(name))?.clone();
        if self.belongs_to_folder(&found) {
            return Err(format!(
                "{} comes from {} in the policy folder: remove it there",
                found.kept.name, found.kept.source
            ));
        }
        let kept = self.in_force.iter().filter(|it| it.kept.name != found.kept.name).cloned().collect();
        self.keep(kept)?;
        Ok(found)
    }

    /// Takes back what nobody has confirmed in time.
    pub fn roll_back(&mut self, now: Moment) -> Vec<Change> {
        let is_due = |it: &InForce| it.kept.confirm_end.as_ref().is_some_and(|end| end.at() <= now.boot);
        if !self.in_force.iter().any(is_due) {
            return Vec::new();
        }
        let mut in_force = Vec::new();
        let mut changes = Vec::new();
        for it in &self.in_force {
            if !is_due(it) {
                in_force.push(it.clone());
                continue;
            }
            changes.push(Change::RolledBack(it.kept.name.clone()));
            if let Some(before) = &it.kept.replaced {
                match self.understood((**before).clone(), now) {
                    Ok(before) => in_force.push(before),
                    // Its exceptions may have expired meanwhile: the newer one stays.
                    Err(error) => {
                        tracing::error!(
                            policy = it.kept.name,
                            "what was in force before cannot come back: {error:#}"
                        );
                        changes.pop();
                        let kept = Kept { confirm_until: None, confirm_end: None, ..it.kept.clone() };
                        in_force.push(InForce { policy: it.policy.clone(), kept });
                    }
                }
            }
        }
        match self.keep(in_force) {
            Ok(()) => changes,
            Err(error) => {
                tracing::error!(error, "a policy that nobody confirmed stays until this can be written");
                Vec::new()
            }
        }
    }
}

fn unknown(name: &str) -> String {
    format!("no policy in force has the name {name}; `cofferdam policy list` names them")
}

/// The policies in force, in the state folder.
const POLICIES: &str = "policies.json";

#[cfg(test)]
mod tests {
    use cofferdam_model::BootTime;

    use super::*;

    fn at(wall: &str, seconds: u64) -> Moment {
        Moment { wall: wall.parse().unwrap(), boot: BootTime::from_nanos(seconds * 1_000_000_000) }
    }

    #[test]
    fn what_nobody_confirms_goes_after_the_time_that_was_given_whatever_the_wall_clock_says() {
        let place = tempfile::tempdir().unwrap();
        let open = |now: Moment| {
            let boot = "2c2e4c1e-2c52-4b1f-9d6f-6f0d3e1b2a01".parse().unwrap();
            Store::open(place.path().join("state"), place.path().join("policies"), boot, now).unwrap()
        };
        let text = "apiVersion: cofferdam.dev/v1alpha1\n\
                    kind: ContainmentPolicy\n\
                    metadata: { name: p }\n\
                    spec:\n\
                    \x20 selector: { cgroup: /a }\n\
                    \x20 exec: { id: ex, deny: [ { origin: written } ] }\n";
        let text = PolicyText { source: "p.yaml".to_owned(), text: text.to_owned() };
        let (by, within) = (Peer { uid: 0, pid: 1 }, Some(Duration::from_mins(5)));
        let mut store = open(at("2026-11-22T10:00:00Z", 600));
        store.apply(&text, within, by, at("2026-11-22T10:00:00Z", 600)).unwrap();
        for mut store in [store, open(at("2099-01-01T00:00:00Z", 700))] {
            assert_eq!(store.roll_back(at("2099-01-01T00:03:00Z", 899)), []);
            assert_eq!(
                store.roll_back(at("2099-01-01T00:03:01Z", 900)),
                [Change::RolledBack("p".to_owned())]
            );
            assert!(store.in_force().is_empty());
        }
    }
}
