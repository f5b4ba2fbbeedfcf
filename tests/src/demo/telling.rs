//! How it looks: plain sentences as wide as the terminal, in colour where there is one.

use std::cell::Cell;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;

use super::interrupt;

/// Between two things that processes do, so that one can follow.
const PACE: Duration = Duration::from_millis(300);
/// Lines are not made longer than this, however wide the terminal.
const WIDEST: usize = 100;
/// Nor is wrapped to less than this.
const NARROWEST: usize = 40;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const COMMAND: Style = AnsiColor::Cyan.on_default().bold();
const EVIL: Style = AnsiColor::Red.on_default().bold();
const STOPPED: Style = AnsiColor::Green.on_default().bold();

/// The standard output, as the reader sees it.
pub(super) struct Telling {
    columns: usize,
    colour: bool,
    steps: Cell<u32>,
}

impl Telling {
    /// Coloured if it is a terminal, unless `NO_COLOR` or a dumb one forbids it.
    pub(super) fn on_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let told = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let columns = terminal_size::terminal_size().map_or(WIDEST, |(columns, _)| usize::from(columns.0));
        Self {
            columns: columns.clamp(NARROWEST, WIDEST),
            colour: terminal && told("NO_COLOR").is_none() && told("TERM").is_none_or(|term| term != "dumb"),
            steps: Cell::new(0),
        }
    }

    /// The first line.
    pub(super) fn title(&self, text: &str) -> Result<()> {
        self.write(&[vec![(BOLD, text.to_owned())]])
    }

    /// The next thing that is done.
    pub(super) fn step(&self, text: &str) -> Result<()> {
        interrupt::check()?;
        self.steps.set(self.steps.get() + 1);
        let number = format!("{}  ", self.steps.get());
        self.write(&[vec![]])?;
        self.wrapped((BOLD, number), text)
    }

    /// Something ordinary that a process does.
    pub(super) fn act(&self, who: &str, what: &str) -> Result<()> {
        self.wrapped((DIM, "   · ".to_owned()), &format!("{who} {what}"))?;
        interrupt::pause(PACE)
    }

    /// Something that it should not do.
    pub(super) fn evil(&self, who: &str, what: &str) -> Result<()> {
        self.wrapped((EVIL, "   ! ".to_owned()), &format!("{who} {what}"))?;
        interrupt::pause(PACE)
    }

    /// Something that it tried in vain.
    pub(super) fn denied(&self, who: &str, what: &str) -> Result<()> {
        self.wrapped((STOPPED, "   ✗ ".to_owned()), &format!("{who} {what}: `Operation not permitted`"))?;
        interrupt::pause(PACE)
    }

    /// A file, as it is.
    pub(super) fn file(&self, text: &str) -> Result<()> {
        let lines: Vec<_> = text.lines().map(|line| vec![(DIM, format!("     {line}"))]).collect();
        self.write(&lines)
    }

    /// A command line, as it would be typed.
    pub(super) fn command(&self, program: &str, words: &[&str]) -> Result<()> {
        let line = words.iter().fold(program.to_owned(), |line, word| line + " " + &quoted(word));
        self.write(&[vec![], vec![(DIM, "$ ".to_owned()), (COMMAND, line)]])
    }

    /// The title of what follows.
    pub(super) fn heading(&self, text: &str) -> Result<()> {
        self.write(&[vec![], vec![(BOLD, text.to_owned())]])
    }

    /// Sentences, each in lines of its own.
    pub(super) fn sentences(&self, sentences: &[&str]) -> Result<()> {
        sentences.iter().try_for_each(|sentence| self.wrapped((DIM, " · ".to_owned()), sentence))
    }

    /// Says that everything is gone.
    pub(super) fn end(&self) -> Result<()> {
        self.write(&[vec![]])
    }

    /// A text behind a mark, wrapped; words between backquotes are set off.
    fn wrapped(&self, (style, mark): (Style, String), text: &str) -> Result<()> {
        let indent = mark.chars().count();
        let mut lines = Vec::new();
        let mut set_off = false;
        for (index, line) in wrap(text, self.columns - indent).into_iter().enumerate() {
            let lead = if index == 0 { (style, mark.clone()) } else { (PLAIN, " ".repeat(indent)) };
            let mut pieces = vec![lead];
            for (index, piece) in line.split('`').enumerate() {
                set_off ^= index > 0;
                pieces.push((if set_off { BOLD } else { PLAIN }, piece.to_owned()));
            }
            lines.push(pieces);
        }
        self.write(&lines)
    }

    fn write(&self, lines: &[Vec<(Style, String)>]) -> Result<()> {
        let mut out = io::stdout().lock();
        for line in lines {
            for (style, text) in line {
                if self.colour && *style != PLAIN {
                    write!(out, "{style}{text}{style:#}")?;
                } else {
                    write!(out, "{text}")?;
                }
            }
            writeln!(out)?;
        }
        Ok(out.flush()?)
    }
}

/// A word as a shell wants it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Breaks a text between words. Backquotes take no room.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let width = |text: &str| text.chars().filter(|c| *c != '`').count();
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_marks_take_no_room() {
        assert_eq!(wrap("one `two` three", 7), ["one `two`", "three"]);
        assert_eq!(wrap("incomprehensibilities", 5), ["incomprehensibilities"]);
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quoted("container:shop-web"), "container:shop-web");
        assert_eq!(quoted("*shop-*"), "'*shop-*'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
