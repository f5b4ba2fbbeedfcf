//! Who may ask the agent: who runs on the host, or in the container that the agent itself runs in. A socket that is
//! mounted into another container is no way to lift its rules.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use cofferdam_inventory::hierarchy::Hierarchy;
use cofferdam_inventory::procfs;
use cofferdam_model::{AuditKind, CgroupId, Peer, WorkloadId};
use cofferdam_sensor::Residents;

use crate::backend::lock;
use crate::containment::told::audit;
use crate::host;
use crate::threads::Message;

/// Refusals are told at most so often: who asks in a loop shall not fill the journal.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Looks who asks.
pub struct Door {
    residents: Residents,
    hierarchy: Hierarchy,
    line: SyncSender<Message>,
    told: Mutex<Told>,
}

/// What has been told of refusals.
#[derive(Default)]
struct Told {
    last: Option<Instant>,
    /// Refusals since then.
    untold: u64,
}

impl Door {
    /// Asks the kernel's tables, and tells refusals to the agent's thread.
    pub fn new(residents: Residents, hierarchy: Hierarchy, line: SyncSender<Message>) -> Self {
        Self { residents, hierarchy, line, told: Mutex::default() }
    }

    /// Whether a process is answered.
    ///
    /// # Errors
    /// Why it is not.
    pub fn admits(&self, peer: Peer) -> Result<(), String> {
        if peer.pid == 0 {
            return Err(
                "the agent does not see your process: run both in the host's pid namespace".to_owned()
            );
        }
        let workload = self.workload_of(peer.pid).ok_or("your process ended before it was answered")?;
        if !self.residents.is_container(workload) || self.workload_of(std::process::id()) == Some(workload) {
            return Ok(());
        }
        self.tell(peer, workload);
        Err("you are in a container, and only the host is answered: run the command on the node".to_owned())
    }

    /// As the kernel knows it, which also knows who has moved to another cgroup; else by the cgroup that it is in, as
    /// for the agent itself, whom the kernel met before it knew any cgroup.
    fn workload_of(&self, pid: u32) -> Option<WorkloadId> {
        self.residents.workload_of(pid).filter(|workload| workload.is_known()).or_else(|| {
            let folder = Path::new("/proc").join(pid.to_string());
            let path = procfs::process(&folder, pid)?.cgroup_path?;
            let cgroup = self.hierarchy.upwards(&path).first().copied();
            Some(cgroup.map_or(WorkloadId::UNKNOWN, |cgroup: CgroupId| self.residents.workload_at(cgroup)))
        })
    }

    fn tell(&self, peer: Peer, workload: WorkloadId) {
        let Some(before) = lock(&self.told).due(Instant::now()) else { return };
        let more = if before == 0 { String::new() } else { format!("; {before} others since the last row") };
        let detail = format!("it asked from a container{more}");
        let work = move |agent: &mut crate::agent::Agent| {
            let now = host::boot_time();
            agent.pipeline.add([audit(
                AuditKind::PeerRefused,
                "socket",
                Some(workload),
                Some(peer),
                detail,
                now,
            )]);
        };
        // The socket's thread waits for nobody: where the agent's is behind, the next refusal tells.
        if self.line.try_send(Message::Do(Box::new(work))).is_err() {
            lock(&self.told).failed(before);
        }
    }
}

impl Told {
    /// One more: if a row is due, how many have gone without one.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < TOLD_EVERY) {
            self.untold += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// That row could not be written.
    fn failed(&mut self, before: u64) {
        self.last = None;
        self.untold += before + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_a_loop_share_a_row_and_are_counted() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert_eq!(told.due(start), Some(0));
        assert_eq!(told.due(start), None);
        assert_eq!(told.due(start + TOLD_EVERY / 2), None);
        assert_eq!(told.due(start + TOLD_EVERY), Some(2));
        assert_eq!(told.due(start + TOLD_EVERY * 2), Some(0));
    }

    #[test]
    fn a_row_that_could_not_be_written_is_counted_by_the_next() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert_eq!(told.due(start), Some(0));
        told.failed(0);
        assert_eq!(told.due(start), Some(1));
    }
}
