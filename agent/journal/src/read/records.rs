//! Rows as the records that they were made of, in the order of time: for whoever wants to see again what happened.

use std::collections::HashMap;

use cofferdam_model::{
    Access, Attempt, BootId, BootTime, CgroupId, Clock, Connection, Executable, Filter, Process, ProcessKey,
    Record, SecretRef, Target, TargetRelation,
};
use rusqlite::Result;

use super::completeness::{RowsSay, answer};
use super::evidence::known;
use super::library::{BootIndex, Part};
use super::names::{PROGRAM, Program};
use super::question::Question;
use super::reader::Reader;
use crate::Error;
use crate::codec::Columns;
use crate::write::{VERSION_COLUMNS, Version};

/// What one segment holds of one boot.
#[derive(Debug)]
pub struct Chapter {
    /// The boot.
    pub boot: BootId,
    /// Its clocks.
    pub clock: Clock,
    /// Workloads, programs, accesses, connections and attempts, as they came to be.
    pub records: Vec<Record>,
}

/// When it happened, and what comes first of what happened at once.
type Moment = (BootTime, u8);

impl Reader {
    /// Hands over everything that the journal holds, oldest first, a segment at a time. A counter that goes on in the next
    /// segment comes again under its id, and so does what is carried over. Returns the range, and how complete it is.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn records(
        &self,
        mut take: impl FnMut(Chapter),
    ) -> std::result::Result<cofferdam_model::Answer<()>, Error> {
        let library = self.library()?;
        let question = Question::resolve(&library, &Filter::default());
        for (index, part) in library.parts.iter().enumerate() {
            let mut boots: Vec<(i64, BootIndex)> =
                part.boots.iter().map(|(boot, it)| (it.number, *boot)).collect();
            boots.sort_unstable();
            for (number, boot) in boots {
                let Some(records) = library.ask(index, |part| of_boot(part, number)) else { continue };
                let known = &library.boots[boot];
                take(Chapter { boot: known.id.clone(), clock: known.clock, records });
            }
        }
        let say = RowsSay { are_programs: true, ..RowsSay::default() };
        Ok(answer(&library, &question, Vec::new(), say))
    }
}

fn of_boot(part: &Part, boot: i64) -> Result<Vec<Record>> {
    let secrets = known::of_secrets(part)?.into_iter().map(|(id, _, secret)| (id, secret.of)).collect();
    let mut found: Vec<(Moment, Record)> = Vec::new();
    workloads(part, boot, &mut found)?;
    processes(part, boot, &mut found)?;
    accesses(part, boot, &secrets, &mut found)?;
    connections(part, boot, &mut found)?;
    attempts(part, boot, &mut found)?;
    found.sort_by_key(|(moment, _)| *moment);
    Ok(found.into_iter().map(|(_, record)| record).collect())
}

/// Reads the rows of a boot.
fn each(
    part: &Part,
    boot: i64,
    sql: &str,
    mut take: impl FnMut(&mut Columns<'_, '_>) -> Result<()>,
) -> Result<()> {
    let mut statement = part.conn.prepare(sql)?;
    let mut rows = statement.query([boot])?;
    while let Some(row) = rows.next()? {
        take(&mut Columns::of(row))?;
    }
    Ok(())
}

fn workloads(part: &Part, boot: i64, found: &mut Vec<(Moment, Record)>) -> Result<()> {
    let sql = format!("SELECT {VERSION_COLUMNS} FROM workload WHERE boot = ?1 AND name IS NOT NULL");
    let mut statement = part.conn.prepare(&sql)?;
    for version in statement.query_map([boot], Version::read)? {
        let version = version?;
        let since = version.valid_from;
        let Some(workload) = known::workload(version) else { continue };
        if let Some(until) = workload.until {
            found.push(((until, 3), Record::Workload(workload.clone())));
        }
        found.push(((since, 0), Record::Workload(cofferdam_model::Workload { until: None, ..workload })));
    }
    Ok(())
}

fn processes(part: &Part, boot: i64, found: &mut Vec<(Moment, Record)>) -> Result<()> {
    let sql = format!("SELECT cgroup, {PROGRAM} FROM process WHERE boot = ?1");
    each(part, boot, &sql, |c| {
        let cgroup = CgroupId(c.unsigned()?);
        let program = Program::read(c)?;
        found.push(((program.began, 1), Record::Process(process(program, cgroup))));
        Ok(())
    })?;
    let sql = "SELECT e.pid, e.start_boot_ns, e.ended_boot_ns,
                   (SELECT p.exec FROM process p INDEXED BY process_by_pid
                    WHERE p.boot = e.boot AND p.pid = e.pid AND p.start_boot_ns = e.start_boot_ns
                    ORDER BY p.began_boot_ns DESC LIMIT 1)
               FROM process_end e WHERE e.boot = ?1";
    each(part, boot, sql, |c| {
        let process = ProcessKey { pid: c.get()?, start: c.time()? };
        let at = c.time()?;
        if let Some(exec) = c.opt_event()? {
            found.push(((at, 3), Record::Exit { process, exec, at }));
        }
        Ok(())
    })
}

fn process(program: Program, cgroup: CgroupId) -> Process {
    Process {
        exec: program.exec,
        key: program.key,
        parent: program.parent,
        parent_exec: program.parent_exec,
        workload: program.workload,
        cgroup,
        uid: program.uid,
        executable: Executable {
            path: program.binary,
            inode: program.inode,
            origin: program.origin,
            interpreter: program.interpreter,
            interpreter_inode: program.interpreter_inode,
        },
        exec_session: program.exec_session,
        runtime: program.runtime,
        adopted: program.adopted,
        began: program.began,
    }
}

