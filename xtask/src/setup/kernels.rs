//! Virtual machines: QEMU, and the kernels that `tests/kernels.toml` names, fetched and unpacked but never installed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::debian::{Archive, install};
use crate::command::quietly;
use crate::kernels::{Kernel, KernelFiles, Kernels};
use crate::machine::Machine;
use crate::places::Places;

/// Older ones mis-emulate: the guest panics at random.
const OLDEST_QEMU: u32 = 10;

pub(crate) fn qemu_ready(places: &Places) -> Result<bool> {
    let emulator = Machine::of(places)?.emulator;
    // A QEMU that is not installed is no error here: it is the answer.
    let Ok(told) = quietly(Command::new(emulator).arg("--version"), "asking QEMU for its version") else {
        return Ok(false);
    };
    Ok(major(&told).is_some_and(|major| major >= OLDEST_QEMU))
}

/// The major version in `QEMU emulator version 10.0.2 (Debian …)`.
fn major(told: &str) -> Option<u32> {
    told.split_once("version ")?.1.split('.').next()?.parse().ok()
}

pub(crate) fn make_qemu(places: &Places) -> Result<()> {
    let package = Machine::of(places)?.emulator_package;
    match codename()?.as_str() {
        "bookworm" => Archive::open(places, "bookworm-backports")?.install(&[package]),
        _ => install(&[package]),
    }
}

fn codename() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("reading /etc/os-release")?;
    release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release has no VERSION_CODENAME: is this Debian?")
}

/// Where a kernel's packages are unpacked.
pub(crate) fn kernel_dir(places: &Places, kernel: &Kernel) -> PathBuf {
    places.cache.join("kernels").join(&kernel.name)
}

/// Written last, with what was fetched from where: a directory without it is a download that was cut off, and one that
/// says something else was made for an older `kernels.toml`.
fn seal(places: &Places, kernel: &Kernel) -> PathBuf {
    kernel_dir(places, kernel).join("unpacked")
}

fn origin(kernel: &Kernel) -> String {
    format!("{}\n{}\n", kernel.suite, kernel.packages.join("\n"))
}

fn kernel_ready(places: &Places, kernel: &Kernel) -> bool {
    fs::read_to_string(seal(places, kernel)).is_ok_and(|sealed| sealed == origin(kernel))
}

pub(crate) fn kernels_ready(places: &Places) -> Result<bool> {
    Ok(Kernels::read(places)?.kernels.iter().all(|kernel| kernel_ready(places, kernel)))
}

pub(crate) fn make_kernels(places: &Places) -> Result<()> {
    for kernel in Kernels::read(places)?.kernels {
        if !kernel_ready(places, &kernel) {
            make_kernel(places, &kernel).with_context(|| format!("fetching the kernel {}", kernel.name))?;
        }
    }
    Ok(())
}

fn make_kernel(places: &Places, kernel: &Kernel) -> Result<()> {
    let dir = kernel_dir(places, kernel);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    let archive = Archive::open(places, &kernel.suite)?;
    let debian = Machine::of(places)?.debian;
    for pattern in &kernel.packages {
        let package = archive.newest(&pattern.replace("{arch}", debian))?;
        eprintln!("setup:   {package}");
        archive.unpack(&package, &dir)?;
    }
    let files = KernelFiles::find(kernel, &dir)?;
    quietly(
        Command::new("depmod").arg("--basedir").arg(&files.modules_root).arg(&files.version),
        "listing what the kernel's modules depend on",
    )?;
    let seal = seal(places, kernel);
    fs::write(&seal, origin(kernel)).with_context(|| format!("writing {}", seal.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_qemu_says() {
        assert_eq!(major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright"), Some(10));
        assert_eq!(major("no version"), None);
    }
}
