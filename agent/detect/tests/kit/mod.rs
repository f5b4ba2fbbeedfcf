//! A node in records, as an agent writes them: a pod's container with its honest program, and who comes besides.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test file uses a part of it; a helper that fails is a test that fails"
)]

pub mod scenes;

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_detect::{Engine, Library, Limits};
use cofferdam_model::*;

const SECOND: u64 = 1_000_000_000;
/// When what is usual for a workload is known, in seconds after its start.
pub const LEARNT: u64 = 2 * 3_600;
/// The container that scenes are about, another of its pod, and the host.
pub const APP: WorkloadId = WorkloadId(4_711);
pub const SIDECAR: WorkloadId = WorkloadId(4_712);
pub const HOST: WorkloadId = WorkloadId(1);
/// The next pod of the same deployment.
pub const NEXT: WorkloadId = WorkloadId(4_811);

/// Records that come one after the other.
#[derive(Debug, Default)]
pub struct Scene {
    pub records: Vec<Record>,
    at: u64,
    pids: u32,
}

/// A process and its program.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub key: ProcessKey,
    pub exec: EventId,
    pub workload: WorkloadId,
    exec_session: bool,
}

impl Scene {
    /// The pod is there since second 1; its program has read its password and speaks to its database.
    pub fn new() -> Self {
        let mut scene = Self { at: SECOND, pids: 4_200, ..Self::default() };
        scene.records.push(Record::Workload(host()));
        scene.records.push(Record::Workload(container(APP, "web-7d4b9c6f5d-x2x9z", "app")));
        scene.records.push(Record::Workload(container(SIDECAR, "web-7d4b9c6f5d-x2x9z", "proxy")));
        let runc = scene.enters(APP, false);
        let app = scene.runs(runc, "/usr/bin/web", BinaryOrigin::Image);
        scene.opens(app, "creds", "password");
        scene.connects(app, "10.0.0.5", 5_432);
        scene
    }

    /// The same, some hours later: what is usual is known.
    pub fn learnt() -> Self {
        let mut scene = Self::new();
        scene.until(LEARNT);
        scene
    }

    /// Nothing happens until that second.
    pub fn until(&mut self, second: u64) {
        self.at = self.at.max(second * SECOND);
    }

    /// Nothing happens for that many seconds.
    pub fn after(&mut self, seconds: u64) {
        self.at += seconds * SECOND;
    }

    fn next(&mut self) -> BootTime {
        self.at += 1_250_000;
        BootTime::from_nanos(self.at)
    }

    /// The runtime enters a container.
    pub fn enters(&mut self, workload: WorkloadId, exec_session: bool) -> Who {
        let (key, began) = self.born();
        let who = Who { key, exec: EventId::new(began, 0), workload, exec_session };
        self.began(who, None, "/usr/bin/runc", BinaryOrigin::Memfd, true);
        who
    }

    /// A process executes a program in a child.
    pub fn runs(&mut self, parent: Who, path: &str, origin: BinaryOrigin) -> Who {
        let (key, began) = self.born();
        let who = Who { key, exec: EventId::new(began, 0), ..parent };
        self.began(who, Some(parent), path, origin, false);
        who
    }

    /// A process goes on with another program.
    pub fn executes(&mut self, who: Who, path: &str) -> Who {
        let again = Who { exec: EventId::new(self.next(), 0), ..who };
        self.began(again, None, path, BinaryOrigin::Image, false);
        again
    }

    /// A process of the host.
    pub fn on_host(&mut self, path: &str) -> Who {
        let (key, began) = self.born();
        let who = Who { key, exec: EventId::new(began, 0), workload: HOST, exec_session: false };
        self.began(who, None, path, BinaryOrigin::Host, false);
        who
    }

    /// A process ends.
    pub fn ends(&mut self, who: Who) {
        let at = self.next();
        self.records.push(Record::Exit { process: who.key, exec: who.exec, at });
    }

    fn born(&mut self) -> (ProcessKey, BootTime) {
        self.pids += 1;
        let began = self.next();
        (ProcessKey { pid: self.pids, start: began }, began)
    }

    fn began(&mut self, who: Who, parent: Option<Who>, path: &str, origin: BinaryOrigin, runtime: bool) {
        let inode = InodeKey {
            filesystem: FilesystemKey { device: 40, generation: 1 },
            ino: path.len() as u64,
            generation: 1,
        };
        self.records.push(Record::Process(Process {
            exec: who.exec,
            key: who.key,
            parent: parent.map(|it| it.key),
            parent_exec: parent.map(|it| it.exec),
            workload: who.workload,
            cgroup: CgroupId(who.workload.0),
            uid: 1_000,
            executable: Executable {
                path: Some(path.to_owned()),
                inode: Some(inode),
                origin,
                interpreter: None,
                interpreter_inode: None,
            },
            exec_session: Some(who.exec_session),
            runtime,
            adopted: false,
            began: BootTime::from_nanos(who.exec.time().as_nanos()),
        }));
    }

