//! The policies in force: applied through the agent or read from the policy folder. A policy is lifted only when its
//! removal was understood, never because something could not be read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use cofferdam_api::{Peer, PolicyOrigin, PolicyText, RefusedFile};
use cofferdam_model::WallTime;
use cofferdam_policy::{Acceptance, Policy, parse};
use serde::{Deserialize, Serialize};

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

/// What tells one version of a file from the next; `None`: it cannot be looked at.
type Version = Option<(u64, u64, i64, i64)>;

/// A file of the policy folder as it was at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    version: Version,
    read: bool,
}

/// The policies in force.
#[derive(Debug)]
pub struct Store {
    state: PathBuf,
    folder: PathBuf,
    in_force: Vec<InForce>,
    exceptions: Exceptions,
    seen: BTreeMap<PathBuf, Seen>,
    refused: BTreeMap<PathBuf, RefusedFile>,
}

impl Store {
    /// What was in force when the agent ended.
    ///
    /// # Errors
    /// If it cannot be read or understood: better no agent, while the kernel goes on enforcing, than one that lifts
    /// policies because of it.
    pub fn open(state: PathBuf, folder: PathBuf, now: WallTime) -> Result<Self> {
        fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
        let exceptions = Exceptions::open(&state)?;
        let kept: Vec<Kept> = read_json(&state.join(POLICIES))?.unwrap_or_default();
        let mut store = Self {
            state,
            folder,
            in_force: Vec::new(),
            exceptions,
            seen: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        for kept in kept {
            store.in_force.push(store.understood(kept, now)?);
        }
        Ok(store)
    }

    fn understood(&self, kept: Kept, now: WallTime) -> Result<InForce> {
        let policies = self.parse(&kept.source, &kept.text, now).map_err(anyhow::Error::msg)?;
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

    /// Understands a text and says what would be in force; changes nothing.
    ///
    /// # Errors
    /// With file, line, field and reason.
    pub fn check(&self, text: &PolicyText, now: WallTime) -> Result<Vec<Policy>, String> {
        let policies = self.parse(&text.source, &text.text, now)?;
        for policy in &policies {
            let of_folder = self
                .in_force
                .iter()
                .find(|it| it.kept.name == policy.name() && it.kept.origin == PolicyOrigin::Folder);
            if let Some(it) = of_folder {
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

    /// Puts a text into force.
    ///
    /// # Errors
    /// As [`Store::check`], or if it cannot be written to disk.
    pub fn apply(
        &mut self,
        text: &PolicyText,
        confirm_within: Option<Duration>,
        by: Peer,
        now: WallTime,
    ) -> Result<(Vec<String>, Vec<Change>), String> {
        let policies = self.check(text, now)?;
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
                WallTime::from_nanos(now.as_nanos().saturating_add(within))
            });
            let kept = Kept {
                name: policy.name().to_owned(),
                origin: PolicyOrigin::Applied,
                source: text.source.clone(),
                text: text.text.clone(),
                applied: now,
                by: Some(by),
                confirm_until: until,
                replaced: replaced.filter(|_| until.is_some()),
            };
            in_force.retain(|it| it.kept.name != policy.name());
            in_force.push(InForce { policy: policy.clone(), kept });
        }
        let mut changes = self.exceptions.accept(&policies, now)?;
        self.keep(in_force)?;
        changes.extend(policies.iter().map(|it| Change::Applied(it.name().to_owned(), text.source.clone())));
        Ok((policies.iter().map(|policy| policy.name().to_owned()).collect(), changes))
    }

    /// Exceptions that have ended by now, each told once.
    pub fn ended(&mut self, now: WallTime) -> Vec<Change> {
        let policies: Vec<&Policy> = self.in_force.iter().map(|it| &it.policy).collect();
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
        let kept = Kept { confirm_until: None, replaced: None, ..found.kept };
        let confirmed = InForce { policy: found.policy, kept };
        let mut in_force = self.in_force.clone();
        in_force.retain(|it| it.kept.name != confirmed.kept.name);
        in_force.push(confirmed.clone());
        self.keep(in_force)?;
        Ok(confirmed)
    }

    /// Lifts a policy that was applied.
    ///
    /// # Errors
    /// If there is none such, it comes from the folder, or it cannot be written.
    pub fn remove(&mut self, name: &str) -> Result<InForce, String> {
        let found = self.find(name).ok_or_else(|| unknown(name))?.clone();
        if found.kept.origin == PolicyOrigin::Folder {
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
    pub fn roll_back(&mut self, now: WallTime) -> Vec<Change> {
        let is_due = |it: &InForce| it.kept.confirm_until.is_some_and(|until| until <= now);
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
                        let kept = Kept { confirm_until: None, ..it.kept.clone() };
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

    /// Looks at the policy folder. A file is read once it has been the same for two looks: one that is being written
    /// is not whole yet.
    pub fn look(&mut self, now: WallTime) -> Vec<Change> {
        let listed = match list(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound && !self.has_of_folder() => return Vec::new(),
            Err(error) => {
                let message = format!("{error}; what came from it stays in force");
                return self.refuse(self.folder.clone(), message, now);
            }
        };
        self.refused.remove(&self.folder);
        let mut changes = Vec::new();
        for (path, version) in &listed {
            let before = self.seen.insert(path.clone(), Seen { version: *version, read: false });
            match before {
                Some(before) if before.version == *version && before.read => {
                    self.seen.insert(path.clone(), before);
                }
                Some(before) if before.version == *version => {
                    self.seen.insert(path.clone(), Seen { version: *version, read: true });
                    changes.extend(self.read_file(path, now));
                }
                _ => {}
            }
        }
        changes.extend(self.gone(&listed, now));
        changes
    }

    fn has_of_folder(&self) -> bool {
        self.in_force.iter().any(|it| it.kept.origin == PolicyOrigin::Folder)
    }

    fn read_file(&mut self, path: &Path, now: WallTime) -> Vec<Change> {
        let source = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.refuse(path.to_owned(), format!("{source}: {error}"), now),
        };
        let policies = match self.parse(&source, &text, now) {
            Ok(policies) => policies,
            Err(message) => return self.refuse(path.to_owned(), message, now),
        };
        for policy in &policies {
            let other =
                self.in_force.iter().find(|it| it.kept.name == policy.name() && it.kept.source != source);
            if let Some(other) = other {
                let message =
                    format!("{source}: {} is in force already, from {}", policy.name(), other.kept.source);
                return self.refuse(path.to_owned(), message, now);
            }
        }
        match self.take_file(&source, &text, &policies, now) {
            Ok(changes) => {
                self.refused.remove(path);
                changes
            }
            Err(message) => self.refuse(path.to_owned(), message, now),
        }
    }

    /// What a file of the folder says replaces what it said before.
    fn take_file(
        &mut self,
        source: &str,
        text: &str,
        policies: &[Policy],
        now: WallTime,
    ) -> Result<Vec<Change>, String> {
        let mut changes = self.exceptions.accept(policies, now)?;
        let (mut in_force, before): (Vec<InForce>, Vec<InForce>) =
            self.in_force.iter().cloned().partition(|it| it.kept.source != source);
        for it in before.iter().filter(|it| policies.iter().all(|policy| policy.name() != it.kept.name)) {
            changes.push(Change::Removed(it.kept.name.clone(), source.to_owned()));
        }
        for policy in policies {
            let same = before.iter().find(|it| it.policy == *policy);
            if same.is_none() {
                changes.push(Change::Applied(policy.name().to_owned(), source.to_owned()));
            }
            let kept = Kept {
                name: policy.name().to_owned(),
                origin: PolicyOrigin::Folder,
                source: source.to_owned(),
                text: text.to_owned(),
                applied: same.map_or(now, |same| same.kept.applied),
                by: None,
                confirm_until: None,
                replaced: None,
            };
            in_force.push(InForce { policy: policy.clone(), kept });
        }
        self.keep(in_force)?;
        Ok(changes)
    }

    /// Files that are not there any more, in a folder that could be listed.
    fn gone(&mut self, listed: &BTreeMap<PathBuf, Version>, now: WallTime) -> Vec<Change> {
        self.seen.retain(|path, _| listed.contains_key(path));
        self.refused.retain(|path, _| listed.contains_key(path) || *path == self.folder);
        let is_gone = |it: &InForce| {
            it.kept.origin == PolicyOrigin::Folder && !listed.contains_key(Path::new(&it.kept.source))
        };
        let (gone, kept): (Vec<InForce>, Vec<InForce>) = self.in_force.iter().cloned().partition(is_gone);
        if gone.is_empty() {
            return Vec::new();
        }
        match self.keep(kept) {
            Ok(()) => gone.into_iter().map(|it| Change::Removed(it.kept.name, it.kept.source)).collect(),
            Err(message) => self.refuse(self.folder.clone(), message, now),
        }
    }

    fn refuse(&mut self, path: PathBuf, message: String, now: WallTime) -> Vec<Change> {
        let file = path.display().to_string();
        if self.refused.get(&path).is_some_and(|known| known.message == message) {
            return Vec::new();
        }
        let refused = RefusedFile { file: file.clone(), message: message.clone(), since: now };
        self.refused.insert(path, refused);
        vec![Change::Refused(file, message)]
    }
}

fn unknown(name: &str) -> String {
    format!("no policy in force has the name {name}; `cofferdam policy list` names them")
}

/// Policy files of a folder.
fn list(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Version>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_policy = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !is_policy || hidden {
            continue;
        }
        match fs::metadata(&path) {
            Ok(meta) if !meta.is_file() => {}
            Ok(meta) => {
                found.insert(path, Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec())));
            }
            // It is there, for all that: a link may lead to nothing for a moment, as a ConfigMap's does.
            Err(_) => drop(found.insert(path, None)),
        }
    }
    Ok(found)
}

/// The policies in force, in the state folder.
const POLICIES: &str = "policies.json";

pub(super) fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| {
            format!("{} cannot be understood; what the kernel enforces stays so", path.display())
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_whole(path, &serde_json::to_vec_pretty(value)?)
}

/// Writes a file so that it is there whole, or as it was, also after a crash.
pub fn write_whole(path: &Path, text: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
