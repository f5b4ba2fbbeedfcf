//! Of the bench itself: what it makes is real, and gone afterwards.

mod leaves_nothing_behind;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[leaves_nothing_behind::SCENARIO];
