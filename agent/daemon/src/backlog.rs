//! Records that the journal could not take: they wait for the next try, within bounds. What exceeds them is a loss.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use cofferdam_model::{BootTime, EventId, Loss, Record, WallTime};

/// Records that wait at most: some ten megabytes.
const MOST: usize = 16_384;
/// What is left of them when some are given up, so that this is not done for each.
const LEFT: usize = MOST / 4 * 3;
/// Time between two tries to write a journal that cannot be written.
const PAUSE: Duration = Duration::from_secs(2);

/// Why records wait.
#[derive(Debug)]
struct Trouble {
    since: WallTime,
    since_boot: BootTime,
    reason: String,
    tried: Instant,
}

/// A counter: an access (`true`) or a connection, by its id.
type Counter = (bool, EventId);

/// The records that wait.
#[derive(Debug, Default)]
pub struct Backlog {
    records: Vec<Record>,
    trouble: Option<Trouble>,
}

impl Backlog {
    /// Whether the journal is to be tried now.
    pub fn is_due(&self) -> bool {
        self.trouble.as_ref().is_none_or(|trouble| trouble.tried.elapsed() >= PAUSE)
    }

    /// Everything that is to be written, oldest first.
    pub fn with(&mut self, fresh: Vec<Record>) -> Vec<Record> {
        if self.records.is_empty() {
            return fresh;
        }
        let mut all = std::mem::take(&mut self.records);
        all.extend(fresh);
        all
    }

    /// Keeps records for the next try. Returns how many events had to be given up.
    pub fn keep(&mut self, records: Vec<Record>) -> u64 {
        self.records.extend(records);
        if self.records.len() <= MOST {
            return 0;
        }
        self.compact();
        self.shed()
    }

    /// The journal could not be written now.
    pub fn failed(&mut self, reason: String, now: BootTime) {
        let (since, since_boot) = match self.trouble.take() {
            Some(before) => (before.since, before.since_boot),
            None => (WallTime::now(), now),
        };
        self.trouble = Some(Trouble { since, since_boot, reason, tried: Instant::now() });
    }

    /// The journal was written. Returns since when it could not be, if so.
    pub fn written(&mut self) -> Option<WallTime> {
        self.trouble.take().map(|trouble| trouble.since)
    }

    /// Since when the journal cannot be written.
    pub fn since(&self) -> Option<BootTime> {
        self.trouble.as_ref().map(|trouble| trouble.since_boot)
    }

    /// What an operator must know, if the journal cannot be written.
    pub fn told(&self) -> Option<String> {
        let Trouble { since, reason, .. } = self.trouble.as_ref()?;
        let waiting = self.records.len();
        Some(format!("it cannot be written since {since}, {waiting} records wait: {reason}"))
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Of a counter's records only the first and the latest say anything, and losses of one kind are one loss.
    fn compact(&mut self) {
        let mut latest: HashMap<Counter, Option<usize>> = HashMap::new();
        let mut losses: Vec<Loss> = Vec::new();
        let mut kept: Vec<Record> = Vec::new();
        for record in std::mem::take(&mut self.records) {
            if let Record::Loss(loss) = record {
                merge(&mut losses, loss);
                continue;
            }
            match counter(&record).map(|(counter, _)| latest.entry(counter)) {
                Some(Entry::Vacant(first)) => drop(first.insert(None)),
                Some(Entry::Occupied(mut before)) => match before.get_mut() {
                    Some(at) => {
                        kept[*at] = record;
                        continue;
                    }
                    later => *later = Some(kept.len()),
                },
                None => {}
            }
            kept.push(record);
        }
        kept.extend(losses.into_iter().map(Record::Loss));
        self.records = kept;
    }

    /// Gives up the oldest events until few enough wait, then the oldest of what else there is but losses; what rules
    /// have found goes last.
    fn shed(&mut self) -> u64 {
        let (mut events, mut counters) = (0, HashMap::new());
        let others: fn(&Record) -> bool = |record| !matches!(record, Record::Loss(_) | Record::Detection(_));
        for expendable in [is_event, others, is_detection] {
            let mut excess = self.records.len().saturating_sub(LEFT);
            self.records.retain(|record| {
                let goes = excess > 0 && expendable(record);
                if goes {
                    excess -= 1;
                    match counter(record) {
                        Some((counter, total)) => {
                            let lost: &mut u64 = counters.entry(counter).or_default();
                            *lost = total.max(*lost);
                        }
                        None => events += u64::from(is_event(record) || is_detection(record)),
                    }
                }
                !goes
            });
        }
        // Of whom a later record is still there, nothing is lost.
        for (counter, _) in self.records.iter().filter_map(counter) {
            counters.remove(&counter);
        }
        events + counters.values().sum::<u64>()
    }
}

fn is_event(record: &Record) -> bool {
    matches!(record, Record::Access(_) | Record::Connection(_) | Record::Process(_) | Record::Exit { .. })
}

fn is_detection(record: &Record) -> bool {
    matches!(record, Record::Detection(_))
}

/// The counter that a record is of, and its total.
fn counter(record: &Record) -> Option<(Counter, u64)> {
    match record {
        Record::Access(access) => Some(((true, access.id), access.total)),
        Record::Connection(made) => Some(((false, made.id), made.total)),
        _ => None,
    }
}

fn merge(losses: &mut Vec<Loss>, loss: Loss) {
    let same = |other: &&mut Loss| {
        other.hook == loss.hook && other.workload == loss.workload && other.reason == loss.reason
    };
    match losses.iter_mut().find(same) {
        Some(before) => {
            before.since = before.since.min(loss.since);
            before.until = before.until.max(loss.until);
            before.count = before.count.saturating_add(loss.count);
        }
        None => losses.push(loss),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{LossReason, ProcessKey};

    use super::*;

    fn exit(n: u64) -> Record {
        let process = ProcessKey { pid: 1, start: BootTime::from_nanos(n) };
        Record::Exit { process, exec: EventId(n), at: BootTime::from_nanos(n) }
    }

    fn made(id: u64, total: u64) -> Record {
        use cofferdam_model::{CgroupId, Connection, EnforcedBy, Protocol, Verdict, WorkloadId};
        Record::Connection(Connection {
            id: EventId(id),
            first: BootTime::from_nanos(id),
            last: BootTime::from_nanos(id + total),
            total,
            workload: WorkloadId(1),
            cgroup: CgroupId(1),
            cgroup_path: None,
            uid: None,
            process: None,
            exec: None,
            destination: None,
            port: 1,
            protocol: Protocol::Tcp,
            family: 4,
            unconnected: false,
            verdict: Verdict::Allowed,
            denied_by: None,
            enforced_by: EnforcedBy::ObserveOnly,
            policy: None,
            rule: None,
            exception: false,
            generation: 0,
            tainted_by: Vec::new(),
        })
    }

    fn loss(count: u64) -> Record {
        let (since, until) = (BootTime::from_nanos(count), BootTime::from_nanos(count + 1));
        let hook = "journal".to_owned();
        Record::Loss(Loss { since, until, hook, workload: None, reason: LossReason::JournalFailed, count })
    }

    #[test]
    fn what_waits_is_written_before_what_is_new() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.keep(vec![exit(1), exit(2)]), 0);
        assert_eq!(backlog.with(vec![exit(3)]), [exit(1), exit(2), exit(3)]);
        assert_eq!(backlog.with(vec![exit(4)]), [exit(4)]);
    }

