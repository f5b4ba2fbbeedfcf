use proptest::prelude::*;

use super::*;
use crate::cgroup_path::{KnownContainer, NoRuntimes};
use cofferdam_model::{Image, Runtime};

const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn at(seconds: u64) -> BootTime {
    BootTime::from_nanos(seconds * 1_000_000_000)
}

struct Node {
    table: Workloads,
    now: u64,
}

impl Node {
    fn new() -> Self {
        let mut node = Self { table: Workloads::default(), now: 1 };
        node.made(1, 0, "/");
        node
    }

    fn made(&mut self, id: u64, parent: u64, path: &str) -> WorkloadChange {
        self.now += 1;
        self.table.made(CgroupId(id), CgroupId(parent), path, at(self.now), &NoRuntimes)
    }

    fn container(&mut self) -> WorkloadChange {
        self.made(2, 1, "/docker");
        self.made(3, 2, &format!("/docker/{HASH}"))
    }
}

fn names() -> ContainerNames {
    ContainerNames { container: Some("web".to_owned()), ..ContainerNames::of(HASH.parse().unwrap()) }
}

fn runc_says(path: &str) -> Option<KnownContainer> {
    (path == "/batch/job").then(|| KnownContainer {
        id: "job".parse().unwrap(),
        namespace: None,
        runtime: Runtime::Unknown,
    })
}

#[test]
fn a_container_is_a_workload_and_what_it_makes_is_its_own() {
    let mut node = Node::new();
    let made = node.container();
    assert_eq!((made.workload, made.container, made.provisional), (WorkloadId(3), true, false));
    assert_eq!(made.record.unwrap().cgroup_path, format!("/docker/{HASH}"));
    // The path of what is deep inside may be cut by the kernel's buffer: the parent decides.
    let inner = node.made(4, 3, "/docker/0123");
    assert_eq!((inner.workload, inner.record), (WorkloadId(3), None));
    assert_eq!(node.table.resolve(CgroupId(4)).unwrap().id, WorkloadId(3));
}

#[test]
fn folders_belong_to_the_host_and_units_to_themselves() {
    let mut node = Node::new();
    assert_eq!(node.made(2, 1, "/system.slice").workload, WorkloadId::HOST);
    let unit = node.made(3, 2, "/system.slice/db.service");
    assert_eq!(unit.record.unwrap().name().as_str(), "unit:db.service");
    assert_eq!(node.made(4, 3, "/system.slice/db.service/worker").workload, WorkloadId(3));
    assert_eq!(node.table.get(WorkloadId::HOST).unwrap().kind, WorkloadKind::Host);
}

#[test]
fn what_was_said_before_changes_nothing() {
    let mut node = Node::new();
    let first = node.container();
    let again = node.made(3, 2, &format!("/docker/{HASH}"));
    assert_eq!(again, WorkloadChange { record: None, ..first });
}

#[test]
fn a_provisional_cgroup_becomes_a_container_under_the_same_id() {
    let mut node = Node::new();
    node.made(2, 1, "/batch");
    let made = node.made(3, 2, "/batch/job");
    assert!(made.provisional && !made.container);
    node.made(4, 3, "/batch/job/below");
    assert!(node.table.reconsider(CgroupId(3), &NoRuntimes).is_empty());
    let changes = node.table.reconsider(CgroupId(3), &runc_says);
    let told: Vec<_> =
        changes.iter().map(|c| (c.cgroup.0, c.workload.0, c.container, c.provisional)).collect();
    assert_eq!(told, [(3, 3, true, false), (4, 3, true, false)]);
    assert_eq!(changes[0].record.as_ref().unwrap().name().as_str(), "container:job");
    assert_eq!(changes[0].record.as_ref().unwrap().since, made.record.unwrap().since);
    assert!(node.table.reconsider(CgroupId(3), &runc_says).is_empty(), "it is settled");
}

#[test]
fn a_provisional_cgroup_can_be_settled() {
    let mut node = Node::new();
    node.made(2, 1, "/batch");
    assert!(node.table.is_provisional(CgroupId(2)));
    node.table.settle(CgroupId(2));
    assert!(!node.table.is_provisional(CgroupId(2)));
}

