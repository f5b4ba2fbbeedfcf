//! Records for tests: a boot, its clock, and things that happen in it.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test file uses a part of it; a helper that fails is a test that fails"
)]

use std::cell::Cell;
use std::time::Duration;

use cofferdam_journal::{Config, Journal, Reader};
use cofferdam_model::*;

pub const SECOND: u64 = 1_000_000_000;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// The wall clock of this test: stands until it is moved.
pub fn wall() -> WallTime {
    WallTime::from_nanos(NOW.get())
}

/// Sets the wall clock to this long after the boot.
pub fn set_now(after_boot: BootTime) {
    NOW.set(clock().wall(after_boot).as_nanos());
}

pub fn at(seconds: u64) -> BootTime {
    BootTime::from_nanos(seconds * SECOND)
}

pub fn clock() -> Clock {
    Clock { booted: "2026-11-22T05:00:00Z".parse().unwrap() }
}

pub fn boot() -> BootId {
    "0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap()
}

pub fn next_boot() -> BootId {
    "ffff0000-1111-2222-3333-444455556666".parse().unwrap()
}

/// The wall time of a moment of the first boot.
pub fn moment(seconds: u64) -> WallTime {
    clock().wall(at(seconds))
}

pub fn config() -> Config {
    set_now(at(0));
    Config { wall_clock: wall, segment_span: Duration::from_hours(24 * 365), ..Config::default() }
}

/// A directory in memory where there is one: for tests that sync often.
pub fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn open(dir: &std::path::Path) -> Journal {
    Journal::open(dir, config()).unwrap()
}

pub fn reader(dir: &std::path::Path) -> Reader {
    Reader::open(dir).unwrap()
}

pub fn container(id: u64, name: &str) -> Workload {
    let hex = format!("{id:064x}");
    Workload {
        id: WorkloadId(id),
        cgroup: CgroupId(id),
        cgroup_path: format!("/kubepods/{id}"),
        kind: WorkloadKind::PodContainer {
            pod_uid: "0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap(),
            container_id: hex.parse().unwrap(),
            runtime: Runtime::Containerd,
        },
        namespace: Some("shop".to_owned()),
        pod: Some(format!("{name}-0")),
        container: Some(name.to_owned()),
        sandbox: false,
        labels: [("app".to_owned(), name.to_owned())].into(),
        image: Some(Image { name: format!("registry/{name}:1"), digest: None }),
        credential_variables: vec!["DB_PASSWORD".to_owned()],
        since: at(1),
        until: None,
    }
}

pub fn volume(name: &str, key: &str) -> SecretRef {
    SecretRef {
        kind: SecretKind::SecretVolume,
        namespace: Some("shop".to_owned()),
        name: name.to_owned(),
        pod_uid: Some("0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap()),
        uid: None,
        key: Some(key.to_owned()),
        owner: None,
    }
}

pub fn process_key(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: at(2) }
}

pub fn exec_of(pid: u32) -> EventId {
    EventId::new(BootTime::from_nanos(2 * SECOND + u64::from(pid)), 0)
}

pub fn program(pid: u32, workload: u64, path: &str) -> Process {
    Process {
        exec: exec_of(pid),
        key: process_key(pid),
        parent: Some(process_key(1)),
        parent_exec: Some(exec_of(1)),
        workload: WorkloadId(workload),
        cgroup: CgroupId(workload),
        uid: 1000,
        executable: Executable {
            path: Some(path.to_owned()),
            inode: Some(InodeKey {
                filesystem: FilesystemKey { device: 8 << 20 | 1, generation: 7 },
                ino: 42,
                generation: 3,
            }),
            origin: BinaryOrigin::Image,
            interpreter: None,
            interpreter_inode: None,
        },
        exec_session: Some(false),
        runtime: false,
        adopted: false,
        began: at(2),
    }
}

/// An access at a number of nanoseconds after second 10, whose id is that time.
pub fn access(n: u64, workload: u64, pid: u32, secret: SecretRef) -> Access {
    let time = BootTime::from_nanos(10 * SECOND + n);
    Access {
        id: EventId::new(time, 1),
        first: time,
        last: time,
        total: 1,
        workload: WorkloadId(workload),
        cgroup: CgroupId(workload),
        cgroup_path: None,
        uid: None,
        process: Some(process_key(pid)),
        exec: Some(exec_of(pid)),
        secret,
        inode: None,
        how: AccessKind::Open,
        mode: AccessMode::Read,
        target: None,
        verdict: Verdict::Allowed,
        denied_by: None,
        enforced_by: EnforcedBy::ObserveOnly,
        policy: None,
        rule: None,
        exception: false,
        generation: 0,
        order: Some(1),
    }
}

pub fn connection(n: u64, workload: u64, pid: u32, destination: &str) -> Connection {
    let time = BootTime::from_nanos(20 * SECOND + n);
    Connection {
        id: EventId::new(time, 2),
        first: time,
        last: time,
        total: 1,
        workload: WorkloadId(workload),
        cgroup: CgroupId(workload),
        cgroup_path: None,
        uid: None,
        process: Some(process_key(pid)),
        exec: Some(exec_of(pid)),
        destination: Some(destination.parse().unwrap()),
        port: 443,
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
    }
}

/// An attempt to execute something, refused by a rule.
pub fn attempt(n: u64, workload: u64, pid: u32, object: &str) -> Attempt {
    let time = BootTime::from_nanos(25 * SECOND + n);
    Attempt {
        id: EventId::new(time, 3),
        at: time,
        workload: WorkloadId(workload),
        cgroup: CgroupId(workload),
        cgroup_path: None,
        uid: None,
        process: Some(process_key(pid)),
        exec: Some(exec_of(pid)),
        what: AttemptKind::Execute,
        object: object.to_owned(),
        inode: None,
        origin: Some(BinaryOrigin::Written),
        verdict: Verdict::Denied,
        denied_by: Some(DeniedBy::Us),
        enforced_by: EnforcedBy::Lsm,
        policy: Some("shop/web".to_owned()),
        rule: Some("ex".to_owned()),
        exception: false,
        generation: 4,
    }
}

pub fn audit(seconds: u64, what: AuditKind, subject: &str) -> Audit {
    Audit {
        at: at(seconds),
        what,
        subject: subject.to_owned(),
        workload: None,
        by: Some(Peer { uid: 0, pid: 77 }),
        detail: "for a test".to_owned(),
    }
}

/// What a rule has found in the access with the same number.
pub fn detection(n: u64, workload: u64, pid: u32, rule: &str) -> Detection {
    let completed = access(n, workload, pid, volume("creds", "k"));
    let field = "process.path".to_owned();
    Detection {
        rule: rule.to_owned(),
        event: completed.id,
        at: completed.first,
        title: "Processes of one origin went through many secrets".to_owned(),
        severity: Severity::High,
        techniques: vec!["T1552.001".to_owned()],
        workload: WorkloadId(workload),
        process: completed.process,
        exec: completed.exec,
        uid: None,
        secret: Some(completed.secret),
        evidence: vec![completed.id],
        told: vec![Told { event: completed.id, field, value: "/tmp/sweep".to_owned() }],
        withheld: 3,
        response: Response { contain: Contain::Workload, revoke: true },
    }
}

pub fn append(journal: &mut Journal, records: &[Record]) {
    journal.append(&clock(), &boot(), records).unwrap();
}
