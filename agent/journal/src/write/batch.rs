//! One batch of records, in one transaction of the current segment.

use std::collections::HashMap;

use cofferdam_model::{
    Access, Attempt, Audit, BootTime, Connection as Made, Detection, Loss, Process, Record, Workload,
    WorkloadId,
};
use rusqlite::{Connection, Result, params};

use super::boot::BootRow;
use super::earlier::Earlier;
use super::intern::{Decision, Interns};
use super::place::{Place, Table, place};
use super::secret::Found;
use super::usage::{Usage, Used};
use super::workload::{Version, next_version};
use super::{access, attempt, audit, connection, detection, process, secret};
use crate::codec::{bits, count, opt_bits};

/// Writes records; what it learns takes effect only when the transaction is committed.
pub(super) struct Batch<'j> {
    pub(super) conn: &'j Connection,
    pub(super) boot: BootRow,
    /// When the records arrived.
    pub(super) now: BootTime,
    pub(super) interns: &'j mut Interns,
    pub(super) earlier: &'j mut Earlier,
    pub(super) usage: &'j Usage,
    /// What this batch adds to `usage`.
    pub(super) added: HashMap<WorkloadId, Used>,
}

impl Batch<'_> {
    pub(super) fn put(&mut self, record: &Record) -> Result<()> {
        match record {
            Record::Access(access) => self.access(access),
            Record::Connection(made) => self.connection(made),
            Record::Attempt(attempt) => self.attempt(attempt),
            Record::Audit(audit) => self.audit(audit),
            Record::Detection(found) => self.detection(found),
            Record::Process(process) => self.process(process),
            Record::Exit { process, exec: _, at } => {
                process::put_end(self.conn, self.boot.number, *process, *at)
            }
            Record::Workload(workload) => self.workload(workload),
            Record::Secret { secret, path, visible_to, since, until } => {
                let id = self.interns.secret(self.conn, (self.boot.number, &self.boot.id), secret)?;
                let found = Found { path: path.as_deref(), visible_to, since: *since, until: *until };
                secret::put(self.conn, self.boot.number, id, &found)
            }
            Record::Loss(loss) => put_loss(self.conn, self.boot.number, loss),
        }
    }

    fn access(&mut self, access: &Access) -> Result<()> {
        self.sight(access.workload)?;
        let (conn, boot) = (self.conn, self.boot.number);
        let secret = self.interns.secret(conn, (boot, &self.boot.id), &access.secret)?;
        let decision = self.interns.decision(
            conn,
            Decision {
                denied_by: access.denied_by,
                enforced_by: access.enforced_by,
                policy: access.policy.clone(),
                rule: access.rule.clone(),
                exception: access.exception,
                generation: access.generation,
            },
        )?;
        let place = place(conn, self.earlier, &self.boot, Table::Access, access.id, access.total)?;
        let since = match place {
            Place::Told => return Ok(()),
            Place::Fresh(share) if access::insert(conn, boot, access, share, secret, decision)? => {
                self.took(access.workload, 1, access.total.saturating_sub(share.base));
                share.after.unwrap_or(access.first)
            }
            Place::Fresh(_) | Place::Standing => {
                let grown = access::grow(conn, boot, access, secret, decision)?;
                self.took(access.workload, 0, grown);
                access.last
            }
        };
        self.boot.holds(since, access.last);
        self.boot.counts(access.id);
        Ok(())
    }

    fn connection(&mut self, made: &Made) -> Result<()> {
        self.sight(made.workload)?;
        let (conn, boot) = (self.conn, self.boot.number);
        let decision = self.interns.decision(
            conn,
            Decision {
                denied_by: made.denied_by,
                enforced_by: made.enforced_by,
                policy: made.policy.clone(),
                rule: made.rule.clone(),
                exception: made.exception,
                generation: made.generation,
            },
        )?;
        let place = place(conn, self.earlier, &self.boot, Table::Connection, made.id, made.total)?;
        let since = match place {
            Place::Told => return Ok(()),
            Place::Fresh(share) if connection::insert(conn, boot, made, share, decision)? => {
                self.took(made.workload, 1, made.total.saturating_sub(share.base));
                share.after.unwrap_or(made.first)
            }
            Place::Fresh(_) | Place::Standing => {
                let grown = connection::grow(conn, boot, made, decision)?;
                self.took(made.workload, 0, grown);
                made.last
            }
        };
        self.boot.holds(since, made.last);
        self.boot.counts(made.id);
        Ok(())
    }

    fn attempt(&mut self, attempt: &Attempt) -> Result<()> {
        self.sight(attempt.workload)?;
        let (conn, boot) = (self.conn, self.boot.number);
        let decision = self.interns.decision(
            conn,
            Decision {
                denied_by: attempt.denied_by,
                enforced_by: attempt.enforced_by,
                policy: attempt.policy.clone(),
                rule: attempt.rule.clone(),
                exception: attempt.exception,
                generation: attempt.generation,
            },
        )?;
        let place = place(conn, self.earlier, &self.boot, Table::Attempt, attempt.id, 1)?;
        if let Place::Fresh(_) = place
            && attempt::insert(conn, boot, attempt, decision)?
        {
            self.took(attempt.workload, 1, 1);
            self.boot.holds(attempt.at, attempt.at);
            self.boot.counts(attempt.id);
        }
        Ok(())
    }

    fn audit(&mut self, audit: &Audit) -> Result<()> {
        if let Some(workload) = audit.workload {
            self.sight(workload)?;
        }
        self.boot.holds(audit.at, audit.at);
        audit::put(self.conn, self.boot.number, audit)
    }

    fn detection(&mut self, found: &Detection) -> Result<()> {
        self.sight(found.workload)?;
        let (conn, boot) = (self.conn, self.boot.number);
        let secret = found.secret.as_ref();
        let secret =
            secret.map(|secret| self.interns.secret(conn, (boot, &self.boot.id), secret)).transpose()?;
        self.boot.holds(found.at, found.at);
        detection::put(conn, boot, found, secret)
    }

    fn process(&mut self, process: &Process) -> Result<()> {
        self.sight(process.workload)?;
        if process::put(self.conn, self.boot.number, process)? {
            self.took(process.workload, 1, 1);
        }
        self.boot.holds(process.began, process.began);
        Ok(())
    }

    fn workload(&mut self, workload: &Workload) -> Result<()> {
        let number = self.boot.number;
        let here = Version::latest(self.conn, number, workload.id)?;
        let before = match here {
            Some(version) if version.name.is_some() => Some(version),
            here => {
                if let Some(unnamed) = here {
                    self.conn
                        .prepare_cached(
                            "DELETE FROM workload WHERE boot = ?1 AND workload = ?2 AND name IS NULL",
                        )?
                        .execute(params![number, bits(unnamed.workload.0)])?;
                }
                self.earlier.workload(&self.boot.id, workload.id)
            }
        };
        let next = next_version(workload, before.as_ref(), self.now);
        if before.as_ref() != Some(&next) || self.missing(workload.id)? {
            next.save(self.conn, number)?;
        }
        Ok(())
    }

    /// Sees to it that this segment says who the workload is, as far as the journal knows.
    fn sight(&mut self, workload: WorkloadId) -> Result<()> {
        if !workload.is_known()
            || self.usage.knows(self.boot.number, workload)
            || self.added.contains_key(&workload)
        {
            return Ok(());
        }
        self.added.insert(workload, Used::default());
        if self.missing(workload)? {
            let version = self.earlier.workload(&self.boot.id, workload);
            let version = version.unwrap_or_else(|| Version::unnamed(workload, BootTime::from_nanos(0)));
            version.save(self.conn, self.boot.number)?;
        }
        Ok(())
    }

    fn missing(&self, workload: WorkloadId) -> Result<bool> {
        let known = self
            .conn
            .prepare_cached("SELECT 1 FROM workload WHERE boot = ?1 AND workload = ?2")?
            .exists(params![self.boot.number, bits(workload.0)])?;
        Ok(!known)
    }

    fn took(&mut self, workload: WorkloadId, rows: u64, events: u64) {
        let used = self.added.entry(workload).or_default();
        used.rows += rows;
        used.events += events;
    }
}

/// Writes a loss. Losses are differences without an id: each is written once.
pub(super) fn put_loss(conn: &Connection, boot: i64, loss: &Loss) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO loss (boot, since_boot_ns, until_boot_ns, hook, workload, reason, count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        boot,
        bits(loss.since.as_nanos()),
        bits(loss.until.as_nanos()),
        loss.hook,
        opt_bits(loss.workload.map(|workload| workload.0)),
        loss.reason.as_str(),
        count(loss.count),
    ])?;
    Ok(())
}
