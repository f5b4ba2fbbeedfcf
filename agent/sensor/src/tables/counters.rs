//! What the kernel counts: accesses, connections, losses, events.

use std::os::fd::{AsFd, BorrowedFd};

use aya::Pod;
use aya::maps::{MapData, PerCpuArray};
use cofferdam_abi::count::{Count, LossKey};
use cofferdam_abi::hook::{Hook, REASONS, Reason};
use cofferdam_abi::key::{AccessKey, ConnectionKey};
use cofferdam_model::WorkloadId;

use super::{TableError, Tables, refused};
use crate::batch;

/// A counter that is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// The hook.
    pub hook: Hook,
    /// What is counted.
    pub reason: Reason,
    /// How many since the tables were made.
    pub total: u64,
}

impl Tables {
    /// Every running counter of accesses.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn for_each_access(&self, each: impl FnMut(AccessKey, Count)) -> Result<(), TableError> {
        for_each(self.accesses_fd.as_fd(), "ACCESSES", each)
    }

    /// Every running counter of connections.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn for_each_connection(&self, each: impl FnMut(ConnectionKey, Count)) -> Result<(), TableError> {
        for_each(self.connections_fd.as_fd(), "CONNECTIONS", each)
    }

    /// Retires the counter of a process that has ended: nobody can add to it any more.
    pub fn forget_access(&mut self, key: &AccessKey) {
        let _ = self.accesses.remove(key);
    }

    /// As [`Tables::forget_access`].
    pub fn forget_connection(&mut self, key: &ConnectionKey) {
        let _ = self.connections.remove(key);
    }

    /// Losses by workload, hook and reason; totals since the tables were made.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn losses(&self) -> Result<Vec<(LossKey, u64)>, TableError> {
        self.losses.iter().collect::<Result<_, _>>().map_err(refused("read", "LOSSES"))
    }

    /// What of the losses has been told, by this agent or one before.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn told(&self) -> Result<Vec<(LossKey, u64)>, TableError> {
        self.told.iter().collect::<Result<_, _>>().map_err(refused("read", "TOLD"))
    }

    /// Notes what has been told of a loss, unless its workload was forgotten meanwhile.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_told(&mut self, key: LossKey, total: u64) -> Result<(), TableError> {
        if self.losses.get(&key, 0).is_err() {
            return Ok(());
        }
        self.told.insert(key, total, 0).map_err(refused("write", "TOLD"))
    }

    /// Drops the losses of a workload that is gone: the tables must keep room for those to come.
    pub fn forget_losses(&mut self, workload: WorkloadId) {
        let gone: Vec<LossKey> =
            self.losses.keys().flatten().filter(|key| key.workload == workload.0).collect();
        for key in gone {
            let _ = self.losses.remove(&key);
            let _ = self.told.remove(&key);
        }
    }

    /// Counters that are not zero.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counters(&self) -> Result<Vec<Counter>, TableError> {
        let mut found = Vec::new();
        for hook in Hook::ALL {
            for reason in Reason::ALL {
                let slot = *hook as u32 * REASONS + *reason as u32;
                let total = sum(&self.counters, slot, "COUNTERS")?;
                if total > 0 {
                    found.push(Counter { hook: *hook, reason: *reason, total });
                }
            }
        }
        Ok(found)
    }

    /// Events sent, by hook.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn sent(&self) -> Result<Vec<(Hook, u64)>, TableError> {
        Hook::ALL.iter().map(|hook| Ok((*hook, sum(&self.sent, *hook as u32, "SENT")?))).collect()
    }
}

fn for_each<K: Pod, V: Pod>(
    table: BorrowedFd<'_>,
    name: &'static str,
    each: impl FnMut(K, V),
) -> Result<(), TableError> {
    batch::for_each(table, each).map_err(|error| TableError::Refused {
        what: "read",
        name,
        reason: error.to_string(),
    })
}

fn sum(map: &PerCpuArray<MapData, u64>, slot: u32, name: &'static str) -> Result<u64, TableError> {
    Ok(map.get(&slot, 0).map_err(refused("read", name))?.iter().sum())
}
