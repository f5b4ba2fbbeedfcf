//! How it ends: exit codes, and errors that say what to do.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use anyhow::Error;
use cofferdam_api::{ClientError, ConnectError};

use crate::text::harmless;

/// How a command ended, as its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done = 0,
    /// It did not work, or what was looked at is not well.
    Failed = 1,
    /// The command line or what it names makes no sense.
    BadUsage = 2,
    /// With `--strict`: the answer is incomplete, or a policy is not enforced as written.
    Incomplete = 3,
}

/// The caller's mistake.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadUsage(pub(crate) String);

/// With `--strict`: something is not as the policies want it.
#[derive(Debug, thiserror::Error)]
#[error("policies are not enforced as written, and --strict was given")]
pub(crate) struct NotAsWritten;

/// The reader of our output went away, as `head` does: nothing is wrong.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
        && error.downcast_ref::<ConnectError>().is_none()
}

/// What an error means for the exit code.
pub(crate) fn outcome(error: &Error) -> Outcome {
    let caller = error.downcast_ref::<BadUsage>().is_some()
        || matches!(error.downcast_ref::<ClientError>(), Some(ClientError::BadQuestion(_)))
        || matches!(
            error.downcast_ref::<cofferdam_journal::Error>(),
            Some(cofferdam_journal::Error::NoJournal { .. })
        );
    match (caller, error.downcast_ref::<NotAsWritten>()) {
        (true, _) => Outcome::BadUsage,
        (false, Some(_)) => Outcome::Incomplete,
        (false, None) => Outcome::Failed,
    }
}

/// The error with its causes, then what can be done about it.
pub(crate) fn explain(error: &Error) -> String {
    let text = format!("{error:#}");
    match error.downcast_ref::<ConnectError>() {
        Some(unreachable) => format!("{}\n\n{}", harmless(&unreached(unreachable)), hint(unreachable)),
        // The caller's own mistakes may take several lines: one for each place in a file.
        None if outcome(error) == Outcome::BadUsage => {
            text.lines().map(harmless).collect::<Vec<_>>().join("\n")
        }
        None => harmless(&text).into_owned(),
    }
}

/// The error with its causes, as part of a sentence.
pub(crate) fn in_one_line(error: &Error) -> String {
    match error.downcast_ref::<ConnectError>() {
        Some(unreachable) => harmless(&unreached(unreachable)).into_owned(),
        None => harmless(&format!("{error:#}")).into_owned(),
    }
}

/// Who is not reached, and why, in words.
pub(crate) fn unreached(error: &ConnectError) -> String {
    let cause = match error.source.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::ConnectionRefused if is_socket(&error.path) => "connection refused".to_owned(),
        io::ErrorKind::ConnectionRefused => "not a socket".to_owned(),
        _ => error.source.to_string(),
    };
    format!("{error}: {cause}")
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// What can be done about it.
pub(crate) fn hint(error: &ConnectError) -> &'static str {
    match error.source.kind() {
        io::ErrorKind::NotFound => {
            "Is cofferdamd running on this node? It listens where its own --socket says;\n\
             name that path with --socket or COFFERDAM_SOCKET. A copied journal answers with --journal DIR."
        }
        io::ErrorKind::PermissionDenied => {
            "The socket belongs to the user of the agent, which is root: try again with sudo."
        }
        io::ErrorKind::ConnectionRefused if is_socket(&error.path) => {
            "The socket is there, but nobody listens: cofferdamd has died or was killed. Its log says why\n\
             (journalctl -u cofferdamd). What it has recorded until then answers with --journal DIR."
        }
        _ => "Name the socket of cofferdamd with --socket or COFFERDAM_SOCKET.",
    }
}
