use cofferdam_api::Ending;
use cofferdam_model::{AccessRow, Answer, Filter};

use super::*;
use crate::samples;
use crate::text::render;

const TERMINAL: Screen = Screen { columns: Some(140), colour: false, wide: false };

fn accesses() -> Answer<AccessRow> {
    let ending = Ending { completeness: samples::complete(), since: None, until: None };
    ending.after(samples::accesses())
}

#[test]
fn on_a_terminal_a_table_is_fitted_but_secrets_and_verdicts_stay_whole() {
    let lines = answer(&accesses(), &Filter::default(), TERMINAL);
    insta::assert_snapshot!("accesses_on_a_terminal", render(&lines, false));
    for narrow in [40, 1] {
        let lines = answer(&accesses(), &Filter::default(), Screen { columns: Some(narrow), ..TERMINAL });
        let text = render(&lines, false);
        for whole in
            ["volume/creds:tls.key", "stage2(4333) [written]", "would-deny", "INCOMPLETE", "complete:"]
        {
            assert_eq!(text.contains(whole), whole != "INCOMPLETE", "{whole}");
        }
    }
}

#[test]
fn colour_marks_what_to_look_at() {
    let lines = answer(&accesses(), &Filter::default(), TERMINAL);
    let text = render(&lines, true);
    insta::assert_snapshot!("accesses_in_colour", text.replace('\u{1b}', "␛"));
}

#[test]
fn denials_of_every_kind_stand_in_one_table_and_stand_out() {
    let ending = Ending { completeness: samples::complete(), since: None, until: None };
    let lines = answer(&ending.after(samples::denials()), &Filter::default(), TERMINAL);
    insta::assert_snapshot!("denials_on_a_terminal", render(&lines, false));
    assert!(render(&lines, true).contains("\u{1b}[1m\u{1b}[31mdenied\u{1b}[0m"));
}

#[test]
fn detections_stand_with_what_has_happened_below_and_the_worst_stands_out() {
    let ending = Ending { completeness: samples::complete(), since: None, until: None };
    let lines = answer(&ending.after(samples::detections()), &Filter::default(), TERMINAL);
    insta::assert_snapshot!("detections_on_a_terminal", render(&lines, false));
    assert!(render(&lines, true).contains("\u{1b}[1m\u{1b}[31mcritical\u{1b}[0m"));
}

#[test]
fn the_status_of_a_lossy_agent_is_told_in_full() {
    let lines = status(&samples::status(), samples::at(4000.0), None);
    insta::assert_snapshot!("status", render(&lines, false));
}

#[test]
fn an_agent_that_is_starting_or_has_lost_its_journal_is_not_complete() {
    let mut starting = samples::status();
    starting.losses.clear();
    starting.ready = None;
    starting.tier = None;
    starting.journal.errors.push("the disk is full: rows are being shed".into());
    assert!(!is_complete(&starting));
    let text = render(&status(&starting, samples::at(0.0), None), false);
    assert!(text.contains("starting since 2026-11-22 03:59:59 UTC: hooks are not all attached yet, no tier"));
    assert!(
        text.ends_with("INCOMPLETE: the agent is still starting; the disk is full: rows are being shed\n"),
        "{text}"
    );
}

#[test]
fn an_empty_answer_says_what_was_looked_for() {
    let filter = Filter {
        workload: Some("shop/*".into()),
        secret: Some("volume/creds".into()),
        since: Some(samples::at(0.0)),
        ..Filter::default()
    };
    assert_eq!(
        nothing("accesses", &filter),
        "no accesses with --workload shop/*, --secret volume/creds, since 2026-11-22 05:00:00 UTC"
    );
    assert_eq!(nothing("accesses", &Filter::default()), "no accesses");
}

#[test]
fn a_watch_that_missed_something_says_so() {
    let lines = [missed(1), missed(4_096), watched(12, 4_096, 0, false), watched(12, 0, 0, false)];
    insta::assert_snapshot!(render(&lines, false), @r"
    MISSED 1 event that came too fast for this watch; `accesses`, `connections` and `timeline` have them
    MISSED 4,096 events that came too fast for this watch; `accesses`, `connections` and `timeline` have them
    INCOMPLETE: 12 events shown, 4,096 missed by this watch
    complete: 12 events shown, nothing lost while watching
    ");
}

#[test]
fn on_a_narrow_terminal_reasons_wrap_and_enforcement_stays_whole() {
    let lines =
        policy_status(&samples::containment::policy_status(), Screen { columns: Some(80), ..TERMINAL });
    insta::assert_snapshot!("policy_status_on_a_terminal", render(&lines, false));
}

#[test]
fn what_a_policy_says_reaches_a_terminal_harmless() {
    let mut row = samples::containment::policies().remove(0);
    row.source = "/etc/\u{1b}[2Jx.yaml".into();
    let text = render(&policy_table(&[row], TERMINAL), false);
    assert!(text.contains("\\u{1b}[2Jx.yaml"), "{text}");
}
