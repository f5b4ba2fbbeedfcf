//! Which workloads a policy is for, and which secrets it means there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the common part is for several tests")]

mod kit;

use cofferdam_model::{Image, Runtime, SecretKind, Workload, WorkloadKind};
use cofferdam_policy::Selection::{self, No, Pending, Yes};
use cofferdam_policy::{Policy, is_guarded};
use kit::{Case, container, parsed, process, secret};

fn selecting(metadata: &str, selector: &str) -> Policy {
    let text = format!(
        "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: {{ {metadata} }}\n\
         spec: {{ {selector}, memory: {{ id: m, attach: deny }} }}\n"
    );
    parsed(&text).unwrap().remove(0)
}

fn selects(selector: &str, workload: &Workload) -> Selection {
    selecting("name: p", &format!("selector: {{ {selector} }}")).selects(workload)
}

/// A container of a pod, before the runtime has told its names.
fn unnamed_pod() -> Workload {
    let kind = WorkloadKind::PodContainer {
        pod_uid: "0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap(),
        container_id: "c1".parse().unwrap(),
        runtime: Runtime::Containerd,
    };
    Workload { kind, container: None, cgroup_path: "/kubepods.slice/c1".into(), ..container("c1") }
}

fn pod(namespace: &str) -> Workload {
    Workload {
        namespace: Some(namespace.into()),
        pod: Some("api-1".into()),
        container: Some("app".into()),
        labels: [("app".to_owned(), "api".to_owned())].into(),
        image: Some(Image { name: "registry.example/api:1".into(), digest: None }),
        ..unnamed_pod()
    }
}

fn unit(name: &str) -> Workload {
    let kind = WorkloadKind::Unit { unit: name.into() };
    Workload { kind, container: None, cgroup_path: format!("/system.slice/{name}"), ..container("c1") }
}

#[test]
fn all_that_is_named_must_fit() {
    let pod = pod("payments");
    for (selector, expected) in [
        ("matchLabels: { app: api }", Yes),
        ("matchLabels: { app: web }", No),
        ("matchLabels: { app: api, tier: x }", No),
        ("namespace: 'pay*'", Yes),
        ("namespace: 'pay*', container: sidecar", No),
        ("container: 'a?p', image: 'registry.example/*'", Yes),
        ("workload: 'payments/*/app'", Yes),
        ("cgroup: '/kubepods.slice/*'", Yes),
        ("unit: '*'", No),
    ] {
        assert_eq!(selects(selector, &pod), expected, "{selector}");
    }
}

#[test]
fn what_has_not_arrived_is_pending_unless_what_has_arrived_tells() {
    let unnamed = unnamed_pod();
    for (selector, expected) in [
        ("matchLabels: { app: api }", Pending),
        ("namespace: payments", Pending),
        ("image: '*'", Pending),
        ("workload: 'payments/*'", Pending),
        ("cgroup: '/kubepods.slice/*', namespace: payments", Pending),
        ("cgroup: '/other/*', namespace: payments", No),
        ("workload: '*'", Pending),
    ] {
        assert_eq!(selects(selector, &unnamed), expected, "{selector}");
    }
    let all = selecting("name: p", "selector: { workload: '*' }, optIn: [kube-system, cofferdam]");
    assert_eq!(all.selects(&unnamed), Yes, "whatever its namespace is");
}

#[test]
fn a_container_of_whom_nobody_tells_is_known_by_its_id_at_once() {
    let of = |runtime, namespace: Option<&str>| {
        let id = "web".parse().unwrap();
        let runtime_namespace = namespace.map(str::to_owned);
        let kind = WorkloadKind::Container { container_id: id, runtime_namespace, runtime };
        Workload { kind, container: None, ..container("web") }
    };
    for (workload, name) in [
        (of(Runtime::Containerd, Some("default")), "default/web"),
        (of(Runtime::Docker, None), "docker:web"),
        (of(Runtime::Podman, None), "podman:web"),
        (of(Runtime::Unknown, None), "container:web"),
    ] {
        assert_eq!(selects(&format!("workload: '{name}'"), &workload), Yes, "{name}");
        assert_eq!(selects("container: web", &workload), Yes, "{name}");
        assert_eq!(selects("container: api", &workload), No, "{name}");
        assert_eq!(selects("matchLabels: { app: web }", &workload), No, "{name}");
    }
    for of_cri in [of(Runtime::Containerd, Some("k8s.io")), of(Runtime::Crio, None)] {
        assert_eq!(selects("container: web", &of_cri), Pending, "its name is still to come");
    }
}

