//! `timeline`: what one workload did, as a process tree in time order. Pure: lists in, lines out.

mod draw;
#[cfg(test)]
mod tests;
mod tree;

use cofferdam_api::Timeline;
use cofferdam_model::Filter;

use crate::show;
use crate::text::{DIM, Line};

/// One tree per workload, then how complete they are.
pub(crate) fn timeline(timeline: &Timeline, filter: &Filter, columns: Option<usize>) -> Vec<Line> {
    let mut lines = Vec::new();
    for tree in tree::grow(timeline) {
        lines.extend(draw::draw(&tree, columns));
        lines.push(Line::new());
    }
    if lines.is_empty() {
        lines.push(Line::of(DIM, show::nothing("events", filter)));
        lines.push(Line::new());
    }
    let lists = [
        timeline.processes.len(),
        timeline.accesses.len(),
        timeline.connections.len(),
        timeline.attempts.len(),
        timeline.audits.len(),
        timeline.detections.len(),
    ];
    if let Some(limit) = filter.limit
        && lists.iter().any(|&length| length as u64 >= limit)
    {
        lines.push(Line::of(DIM, format!("only the latest {limit} of each kind are shown (--limit)")));
    }
    lines.push(show::closing(&timeline.completeness));
    lines
}
