//! What is inside a guest: its init, our binaries, busybox, the programs that run containers, kernel modules.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::cpio::Writer;
use crate::command::quietly;
use crate::kernels::KernelFiles;
use crate::places::Places;

/// Programs of this machine that the guest has too, with their shared libraries.
const PROGRAMS: &[&str] = &["runc"];

/// The first process; the kernel starts it from the root.
const INIT: &str = "guest-init";

/// Directories that the guest's init mounts something on, or that programs expect.
const DIRECTORIES: &[&str] =
    &["dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp", "var/lib", "var/log"];

/// The least that programs which look up users and hosts are content with.
const ETC: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// Writes the initramfs of a guest that runs `command`.
pub(super) fn write(
    to: &Path,
    places: &Places,
    kernel: &KernelFiles,
    modules: &[String],
    command: &[String],
) -> Result<()> {
    let file = File::create(to).context("creating it")?;
    let mut image = Image { archive: Writer::new(BufWriter::new(file)), directories: BTreeSet::new() };
    for dir in DIRECTORIES {
        image.directory(dir)?;
    }
    for (path, text) in ETC {
        image.file(path, 0o644, text.as_bytes())?;
    }
    // One argument a line would forbid line breaks in them; a zero byte cannot be part of an argument anyway.
    image.file("cofferdam/command", 0o644, command.join("\0").as_bytes())?;
    image.binaries(&places.bin_dir())?;
    image.busybox()?;
    for program in PROGRAMS {
        image.program(program)?;
    }
    image.modules(kernel, modules)?;
    image.archive.finish()?;
    Ok(())
}

struct Image {
    archive: Writer<BufWriter<File>>,
    directories: BTreeSet<PathBuf>,
}

impl Image {
    /// A directory and its parents, each once.
    fn directory(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        self.archive.directory(&path.to_string_lossy())?;
        self.directories.insert(path.to_owned());
        Ok(())
    }

    fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.directory(Path::new(path).parent().unwrap_or(Path::new("")))?;
        Ok(self.archive.file(path, mode, bytes)?)
    }

    /// A copy of a file of this machine, executable.
    fn copy(&mut self, from: &Path, path: &str) -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        self.file(path, 0o755, &bytes)
    }

    /// Everything executable that was built, and the guest's init.
    fn binaries(&mut self, dir: &Path) -> Result<()> {
        let init = dir.join(INIT);
        ensure!(init.exists(), "{} has not been built", init.display());
        self.copy(&init, "init")?;
        for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
            let entry = entry?;
            let (name, facts) = (entry.file_name(), entry.metadata()?);
            let name = name.to_string_lossy();
            if facts.is_file()
                && facts.permissions().mode() & 0o111 != 0
                && !name.contains('.')
                && name != INIT
            {
                self.copy(&entry.path(), &format!("cofferdam/bin/{name}"))?;
            }
        }
        Ok(())
    }

    /// Busybox, with a link for each of its applets.
    fn busybox(&mut self) -> Result<()> {
        let busybox = find_program("busybox")?;
        self.copy(&busybox, "bin/busybox")?;
        let applets = quietly(Command::new(&busybox).arg("--list"), "asking busybox for its applets")?;
        for applet in applets.lines().filter(|applet| *applet != "busybox") {
            self.archive.symlink(&format!("bin/{applet}"), "busybox")?;
        }
        Ok(())
    }

    /// A program of this machine and the shared libraries that it is linked to, at the same paths.
    fn program(&mut self, name: &str) -> Result<()> {
        let program = find_program(name)?;
        self.copy(&program, &format!("usr/bin/{name}"))?;
        let libraries = quietly(Command::new("ldd").arg(&program), "asking for a program's libraries")?;
        for library in libraries.lines().filter_map(library_path) {
            self.copy(library, library.to_string_lossy().trim_start_matches('/'))?;
        }
        Ok(())
    }

    /// Kernel modules, numbered in the order in which they must be loaded.
    fn modules(&mut self, kernel: &KernelFiles, names: &[String]) -> Result<()> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for name in names {
            let told = quietly(
                Command::new("modprobe").arg("--dirname").arg(&kernel.modules_root).args([
                    "--set-version",
                    &kernel.version,
                    "--show-depends",
                    name,
                ]),
                &format!("asking what the module {name} depends on"),
            )?;
            for path in told.lines().filter_map(|line| line.strip_prefix("insmod ")) {
                let path = PathBuf::from(path.trim());
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        for (number, path) in paths.iter().enumerate() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.trim_end_matches(".xz");
            self.file(&format!("cofferdam/modules/{number:02}-{name}"), 0o644, &unpacked(path)?)?;
        }
        Ok(())
    }
}

/// A file's contents; those of what is inside if it is compressed.
fn unpacked(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(path).with_context(|| format!("reading {}", path.display()));
    }
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(path)
        .stderr(Stdio::inherit())
        .output()
        .context("starting xz")?;
    ensure!(output.status.success(), "xz cannot decompress {}", path.display());
    Ok(output.stdout)
}

/// The path in a line of ldd's: `libc.so.6 => /lib/… (0x…)`, or `/lib64/ld-linux… (0x…)`.
fn library_path(line: &str) -> Option<&Path> {
    let path = line.split_once("=>").map_or(line, |(_, path)| path).split_whitespace().next()?;
    path.starts_with('/').then_some(Path::new(path))
}

/// Debian keeps some programs where only root's search path leads.
fn find_program(name: &str) -> Result<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists())
        .with_context(|| format!("{name} is not installed: run `cargo xtask setup`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_ldd_says() {
        let path = |line| library_path(line).map(|path| path.to_str().unwrap());
        assert_eq!(path("\tlibc.so.6 => /lib/libc.so.6 (0x00007f)"), Some("/lib/libc.so.6"));
        assert_eq!(path("\t/lib64/ld-linux.so.2 (0x00007f)"), Some("/lib64/ld-linux.so.2"));
        assert_eq!(path("\tlinux-vdso.so.1 (0x00007f)"), None);
        assert_eq!(path("\tstatically linked"), None);
    }
}
