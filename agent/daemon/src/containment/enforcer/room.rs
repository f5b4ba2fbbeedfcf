//! Whether the kernel's tables have room for what all workloads get, asked before a policy is kept.

use cofferdam_model::{BootTime, Workload};
use cofferdam_policy::{Compiled, Policy, Rows, compile};

use super::rows::is_same;
use super::settle::Ready;
use super::{Enforcer, Round};
use crate::pipeline::Pipeline;

impl Enforcer {
    /// Whether there is room for these policies in place of those in force, while workloads that change still have
    /// what they had.
    ///
    /// # Errors
    /// If a table would be too small, or the rows of one workload too many, with the numbers.
    pub fn has_room(
        &mut self,
        policies: &[Policy],
        pipeline: &mut Pipeline,
        now: BootTime,
    ) -> Result<(), String> {
        let round = self.round(policies, pipeline, now);
        let mut all = Rows::default();
        let beside = self.retired.iter().map(|(_, it)| it).chain(&self.pending);
        beside.for_each(|compiled| all += Rows::of(compiled));
        let live = pipeline.state.workloads.iter().filter(|it| it.until.is_none());
        for workload in live.cloned().collect::<Vec<_>>() {
            let known = self.current.get(&workload.id).and_then(|it| it.compiled.as_ref());
            let new = self.planned(&workload, &round, known, pipeline)?;
            all += meanwhile(known, new.as_ref());
        }
        all.fit().map_err(|full| full.to_string())
    }

    /// What a workload would get.
    fn planned(
        &self,
        workload: &Workload,
        round: &Round<'_>,
        known: Option<&Compiled>,
        pipeline: &mut Pipeline,
    ) -> Result<Option<Compiled>, String> {
        let (wanted, found) = match self.ready(workload, round, pipeline) {
            Ready::Unconcerned(_) => return Ok(None),
            Ready::NoRoot => return Ok(known.cloned()),
            Ready::Yes(wanted, found) => (wanted, found),
        };
        let generation = known.map_or(self.next, |known| known.generation);
        match compile(&self.input(generation, workload, &wanted, round, &found)) {
            Ok(compiled) => Ok(Some(compiled)),
            // It has been told, and has nothing to do with what is new.
            Err(_) if self.failures.contains_key(&workload.id) => Ok(known.cloned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The rows of a workload while it changes from what it has to what is new.
fn meanwhile(known: Option<&Compiled>, new: Option<&Compiled>) -> Rows {
    let mut rows = known.map(Rows::of).unwrap_or_default();
    if let Some(new) = new
        && known.is_none_or(|known| !is_same(new, known))
    {
        rows += Rows::of(new);
    }
    rows
}

#[cfg(test)]
mod tests {
    use cofferdam_sensor::abi::policy::{Grant, GrantKey, Policy};

    use super::*;

    fn with_grants(generation: u32, grants: u32) -> Compiled {
        let grant = |set| (GrantKey { set, generation, ..GrantKey::default() }, Grant::default());
        Compiled {
            generation,
            policy: Policy::default(),
            secrets: Vec::new(),
            grants: (0..grants).map(grant).collect(),
            prefixes: Vec::new(),
            destinations: Vec::new(),
            rules: Vec::new(),
            effective: Vec::new(),
            expires: None,
        }
    }

    #[test]
    fn a_workload_that_changes_needs_room_for_both() {
        let (old, new) = (with_grants(1, 3), with_grants(1, 5));
        let mut both = Rows::of(&old);
        both += Rows::of(&new);
        assert_eq!(meanwhile(Some(&old), Some(&new)), both);
        assert_eq!(meanwhile(Some(&old), None), Rows::of(&old));
        assert_eq!(meanwhile(None, Some(&new)), Rows::of(&new));
        assert_eq!(meanwhile(None, None), Rows::default());
    }

    #[test]
    fn one_that_does_not_change_needs_it_once() {
        let old = with_grants(1, 3);
        assert_eq!(meanwhile(Some(&old), Some(&old.clone())), Rows::of(&old));
    }
}
