//! Segments as files: their names, which sort by time, and what lies beside them.
//!
//! `journal-20261122T050000.500000000Z.sqlite`, with SQLite's `-wal`, `-shm` and `-journal`; a corrupt one becomes
//! `journal-….sqlite.corrupt-<time>` and is never written again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cofferdam_model::WallTime;

use crate::Error;
use crate::error::Doing;

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".sqlite";
const SET_ASIDE: &str = ".sqlite.corrupt-";
/// What a segment is called while it is being made.
pub(crate) const UNFINISHED: &str = ".sqlite.new";
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A file of the journal: a segment, or one that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentFile {
    /// Wall clock when it was begun.
    pub(crate) opened: WallTime,
    pub(crate) path: PathBuf,
}

impl SegmentFile {
    pub(crate) fn at(dir: &Path, opened: WallTime) -> Self {
        Self { opened, path: dir.join(format!("{PREFIX}{}{SUFFIX}", compact(opened))) }
    }

    /// Where it is built before it gets its name.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.with_extension("sqlite.new")
    }

    pub(crate) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Bytes on disk, companions included.
    pub(crate) fn bytes(&self) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |m| m.len());
        size(&self.path) + COMPANIONS.iter().map(|end| size(&with_end(&self.path, end))).sum::<u64>()
    }

    pub(crate) fn has_wal(&self) -> bool {
        fs::metadata(with_end(&self.path, "-wal")).is_ok_and(|m| m.len() > 0)
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        remove_database(&self.path).doing("remove the journal segment", &self.path)
    }

    /// Renames it and its companions, so that SQLite tools can still open it.
    pub(crate) fn set_aside(&self, now: WallTime) -> Result<PathBuf, Error> {
        let mut aside = with_end(&self.path, &format!(".corrupt-{}", compact(now)));
        while aside.exists() {
            aside = with_end(&aside, "x");
        }
        for end in COMPANIONS {
            let from = with_end(&self.path, end);
            if from.exists() {
                fs::rename(&from, with_end(&aside, end)).doing("set aside", &from)?;
            }
        }
        fs::rename(&self.path, &aside).doing("set aside the corrupt journal segment", &self.path)?;
        Ok(aside)
    }
}

/// Removes a database and its companions; what is not there is no error.
pub(crate) fn remove_database(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    gone(fs::remove_file(path))?;
    COMPANIONS.iter().try_for_each(|end| gone(fs::remove_file(with_end(path, end))))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(end);
    PathBuf::from(text)
}

/// What lies in a journal's directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Oldest first.
    pub(crate) segments: Vec<SegmentFile>,
    /// Set aside as corrupt, oldest first.
    pub(crate) set_aside: Vec<SegmentFile>,
    /// Begun by an agent that died before they were ready.
    pub(crate) unfinished: Vec<PathBuf>,
}

/// Lists a journal's directory; other files are left out.
pub(crate) fn list(dir: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(dir).doing("list the journal's directory", dir)? {
        let path = entry.doing("list the journal's directory", dir)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if COMPANIONS.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        if rest.ends_with(UNFINISHED) {
            listing.unfinished.push(path);
        } else if let Some(opened) = rest.strip_suffix(SUFFIX).and_then(parse) {
            listing.segments.push(SegmentFile { opened, path });
        } else if let Some(opened) = rest.split_once(SET_ASIDE).and_then(|(opened, _)| parse(opened)) {
            listing.set_aside.push(SegmentFile { opened, path });
        }
    }
    listing.segments.sort();
    listing.set_aside.sort();
    Ok(listing)
}

fn compact(time: WallTime) -> String {
    time.to_string().replace(['-', ':'], "")
}

fn parse(text: &str) -> Option<WallTime> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_found_again_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = SegmentFile::at(dir.path(), "2026-11-22T05:00:00.5Z".parse().unwrap());
        assert_eq!(file.name(), "journal-20261122T050000.500000000Z.sqlite");
        fs::write(&file.path, b"").unwrap();
        fs::write(with_end(&file.path, "-wal"), b"x").unwrap();
        fs::write(dir.path().join("journal-notes.sqlite"), b"").unwrap();
        assert_eq!(list(dir.path()).unwrap().segments, std::slice::from_ref(&file));
        assert!(file.has_wal());
    }

    #[test]
    fn a_segment_that_is_set_aside_takes_its_log_along_and_never_replaces_another() {
        let dir = tempfile::tempdir().unwrap();
        let now = "2026-11-22T06:00:00Z".parse().unwrap();
        let file = SegmentFile::at(dir.path(), "2026-11-22T05:00:00Z".parse().unwrap());
        for content in ["first", "second"] {
            fs::write(&file.path, content).unwrap();
            fs::write(with_end(&file.path, "-wal"), content).unwrap();
            let aside = file.set_aside(now).unwrap();
            assert_eq!(fs::read_to_string(&aside).unwrap(), content);
            assert_eq!(fs::read_to_string(with_end(&aside, "-wal")).unwrap(), content);
        }
        let listing = list(dir.path()).unwrap();
        assert_eq!((listing.segments.len(), listing.set_aside.len()), (0, 2));
        assert_eq!(listing.set_aside[0].opened, file.opened);
    }
}
