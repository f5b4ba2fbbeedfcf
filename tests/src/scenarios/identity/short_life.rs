//! A container that starts, reads its secret and is gone in under 50 ms, by what the agent says of its one process.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cofferdam_model::SecretKind;

use super::late::is_told_as_lost;
use crate::bench::wait::Look;
use crate::bench::{Container, Secret, until};
use crate::stage::{PerTier, Scenario, Stage, Went, access, listed};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/short-life", PerTier::SEEN, play);

const SHORT: Duration = Duration::from_millis(50);

/// Lives of each kind; a machine that is slow or busy gets more until one of them is short.
const LIVES: usize = 3;
const MOST_LIVES: usize = 30;
/// Of them, those that are told to have been watched late.
const MOST_LATE: usize = 5;

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("short-creds", &["password"])?;
    one_is_short(stage, &creds, "/etc/creds")?;
    let plain = stage.plain_secret("short", &["password"])?;
    one_is_short(stage, &plain, "/run/secrets/short")
}

/// Every life is reported or told to be lost, and at least one of those reported is short.
fn one_is_short(stage: &Stage<'_>, secret: &Secret, at: &str) -> Result<()> {
    let (mut lives, mut late) = (Vec::new(), 0);
    while lives.len() < LIVES || (!lives.iter().any(|life| *life < SHORT) && lives.len() < MOST_LIVES) {
        let path = format!("{at}/password");
        let (job, reply) = stage.container().with_secret(secret, at).run_once("open", &[&path])?;
        reply.went_through()?;
        let life = life_of(stage, &job)?;
        if is_told_as_lost(stage.agent()?, &job)? {
            // Nobody knew the secret before, and this machine was too busy to learn of it in time: that is said.
            late += 1;
            ensure!(
                late <= MOST_LATE && secret.kind() != SecretKind::SecretVolume,
                "{late} containers were watched late"
            );
            continue;
        }
        stage.must_report(&job, &access(&job).to(secret, "password").by_main(&job))?;
        lives.push(life);
    }
    let shortest = lives.iter().min().context("there was no life")?;
    ensure!(
        *shortest < SHORT,
        "this machine is too slow to tell: no container lived less than {SHORT:?}, but {lives:?}"
    );
    Ok(())
}

/// From the container's first exec to its end.
fn life_of(stage: &Stage<'_>, job: &Container) -> Result<Duration> {
    until("a container's end", || {
        let rows = stage.agent()?.asked(|answers| answers.timeline_of(job.id()))?.processes;
        let own: Vec<_> = rows.iter().filter(|row| !row.runtime).collect();
        let [main] = own.as_slice() else {
            return Ok(Look::NotYet(format!("its processes are {}", listed(&rows))));
        };
        ensure!(main.pid == job.pid() && !main.adopted, "its process is {}", listed(&own));
        let Some(ended) = main.ended else {
            return Ok(Look::NotYet(format!("it has not ended: {}", listed(&own))));
        };
        let lived = ended.as_nanos() - main.began.as_nanos();
        Ok(Look::Found(Duration::from_nanos(u64::try_from(lived).context("it ended before it began")?)))
    })
}
