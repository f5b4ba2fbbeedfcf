//! Who and what the ids in rows are: looked up once each, in whichever segment knows.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use cofferdam_model::{BinaryOrigin, BootTime, EventId, InodeKey, ProcessKey, SecretKind, WorkloadId};
use rusqlite::{OptionalExtension as _, Result, Row, params};

use super::library::{BootIndex, Library, Part, Who};
use crate::codec::{Columns, bits};
use crate::write::{VERSION_COLUMNS, Version};

/// How many answers of each kind are kept; beyond it the cache starts anew.
const KEPT: usize = 50_000;

/// A row of the table `process`.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) exec: EventId,
    pub(super) key: ProcessKey,
    pub(super) parent: Option<ProcessKey>,
    pub(super) parent_exec: Option<EventId>,
    pub(super) workload: WorkloadId,
    pub(super) uid: u32,
    pub(super) binary: Option<String>,
    pub(super) inode: Option<InodeKey>,
    pub(super) origin: BinaryOrigin,
    pub(super) interpreter: Option<String>,
    pub(super) interpreter_inode: Option<InodeKey>,
    pub(super) exec_session: Option<bool>,
    pub(super) runtime: bool,
    pub(super) adopted: bool,
    pub(super) began: BootTime,
}

/// The columns of a program, in the order of [`Program::read`].
pub(super) const PROGRAM: &str = "exec, pid, start_boot_ns, parent_pid, parent_start_boot_ns, parent_exec, workload, \
     uid, binary, device, device_generation, inode, inode_generation, origin, interpreter, \
     interpreter_device, interpreter_device_generation, interpreter_inode, interpreter_inode_generation, \
     exec_session, runtime, adopted, began_boot_ns";

impl Program {
    pub(super) fn read(c: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(Self {
            exec: c.event()?,
            key: ProcessKey { pid: c.get()?, start: c.time()? },
            parent: c.opt_process()?,
            parent_exec: c.opt_event()?,
            workload: c.workload()?,
            uid: c.get()?,
            binary: c.get()?,
            inode: c.opt_inode()?,
            origin: c.word()?,
            interpreter: c.get()?,
            interpreter_inode: c.opt_inode()?,
            exec_session: c.get()?,
            runtime: c.get()?,
            adopted: c.get()?,
            began: c.time()?,
        })
    }
}

/// A row of the table `secret`.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    pub(super) identity: String,
    pub(super) kind: SecretKind,
    pub(super) namespace: Option<String>,
    pub(super) display: String,
    pub(super) pod_uid: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) key: Option<String>,
}

/// The columns of a secret, in the order of [`Secret::read`].
pub(super) const SECRET: &str = "identity, kind, namespace, display, pod_uid, uid, key";

impl Secret {
    pub(super) fn read(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::of(row);
        Ok(Self {
            identity: c.get()?,
            kind: c.word()?,
            namespace: c.get()?,
            display: c.get()?,
            pod_uid: c.get()?,
            uid: c.get()?,
            key: c.get()?,
        })
    }
}

/// The lookups of one question.
#[derive(Debug)]
pub(super) struct Names<'l> {
    pub(super) library: &'l Library,
    workloads: HashMap<Who, Rc<Vec<Version>>>,
    programs: HashMap<(BootIndex, EventId), Option<Rc<Program>>>,
    secrets: HashMap<(usize, i64), Rc<Secret>>,
    newest_secrets: HashMap<String, Rc<Secret>>,
}

impl<'l> Names<'l> {
    pub(super) fn of(library: &'l Library) -> Self {
        Self {
            library,
            workloads: HashMap::new(),
            programs: HashMap::new(),
            secrets: HashMap::new(),
            newest_secrets: HashMap::new(),
        }
    }

    /// All named versions of a workload, oldest first. What a later segment says of a version is more.
    pub(super) fn versions(&mut self, who: Who) -> Rc<Vec<Version>> {
        if let Some(known) = self.workloads.get(&who) {
            return Rc::clone(known);
        }
        let sql = format!(
            "SELECT {VERSION_COLUMNS} FROM workload WHERE boot = ?1 AND workload = ?2 AND name IS NOT NULL"
        );
        let mut versions = BTreeMap::new();
        for (index, number) in self.library.knowing(who.0) {
            self.library.ask(index, |part| {
                let mut statement = part.conn.prepare_cached(&sql)?;
                for version in statement.query_map(params![number, bits(who.1.0)], Version::read)? {
                    let version = version?;
                    versions.insert(version.valid_from, version);
                }
                Ok(())
            });
        }
        let versions = Rc::new(versions.into_values().collect::<Vec<_>>());
        make_room(&mut self.workloads);
        self.workloads.insert(who, Rc::clone(&versions));
        versions
    }

