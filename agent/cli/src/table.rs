//! Tables without borders: as wide as their content, narrower only on a terminal, and there only where nothing
//! essential is lost.

use anstyle::Style;

use crate::text::{BOLD, DIM, Line, width};

/// Spaces between columns.
const GAP: usize = 2;
/// Spaces before what stands below a row.
const INDENT: usize = 4;
/// What may be shortened is not made shorter than this.
const SHORTEST: usize = 16;
/// Length of the day in front of a time, as in `2026-11-22 05:00:12.250`.
const DAY: usize = "2026-11-22".len();

/// How a text may be shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shorten {
    /// A path: leading folders go, the file name stays.
    Path,
    /// A name: its middle goes.
    Middle,
    /// A time: its day goes into the title, where the whole column has the same.
    Day,
}

/// One entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    /// What stays as it is, in front.
    lead: Line,
    /// What may be shortened, and how it looks.
    head: Option<(String, Style, Shorten)>,
    /// What stays as it is.
    tail: Line,
    /// Further lines below.
    below: Vec<Line>,
}

/// What a column says, where every row says the same and that is nothing remarkable.
#[derive(Debug, Clone, Copy)]
struct Ordinary {
    title: &'static str,
    says: &'static str,
}

impl Cell {
    /// A text that stays as it is.
    pub(crate) fn new(style: Style, text: impl AsRef<str>) -> Self {
        Line::of(style, text).into()
    }

    /// A text that may be shortened, then one that may not.
    pub(crate) fn shortened(how: Shorten, style: Style, text: &str, tail: Line) -> Self {
        let head = crate::text::harmless(text).into_owned();
        Self { head: Some((head, style, how)), tail, ..Self::default() }
    }

    /// With a text in front that stays as it is.
    pub(crate) fn led_by(self, lead: Line) -> Self {
        Self { lead, ..self }
    }

    /// Several lines.
    pub(crate) fn lines(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut lines = lines.into_iter();
        Self { tail: lines.next().unwrap_or_default(), below: lines.collect(), ..Self::default() }
    }

    /// Shortens what may be shortened so that the cell fits, if it can.
    fn fit(&mut self, columns: usize) {
        let room = columns.saturating_sub(self.lead.width() + self.tail.width());
        if let Some((text, _, how)) = &mut self.head {
            *text = shorten(text, *how, room);
        }
    }

    fn day(&self) -> Option<&str> {
        match &self.head {
            Some((text, _, Shorten::Day)) => text.get(..DAY),
            _ => None,
        }
    }

    fn forget_day(&mut self) {
        if let Some((text, ..)) = &mut self.head {
            *text = text.get(DAY..).unwrap_or_default().trim_start().to_owned();
        }
    }

    /// Whether this is all that it says.
    fn says(&self, text: &str) -> bool {
        self.head.is_none() && self.below.is_empty() && self.lead == Line::new() && self.tail.is(text)
    }

    fn into_lines(self) -> Vec<Line> {
        let mut first = self.lead;
        if let Some((text, style, _)) = self.head {
            first.push(style, text);
        }
        first.append(self.tail);
        let mut lines = vec![first];
        lines.extend(self.below);
        lines
    }

    fn width(&self) -> usize {
        self.width_with(self.head.as_ref().map_or(0, |(text, ..)| width(text)))
    }

    /// The width to which it can be brought by shortening `how`.
    fn narrowest(&self, how: Shorten) -> usize {
        self.width_with(match &self.head {
            Some((text, _, may)) if *may == how => width(text).min(SHORTEST),
            Some((text, ..)) => width(text),
            None => 0,
        })
    }

    fn width_with(&self, head: usize) -> usize {
        let below = self.below.iter().map(Line::width).max().unwrap_or(0);
        below.max(self.lead.width() + head + self.tail.width())
    }
}

impl From<Line> for Cell {
    fn from(line: Line) -> Self {
        Self { tail: line, ..Self::default() }
    }
}

/// Rows under headings.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// What stands below a row, by its number.
    notes: Vec<(usize, Line)>,
    ordinary: Vec<Ordinary>,
}

#[derive(Debug)]
struct Column {
    title: String,
    right: bool,
}