    /// A key of a secret volume is opened to be read.
    pub fn opens(&mut self, who: Who, volume: &str, key: &str) {
        self.touches(who, volume, key, |_| ());
    }

    /// The same, otherwise.
    pub fn touches(&mut self, who: Who, volume: &str, key: &str, otherwise: impl FnOnce(&mut Access)) {
        let at = self.next();
        let mut access = Access {
            id: EventId::new(at, 1),
            first: at,
            last: at,
            total: 1,
            workload: who.workload,
            cgroup: CgroupId(who.workload.0),
            cgroup_path: None,
            uid: Some(1_000),
            process: Some(who.key),
            exec: Some(who.exec),
            secret: SecretRef {
                kind: SecretKind::SecretVolume,
                namespace: Some("shop".to_owned()),
                name: volume.to_owned(),
                pod_uid: Some(POD.parse().unwrap()),
                uid: None,
                key: Some(key.to_owned()),
                owner: None,
            },
            inode: None,
            how: AccessKind::Open,
            mode: AccessMode::Read,
            target: None,
            verdict: Verdict::Allowed,
            denied_by: None,
            enforced_by: EnforcedBy::Lsm,
            policy: None,
            rule: None,
            exception: false,
            generation: 0,
            order: None,
        };
        otherwise(&mut access);
        self.records.push(Record::Access(access));
    }

    /// Another process's environment is read.
    pub fn reads_environment(&mut self, who: Who, of: Who, relation: TargetRelation) {
        self.touches(who, "environment", "", |access| {
            let target =
                Target { relation, process: of.key, workload: of.workload, cgroup: CgroupId(of.workload.0) };
            access.how = AccessKind::Environ;
            access.secret.kind = SecretKind::Environment;
            access.secret.key = None;
            access.target = Some(target);
        });
    }

    /// A policy refuses an access.
    pub fn is_refused(&mut self, who: Who, volume: &str, key: &str) {
        self.touches(who, volume, key, |access| {
            access.verdict = Verdict::Denied;
            access.denied_by = Some(DeniedBy::Us);
            access.policy = Some("shop/web".to_owned());
            access.rule = Some("creds".to_owned());
        });
    }

    /// A connection is made.
    pub fn connects(&mut self, who: Who, destination: &str, port: u16) {
        let at = self.next();
        self.records.push(Record::Connection(Connection {
            id: EventId::new(at, 2),
            first: at,
            last: at,
            total: 1,
            workload: who.workload,
            cgroup: CgroupId(who.workload.0),
            cgroup_path: None,
            uid: Some(1_000),
            process: Some(who.key),
            exec: Some(who.exec),
            destination: Some(destination.parse().unwrap()),
            port,
            protocol: Protocol::Tcp,
            family: 4,
            unconnected: false,
            tainted_by: Vec::new(),
            verdict: Verdict::Allowed,
            denied_by: None,
            enforced_by: EnforcedBy::Cgroup,
            policy: None,
            rule: None,
            exception: false,
            generation: 0,
        }));
    }

    /// Another pod of the same deployment begins.
    pub fn next_pod(&mut self) -> Who {
        self.records.push(Record::Workload(container(NEXT, "web-7d4b9c6f5d-k8q7w", "app")));
        let runc = self.enters(NEXT, false);
        self.runs(runc, "/usr/bin/web", BinaryOrigin::Image)
    }
}

const POD: &str = "0a1b2c3d-1111-2222-3333-444455556666";

fn container(id: WorkloadId, pod: &str, name: &str) -> Workload {
    Workload {
        id,
        cgroup: CgroupId(id.0),
        cgroup_path: format!("/kubepods.slice/{}", id.0),
        kind: WorkloadKind::PodContainer {
            pod_uid: POD.parse().unwrap(),
            container_id: format!("{:064x}", id.0).parse().unwrap(),
            runtime: Runtime::Containerd,
        },
        namespace: Some("shop".to_owned()),
        pod: Some(pod.to_owned()),
        container: Some(name.to_owned()),
        sandbox: false,
        labels: [("app".to_owned(), "web".to_owned())].into(),
        image: Some(Image { name: "registry/web:1.4".to_owned(), digest: None }),
        credential_variables: vec!["DB_PASSWORD".to_owned()],
        since: BootTime::from_nanos(SECOND),
        until: None,
    }
}

fn host() -> Workload {
    let kind = WorkloadKind::Host;
    let nameless = Workload { kind, namespace: None, pod: None, container: None, ..container(HOST, "", "") };
    Workload { cgroup_path: "/".to_owned(), image: None, credential_variables: Vec::new(), ..nameless }
}

/// The file of a recording.
pub fn recording(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(format!("{name}.jsonl"))
}

/// The records of a recording, without the lines that say of which boot they are.
pub fn recorded(name: &str) -> Vec<Record> {
    let text = std::fs::read_to_string(recording(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with(r#"{"record":"boot","#));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The shipped rules, at the beginning.
pub fn engine() -> Engine {
    let rules = Library::shipped().entries().iter().map(|it| it.rule.clone()).collect();
    Engine::new(rules, Limits { learning: Duration::from_hours(1), ..Limits::default() })
}
