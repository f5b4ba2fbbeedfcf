//! Opening files, by every call that can, and what gives files other names.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag};
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::Mode;

use crate::actor::given::senseless;
use crate::actor::{Doing, Done, Given, Hands};

/// `open PATH [FLAG,FLAG…]`: opens, reads to the end if it may, says how many bytes there were.
pub(super) fn open(given: &Given<'_>, _: &mut Hands) -> Done {
    let (path, flags) = (given.text(0, "path")?, flags(given.optional(1))?);
    let file =
        nix::fcntl::open(path, flags, Mode::from_bits_truncate(0o644)).doing(|| format!("opening {path}"))?;
    drained(file, flags, path)
}

/// `open-in-thread PATH`: as `open`, in a thread of its own.
pub(super) fn in_thread(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let open = || {
        let file =
            nix::fcntl::open(path, OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("opening {path}"))?;
        drained(file, OFlag::O_RDONLY, path)
    };
    let opened = std::thread::scope(|scope| scope.spawn(open).join());
    opened.unwrap_or_else(|_| Err(senseless("the thread panicked".to_owned())))
}

/// `creat PATH`
pub(super) fn creat(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let text = c_string(path)?;
    // SAFETY: the path is a string ended by NUL that lives until the call returns.
    let result = unsafe { libc::creat(text.as_ptr(), 0o644) };
    let descriptor = Errno::result(result).doing(|| format!("creating {path}"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
    Ok(String::new())
}

/// `openat FOLDER NAME`
pub(super) fn openat(given: &Given<'_>, _: &mut Hands) -> Done {
    let (folder, name) = (given.text(0, "folder")?, given.text(1, "name")?);
    let opened = nix::fcntl::open(folder, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .doing(|| format!("opening {folder}"))?;
    let file = nix::fcntl::openat(&opened, name, OFlag::O_CLOEXEC, Mode::empty())
        .doing(|| format!("opening {name} in {folder}"))?;
    drained(file, OFlag::O_RDONLY, name)
}

/// `openat2 PATH [RESOLVE,RESOLVE…]`
pub(super) fn openat2(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let resolve = given.optional(1).unwrap_or_default().split(',').filter(|word| !word.is_empty());
    let resolve = resolve.map(|word| match word {
        "no-symlinks" => Ok(ResolveFlag::RESOLVE_NO_SYMLINKS),
        "no-magiclinks" => Ok(ResolveFlag::RESOLVE_NO_MAGICLINKS),
        "no-xdev" => Ok(ResolveFlag::RESOLVE_NO_XDEV),
        "in-root" => Ok(ResolveFlag::RESOLVE_IN_ROOT),
        "beneath" => Ok(ResolveFlag::RESOLVE_BENEATH),
        other => Err(senseless(format!("`{other}` is no way to resolve"))),
    });
    let resolve = resolve.collect::<Result<ResolveFlag, _>>()?;
    let how = OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC).resolve(resolve);
    let file = nix::fcntl::openat2(AT_FDCWD, path, how).doing(|| format!("openat2 of {path}"))?;
    drained(file, OFlag::O_RDONLY, path)
}

/// `open-by-handle PATH`: asks for the file's handle, then opens it by that; needs `CAP_DAC_READ_SEARCH`.
pub(super) fn by_handle(given: &Given<'_>, _: &mut Hands) -> Done {
    /// `struct file_handle` with room for every file system's.
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        handle: [u8; 128],
    }
    let path = given.text(0, "path")?;
    let text = c_string(path)?;
    let folder =
        path.rsplit_once('/').map_or(".", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    let mount = nix::fcntl::open(folder, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .doing(|| format!("opening {folder}"))?;
    let mut handle = Handle { bytes: 128, kind: 0, handle: [0; 128] };
    let mut mount_id = 0;
    let at = (&raw mut handle).cast::<libc::file_handle>();
    // SAFETY: the path ends by NUL; `at` points to a `file_handle` with as much room as `bytes` says; both it and
    // `mount_id` live until the call returns.
    let told = unsafe {
        libc::name_to_handle_at(libc::AT_FDCWD, text.as_ptr(), at, &raw mut mount_id, libc::AT_SYMLINK_FOLLOW)
    };
    Errno::result(told).doing(|| format!("asking for the handle of {path}"))?;
    // SAFETY: as above; the descriptor of the mount is open.
    let opened = unsafe { libc::open_by_handle_at(mount.as_raw_fd(), at, libc::O_RDONLY | libc::O_CLOEXEC) };
    let descriptor = Errno::result(opened).doing(|| format!("opening {path} by its handle"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    drained(unsafe { OwnedFd::from_raw_fd(descriptor) }, OFlag::O_RDONLY, path)
}

/// `open-mmap PATH`: opens, maps, and looks at the first byte without a read.
pub(super) fn mapped(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let file = nix::fcntl::open(path, OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("opening {path}"))?;
    map(file, path)
}

/// `open-root PATH`: through `/proc/self/root`.
pub(super) fn through_proc_root(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = format!("/proc/self/root{}", given.text(0, "path")?);
    let file = nix::fcntl::open(path.as_str(), OFlag::O_CLOEXEC, Mode::empty())
        .doing(|| format!("opening {path}"))?;
    drained(file, OFlag::O_RDONLY, &path)
}

/// `link OLD NEW`
pub(super) fn link(given: &Given<'_>, _: &mut Hands) -> Done {
    let (old, new) = (given.text(0, "old name")?, given.text(1, "new name")?);
    fs::hard_link(old, new).doing(|| format!("linking {new} to {old}"))?;
    Ok(String::new())
}

/// `symlink TARGET NAME`
pub(super) fn symlink(given: &Given<'_>, _: &mut Hands) -> Done {
    let (target, name) = (given.text(0, "target")?, given.text(1, "name")?);
    std::os::unix::fs::symlink(target, name).doing(|| format!("making {name} point to {target}"))?;
    Ok(String::new())
}

/// `rename OLD NEW`
pub(super) fn rename(given: &Given<'_>, _: &mut Hands) -> Done {
    let (old, new) = (given.text(0, "old name")?, given.text(1, "new name")?);
    fs::rename(old, new).doing(|| format!("renaming {old} to {new}"))?;
    Ok(String::new())
}

/// `unlink PATH`
pub(super) fn unlink(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    fs::remove_file(path).doing(|| format!("removing {path}"))?;
    Ok(String::new())
}

/// `rmdir PATH`
pub(super) fn rmdir(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    fs::remove_dir(path).doing(|| format!("removing the folder {path}"))?;
    Ok(String::new())
}

/// `write PATH MODE TEXT`
pub(super) fn write(given: &Given<'_>, _: &mut Hands) -> Done {
    let (path, mode, text) = (given.text(0, "path")?, given.text(1, "mode")?, given.text(2, "text")?);
    let mode = u32::from_str_radix(mode, 8).map_err(|_| senseless(format!("`{mode}` is no mode")))?;
    let mut file = File::create(path).doing(|| format!("creating {path}"))?;
    file.write_all(text.as_bytes()).doing(|| format!("writing {path}"))?;
    file.set_permissions(PermissionsExt::from_mode(mode)).doing(|| format!("changing the mode of {path}"))?;
    Ok(String::new())
}

/// Maps a file and touches its first byte.
pub(super) fn map(file: impl AsFd, name: &str) -> Done {
    const LENGTH: NonZeroUsize = NonZeroUsize::MIN;
    // SAFETY: a new private mapping at an address of the kernel's choice overlaps nothing.
    let at = unsafe { mmap(None, LENGTH, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, file, 0) }
        .doing(|| format!("mapping {name}"))?;
    // SAFETY: the mapping is one page of a file that is not empty, and it is unmapped only afterwards, once.
    unsafe {
        std::hint::black_box(at.cast::<u8>().as_ptr().read_volatile());
        munmap(at, LENGTH.get()).doing(|| format!("unmapping {name}"))?;
    }
    Ok("1".to_owned())
}

/// Reads to the end where the flags allow it, and drops what was read.
pub(super) fn drained(file: OwnedFd, flags: OFlag, name: &str) -> Done {
    let writes = flags.contains(OFlag::O_WRONLY);
    if writes || flags.intersects(OFlag::O_PATH | OFlag::O_DIRECTORY) {
        return Ok("0".to_owned());
    }
    let mut content = Vec::new();
    let read = File::from(file).read_to_end(&mut content).doing(|| format!("reading {name}"))?;
    Ok(read.to_string())
}

pub(super) fn flags(words: Option<&str>) -> Result<OFlag, crate::actor::Refused> {
    let mut flags = OFlag::O_CLOEXEC;
    for word in words.unwrap_or_default().split(',').filter(|word| !word.is_empty()) {
        flags |= match word {
            "read" => OFlag::O_RDONLY,
            "write" => OFlag::O_WRONLY,
            "read-write" => OFlag::O_RDWR,
            "append" => OFlag::O_APPEND,
            "create" => OFlag::O_CREAT,
            "truncate" => OFlag::O_TRUNC,
            "path" => OFlag::O_PATH,
            "directory" => OFlag::O_DIRECTORY,
            "nofollow" => OFlag::O_NOFOLLOW,
            "nonblock" => OFlag::O_NONBLOCK,
            other => return Err(senseless(format!("`{other}` is no flag"))),
        };
    }
    Ok(flags)
}

pub(super) fn c_string(text: &str) -> Result<CString, crate::actor::Refused> {
    CString::new(text).map_err(|_| senseless("a zero byte in a path".to_owned()))
}