/// What decided, of the table `decision d`.
const DECISION: &str = "t.verdict, d.denied_by, d.enforced_by, d.policy, d.rule, d.exception, d.generation";
/// Who did it, of any table `t` of events.
const ACTOR: &str = "t.workload, t.cgroup, t.cgroup_path, t.uid, t.pid, t.start_boot_ns, t.exec";

fn accesses(
    part: &Part,
    boot: i64,
    secrets: &HashMap<i64, SecretRef>,
    found: &mut Vec<(Moment, Record)>,
) -> Result<()> {
    let sql = format!(
        "SELECT t.id, t.first_boot_ns, t.last_boot_ns, t.total, {ACTOR}, t.secret, t.device, t.device_generation, t.inode,
             t.inode_generation, t.how, t.mode, t.target_relation, t.target_pid, t.target_start_boot_ns,
             t.target_workload, t.target_cgroup, {DECISION}, t.\"order\"
         FROM access t JOIN decision d ON d.id = t.decision WHERE t.boot = ?1"
    );
    each(part, boot, &sql, |c| {
        let (id, first, last, total) = (c.event()?, c.time()?, c.time()?, c.unsigned()?);
        let (workload, cgroup, cgroup_path, uid) =
            (c.workload()?, CgroupId(c.unsigned()?), c.get()?, c.get()?);
        let (process, exec) = (c.opt_process()?, c.opt_event()?);
        let Some(secret) = secrets.get(&c.get()?) else { return Ok(()) };
        let (inode, how, mode, target) = (c.opt_inode()?, c.word()?, c.word()?, target(c)?);
        let access = Access {
            id,
            first,
            last,
            total,
            workload,
            cgroup,
            cgroup_path,
            uid,
            process,
            exec,
            secret: secret.clone(),
            inode,
            how,
            mode,
            target,
            verdict: c.word()?,
            denied_by: c.opt_word()?,
            enforced_by: c.word()?,
            policy: c.get()?,
            rule: c.get()?,
            exception: c.get()?,
            generation: c.unsigned()?,
            order: c.opt_unsigned()?,
        };
        found.push(((first, 2), Record::Access(access)));
        Ok(())
    })
}

fn target(c: &mut Columns<'_, '_>) -> Result<Option<Target>> {
    let relation: Option<TargetRelation> = c.opt_word()?;
    let (process, workload, cgroup) = (c.opt_process()?, c.opt_unsigned()?, c.opt_unsigned()?);
    Ok(relation.zip(process).map(|(relation, process)| Target {
        relation,
        process,
        workload: cofferdam_model::WorkloadId(workload.unwrap_or_default()),
        cgroup: CgroupId(cgroup.unwrap_or_default()),
    }))
}

fn connections(part: &Part, boot: i64, found: &mut Vec<(Moment, Record)>) -> Result<()> {
    let sql = format!(
        "SELECT t.id, t.first_boot_ns, t.last_boot_ns, t.total, {ACTOR}, t.destination, t.port, t.protocol, t.family,
             t.unconnected, coalesce(t.tainted_by, '[]'), {DECISION}
         FROM connection t JOIN decision d ON d.id = t.decision WHERE t.boot = ?1"
    );
    each(part, boot, &sql, |c| {
        let made = Connection {
            id: c.event()?,
            first: c.time()?,
            last: c.time()?,
            total: c.unsigned()?,
            workload: c.workload()?,
            cgroup: CgroupId(c.unsigned()?),
            cgroup_path: c.get()?,
            uid: c.get()?,
            process: c.opt_process()?,
            exec: c.opt_event()?,
            destination: c.opt_text()?.and_then(|text| text.parse().ok()),
            port: c.get()?,
            protocol: c.word()?,
            family: c.get()?,
            unconnected: c.get()?,
            tainted_by: c.json()?,
            verdict: c.word()?,
            denied_by: c.opt_word()?,
            enforced_by: c.word()?,
            policy: c.get()?,
            rule: c.get()?,
            exception: c.get()?,
            generation: c.unsigned()?,
        };
        found.push(((made.first, 2), Record::Connection(made)));
        Ok(())
    })
}

fn attempts(part: &Part, boot: i64, found: &mut Vec<(Moment, Record)>) -> Result<()> {
    let sql = format!(
        "SELECT t.id, t.at_boot_ns, {ACTOR}, t.what, t.object, t.device, t.device_generation, t.inode, t.inode_generation,
             t.origin, {DECISION}
         FROM attempt t JOIN decision d ON d.id = t.decision WHERE t.boot = ?1"
    );
    each(part, boot, &sql, |c| {
        let tried = Attempt {
            id: c.event()?,
            at: c.time()?,
            workload: c.workload()?,
            cgroup: CgroupId(c.unsigned()?),
            cgroup_path: c.get()?,
            uid: c.get()?,
            process: c.opt_process()?,
            exec: c.opt_event()?,
            what: c.word()?,
            object: c.get()?,
            inode: c.opt_inode()?,
            origin: c.opt_word()?,
            verdict: c.word()?,
            denied_by: c.opt_word()?,
            enforced_by: c.word()?,
            policy: c.get()?,
            rule: c.get()?,
            exception: c.get()?,
            generation: c.unsigned()?,
        };
        found.push(((tried.at, 2), Record::Attempt(tried)));
        Ok(())
    })
}
