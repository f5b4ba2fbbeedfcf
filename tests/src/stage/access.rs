//! An access that the agent must report, field by field.

use cofferdam_model::{AccessKind, AccessMode, AccessRow, BinaryOrigin, TargetRelation, Verdict};

use super::difference::Differences;
use crate::bench::container::ACTOR;
use crate::bench::{Container, ExecSession, Secret};

/// What must stand in the rows about one kind of access. What is not said is what is ordinary: the actor of the image
/// opened it once for reading, as root, in a process that the container itself has started.
#[derive(Debug, Clone)]
pub struct AccessWanted {
    pub(super) container_id: String,
    cgroup: String,
    secret: String,
    key: Option<String>,
    how: AccessKind,
    mode: AccessMode,
    times: u64,
    rows: usize,
    pid: Option<u32>,
    not_pid: Option<u32>,
    ppid: Option<u32>,
    uid: u32,
    binary: Option<String>,
    origin: Option<BinaryOrigin>,
    interpreter: Option<Option<String>>,
    exec_session: Option<bool>,
    target: Option<WantedTarget>,
    any_cgroup: bool,
    /// Only rows of this program are looked at.
    one_program: bool,
}

#[derive(Debug, Clone)]
struct WantedTarget {
    relation: TargetRelation,
    pid: Option<u32>,
    workload_of: String,
}

/// An access by a process of this container.
pub fn access(by: &Container) -> AccessWanted {
    AccessWanted {
        container_id: by.id().to_owned(),
        cgroup: by.cgroup().to_owned(),
        secret: String::new(),
        key: None,
        how: AccessKind::Open,
        mode: AccessMode::Read,
        times: 1,
        rows: 1,
        pid: None,
        not_pid: None,
        ppid: None,
        uid: 0,
        binary: Some(ACTOR.to_owned()),
        origin: Some(BinaryOrigin::Image),
        interpreter: Some(None),
        exec_session: Some(false),
        target: None,
        any_cgroup: false,
        one_program: false,
    }
}

impl AccessWanted {
    /// To this key of a secret.
    #[must_use]
    pub fn to(mut self, secret: &Secret, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self.secret = secret.name().to_owned();
        self
    }

    /// To a secret by the name that the agent gives it.
    #[must_use]
    pub fn to_named(mut self, secret: &str, key: Option<&str>) -> Self {
        self.key = key.map(str::to_owned);
        self.secret = secret.to_owned();
        self
    }

    /// To the environment of a process of some container.
    #[must_use]
    pub fn to_environment_of(self, relation: TargetRelation, owner: &Container, pid: Option<u32>) -> Self {
        self.reaching(AccessKind::Environ, relation, owner, pid)
    }

    /// To the memory of a process of some container.
    #[must_use]
    pub fn to_memory_of(self, relation: TargetRelation, owner: &Container, pid: Option<u32>) -> Self {
        self.reaching(AccessKind::Ptrace, relation, owner, pid).with_mode(AccessMode::Attach)
    }

    fn reaching(
        mut self,
        how: AccessKind,
        relation: TargetRelation,
        owner: &Container,
        pid: Option<u32>,
    ) -> Self {
        self.how = how;
        "environment".clone_into(&mut self.secret);
        self.target = Some(WantedTarget { relation, pid, workload_of: owner.id().to_owned() });
        self
    }

    /// In this way.
    #[must_use]
    pub fn by_way_of(mut self, how: AccessKind) -> Self {
        self.how = how;
        self
    }

    /// Asking for this.
    #[must_use]
    pub fn with_mode(mut self, mode: AccessMode) -> Self {
        self.mode = mode;
        self
    }

