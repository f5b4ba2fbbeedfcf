//! Whether the programs of the root cgroup are still there. Whoever has a descriptor of such a link can detach it, or give it
//! another program, and the kernel asks nobody when a pin is opened; links of other kinds know neither.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr, Program, SockOps};
use cofferdam_abi::map::own;

use crate::attach::{ATTACH_POINTS, AttachPoint, AttachTo};
use crate::claim::add;
use crate::load::{LoadError, describe};

const BPF_OBJ_GET: libc::c_long = 7;
/// What a pin is called until it takes the place of another; the kernel allows no dots.
const NEW: &str = "-new";

/// The links to the root cgroup.
pub(crate) struct Links {
    folder: PathBuf,
    root: PathBuf,
    held: Vec<Held>,
    lost: u64,
    trouble: Option<String>,
}

/// One of them. What is held stays attached also without its pin.
struct Held {
    point: &'static AttachPoint,
    link: OwnedFd,
}

impl Links {
    /// Takes hold of the links that are pinned in a folder.
    ///
    /// # Errors
    /// If one cannot be opened, or is not attached.
    pub(crate) fn open(ebpf: &Ebpf, folder: PathBuf, root: &Path) -> Result<Self, LoadError> {
        let cannot = |point: &AttachPoint, reason| LoadError::Other {
            what: format!("watch whether {} stays attached", point.program),
            reason,
        };
        let mut held = Vec::new();
        for point in ATTACH_POINTS.iter().filter(|point| matches!(point.to, AttachTo::RootCgroup(_))) {
            let link = pinned(&folder.join(point.program)).map_err(|reason| cannot(point, reason))?;
            let it = Held { point, link };
            if !it.is_attached(ebpf).map_err(|reason| cannot(point, reason))? {
                return Err(cannot(point, "the kernel says that it is not".to_owned()));
            }
            held.push(it);
        }
        Ok(Self { folder, root: root.to_owned(), held, lost: 0, trouble: None })
    }

    /// Attaches again what is attached no more.
    pub(crate) fn look(&mut self, ebpf: &mut Ebpf) {
        self.trouble = None;
        for it in &mut self.held {
            match it.is_attached(ebpf) {
                Ok(true) => continue,
                Ok(false) => self.lost += 1,
                Err(reason) => {
                    self.trouble =
                        Some(format!("whether {} is attached is not known: {reason}", it.point.program));
                    continue;
                }
            }
            let place = it.point.to.describe();
            match it.attach_again(ebpf, &self.folder, &self.root) {
                Ok(()) => tracing::error!(
                    program = it.point.program,
                    place,
                    without = it.point.without,
                    "somebody had detached it; it is attached again. Look for containers with the host's bpffs, or CAP_SYS_ADMIN"
                ),
                Err(reason) => {
                    tracing::error!(program = it.point.program, place, reason, "somebody has detached it");
                    self.trouble = Some(format!("{} cannot be attached again: {reason}", it.point.program));
                }
            }
        }
    }

    /// How often something was found detached.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Why something is not attached now, or not known to be.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

impl Held {
    fn is_attached(&self, ebpf: &Ebpf) -> Result<bool, String> {
        let program = ebpf.program(self.point.program).ok_or("the object has no such program")?;
        let program = program.info().map_err(|error| error.to_string())?;
        Ok(is_attached(&facts(&self.link)?, program.id()))
    }

