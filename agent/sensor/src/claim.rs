//! Which kernel objects are the agent's own: containers may not change them.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aya::Ebpf;
use aya::maps::{HashMap, MapInfo};
use aya::programs::links::{FdLink, PinnedLink};
use cofferdam_abi::map::own;

use crate::load::LoadError;
use crate::pins::{Version, read_dir};

/// Names the pinned tables of a version, and the links of one generation, in the kernel's table of them.
///
/// # Errors
/// If a pin cannot be opened, or the kernel refuses.
pub(crate) fn claim(
    ebpf: &mut Ebpf,
    pin_dir: &Path,
    version: &Version,
    generation: u64,
) -> Result<(), LoadError> {
    let mut keys = Vec::new();
    for path in read_dir(&version.maps())? {
        let info = MapInfo::from_pin(&path).map_err(|error| cannot(&path, &error))?;
        keys.push(own::map(info.id()));
    }
    for path in read_dir(&version.links().join(generation.to_string()))? {
        let link = FdLink::from(PinnedLink::from_pin(&path).map_err(|error| cannot(&path, &error))?);
        let info = link.info().map_err(|error| cannot(&path, &error))?;
        keys.push(own::link(info.id()));
    }
    let none = || cannot(pin_dir, &"the object has no OWN table");
    let map = ebpf.map_mut("OWN").ok_or_else(none)?;
    let mut claimed = HashMap::<_, u64, u8>::try_from(map).map_err(|error| cannot(pin_dir, &error))?;
    keys.into_iter().try_for_each(|key| claimed.insert(key, 1, 0)).map_err(|error| cannot(pin_dir, &error))
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

fn cannot(what: &Path, why: &dyn Display) -> LoadError {
    LoadError::Other { what: format!("keep containers from {}", what.display()), reason: why.to_string() }
}
