//! In which order a workload first read its secrets: 1, 2, ...
//!
//! Known only for workloads that began under the agent's eyes.

use std::collections::HashMap;

use cofferdam_model::WorkloadId;

/// Secrets ordered per workload; later ones have no number.
pub const SECRETS_MAX: usize = 4_096;

/// The orders of all workloads that are watched from their start.
#[derive(Debug, Default)]
pub struct FirstReads {
    orders: HashMap<WorkloadId, HashMap<Box<str>, u64>>,
    unnumbered: u64,
}

impl FirstReads {
    /// A workload begins now: nothing was read before.
    pub fn began(&mut self, workload: WorkloadId) {
        self.orders.entry(workload).or_default();
    }

    /// Which of the workload's first reads the first read of this secret (display name with key) is.
    pub fn order(&mut self, workload: WorkloadId, secret: &str) -> Option<u64> {
        let order = self.orders.get_mut(&workload)?;
        if let Some(known) = order.get(secret) {
            return Some(*known);
        }
        if order.len() == SECRETS_MAX {
            self.unnumbered += 1;
            return None;
        }
        let next = order.len() as u64 + 1;
        order.insert(secret.into(), next);
        Some(next)
    }

    /// A workload is forgotten.
    pub fn forget(&mut self, workload: WorkloadId) {
        self.orders.remove(&workload);
    }

    /// Reads that got no number because [`SECRETS_MAX`] was reached.
    pub fn unnumbered(&self) -> u64 {
        self.unnumbered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: WorkloadId = WorkloadId(7);

    #[test]
    fn each_secret_has_the_number_of_its_first_read() {
        let mut reads = FirstReads::default();
        reads.began(WEB);
        assert_eq!(reads.order(WEB, "db:pass"), Some(1));
        assert_eq!(reads.order(WEB, "db:user"), Some(2));
        assert_eq!(reads.order(WEB, "db:pass"), Some(1));
    }

    #[test]
    fn the_order_of_a_workload_that_ran_before_the_agent_is_not_known() {
        let mut reads = FirstReads::default();
        assert_eq!(reads.order(WEB, "db:pass"), None);
        reads.began(WEB);
        reads.order(WEB, "db:pass");
        reads.forget(WEB);
        assert_eq!(reads.order(WEB, "db:pass"), None);
    }

    #[test]
    fn secrets_beyond_the_bound_are_counted() {
        let mut reads = FirstReads::default();
        reads.began(WEB);
        for number in 0..=SECRETS_MAX {
            reads.order(WEB, &number.to_string());
        }
        assert_eq!(reads.unnumbered(), 1);
    }
}