    /// Beside the old link, whose pin then goes.
    fn attach_again(&mut self, ebpf: &mut Ebpf, folder: &Path, root: &Path) -> Result<(), String> {
        let program = ebpf.program_mut(self.point.program).ok_or("the object has no such program")?;
        let link = attach(program, self.point, root)?;
        let (path, new) =
            (folder.join(self.point.program), folder.join(format!("{}{NEW}", self.point.program)));
        link.pin(&new).map_err(|error| format!("cannot pin the link at {}: {error}", new.display()))?;
        self.link = pinned(&new)?;
        fs::rename(&new, &path).map_err(|error| format!("cannot rename {}: {error}", new.display()))?;
        let id = fact(&facts(&self.link)?, "link_id:").ok_or("the kernel does not tell the link's id")?;
        add(ebpf, own::link(id as u32)).map_err(|error| error.to_string())
    }
}

/// Attaches a program to the root cgroup. A link always attaches beside others; the kernel wants no flag for it.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn attach(program: &mut Program, point: &AttachPoint, root: &Path) -> Result<FdLink, String> {
    let at = fs::File::open(root).map_err(|error| format!("cannot open {}: {error}", root.display()))?;
    match program {
        Program::CgroupSockAddr(program) => link_of_addresses(program, &at),
        Program::CgroupSkb(program) => link_of_packets(program, point, &at),
        Program::SockOps(program) => link_of_sockets(program, &at),
        _ => Err("the program is of another type than its attach point".to_owned()),
    }
}

const NO_LINKS: &str = "this kernel has no cgroup links";

fn link_of_addresses(program: &mut CgroupSockAddr, at: &fs::File) -> Result<FdLink, String> {
    let id = program.attach(at, CgroupAttachMode::Single).map_err(describe)?;
    program.take_link(id).map_err(describe)?.try_into().map_err(|_| NO_LINKS.to_owned())
}

fn link_of_packets(program: &mut CgroupSkb, point: &AttachPoint, at: &fs::File) -> Result<FdLink, String> {
    let direction = match point.to {
        AttachTo::RootCgroup("skb/ingress") => CgroupSkbAttachType::Ingress,
        _ => CgroupSkbAttachType::Egress,
    };
    let id = program.attach(at, direction, CgroupAttachMode::Single).map_err(describe)?;
    program.take_link(id).map_err(describe)?.try_into().map_err(|_| NO_LINKS.to_owned())
}

fn link_of_sockets(program: &mut SockOps, at: &fs::File) -> Result<FdLink, String> {
    let id = program.attach(at, CgroupAttachMode::Single).map_err(describe)?;
    program.take_link(id).map_err(describe)?.try_into().map_err(|_| NO_LINKS.to_owned())
}

/// A descriptor of what is pinned there. aya shows nobody that of its own.
fn pinned(path: &Path) -> Result<OwnedFd, String> {
    let at = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    // `union bpf_attr` of BPF_OBJ_GET: the address of the path, a descriptor that is not used, no flags.
    let attributes = [at.as_ptr() as u64, 0];
    // SAFETY: the kernel reads the attributes, which are as long as is said, and the path; both outlive the call.
    let opened =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_OBJ_GET, attributes.as_ptr(), size_of_val(&attributes)) };
    if opened < 0 {
        return Err(format!("cannot open {}: {}", path.display(), std::io::Error::last_os_error()));
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(opened as RawFd) })
}

/// What the kernel tells of a link (`bpf_link_show_fdinfo`, kernel/bpf/syscall.c).
fn facts(link: &OwnedFd) -> Result<String, String> {
    let path = format!("/proc/self/fdinfo/{}", link.as_raw_fd());
    fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
}

/// Whether a link still stands at a cgroup, with this program.
fn is_attached(facts: &str, program: u32) -> bool {
    let is_at_cgroup = fact(facts, "cgroup_id:").is_some_and(|id| id != 0);
    is_at_cgroup && fact(facts, "prog_id:") == Some(program.into())
}

fn fact(facts: &str, name: &str) -> Option<u64> {
    facts.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(program: u32, cgroup: u64) -> String {
        format!(
            "pos:\t0\nlink_type:\tcgroup\nlink_id:\t7\nprog_id:\t{program}\ncgroup_id:\t{cgroup}\nattach_type:\t10\n"
        )
    }

    #[test]
    fn a_link_without_its_cgroup_or_with_another_program_is_not_attached() {
        assert!(is_attached(&told(12, 1), 12));
        assert!(!is_attached(&told(12, 0), 12));
        assert!(!is_attached(&told(13, 1), 12));
        assert!(!is_attached("pos:\t0\n", 12));
    }
}
