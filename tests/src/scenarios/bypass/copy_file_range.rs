//! The kernel moves the bytes, but only to a file.

use anyhow::{Result, ensure};
use nix::errno::Errno;

use crate::bypass::{Attack, Came, Kind, Outcome, Outcomes, PASSWORD, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/copy-file-range",
    Technique {
        what: "moves the secret by copy_file_range to a connection from before the read",
        outcomes: Outcomes::everywhere(Outcome::Impossible("the kernel copies to files only")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let main = attack.stage().contained(Kind::Usual)?.container();
    let permitted = attack.stage().contained(Kind::Usual)?.permitted();
    main.does("connect-held", &["to-copy-to", &permitted.address().to_string()])?.went_through()?;
    main.does("hold", &["to-copy", PASSWORD])?.went_through()?;
    let reply = main.does("copy-range", &["to-copy", "to-copy-to"])?;
    let refused = reply.errno.map(Errno::from_raw) == Some(Errno::EINVAL);
    ensure!(refused, "it was not the kernel's own refusal: {reply:?}");
    Ok(Outcome::Impossible("the kernel copies to files only"))
}
