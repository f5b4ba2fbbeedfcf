//! The policy folder: what its files say is in force, and only what they certainly say no more is lifted.
//!
//! Whoever replaces files leaves gaps: a file is gone for a moment, or has another name, or the disk is not mounted. So
//! a policy is lifted only after several looks at which no file said it, while no file waits that may say it now, and
//! only in the folder that it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_api::{PolicyOrigin, RefusedFile};
use cofferdam_model::WallTime;
use cofferdam_policy::Policy;

use super::{Change, InForce, Kept, Store};

/// At so many looks on end no file may say a policy before it is lifted.
const LOOKS_TO_LIFT: u32 = 3;

/// What tells one version of a file from the next; `None`: it cannot be looked at.
type Version = Option<(u64, u64, i64, i64)>;

/// What tells one folder from another at the same path: device and inode.
pub(super) type FolderId = (u64, u64);

/// The policy files of the folder.
type Listed = BTreeMap<PathBuf, Version>;

/// A file of the policy folder as it was at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    version: Version,
    reading: Reading,
}

/// How far it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    /// It is to be read: it is new, or what was in its way may pass.
    Due,
    /// It says these policies, and they are in force.
    Taken(BTreeSet<String>),
    /// It cannot be understood as it is.
    Wrong,
}

/// Why a file is not in force as it is.
enum NotTaken {
    /// It is for its author to mend.
    Wrong(String),
    /// It may be taken later as it is.
    NotNow(String),
}

/// A file of the policy folder that was understood.
#[derive(Debug, Clone)]
pub struct Read {
    path: PathBuf,
    source: String,
    text: String,
    policies: Vec<Policy>,
}

impl Store {
    /// Looks at the policy folder: what has changed, and the files that are to be taken; `None`: nothing is known of
    /// them. A file is read once it has been the same for two looks: one that is being written is not whole yet.
    pub fn look(&mut self, now: WallTime) -> (Vec<Change>, Option<Vec<Read>>) {
        let listed = match self.list() {
            Ok(listed) => listed,
            Err(message) => {
                // What is there when it returns is read anew.
                self.seen.clear();
                self.unsaid = self.of_folder().map(|it| (it.kept.name.clone(), 0)).collect();
                return (self.refuse(self.folder.clone(), message, now), None);
            }
        };
        self.refused.retain(|path, _| listed.contains_key(path) || *path == self.folder);
        let (mut changes, mut files) = (Vec::new(), Vec::new());
        for path in self.due(listed) {
            match self.read(&path, now) {
                Ok(file) => files.push(file),
                Err(why) => changes.extend(self.not_taken(&path, why, now)),
            }
        }
        (changes, Some(files))
    }

    fn of_folder(&self) -> impl Iterator<Item = &InForce> {
        self.in_force.iter().filter(|it| it.kept.origin == PolicyOrigin::Folder)
    }

