//! What was seen lately.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

/// The last so many of something.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    known: FxHashSet<T>,
    order: VecDeque<T>,
    max: usize,
}

impl<T: Copy + Eq + std::hash::Hash> Recent<T> {
    /// Nothing was seen yet; so many are remembered.
    pub(crate) fn new(max: usize) -> Self {
        Self { known: FxHashSet::default(), order: VecDeque::new(), max }
    }

    /// Whether it is new.
    pub(crate) fn insert(&mut self, it: T) -> bool {
        if !self.known.insert(it) {
            return false;
        }
        self.order.push_back(it);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// How many are remembered.
    pub(crate) fn size(&self) -> usize {
        self.order.len()
    }
}
