//! Whether a container's programs ran before its secrets were watched: what they read meanwhile was not seen, and is
//! said to be lost.

use std::collections::HashMap;

use cofferdam_model::{BootTime, WorkloadId};

/// What is known of each container that began under our eyes.
#[derive(Debug, Default)]
pub struct Lateness {
    containers: HashMap<WorkloadId, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Its first program.
    ran: Option<BootTime>,
    /// The last of its secrets that had not been watched before.
    watched: Option<BootTime>,
    /// Somebody has told what it has mounted.
    is_known: bool,
    told: bool,
}

impl Seen {
    /// Whether something is to be told now.
    fn is_late(&mut self) -> bool {
        let late = matches!((self.ran, self.watched), (Some(ran), Some(watched)) if ran < watched);
        late && !std::mem::replace(&mut self.told, true)
    }
}

impl Lateness {
    /// A program of the container began; only the first counts. `true` if its secrets were watched later than that.
    pub fn ran(&mut self, container: WorkloadId, at: BootTime) -> bool {
        let seen = self.containers.entry(container).or_default();
        seen.ran.get_or_insert(at);
        seen.is_late()
    }

    /// It is known what the container has mounted, and when the last of it that was news came to be watched. `true` if
    /// a program had run before.
    pub fn known(&mut self, container: WorkloadId, watched: Option<BootTime>) -> bool {
        let seen = self.containers.entry(container).or_default();
        seen.is_known = true;
        seen.watched = seen.watched.max(watched);
        seen.is_late()
    }

    /// The container has ended. `true` if programs of it ran and nobody ever told what it had mounted.
    pub fn ended(&self, container: WorkloadId) -> bool {
        self.containers.get(&container).is_some_and(|seen| seen.ran.is_some() && !seen.is_known)
    }

    /// Forgets a container.
    pub fn forget(&mut self, container: WorkloadId) {
        self.containers.remove(&container);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: WorkloadId = WorkloadId(7);

    fn at(nanoseconds: u64) -> BootTime {
        BootTime::from_nanos(nanoseconds)
    }

    #[test]
    fn what_was_watched_before_the_first_program_ran_is_in_time() {
        let mut lateness = Lateness::default();
        assert!(!lateness.known(SHOP, Some(at(1))));
        assert!(!lateness.ran(SHOP, at(2)));
        assert!(!lateness.ended(SHOP));
    }

    #[test]
    fn what_was_watched_after_it_is_late_whichever_is_heard_of_first() {
        let mut lateness = Lateness::default();
        assert!(!lateness.ran(SHOP, at(1)));
        assert!(lateness.known(SHOP, Some(at(2))));

        let mut lateness = Lateness::default();
        assert!(!lateness.known(SHOP, Some(at(2))));
        assert!(lateness.ran(SHOP, at(1)));
    }

    #[test]
    fn it_is_told_once_and_later_programs_change_nothing() {
        let mut lateness = Lateness::default();
        assert!(!lateness.ran(SHOP, at(1)));
        assert!(!lateness.ran(SHOP, at(9)));
        assert!(lateness.known(SHOP, Some(at(5))));
        assert!(!lateness.known(SHOP, Some(at(6))));
    }

    #[test]
    fn a_container_with_nothing_new_in_it_is_never_late() {
        let mut lateness = Lateness::default();
        assert!(!lateness.ran(SHOP, at(1)));
        assert!(!lateness.known(SHOP, None));
        assert!(!lateness.ended(SHOP));
    }

    #[test]
    fn a_container_that_is_gone_before_anybody_told_of_its_mounts_may_have_read_anything() {
        let mut lateness = Lateness::default();
        assert!(!lateness.ran(SHOP, at(1)));
        assert!(lateness.ended(SHOP));
        assert!(!lateness.ended(WorkloadId(8)), "of others nothing is said");
    }
}
