//! An image made by hand: one layer, in the archive format that `ctr images import` takes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The image's name.
pub const IMAGE: &str = "localhost/cofferdam/pod:1";

/// Writes an image with the tree `root` to `archive`; `scratch` takes intermediate files. It runs
/// `/bin/busybox sleep`, so that it also serves as a sandbox.
///
/// # Errors
/// If a file cannot be written or `tar` or `sha256sum` fails.
pub fn write_archive(root: &Path, scratch: &Path, archive: &Path) -> Result<()> {
    let folder = scratch.join("image");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let layer = folder.join("layer.tar");
    tar(&layer, root, &["."])?;
    let config = format!(
        r#"{{"architecture":"{}","os":"linux","config":{{"Entrypoint":["/bin/busybox","sleep","1000000"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        architecture(),
        digest(&layer)?
    );
    let manifest = format!(r#"[{{"Config":"config.json","RepoTags":["{IMAGE}"],"Layers":["layer.tar"]}}]"#);
    fs::write(folder.join("config.json"), config).context("writing the image's configuration")?;
    fs::write(folder.join("manifest.json"), manifest).context("writing the image's manifest")?;
    tar(archive, &folder, &["manifest.json", "config.json", "layer.tar"])
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn tar(archive: &Path, folder: &Path, members: &[&str]) -> Result<()> {
    let mut command = Command::new("tar");
    command.arg("--create").arg("--file").arg(archive).arg("--directory").arg(folder).args(members);
    let output = command.output().context("running tar")?;
    ensure!(
        output.status.success(),
        "packing {}: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(file).output().context("running sha256sum")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let digest = text.split_whitespace().next().unwrap_or_default();
    ensure!(digest.len() == 64, "sha256sum gave no digest of {}", file.display());
    Ok(digest.to_owned())
}
