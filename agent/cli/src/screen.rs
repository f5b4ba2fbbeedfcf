//! What the reader looks at.

use std::env;
use std::io::IsTerminal as _;

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns of the terminal; `None` where the output is not one, and nothing is shortened.
    pub(crate) columns: Option<usize>,
    /// Whether to colour.
    pub(crate) colour: bool,
    /// Whether to show every column.
    pub(crate) wide: bool,
}

impl Screen {
    /// The standard output: coloured and fitted if it is a terminal, unless `NO_COLOR` or a dumb one forbids it.
    pub(crate) fn of_stdout(wide: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let columns = terminal
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|(columns, _)| usize::from(columns.0))
            .filter(|&columns| columns > 0 && !wide);
        Self { columns, colour: terminal && colour_allowed(), wide }
    }
}

/// Whether the environment allows colour.
pub(crate) fn colour_allowed() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
