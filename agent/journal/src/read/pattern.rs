//! Globs with `*` and `?`, nothing else, matched case-sensitively.

use rusqlite::ToSql;

/// What a text is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Whether only one text fits, so that an index finds it.
    pub(super) fn is_exact(&self) -> bool {
        !self.text.contains(['*', '?'])
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A condition of SQL on `column` and its parameter.
    pub(super) fn condition(&self, column: &str, values: &mut Vec<Box<dyn ToSql>>) -> String {
        let number = values.len() + 1;
        if self.is_exact() {
            values.push(Box::new(self.text.clone()));
            format!("{column} = ?{number}")
        } else {
            // SQLite's GLOB also knows classes; here a bracket is a bracket.
            values.push(Box::new(self.text.replace('[', "[[]")));
            format!("{column} GLOB ?{number}")
        }
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        let pattern: Vec<char> = self.text.chars().collect();
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        // Where to go on when what follows the last `*` does not fit: it swallows one more.
        let mut star = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match star {
                    Some((at, from)) => {
                        star = Some((at, from + 1));
                        p = at + 1;
                        t = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_glob_knows_stars_and_question_marks_and_takes_brackets_as_they_are() {
        assert!(Pattern::new("/usr/bin/*").fits("/usr/bin/env"));
        assert!(Pattern::new("a?c*").fits("abcd"));
        assert!(!Pattern::new("a?c").fits("ac"));
        assert!(Pattern::new("unit:foo@[x]*").fits("unit:foo@[x].service"));
        assert!(!Pattern::new("unit:foo@[x]*").fits("unit:foo@x.service"));
    }

    proptest! {
        #[test]
        fn sqlite_and_we_agree_on_what_fits(pattern in "[ab*?\\[\\]]{0,8}", text in "[ab\\[\\]]{0,8}") {
            let conn = rusqlite::Connection::open_in_memory().unwrap();
            let glob = Pattern::new(&pattern);
            let mut values: Vec<Box<dyn ToSql>> = Vec::new();
            let condition = glob.condition("?2", &mut values);
            let sql: bool = conn
                .query_row(&format!("SELECT {condition}"), rusqlite::params![values[0], text], |row| row.get(0))
                .unwrap();
            prop_assert_eq!(glob.fits(&text), sql);
        }
    }
}
