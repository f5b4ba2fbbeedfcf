use proptest::prelude::*;

use super::*;

const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";
const UID_SYSTEMD: &str = "0a1b2c3d_1111_2222_3333_444455556666";
const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER_HASH: &str = "ffffffffffffffff0123456789abcdef0123456789abcdef0123456789abcdef";

fn pod_container(runtime: Runtime) -> WorkloadKind {
    WorkloadKind::PodContainer { pod_uid: UID.parse().unwrap(), container_id: HASH.parse().unwrap(), runtime }
}

fn container(id: &str, namespace: Option<&str>, runtime: Runtime) -> WorkloadKind {
    WorkloadKind::Container {
        container_id: id.parse().unwrap(),
        runtime_namespace: namespace.map(str::to_owned),
        runtime,
    }
}

#[track_caller]
fn is_root_of(path: &str, kind: WorkloadKind) {
    assert_eq!(classify(path, &NoRuntimes), Classified { root: path, kind, provisional: false }, "{path}");
}

/// Every shape that is recognised without a runtime's help.
fn container_paths() -> Vec<String> {
    let slice = format!("kubepods-burstable-pod{UID_SYSTEMD}.slice");
    vec![
        format!("/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{HASH}.scope"),
        format!("/kubepods.slice/kubepods-pod{UID_SYSTEMD}.slice/crio-{HASH}.scope"),
        format!("/kubepods/besteffort/pod{UID}/{HASH}"),
        format!("/kubepods/pod{UID}/{HASH}"),
        format!("/docker/{HASH}"),
        format!("/system.slice/docker-{HASH}.scope"),
        format!("/machine.slice/libpod-{HASH}.scope"),
        format!("/libpod_parent/libpod-{HASH}"),
        format!("/ecs/task/{HASH}"),
        format!("/system.slice/containerd.service/kubepods-pod{UID_SYSTEMD}.slice:cri-containerd:{HASH}"),
    ]
}

#[test]
fn pods_of_the_systemd_driver_are_found_with_their_runtime() {
    for class in ["", "-burstable", "-besteffort"] {
        for (scope, runtime) in [
            ("cri-containerd", Runtime::Containerd),
            ("crio", Runtime::Crio),
            ("docker", Runtime::Docker),
            ("something", Runtime::Unknown),
        ] {
            let qos = if class.is_empty() { String::new() } else { format!("/kubepods{class}.slice") };
            let pod = format!("/kubepods.slice{qos}/kubepods{class}-pod{UID_SYSTEMD}.slice");
            is_root_of(&format!("{pod}/{scope}-{HASH}.scope"), pod_container(runtime));
        }
    }
}

#[test]
fn pods_of_the_cgroupfs_driver_are_found() {
    is_root_of(&format!("/kubepods/burstable/pod{UID}/{HASH}"), pod_container(Runtime::Unknown));
    is_root_of(&format!("/kubepods/besteffort/pod{UID}/{HASH}"), pod_container(Runtime::Unknown));
    is_root_of(&format!("/kubepods/pod{UID}/{HASH}"), pod_container(Runtime::Unknown));
    is_root_of(&format!("/kubepods/burstable/pod{UID}/crio-{HASH}"), pod_container(Runtime::Crio));
}

#[test]
fn a_static_pods_uid_has_no_dashes() {
    let uid = "0123456789abcdef0123456789abcdef";
    let path = format!("/kubepods/burstable/pod{uid}/{HASH}");
    let found = classify(&path, &NoRuntimes);
    assert_eq!(found.kind.pod_uid().unwrap().as_str(), uid);
}

#[test]
fn a_kubelet_that_is_nested_in_a_slice_is_found() {
    let pod = format!("kubelet-kubepods-burstable-pod{UID_SYSTEMD}.slice");
    is_root_of(
        &format!(
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/{pod}/cri-containerd-{HASH}.scope"
        ),
        pod_container(Runtime::Containerd),
    );
    is_root_of(&format!("/kubelet/kubepods/burstable/pod{UID}/{HASH}"), pod_container(Runtime::Unknown));
}

#[test]
fn containerd_with_the_wrong_driver_is_found() {
    is_root_of(
        &format!(
            "/system.slice/containerd.service/kubepods-besteffort-pod{UID_SYSTEMD}.slice:cri-containerd:{HASH}"
        ),
        pod_container(Runtime::Containerd),
    );
}

#[test]
fn pods_in_a_container_belong_to_it() {
    let node = format!("/docker/{OTHER_HASH}");
    let pod = format!("{node}/kubelet/kubepods/burstable/pod{UID}/{HASH}");
    let found = classify(&pod, &NoRuntimes);
    assert_eq!((found.root, found.kind), (node.as_str(), container(OTHER_HASH, None, Runtime::Docker)));
}

#[test]
fn containers_of_docker_and_podman_are_found() {
    is_root_of(&format!("/docker/{HASH}"), container(HASH, None, Runtime::Docker));
    is_root_of(&format!("/system.slice/docker-{HASH}.scope"), container(HASH, None, Runtime::Docker));
    is_root_of(&format!("/machine.slice/libpod-{HASH}.scope"), container(HASH, None, Runtime::Podman));
    is_root_of(&format!("/libpod_parent/libpod-{HASH}"), container(HASH, None, Runtime::Podman));
    is_root_of(
        &format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{HASH}.scope"),
        container(HASH, None, Runtime::Podman),
    );
}

