//! The globs of a filter, in SQL and beside it.

use cofferdam_model::glob;
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
        glob(&self.text, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
