//! What the containers' image holds beside the bench's: an application with a dependency that is poisoned.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use cofferdam_tests::bench::{Image, binary};

/// The application.
pub(super) const SERVER: &str = "/app/server";
/// The dependency's script, which npm runs when it is installed and this one at every start.
pub(super) const INSTALL: &str = "/app/node_modules/tiny-colors/install.sh";
/// The program that it writes.
pub(super) const COLLECTOR: &str = "/tmp/.colors";

/// A tool of the image that is no part of the application.
pub(super) const SUPPORT: &str = "/app/support";

/// Only the dependency's name is invented: a script that drops a program and starts it is how such attacks begin.
const SCRIPT: &str =
    "#!/bin/sh\ncp /app/node_modules/tiny-colors/palette.bin /tmp/.colors\nexec /tmp/.colors \"$@\"\n";

/// Writes the application into an image.
pub(super) fn add_application(image: &Image) -> Result<()> {
    let actor = binary("actor")?;
    let actor = fs::read(&actor).with_context(|| format!("reading {}", actor.display()))?;
    add(image, SERVER, &actor)?;
    add(image, SUPPORT, &actor)?;
    add(image, INSTALL, SCRIPT.as_bytes())?;
    add(image, "/app/node_modules/tiny-colors/palette.bin", &actor)
}

fn add(image: &Image, path: &str, content: &[u8]) -> Result<()> {
    let path = image.folder().join(path.trim_start_matches('/'));
    let about = || format!("writing {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(about)?;
    }
    fs::write(&path, content).with_context(about)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).with_context(about)
}