#[test]
fn the_monitor_of_a_container_is_not_the_container() {
    for monitor in [format!("crio-conmon-{HASH}.scope"), format!("libpod-conmon-{HASH}.scope")] {
        let path = format!("/kubepods.slice/kubepods-pod{UID_SYSTEMD}.slice/{monitor}");
        is_root_of(&path, WorkloadKind::Unit { unit: monitor });
    }
    assert_eq!(classify("/libpod_parent/conmon", &NoRuntimes).kind, WorkloadKind::Other);
}

#[test]
fn what_a_container_makes_below_itself_is_its_own() {
    let inner = format!("docker/{OTHER_HASH}");
    let forged = format!("kubepods/burstable/pod{UID}/{OTHER_HASH}");
    for outer in container_paths() {
        let expected = classify(&outer, &NoRuntimes);
        assert_eq!(expected.root, outer);
        for below in ["container", "init.scope", "system.slice/sshd.service", &inner, &forged] {
            assert_eq!(classify(&format!("{outer}/{below}"), &NoRuntimes), expected);
        }
    }
}

#[test]
fn two_levels_are_a_container_only_if_containerd_says_so() {
    let containerd = |path: &str| {
        (path == "/default/web").then(|| KnownContainer {
            id: "web".parse().unwrap(),
            namespace: Some("default".to_owned()),
            runtime: Runtime::Containerd,
        })
    };
    let found = classify("/default/web/below", &containerd);
    assert_eq!(found.root, "/default/web");
    assert_eq!(found.kind, container("web", Some("default"), Runtime::Containerd));
    assert!(!found.provisional);
    let other = classify("/default/batch", &containerd);
    assert_eq!((other.root, &other.kind), ("/default/batch", &WorkloadKind::Other));
    assert!(other.provisional, "a runtime may say so later");
}

#[test]
fn a_scope_is_a_container_if_runc_says_so() {
    let runc = |path: &str| {
        (path == "/system.slice/runc-web.scope").then(|| KnownContainer {
            id: "web".parse().unwrap(),
            namespace: None,
            runtime: Runtime::Unknown,
        })
    };
    let path = "/system.slice/runc-web.scope";
    assert!(classify(path, &NoRuntimes).provisional);
    assert_eq!(classify(path, &runc).kind, container("web", None, Runtime::Unknown));
}

#[test]
fn the_deepest_unit_is_the_workload() {
    for (path, root, unit) in [
        ("/system.slice/ssh.service", "/system.slice/ssh.service", "ssh.service"),
        ("/system.slice/db.service/worker/3", "/system.slice/db.service", "db.service"),
        ("/init.scope", "/init.scope", "init.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service",
            "app-x.service",
        ),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            "/user.slice/user-1000.slice/session-3.scope",
            "session-3.scope",
        ),
    ] {
        let found = classify(path, &NoRuntimes);
        assert_eq!(found.root, root);
        assert_eq!(found.kind, WorkloadKind::Unit { unit: unit.to_owned() });
    }
}

#[test]
fn the_root_and_folders_that_only_order_others_are_the_hosts() {
    let pod_systemd = format!("/kubepods.slice/kubepods-pod{UID_SYSTEMD}.slice");
    let pod = format!("/kubepods/burstable/pod{UID}");
    for path in ["/", "", "/system.slice", "/user.slice/user-1000.slice", "/kubepods", "/kubepods/burstable"]
        .into_iter()
        .chain([pod_systemd.as_str(), &pod, "/docker"])
    {
        let found = classify(path, &NoRuntimes);
        assert_eq!((found.root, found.kind), ("/", WorkloadKind::Host), "{path}");
    }
}

#[test]
fn an_unknown_folder_is_its_own_workload() {
    let found = classify("/batch/job-1", &NoRuntimes);
    assert_eq!((found.root, found.kind), ("/batch/job-1", WorkloadKind::Other));
}

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("kubepods".to_owned()),
        Just("kubepods.slice".to_owned()),
        Just("burstable".to_owned()),
        Just(format!("pod{UID}")),
        Just(format!("kubepods-burstable-pod{UID_SYSTEMD}.slice")),
        Just("docker".to_owned()),
        Just(HASH.to_owned()),
        Just(format!("crio-{HASH}.scope")),
        Just(format!("crio-conmon-{HASH}.scope")),
        "[a-z@:.-]{0,12}(\\.service|\\.scope|\\.slice)?",
        "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_classified_and_its_root_is_an_ancestor(path in "\\PC{0,200}") {
        let found = classify(&path, &NoRuntimes);
        prop_assert!(found.root == "/" || path.starts_with(found.root));
    }

    #[test]
    fn the_root_of_a_root_is_itself(components in prop::collection::vec(component(), 0..8)) {
        let path = format!("/{}", components.join("/"));
        let found = classify(&path, &NoRuntimes);
        let again = classify(found.root, &NoRuntimes);
        prop_assert_eq!(again.root, found.root);
        prop_assert_eq!(again.kind, found.kind);
    }

    #[test]
    fn every_path_below_a_container_has_the_same_root(
        above in prop::collection::vec(component(), 0..6),
        below in prop::collection::vec(component(), 0..6),
    ) {
        let outer = format!("/{}", above.join("/"));
        let found = classify(&outer, &NoRuntimes);
        if found.kind.is_container() {
            let inner = format!("{outer}/{}", below.join("/"));
            prop_assert_eq!(classify(&inner, &NoRuntimes), found);
        }
    }
}
