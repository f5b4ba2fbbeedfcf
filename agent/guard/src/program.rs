//! The rules: a program in the kernel, run in our own context about a descriptor of ours.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use cofferdam_abi::map::guard;

use crate::judge::{Rules, Said};

const BPF_PROG_TEST_RUN: libc::c_long = 10;

/// `union bpf_attr`, its `test` member, include/uapi/linux/bpf.h.
#[repr(C)]
#[derive(Default)]
struct TestAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    reserved: u32,
}

/// The program, as the agent has handed it over.
#[derive(Debug)]
pub struct Program(OwnedFd);

impl Program {
    /// Takes it over, if it answers as ours does.
    ///
    /// # Errors
    /// If it is no program, or another one.
    pub fn take(descriptor: OwnedFd) -> io::Result<Self> {
        let program = Self(descriptor);
        // No process has so many descriptors: nothing that it could speak of.
        match program.run([u64::from(u32::MAX), 0, guard::NO_FOLDER])? {
            guard::DENY => Ok(program),
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    fn run(&self, args: [u64; 3]) -> io::Result<u32> {
        let mut attr = TestAttr {
            prog_fd: self.0.as_raw_fd() as u32,
            ctx_size_in: size_of_val(&args) as u32,
            ctx_in: args.as_ptr() as u64,
            ..TestAttr::default()
        };
        // SAFETY: the kernel reads the arguments and writes into the record; both outlive the call.
        let done =
            unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw mut attr, size_of::<TestAttr>()) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(attr.retval) }
    }
}

impl Rules for Program {
    fn ask(&self, file: BorrowedFd<'_>, tgid: u32, folder: Option<BorrowedFd<'_>>) -> io::Result<Said> {
        let folder = folder.map_or(guard::NO_FOLDER, |folder| folder.as_raw_fd() as u64);
        Ok(match self.run([file.as_raw_fd() as u64, tgid.into(), folder])? {
            guard::ALLOW => Said::Allow,
            guard::WHO => Said::Who,
            _ => Said::Deny,
        })
    }
}
