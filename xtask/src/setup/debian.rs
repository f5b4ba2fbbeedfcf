//! Debian's packages: installed from the machine's own suite, or fetched from another suite and only unpacked.
//!
//! Other suites are read with a source list and a state of their own in the cache, so the machine's apt configuration
//! is never touched. Their mirror is the one that the machine already uses.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::quietly;
use crate::kernels::matches;
use crate::places::Places;

/// What scenarios with real containers use, on this machine and inside a virtual machine.
pub(crate) const CONTAINERS: &[&str] =
    &["build-essential", "busybox-static", "containerd", "iproute2", "kmod", "runc", "xz-utils"];

/// Programs that many run, which detection rules must say nothing of.
pub(crate) const ORDINARY: &[&str] = &["nginx", "nodejs", "postgresql", "python3"];

/// The key that signs every Debian suite.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A fresh machine may be at its own upgrades: wait for them, in seconds.
const LOCK: &str = "--option=DPkg::Lock::Timeout=300";

/// Whether every one of these packages is installed.
pub(crate) fn all_installed(packages: &[&str]) -> Result<bool> {
    // dpkg-query fails when it has never heard of one of them: that, too, is an answer.
    let known = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
        .args(packages)
        .output()
        .context("asking dpkg-query for installed packages: is this Debian?")?;
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    let installed: HashSet<&str> = known.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    Ok(packages.iter().all(|package| installed.contains(package)))
}

/// Installs packages from the machine's own suites; refreshes apt's lists only if it cannot do without.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let install = || quietly(installer().args(packages), &format!("installing {}", packages.join(" ")));
    if install().is_err() {
        refresh()?;
        install()?;
    }
    Ok(())
}

fn refresh() -> Result<()> {
    quietly(Command::new("apt-get").args(["--quiet", LOCK, "update"]), "refreshing apt's package lists")?;
    Ok(())
}

