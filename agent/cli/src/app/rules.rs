//! `rules`: which detection rules there are, what they wait for, and what is wrong with files of them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cofferdam_api::{ConnectError, DetectionRule};
use cofferdam_detect::{Entry, Library};
use cofferdam_model::{Contain, Severity};
use cofferdam_policy::Refusal;
use serde::Serialize;
use serde_json::{Value, json};

use super::Run;
use crate::args::{Format, OwnRules, Rules};
use crate::failure::{BadUsage, Outcome};
use crate::{output, policy_files, show};

/// Where a node's own rules lie unless its agent is configured otherwise.
const FOLDER: &str = "/etc/cofferdam/detections";

/// A row of `rules list`; what is counted is `null` without an agent.
#[derive(Debug, Serialize)]
pub(crate) struct ListedRule {
    /// Its name.
    pub(crate) name: String,
    /// Its file; `null`: it is built in.
    pub(crate) file: Option<String>,
    /// How bad it is what it finds.
    pub(crate) severity: Severity,
    /// MITRE ATT&CK techniques.
    pub(crate) techniques: Vec<String>,
    /// What it wants denied at once.
    pub(crate) contain: Contain,
    /// Whether it wants the credential revoked.
    pub(crate) revoke: bool,
    /// It is switched off; `null`: only the agent knows.
    pub(crate) off: Option<bool>,
    /// Detections since the agent's start.
    pub(crate) found: Option<u64>,
    /// Found and not told.
    pub(crate) withheld: Option<u64>,
    /// What it asked was not known.
    pub(crate) undecided: Option<u64>,
    /// Its conditions took too long.
    pub(crate) cut: Option<u64>,
    /// It forgot what it waited for.
    pub(crate) forgotten: Option<u64>,
}

/// What was found in files of rules.
#[derive(Debug)]
pub(crate) struct CheckedRules {
    /// The rules that are understood.
    pub(crate) rules: Vec<String>,
    /// What is not.
    pub(crate) refusals: Vec<Refusal>,
}

impl Run<'_> {
    pub(super) fn rules(&mut self, command: Rules) -> Result<Outcome> {
        match command {
            Rules::List => self.list_rules(),
            Rules::Check { files } => self.check_rules(&files),
            Rules::Explain { name, own } => self.explain_rule(&name, &own),
            Rules::Schema => {
                output::document(self.out, &cofferdam_detect::schema())?;
                Ok(Outcome::Done)
            }
        }
    }

    fn list_rules(&mut self) -> Result<Outcome> {
        let (rows, without_agent) = match self.rules_at_work()? {
            Ok(rules) => (rules.into_iter().map(ListedRule::from).collect::<Vec<_>>(), None),
            Err(why) => {
                let library = self.library(&OwnRules::default())?;
                (library.entries().iter().map(ListedRule::from).collect(), Some(why))
            }
        };
        self.listed(&rows, |screen| show::rule_table(&rows, without_agent.as_deref(), screen))
    }

    fn check_rules(&mut self, files: &[PathBuf]) -> Result<Outcome> {
        let mut library = Library::default();
        for text in policy_files::read(files)? {
            library.add(Path::new(&text.source), &text.text);
        }
        let rules = library.entries().iter().map(|it| it.rule.name.clone()).collect();
        let checked = CheckedRules { rules, refusals: library.refusals().to_vec() };
        match self.options.output {
            Format::Json => output::document(self.out, &checked.document())?,
            Format::Jsonl => output::line(self.out, &checked.document())?,
            Format::Table | Format::Wide => self.lines(&show::checked_rules(&checked))?,
        }
        Ok(if checked.refusals.is_empty() { Outcome::Done } else { Outcome::BadUsage })
    }

    fn explain_rule(&mut self, name: &str, own: &OwnRules) -> Result<Outcome> {
        let library = self.library(own)?;
        let Some(entry) = library.entries().iter().find(|it| it.rule.name == name) else {
            let names: Vec<_> = library.entries().iter().map(|it| it.rule.name.as_str()).collect();
            bail!(BadUsage(format!("no rule is called {name}; there are {}", names.join(", "))));
        };
        let columns = self.screen.columns;
        self.one(&show::rule_document(entry), |_| show::rule(entry, columns))
    }

    /// The built-in rules, and those that are named or else those of this node.
    pub(super) fn library(&self, own: &OwnRules) -> Result<Library> {
        let mut library = Library::shipped();
        let files = match own.files.as_slice() {
            [] => self.files_of_this_node()?,
            named => named.to_vec(),
        };
        for text in policy_files::read(&files)? {
            library.add(Path::new(&text.source), &text.text);
        }
        // What this node's agent does not run is no reason not to explain what it does.
        if own.files.is_empty() || library.refusals().is_empty() {
            return Ok(library);
        }
        let lines: Vec<_> = library.refusals().iter().map(ToString::to_string).collect();
        bail!(BadUsage(format!("refused:\n{}", lines.join("\n"))))
    }

    /// The files that the agent has read, or would.
    fn files_of_this_node(&self) -> Result<Vec<PathBuf>> {
        if let Ok(rules) = self.rules_at_work()? {
            let mut files: Vec<PathBuf> =
                rules.into_iter().filter_map(|it| it.file).map(PathBuf::from).collect();
            files.dedup();
            return Ok(files);
        }
        let has_any = policy_files::read(&[FOLDER.into()]).is_ok();
        Ok(if has_any { vec![FOLDER.into()] } else { Vec::new() })
    }

    /// The rules that the agent has, or why nobody answers.
    fn rules_at_work(&self) -> Result<std::result::Result<Vec<DetectionRule>, String>> {
        if self.options.journal.is_some() {
            return Ok(Err("a copied journal does not tell".to_owned()));
        }
        match self.agent("rules") {
            Ok(mut agent) => Ok(Ok(agent.status()?.rules)),
            Err(error) if error.downcast_ref::<ConnectError>().is_some() => {
                Ok(Err(crate::failure::in_one_line(&error)))
            }
            Err(error) => Err(error),
        }
    }
}

impl CheckedRules {
    fn document(&self) -> Value {
        let refusals: Vec<Value> = self
            .refusals
            .iter()
            .map(|it| {
                let (line, column) = (it.at.map(|at| at.line), it.at.map(|at| at.column));
                json!({ "file": it.file, "line": line, "column": column, "field": it.field, "reason": it.reason })
            })
            .collect();
        json!({ "rules": self.rules, "refusals": refusals })
    }
}

impl From<DetectionRule> for ListedRule {
    fn from(rule: DetectionRule) -> Self {
        Self {
            name: rule.name,
            file: rule.file,
            severity: rule.severity,
            techniques: rule.techniques,
            contain: rule.contain,
            revoke: rule.revoke,
            off: Some(rule.off),
            found: Some(rule.found),
            withheld: Some(rule.withheld),
            undecided: Some(rule.undecided),
            cut: Some(rule.cut),
            forgotten: Some(rule.forgotten),
        }
    }
}

impl From<&Entry> for ListedRule {
    fn from(Entry { rule, file }: &Entry) -> Self {
        Self {
            name: rule.name.clone(),
            file: file.as_ref().map(|file| file.display().to_string()),
            severity: rule.severity,
            techniques: rule.techniques.clone(),
            contain: rule.response.contain,
            revoke: rule.response.revoke,
            off: None,
            found: None,
            withheld: None,
            undecided: None,
            cut: None,
            forgotten: None,
        }
    }
}
