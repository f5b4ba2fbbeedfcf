//! The live tap: best effort, bounded, and it says what it missed. It never delays the one who publishes.

use std::sync::Arc;

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

use crate::Event;

/// Events that are handed over at once, so that a burst is not one message each.
const BATCH: usize = 256;

/// Where live events are published, for every watcher.
#[derive(Debug, Clone)]
pub struct Live {
    sender: broadcast::Sender<Arc<Event>>,
}

impl Live {
    /// Keeps the latest `capacity` events for watchers that fall behind.
    pub fn new(capacity: usize) -> Self {
        Self { sender: broadcast::Sender::new(capacity.max(1)) }
    }

    /// How many watch. While it is zero nothing need be made for them.
    pub fn watchers(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Shows an event to every watcher; never waits.
    pub fn publish(&self, event: Event) {
        // An error says that nobody watches.
        let _ = self.sender.send(Arc::new(event));
    }

    /// Everything that is published from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription { receiver: self.sender.subscribe() }
    }
}

/// One watcher's end of [`Live`].
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Arc<Event>>,
}

impl Subscription {
    /// The next events, and how many were missed before them; `None` when nothing can come any more.
    pub async fn next(&mut self) -> Option<(Vec<Arc<Event>>, u64)> {
        let mut missed = 0;
        let first = loop {
            match self.receiver.recv().await {
                Ok(event) => break event,
                Err(RecvError::Lagged(count)) => missed += count,
                Err(RecvError::Closed) => return (missed > 0).then(|| (Vec::new(), missed)),
            }
        };
        let mut events = vec![first];
        while events.len() < BATCH {
            match self.receiver.try_recv() {
                Ok(event) => events.push(event),
                // What is missed from here on would stand behind these events: it is told with the next ones.
                Err(TryRecvError::Lagged(_) | TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        Some((events, missed))
    }
}