#[test]
fn host_and_units_are_selected_by_what_is_theirs_and_what_the_node_lives_on_never_is() {
    assert_eq!(selects("unit: 'nginx*'", &unit("nginx.service")), Yes);
    assert_eq!(selects("workload: 'unit:nginx*'", &unit("nginx.service")), Yes);
    assert_eq!(selects("image: '*'", &unit("nginx.service")), No);
    for name in [
        "kubelet.service",
        "containerd.service",
        "cofferdamd.service",
        "systemd-logind.service",
        "init.scope",
    ] {
        assert_eq!(selects("workload: '*', unit: '*'", &unit(name)), No, "{name}");
        assert!(is_guarded(&unit(name)), "{name}");
    }
    let host = Workload { kind: WorkloadKind::Host, cgroup_path: "/".into(), ..unit("x") };
    assert_eq!(selects("workload: '*'", &host), No);
}

#[test]
fn guarded_namespaces_are_selected_by_who_opts_in() {
    let system = pod("kube-system");
    assert_eq!(selects("workload: '*'", &system), No);
    let opted = selecting("name: p", "selector: { namespace: kube-system }, optIn: [kube-system]");
    assert_eq!(opted.selects(&system), Yes);
}

#[test]
fn a_policy_of_a_namespace_selects_there_only() {
    let policy = selecting("name: p, namespace: payments", "selector: { workload: '*' }");
    assert_eq!(policy.selects(&pod("payments")), Yes);
    assert_eq!(policy.selects(&pod("shop")), No);
    assert_eq!(policy.selects(&container("web")), No);
}

#[test]
fn a_policy_of_a_namespace_means_the_secrets_there() {
    let text = "apiVersion: cofferdam.dev/v1alpha1\nkind: ContainmentPolicy\nmetadata: { name: p, namespace: payments }\n\
         spec: { selector: { workload: '*' }, secrets: { id: db, secret: PATTERN, exclusive: true, readers: [{ binary: /app/server }] } }\n";
    let volume = |id: u64, namespace: Option<&str>| {
        let mut it = secret("db");
        it.id = id;
        it.refs[0].kind = SecretKind::SecretVolume;
        it.refs[0].namespace = namespace.map(str::to_owned);
        it
    };
    for pattern in ["db", "volume/db", "payments/volume/db", "'*/db'"] {
        let mut case = Case::of(parsed(&text.replace("PATTERN", pattern)).unwrap());
        case.workload = pod("payments");
        case.objects = vec![volume(1, Some("payments")), volume(2, Some("shop"))];
        let objects = |case: &Case| -> Vec<u64> {
            case.compile().unwrap().secrets.iter().map(|(key, _)| key.object).collect()
        };
        assert_eq!(objects(&case), [1], "{pattern}");
        // The neighbour of another namespace keeps its own secret of the same name.
        (case.others, case.policies) = (std::mem::take(&mut case.policies), Vec::new());
        case.workload = pod("shop");
        assert_eq!(objects(&case), [1], "{pattern}");
    }
}

#[test]
fn a_key_of_its_own_file_is_meant_as_a_whole() {
    let mut case =
        Case::one("secrets: { id: db, secret: db, keys: [password], readers: [{ binary: /app/server }] }");
    let of = |name: &str, key: &str| {
        let mut it = secret(name);
        it.refs[0].name = "db".into();
        it.refs[0].key = Some(key.into());
        it
    };
    case.objects = vec![of("one", "password"), of("two", "username")];
    let world = case.world();
    assert_eq!(world.told(world.read(&process("/bin/sh"), "one", "password")), "denied one/db");
    assert_eq!(world.told(world.read(&process("/bin/sh"), "two", "username")), "allowed");
}
