//! What an OCI `config.json` says of a container, without its secrets.
//!
//! The document holds every environment variable in plain text, so it is streamed: variables by name only, the
//! annotations that runtimes write themselves, and the mounts that were asked for below `/run/secrets`.

use std::io::Read;
use std::path::Path;

use crate::environment::CredentialNames;
use crate::json::{JsonError, Reader};
use crate::volumes::is_below_run_secrets;

/// Names kept per container; further ones are only counted.
pub const VARIABLES_MAX: usize = 256;
/// Declared secret mounts kept per container; further ones are only counted.
pub const DECLARED_MOUNTS_MAX: usize = 256;

/// What is taken from a container's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Names of environment variables that carry credentials, in order, each once.
    pub credential_variables: Vec<String>,
    /// What the runtime wrote about the pod.
    pub pod: PodAnnotations,
    /// Mounts asked for at or below `/run/secrets`.
    pub secret_mounts: Vec<DeclaredMount>,
    /// `linux.cgroupsPath`.
    pub cgroups_path: Option<String>,
    /// `root.path`: the root file system on the host; below the bundle unless it is absolute.
    pub root: Option<String>,
    /// Names and mounts beyond the bounds.
    pub dropped: u64,
}

impl ContainerConfig {
    /// The same with an absolute root, as the configuration of this bundle.
    #[must_use]
    pub fn in_bundle(self, bundle: &Path) -> Self {
        let root = self.root.map(|root| bundle.join(root).to_string_lossy().into_owned());
        Self { root, ..self }
    }
}

/// Identity that containerd and CRI-O write as annotations of their own; users' annotations are not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodAnnotations {
    /// `sandbox` or `container`.
    pub container_type: Option<String>,
    /// The container's name within the pod.
    pub container: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Image, as the workload names it.
    pub image: Option<String>,
}

/// A mount that the configuration asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredMount {
    /// Where, inside the container.
    pub destination: String,
    /// `bind`, `tmpfs`, ...
    pub kind: Option<String>,
    /// For a bind, what on the host.
    pub source: Option<String>,
}

/// Reads a container's configuration.
pub fn read(source: impl Read, names: &CredentialNames) -> Result<ContainerConfig, JsonError> {
    let mut reader = Reader::new(source);
    let config = read_document(&mut reader, names)?;
    reader.finish()?;
    Ok(config)
}

fn read_document<R: Read>(
    reader: &mut Reader<R>,
    names: &CredentialNames,
) -> Result<ContainerConfig, JsonError> {
    let mut config = ContainerConfig::default();
    // Go, which reads these files, takes keys in any case: so do we, for what decides about secrets.
    reader.object(|reader, key| match key.to_ascii_lowercase().as_str() {
        "process" => reader.object(|reader, key| match key.to_ascii_lowercase().as_str() {
            "env" => variables(reader, names, &mut config),
            _ => reader.skip(),
        }),
        "annotations" => reader.object(|reader, key| annotation(reader, key, &mut config.pod)),
        "root" => reader.object(|reader, key| match key.to_ascii_lowercase().as_str() {
            "path" => reader.text().map(|path| config.root = path),
            _ => reader.skip(),
        }),
        "mounts" => reader.array(|reader| declared_mount(reader, &mut config)),
        "linux" => reader.object(|reader, key| match key {
            "cgroupsPath" => reader.text().map(|path| config.cgroups_path = path),
            _ => reader.skip(),
        }),
        _ => reader.skip(),
    })?;
    Ok(config)
}

fn variables<R: Read>(
    reader: &mut Reader<R>,
    names: &CredentialNames,
    config: &mut ContainerConfig,
) -> Result<(), JsonError> {
    reader.array(|reader| {
        if let Some(name) = reader.name_before_equals()?
            && names.matches(&name)
            && !config.credential_variables.contains(&name)
        {
            if config.credential_variables.len() < VARIABLES_MAX {
                config.credential_variables.push(name);
            } else {
                config.dropped += 1;
            }
        }
        Ok(())
    })
}

fn annotation<R: Read>(reader: &mut Reader<R>, key: &str, pod: &mut PodAnnotations) -> Result<(), JsonError> {
    let field = match key {
        "io.kubernetes.cri.container-type" | "io.kubernetes.cri-o.ContainerType" => &mut pod.container_type,
        "io.kubernetes.cri.container-name" | "io.kubernetes.container.name" => &mut pod.container,
        "io.kubernetes.cri.sandbox-name" | "io.kubernetes.pod.name" => &mut pod.pod,
        "io.kubernetes.cri.sandbox-namespace" | "io.kubernetes.pod.namespace" => &mut pod.namespace,
        "io.kubernetes.cri.image-name" | "io.kubernetes.cri-o.ImageName" => &mut pod.image,
        _ => return reader.skip(),
    };
    *field = reader.text()?;
    Ok(())
}

