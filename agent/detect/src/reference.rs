//! The rule reference, as it stands beside the rules.

use std::fmt::{self, Write as _};

use crate::facts::Kind;
use crate::library::Library;
use crate::rule::Rule;
use crate::words::{closing, sentences};

const BEFORE: &str = "\
# Detection rules

Written by `cargo run -p cofferdam-detect --example reference`; a test compares it with the rules.

These rules are built into the agent. A rule of the same name in `/etc/cofferdam/detections` takes the place of one, and
`detections: { off: [NAME] }` in the agent's configuration turns one off. `cofferdam rules check FILE` says whether a file is
understood, with the place of each mistake; `cofferdam detect replay --rules FILE` what it would have found here;
`cofferdam rules schema` the whole format.

";

const FIELDS: &str = "\
## What a condition can ask for

Conditions are CEL. What is not known of an event is neither true nor false; a condition that depends on it does not hold, and
is counted as undecided. Which fields there are depends on the kind of event, `on:`.

";

/// The rules of a library and every field, in Markdown.
pub fn reference(library: &Library) -> String {
    let mut text = BEFORE.to_owned();
    // Writing to a String does not fail.
    let _ = library.entries().iter().try_for_each(|entry| rule(&mut text, &entry.rule));
    text.push_str(FIELDS);
    let _ = Kind::ALL.into_iter().try_for_each(|kind| fields(&mut text, kind));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn rule(text: &mut String, rule: &Rule) -> fmt::Result {
    writeln!(text, "## {}\n\n{}.\n", rule.name, rule.title)?;
    let attack =
        |it: &String| format!("[{it}](https://attack.mitre.org/techniques/{}/)", it.replace('.', "/"));
    let techniques: Vec<String> = rule.techniques.iter().map(attack).collect();
    writeln!(text, "Severity {}; {}.\n", rule.severity, techniques.join(", "))?;
    for (sentence, condition) in sentences(rule) {
        writeln!(text, "{sentence}\n\n```\n{}\n```\n", condition.trim())?;
    }
    let rest = closing(rule);
    // The last is the same for all, and stands with the fields.
    writeln!(text, "{}\n", rest[..rest.len().saturating_sub(1)].join(" "))
}

fn fields(text: &mut String, kind: Kind) -> fmt::Result {
    writeln!(text, "### on: {}\n\n| field | type | says |\n|---|---|---|", kind.name())?;
    for field in kind.fields() {
        let words = field.words.map(|words| format!(": {}", words.join(", "))).unwrap_or_default();
        writeln!(
            text,
            "| `{}` | {} | {}{words} |",
            field.name,
            field.of.name(),
            field.what.replace('|', "\\|")
        )?;
    }
    writeln!(text)
}
