//! What the load program tells: lines of JSON behind `bench: `, between lines for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Starts a line with a figure or a note.
const FIGURE: &str = "bench: ";

/// Starts a line for people.
pub(super) const PROGRESS: &str = "load: ";

/// One measured thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    /// The experiment.
    pub(super) group: String,
    /// What was measured.
    pub(super) name: String,
    /// Of what the value is a number.
    pub(super) unit: String,
    /// The value; with the agent, where there are values without it.
    pub(super) value: f64,
    /// Values without the agent: before, between and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) without: Vec<f64>,
}

impl Figure {
    /// The mean without the agent.
    pub(super) fn baseline(&self) -> Option<f64> {
        let count = self.without.len();
        (count > 0).then(|| self.without.iter().sum::<f64>() / count as f64)
    }

    /// How much more it is with the agent.
    pub(super) fn ratio(&self) -> Option<f64> {
        self.baseline().filter(|baseline| *baseline != 0.0).map(|baseline| self.value / baseline)
    }

    /// How far apart the values without the agent are, relative to their mean.
    pub(super) fn spread(&self) -> Option<f64> {
        let baseline = self.baseline().filter(|baseline| *baseline != 0.0)?;
        let largest = self.without.iter().copied().fold(f64::MIN, f64::max);
        let smallest = self.without.iter().copied().fold(f64::MAX, f64::min);
        Some((largest - smallest) / baseline)
    }
}

#[derive(Deserialize)]
struct Note {
    group: String,
    name: String,
    note: String,
}

/// Everything that one run of the load program told.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Figures {
    /// In the order in which they came.
    pub(super) figures: Vec<Figure>,
    /// Texts that explain them.
    pub(super) notes: BTreeMap<String, String>,
    /// Experiments that failed, in the load program's words.
    pub(super) failures: Vec<String>,
}

impl Figures {
    /// Takes a line of output.
    pub(super) fn take(&mut self, line: &str) {
        if let Some(json) = line.strip_prefix(FIGURE) {
            if let Ok(figure) = serde_json::from_str(json) {
                self.figures.push(figure);
            } else if let Ok(Note { group, name, note }) = serde_json::from_str(json) {
                self.notes.insert(format!("{group}.{name}"), note);
            } else {
                self.failures.push(format!("not understood: {line}"));
            }
        } else if line.starts_with(PROGRESS) && line.contains(" failed: ") {
            self.failures.push(line[PROGRESS.len()..].to_owned());
        }
    }

    /// The figure of this name.
    pub(super) fn get(&self, group: &str, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.group == group && figure.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Figures {
        let mut figures = Figures::default();
        lines.iter().for_each(|line| figures.take(line));
        figures
    }

    #[test]
    fn figures_and_notes_are_told_from_each_other_and_from_everything_else() {
        let figures = told(&[
            "[    0.1] a kernel's word",
            r#"bench: {"group":"cost","name":"open","unit":"ns","value":103.0,"without":[99.0,101.0]}"#,
            r#"bench: {"group":"cost","name":"compiler","note":"cc"}"#,
            "load: measuring",
            "load: Cost failed: no busybox",
        ]);
        let open = figures.get("cost", "open").unwrap();
        assert_eq!(open.baseline(), Some(100.0));
        assert_eq!(open.ratio(), Some(1.03));
        assert_eq!(open.spread(), Some(0.02));
        assert_eq!(figures.notes["cost.compiler"], "cc");
        assert_eq!(figures.failures, ["Cost failed: no busybox"]);
    }

    #[test]
    fn a_line_that_is_cut_off_is_a_failure() {
        assert_eq!(told(&[r#"bench: {"group":"co"#]).failures.len(), 1);
    }

    #[test]
    fn a_figure_without_a_baseline_has_no_ratio() {
        let figures = told(&[r#"bench: {"group":"a","name":"b","unit":"","value":1.0}"#]);
        assert_eq!(figures.get("a", "b").unwrap().ratio(), None);
    }
}