    /// The files of the folder that its policies came from; or why nothing is known of them.
    fn list(&mut self) -> Result<Listed, String> {
        let folder = self.folder.display();
        let has_policies = self.of_folder().next().is_some();
        let (id, listed) = match list(&self.folder) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound && !has_policies => return Ok(Listed::new()),
            Err(error) => return Err(format!("{folder}: {error}; what came from it stays in force")),
        };
        let is_same = match self.folder_id {
            Some(known) => known == id,
            // An agent that starts goes by what it finds, but for an empty folder: its disk may not be mounted yet.
            None => !listed.is_empty(),
        };
        if is_same || !has_policies {
            self.folder_id = Some(id);
            return Ok(listed);
        }
        let what = match self.folder_id {
            Some(_) => "is another folder now; restart the agent to go by this one",
            None => "holds no policy file, but did before the agent was started: is its disk mounted?",
        };
        Err(format!(
            "{folder}: {what}; what came from it stays in force until it returns, or `cofferdam policy remove` lifts it"
        ))
    }

    /// Notes what is there, and names what is to be read now.
    fn due(&mut self, listed: Listed) -> Vec<PathBuf> {
        self.seen.retain(|path, _| listed.contains_key(path));
        let mut due = Vec::new();
        for (path, version) in listed {
            match self.seen.get(&path) {
                Some(seen) if seen.version == version => {
                    if seen.reading == Reading::Due {
                        due.push(path);
                    }
                }
                _ => drop(self.seen.insert(path, Seen { version, reading: Reading::Due })),
            }
        }
        due
    }

    fn read(&self, path: &Path, now: WallTime) -> Result<Read, NotTaken> {
        let source = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::InvalidData => NotTaken::Wrong(format!("{source}: {error}")),
            _ => NotTaken::NotNow(format!("{source}: {error}")),
        })?;
        let policies = self.parse(&source, &text, now).map_err(NotTaken::Wrong)?;
        Ok(Read { path: path.to_owned(), source, text, policies })
    }

    /// The policies that would be in force with these files.
    pub fn with_files(&self, files: &[Read]) -> Vec<Policy> {
        let new = || files.iter().flat_map(|file| &file.policies);
        let replaced = |it: &&InForce| new().any(|policy| policy.name() == it.kept.name);
        let others = self.in_force.iter().filter(|it| !replaced(it)).map(|it| it.policy.clone());
        others.chain(new().cloned()).collect()
    }

    /// Puts a file into force.
    pub fn take(&mut self, file: Read, now: WallTime) -> Vec<Change> {
        match self.take_or_say_why(&file, now) {
            Ok(changes) => {
                self.refused.remove(&file.path);
                let names = file.policies.iter().map(|policy| policy.name().to_owned()).collect();
                self.note(&file.path, Reading::Taken(names));
                changes
            }
            Err(why) => self.not_taken(&file.path, why, now),
        }
    }

    /// Does not put a file into force now; what it said before stays.
    pub fn leave(&mut self, file: &Read, why: &str, now: WallTime) -> Vec<Change> {
        self.not_taken(&file.path, NotTaken::NotNow(format!("{}: {why}", file.source)), now)
    }

    fn not_taken(&mut self, path: &Path, why: NotTaken, now: WallTime) -> Vec<Change> {
        let (reading, message) = match why {
            NotTaken::Wrong(message) => (Reading::Wrong, message),
            NotTaken::NotNow(message) => (Reading::Due, message),
        };
        self.note(path, reading);
        self.refuse(path.to_owned(), message, now)
    }

    fn note(&mut self, path: &Path, reading: Reading) {
        if let Some(seen) = self.seen.get_mut(path) {
            seen.reading = reading;
        }
    }

    fn take_or_say_why(&mut self, file: &Read, now: WallTime) -> Result<Vec<Change>, NotTaken> {
        let Read { source, text, policies, .. } = file;
        let elsewhere = |it: &&InForce| {
            it.kept.source != *source && policies.iter().any(|policy| policy.name() == it.kept.name)
        };
        if let Some(other) = self.in_force.iter().filter(elsewhere).find(|it| self.is_said(it)) {
            let (name, other) = (&other.kept.name, &other.kept.source);
            return Err(NotTaken::NotNow(format!("{source}: {name} is in force already, from {other}")));
        }
        self.put(source, text, policies, now).map_err(NotTaken::NotNow)
    }

    /// Whether a policy in force is still said: it was applied, or its file says it, or may as far as we know.
    fn is_said(&self, it: &InForce) -> bool {
        let in_its_file = |seen: &Seen| match &seen.reading {
            Reading::Taken(names) => names.contains(&it.kept.name),
            Reading::Due | Reading::Wrong => true,
        };
        it.kept.origin == PolicyOrigin::Applied
            || self.seen.get(Path::new(&it.kept.source)).is_some_and(in_its_file)
    }

    /// Policies of a file take the place of those of the same names.
    fn put(
        &mut self,
        source: &str,
        text: &str,
        policies: &[Policy],
        now: WallTime,
    ) -> Result<Vec<Change>, String> {
        let mut changes = self.exceptions.accept(policies, now)?;
        let is_among = |it: &InForce| policies.iter().any(|policy| policy.name() == it.kept.name);
        let (before, mut in_force): (Vec<InForce>, Vec<InForce>) =
            self.in_force.iter().cloned().partition(is_among);
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
                confirm_end: None,
                replaced: None,
            };
            in_force.push(InForce { policy: policy.clone(), kept });
        }
        self.keep(in_force)?;
        Ok(changes)
    }

    /// Lifts what no file says any more, once that is certain.
    pub fn lift(&mut self, now: WallTime) -> Vec<Change> {
        let unsaid = self.in_force.iter().filter(|it| !self.is_said(it));
        let looks = |name: &String| self.unsaid.get(name).map_or(1, |looks| looks.saturating_add(1));
        self.unsaid = unsaid.map(|it| (it.kept.name.clone(), looks(&it.kept.name))).collect();
        let is_due = |it: &InForce| self.unsaid.get(&it.kept.name).is_some_and(|it| *it >= LOOKS_TO_LIFT);
        let (gone, kept): (Vec<InForce>, Vec<InForce>) = self.in_force.iter().cloned().partition(is_due);
        let (Some(first), waits) = (gone.first(), self.waits()) else {
            self.refused.remove(&self.folder);
            return Vec::new();
        };
        if let Some(file) = waits {
            // One that is only being written is soon read or refused.
            if !self.refused.contains_key(file) {
                return Vec::new();
            }
            let message = format!(
                "{}: {} stays in force, though it is gone from {}: {} may say it now, and cannot be taken; mend \
                 or remove that file",
                self.folder.display(),
                first.kept.name,
                first.kept.source,
                file.display()
            );
            return self.refuse(self.folder.clone(), message, now);
        }
        match self.keep(kept) {
            Ok(()) => {
                self.refused.remove(&self.folder);
                gone.into_iter().map(|it| Change::Removed(it.kept.name, it.kept.source)).collect()
            }
            Err(message) => self.refuse(self.folder.clone(), message, now),
        }
    }

    /// A file of which nobody knows yet what it says.
    fn waits(&self) -> Option<&PathBuf> {
        let waits = |seen: &Seen| !matches!(seen.reading, Reading::Taken(_));
        self.seen.iter().find(|(_, seen)| waits(seen)).map(|(path, _)| path)
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

/// Which folder it is, and its policy files.
fn list(folder: &Path) -> std::io::Result<(FolderId, Listed)> {
    let meta = fs::metadata(folder)?;
    let mut found = Listed::new();
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
    Ok(((meta.dev(), meta.ino()), found))
}

#[cfg(test)]
mod tests;
