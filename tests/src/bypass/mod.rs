//! Techniques by which others were got around: what must come of each on each tier, and what really comes of it.

mod attack;
mod contained;
mod evidence;
mod table;
mod technique;

pub use attack::{Attack, Came, Decider, as_one};
pub use contained::{Contained, Destination, Kind, PASSWORD, SECRET_AT, rule};
pub use evidence::{Evidence, Trace, Witness};
pub use table::table;
pub use technique::{Answer, Outcome, Outcomes, Technique, UNIX_UNSEEN};
