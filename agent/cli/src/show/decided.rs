//! What was decided about a row, and by which rule: the same words in every answer.

use cofferdam_model::{AccessRow, AttemptRow, ConnectionRow, DeniedBy, Verdict};

use crate::table::Cell;
use crate::text::{BAD, DIM, Line, NOTABLE, PLAIN};

/// The decision about a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided<'a> {
    verdict: Verdict,
    denied_by: Option<DeniedBy>,
    policy: Option<&'a str>,
    rule: Option<&'a str>,
    exception: bool,
}

/// A verdict of which nothing else is known.
pub(crate) fn verdict_alone(verdict: Verdict) -> Line {
    let style = match verdict {
        Verdict::Allowed => PLAIN,
        Verdict::Denied => BAD,
        Verdict::WouldDeny => NOTABLE,
    };
    Line::of(style, verdict.as_str())
}

macro_rules! decided {
    ($($row:ty),+) => {$(
        impl<'a> From<&'a $row> for Decided<'a> {
            fn from(row: &'a $row) -> Self {
                Self {
                    verdict: row.verdict,
                    denied_by: row.denied_by,
                    policy: row.policy.as_deref(),
                    rule: row.rule.as_deref(),
                    exception: row.exception,
                }
            }
        }
    )+};
}

decided!(AccessRow, ConnectionRow, AttemptRow);

impl Decided<'_> {
    /// Whether there is nothing to tell: no rule stood in the way.
    pub(crate) fn is_plain(&self) -> bool {
        self.verdict == Verdict::Allowed && self.denied_by.is_none() && !self.exception
    }

    /// The verdict; who refused if it was not us, and whether it passed only by an exception.
    pub(crate) fn verdict(&self) -> Line {
        let mut line = match self.verdict {
            Verdict::Allowed if self.exception => Line::of(NOTABLE, self.verdict.as_str()),
            verdict => verdict_alone(verdict),
        };
        if self.exception {
            line.push(NOTABLE, " by exception");
        }
        if self.denied_by == Some(DeniedBy::Other) {
            line.push(PLAIN, " (by another)");
        }
        line
    }

    /// `payments/api/db`: the policy and its rule.
    pub(crate) fn rule(&self) -> Cell {
        match self.rule_name() {
            Some(name) => Cell::new(PLAIN, name),
            None => Cell::new(DIM, "-"),
        }
    }

    /// The verdict with its rule: `denied by payments/api/db`.
    pub(crate) fn in_full(&self) -> Line {
        let line = self.verdict();
        match self.rule_name() {
            Some(rule) if self.exception => line.with(PLAIN, format!(" to {rule}")),
            Some(rule) if self.verdict != Verdict::Allowed => line.with(PLAIN, format!(" by {rule}")),
            _ => line,
        }
    }

    fn rule_name(&self) -> Option<String> {
        match (self.policy, self.rule) {
            (Some(policy), Some(rule)) => Some(format!("{policy}/{rule}")),
            (name, None) | (None, name) => name.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::render;

    fn said(verdict: Verdict, names: (Option<&str>, Option<&str>), exception: bool) -> [String; 2] {
        let (policy, rule) = names;
        let decided = Decided { verdict, denied_by: None, policy, rule, exception };
        [decided.verdict(), decided.in_full()].map(|line| render(&[line], false).trim_end().to_owned())
    }

    #[test]
    fn a_denial_names_its_rule_and_an_exception_what_it_excepts_from() {
        let names = (Some("shop/web"), Some("db"));
        assert_eq!(said(Verdict::Denied, names, false), ["denied", "denied by shop/web/db"]);
        assert_eq!(said(Verdict::WouldDeny, names, false), ["would-deny", "would-deny by shop/web/db"]);
        assert_eq!(
            said(Verdict::Allowed, names, true),
            ["allowed by exception", "allowed by exception to shop/web/db"]
        );
        assert_eq!(said(Verdict::Allowed, names, false), ["allowed", "allowed"]);
        assert_eq!(said(Verdict::Denied, (None, None), false), ["denied", "denied"]);
        assert_eq!(said(Verdict::Denied, (Some("shop/web"), None), false)[1], "denied by shop/web");
    }
}
