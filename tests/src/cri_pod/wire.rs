//! The messages of CRI, `runtime.v1`, that a pod needs; field numbers are CRI's. What is not declared is left out.

use std::collections::BTreeMap;

macro_rules! messages {
    ($($name:ident { $($(#[$field_attribute:meta])* $field:ident: $kind:ty),* $(,)? })*) => {
        $(
            #[derive(Clone, PartialEq, prost::Message)]
            pub(super) struct $name {
                $($(#[$field_attribute])* pub(super) $field: $kind),*
            }
        )*
    };
}

messages! {
    Nothing {}
    PodSandboxMetadata {
        #[prost(string, tag = "1")] name: String,
        #[prost(string, tag = "2")] uid: String,
        #[prost(string, tag = "3")] namespace: String,
    }
    PodSandboxConfig {
        #[prost(message, optional, tag = "1")] metadata: Option<PodSandboxMetadata>,
        #[prost(btree_map = "string, string", tag = "6")] labels: BTreeMap<String, String>,
        #[prost(btree_map = "string, string", tag = "7")] annotations: BTreeMap<String, String>,
        #[prost(message, optional, tag = "8")] linux: Option<LinuxPodSandboxConfig>,
    }
    LinuxPodSandboxConfig {
        #[prost(string, tag = "1")] cgroup_parent: String,
        #[prost(message, optional, tag = "2")] security_context: Option<LinuxSandboxSecurityContext>,
    }
    LinuxSandboxSecurityContext {
        #[prost(message, optional, tag = "1")] namespace_options: Option<NamespaceOption>,
    }
    NamespaceOption {
        #[prost(int32, tag = "1")] network: i32,
    }
    RunPodSandboxRequest {
        #[prost(message, optional, tag = "1")] config: Option<PodSandboxConfig>,
    }
    RunPodSandboxResponse {
        #[prost(string, tag = "1")] pod_sandbox_id: String,
    }
    SandboxRequest {
        #[prost(string, tag = "1")] pod_sandbox_id: String,
    }
    CreateContainerRequest {
        #[prost(string, tag = "1")] pod_sandbox_id: String,
        #[prost(message, optional, tag = "2")] config: Option<ContainerConfig>,
        #[prost(message, optional, tag = "3")] sandbox_config: Option<PodSandboxConfig>,
    }
    CreateContainerResponse {
        #[prost(string, tag = "1")] container_id: String,
    }
    StartContainerRequest {
        #[prost(string, tag = "1")] container_id: String,
    }
    ContainerConfig {
        #[prost(message, optional, tag = "1")] metadata: Option<ContainerMetadata>,
        #[prost(message, optional, tag = "2")] image: Option<ImageSpec>,
        #[prost(string, repeated, tag = "3")] command: Vec<String>,
        #[prost(message, repeated, tag = "6")] envs: Vec<KeyValue>,
        #[prost(message, repeated, tag = "7")] mounts: Vec<Mount>,
        #[prost(btree_map = "string, string", tag = "9")] labels: BTreeMap<String, String>,
        #[prost(message, optional, tag = "15")] linux: Option<LinuxContainerConfig>,
    }
    ContainerMetadata {
        #[prost(string, tag = "1")] name: String,
    }
    ImageSpec {
        #[prost(string, tag = "1")] image: String,
    }
    KeyValue {
        #[prost(string, tag = "1")] key: String,
        #[prost(string, tag = "2")] value: String,
    }
    Mount {
        #[prost(string, tag = "1")] container_path: String,
        #[prost(string, tag = "2")] host_path: String,
        #[prost(bool, tag = "3")] readonly: bool,
    }
    LinuxContainerConfig {
        #[prost(message, optional, tag = "2")] security_context: Option<LinuxContainerSecurityContext>,
    }
    LinuxContainerSecurityContext {
        #[prost(message, optional, tag = "3")] namespace_options: Option<NamespaceOption>,
    }
    ExecSyncRequest {
        #[prost(string, tag = "1")] container_id: String,
        #[prost(string, repeated, tag = "2")] cmd: Vec<String>,
        #[prost(int64, tag = "3")] timeout: i64,
    }
    ExecSyncResponse {
        #[prost(bytes = "vec", tag = "1")] stdout: Vec<u8>,
        #[prost(int32, tag = "3")] exit_code: i32,
    }
}