    /// So often, all processes together.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// In so many rows: one for each process and file.
    #[must_use]
    pub fn in_rows(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    /// By the container's main process.
    #[must_use]
    pub fn by_main(mut self, container: &Container) -> Self {
        self.pid = Some(container.pid());
        self
    }

    /// By a child of the container's main process.
    #[must_use]
    pub fn by_child(mut self, container: &Container) -> Self {
        self.ppid = Some(container.pid());
        self.not_pid = Some(container.pid());
        self
    }

    /// By an exec session.
    #[must_use]
    pub fn by_session(mut self, session: &ExecSession) -> Self {
        self.pid = Some(session.pid);
        self.exec_session = Some(true);
        self
    }

    /// By a child of an exec session.
    #[must_use]
    pub fn by_child_of_session(mut self, session: &ExecSession) -> Self {
        self.ppid = Some(session.pid);
        self.exec_session = Some(true);
        self
    }

    /// By this program.
    #[must_use]
    pub fn by_binary(mut self, path: &str, origin: BinaryOrigin) -> Self {
        self.binary = Some(path.to_owned());
        self.origin = Some(origin);
        self
    }

    /// By this program, whatever others did.
    #[must_use]
    pub fn of_program(mut self, path: &str, origin: BinaryOrigin) -> Self {
        self.one_program = true;
        self.by_binary(path, origin)
    }

    /// By a program of this origin, whatever it is called.
    #[must_use]
    pub fn by_binary_from(mut self, origin: BinaryOrigin) -> Self {
        self.binary = None;
        self.origin = Some(origin);
        self
    }

    /// By a program of which nothing is asked.
    #[must_use]
    pub fn by_any_binary(mut self) -> Self {
        (self.binary, self.origin, self.interpreter) = (None, None, None);
        self
    }

    /// By a script that this interpreter runs.
    #[must_use]
    pub fn by_script(mut self, path: &str, interpreter: &str, origin: BinaryOrigin) -> Self {
        self.interpreter = Some(Some(interpreter.to_owned()));
        self.by_binary(path, origin)
    }

    /// By a process with this user id.
    #[must_use]
    pub fn as_uid(mut self, uid: u32) -> Self {
        self.uid = uid;
        self
    }

    /// By a process that ran before the agent, so that nobody knows how it came into the container.
    #[must_use]
    pub fn adopted(mut self) -> Self {
        self.exec_session = None;
        self
    }

    /// In a cgroup below or beside the container's.
    #[must_use]
    pub fn in_another_cgroup(mut self) -> Self {
        self.any_cgroup = true;
        self
    }

    /// Whether a row is about this access, however its other fields are.
    pub(super) fn is_about(&self, row: &AccessRow) -> bool {
        let target = self.target.as_ref().zip(row.target.as_ref());
        row.secret == self.secret
            && row.how == self.how
            && (self.target.is_some() || row.key == self.key)
            && (self.pid.is_none() || row.pid == self.pid)
            && (self.ppid.is_none() || row.ppid == self.ppid)
            && target.is_none_or(|(wanted, got)| {
                wanted.relation == got.relation && wanted.pid.is_none_or(|pid| pid == got.pid)
            })
            && row.mode == self.mode
            && (!self.one_program || row.binary == self.binary)
    }

    /// What is not yet there: `None` once there are as many rows and as many accesses as there must be.
    pub(super) fn missing(&self, rows: &[&AccessRow]) -> Option<String> {
        let times: u64 = rows.iter().map(|row| row.count).sum();
        let fits = rows.len() == self.rows && times == self.times;
        (!fits).then(|| {
            let (wanted, in_rows) = (self.times, self.rows);
            format!("{times} accesses in {} rows are there, and must be {wanted} in {in_rows}", rows.len())
        })
    }

    /// What in a row about this access is not as it must be.
    pub(super) fn differences(&self, row: &AccessRow, boot_id: &str) -> Option<String> {
        let mut all = Differences::default();
        all.field("container_id", &row.container_id, Some(&Some(self.container_id.clone())));
        let named = row.workload.as_ref().is_some_and(|name| name.contains(&self.container_id[..12]));
        all.must(named, || format!("workload is {:?}", row.workload));
        if self.any_cgroup {
            all.must(row.cgroup.as_ref() != Some(&self.cgroup), || {
                "cgroup is that of the container".to_owned()
            });
        } else {
            all.field("cgroup", &row.cgroup, Some(&Some(self.cgroup.clone())));
        }
        all.field("binary", &row.binary, self.binary.clone().map(Some).as_ref());
        all.field("binary_origin", &row.binary_origin, self.origin.as_ref());
        let known = self.origin.is_some_and(|origin| origin != BinaryOrigin::Unknown);
        all.must(row.binary_inode.is_some() || !known, || "binary_inode is null".to_owned());
        all.field("interpreter", &row.interpreter, self.interpreter.as_ref());
        all.must(row.pid.is_some() && row.pid != self.not_pid, || format!("pid is {:?}", row.pid));
        all.must(row.process_start.is_some_and(|start| start <= row.first), || {
            format!("process_start is {:?}, first is {}", row.process_start, row.first)
        });
        all.must(row.ppid.is_some(), || "ppid is null".to_owned());
        all.field("uid", &row.uid, Some(&Some(self.uid)));
        all.field("exec_session", &row.exec_session, Some(&self.exec_session));
        all.field("boot_id", &row.boot_id.as_str(), Some(&boot_id));
        all.must(row.first <= row.last, || format!("first {} is after last {}", row.first, row.last));
        all.field("verdict", &row.verdict, Some(&Verdict::Allowed));
        all.field("denied_by", &row.denied_by, Some(&None));
        all.field("policy", &row.policy, Some(&None));
        all.field("generation", &row.generation, Some(&0));
        self.compare_target(row, &mut all);
        all.told()
    }

    fn compare_target(&self, row: &AccessRow, all: &mut Differences) {
        let Some(wanted) = &self.target else {
            all.field("target", &row.target, Some(&None));
            return;
        };
        let Some(got) = &row.target else {
            all.must(false, || "target is null".to_owned());
            return;
        };
        let named = got.workload.as_ref().is_some_and(|name| name.contains(&wanted.workload_of[..12]));
        all.must(named, || format!("the target's workload is {:?}", got.workload));
    }
}
