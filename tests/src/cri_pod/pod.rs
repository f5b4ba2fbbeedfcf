//! A pod: a sandbox and containers, with the labels and cgroups that a kubelet with the cgroupfs driver gives them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Containerd, IMAGE, wire};

/// A pod that is to be.
#[derive(Debug, Clone)]
pub struct PodSpec {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID: 8-4-4-4-12 hexadecimal digits.
    pub uid: String,
    /// Labels of the user.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the user.
    pub annotations: BTreeMap<String, String>,
    /// Cgroup below which the pod's stands: a folder of the test's own that ends in `/kubepods/besteffort`, as the
    /// kubelet has it. It is taken away with the pod as far as it is empty.
    pub cgroup_parent: String,
    /// Its containers, started in this order.
    pub containers: Vec<ContainerSpec>,
}

/// A container of it.
#[derive(Debug, Clone, Default)]
pub struct ContainerSpec {
    /// Its name in the pod.
    pub name: String,
    /// What it runs.
    pub command: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Folders and files of the host (first) mounted in it (second), read-only.
    pub mounts: Vec<(PathBuf, String)>,
}

/// A pod that runs; stopped and removed on drop.
#[derive(Debug)]
pub struct Pod<'c> {
    containerd: &'c Containerd,
    cgroup: String,
    sandbox: String,
    containers: BTreeMap<String, String>,
}

impl Containerd {
    /// Starts a pod on the host's network.
    ///
    /// # Errors
    /// If the runtime refuses a step; what was made so far is taken away.
    pub fn start_pod(&self, spec: &PodSpec) -> Result<Pod<'_>> {
        let config = sandbox_config(spec);
        let question = wire::RunPodSandboxRequest { config: Some(config.clone()) };
        let wire::RunPodSandboxResponse { pod_sandbox_id: sandbox } =
            self.call("/runtime.v1.RuntimeService/RunPodSandbox", question).context("making the sandbox")?;
        let cgroup = cgroup_of(spec);
        let mut pod = Pod { containerd: self, cgroup, sandbox, containers: BTreeMap::new() };
        for container in &spec.containers {
            let id = pod.start_container(spec, &config, container);
            let id = id.with_context(|| format!("starting the container {}", container.name))?;
            pod.containers.insert(container.name.clone(), id);
        }
        Ok(pod)
    }
}

impl Pod<'_> {
    /// The sandbox's id.
    pub fn sandbox(&self) -> &str {
        &self.sandbox
    }

    /// A container's id, by its name.
    pub fn container(&self, name: &str) -> Option<&str> {
        self.containers.get(name).map(String::as_str)
    }

    /// The pod's cgroup below the hierarchy's root; its containers' are named by their ids below it.
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Runs a command in a container, as `kubectl exec` does, and waits for it. Its exit code and output.
    ///
    /// # Errors
    /// If the container is not there or the runtime refuses.
    pub fn exec(&self, container: &str, command: &[&str]) -> Result<(i32, Vec<u8>)> {
        let id = self.container(container).with_context(|| format!("no container {container} in the pod"))?;
        let question = wire::ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command.iter().map(|word| (*word).to_owned()).collect(),
            timeout: 20,
        };
        let answer: wire::ExecSyncResponse =
            self.containerd.call("/runtime.v1.RuntimeService/ExecSync", question)?;
        Ok((answer.exit_code, answer.stdout))
    }

    fn start_container(
        &self,
        spec: &PodSpec,
        sandbox_config: &wire::PodSandboxConfig,
        container: &ContainerSpec,
    ) -> Result<String> {
        let mount = |(host, inside): &(PathBuf, String)| wire::Mount {
            container_path: inside.clone(),
            host_path: host.to_string_lossy().into_owned(),
            readonly: true,
        };
        let variable =
            |(key, value): &(String, String)| wire::KeyValue { key: key.clone(), value: value.clone() };
        let mut labels = kubelet_labels(spec);
        labels.insert("io.kubernetes.container.name".to_owned(), container.name.clone());
        let config = wire::ContainerConfig {
            metadata: Some(wire::ContainerMetadata { name: container.name.clone() }),
            image: Some(wire::ImageSpec { image: IMAGE.to_owned() }),
            command: container.command.clone(),
            envs: container.environment.iter().map(variable).collect(),
            mounts: container.mounts.iter().map(mount).collect(),
            labels,
            linux: Some(wire::LinuxContainerConfig {
                security_context: Some(wire::LinuxContainerSecurityContext {
                    namespace_options: Some(host_network()),
                }),
            }),
        };
        let question = wire::CreateContainerRequest {
            pod_sandbox_id: self.sandbox.clone(),
            config: Some(config),
            sandbox_config: Some(sandbox_config.clone()),
        };
        let wire::CreateContainerResponse { container_id } =
            self.containerd.call("/runtime.v1.RuntimeService/CreateContainer", question)?;
        let question = wire::StartContainerRequest { container_id: container_id.clone() };
        let wire::Nothing {} = self.containerd.call("/runtime.v1.RuntimeService/StartContainer", question)?;
        Ok(container_id)
    }

    fn remove(&self) -> Result<()> {
        let question = wire::SandboxRequest { pod_sandbox_id: self.sandbox.clone() };
        let wire::Nothing {} =
            self.containerd.call("/runtime.v1.RuntimeService/StopPodSandbox", question.clone())?;
        let wire::Nothing {} =
            self.containerd.call("/runtime.v1.RuntimeService/RemovePodSandbox", question)?;
        Ok(())
    }

    /// Takes away the pod's empty cgroups in every hierarchy, which the kubelet would do.
    fn remove_cgroups(&self) {
        let root = PathBuf::from("/sys/fs/cgroup");
        let hierarchies = fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
        for hierarchy in hierarchies.chain([root.clone()]) {
            for folder in
                Path::new(self.cgroup.trim_start_matches('/')).ancestors().filter(|path| *path != "")
            {
                let _ = fs::remove_dir(hierarchy.join(folder)); // fails where something else still stands in it
            }
        }
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("pod sandbox {}: {error:#}", self.sandbox);
        }
        self.remove_cgroups();
    }
}

fn cgroup_of(spec: &PodSpec) -> String {
    format!("{}/pod{}", spec.cgroup_parent.trim_end_matches('/'), spec.uid)
}

fn kubelet_labels(spec: &PodSpec) -> BTreeMap<String, String> {
    let own = [("pod.name", &spec.name), ("pod.namespace", &spec.namespace), ("pod.uid", &spec.uid)];
    own.into_iter().map(|(key, value)| (format!("io.kubernetes.{key}"), value.clone())).collect()
}

fn sandbox_config(spec: &PodSpec) -> wire::PodSandboxConfig {
    let mut labels = kubelet_labels(spec);
    labels.extend(spec.labels.clone());
    wire::PodSandboxConfig {
        metadata: Some(wire::PodSandboxMetadata {
            name: spec.name.clone(),
            uid: spec.uid.clone(),
            namespace: spec.namespace.clone(),
        }),
        labels,
        annotations: spec.annotations.clone(),
        linux: Some(wire::LinuxPodSandboxConfig {
            cgroup_parent: cgroup_of(spec),
            security_context: Some(wire::LinuxSandboxSecurityContext {
                namespace_options: Some(host_network()),
            }),
        }),
    }
}

fn host_network() -> wire::NamespaceOption {
    const NODE: i32 = 2;
    wire::NamespaceOption { network: NODE }
}
