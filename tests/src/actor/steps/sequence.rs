//! Several steps in one process.

use crate::actor::given::senseless;
use crate::actor::{Done, Given, Hands};

/// `sequence STEP ARGS… -- STEP ARGS…`: one after the other, until one is refused; says what the last one says.
pub(super) fn sequence(given: &Given<'_>, hands: &mut Hands) -> Done {
    parted(given, hands, "--")
}

/// `inner STEP ARGS… ++ STEP ARGS…`: a sequence within a step of a sequence.
pub(super) fn inner(given: &Given<'_>, hands: &mut Hands) -> Done {
    parted(given, hands, "++")
}

fn parted(given: &Given<'_>, hands: &mut Hands, separator: &str) -> Done {
    let mut said = String::new();
    for words in given.rest(0).split(|word| word == separator) {
        said = one(words, hands)?;
    }
    Ok(said)
}

/// One step with its arguments.
pub(super) fn one(words: &[String], hands: &mut Hands) -> Done {
    let [step, args @ ..] = words else { return Err(senseless("no step was given".to_owned())) };
    let action = super::find(step).ok_or_else(|| senseless(format!("there is no step `{step}`")))?;
    action(&Given::new(args), hands)
}
