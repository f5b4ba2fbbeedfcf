//! What is tried on a secret folder of which a rule names one key, and in which the workload can write.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_model::AccessKind;
use nix::errno::Errno;

use crate::bench::Policy;
use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bypass::{Attack, Came, Trace, rule};
use crate::stage::Went;

/// Another program than the permitted one takes steps in a folder of this name, at `/data/tree/NAME`, that holds the
/// file `password`, to take it away from there and open it.
pub(super) fn opens(attack: &Attack<'_, '_>, name: &str, steps: &[&[&str]]) -> Result<Came> {
    touches(attack, attack.way_of_taking_away(), name, steps)
}

/// The same, to touch it in this way.
pub(super) fn touches(
    attack: &Attack<'_, '_>,
    how: AccessKind,
    name: &str,
    steps: &[&[&str]],
) -> Result<Came> {
    let stage = attack.stage();
    let vault = stage.vault();
    let folder = vault.folder().join("tree").join(name);
    fs::create_dir(&folder)
        .and_then(|()| fs::write(folder.join("password"), "not shown"))
        .with_context(|| format!("filling {}", folder.display()))?;
    let spec = format!(
        "selector: {{ cgroup: \"/{}/{name}/*\" }}\n\
         secrets: {{ id: {}, secret: {}, keys: [password], readers: [ {{ binary: {SERVER} }} ] }}\n",
        stage.place().name(),
        rule::SECRET,
        vault.tree_name(),
    );
    let policy = Policy::apply(stage.place(), stage.agent()?, name, &spec)?;
    let builder = stage.container().running(SERVER).in_cgroup(name);
    let app = builder.with_writable(vault.folder(), "/data").start()?;
    policy.holds(&app, &[rule::SECRET])?;
    let as_it_is = format!("/data/tree/{name}/password");
    app.child_does("open", &[&as_it_is])?.was_refused_with(Errno::EPERM)?;
    stage.everything_has_arrived(&app)?;
    let words: Vec<&str> = ["do", "sequence"].into_iter().chain(steps.join(&"--")).collect();
    let decider = Some((policy.name(), rule::SECRET));
    attack.by(&app, Trace::Access(how), decider, || app.runs(ACTOR, &words))
}
