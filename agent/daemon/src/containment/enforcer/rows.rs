//! A generation as the kernel's tables take it.

use std::time::Instant;

use cofferdam_model::WorkloadId;
use cofferdam_policy::Compiled;
use cofferdam_sensor::abi::policy::{Bindings, row as flags};
use cofferdam_sensor::{Generation, TableError};

use crate::pipeline::Pipeline;

/// Writes all rows of a generation, then gives it to its workload.
///
/// # Errors
/// If a table is full: what the workload had stays.
pub(super) fn install(
    compiled: &Compiled,
    workload: WorkloadId,
    pipeline: &mut Pipeline,
) -> Result<(), TableError> {
    if limits(compiled) {
        // Before it is needed: connections that others open from now on are remembered.
        pipeline.tables.set_packets(true)?;
    }
    let begun = Instant::now();
    let generation = rows(compiled);
    pipeline.tables.install(&generation)?;
    pipeline.tables.assign(workload, compiled.generation)?;
    let micros = begun.elapsed().as_micros();
    tracing::debug!(rows = generation.rows(), micros, "rules of a workload are in the kernel");
    Ok(())
}

/// Its rows.
pub(super) fn rows(compiled: &Compiled) -> Generation<'_> {
    Generation {
        number: compiled.generation,
        policy: &compiled.policy,
        secrets: &compiled.secrets,
        grants: &compiled.grants,
        prefixes: &compiled.prefixes,
        destinations: &compiled.destinations,
    }
}

/// Whether both say the same; what was read meanwhile stands in the kernel's row.
pub(super) fn is_same(new: &Compiled, known: &Compiled) -> bool {
    let mut new = new.clone();
    new.policy.bound = Bindings::default();
    let mut known = known.clone();
    known.policy.bound = Bindings::default();
    new == known
}

/// Whether it limits the egress of its workload.
pub(super) fn limits(compiled: &Compiled) -> bool {
    compiled.policy.flags & flags::EGRESS != 0 || compiled.policy.cut_until != 0
}
