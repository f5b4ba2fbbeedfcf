//! Orders: a person contains a workload or takes a credential away, at once and independent of any file.

use std::fmt;

use cofferdam_model::WallTime;
use serde::{Deserialize, Serialize};

use crate::Peer;

/// What an order is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OrderScope {
    /// Workloads, and everything that they could read.
    Workload {
        /// Stable name, or a glob of names.
        workload: String,
    },
    /// One credential.
    Credential {
        /// The secret, with or without its key.
        secret: String,
        /// From whom it is taken, a name or a glob of names; `None`: from all.
        workload: Option<String>,
    },
}

impl fmt::Display for OrderScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload { workload } => f.write_str(workload),
            Self::Credential { secret, workload: Some(workload) } => write!(f, "{secret} from {workload}"),
            Self::Credential { secret, workload: None } => write!(f, "{secret} from every workload"),
        }
    }
}

/// An order as it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// What it is about.
    pub scope: OrderScope,
    /// Cut the workloads off: nothing in, nothing out, open connections destroyed.
    pub cut_off: bool,
    /// When it ends; `None`: when it is released.
    pub until: Option<WallTime>,
    /// Whose it is.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// An order in force; or, as the answer to its release, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRow {
    /// Its id, to release it by.
    pub id: String,
    /// What it is about.
    pub scope: OrderScope,
    /// Whether it cuts the workloads off.
    pub cut_off: bool,
    /// Stable names of the workloads that run here and that it contains.
    pub workloads: Vec<String>,
    /// When it ends; `None`: when it is released.
    pub until: Option<WallTime>,
    /// Whose it is.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: WallTime,
    /// Who gave it.
    pub by: Peer,
    /// Open connections that it has destroyed.
    pub sockets_destroyed: u64,
    /// What it could not do here, and what to do about it, as sentences.
    pub notes: Vec<String>,
}
