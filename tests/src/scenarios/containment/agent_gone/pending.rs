//! Where containers that nobody knows yet read no secret: one without names never does, and one that is born while no
//! agent runs does as soon as an agent knows it.

use anyhow::{Context, Result, ensure};

use super::kit::{comes_to_be, is_refused, reads, secret, watch};
use crate::bench::image::SERVER;
use crate::bench::{Container, ContainerBuilder, Policy, Secret};
use crate::bypass::SECRET_AT;
use crate::stage::Stage;

const NAME: &str = "asks-for-names";
/// As what the baseline is told.
const BASELINE: (&str, &str) = ("cofferdam", "baseline");

pub(super) struct Unknown {
    secret: Secret,
    nameless: Container,
    policy: Policy,
}

/// A container that was born while no agent ran.
pub(super) struct Newborn {
    container: Container,
    unknown: Unknown,
}

fn of_pod<'p>(stage: &Stage<'p>, secret: &Secret) -> Result<ContainerBuilder<'p>> {
    let pod = secret.pod_uid().context("the secret belongs to no pod")?;
    Ok(stage.container().running(SERVER).in_pod(pod).with_secret(secret, SECRET_AT))
}

impl Unknown {
    pub(super) fn begin(stage: &Stage<'_>) -> Result<Self> {
        let secret = secret(stage, "of-somebody")?;
        let spec = "selector: { namespace: payments }\nmemory: { id: mem, attach: deny }\n";
        let policy = Policy::apply(stage.place(), stage.agent()?, NAME, spec)?;
        let nameless = of_pod(stage, &secret)?.start()?;
        let watched = watch(stage, &nameless)?;
        is_refused(&nameless)?;
        watched.was_denied(BASELINE, 1)?;
        let pending = stage.agent()?.asked(|answers| answers.policy_status())?.pending;
        let digits = &nameless.id()[..12];
        let is_told = pending.iter().any(|it| it.contains(digits) && it.contains(NAME));
        ensure!(is_told, "the status does not tell who is pending, and why: {pending:?}");
        Ok(Self { secret, nameless, policy })
    }

    pub(super) fn meanwhile(self, stage: &Stage<'_>) -> Result<Newborn> {
        is_refused(&self.nameless)?;
        let container = of_pod(stage, &self.secret)?.known_as("shop", "web-0", "app").start()?;
        is_refused(&container)?;
        Ok(Newborn { container, unknown: self })
    }
}

impl Newborn {
    pub(super) fn becomes_known(self, stage: &Stage<'_>) -> Result<()> {
        let Self { container, unknown: Unknown { nameless, policy, .. } } = self;
        comes_to_be("the newborn container to be known", || reads(&container))?;
        is_refused(&nameless)?;
        policy.lift()?;
        comes_to_be("the baseline to be lifted with what asks for names", || reads(&nameless))?;
        stage.nothing_fails_open()
    }
}
