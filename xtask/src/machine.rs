//! What differs between processors: names in Debian and QEMU, the serial console.

use anyhow::{Result, bail};

use crate::places::Places;

/// How Debian and QEMU call this machine's kind, and how QEMU imitates it.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Debian's name of the architecture.
    pub(crate) debian: &'static str,
    /// The program that emulates it.
    pub(crate) emulator: &'static str,
    /// The Debian package that holds the program.
    pub(crate) emulator_package: &'static str,
    /// The arguments that choose QEMU's board.
    pub(crate) board: &'static [&'static str],
    /// What the fullest processor has and is slow to imitate: string instructions go byte by byte.
    pub(crate) slow: &'static str,
    /// The guest's name for the serial console.
    pub(crate) console: &'static str,
}

const X86_64: Machine = Machine {
    debian: "amd64",
    emulator: "qemu-system-x86_64",
    emulator_package: "qemu-system-x86",
    board: &[],
    slow: ",erms=off,fsrm=off,fsrs=off,la57=off",
    console: "ttyS0",
};

const AARCH64: Machine = Machine {
    debian: "arm64",
    emulator: "qemu-system-aarch64",
    emulator_package: "qemu-system-arm",
    board: &["-machine", "virt"],
    slow: "",
    console: "ttyAMA0",
};

impl Machine {
    /// The kind that the compiler builds for.
    pub(crate) fn of(places: &Places) -> Result<&'static Self> {
        match places.compiler.processor() {
            "x86_64" => Ok(&X86_64),
            "aarch64" => Ok(&AARCH64),
            other => bail!("no virtual machine for the processor {other}: only x86_64 and aarch64 are known"),
        }
    }
}
