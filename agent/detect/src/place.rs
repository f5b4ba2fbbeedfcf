//! Where a mistake in a condition stands in its file: YAML folds and indents what a condition does not know of.

use cofferdam_policy::yaml::Place;

use crate::condition::Mistake;

/// The mistake's place in the file's text, given the place of the condition; `None` if the file writes it in another way.
pub(crate) fn of_mistake(text: &str, of: Place, condition: &str, mistake: &Mistake) -> Option<Place> {
    let before: usize = condition
        .split('\n')
        .take(mistake.line + 1)
        .enumerate()
        .map(|(line, it)| {
            solid(it.chars().take(if line == mistake.line { mistake.column } else { usize::MAX }))
        })
        .sum();
    let mut left = before;
    let mut place = of;
    let mut wanted = condition.chars().filter(|letter| !letter.is_whitespace());
    for letter in written(text, &mut place)? {
        if letter == '\n' {
            place = Place { line: place.line + 1, column: 1 };
            continue;
        }
        if !letter.is_whitespace() {
            if left == 0 {
                return Some(place);
            }
            if wanted.next() != Some(letter) {
                return None;
            }
            left -= 1;
        }
        place.column += 1;
    }
    None
}

fn solid(letters: impl Iterator<Item = char>) -> usize {
    letters.filter(|letter| !letter.is_whitespace()).count()
}

/// The text from the condition's first letter on: behind a quote, or behind the line of `>-` or `|`.
fn written<'t>(text: &'t str, place: &mut Place) -> Option<impl Iterator<Item = char> + use<'t>> {
    let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..)?;
    let mut skipped = rest.char_indices().nth(column)?.0;
    match rest.get(skipped..)?.chars().next()? {
        '>' | '|' => {
            skipped += rest.get(skipped..)?.find('\n')? + 1;
            *place = Place { line: place.line + 1, column: 1 };
        }
        '"' | '\'' => {
            skipped += 1;
            place.column += 1;
        }
        _ => {}
    }
    Some(rest.get(skipped..)?.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, of: (u64, u64), condition: &str, at: (usize, usize)) -> Option<(u64, u64)> {
        let mistake = Mistake { line: at.0, column: at.1, reason: String::new() };
        let of = Place { line: of.0, column: of.1 };
        of_mistake(text, of, condition, &mistake).map(|place| (place.line, place.column))
    }

    #[test]
    fn a_mistake_is_found_however_the_condition_is_written() {
        assert_eq!(found("a: 1\nwhen: x && yy", (2, 7), "x && yy", (0, 5)), Some((2, 12)));
        assert_eq!(found("when: 'x && yy'", (1, 7), "x && yy", (0, 5)), Some((1, 13)));
        assert_eq!(found("when: >-\n  x &&\n  yy\n", (1, 7), "x && yy", (0, 5)), Some((3, 3)));
        assert_eq!(found("when: |\n  x &&\n    yy\n", (1, 7), "x &&\n  yy\n", (1, 2)), Some((3, 5)));
        assert_eq!(found("when: >-\n  x\n", (1, 9), "x", (0, 0)), Some((2, 3)));
    }

    #[test]
    fn what_is_written_in_another_way_has_no_place() {
        assert_eq!(found("when: \"x \\u0026& y\"", (1, 7), "x && y", (0, 5)), None);
        assert_eq!(found("", (9, 9), "x", (0, 0)), None);
    }
}
