//! `tests/kernels.toml`: the kernels that the scenarios run on, and where their files are once unpacked.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::places::Places;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kernels {
    /// Modules that the guest loads, with what they depend on.
    pub(crate) modules: Vec<String>,
    /// One entry for each kernel, in the order of the file.
    pub(crate) kernels: Vec<Kernel>,
}

/// One kernel of the matrix.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kernel {
    /// The name that people use, for example `6.12`.
    pub(crate) name: String,
    /// The Debian suite that carries it.
    pub(crate) suite: String,
    /// Patterns of package names: `*` stands for anything, `{arch}` for Debian's name of the architecture.
    pub(crate) packages: Vec<String>,
    /// Where the packages put the kernel's image, as a pattern.
    pub(crate) image: String,
    /// The value of the kernel parameter `lsm`.
    pub(crate) lsm: String,
    /// The hook tier that the agent must find there.
    pub(crate) tier: String,
    /// Whether scenarios of user space alone are played there too: one kernel is enough for them.
    #[serde(default)]
    pub(crate) user_space: bool,
}

impl Kernels {
    /// Reads the file of this workspace.
    pub(crate) fn read(places: &Places) -> Result<Self> {
        let path = places.root.join("tests/kernels.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// The kernels that `names` asks for; all of them if it asks for none.
    pub(crate) fn chosen(&self, names: &[String]) -> Result<Vec<&Kernel>> {
        for name in names {
            let known: Vec<&str> = self.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
            ensure!(
                known.contains(&name.as_str()),
                "tests/kernels.toml has no kernel {name}: it has {}",
                known.join(", ")
            );
        }
        let is_chosen = |kernel: &&Kernel| names.is_empty() || names.contains(&kernel.name);
        Ok(self.kernels.iter().filter(is_chosen).collect())
    }
}

/// A kernel's files in the cache.
#[derive(Debug)]
pub(crate) struct KernelFiles {
    /// The image that QEMU boots.
    pub(crate) image: PathBuf,
    /// The kernel's full version, as `uname -r` says it.
    pub(crate) version: String,
    /// The directory that holds `lib/modules/<version>`.
    pub(crate) modules_root: PathBuf,
}

impl KernelFiles {
    /// Finds the files of `kernel` below the directory that its packages were unpacked into.
    pub(crate) fn find(kernel: &Kernel, dir: &Path) -> Result<Self> {
        let image = find(dir, Path::new(&kernel.image))?;
        let version = version_of(&image).with_context(|| format!("no version in {}", image.display()))?;
        let roots = [dir.to_owned(), dir.join("usr")];
        let modules_root = roots
            .into_iter()
            .find(|root| root.join("lib/modules").join(&version).join("kernel").is_dir())
            .with_context(|| format!("{} holds no modules of {version}", dir.display()))?;
        Ok(Self { image, version, modules_root })
    }
}

/// Finds the one path below `dir` that has the form of `pattern`.
fn find(dir: &Path, pattern: &Path) -> Result<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for part in pattern.iter().map(|part| part.to_string_lossy()) {
        found = found.iter().flat_map(|dir| children(dir, &part)).collect();
    }
    ensure!(found.len() == 1, "{} holds {} files {}", dir.display(), found.len(), pattern.display());
    Ok(found.remove(0))
}

fn children(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok())
        .filter(|entry| matches(pattern, &entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect()
}

/// The version in `…/vmlinuz-<version>` or `…/<version>/vmlinuz`.
fn version_of(image: &Path) -> Option<String> {
    let name = image.file_name()?.to_str()?;
    match name.strip_prefix("vmlinuz-") {
        Some(version) => Some(version.to_owned()),
        None => Some(image.parent()?.file_name()?.to_str()?.to_owned()),
    }
}

/// Whether `name` has the form of `pattern`, in which each `*` stands for anything.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    name.strip_prefix(start).is_some_and(|name| {
        name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspaces_file_is_valid_and_names_each_kernel_once() {
        let kernels = Kernels::parse(include_str!("../../tests/kernels.toml")).unwrap();
        let mut names: Vec<&str> = kernels.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), kernels.kernels.len());
        let plays_all = kernels.kernels.iter().any(|kernel| kernel.user_space);
        assert!(plays_all, "scenarios of user space alone are left to a kernel, and none plays them");
        assert!(!names.is_empty());
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(Kernels::parse("modules = []\nkernels = []\nmoduels = []").is_err());
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("linux-image-6.1.0-*-cloud-amd64", "linux-image-6.1.0-50-cloud-amd64"));
        assert!(!matches("linux-image-6.1.0-*-cloud-amd64", "linux-image-6.1.0-50-cloud-amd64-unsigned"));
        assert!(!matches("linux-*", "qemu"));
        assert!(matches("*", ""));
    }

    #[test]
    fn the_version_stands_in_the_images_name_or_in_its_directory() {
        assert_eq!(version_of(Path::new("/k/boot/vmlinuz-6.1.0-50")).as_deref(), Some("6.1.0-50"));
        assert_eq!(version_of(Path::new("/k/modules/7.3.4/vmlinuz")).as_deref(), Some("7.3.4"));
    }

    #[test]
    fn a_kernels_files_are_found_where_its_packages_put_them() {
        let dir = tempfile::tempdir().unwrap();
        let modules = dir.path().join("usr/lib/modules/7.3.4");
        fs::create_dir_all(modules.join("kernel")).unwrap();
        fs::write(modules.join("vmlinuz"), "").unwrap();
        let kernel = Kernel {
            name: "7.3".to_owned(),
            suite: String::new(),
            packages: Vec::new(),
            image: "usr/lib/modules/*/vmlinuz".to_owned(),
            lsm: String::new(),
            tier: String::new(),
            user_space: false,
        };
        let files = KernelFiles::find(&kernel, dir.path()).unwrap();
        assert_eq!(files.version, "7.3.4");
        assert_eq!(files.modules_root, dir.path().join("usr"));
    }
}
