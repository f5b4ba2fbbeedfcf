//! The image of all containers: busybox and the actor.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::command::succeed;
use super::container::ACTOR;
use super::{Place, binary};

/// The application: programs of its own, that do what the actor does.
pub const SERVER: &str = "/app/server";
/// Another program of the application.
pub const WORKER: &str = "/app/worker";

const FOLDERS: &[&str] = &["app", "bin", "ctl", "dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp"];

/// The script of the image: its interpreter itself reads the file that it is given.
const SCRIPT: &str = "#!/bin/sh\nread -r line <\"$1\" || true\n";

/// Where Debian and the guests have busybox.
const BUSYBOX: &[&str] = &["/usr/bin/busybox", "/bin/busybox"];

/// A tree that is the lower layer of every container's root.
#[derive(Debug)]
pub struct Image {
    folder: PathBuf,
}

impl Image {
    /// Makes the tree.
    ///
    /// # Errors
    /// If a program is missing or a file cannot be written.
    pub fn new(place: &Place) -> Result<Self> {
        let folder = place.path("image");
        for inside in FOLDERS {
            let path = folder.join(inside);
            fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        }
        fs::set_permissions(folder.join("tmp"), fs::Permissions::from_mode(0o1777))
            .context("opening /tmp to all")?;
        let image = Self { folder };
        let busybox =
            BUSYBOX.iter().map(Path::new).find(|path| path.exists()).context("busybox is not installed")?;
        image.program(busybox, "/bin/busybox")?;
        for program in [ACTOR, SERVER, WORKER] {
            image.program(&binary("actor")?, program)?;
        }
        let applets = succeed(Command::new(busybox).arg("--list"), "asking busybox for its applets")?;
        for applet in applets.lines().filter(|applet| *applet != "busybox") {
            symlink("busybox", image.folder.join("bin").join(applet))
                .with_context(|| format!("linking {applet}"))?;
        }
        image.file("bin/read-secret", SCRIPT.as_bytes(), 0o755)?;
        image.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)?;
        Ok(image)
    }

    /// The tree.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn program(&self, from: &Path, path: &str) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        self.file(path.trim_start_matches('/'), &content, 0o755)
    }

    fn file(&self, inside: &str, content: &[u8], mode: u32) -> Result<()> {
        let path = self.folder.join(inside);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .with_context(|| format!("changing the mode of {}", path.display()))
    }
}
