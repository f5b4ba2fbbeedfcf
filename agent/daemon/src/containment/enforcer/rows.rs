//! A generation as the kernel's tables take it.

use std::collections::BTreeSet;
use std::time::Instant;

use cofferdam_model::WorkloadId;
use cofferdam_policy::Compiled;
use cofferdam_sensor::abi::policy::{Bindings, row as flags};
use cofferdam_sensor::{Generation, TableError};

use crate::pipeline::Pipeline;

/// Writes all rows of a generation, then gives it to its workload. What that reads meanwhile binds it from the first
/// moment: only once the kernel knows which generation follows, it is asked what was read so far.
///
/// # Errors
/// If a table is full: what the workload had stays.
pub(super) fn install(
    compiled: &mut Compiled,
    workload: WorkloadId,
    pipeline: &mut Pipeline,
) -> Result<(), TableError> {
    if limits(compiled) {
        // Before it is needed: connections that others open from now on are remembered.
        pipeline.tables.set_packets(true)?;
    }
    let begun = Instant::now();
    pipeline.tables.install(&rows(compiled))?;
    pipeline.tables.announce(workload, compiled.generation)?;
    let binding = compiled.binding();
    // Again, because writing the row takes back what the kernel has added to it meanwhile.
    while compiled.bind(&pipeline.tables.reads_of(workload, &binding)) {
        pipeline.tables.bind(&rows(compiled))?;
    }
    pipeline.tables.assign(workload, compiled.generation)?;
    let micros = begun.elapsed().as_micros();
    tracing::debug!(rows = rows(compiled).rows(), micros, "rules of a workload are in the kernel");
    Ok(())
}

/// Has a workload count as having read every secret that its rules speak of, now and under whatever it gets later.
///
/// # Errors
/// If a table is full.
pub(super) fn bind_by_all(
    compiled: &mut Compiled,
    workload: WorkloadId,
    pipeline: &mut Pipeline,
) -> Result<(), TableError> {
    let all: BTreeSet<u64> = compiled.secrets.iter().map(|(key, _)| key.object).collect();
    all.iter().try_for_each(|object| pipeline.tables.set_read(workload, *object))?;
    compiled.bind(&all);
    pipeline.tables.bind(&rows(compiled))
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
    let unbound = |compiled: &Compiled| {
        let mut compiled = compiled.clone();
        compiled.policy.bound = Bindings::default();
        compiled
    };
    unbound(new) == unbound(known)
}

/// Whether it limits the egress of its workload.
pub(super) fn limits(compiled: &Compiled) -> bool {
    compiled.policy.flags & flags::EGRESS != 0 || compiled.policy.cut_until != 0
}
