//! Events that were seen lately, and how often each had happened.

use std::collections::VecDeque;

use cofferdam_model::EventId;
use rustc_hash::FxHashMap;

/// The last so many events, with their totals.
#[derive(Debug)]
pub(crate) struct Recent {
    totals: FxHashMap<EventId, u64>,
    order: VecDeque<EventId>,
    max: usize,
}

/// What a record says that was not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// The event is new.
    First,
    /// It has happened so many times more.
    More(u64),
}

impl Recent {
    /// Nothing was seen yet; so many are remembered.
    pub(crate) fn new(max: usize) -> Self {
        Self { totals: FxHashMap::default(), order: VecDeque::new(), max }
    }

    /// What is new about an event that has happened so often; `None`: nothing.
    pub(crate) fn see(&mut self, event: EventId, total: u64) -> Option<News> {
        if let Some(before) = self.totals.get_mut(&event) {
            let more = total.saturating_sub(*before);
            *before += more;
            return (more > 0).then_some(News::More(more));
        }
        self.totals.insert(event, total);
        self.order.push_back(event);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.totals.remove(&oldest);
        }
        Some(News::First)
    }

    /// How many are remembered.
    pub(crate) fn size(&self) -> usize {
        self.order.len()
    }
}