#[test]
fn names_reach_a_container_before_during_and_after_its_life() {
    let mut node = Node::new();
    assert!(node.table.named(&names(), at(1)).is_empty());
    let record = node.container().record.unwrap();
    assert_eq!(record.name().as_str(), "docker:web");
    assert!(node.table.named(&names(), at(2)).is_empty(), "nothing new");
    let image = Image { name: "web:1".to_owned(), digest: None };
    let with_image = ContainerNames { image: Some(image.clone()), ..names() };
    assert_eq!(node.table.named(&with_image, at(3))[0].image, Some(image));
    let ended = node.table.removed(CgroupId(3), at(9)).unwrap();
    assert_eq!(ended.until, Some(at(9)));
    let late = ContainerNames { pod: Some("late".to_owned()), ..names() };
    let told = node.table.named(&late, at(10)).remove(0);
    assert_eq!((told.pod.as_deref(), told.until), (Some("late"), Some(at(9))));
}

#[test]
fn a_digest_does_not_replace_an_images_name() {
    let mut node = Node::new();
    node.container();
    let image = |name: &str, digest: Option<&str>| ContainerNames {
        image: Some(Image { name: name.to_owned(), digest: digest.map(str::to_owned) }),
        ..names()
    };
    node.table.named(&image("registry/web:1", None), at(1));
    let told = node.table.named(&image("sha256:aa", Some("sha256:aa")), at(2)).remove(0);
    assert_eq!(
        told.image,
        Some(Image { name: "registry/web:1".to_owned(), digest: Some("sha256:aa".to_owned()) })
    );
}

#[test]
fn a_removed_cgroup_resolves_until_its_tombstone_is_too_old() {
    let mut node = Node::new();
    node.container();
    node.table.removed(CgroupId(3), at(100));
    assert!(node.table.prune(at(200)).is_empty());
    assert!(node.table.resolve(CgroupId(3)).is_some());
    assert_eq!(node.table.prune(at(10_000)), [CgroupId(3)]);
    assert!(node.table.resolve(CgroupId(3)).is_none());
    assert!(node.table.named(&names(), at(10_001)).is_empty(), "nobody has this name now");
}

#[test]
fn a_name_used_again_means_the_new_container() {
    let mut node = Node::new();
    node.container();
    node.table.removed(CgroupId(3), at(100));
    let again = node.made(7, 2, &format!("/docker/{HASH}"));
    assert_eq!(again.workload, WorkloadId(7));
    node.table.prune(at(10_000));
    assert_eq!(node.table.named(&names(), at(10_001))[0].id, WorkloadId(7));
}

#[test]
fn every_bound_is_kept_and_counted() {
    let limits = Limits { cgroups: 3, tombstones: 2, early_names: 2, ..Limits::default() };
    let mut table = Workloads::new(limits);
    for id in 1..=5 {
        table.made(CgroupId(id), CgroupId(0), &format!("/{id}"), at(1), &NoRuntimes);
    }
    assert_eq!(table.counters().cgroups_dropped, 2);
    for id in 1..=3 {
        table.removed(CgroupId(id), at(2));
    }
    assert_eq!(table.prune(at(3)), [CgroupId(1)]);
    assert_eq!(table.counters().tombstones_dropped, 1);
    for name in ["a", "b", "c"] {
        table.named(&ContainerNames::of(name.parse().unwrap()), at(3));
    }
    assert_eq!(table.counters().names_dropped, 1);
}

#[test]
fn a_cgroup_whose_workloads_root_is_not_known_waits_for_a_walk() {
    let mut node = Node::new();
    let path = format!("/docker/{HASH}");
    let below = format!("{path}/below");
    let made = node.made(5, 4, &below);
    assert_eq!((made.workload, made.provisional), (WorkloadId::UNKNOWN, true));
    assert_eq!(node.table.counters().rootless, 1);
    node.made(4, 2, &path);
    assert_eq!(node.made(5, 4, &below).workload, WorkloadId(4));
}

proptest! {
    #[test]
    fn whatever_happens_a_workload_keeps_its_identity(
        events in prop::collection::vec((0..4_u8, 2..12_u64, 1..12_u64, "(/[a-c.]{1,3}(service|scope)?){1,3}"), 0..60)
    ) {
        let mut node = Node::new();
        let mut seen: HashMap<CgroupId, WorkloadId> = HashMap::new();
        for (what, id, parent, path) in events {
            node.now += 1;
            let (id, now) = (CgroupId(id), at(node.now));
            let known = node.table.cgroups.contains_key(&id);
            match what {
                0 | 1 => {
                    let change = node.table.made(id, CgroupId(parent), &path, now, &NoRuntimes);
                    if let Some(before) = seen.get(&id).filter(|before| known && before.is_known()) {
                        prop_assert_eq!(*before, change.workload);
                    }
                    seen.insert(id, change.workload);
                }
                2 => drop(node.table.removed(id, now)),
                _ => drop(node.table.reconsider(id, &NoRuntimes)),
            }
        }
    }
}
