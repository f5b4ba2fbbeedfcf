//! Detection rules at work: which there are, what they find, and how they are. What is done about it is decided elsewhere.

pub mod past;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_api::{DetectionRule, Source};
use cofferdam_detect::{Baseline, Counters, Engine, Library, Limits};
use cofferdam_model::Record;

/// Where rules lie unless configured.
pub const FOLDER: &str = "/etc/cofferdam/detections";
/// How long after it was first seen a workload's habits are known, unless configured.
pub const LEARNING: Duration = Duration::from_hours(1);
/// Bytes of a file of rules at most.
const BYTES_MAX: u64 = 1 << 20;

/// How rules are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where rules lie; read at the start. None need to be there.
    pub folder: PathBuf,
    /// Names of rules that do not run.
    pub off: Vec<String>,
    /// How long after it was first seen a workload's habits are known.
    pub learning: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { folder: FOLDER.into(), off: Vec::new(), learning: LEARNING }
    }
}

/// Rules and what they have seen.
pub struct Detections {
    library: Library,
    off: Vec<String>,
    engine: Engine,
    /// What is wrong with files and with what is configured, and what could not be read, as sentences.
    mistakes: Vec<String>,
}

impl Detections {
    /// The rules that are built in and those of the folder, but those that are off. What cannot be read or understood is
    /// told, and keeps no other rule from running.
    pub fn load(settings: Settings) -> Self {
        let Settings { folder, off, learning } = settings;
        let mut library = Library::shipped();
        let mut mistakes = Vec::new();
        match files(&folder) {
            Ok(files) => files.iter().for_each(|file| match text(file) {
                Ok(text) => library.add(file, &text),
                Err(error) => mistakes.push(format!("{} cannot be read: {error}", file.display())),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder == Path::new(FOLDER) => {}
            Err(error) => mistakes.push(format!("{} cannot be read: {error}", folder.display())),
        }
        mistakes.extend(library.refusals().iter().map(ToString::to_string));
        let is_known = |name: &&String| !library.entries().iter().any(|it| it.rule.name == **name);
        mistakes.extend(
            off.iter().filter(is_known).map(|name| format!("detections.off: no rule is called {name}")),
        );
        mistakes.iter().for_each(|mistake| tracing::error!("{mistake}"));
        let rules = library.entries().iter().filter(|it| !off.contains(&it.rule.name));
        let rules = rules.map(|it| it.rule.clone()).collect();
        let engine = Engine::new(rules, Limits { learning, ..Limits::default() });
        Self { library, off, engine, mistakes }
    }

    /// What the rules find in these records.
    pub fn observe(&mut self, records: &[Record]) -> Vec<Record> {
        let found = self.engine.observe(records);
        found.into_iter().map(|found| Record::Detection(Box::new(found))).collect()
    }

    /// Where what workloads have done before is to be put; until it comes back nothing is unusual.
    pub fn await_past(&mut self) -> Baseline {
        self.engine.await_past()
    }

    /// What workloads have done before. If that could not be read, their habits are learnt anew.
    pub fn recall(&mut self, past: Baseline, trouble: Option<cofferdam_journal::Error>) {
        self.engine.recall(past);
        if let Some(error) = trouble {
            let told =
                format!("what workloads did before the agent's start is not known, and learnt anew: {error}");
            tracing::error!("{told}");
            self.mistakes.push(told);
        }
    }

    /// Every rule and what it has done.
    pub fn rules(&self) -> Vec<DetectionRule> {
        let counters = |name: &str| self.engine.counters().find(|(rule, _)| *rule == name).map(|(_, it)| it);
        let rule = |entry: &cofferdam_detect::Entry| {
            let rule = &entry.rule;
            let Counters { found, withheld, undecided, cut, forgotten } =
                counters(&rule.name).unwrap_or_default();
            DetectionRule {
                name: rule.name.clone(),
                file: entry.file.as_ref().map(|file| file.display().to_string()),
                severity: rule.severity,
                techniques: rule.techniques.clone(),
                contain: rule.response.contain,
                revoke: rule.response.revoke,
                off: self.off.contains(&rule.name),
                found,
                withheld,
                undecided,
                cut,
                forgotten,
            }
        };
        self.library.entries().iter().map(rule).collect()
    }

    /// How many rules run, and what is wrong with others.
    pub fn source(&self) -> Source {
        let running = self.engine.counters().count();
        let state = match self.mistakes.as_slice() {
            [] => format!("{running} run"),
            mistakes => format!("{running} run; amiss: {}", mistakes.join("; ")),
        };
        Source { name: "rules".to_owned(), state, ok: self.mistakes.is_empty() }
    }

    /// What bounds have cost: what of, why, and how often.
    pub fn bounds(&self) -> [(&'static str, &'static str, u64); 2] {
        [
            ("detect", "program_forgotten", self.engine.programs_forgotten()),
            ("detect", "workload_forgotten", self.engine.workloads_forgotten()),
        ]
    }
}

/// The rule files of a folder, by name.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_yaml && !hidden && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {} MiB: split it", BYTES_MAX >> 20)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_wrong_is_told_with_its_place_and_keeps_no_rule_from_running() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("../../../profiles/detections/secret-sweep.yaml");
        fs::write(folder.path().join("a.yaml"), text.replace("secret-sweep", "my-sweep")).unwrap();
        fs::write(folder.path().join("b.yaml"), text.replace("on: access", "on: acces")).unwrap();
        fs::write(folder.path().join("c.yaml"), b"\xff").unwrap();
        fs::write(folder.path().join("notes.txt"), "nothing").unwrap();
        let off = vec!["my-sweep".to_owned(), "no-such".to_owned()];
        let settings = Settings { folder: folder.path().to_owned(), off, ..Settings::default() };
        let detections = Detections::load(settings);
        let source = detections.source();
        assert!(!source.ok && source.state.starts_with("8 run; amiss: "), "{}", source.state);
        for told in ["c.yaml cannot be read", "b.yaml:10:7: spec.on: is `acces`", "no rule is called no-such"]
        {
            assert!(source.state.contains(told), "{told} is not in {}", source.state);
        }
        let rules = detections.rules();
        let own: Vec<_> = rules.iter().filter(|rule| rule.file.is_some()).collect();
        assert_eq!((own.len(), own[0].name.as_str(), own[0].off), (1, "my-sweep", true));
    }

    #[test]
    fn a_node_without_rules_of_its_own_has_those_that_are_built_in() {
        let detections = Detections::load(Settings::default());
        assert_eq!(
            detections.source(),
            Source { name: "rules".to_owned(), state: "8 run".to_owned(), ok: true }
        );
        let named = Settings { folder: "/does/not/exist".into(), ..Settings::default() };
        assert!(!Detections::load(named).source().ok, "a folder that was named is to be there");
    }
}
