//! bpf(2): tables of one's own, and those of others.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

use super::open::c_string;
use crate::actor::{Doing, Done, Given, Hands};

/// Commands of bpf(2), include/uapi/linux/bpf.h.
const MAP_CREATE: i32 = 0;
const MAP_LOOKUP_ELEM: i32 = 1;
const MAP_UPDATE_ELEM: i32 = 2;
const OBJ_GET: i32 = 7;
const PROG_GET_FD_BY_ID: i32 = 13;
const MAP_GET_FD_BY_ID: i32 = 14;
const LINK_GET_FD_BY_ID: i32 = 30;
const LINK_DETACH: i32 = 34;

/// `bpf-map`: has the kernel make a table for programs; needs `CAP_BPF`.
pub(super) fn map(_: &Given<'_>, _: &mut Hands) -> Done {
    // An array of one word.
    let made = descriptor(MAP_CREATE, &[2, 4, 4, 1]);
    made.map(|_| String::new()).doing(|| "making a table for programs".to_owned())
}

/// `bpf-get NAME PATH`: opens what is pinned there, and keeps it.
pub(super) fn get(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, path) = (given.text(0, "name")?, given.text(1, "path")?);
    let at = c_string(path)?;
    let [low, high] = words(at.as_ptr());
    hands.hold(name, descriptor(OBJ_GET, &[low, high, 0, 0]).doing(|| format!("opening the pin {path}"))?);
    Ok(String::new())
}

/// `bpf-map-by-id NAME ID`: opens any table of the kernel, and keeps it; needs `CAP_SYS_ADMIN`.
pub(super) fn map_by_id(given: &Given<'_>, hands: &mut Hands) -> Done {
    by_id(MAP_GET_FD_BY_ID, "table", given, hands)
}

/// `bpf-link-by-id NAME ID`: the same of a link.
pub(super) fn link_by_id(given: &Given<'_>, hands: &mut Hands) -> Done {
    by_id(LINK_GET_FD_BY_ID, "link", given, hands)
}

/// `bpf-program-by-id NAME ID`: the same of a program.
pub(super) fn program_by_id(given: &Given<'_>, hands: &mut Hands) -> Done {
    by_id(PROG_GET_FD_BY_ID, "program", given, hands)
}

fn by_id(command: i32, what: &str, given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, id) = (given.text(0, "name")?, given.parsed(1, "id")?);
    let opened = descriptor(command, &[id, 0, 0, 0]).doing(|| format!("opening the {what} {id}"))?;
    hands.hold(name, opened);
    Ok(String::new())
}

/// `bpf-detach NAME`: takes the program of a link away from where it is attached.
pub(super) fn detach(given: &Given<'_>, hands: &mut Hands) -> Done {
    let name = given.text(0, "name")?;
    let link = hands.held(name)?.as_raw_fd() as u32;
    called(LINK_DETACH, &[link]).doing(|| format!("detaching the link {name}"))?;
    Ok(String::new())
}

/// `bpf-rewrite NAME`: writes the first element of an array of eight bytes each, as it is.
pub(super) fn rewrite(given: &Given<'_>, hands: &mut Hands) -> Done {
    let name = given.text(0, "name")?;
    let (key, mut value) = (0u32, 0u64);
    let [key_low, key_high] = words(&raw const key);
    let [value_low, value_high] = words(&raw mut value);
    let table = hands.held(name)?.as_raw_fd() as u32;
    let element = [table, 0, key_low, key_high, value_low, value_high, 0, 0];
    called(MAP_LOOKUP_ELEM, &element).doing(|| format!("reading the table {name}"))?;
    called(MAP_UPDATE_ELEM, &element).doing(|| format!("writing the table {name}"))?;
    Ok(String::new())
}

/// An address as the two words that `union bpf_attr` has for it, on machines that begin with the lower one.
fn words<T>(at: *const T) -> [u32; 2] {
    let address = at as u64;
    [address as u32, (address >> 32) as u32]
}

fn descriptor(command: i32, attributes: &[u32]) -> Result<OwnedFd, Errno> {
    let made = called(command, attributes)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// Calls bpf(2) with the first words of `union bpf_attr`.
fn called(command: i32, attributes: &[u32]) -> Result<i32, Errno> {
    // SAFETY: the attributes are as long as is said; they, and what they point to, live until the call returns, and the
    // values that the commands of this file write have their place there.
    let said = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
    Ok(Errno::result(said)? as i32)
}
