//! The kernel's tables, read on a timer: counters that have grown, losses, and ends that no event told.

use std::collections::HashSet;

use cofferdam_model::{BootTime, CgroupId, EventId, Loss, LossReason, ProcessKey, Record, WorkloadId};
use cofferdam_sensor::abi::count::Count;
use cofferdam_sensor::abi::key::AccessKey;
use cofferdam_sensor::{Carried, TableError};

use super::Pipeline;

/// Id of the event that began a counter.
fn id_of(count: &Count) -> EventId {
    EventId::new(BootTime::from_nanos(count.first), count.cpu)
}

impl Pipeline {
    /// Reads the kernel's counters and losses.
    pub fn tick(&mut self, now: BootTime) -> Result<(), TableError> {
        // Whose end was seen before the tables are read can add nothing any more.
        let ended = std::mem::take(&mut self.ended);
        let mut entries = Vec::new();
        self.tables.for_each_access(|key, count| entries.push((key, count)))?;
        let reading = self.accesses.read(&entries, &ended);
        for (key, id, count) in reading.grown {
            self.access(&key, id, &count, &[], None);
        }
        for key in &reading.ended {
            self.tables.forget_access(key);
        }
        let mut entries = Vec::new();
        self.tables.for_each_connection(|key, count| entries.push((key, count)))?;
        let reading = self.connections.read(&entries, &ended);
        for (key, id, count) in reading.grown {
            self.connection(&key, id, &count, None, (count.generation, count.rule));
        }
        for key in &reading.ended {
            self.tables.forget_connection(key);
        }
        let totals = self.tables.losses()?;
        let losses = self.losses.look(&totals, now);
        if !losses.is_empty() {
            self.untold = totals;
        }
        self.lost(losses);
        for cgroup in self.state.prune(now) {
            self.tables.forget_cgroup(cgroup);
            self.secrets.forget_view(WorkloadId::rooted_at(cgroup));
            self.lateness.forget(WorkloadId::rooted_at(cgroup));
            self.state.roots.remove(&WorkloadId::rooted_at(cgroup));
            self.state.homes.remove(&WorkloadId::rooted_at(cgroup));
            self.losses.forget(WorkloadId::rooted_at(cgroup));
            self.ended.workloads.insert(WorkloadId::rooted_at(cgroup));
        }
        Ok(())
    }

    /// Tells what another version has counted and lost, and what of it could not be taken over.
    pub fn take_over(&mut self, carried: &Carried, now: BootTime) {
        self.take_over_accesses(&carried.accesses);
        for (key, count) in &carried.connections {
            self.connection(key, id_of(count), count, None, (count.generation, count.rule));
        }
        let losses = self.losses.look(&carried.losses, now);
        self.lost(losses);
        let unread = ("ring of another version".to_owned(), carried.unread);
        let left = carried.left.iter().map(|(table, _)| (format!("table {table} of another version"), 1));
        for (part, count) in left.chain([unread]) {
            let loss = self.losses.of_the_agent(&part, LossReason::Malformed, count, now, now);
            self.batch.extend(loss.map(Record::Loss));
        }
    }

    /// Tells accesses by the counters of another version, under the ids that they have there.
    pub fn take_over_accesses(&mut self, counted: &[(AccessKey, Count)]) {
        for (key, count) in counted {
            self.access(key, id_of(count), count, &[], None);
        }
    }

    fn lost(&mut self, losses: Vec<Loss>) {
        for mut loss in losses {
            loss.workload = loss.workload.map(|id| self.state.workload_of(id, CgroupId(id.0)));
            self.batch.push(Record::Loss(loss));
        }
    }

    /// Finds programs whose end was not seen, because the ring was full: the kernel's own table does not hold them.
    pub fn sweep(&mut self, now: BootTime) {
        let counted = self.accesses.programs().chain(self.connections.programs());
        let running = self.state.processes.running().map(|program| (program.key, Some(program.exec)));
        let candidates: HashSet<(ProcessKey, Option<EventId>)> = counted.chain(running).collect();
        for (process, exec) in candidates {
            let state =
                self.tables.process(process.pid).filter(|state| state.start == process.start.as_nanos());
            match (state, exec) {
                (Some(state), Some(exec)) if state.exec != exec.0 => {
                    self.ended.programs.insert(exec);
                }
                (Some(_), _) => {}
                (None, _) => {
                    if let Some(exec) = self.state.program_of(process).map(|program| program.exec) {
                        self.state.processes.exited(process, exec, now);
                    }
                    self.ended.processes.insert(process);
                }
            }
        }
    }
}
