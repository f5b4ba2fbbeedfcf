//! Where our own programs are.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Names the folder of our programs, where that is not the running program's own.
const BIN_DIR: &str = "COFFERDAM_BIN_DIR";

/// One of our programs: in `COFFERDAM_BIN_DIR`, or else beside the one that runs.
///
/// # Errors
/// If it is not there.
pub fn binary(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os(BIN_DIR) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let own = env::current_exe().context("asking for the path of this program")?;
            own.parent().context("this program lies in no folder")?.to_owned()
        }
    };
    let path = folder.join(name);
    ensure!(
        path.exists(),
        "{} is missing: `cargo xtask build` makes it; {BIN_DIR} names another folder",
        path.display()
    );
    Ok(path)
}