    /// The version that was valid then, or the first if it was too early for any.
    pub(super) fn workload_at(&mut self, who: Who, time: BootTime) -> Option<Version> {
        let versions = self.versions(who);
        let then = versions.iter().rev().find(|version| version.valid_from <= time);
        then.or_else(|| versions.first()).cloned()
    }

    /// The stable name of a workload, as known latest.
    pub(super) fn workload_name(&mut self, who: Who) -> Option<String> {
        self.versions(who).last().and_then(|version| version.name.clone())
    }

    /// A program by its event. `hint` is the segment that speaks of it and most likely has it.
    pub(super) fn program(&mut self, boot: BootIndex, exec: EventId, hint: usize) -> Option<Rc<Program>> {
        if let Some(known) = self.programs.get(&(boot, exec)) {
            return known.clone();
        }
        let sql = format!("SELECT {PROGRAM} FROM process WHERE boot = ?1 AND exec = ?2");
        let ask = |(index, number): (usize, i64)| {
            self.library.ask(index, |part| {
                part.conn
                    .prepare_cached(&sql)?
                    .query_row(params![number, bits(exec.0)], |row| Program::read(&mut Columns::of(row)))
                    .optional()
            })?
        };
        let hinted = self.library.parts.get(hint).and_then(|part| part.number(boot));
        let found = hinted
            .and_then(|number| ask((hint, number)))
            .filter(|program| program.binary.is_some())
            .or_else(|| self.library.knowing(boot).rev().find_map(ask))
            .map(Rc::new);
        make_room(&mut self.programs);
        self.programs.insert((boot, exec), found.clone());
        found
    }

    /// The program that a process ran at some time.
    pub(super) fn program_at(
        &mut self,
        boot: BootIndex,
        key: ProcessKey,
        time: BootTime,
    ) -> Option<Rc<Program>> {
        let sql = format!(
            "SELECT {PROGRAM} FROM process INDEXED BY process_by_pid
             WHERE boot = ?1 AND pid = ?2 AND start_boot_ns = ?3 AND began_boot_ns <= ?4
             ORDER BY began_boot_ns DESC LIMIT 1"
        );
        let found = self.library.knowing(boot).filter_map(|(index, number)| {
            let values = params![number, key.pid, bits(key.start.as_nanos()), bits(time.as_nanos())];
            self.library.ask(index, |part| {
                part.conn
                    .prepare_cached(&sql)?
                    .query_row(values, |row| Program::read(&mut Columns::of(row)))
                    .optional()
            })?
        });
        // Of equal ones the last, from the newest segment.
        found.max_by_key(|program| program.began).map(Rc::new)
    }

    /// When a process ended.
    pub(super) fn end(&self, boot: BootIndex, key: ProcessKey) -> Option<BootTime> {
        self.library.knowing(boot).rev().find_map(|(index, number)| {
            self.library.ask(index, |part| {
                part.conn
                    .prepare_cached(
                        "SELECT ended_boot_ns FROM process_end WHERE boot = ?1 AND pid = ?2 AND start_boot_ns = ?3",
                    )?
                    .query_row(params![number, key.pid, bits(key.start.as_nanos())], |row| {
                        Columns::of(row).time()
                    })
                    .optional()
            })?
        })
    }

    /// A secret by its id in a segment, with what later segments say more.
    pub(super) fn secret(&mut self, part: usize, id: i64) -> Option<Rc<Secret>> {
        if let Some(known) = self.secrets.get(&(part, id)) {
            return Some(Rc::clone(known));
        }
        let sql = format!("SELECT {SECRET} FROM secret WHERE id = ?1");
        let ask = |part: &Part| part.conn.prepare_cached(&sql)?.query_row([id], Secret::read).optional();
        let newest = self.newest_secret(self.library.ask(part, ask)??);
        make_room(&mut self.secrets);
        self.secrets.insert((part, id), Rc::clone(&newest));
        Some(newest)
    }

    fn newest_secret(&mut self, found: Secret) -> Rc<Secret> {
        if let Some(known) = self.newest_secrets.get(&found.identity) {
            return Rc::clone(known);
        }
        let sql = format!("SELECT {SECRET} FROM secret WHERE identity = ?1");
        let ask = |part: &Part| {
            part.conn.prepare_cached(&sql)?.query_row([&found.identity], Secret::read).optional()
        };
        let newest = (0..self.library.parts.len())
            .rev()
            .filter_map(|index| self.library.ask(index, ask)?)
            // A later segment may have seen it without its namespace again.
            .find(|here| here.namespace.is_some() || found.namespace.is_none());
        let newest = Rc::new(newest.unwrap_or(found));
        make_room(&mut self.newest_secrets);
        self.newest_secrets.insert(newest.identity.clone(), Rc::clone(&newest));
        newest
    }
}

fn make_room<K, V>(cache: &mut HashMap<K, V>) {
    if cache.len() >= KEPT {
        cache.clear();
    }
}
