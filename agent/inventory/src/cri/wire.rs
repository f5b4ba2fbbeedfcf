//! The few messages of the Container Runtime Interface, `runtime.v1`, that name containers; field numbers are CRI's.
//!
//! By hand rather than generated: fields that are not declared are never decoded, so that annotations, commands and
//! environments do not reach the agent's memory as data, and no `protoc` is needed to build.

use std::collections::BTreeMap;

/// `VersionRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VersionRequest {}

/// `VersionResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VersionResponse {
    #[prost(string, tag = "2")]
    pub(super) runtime_name: String,
    #[prost(string, tag = "3")]
    pub(super) runtime_version: String,
}

/// `ListContainersRequest`, without a filter.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ListContainersRequest {}

/// `ListContainersResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ListContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) containers: Vec<Container>,
}

/// `Container`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Container {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) pod_sandbox_id: String,
    #[prost(message, optional, tag = "3")]
    pub(super) metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "4")]
    pub(super) image: Option<ImageSpec>,
    #[prost(string, tag = "5")]
    pub(super) image_ref: String,
    #[prost(enumeration = "ContainerState", tag = "6")]
    pub(super) state: i32,
    #[prost(btree_map = "string, string", tag = "8")]
    pub(super) labels: BTreeMap<String, String>,
}

/// `ContainerMetadata`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ContainerMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

/// `ImageSpec`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ImageSpec {
    #[prost(string, tag = "1")]
    pub(super) image: String,
    #[prost(string, tag = "18")]
    pub(super) user_specified_image: String,
}

/// `ContainerState`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(super) enum ContainerState {
    Created = 0,
    Running = 1,
    Exited = 2,
    Unknown = 3,
}

/// `ListPodSandboxRequest`, without a filter.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ListPodSandboxRequest {}

/// `ListPodSandboxResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ListPodSandboxResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) items: Vec<PodSandbox>,
}

/// `PodSandbox`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PodSandbox {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) metadata: Option<PodSandboxMetadata>,
    /// 0 ready, 1 not ready.
    #[prost(int32, tag = "3")]
    pub(super) state: i32,
    #[prost(btree_map = "string, string", tag = "5")]
    pub(super) labels: BTreeMap<String, String>,
}

/// `PodSandboxMetadata`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
}
