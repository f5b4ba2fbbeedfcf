//! The policy folder: what its files say is in force, and a file that cannot be read lifts nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_api::{PolicyOrigin, RefusedFile};
use cofferdam_model::WallTime;
use cofferdam_policy::Policy;

use super::{Change, InForce, Kept, Store};

/// What tells one version of a file from the next; `None`: it cannot be looked at.
type Version = Option<(u64, u64, i64, i64)>;

/// A file of the policy folder as it was at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    version: Version,
    read: bool,
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
    /// Looks at the policy folder: what has changed, and what is to be taken. A file is read once it has been the same
    /// for two looks: one that is being written is not whole yet.
    pub fn look(&mut self, now: WallTime) -> (Vec<Change>, Vec<Read>) {
        let listed = match list(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound && !self.has_of_folder() => {
                return (Vec::new(), Vec::new());
            }
            Err(error) => {
                let message = format!("{error}; what came from it stays in force");
                return (self.refuse(self.folder.clone(), message, now), Vec::new());
            }
        };
        self.refused.remove(&self.folder);
        let (mut changes, mut files) = (Vec::new(), Vec::new());
        for (path, version) in &listed {
            let before = self.seen.insert(path.clone(), Seen { version: *version, read: false });
            match before {
                Some(before) if before.version == *version && before.read => {
                    self.seen.insert(path.clone(), before);
                }
                Some(before) if before.version == *version => {
                    self.seen.insert(path.clone(), Seen { version: *version, read: true });
                    match self.read_file(path, now) {
                        Ok(file) => files.push(file),
                        Err(message) => changes.extend(self.refuse(path.clone(), message, now)),
                    }
                }
                _ => {}
            }
        }
        changes.extend(self.gone(&listed, now));
        (changes, files)
    }

    fn has_of_folder(&self) -> bool {
        self.in_force.iter().any(|it| it.kept.origin == PolicyOrigin::Folder)
    }

    fn read_file(&self, path: &Path, now: WallTime) -> Result<Read, String> {
        let source = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| format!("{source}: {error}"))?;
        let policies = self.parse(&source, &text, now)?;
        Ok(Read { path: path.to_owned(), source, text, policies })
    }

    /// The policies that would be in force with these files.
    pub fn with_files(&self, files: &[Read]) -> Vec<Policy> {
        let replaced = |it: &&InForce| files.iter().any(|file| file.source == it.kept.source);
        let others = self.in_force.iter().filter(|it| !replaced(it)).map(|it| it.policy.clone());
        others.chain(files.iter().flat_map(|file| file.policies.clone())).collect()
    }

    /// Puts a file into force.
    pub fn take(&mut self, file: Read, now: WallTime) -> Vec<Change> {
        let Read { path, source, text, policies } = file;
        for policy in &policies {
            let other =
                self.in_force.iter().find(|it| it.kept.name == policy.name() && it.kept.source != source);
            if let Some(other) = other {
                let message =
                    format!("{source}: {} is in force already, from {}", policy.name(), other.kept.source);
                return self.refuse(path, message, now);
            }
        }
        match self.take_file(&source, &text, &policies, now) {
            Ok(changes) => {
                self.refused.remove(&path);
                changes
            }
            Err(message) => self.refuse(path, message, now),
        }
    }

    /// Does not put a file into force; what it said before stays.
    pub fn leave(&mut self, file: &Read, why: &str, now: WallTime) -> Vec<Change> {
        self.refuse(file.path.clone(), format!("{}: {why}", file.source), now)
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
