//! References to secrets; a value has no place in these types.

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{PodUid, WorkloadId};

words! {
    /// Where a credential comes from.
    SecretKind: "secret kind (secret-volume, projected, csi, subpath, run-secrets, configured, environment, unknown)" {
        /// A Kubernetes Secret volume.
        SecretVolume = "secret-volume",
        /// A projected volume: service-account token and its companions.
        Projected = "projected",
        /// A volume of a secret CSI driver.
        Csi = "csi",
        /// A single key of a Secret volume, bound into a container.
        SubPath = "subpath",
        /// A mount below `/run/secrets` of a container.
        RunSecrets = "run-secrets",
        /// A path from the configuration.
        Configured = "configured",
        /// The environment of a process.
        Environment = "environment",
        /// A file that was watched as a secret when it was touched; nothing more is known of it.
        Unknown = "unknown",
    }
}

/// A credential source. For a Kubernetes volume the API's names of the Secret come later (`uid` and a better
/// `name`); until then `name` is what the mount path says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// What kind of source.
    pub kind: SecretKind,
    /// Kubernetes namespace, once known.
    pub namespace: Option<String>,
    /// Volume name, configured name, mount target, or `environment`.
    pub name: String,
    /// The pod that the volume belongs to.
    pub pod_uid: Option<PodUid>,
    /// UID of the Secret object, once the API has told it.
    pub uid: Option<String>,
    /// Key within the source: file name relative to the volume, or variable name.
    pub key: Option<String>,
    /// The workload that owns it, where only one can (an environment; `/run/secrets` of one container).
    pub owner: Option<WorkloadId>,
}

impl SecretRef {
    /// The name by which people know it, without the key: `volume/creds`, `payments/db-password`, `environment`.
    pub fn display_name(&self) -> String {
        match self.kind {
            SecretKind::SecretVolume | SecretKind::Projected | SecretKind::Csi | SecretKind::SubPath => {
                match &self.namespace {
                    Some(namespace) => format!("{namespace}/volume/{}", self.name),
                    None => format!("volume/{}", self.name),
                }
            }
            SecretKind::RunSecrets
            | SecretKind::Configured
            | SecretKind::Environment
            | SecretKind::Unknown => self.name.clone(),
        }
    }
}
