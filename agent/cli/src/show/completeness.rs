//! The last line of every answer.

use cofferdam_model::Completeness;

use super::number;
use crate::moment::to_seconds;
use crate::text::{BAD, DIM, GOOD, Line, PLAIN};

/// How complete the answer is, as one plain sentence.
pub(crate) fn closing(completeness: &Completeness) -> Line {
    let mut line = if completeness.complete {
        let since = match completeness.seen_since {
            Some(time) => format!(" since {} UTC", to_seconds(time)),
            None => String::new(),
        };
        Line::of(GOOD, "complete").with(PLAIN, format!(": nothing lost{since}"))
    } else {
        Line::of(BAD, "INCOMPLETE").with(PLAIN, format!(": {}", reasons(completeness)))
    };
    if completeness.over_budget > 0 {
        line.push(
            DIM,
            format!("; {} over budget, counted but not itemised", number(completeness.over_budget)),
        );
    }
    // An incomplete answer tells of them among its reasons.
    if completeness.complete && completeness.unknown_workloads > 0 {
        let rows = count_of(completeness.unknown_workloads, "row");
        line.push(DIM, format!("; {rows} of unknown workloads"));
    }
    line
}

fn reasons(completeness: &Completeness) -> String {
    let mut reasons: Vec<_> =
        completeness.reasons.iter().map(|reason| reason.trim_end_matches('.').to_owned()).collect();
    // The reasons tell of losses in their own words; only where none does must the number speak.
    if reasons.is_empty() && completeness.lost > 0 {
        reasons.push(format!("{} lost", count_of(completeness.lost, "event")));
    }
    if reasons.is_empty() {
        reasons.push("the agent does not say why".to_owned());
    }
    reasons.join("; ")
}

/// `1 event`, `12 events`, `no events`.
pub(crate) fn count_of(count: u64, thing: &str) -> String {
    match count {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        _ => format!("{} {thing}s", number(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::render;

    #[test]
    fn the_last_line_is_one_plain_sentence() {
        let complete = Completeness {
            complete: true,
            lost: 0,
            over_budget: 0,
            unknown_workloads: 0,
            seen_since: Some("2026-11-22T05:00:00.5Z".parse().unwrap()),
            sources: vec![],
            reasons: vec![],
        };
        let lines = [
            complete.clone(),
            Completeness { seen_since: None, ..complete.clone() },
            Completeness { over_budget: 1_200, unknown_workloads: 1, ..complete.clone() },
            Completeness { complete: false, lost: 12, ..complete.clone() },
            Completeness {
                complete: false,
                lost: 12,
                reasons: vec!["12 events lost: ring full.".into(), "the agent started at 04:00".into()],
                ..complete.clone()
            },
            Completeness { complete: false, ..complete },
        ]
        .map(|completeness| closing(&completeness));
        insta::assert_snapshot!(render(&lines, false), @r"
        complete: nothing lost since 2026-11-22 05:00:00 UTC
        complete: nothing lost
        complete: nothing lost since 2026-11-22 05:00:00 UTC; 1,200 over budget, counted but not itemised; 1 row of unknown workloads
        INCOMPLETE: 12 events lost
        INCOMPLETE: 12 events lost: ring full; the agent started at 04:00
        INCOMPLETE: the agent does not say why
        ");
    }
}
