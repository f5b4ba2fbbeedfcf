//! Starting a program and waiting for its end.

use std::env;
use std::ffi::{CString, c_char};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::ptr;

use anyhow::{Context, Result, ensure};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::Operation;

/// Machine code of `exit(0)`.
#[cfg(target_arch = "x86_64")]
const EXIT: &[u8] = &[0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05]; // xor edi, edi; mov eax, 60; syscall
#[cfg(target_arch = "aarch64")]
const EXIT: &[u8] = &[0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4]; // mov x0, #0; mov x8, #93; svc #0

/// `e_machine` in the header of an ELF file.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// fork, execve, wait.
pub(crate) struct ForkExec {
    path: CString,
}

impl ForkExec {
    /// Of a small program as there are many: statically linked, with a C library that makes itself ready.
    pub(crate) fn of_true(dir: &Path) -> Result<Self> {
        let path = dir.join("true");
        let busybox = find("busybox").context("busybox is not installed")?;
        fs::copy(&busybox, &path).with_context(|| format!("copying {}", busybox.display()))?;
        Self::of(&path)
    }

    /// Of the smallest program there is.
    pub(crate) fn of_nothing(dir: &Path) -> Result<Self> {
        let path = dir.join("nothing");
        fs::write(&path, smallest_program()).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("making {} executable", path.display()))?;
        Self::of(&path)
    }

    fn of(path: &Path) -> Result<Self> {
        Ok(Self { path: CString::new(path.as_os_str().as_bytes()).context("a path with a zero byte")? })
    }

    /// The bare system calls: how many pages the C library's fork touches changes from time to time, and each costs
    /// as much as our hooks.
    fn start(&self) -> std::io::Result<Pid> {
        let arguments = [self.path.as_ptr(), ptr::null()];
        let environment = [ptr::null::<c_char>()];
        // SAFETY: without flags, clone is a fork: the child has a copy of this process's memory. This process has one
        // thread, so that no lock is held by another; and the child does nothing but the two system calls below.
        let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        if child == 0 {
            // SAFETY: path, arguments and environment are terminated as execve wants it, and live in this frame and
            // in `self`; what returns from execve ends without running anything of the parent's.
            unsafe {
                libc::syscall(libc::SYS_execve, self.path.as_ptr(), arguments.as_ptr(), environment.as_ptr());
                libc::_exit(127)
            }
        }
        match i32::try_from(child) {
            Ok(child) if child > 0 => Ok(Pid::from_raw(child)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

impl Operation for ForkExec {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            let child = self.start().context("forking")?;
            let status = waitpid(child, None).context("waiting for the child")?;
            ensure!(status == WaitStatus::Exited(child, 0), "the child ended as {status:?}");
        }
        Ok(())
    }
}

/// A program in the search path.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists())
}

/// A static executable of one page that ends at once: ELF header, one program header, code.
fn smallest_program() -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    const BASE: u64 = 0x40_0000;
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
    file.extend([0; 8]);
    file.extend(2u16.to_le_bytes()); // executable
    file.extend(MACHINE.to_le_bytes());
    file.extend(1u32.to_le_bytes()); // version
    file.extend((BASE + HEADERS).to_le_bytes()); // entry
    file.extend(64u64.to_le_bytes()); // program headers
    file.extend(0u64.to_le_bytes()); // no section headers
    file.extend(0u32.to_le_bytes()); // flags
    file.extend([64u16, 56, 1, 64, 0, 0].iter().flat_map(|size| size.to_le_bytes()));
    let size = HEADERS + EXIT.len() as u64;
    file.extend(1u32.to_le_bytes()); // PT_LOAD
    file.extend(5u32.to_le_bytes()); // readable, executable
    file.extend([0, BASE, BASE, size, size, 0x1000].iter().flat_map(|field| field.to_le_bytes()));
    file.extend(EXIT);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_program_runs_and_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        ForkExec::of_nothing(dir.path()).unwrap();
        let status = std::process::Command::new(dir.path().join("nothing")).status().unwrap();
        assert!(status.success());
    }
}
