//! Tables, for the terminal and for Markdown.

use std::fmt::Write as _;

/// Between two columns.
const GAP: &str = "  ";

/// A table under a heading.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What it is about.
    pub(super) heading: String,
    /// How it was measured, or where.
    pub(super) caption: String,
    /// The columns' titles; the first column is to the left, all others to the right.
    pub(super) columns: Vec<String>,
    /// The cells.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// Aligned with blanks.
    pub(super) fn text(&self) -> String {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = format!("{}\n", self.heading.to_uppercase());
        if !self.caption.is_empty() {
            let _ = writeln!(text, "{}", self.caption);
        }
        for line in lines() {
            let mut cells = String::new();
            for (number, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
                let (before, after) = if number == 0 { ("", pad.as_str()) } else { (pad.as_str(), "") };
                let _ = write!(cells, "{}{before}{cell}{after}", if number == 0 { "" } else { GAP });
            }
            let _ = writeln!(text, "{}", cells.trim_end());
        }
        text
    }

    /// As Markdown has them.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("**{}**", self.heading);
        if !self.caption.is_empty() {
            let _ = write!(text, " — {}", self.caption);
        }
        text.push_str("\n\n");
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text.push_str(&line(&self.columns));
        let rules: Vec<String> = (0..self.columns.len())
            .map(|column| if column == 0 { "---" } else { "--:" }.to_owned())
            .collect();
        text.push_str(&line(&rules));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    }
}

/// A number with its unit, as short as it can be read.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "ns" if value >= 1e9 => format!("{:.2} s", value / 1e9),
        "ns" if value >= 1e6 => format!("{:.1} ms", value / 1e6),
        "ns" if value >= 1e4 => format!("{:.1} µs", value / 1e3),
        "ns" => format!("{} ns", grouped(value)),
        "instructions" if value >= 1e7 => format!("{} M", grouped(value / 1e6)),
        "instructions" => grouped(value),
        "ms" | "MiB" | "%" => format!("{value:.1} {unit}"),
        "s" => format!("{value:.2} s"),
        "accesses/s" => format!("{}/s", grouped(value)),
        _ => grouped(value),
    }
}

/// How much more, from a ratio.
pub(super) fn more(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Table {
            heading: "Costs".to_owned(),
            caption: String::new(),
            columns: words(&["", "with"]),
            rows: vec![words(&["open", "10,392"]), words(&["…", "1 µs"])],
        }
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(table().text(), "COSTS\n        with\nopen  10,392\n…       1 µs\n");
    }

    #[test]
    fn markdown_has_a_rule_below_the_titles() {
        assert!(table().markdown().contains("|  | with |\n| --- | --: |\n| open | 10,392 |\n"));
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be_read() {
        assert_eq!(quantity(10_392.4, "instructions"), "10,392");
        assert_eq!(quantity(2_004_259_544.0, "instructions"), "2,004 M");
        assert_eq!(quantity(1_880.0, "ns"), "1,880 ns");
        assert_eq!(quantity(27_412.0, "ns"), "27.4 µs");
        assert_eq!(quantity(100.0, "accesses"), "100");
        assert_eq!(quantity(-19.0, "accesses"), "-19");
        assert_eq!(more(1.0251), "+2.5 %");
    }
}
