//! Other processes: their memory and their descriptors; and what this process is.

use std::hint::black_box;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use nix::sys::uio::{RemoteIoVec, pread, process_vm_readv};
use nix::unistd::{Pid, Uid, chdir, getpid, gettid, setuid};

use crate::actor::{Doing, Done, Given, Hands};

/// Something to be read by others.
static SHOWN: [u8; 16] = [7; 16];

/// `thread`: a thread that does nothing; says its id.
pub(super) fn thread(_: &Given<'_>, _: &mut Hands) -> Done {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(gettid());
        loop {
            thread::park();
        }
    });
    let told = receiver.recv().map_err(|_| Errno::ESRCH);
    Ok(told.doing(|| "starting a thread".to_owned())?.to_string())
}

/// `pid`: of this process, in its own pid namespace.
pub(super) fn pid(_: &Given<'_>, _: &mut Hands) -> Done {
    Ok(getpid().to_string())
}

/// `setuid UID`
pub(super) fn set_uid(given: &Given<'_>, _: &mut Hands) -> Done {
    let uid = given.parsed(0, "user id")?;
    setuid(Uid::from_raw(uid)).doing(|| format!("becoming user {uid}"))?;
    Ok(String::new())
}

/// `address`: where this process has something to be read, as a number.
pub(super) fn address(_: &Given<'_>, _: &mut Hands) -> Done {
    Ok((black_box(&SHOWN).as_ptr() as usize).to_string())
}

/// `vm-read PID ADDRESS`
pub(super) fn vm_read(given: &Given<'_>, _: &mut Hands) -> Done {
    let (pid, base) = (given.parsed(0, "process id")?, given.parsed(1, "address")?);
    let mut content = [0; 16];
    let len = content.len();
    let read = process_vm_readv(
        Pid::from_raw(pid),
        &mut [IoSliceMut::new(&mut content)],
        &[RemoteIoVec { base, len }],
    );
    Ok(read.doing(|| format!("reading the memory of {pid}"))?.to_string())
}

/// `ptrace PID`: takes hold of a process and lets it go.
pub(super) fn ptrace(given: &Given<'_>, _: &mut Hands) -> Done {
    let pid = Pid::from_raw(given.parsed(0, "process id")?);
    ptrace::seize(pid, Options::empty()).doing(|| format!("tracing {pid}"))?;
    ptrace::interrupt(pid).doing(|| format!("stopping {pid}"))?;
    nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::__WALL))
        .doing(|| format!("waiting for {pid}"))?;
    ptrace::detach(pid, None).doing(|| format!("letting {pid} go"))?;
    Ok(String::new())
}

/// `pidfd-getfd PID DESCRIPTOR NAME`: copies a descriptor out of another process and keeps it.
pub(super) fn pidfd_getfd(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (pid, wanted): (i32, i32) = (given.parsed(0, "process id")?, given.parsed(1, "descriptor")?);
    // SAFETY: the call takes numbers only.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let opened = Errno::result(opened).doing(|| format!("opening process {pid}"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    let process = unsafe { OwnedFd::from_raw_fd(opened as i32) };
    // SAFETY: as above, with an open descriptor.
    let copied = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), wanted, 0) };
    let copied = Errno::result(copied).doing(|| format!("taking descriptor {wanted} of {pid}"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    hands.hold(given.text(2, "name")?, unsafe { OwnedFd::from_raw_fd(copied as i32) });
    Ok(String::new())
}

/// `read-mem PID ADDRESS`: through `/proc/<pid>/mem`.
pub(super) fn read_mem(given: &Given<'_>, _: &mut Hands) -> Done {
    let (pid, address) = (given.text(0, "process id")?, given.parsed::<i64>(1, "address")?);
    let path = format!("/proc/{pid}/mem");
    let file = open(path.as_str(), OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("opening {path}"))?;
    let mut some = [0; 16];
    let read = pread(&file, &mut some, address).doing(|| format!("reading {path}"))?;
    Ok(read.to_string())
}

/// `dumpable`: whether this process may be dumped.
pub(super) fn dumpable(_: &Given<'_>, _: &mut Hands) -> Done {
    // SAFETY: this call takes numbers only.
    let told = unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) };
    Ok(Errno::result(told).doing(|| "asking whether we are dumpable".to_owned())?.to_string())
}

/// `dumps-into FOLDER`: a core of this process is to lie there, whatever its size.
pub(super) fn dumps_into(given: &Given<'_>, _: &mut Hands) -> Done {
    let folder = given.text(0, "folder")?;
    chdir(folder).doing(|| format!("going to {folder}"))?;
    let (_, most) = getrlimit(Resource::RLIMIT_CORE).doing(|| "asking for the limit of cores".to_owned())?;
    setrlimit(Resource::RLIMIT_CORE, most, most).doing(|| "raising the limit of cores".to_owned())?;
    Ok(most.to_string())
}

/// `signal PID SIGNAL`
pub(super) fn signal(given: &Given<'_>, _: &mut Hands) -> Done {
    let (pid, number) = (given.parsed(0, "process id")?, given.parsed::<i32>(1, "signal")?);
    // SAFETY: the call takes numbers only.
    let sent = unsafe { libc::kill(pid, number) };
    Errno::result(sent).doing(|| format!("sending signal {number} to {pid}"))?;
    Ok(String::new())
}