fn installer() -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["--quiet", "--yes", LOCK, "--no-install-recommends", "install"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// One Debian suite, with an apt state of its own.
pub(crate) struct Archive {
    suite: String,
    options: Vec<String>,
}

impl Archive {
    /// Writes the suite's source list into the cache and fetches its index.
    pub(crate) fn open(places: &Places, suite: &str) -> Result<Self> {
        let state = places.cache.join("apt").join(suite);
        for dir in ["lists/partial", "cache/archives/partial"] {
            let dir = state.join(dir);
            fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        }
        let list = state.join("sources.list");
        fs::write(&list, sources(suite)?).with_context(|| format!("writing {}", list.display()))?;
        let state = state.display();
        let options = [
            format!("Dir::Etc::SourceList={state}/sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            "Dir::Etc::Preferences=-".to_owned(),
            "Dir::Etc::PreferencesParts=-".to_owned(),
            format!("Dir::State::Lists={state}/lists"),
            format!("Dir::Cache={state}/cache"),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            // The cache belongs to the user; apt's own unprivileged user could not write to it.
            "APT::Sandbox::User=".to_owned(),
        ]
        .into_iter()
        .flat_map(|option| ["--option".to_owned(), option])
        .collect();
        let archive = Self { suite: suite.to_owned(), options };
        let doing = format!("fetching the package index of {suite}");
        quietly(archive.apt("apt-get").args(["--quiet", "update"]), &doing)?;
        Ok(archive)
    }

    /// The version of `package` that `fits`, the newest if several do.
    pub(crate) fn version_of(&self, package: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
        let doing = format!("asking {} for the versions of {package}", self.suite);
        let table = quietly(self.apt("apt-cache").args(["madison", package]), &doing)?;
        // apt-cache lists the newest first.
        table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(str::trim)
            .find(|version| fits(version))
            .map(str::to_owned)
            .with_context(|| format!("{} has no {package} of a version that fits", self.suite))
    }

    /// The newest package whose name has the form of `pattern`, in which each `*` stands for anything.
    pub(crate) fn newest(&self, pattern: &str) -> Result<String> {
        let doing = format!("asking {} for packages named {pattern}", self.suite);
        let names = quietly(self.apt("apt-cache").args(["pkgnames"]), &doing)?;
        names
            .lines()
            .filter(|name| matches(pattern, name))
            .max_by_key(|name| numbers(name))
            .map(str::to_owned)
            .with_context(|| format!("{} has no package named {pattern}", self.suite))
    }

    /// Downloads a package (`name` or `name=version`) and unpacks it into a directory, without installing it.
    pub(crate) fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        let downloads = tempfile::tempdir().context("creating a directory for downloads")?;
        quietly(
            self.apt("apt-get").args(["--quiet", "download", package]).current_dir(&downloads),
            &format!("downloading {package} from {}", self.suite),
        )?;
        fs::create_dir_all(into).with_context(|| format!("creating {}", into.display()))?;
        for deb in files(downloads.path())? {
            quietly(
                Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(into),
                &format!("unpacking {}", deb.display()),
            )?;
        }
        Ok(())
    }

    /// Installs packages from this suite, with their dependencies from it or from the machine's own suites.
    pub(crate) fn install(&self, packages: &[&str]) -> Result<()> {
        quietly(
            installer().args(&self.options).args(["--target-release", &self.suite]).args(packages),
            &format!("installing {} from {}", packages.join(" "), self.suite),
        )?;
        Ok(())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }
}

/// A source list with the machine's own Debian suites and `suite`, all from the machine's mirror.
fn sources(suite: &str) -> Result<String> {
    let own = || {
        let form = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
        quietly(
            Command::new("apt-get").args(["indextargets", "--format", form, "Created-By: Packages"]),
            "reading apt's sources",
        )
    };
    let mut list = source_list(&own()?, suite);
    if list.is_none() {
        // apt tells only of sources that it has fetched once.
        refresh()?;
        list = source_list(&own()?, suite);
    }
    list.context(
        "apt knows no Debian mirror: put one for this machine's own suite into /etc/apt/sources.list.d",
    )
}

fn source_list(own: &str, suite: &str) -> Option<String> {
    let debian: Vec<(&str, &str)> = own
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (uri, release, component) = (words.next()?, words.next()?, words.next()?);
            (component == "main" && uri.trim_end_matches('/').rsplit('/').next()?.starts_with("debian"))
                .then_some((uri, release))
        })
        .collect();
    let (mirror, _) = debian.iter().find(|(_, release)| !release.ends_with("-security"))?;
    let line = |uri: &str, release: &str| format!("deb [signed-by={KEYRING}] {uri} {release} main\n");
    let mut list: String = debian
        .iter()
        .filter(|(_, release)| *release != suite)
        .map(|(uri, release)| line(uri, release))
        .collect();
    list.push_str(&line(mirror, suite));
    Some(list)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", dir.display());
    fs::read_dir(dir).with_context(reading)?.map(|entry| Ok(entry.with_context(reading)?.path())).collect()
}

/// The numbers in a name, by which the newest of several versions is found.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_found_by_number_not_by_spelling() {
        assert!(numbers("linux-image-6.12.107+deb13-cloud") > numbers("linux-image-6.12.94+deb13-cloud"));
        assert!(numbers("linux-image-6.12.90+deb12.1-cloud") > numbers("linux-image-6.12.90+deb12-cloud"));
    }

    #[test]
    fn a_source_list_takes_its_mirror_from_the_machine() {
        let own = "http://mirror/debian/ bookworm main\nhttp://mirror/debian/ bookworm contrib\n\
                   http://mirror/debian-security/ bookworm-security main\nhttp://other/node/ nodistro main\n";
        let list = source_list(own, "trixie").unwrap();
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].ends_with("http://mirror/debian-security/ bookworm-security main"));
        assert!(lines[2].ends_with("http://mirror/debian/ trixie main"));
        assert_eq!(source_list("http://other/node/ nodistro main\n", "trixie"), None);
    }
}
