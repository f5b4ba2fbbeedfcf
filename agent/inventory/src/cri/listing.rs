//! From what a runtime lists to names of containers; pure.

use std::collections::{BTreeMap, HashMap};

use cofferdam_model::{Image, Runtime};

use super::wire::{Container, ContainerState, PodSandbox, PodSandboxMetadata};
use crate::names::{ContainerNames, LABELS_MAX, NAME_MAX, fits};

/// What one listing says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Containers and sandboxes that exist or are about to.
    pub names: Vec<ContainerNames>,
    /// Entries whose id is none.
    pub malformed: u64,
}

/// The runtime, from the name that it gives itself.
pub(super) fn runtime_named(name: &str) -> Runtime {
    match name {
        "containerd" => Runtime::Containerd,
        "cri-o" => Runtime::Crio,
        "docker" => Runtime::Docker,
        _ => Runtime::Unknown,
    }
}

/// Names of what runs. A container has its own name, and the pod's name, namespace and labels from its sandbox.
pub(super) fn listing(containers: Vec<Container>, sandboxes: Vec<PodSandbox>, runtime: Runtime) -> Listing {
    let mut listing = Listing::default();
    let pods: HashMap<&str, &PodSandbox> = sandboxes.iter().map(|pod| (pod.id.as_str(), pod)).collect();
    for container in &containers {
        if !matches!(container.state(), ContainerState::Created | ContainerState::Running) {
            continue;
        }
        let pod = pods.get(container.pod_sandbox_id.as_str());
        let metadata = pod.and_then(|pod| pod.metadata.as_ref());
        let label = |name: &str| container.labels.get(name).cloned().filter(|name| fits(name));
        let own_name = container.metadata.as_ref().map(|metadata| metadata.name.clone());
        let names = container.id.parse().map(|id| ContainerNames {
            namespace: namespace(metadata).or_else(|| label("io.kubernetes.pod.namespace")),
            pod: pod_name(metadata).or_else(|| label("io.kubernetes.pod.name")),
            container: label("io.kubernetes.container.name").or(own_name.filter(|name| fits(name))),
            sandbox: Some(false),
            labels: pod.map(|pod| user_labels(&pod.labels)),
            image: image(container),
            runtime: Some(runtime),
            ..ContainerNames::of(id)
        });
        listing.add(names.ok());
    }
    for pod in sandboxes.iter().filter(|pod| pod.state == 0) {
        let names = pod.id.parse().map(|id| ContainerNames {
            namespace: namespace(pod.metadata.as_ref()),
            pod: pod_name(pod.metadata.as_ref()),
            sandbox: Some(true),
            labels: Some(user_labels(&pod.labels)),
            runtime: Some(runtime),
            ..ContainerNames::of(id)
        });
        listing.add(names.ok());
    }
    listing
}

impl Listing {
    fn add(&mut self, names: Option<ContainerNames>) {
        match names {
            Some(names) => self.names.push(names),
            None => self.malformed += 1,
        }
    }
}

fn namespace(pod: Option<&PodSandboxMetadata>) -> Option<String> {
    pod.map(|pod| pod.namespace.clone()).filter(|name| fits(name))
}

fn pod_name(pod: Option<&PodSandboxMetadata>) -> Option<String> {
    pod.map(|pod| pod.name.clone()).filter(|name| fits(name))
}

/// Without what the kubelet adds for itself.
fn user_labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_user = |(key, value): &(&String, &String)| {
        !key.starts_with("io.kubernetes.") && key.len() <= NAME_MAX && value.len() <= NAME_MAX
    };
    let taken = labels.iter().filter(of_user).take(LABELS_MAX);
    taken.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The kubelet asks for images by id and tells the user's name beside it, if the runtime is new enough.
