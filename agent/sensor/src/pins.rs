//! Pins, by version: `<pin dir>/v<ABI version>/maps/<NAME>` and `.../links/<generation>/<program>`.
//!
//! One version is in charge: the slot of its active generation is not 0. Tables in which it is 0 were never whole (an agent
//! ended while it carried them over), or have been handed over; nothing is decided by them, and they may go.

use std::fs;
use std::path::{Path, PathBuf};

use aya::maps::{Array, Map, MapData};
use cofferdam_abi::ABI_VERSION;
use cofferdam_abi::map::control;

use crate::load::LoadError;

/// The pins of one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) number: u32,
    dir: PathBuf,
}

impl Version {
    /// This agent's.
    pub(crate) fn own(pin_dir: &Path) -> Self {
        Self { number: ABI_VERSION, dir: pin_dir.join(format!("v{ABI_VERSION}")) }
    }

    /// Those of other agents, oldest first.
    pub(crate) fn others(pin_dir: &Path) -> Result<Vec<Self>, LoadError> {
        let mut found = Self::all(pin_dir)?;
        found.retain(|version| version.number != ABI_VERSION);
        Ok(found)
    }

    /// Those of every agent, oldest first. Only folders of ours: the kernel keeps files of its own at the root of a bpffs.
    pub(crate) fn all(pin_dir: &Path) -> Result<Vec<Self>, LoadError> {
        let version = |dir: PathBuf| Some(Self { number: number_of(&dir)?, dir });
        let mut found: Vec<Self> = read_dir(pin_dir)?.into_iter().filter_map(version).collect();
        found.sort();
        Ok(found)
    }

    /// Its tables.
    pub(crate) fn maps(&self) -> PathBuf {
        self.dir.join("maps")
    }

    /// Its links.
    pub(crate) fn links(&self) -> PathBuf {
        self.dir.join("links")
    }

    /// Number of the generation that decides by its tables; 0: none does.
    pub(crate) fn active(&self) -> Result<u64, LoadError> {
        let Some(slots) = self.slots()? else { return Ok(0) };
        slots.get(&control::ACTIVE_GENERATION, 0).map_err(|error| self.cannot("read", &error))
    }

    /// From here on nothing is decided by its tables.
    fn dismiss(&self) -> Result<(), LoadError> {
        let Some(mut slots) = self.slots()? else { return Ok(()) };
        slots.set(control::ACTIVE_GENERATION, 0, 0).map_err(|error| self.cannot("write", &error))
    }

    fn slots(&self) -> Result<Option<Array<MapData, u64>>, LoadError> {
        let path = self.control();
        if !path.exists() {
            return Ok(None);
        }
        let data = MapData::from_pin(&path).map_err(|error| self.cannot("open", &error))?;
        let map = Map::from_map_data(data).map_err(|error| self.cannot("open", &error))?;
        Array::try_from(map).map(Some).map_err(|error| self.cannot("open", &error))
    }

    fn control(&self) -> PathBuf {
        self.maps().join("CONTROL")
    }

    fn cannot(&self, what: &str, why: &dyn std::fmt::Display) -> LoadError {
        let what = format!("{what} {}", self.control().display());
        LoadError::Other { what, reason: why.to_string() }
    }

    /// Removes its pins: programs detach, then tables are freed. No program may run on tables that are going.
    pub(crate) fn remove(&self) -> Result<(), LoadError> {
        [self.links(), self.dir.clone()]
            .iter()
            .filter(|dir| dir.exists())
            .try_for_each(|dir| remove_tree(dir))
    }
}

fn number_of(dir: &Path) -> Option<u32> {
    dir.file_name()?.to_str()?.strip_prefix('v')?.parse().ok()
}

/// Removes what other versions have left, once this one enforces everything: says which. Ended at any moment, the next
/// call goes on.
///
/// # Errors
/// If a pin cannot be removed.
pub fn retire(pin_dir: &Path) -> Result<Vec<u32>, LoadError> {
    let others = Version::others(pin_dir)?;
    for version in &others {
        version.dismiss()?;
        version.remove()?;
    }
    Ok(others.iter().map(|version| version.number).collect())
}

/// Removes every pin of every version: programs detach, tables are freed.
///
/// # Errors
/// If a pin cannot be removed.
pub fn unload(pin_dir: &Path) -> Result<(), LoadError> {
    Version::all(pin_dir)?.iter().try_for_each(Version::remove)
}

pub(crate) fn make_dir(path: &Path) -> Result<(), LoadError> {
    fs::create_dir_all(path).map_err(|source| LoadError::PinDir {
        what: "create the pin folder",
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn read_dir(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let error = |source| LoadError::PinDir { what: "list the pins in", path: path.to_owned(), source };
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(error)).collect(),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(error(source)),
    }
}

pub(crate) fn remove_tree(path: &Path) -> Result<(), LoadError> {
    fs::remove_dir_all(path).map_err(|source| LoadError::PinDir {
        what: "remove the pins in",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_named_after_a_version_are_ours() {
        assert_eq!(number_of(Path::new("/sys/fs/bpf/cofferdam/v12")), Some(12));
        for foreign in ["v", "vx", "12", "maps.debug", "v1.bak"] {
            assert_eq!(number_of(&Path::new("/sys/fs/bpf").join(foreign)), None, "{foreign}");
        }
    }
}
