//! Programs that the kernel holds, asked from it by the bpf system call.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};

const BPF_PROG_GET_NEXT_ID: libc::c_long = 11;
const BPF_PROG_GET_FD_BY_ID: libc::c_long = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;

/// `union bpf_attr`, the members of these commands, include/uapi/linux/bpf.h: ids, or descriptor and buffer.
#[repr(C)]
#[derive(Default)]
struct Attr {
    id_or_fd: u32,
    next_id_or_length: u32,
    flags_or_buffer: u64,
}

/// The beginning of `struct bpf_prog_info`; the kernel fills as much as it is given.
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Info {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    machine_length: u32,
    translated_length: u32,
    machine: u64,
    translated: u64,
    load_time: u64,
    created_by: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
}

/// One instruction, `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Operation.
    pub(crate) code: u8,
    /// Destination in the low half, source in the high half.
    pub(crate) registers: u8,
    /// Offset of a jump or an access.
    pub(crate) offset: i16,
    /// Constant.
    pub(crate) constant: i32,
}

/// A loaded program.
pub(crate) struct Program {
    fd: OwnedFd,
    info: Info,
}

impl Program {
    /// Its name: the first 15 bytes of it.
    pub(crate) fn name(&self) -> String {
        let name = CStr::from_bytes_until_nul(&self.info.name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its instructions after the verifier's rewriting, which is what the machine code is made from.
    pub(crate) fn translated(&self) -> Result<Vec<Instruction>> {
        let count = self.info.translated_length as usize / size_of::<Instruction>();
        let mut instructions = vec![Instruction::default(); count];
        let mut info = Info {
            translated_length: self.info.translated_length,
            translated: instructions.as_mut_ptr() as u64,
            ..Info::default()
        };
        describe(&self.fd, &mut info).context("asking for a program's instructions")?;
        ensure!(info.translated != 0, "the kernel shows no instructions (net.core.bpf_jit_harden?)");
        Ok(instructions)
    }
}

/// Every loaded program; those that go while we look are left out.
pub(crate) fn programs() -> Result<Vec<Program>> {
    let mut found = Vec::new();
    let mut attr = Attr::default();
    loop {
        match bpf(BPF_PROG_GET_NEXT_ID, &mut attr) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(found),
            Err(error) => return Err(error).context("asking for the next program"),
        }
        let id = attr.next_id_or_length;
        attr = Attr { id_or_fd: id, ..Attr::default() };
        let mut by_id = Attr { id_or_fd: id, ..Attr::default() };
        let Ok(fd) = bpf(BPF_PROG_GET_FD_BY_ID, &mut by_id) else { continue };
        // SAFETY: the kernel has just made this descriptor for us, and nothing else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut info = Info::default();
        describe(&fd, &mut info).with_context(|| format!("asking for program {id}"))?;
        found.push(Program { fd, info });
    }
}

/// How many agents have their programs loaded: each has one of this name, which no tier leaves out.
pub(crate) fn agents() -> Result<usize> {
    Ok(programs()?.iter().filter(|program| program.name() == "process_fork").count())
}

fn describe(fd: &OwnedFd, info: &mut Info) -> io::Result<()> {
    let mut attr = Attr {
        id_or_fd: u32::try_from(fd.as_raw_fd()).unwrap_or(u32::MAX),
        next_id_or_length: size_of::<Info>() as u32,
        flags_or_buffer: std::ptr::from_mut(info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

fn bpf(command: libc::c_long, attr: &mut Attr) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes at most the given size of `attr`. The one command that follows an address in
    // it writes to an `Info`, whose length stands beside it, and to the buffer that the `Info` names with its length;
    // both outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<Attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(result).unwrap_or(i32::MAX)) }
}
