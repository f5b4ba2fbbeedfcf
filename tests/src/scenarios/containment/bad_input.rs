//! What cannot be understood is refused as a whole, with its place and the reason, whether it is applied or lies in the
//! policy folder; what was enforced stays enforced, and only what is removed is lifted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cofferdam_api::PolicyStatus;
use cofferdam_model::AuditKind;

use super::kit::{attacker_is_refused, attacker_reads, audited, below, comes_to_be, holder, reads, secret};
use crate::bench::image::SERVER;
use crate::bench::policy::document;
use crate::bench::wait::Look;
use crate::bench::{AgentOptions, Container, until};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario =
    Scenario::new("containment/bad-input", PerTier::SEEN, play).of_user_space();

const NAME: &str = "understood";
/// How long a file is being written, or was renamed: more than several of the agent's looks take.
const WRITTEN_FOR: Duration = Duration::from_secs(5);

/// What is wrong, where in the file below, and what is said of it.
type Case = (&'static str, fn(&str) -> String, &'static [&'static str]);

const CASES: &[Case] = &[
    ("an unknown field", |text| text.replace("readers:", "reader:"), &[":6:", "`reader`"]),
    (
        "no expiry",
        |text| with(text, "exceptions: { rule: db, allow: any, reason: a, owner: b }"),
        &[":7:", "`expires`"],
    ),
    ("a contradiction", |text| with(text, CONTRADICTION), &[":7:", "out.allow", "10.0.0.1", "out.deny"]),
    ("too many entries", |text| with(text, &crowd()), &[":5:", "spec", "entries", "4096"]),
    ("a rule's id twice", |text| with(text, "memory: { id: db, attach: deny }"), &[":7:", "id", "`db`"]),
    ("half of a file", |text| text[..text.len() - 20].to_owned(), &[":6:", "unclosed"]),
    ("nothing at all", |_| String::new(), &[":1:1:", "no policy"]),
];

/// Those that are tried there too: what is read is judged by the same words.
const IN_THE_FOLDER: &[&str] = &["an unknown field", "half of a file", "nothing at all"];

const CONTRADICTION: &str =
    "egress: { id: out, default: deny, allow: [ { cidr: 10.0.0.1/32 } ], deny: [ { cidr: 10.0.0.0/8 } ] }";

fn with(text: &str, line: &str) -> String {
    format!("{text}  {line}\n")
}

fn crowd() -> String {
    let one = |n: u32| format!("{{ cidr: 10.{n}.0.0/16, ports: [\"1-1024\"] }}");
    let all: Vec<String> = (0..9).map(one).collect();
    format!("egress: {{ id: out, allow: [ {} ] }}", all.join(", "))
}

fn play(stage: &Stage<'_>) -> Result<()> {
    let folder = Folder::new(stage)?;
    let agent =
        stage.own_agent(&AgentOptions { policies: Some(folder.path.clone()), ..AgentOptions::default() })?;
    let stage = &stage.watched_by(&agent);
    let secret = secret(stage, "understood")?;
    let container = holder(stage, &secret, NAME)?;
    attacker_reads(&container)?;
    let text = document(NAME, &spec(stage, secret.name()));

    folder.says(&text)?;
    comes_to_be("the file to be in force", || attacker_is_refused(&container))?;
    for (what, wrong, said) in CASES {
        Wrong { text: wrong(&text), said }.is_refused_where_applied(stage).context(*what)?;
        stays(&container).context(*what)?;
    }
    for (what, wrong, said) in CASES.iter().filter(|(what, ..)| IN_THE_FOLDER.contains(what)) {
        let case = Wrong { text: wrong(&text), said };
        folder.says(&case.text)?;
        shows(stage, what, |status| case.is_told_by(status))?;
        stays(&container).context(*what)?;
    }
    audited(stage, AuditKind::PolicyRefused, &folder.file.display().to_string(), IN_THE_FOLDER.len())?;
    folder.cannot_be_read(stage, &container)?;
    folder.is_being_written(stage, &container, &text)?;
    folder.is_not_there(stage, &container)?;

    folder.says(&text)?;
    shows(stage, "the mended file to be taken", |status| status.refused.is_empty())?;
    fs::remove_file(folder.has_another_name(&container)?).context("removing the policy")?;
    comes_to_be("the policy to be lifted", || attacker_reads(&container))?;
    audited(stage, AuditKind::PolicyRemoved, NAME, 1)?;
    stage.nothing_fails_open()
}

fn spec(stage: &Stage<'_>, secret: &str) -> String {
    let cgroups = below(stage, NAME);
    format!(
        "selector: {{ cgroup: \"{cgroups}\" }}\nsecrets: {{ id: db, secret: {secret}, readers: [ {{ binary: {SERVER} }} ] }}"
    )
}

/// What was enforced stays enforced, and ordinary work goes on.
fn stays(container: &Container) -> Result<()> {
    attacker_is_refused(container)?;
    reads(container)
}

fn shows(stage: &Stage<'_>, what: &str, is: impl Fn(&PolicyStatus) -> bool) -> Result<()> {
    until(what, || {
        let status = stage.agent()?.asked(|answers| answers.policy_status())?;
        Ok(if is(&status) { Look::Found(()) } else { Look::NotYet(format!("there is {:?}", status.refused)) })
    })
}

/// A text that is refused.
struct Wrong<'a> {
    text: String,
    said: &'a [&'a str],
}

