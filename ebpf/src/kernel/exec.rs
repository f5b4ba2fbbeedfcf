//! `struct linux_binprm`: an exec under way.

use super::{File, Probed, Read, inside, offset, probe};

/// An exec under way.
#[derive(Clone, Copy)]
pub struct Bprm(*const u8);

impl Bprm {
    #[inline(always)]
    pub fn new(at: *const u8) -> Self {
        Self(at)
    }

    #[inline(always)]
    fn pointer(self, offset: super::Offset) -> *const u8 {
        // SAFETY: `self` is a linux_binprm by construction; cannot fault.
        unsafe { Probed::read(self.0, offset) }
    }

    /// Its address: one exec's from the first check to its end.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Whether the file that runs begins as a script does.
    #[inline(always)]
    pub fn begins_as_script(self) -> bool {
        probe::<[u8; 2]>(inside(self.0, offset::BPRM_BUF)) == *b"#!"
    }

    /// The file that runs: for scripts, once resolved, the interpreter.
    #[inline(always)]
    pub fn file(self) -> File<Probed> {
        File::new(self.pointer(offset::BPRM_FILE))
    }

    /// Address of the path that was asked for.
    #[inline(always)]
    pub fn filename_at(self) -> *const u8 {
        self.pointer(offset::BPRM_FILENAME)
    }

    /// Address of the interpreter's path; the same address as the filename's until a script handler changes it.
    #[inline(always)]
    pub fn interpreter_at(self) -> *const u8 {
        self.pointer(offset::BPRM_INTERP)
    }

    /// Whether a script or binfmt_misc handler has put an interpreter in place.
    #[inline(always)]
    pub fn is_script(self) -> bool {
        self.filename_at() != self.interpreter_at()
    }
}
