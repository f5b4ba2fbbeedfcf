//! The few looks at the disk that secret discovery needs: what a path is, a CSI volume's driver.
//!
//! Reads metadata and the kubelet's `vol_data.json`; never a secret's content.

use std::fs::{self, File};
use std::path::Path;

use crate::json::Reader;
use crate::volumes::FileKind;

/// What a path is now; `None` if it is not there.
pub fn kind_of(path: &Path) -> Option<FileKind> {
    let found = fs::metadata(path).ok()?;
    Some(if found.is_dir() { FileKind::Folder } else { FileKind::File })
}

/// The driver of a CSI volume, as the kubelet noted it in the volume's folder.
pub fn csi_driver(volume_folder: &Path) -> Option<String> {
    let mut reader = Reader::new(File::open(volume_folder.join("vol_data.json")).ok()?);
    let mut driver = None;
    let read = reader.object(|reader, key| match key {
        "driverName" => reader.text().map(|name| driver = name),
        _ => reader.skip(),
    });
    read.ok().and(driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csi_volumes_driver_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(csi_driver(folder.path()), None);
        let text = r#"{"attachmentID": "x", "driverName": "secrets-store.csi.k8s.io", "volumeLifecycleMode": "Ephemeral"}"#;
        fs::write(folder.path().join("vol_data.json"), text).unwrap();
        assert_eq!(csi_driver(folder.path()).as_deref(), Some("secrets-store.csi.k8s.io"));
    }
}
