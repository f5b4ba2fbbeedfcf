//! What runc's `state.json` and crun's `status` say of a container: its cgroup and its bundle.
//!
//! Only the fields named here are kept; hooks in these files can carry environment variables.

use std::io::Read;

use crate::json::{JsonError, Reader};

/// What is taken from a container's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuncState {
    /// Its cgroup v2: of runc below the file system's root (`/sys/fs/cgroup/...`), of crun below the v2 root.
    pub cgroup_path: Option<String>,
    /// Folder of its `config.json`.
    pub bundle: Option<String>,
}

/// Reads a container's state.
pub fn read(source: impl Read) -> Result<RuncState, JsonError> {
    let mut reader = Reader::new(source);
    let mut state = RuncState::default();
    reader.object(|reader, key| match key {
        // In hybrid mode there is one for each hierarchy; v2's has no name.
        "cgroup_paths" => reader.object(|reader, key| match key {
            "" => reader.text().map(|path| state.cgroup_path = path),
            _ => reader.skip(),
        }),
        "cgroup-path" => reader.text().map(|path| state.cgroup_path = path),
        "bundle" => reader.text().map(|path| state.bundle = path),
        "config" => reader.object(|reader, key| match key {
            "labels" => reader.array(|reader| {
                let label = reader.text()?;
                if let Some(bundle) = label.as_deref().and_then(|label| label.strip_prefix("bundle=")) {
                    state.bundle = Some(bundle.to_owned());
                }
                Ok(())
            }),
            _ => reader.skip(),
        }),
        _ => reader.skip(),
    })?;
    reader.finish()?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runc_and_crun_are_read() {
        let runc = r#"{"id": "web", "config": {"rootfs": "/b/rootfs", "labels": ["x=y", "bundle=/b"]},
            "cgroup_paths": {"": "/sys/fs/cgroup/unified/a/web", "pids": "/sys/fs/cgroup/pids/a/web"}}"#;
        let crun = r#"{"pid": 1, "cgroup-path": "/a/web", "rootfs": "/b/rootfs", "bundle": "/b"}"#;
        let expected =
            |path: &str| RuncState { cgroup_path: Some(path.to_owned()), bundle: Some("/b".to_owned()) };
        assert_eq!(read(runc.as_bytes()), Ok(expected("/sys/fs/cgroup/unified/a/web")));
        assert_eq!(read(crun.as_bytes()), Ok(expected("/a/web")));
    }

    proptest! {
        #[test]
        fn any_document_is_a_state_or_an_error(value in crate::json::tests::value()) {
            prop_assert!(read(value.to_string().as_bytes()).is_ok());
        }
    }
}