fn declared_mount<R: Read>(reader: &mut Reader<R>, config: &mut ContainerConfig) -> Result<(), JsonError> {
    let mut mount = DeclaredMount::default();
    reader.object(|reader, key| match key {
        "destination" => reader.text().map(|text| mount.destination = text.unwrap_or_default()),
        "type" => reader.text().map(|text| mount.kind = text),
        "source" => reader.text().map(|text| mount.source = text),
        _ => reader.skip(),
    })?;
    if is_below_run_secrets(mount.destination.as_ref()) {
        if config.secret_mounts.len() < DECLARED_MOUNTS_MAX {
            config.secret_mounts.push(mount);
        } else {
            config.dropped += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::json::tests::{Pieces, value};

    const CANARY: &str = "CANARY-5f1c";

    fn names() -> CredentialNames {
        CredentialNames::configured(&["*TOKEN*", "*PASSWORD*"]).unwrap()
    }

    fn document() -> Value {
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "args": ["/bin/app", CANARY],
                "env": ["PATH=/bin", format!("DB_PASSWORD={CANARY}"), format!("API_TOKEN={CANARY}=\"\\\n"), CANARY,
                        format!("DB_PASSWORD={CANARY}")],
            },
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/run/secrets/db", "type": "bind", "source": "/srv/db", "options": ["ro"]},
                {"destination": "/run/secretsnot", "type": "tmpfs"},
            ],
            "annotations": {
                "io.kubernetes.cri.container-type": "container",
                "io.kubernetes.cri.sandbox-name": "web-0",
                "io.kubernetes.cri.sandbox-namespace": "shop",
                "kubectl.kubernetes.io/last-applied-configuration": CANARY,
            },
            "linux": {"cgroupsPath": "/default/web"},
        })
    }

    #[test]
    fn names_identity_and_secret_mounts_are_taken() {
        let config = read(document().to_string().as_bytes(), &names()).unwrap();
        assert_eq!(config.credential_variables, ["DB_PASSWORD", "API_TOKEN"]);
        assert_eq!(config.pod.pod.as_deref(), Some("web-0"));
        assert_eq!(config.pod.namespace.as_deref(), Some("shop"));
        assert_eq!(config.pod.container_type.as_deref(), Some("container"));
        assert_eq!(config.cgroups_path.as_deref(), Some("/default/web"));
        assert_eq!(
            config.secret_mounts,
            [DeclaredMount {
                destination: "/run/secrets/db".to_owned(),
                kind: Some("bind".to_owned()),
                source: Some("/srv/db".to_owned())
            }]
        );
        assert!(!format!("{config:?}").contains(CANARY));
    }

    #[test]
    fn a_document_of_another_shape_says_nothing() {
        for document in ["{}", "[]", "null", r#"{"process": [], "annotations": 3, "mounts": {"a": "b"}}"#] {
            assert_eq!(read(document.as_bytes(), &names()), Ok(ContainerConfig::default()));
        }
    }

    #[test]
    fn too_many_names_are_counted() {
        let env: Vec<String> = (0..VARIABLES_MAX + 3).map(|i| format!("TOKEN_{i}=x")).collect();
        let document = json!({"process": {"env": env}}).to_string();
        let config = read(document.as_bytes(), &names()).unwrap();
        assert_eq!((config.credential_variables.len(), config.dropped), (VARIABLES_MAX, 3));
    }

    proptest! {
        #[test]
        fn a_value_is_found_nowhere_however_the_document_is_cut(
            cut in 0_usize..700,
            damage in any::<u8>(),
            sizes in prop::collection::vec(1_usize..40, 1..5),
        ) {
            let mut text = document().to_string().into_bytes();
            let at = cut.min(text.len() - 1);
            // Where a letter takes the place of `=`, nothing can tell the name from the value.
            prop_assume!(text[at] != b'=' || !damage.is_ascii_graphic());
            text[at] = damage;
            let mut reader = Reader::new(Pieces { rest: &text, sizes, turn: 0 });
            let all = CredentialNames::configured(&["*"]).unwrap();
            let result = read_document(&mut reader, &all).and_then(|config| {
                reader.finish()?;
                Ok(config)
            });
            let told = match &result {
                Ok(config) => format!("{config:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!told.contains(CANARY), "{}", told);
            prop_assert!(reader.is_wiped());
        }

        #[test]
        fn names_are_found_in_any_surroundings(
            surroundings in value(),
            variables in prop::collection::vec(("[A-Z_]{1,12}", any::<String>()), 0..10),
        ) {
            let env: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let document = json!({"a": surroundings, "process": {"x": surroundings, "env": env}}).to_string();
            let all = CredentialNames::configured(&["*"]).unwrap();
            let config = read(document.as_bytes(), &all).unwrap();
            let mut expected: Vec<String> = Vec::new();
            for (name, _) in variables {
                if !expected.contains(&name) {
                    expected.push(name);
                }
            }
            prop_assert_eq!(config.credential_variables, expected);
        }
    }
}
