//! What policies compile to: generations, and which workload has which.

use std::collections::{BTreeSet, HashSet};

use aya::maps::lpm_trie::Key;
use cofferdam_abi::map::control;
use cofferdam_abi::policy::{
    Assignment, Destination, DestinationKey, GENERATION_BITS, Grant, GrantKey, Policy, PrefixKey, ReadKey,
    SecretKey, SecretRule, assignment,
};
use cofferdam_model::{BootTime, CgroupId, WorkloadId};

use super::{TableError, Tables, refused};

/// All rows of one generation.
#[derive(Debug, Clone, Copy)]
pub struct Generation<'a> {
    /// Its number.
    pub number: u32,
    /// Its row.
    pub policy: &'a Policy,
    /// Rules of secrets.
    pub secrets: &'a [(SecretKey, SecretRule)],
    /// What single binaries may.
    pub grants: &'a [(GrantKey, Grant)],
    /// Address prefixes, with their length in bits, the generation's included.
    pub prefixes: &'a [(u32, PrefixKey, u32)],
    /// Destinations.
    pub destinations: &'a [(DestinationKey, Destination)],
}

impl Generation<'_> {
    /// How many rows of the kernel's tables it has.
    pub fn rows(&self) -> usize {
        1 + self.secrets.len() + self.grants.len() + self.prefixes.len() + self.destinations.len()
    }
}

impl Tables {
    /// Writes all rows of a generation; nothing asks them before it is assigned. What was written is taken back if a
    /// table is full.
    ///
    /// # Errors
    /// If a table is full.
    pub fn install(&mut self, generation: &Generation<'_>) -> Result<(), TableError> {
        let written = self.write_rows(generation);
        if written.is_err() {
            self.withdraw(generation);
        }
        written
    }

    fn write_rows(&mut self, generation: &Generation<'_>) -> Result<(), TableError> {
        for (key, rule) in generation.secrets {
            self.secrets.insert(key, rule, 0).map_err(refused("write", "SECRETS"))?;
        }
        for (key, grant) in generation.grants {
            self.grants.insert(key, grant, 0).map_err(refused("write", "GRANTS"))?;
        }
        for (length, key, class) in generation.prefixes {
            let key = Key::new(*length, *key);
            self.prefixes.insert(&key, class, 0).map_err(refused("write", "PREFIXES"))?;
        }
        for (key, destination) in generation.destinations {
            self.destinations.insert(key, destination, 0).map_err(refused("write", "DESTINATIONS"))?;
        }
        self.bind(generation)
    }

    /// Removes the rows of a generation that no workload has any more.
    pub fn withdraw(&mut self, generation: &Generation<'_>) {
        let _ = self.policies.remove(&generation.number);
        for (key, _) in generation.secrets {
            let _ = self.secrets.remove(key);
        }
        for (key, _) in generation.grants {
            let _ = self.grants.remove(key);
        }
        for (length, key, _) in generation.prefixes {
            let _ = self.prefixes.remove(&Key::new(*length, *key));
        }
        for (key, _) in generation.destinations {
            let _ = self.destinations.remove(key);
        }
    }

    /// Gives a workload its generation: the one write by which a policy changes. 0: nothing is refused to it.
    ///
    /// # Errors
    /// If the table is full.
    pub fn assign(&mut self, workload: WorkloadId, generation: u32) -> Result<(), TableError> {
        let decided = Assignment { generation, flags: assignment::DECIDED, ..Assignment::default() };
        self.assigned.insert(workload.0, decided, 0).map_err(refused("write", "ASSIGNED"))
    }

    /// Tells the kernel which generation a workload is about to get: what it reads from now on binds under that too.
    ///
    /// # Errors
    /// If the table is full.
    pub fn announce(&mut self, workload: WorkloadId, successor: u32) -> Result<(), TableError> {
        let known = self.assigned.get(&workload.0, 0).unwrap_or_default();
        let announced = Assignment { successor, ..known };
        self.assigned.insert(workload.0, announced, 0).map_err(refused("write", "ASSIGNED"))
    }

