//! The first act: two containers, one with a poisoned dependency, and what the agent tells of both.

mod asked;
mod play;

use anyhow::Result;

use super::Scene;

/// Its first line.
pub(super) const TITLE: &str = "Cofferdam: two containers, one of them with a poisoned dependency.";

/// Plays it.
pub(super) fn play(scene: &Scene) -> Result<()> {
    let Scene { telling, place, image, street, agent, doctor } = scene;
    let honest = play::honest(telling, place, image, street)?;
    let poisoned = play::poisoned(telling, place, image, street)?;
    asked::wait_for_the_last(agent)?;
    asked::ask(telling, agent)?;
    asked::what_to_see(telling, doctor, poisoned.thief())?;
    drop((honest, poisoned));
    Ok(())
}
