//! Styled text for a terminal.
//!
//! Names and paths come from containers, so they may be chosen by an attacker: nothing of them that a terminal would
//! obey (escape sequences, text direction, invisible characters) reaches it.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

/// Ordinary text.
pub(crate) const PLAIN: Style = Style::new();
/// What may be overlooked.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Headings and what matters.
pub(crate) const BOLD: Style = Style::new().bold();
/// As it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a second look.
pub(crate) const NOTABLE: Style = AnsiColor::Yellow.on_default();
/// Refused, lost, failed or alarming.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// A piece of text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    text: String,
    style: Style,
}

/// One line of styled text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<Span>);

impl Line {
    /// An empty line.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A line of one style.
    pub(crate) fn of(style: Style, text: impl AsRef<str>) -> Self {
        Self::new().with(style, text)
    }

    /// With more text.
    pub(crate) fn with(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.push(style, text);
        self
    }

    /// Adds text.
    pub(crate) fn push(&mut self, style: Style, text: impl AsRef<str>) {
        let text = text.as_ref();
        if !text.is_empty() {
            self.0.push(Span { text: harmless(text).into_owned(), style });
        }
    }

    /// Adds another line's text.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether it is this text.
    pub(crate) fn is(&self, text: &str) -> bool {
        let mut rest = Some(text);
        for span in &self.0 {
            rest = rest.and_then(|rest| rest.strip_prefix(span.text.as_str()));
        }
        rest == Some("")
    }

    /// Breaks it between words into lines of so many columns; a longer word has a line of its own.
    pub(crate) fn wrapped(self, columns: usize) -> Vec<Self> {
        if self.width() <= columns {
            return vec![self];
        }
        let mut lines = vec![Self::new()];
        let (mut taken, mut word) = (0, Self::new());
        for Span { text, style } in self.0 {
            for piece in text.split_inclusive(' ') {
                word.push(style, piece);
                if piece.ends_with(' ') {
                    add_word(&mut lines, &mut taken, std::mem::take(&mut word), columns);
                }
            }
        }
        add_word(&mut lines, &mut taken, word, columns);
        lines
    }

    /// Without the spaces at its end.
    fn trimmed(mut self) -> Self {
        while let Some(last) = self.0.last_mut() {
            last.text.truncate(last.text.trim_end_matches(' ').len());
            if !last.text.is_empty() {
                break;
            }
            self.0.pop();
        }
        self
    }

    /// Columns that it takes on a terminal.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|span| span.text.width()).sum()
    }

    /// Writes it, without a line end.
    pub(crate) fn render(&self, colour: bool, into: &mut String) {
        for Span { text, style } in &self.0 {
            if colour && *style != PLAIN {
                // Writing to a string cannot fail.
                let _ = write!(into, "{style}{text}{style:#}");
            } else {
                into.push_str(text);
            }
        }
    }
}

/// Adds a word and the spaces behind it to the last line, or to a new one if it does not fit.
fn add_word(lines: &mut Vec<Line>, taken: &mut usize, word: Line, columns: usize) {
    let width = word.width();
    if *taken > 0 && *taken + word.clone().trimmed().width() > columns {
        if let Some(full) = lines.pop() {
            lines.push(full.trimmed());
        }
        lines.push(Line::new());
        *taken = 0;
    }
    *taken += width;
    if let Some(last) = lines.last_mut() {
        last.append(word);
    }
}

/// Writes lines, each with its line end.
pub(crate) fn render(lines: &[Line], colour: bool) -> String {
    let mut text = String::new();
    for line in lines {
        line.render(colour, &mut text);
        text.push('\n');
    }
    text
}

/// Columns that a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text with everything that a terminal would obey or hide written out.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if obeyed(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(harmless("/bin/\u{1b}[31msh\n"), "/bin/\\u{1b}[31msh\\n");
        assert_eq!(harmless("a\u{202e}txt.exe"), "a\\u{202e}txt.exe");
        assert_eq!(harmless("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(harmless("/opt/größe/日本"), "/opt/größe/日本");
    }

    #[test]
    fn a_line_breaks_between_words_and_keeps_its_styles() {
        let line = Line::of(BAD, "one two").with(PLAIN, " three, incomprehensible").with(DIM, " four");
        let text = render(&line.clone().wrapped(10), false);
        assert_eq!(text, "one two\nthree,\nincomprehensible\nfour\n");
        assert_eq!(line.clone().wrapped(100), vec![line.clone()]);
        assert!(render(&line.wrapped(10), true).starts_with("\u{1b}[1m\u{1b}[31mone \u{1b}[0m"));
    }

    #[test]
    fn colour_is_written_only_where_it_is_wanted() {
        let line = Line::of(BAD, "denied").with(PLAIN, " it");
        let (mut plain, mut coloured) = (String::new(), String::new());
        line.render(false, &mut plain);
        line.render(true, &mut coloured);
        assert_eq!(plain, "denied it");
        assert!(coloured.contains("\u{1b}[1m\u{1b}[31mdenied\u{1b}[0m it"), "{coloured:?}");
    }
}