    /// Writes the row of a generation, also anew: more of its bindings have begun.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn bind(&mut self, generation: &Generation<'_>) -> Result<(), TableError> {
        self.policies.insert(generation.number, generation.policy, 0).map_err(refused("write", "POLICIES"))
    }

    /// Gives a workload the generation of those for which nothing is decided yet.
    ///
    /// # Errors
    /// If the table is full.
    pub fn assign_baseline(&mut self, workload: WorkloadId, generation: u32) -> Result<(), TableError> {
        let pending = Assignment { generation, ..Assignment::default() };
        self.assigned.insert(workload.0, pending, 0).map_err(refused("write", "ASSIGNED"))
    }

    /// The generation of a workload, and whether user space decided it; `None`: no row.
    pub fn assigned(&self, workload: WorkloadId) -> Option<(u32, bool)> {
        let found = self.assigned.get(&workload.0, 0).ok()?;
        Some((found.generation, found.flags & assignment::DECIDED != 0))
    }

    /// Every workload that has a generation.
    pub fn assignments(&self) -> Vec<(WorkloadId, u32)> {
        self.assigned.iter().flatten().map(|(workload, it)| (WorkloadId(workload), it.generation)).collect()
    }

    /// Forgets a workload's assignment: it is gone.
    pub(super) fn forget_assignment(&mut self, workload: u64) {
        let _ = self.assigned.remove(&workload);
    }

    /// Which of these secrets a workload has read since the tables were made.
    pub fn reads_of(&self, workload: WorkloadId, secrets: &BTreeSet<u64>) -> BTreeSet<u64> {
        let key = |object| ReadKey { workload: workload.0, object };
        secrets.iter().copied().filter(|object| self.reads.get(&key(*object), 0).is_ok()).collect()
    }

    /// Has a workload count as having read a secret.
    ///
    /// # Errors
    /// If the table is full.
    pub fn set_read(&mut self, workload: WorkloadId, object: u64) -> Result<(), TableError> {
        let key = ReadKey { workload: workload.0, object };
        self.reads.insert(key, 1, 0).map_err(refused("write", "READS"))
    }

    /// Forgets what workloads have read that the kernel does not know any more.
    pub fn forget_reads(&mut self) {
        let read: Vec<_> = self.reads.keys().flatten().collect();
        for key in read.into_iter().filter(|key| self.cgroups.get(&key.workload, 0).is_err()) {
            let _ = self.reads.remove(&key);
        }
    }

    /// Removes the rows of every generation but these: what an agent before has left behind.
    pub fn keep_generations(&mut self, kept: &HashSet<u32>) {
        let gone: Vec<u32> = self.policies.keys().flatten().filter(|number| !kept.contains(number)).collect();
        for number in gone {
            let _ = self.policies.remove(&number);
        }
        let gone: Vec<_> =
            self.secrets.keys().flatten().filter(|key| !kept.contains(&key.generation)).collect();
        for key in gone {
            let _ = self.secrets.remove(&key);
        }
        let gone: Vec<_> =
            self.grants.keys().flatten().filter(|key| !kept.contains(&key.generation)).collect();
        for key in gone {
            let _ = self.grants.remove(&key);
        }
        let of_another = |key: &Key<PrefixKey>| !kept.contains(&{ key.data() }.generation);
        let gone: Vec<_> = self.prefixes.keys().flatten().filter(of_another).collect();
        for key in gone {
            let _ = self.prefixes.remove(&key);
        }
        let gone: Vec<_> =
            self.destinations.keys().flatten().filter(|key| !kept.contains(&key.generation)).collect();
        for key in gone {
            let _ = self.destinations.remove(&key);
        }
    }

    /// The greatest number of a generation that is there.
    pub fn latest_generation(&self) -> u32 {
        self.policies.keys().flatten().max().unwrap_or(0)
    }

    /// The generation of containers for which nothing is decided yet.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_pending(&mut self, generation: u32) -> Result<(), TableError> {
        self.set_control(control::PENDING, generation.into())
    }

    /// Whether packets must be looked at: some workload's egress is limited.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_packets(&mut self, looked_at: bool) -> Result<(), TableError> {
        self.set_control(control::PACKETS, looked_at.into())
    }

    /// Sockets, by their cookies, on which answers pass though their workload's egress is limited.
    ///
    /// # Errors
    /// If the table is full.
    pub fn remember_accepted(&mut self, cookies: &[u64]) -> Result<(), TableError> {
        cookies
            .iter()
            .try_for_each(|cookie| self.accepted.insert(*cookie, 1, 0).map_err(refused("write", "ACCEPTED")))
    }

    /// The agent lives.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn beat(&mut self, now: BootTime) -> Result<(), TableError> {
        self.set_control(control::HEARTBEAT, now.as_nanos())
    }

    /// Which process the agent is: workloads may not touch it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_agent(&mut self, pid: u32) -> Result<(), TableError> {
        self.set_control(control::AGENT, pid.into())
    }

    /// Which process the guard is: workloads may not touch it, and it is never held back.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_guard(&mut self, pid: u32) -> Result<(), TableError> {
        self.set_control(control::GUARD, pid.into())
    }

    /// Which cgroups the agent is in, nearest first: workloads may not freeze, kill or move them.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_agent_cgroups(&mut self, cgroups: &[CgroupId]) -> Result<(), TableError> {
        let ids = cgroups.iter().map(|cgroup| cgroup.0).chain(std::iter::repeat(0));
        for (slot, id) in (control::AGENT_CGROUPS..control::SLOTS).zip(ids) {
            self.set_control(slot, id)?;
        }
        Ok(())
    }

    fn set_control(&mut self, slot: u32, value: u64) -> Result<(), TableError> {
        self.control.set(slot, value, 0).map_err(refused("write", "CONTROL"))
    }
}

const _: () = assert!(GENERATION_BITS == 32);