impl Wrong<'_> {
    fn is_told(&self, file: &Path, message: &str) -> bool {
        message.contains(&file.display().to_string()) && self.said.iter().all(|it| message.contains(it))
    }

    fn is_told_by(&self, status: &PolicyStatus) -> bool {
        status.refused.iter().any(|it| self.is_told(Path::new(&it.file), &it.message))
    }

    fn is_refused_where_applied(&self, stage: &Stage<'_>) -> Result<()> {
        let file = stage.place().path("wrong.yaml");
        fs::write(&file, &self.text).with_context(|| format!("writing {}", file.display()))?;
        let done =
            stage.agent()?.asked(|answers| answers.ending(&["policy", "apply", &file.to_string_lossy()]))?;
        let is_told = done.code == Some(2) && self.is_told(&file, &done.complaint);
        ensure!(is_told, "it must be refused with {:?}: {done:?}", self.said);
        Ok(())
    }
}

/// The policy folder, with the file that matters.
struct Folder {
    path: PathBuf,
    file: PathBuf,
}

impl Folder {
    fn new(stage: &Stage<'_>) -> Result<Self> {
        let path = stage.shared_folder("policies")?;
        Ok(Self { file: path.join("understood.yaml"), path })
    }

    fn says(&self, text: &str) -> Result<()> {
        fs::write(self.new_file(), text).context("writing a policy")?;
        fs::rename(self.new_file(), &self.file).context("putting a policy in its place")
    }

    fn new_file(&self) -> PathBuf {
        self.path.join("understood.new")
    }

    /// No text, and a link that leads to nothing.
    fn cannot_be_read(&self, stage: &Stage<'_>, container: &Container) -> Result<()> {
        let file = self.file.display().to_string();
        let is_told = |status: &PolicyStatus, why: &str| {
            status.refused.iter().any(|it| it.file == file && it.message.contains(why))
        };
        fs::write(&self.file, [0xff, 0xfe, 0x00]).context("writing what is no text")?;
        shows(stage, "what is no text to be refused", |status| is_told(status, "UTF-8"))?;
        stays(container)?;
        let link =
            || symlink("nowhere", self.new_file()).and_then(|()| fs::rename(self.new_file(), &self.file));
        link().context("linking to nothing")?;
        shows(stage, "what leads to nothing to be refused", |status| is_told(status, "No such file"))?;
        stays(container)
    }

    /// Somebody writes the file slowly: what is not whole is not read, even if it could be understood.
    fn is_being_written(&self, stage: &Stage<'_>, container: &Container, text: &str) -> Result<()> {
        self.says(text)?;
        shows(stage, "the file to be taken", |status| status.refused.is_empty())?;
        let mut growing = text.replace("readers: [", "readers: any } # [");
        let begun = Instant::now();
        while begun.elapsed() < WRITTEN_FOR {
            growing.push_str("# more\n");
            fs::write(&self.file, &growing).context("writing a policy")?;
            sleep(Duration::from_millis(50));
        }
        stays(container).context("a file that was being written was read")?;
        self.says(text)
    }

    /// The folder is gone for a while, and then an empty one is in its place, as of a disk that is not mounted.
    fn is_not_there(&self, stage: &Stage<'_>, container: &Container) -> Result<()> {
        let elsewhere = self.path.with_extension("away");
        fs::rename(&self.path, &elsewhere).context("taking the folder away")?;
        let stayed = self.is_missed(stage, container, "No such file").and_then(|()| {
            fs::create_dir(&self.path).context("putting an empty folder in its place")?;
            let stayed = self.is_missed(stage, container, "another folder");
            fs::remove_dir(&self.path).context("removing the empty folder")?;
            stayed
        });
        fs::rename(&elsewhere, &self.path).context("bringing the folder back")?;
        stayed
    }

    fn is_missed(&self, stage: &Stage<'_>, container: &Container, why: &str) -> Result<()> {
        let folder = self.path.display().to_string();
        shows(stage, "the folder to be missed", |status| {
            status.refused.iter().any(|it| it.file == folder && it.message.contains(why))
        })?;
        stays(container)
    }

    /// The file is renamed: no look without it lifts what it says.
    fn has_another_name(&self, container: &Container) -> Result<PathBuf> {
        let renamed = self.path.join("renamed.yaml");
        fs::rename(&self.file, &renamed).context("renaming the policy")?;
        let begun = Instant::now();
        while begun.elapsed() < WRITTEN_FOR {
            stays(container).context("a file that was renamed left a gap")?;
        }
        Ok(renamed)
    }
}
