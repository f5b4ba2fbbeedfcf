//! Which kernel objects are the agent's own: containers may not change them.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapInfo};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{ProgramInfo, loaded_programs};
use cofferdam_abi::map::own;

use crate::load::LoadError;
use crate::pins::{Version, read_dir};

/// Makes the kernel's table of them name exactly what is ours now: the tables of a version, its programs and its links, of
/// every generation that has pins. What is gone is forgotten first: each start has new numbers, and the table has an end.
/// Nothing that still works on our tables is without protection meanwhile.
///
/// # Errors
/// If a pin cannot be opened, or the kernel refuses.
pub(crate) fn claim(ebpf: &mut Ebpf, version: &Version) -> Result<(), LoadError> {
    let ours = ours(ebpf, version)?;
    let mut claimed = table(ebpf)?;
    let named: Vec<u64> = claimed.keys().collect::<Result<_, _>>().map_err(|error| cannot(TABLE, &error))?;
    for gone in named.iter().filter(|key| !ours.contains(key)) {
        claimed.remove(gone).map_err(|error| cannot(TABLE, &error))?;
    }
    ours.into_iter().try_for_each(|key| claimed.insert(key, 1, 0)).map_err(|error| cannot(TABLE, &error))
}

/// Names one more.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn add(ebpf: &mut Ebpf, key: u64) -> Result<(), LoadError> {
    table(ebpf)?.insert(key, 1, 0).map_err(|error| cannot(TABLE, &error))
}

const TABLE: &str = "OWN";

fn table(ebpf: &mut Ebpf) -> Result<HashMap<&mut MapData, u64, u8>, LoadError> {
    let map = ebpf.map_mut(TABLE).ok_or_else(|| cannot(TABLE, &"the object has no such table"))?;
    HashMap::try_from(map).map_err(|error| cannot(TABLE, &error))
}

/// Keys of all that is ours now.
fn ours(ebpf: &Ebpf, version: &Version) -> Result<BTreeSet<u64>, LoadError> {
    let mut keys = BTreeSet::new();
    for path in read_dir(&version.maps())? {
        let info = MapInfo::from_pin(&path).map_err(|error| cannot(path.display(), &error))?;
        keys.insert(own::map(info.id()));
    }
    let mut attached = HashSet::new();
    for generation in read_dir(&version.links())? {
        for path in read_dir(&generation)? {
            let pin = PinnedLink::from_pin(&path).map_err(|error| cannot(path.display(), &error))?;
            let info = FdLink::from(pin).info().map_err(|error| cannot(path.display(), &error))?;
            keys.insert(own::link(info.id()));
            attached.insert(info.program_id());
        }
    }
    // Also the tables that are not pinned: the programs' own variables. Of our programs, attached or not ...
    for (name, program) in ebpf.programs().filter(|(_, program)| program.fd().is_ok()) {
        let info = program.info().map_err(|error| cannot(name, &error))?;
        keys.insert(own::program(info.id()));
        keys.extend(tables_of(&info)?);
    }
    // ... and of those before, which decide until ours do. Programs of others come and go.
    for info in loaded_programs().flatten().filter(|info| attached.contains(&info.id())) {
        keys.insert(own::program(info.id()));
        keys.extend(tables_of(&info)?);
    }
    Ok(keys)
}

fn tables_of(program: &ProgramInfo) -> Result<Vec<u64>, LoadError> {
    let name = program.name_as_str().unwrap_or("a program").to_owned();
    let used = program.map_ids().map_err(|error| cannot(&name, &error))?;
    Ok(used.into_iter().flatten().map(own::map).collect())
}

/// Inode number of the folder that pins lie in.
///
/// # Errors
/// If it is not there.
pub(crate) fn folder_of_pins(pin_dir: &Path) -> Result<u64, LoadError> {
    let found = fs::metadata(pin_dir);
    let found =
        found.map_err(|source| LoadError::PinDir { what: "look at", path: pin_dir.to_owned(), source });
    Ok(found?.ino())
}

fn cannot(what: impl Display, why: &dyn Display) -> LoadError {
    LoadError::Other { what: format!("keep containers from {what}"), reason: why.to_string() }
}