impl Table {
    /// A table of these columns; a title that ends in `>` stands on the right, as numbers do.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let columns = titles
            .iter()
            .map(|title| match title.strip_suffix('>') {
                Some(title) => Column { title: title.to_owned(), right: true },
                None => Column { title: (*title).to_owned(), right: false },
            })
            .collect();
        Self { columns, ..Self::default() }
    }

    /// On a narrow terminal a column may become a remark below the table if every row says this in it.
    pub(crate) fn ordinarily(mut self, title: &'static str, says: &'static str) -> Self {
        self.ordinary.push(Ordinary { title, says });
        self
    }

    /// Adds a row; it has a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Adds a sentence below the latest row; it does not widen any column.
    pub(crate) fn note(&mut self, note: Line) {
        self.notes.push((self.rows.len(), note));
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, headings first, made to fit `columns` as far as they can be.
    pub(crate) fn into_lines(mut self, columns: Option<usize>) -> Vec<Line> {
        let left_out = columns.map_or_else(Vec::new, |columns| self.fit(columns));
        let widths = self.widths();
        let headings = self.columns.iter().map(|column| vec![Line::of(BOLD, &column.title)]).collect();
        let mut lines = lay_out(headings, &widths, &self.columns);
        let mut notes = self.notes.into_iter().peekable();
        for (number, row) in (1..).zip(self.rows) {
            let cells = row.into_iter().map(Cell::into_lines).collect();
            lines.extend(lay_out(cells, &widths, &self.columns));
            while let Some((_, note)) = notes.next_if(|(below, _)| *below == number) {
                lines.extend(indented(note, columns));
            }
        }
        if !left_out.is_empty() {
            let all: Vec<_> =
                left_out.iter().map(|Ordinary { title, says }| format!("{title} {says}")).collect();
            lines.push(Line::of(DIM, format!("in every row: {}", all.join(", "))));
        }
        lines
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<_> = self.columns.iter().map(|column| column.title.len()).collect();
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = cell.width().max(*widest);
            }
        }
        widths
    }

    /// By how much it is wider than the terminal.
    fn excess(&self, columns: usize) -> usize {
        let widths = self.widths();
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        total.saturating_sub(columns)
    }

    /// Takes first what says least: folders of paths, the day of times, columns that say the same in every row, and
    /// then the middle of names. Returns what now has to be said below.
    fn fit(&mut self, columns: usize) -> Vec<Ordinary> {
        self.shorten(Shorten::Path, columns);
        if self.excess(columns) > 0 {
            self.move_days_into_titles();
        }
        let mut left_out = Vec::new();
        for ordinary in std::mem::take(&mut self.ordinary).into_iter().rev() {
            if self.excess(columns) > 0 && self.leave_out(ordinary) {
                left_out.insert(0, ordinary);
            }
        }
        self.shorten(Shorten::Middle, columns);
        left_out
    }

    fn shorten(&mut self, how: Shorten, columns: usize) {
        let widths = self.widths();
        let mut excess = self.excess(columns);
        for (index, widest) in widths.into_iter().enumerate().rev() {
            let shortens = |cell: &Cell| matches!(&cell.head, Some((_, _, may)) if *may == how);
            if excess == 0 || !self.rows.iter().any(|row| shortens(&row[index])) {
                continue;
            }
            let narrowest = self.rows.iter().map(|row| row[index].narrowest(how)).max().unwrap_or(0);
            let narrower = widest.saturating_sub(excess).max(narrowest).min(widest);
            for row in &mut self.rows {
                if shortens(&row[index]) {
                    row[index].fit(narrower);
                }
            }
            excess -= widest - narrower;
        }
    }

    /// `2026-11-22 UTC` over `05:00:12.250`.
    fn move_days_into_titles(&mut self) {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let mut days = self.rows.iter().map(|row| row[index].day());
            let Some(Some(day)) = days.next().map(|day| day.map(str::to_owned)) else { continue };
            if days.all(|other| other == Some(day.as_str())) {
                column.title = format!("{day} UTC");
                self.rows.iter_mut().for_each(|row| row[index].forget_day());
            }
        }
    }

    /// Whether the column said this in every row; then it is gone.
    fn leave_out(&mut self, Ordinary { title, says }: Ordinary) -> bool {
        let Some(index) = self.columns.iter().position(|column| column.title == title) else { return false };
        if !self.rows.iter().all(|row| row[index].says(says)) {
            return false;
        }
        self.columns.remove(index);
        self.rows.iter_mut().for_each(|row| drop(row.remove(index)));
        true
    }
}

/// A sentence that stands below something, wrapped where the terminal ends.
pub(crate) fn indented(sentence: Line, columns: Option<usize>) -> Vec<Line> {
    let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(INDENT));
    let indent = |line| {
        let mut indented = Line::of(crate::text::PLAIN, " ".repeat(INDENT));
        indented.append(line);
        indented
    };
    sentence.wrapped(room).into_iter().map(indent).collect()
}

fn lay_out(cells: Vec<Vec<Line>>, widths: &[usize], columns: &[Column]) -> Vec<Line> {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut cells: Vec<_> = cells.into_iter().map(Vec::into_iter).collect();
    let mut lines = Vec::with_capacity(height);
    for _ in 0..height {
        let mut line = Line::new();
        // Spaces are held back until something follows, so that no line ends in them.
        let mut owed = 0;
        for ((cell, width), column) in cells.iter_mut().zip(widths).zip(columns) {
            let content = cell.next().unwrap_or_default();
            let missing = width.saturating_sub(content.width());
            if content == Line::new() {
                owed += width + GAP;
                continue;
            }
            let (before, after) = if column.right { (missing, 0) } else { (0, missing) };
            line.push(crate::text::PLAIN, " ".repeat(owed + before));
            line.append(content);
            owed = after + GAP;
        }
        lines.push(line);
    }
    lines
}

