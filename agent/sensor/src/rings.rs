//! The two rings: priority first, both drained without losing the order within one.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::decode::{Event, decode};
use crate::tables::TableError;

/// Reader of both rings.
pub struct Rings {
    priority: RingBuf<MapData>,
    bulk: RingBuf<MapData>,
    malformed: u64,
}

impl Rings {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, TableError> {
        let mut ring = |name: &'static str| {
            let map = ebpf
                .take_map(name)
                .ok_or_else(|| TableError::Missing { name, reason: "the object has none".to_owned() })?;
            RingBuf::try_from(map).map_err(|error| TableError::Missing { name, reason: error.to_string() })
        };
        Ok(Self { priority: ring("PRIORITY")?, bulk: ring("BULK")?, malformed: 0 })
    }

    /// Waits until there is something to read, at most this long. `false`: nothing came.
    ///
    /// # Errors
    /// If the kernel refuses to wait.
    pub fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let mut fds = [&self.priority, &self.bulk].map(|ring| PollFd::new(ring.as_fd(), PollFlags::POLLIN));
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves up to `limit` events into `into`: all of the priority ring before any of the other.
    pub fn drain(&mut self, limit: usize, into: &mut Vec<Event>) {
        let Self { priority, bulk, malformed } = self;
        for ring in [priority, bulk] {
            while into.len() < limit {
                let Some(record) = ring.next() else { break };
                take_in(&record, into, malformed);
            }
        }
    }

    /// Records that were skipped because they could not be decoded.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }
}

/// Reads one record; bytes that are none are counted and skipped.
fn take_in(record: &[u8], into: &mut Vec<Event>, malformed: &mut u64) {
    match decode(record) {
        Ok(event) => into.push(event),
        Err(error) => {
            *malformed += 1;
            tracing::warn!(%error, "skipped");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_record_becomes_an_event_or_is_counted_as_malformed(
            records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..50),
        ) {
            let (mut events, mut malformed) = (Vec::new(), 0);
            records.iter().for_each(|record| take_in(record, &mut events, &mut malformed));
            prop_assert_eq!(events.len() as u64 + malformed, records.len() as u64);
        }
    }
}