fn image(container: &Container) -> Option<Image> {
    let spec = container.image.as_ref();
    let names = [spec.map(|spec| &spec.user_specified_image), spec.map(|spec| &spec.image)];
    let name = names.into_iter().flatten().find(|name| fits(name))?.clone();
    let digest = container.image_ref.rsplit('@').next().filter(|digest| digest.contains(':') && fits(digest));
    Some(Image { name, digest: digest.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::super::wire::{ContainerMetadata, ImageSpec, ListContainersResponse, ListPodSandboxResponse};
    use super::*;

    fn sandbox() -> PodSandbox {
        PodSandbox {
            id: "pod1".to_owned(),
            metadata: Some(PodSandboxMetadata { name: "web-0".to_owned(), namespace: "shop".to_owned() }),
            state: 0,
            labels: BTreeMap::from([
                ("app".to_owned(), "web".to_owned()),
                ("io.kubernetes.pod.uid".to_owned(), "u".to_owned()),
            ]),
        }
    }

    fn container(state: ContainerState) -> Container {
        Container {
            id: "c1".to_owned(),
            pod_sandbox_id: "pod1".to_owned(),
            metadata: Some(ContainerMetadata { name: "app".to_owned() }),
            image: Some(ImageSpec {
                image: "sha256:aa".to_owned(),
                user_specified_image: "web:1".to_owned(),
            }),
            image_ref: "registry/web@sha256:bb".to_owned(),
            state: state as i32,
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn a_container_takes_pod_namespace_and_labels_from_its_sandbox() {
        let listing = listing(vec![container(ContainerState::Running)], vec![sandbox()], Runtime::Containerd);
        let named = &listing.names[0];
        assert_eq!((named.namespace.as_deref(), named.pod.as_deref()), (Some("shop"), Some("web-0")));
        assert_eq!((named.container.as_deref(), named.sandbox), (Some("app"), Some(false)));
        assert_eq!(named.labels, Some(BTreeMap::from([("app".to_owned(), "web".to_owned())])));
        let image = named.image.as_ref().unwrap();
        assert_eq!((image.name.as_str(), image.digest.as_deref()), ("web:1", Some("sha256:bb")));
        assert_eq!((listing.names[1].sandbox, listing.names[1].container.clone()), (Some(true), None));
    }

    #[test]
    fn what_has_exited_and_what_has_no_id_is_left_out() {
        let nameless = Container { id: "/".to_owned(), ..container(ContainerState::Created) };
        let listing = listing(vec![container(ContainerState::Exited), nameless], vec![], Runtime::Crio);
        assert_eq!((listing.names.len(), listing.malformed), (0, 1));
    }

    #[test]
    fn labels_of_the_kubelet_stand_in_for_a_sandbox_that_is_not_listed_yet() {
        let mut early = container(ContainerState::Created);
        early.labels.insert("io.kubernetes.pod.name".to_owned(), "web-0".to_owned());
        let listing = listing(vec![early], vec![], Runtime::Crio);
        assert_eq!((listing.names[0].pod.as_deref(), &listing.names[0].labels), (Some("web-0"), &None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_listing_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(container) = Container::decode(bytes.as_slice()) {
                let _ = listing(vec![container], vec![sandbox()], Runtime::Unknown);
            }
            if let Ok(pod) = PodSandbox::decode(bytes.as_slice()) {
                let _ = listing(vec![container(ContainerState::Running)], vec![pod], Runtime::Unknown);
            }
        }

        #[test]
        fn damaged_answers_of_a_runtime_are_listings_or_refused(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let containers = vec![container(ContainerState::Running), container(ContainerState::Created)];
            let containers = damaged(&ListContainersResponse { containers }, &damage);
            let sandboxes = damaged(&ListPodSandboxResponse { items: vec![sandbox(), sandbox()] }, &damage);
            if let (Some(containers), Some(sandboxes)) = (containers, sandboxes) {
                let named = listing(containers.containers, sandboxes.items, Runtime::Unknown);
                for names in named.names {
                    for name in [&names.namespace, &names.pod, &names.container].into_iter().flatten() {
                        prop_assert!(fits(name), "{name:?} is no name");
                    }
                    prop_assert!(names.labels.is_none_or(|labels| labels.len() <= LABELS_MAX));
                }
            }
        }

        #[test]
        fn the_bounds_hold_for_whatever_a_sandbox_is_called(
            name in "(\\PC{0,20}|a{500,520})",
            labels in prop::collection::btree_map("[a-zü./]{0,9}", "(ü{0,3}|a{510,514})", 0..80),
        ) {
            let metadata = Some(PodSandboxMetadata { name: name.clone(), namespace: name });
            let pod = PodSandbox { metadata, labels, ..sandbox() };
            let pod = PodSandbox::decode(pod.encode_to_vec().as_slice()).unwrap();
            let named = listing(Vec::new(), vec![pod], Runtime::Unknown).names.remove(0);
            prop_assert!(named.pod.is_none_or(|name| fits(&name)));
            prop_assert!(named.namespace.is_none_or(|name| fits(&name)));
            let labels = named.labels.unwrap();
            prop_assert!(labels.len() <= LABELS_MAX);
            prop_assert!(labels.iter().all(|(key, value)| key.len() <= NAME_MAX && value.len() <= NAME_MAX));
        }
    }

    /// A message of which some bytes have become others, if it still is one.
    fn damaged<M: Message + Default>(message: &M, damage: &[(prop::sample::Index, u8)]) -> Option<M> {
        let mut bytes = message.encode_to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        M::decode(bytes.as_slice()).ok()
    }
}
