//! Who the numbers in events are: a generation and a rule's number, to a policy and its rule. On disk too: an agent that
//! is started again must tell the rules of generations that it did not make.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use cofferdam_policy::RuleName;
use serde::{Deserialize, Serialize};

use super::disk::write_whole;

/// Generations that are remembered, the latest.
const REMEMBERED: usize = 16_384;

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    generation: u32,
    rules: Vec<RuleName>,
}

/// Names of rules by generation.
#[derive(Debug, Default)]
pub struct Names {
    file: Option<PathBuf>,
    generations: BTreeMap<u32, Vec<RuleName>>,
}

/// A rule as rows name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The policy; `None`: it is not known any more.
    pub policy: Option<String>,
    /// Its rule.
    pub rule: Option<String>,
}

impl Names {
    /// Those of the agent before, if its tables are still there: its counters tell of generations that are gone.
    /// Without them numbers begin anew. A line that cannot be read costs names, nothing else.
    pub fn open(file: PathBuf, resumed: bool) -> Self {
        let text = fs::read_to_string(&file).ok().filter(|_| resumed).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let mut generations: BTreeMap<u32, Vec<RuleName>> =
            lines.map(|line| (line.generation, line.rules)).collect();
        while generations.len() > REMEMBERED {
            generations.pop_first();
        }
        let names = Self { file: Some(file), generations };
        names.rewrite();
        names
    }

    /// The latest generation that was ever there, as far as is remembered.
    pub fn latest(&self) -> u32 {
        self.generations.last_key_value().map_or(0, |(generation, _)| *generation)
    }

    /// A generation is there.
    pub fn add(&mut self, generation: u32, rules: Vec<RuleName>) {
        let line = Line { generation, rules };
        if let Some(file) = &self.file
            && let Err(error) = append(file, &line)
        {
            tracing::warn!(%error, "after a restart the rules of these decisions have no names");
        }
        self.generations.insert(generation, line.rules);
        if self.generations.len() > REMEMBERED {
            self.generations.pop_first();
            if generation.is_multiple_of(REMEMBERED as u32) {
                self.rewrite();
            }
        }
    }

    fn rewrite(&self) {
        let Some(file) = &self.file else { return };
        let mut text = Vec::new();
        for (generation, rules) in &self.generations {
            let line = Line { generation: *generation, rules: rules.clone() };
            if serde_json::to_writer(&mut text, &line).is_ok() {
                text.push(b'\n');
            }
        }
        if let Err(error) = write_whole(file, &text) {
            tracing::warn!("names of rules cannot be kept: {error:#}");
        }
    }

    /// The rule that a decision was made by; `None`: no rule spoke.
    pub fn of(&self, (generation, rule): (u32, u32)) -> Option<Named> {
        if rule == 0 {
            return None;
        }
        let known = self.rule(generation, rule);
        let policy = known.map(|name| name.id.policy.clone());
        Some(Named { policy, rule: known.map(|name| name.id.rule.clone()) })
    }

    fn rule(&self, generation: u32, rule: u32) -> Option<&RuleName> {
        self.generations.get(&generation)?.get((rule as usize).checked_sub(1)?)
    }
}

fn append(file: &PathBuf, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    OpenOptions::new().append(true).create(true).open(file)?.write_all(&text)
}

#[cfg(test)]
mod tests {
    use cofferdam_policy::{RuleId, RuleKind};

    use super::*;

    fn rule(policy: &str) -> Vec<RuleName> {
        let id = RuleId { policy: policy.to_owned(), rule: "db".to_owned() };
        vec![RuleName { id, kind: RuleKind::Secret, exception: false, also: Vec::new() }]
    }

    #[test]
    fn a_new_agent_knows_the_rules_of_all_generations_whose_tables_are_still_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("names");
        let mut names = Names::open(file.clone(), false);
        names.add(7, rule("a"));
        names.add(8, rule("b"));
        fs::write(&file, fs::read_to_string(&file).unwrap() + "{ half a li").unwrap();
        let names = Names::open(file.clone(), true);
        assert_eq!(names.of((7, 1)).unwrap().policy.as_deref(), Some("a"));
        assert_eq!(names.of((8, 1)).unwrap().policy.as_deref(), Some("b"));
        assert_eq!(names.of((9, 1)), Some(Named { policy: None, rule: None }));
        assert_eq!(names.of((8, 0)), None);
        assert_eq!(names.latest(), 8);
        // After a reboot the same numbers mean others.
        assert_eq!(Names::open(file, false).latest(), 0);
    }
}