    #[test]
    fn a_counter_that_grows_and_grows_takes_up_two_records_and_loses_nothing() {
        let mut backlog = Backlog::default();
        let lost: u64 = (1..=MOST as u64 * 2).map(|total| backlog.keep(vec![made(7, total)])).sum();
        assert_eq!(lost, 0);
        let all = backlog.with(Vec::new());
        assert_eq!((all.first(), all.last()), (Some(&made(7, 1)), Some(&made(7, MOST as u64 * 2))));
    }

    #[test]
    fn the_oldest_events_go_first_and_each_is_counted() {
        let mut backlog = Backlog::default();
        let mut lost = backlog.keep(vec![made(1, 1), made(2, 1), made(2, 5), loss(3), loss(4)]);
        let many = MOST as u64;
        lost += backlog.keep((10..10 + many).map(exit).collect());
        let all = backlog.with(Vec::new());
        assert_eq!(all.len(), LEFT);
        assert_eq!(lost, 1 + 5 + many - (LEFT as u64 - 1), "two counters, and exits");
        let Some(Record::Loss(kept)) = all.last() else { panic!("{:?}", all.last()) };
        assert_eq!((kept.count, kept.since.as_nanos(), kept.until.as_nanos()), (7, 3, 5));
    }

    #[test]
    fn a_counter_whose_latest_total_waits_is_not_lost() {
        let mut backlog = Backlog::default();
        let first = (10..10 + MOST as u64).map(exit);
        let lost = backlog.keep(std::iter::once(made(1, 1)).chain(first).chain([made(1, 9)]).collect());
        assert_eq!(lost, (MOST + 2 - LEFT) as u64 - 1);
        assert_eq!(backlog.with(Vec::new()).last(), Some(&made(1, 9)));
    }

    #[test]
    fn trouble_is_told_from_its_beginning_until_it_is_over() {
        let mut backlog = Backlog::default();
        assert!(backlog.is_due() && backlog.told().is_none() && backlog.written().is_none());
        backlog.failed("the disk is full".to_owned(), BootTime::from_nanos(5));
        backlog.keep(vec![exit(1)]);
        backlog.failed("it is still full".to_owned(), BootTime::from_nanos(9));
        assert_eq!(backlog.since(), Some(BootTime::from_nanos(5)));
        let told = backlog.told().unwrap();
        assert!(told.ends_with("1 records wait: it is still full"), "{told}");
        assert!(!backlog.is_due(), "it was tried just now");
        assert!(backlog.written().is_some() && backlog.told().is_none());
    }
}