/// The text in `room` columns, if it can be shortened that far without losing what matters.
fn shorten(text: &str, how: Shorten, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    match how {
        Shorten::Path => {
            // The longest tail that begins at a folder; at least the file name.
            let tails = text.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| &text[at..]);
            let mut shortest = None;
            for tail in tails.filter(|tail| tail.len() < text.len()) {
                shortest = Some(tail);
                if width(tail) < room {
                    break;
                }
            }
            shortest.map_or_else(|| text.to_owned(), |tail| format!("…{tail}"))
        }
        Shorten::Middle => {
            let chars: Vec<_> = text.chars().collect();
            // The end says more than the beginning: a pod's last characters, and its container.
            let keep = room.max(SHORTEST).saturating_sub(1);
            let (front, back) = (keep - keep * 2 / 3, keep * 2 / 3);
            if front + back + 1 >= chars.len() {
                return text.to_owned();
            }
            let front: String = chars[..front].iter().collect();
            let back: String = chars[chars.len() - back..].iter().collect();
            format!("{front}…{back}")
        }
        // Only a whole column can do without.
        Shorten::Day => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{PLAIN, render};

    fn table() -> Table {
        let mut table = Table::new(&["WHO", "WHAT", "TIMES>"]);
        let tail = Line::of(PLAIN, "(4242)");
        table.row(vec![
            Cell::shortened(Shorten::Middle, PLAIN, "shop/web-6f9b7c9d8-x2x1k/app", Line::new()),
            Cell::shortened(Shorten::Path, PLAIN, "/usr/local/lib/jvm/bin/java", tail),
            Cell::new(PLAIN, "12"),
        ]);
        table.row(vec![
            Cell::new(PLAIN, "host"),
            Cell::lines([Line::of(PLAIN, "one"), Line::of(PLAIN, "two")]),
            Cell::new(PLAIN, "1"),
        ]);
        table
    }

    #[test]
    fn a_table_is_as_wide_as_its_content() {
        insta::assert_snapshot!(render(&table().into_lines(None), false), @r"
        WHO                           WHAT                               TIMES
        shop/web-6f9b7c9d8-x2x1k/app  /usr/local/lib/jvm/bin/java(4242)     12
        host                          one                                    1
                                      two
        ");
    }

    #[test]
    fn on_a_terminal_folders_go_first_then_the_middle_of_names() {
        insta::assert_snapshot!(render(&table().into_lines(Some(60)), false), @r"
        WHO                           WHAT                  TIMES
        shop/web-6f9b7c9d8-x2x1k/app  …/jvm/bin/java(4242)     12
        host                          one                       1
                                      two
        ");
        insta::assert_snapshot!(render(&table().into_lines(Some(40)), false), @r"
        WHO               WHAT                  TIMES
        shop/…-x2x1k/app  …/jvm/bin/java(4242)     12
        host              one                       1
                          two
        ");
    }

    #[test]
    fn a_note_stands_below_its_row_and_widens_nothing() {
        let mut table = table();
        table.note(Line::of(PLAIN, "a sentence about the host, which is longer than any of the columns"));
        insta::assert_snapshot!(render(&table.into_lines(Some(60)), false), @r"
        WHO                           WHAT                  TIMES
        shop/web-6f9b7c9d8-x2x1k/app  …/jvm/bin/java(4242)     12
        host                          one                       1
                                      two
            a sentence about the host, which is longer than any of
            the columns
        ");
    }

    fn times(days: [&str; 2]) -> Table {
        let mut table = Table::new(&["FIRST (UTC)", "WHAT", "TIMES>"]).ordinarily("TIMES", "1");
        for day in days {
            let time = format!("{day} 05:00:12.250");
            table.row(vec![
                Cell::shortened(Shorten::Day, PLAIN, &time, Line::new()),
                Cell::new(PLAIN, "volume/creds:password"),
                Cell::new(PLAIN, "1"),
            ]);
        }
        table
    }

    #[test]
    fn on_a_terminal_a_common_day_and_what_every_row_says_stand_once() {
        let same = ["2026-11-22", "2026-11-22"];
        assert_eq!(
            render(&times(same).into_lines(Some(60)), false),
            render(&times(same).into_lines(None), false)
        );
        insta::assert_snapshot!(render(&times(same).into_lines(Some(46)), false), @r"
        2026-11-22 UTC  WHAT                   TIMES
        05:00:12.250    volume/creds:password      1
        05:00:12.250    volume/creds:password      1
        ");
        insta::assert_snapshot!(render(&times(same).into_lines(Some(30)), false), @r"
        2026-11-22 UTC  WHAT
        05:00:12.250    volume/creds:password
        05:00:12.250    volume/creds:password
        in every row: TIMES 1
        ");
    }

    #[test]
    fn days_that_differ_stay() {
        let lines = times(["2026-11-22", "2026-11-23"]).into_lines(Some(30));
        assert!(render(&lines, false).contains("2026-11-23 05:00:12.250"));
    }
}
