//! Secrets that are named in the configuration, on an ordinary file system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Place;

const FILE: &str = "vault/file";
const TREE: &str = "vault/tree";

/// What lies in the folder: the secret file, the secret tree, and what is no secret.
const FILES: &[&str] = &["secret-file", "tree/deep/down/key", "public/file"];

/// A folder with a secret file (`secret-file`), a secret tree (`tree`) and a folder that is no secret (`public`).
#[derive(Debug)]
pub struct Vault {
    folder: PathBuf,
}

impl Vault {
    /// Makes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(place: &Place) -> Result<Self> {
        let folder = place.path("vault");
        for file in FILES {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap_or(&folder))
                .and_then(|()| fs::write(&path, "not shown"))
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    /// The whole folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// By which name the file is configured.
    pub fn file_name(&self) -> &'static str {
        FILE
    }

    /// By which name the tree is configured.
    pub fn tree_name(&self) -> &'static str {
        TREE
    }

    /// What an agent must be told.
    pub fn secrets(&self) -> Vec<(String, PathBuf)> {
        vec![(FILE.to_owned(), self.folder.join("secret-file")), (TREE.to_owned(), self.folder.join("tree"))]
    }
}
