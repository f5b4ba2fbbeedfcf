//! Evaluation with three values: what is not known of an event is neither true nor false (Kleene).

use std::borrow::Cow;

use super::check::{Checked, Compare, Many, Number, Test, Text};

/// What an event says of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'e> {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text.
    Text(Cow<'e, str>),
    /// Texts.
    Texts(&'e [String]),
}

/// An event as conditions see it.
pub trait Values {
    /// The value of a field by its number; `None`: not known.
    fn value(&self, field: usize) -> Option<Value<'_>>;
}

/// What a condition says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// What it asks is not known.
    Unknown,
}

impl Truth {
    fn of(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unknown,
        }
    }
}

/// An evaluation took more steps than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

/// Steps of one evaluation: one for each part, and one for each [`STEP`] bytes or texts that are looked at.
const STEPS_MAX: usize = 4_096;
const STEP: usize = 64;

pub(super) fn holds(root: &Checked, values: &impl Values) -> Result<Truth, Cut> {
    let mut steps = Steps(STEPS_MAX);
    Ok(Truth::of(steps.bool(root, values)?))
}

struct Steps(usize);

impl Steps {
    fn take(&mut self, number: usize) -> Result<(), Cut> {
        self.0 = self.0.checked_sub(number).ok_or(Cut)?;
        Ok(())
    }

    fn bool(&mut self, at: &Checked, values: &impl Values) -> Result<Option<bool>, Cut> {
        self.take(1)?;
        Ok(match at {
            Checked::Known(known) => Some(*known),
            Checked::Flag(field) => match values.value(*field) {
                Some(Value::Bool(is)) => Some(is),
                _ => None,
            },
            Checked::Has(field) => Some(values.value(*field).is_some()),
            Checked::Not(part) => self.bool(part, values)?.map(|is| !is),
            Checked::And(a, b) => match self.bool(a, values)? {
                Some(false) => Some(false),
                a => match self.bool(b, values)? {
                    Some(false) => Some(false),
                    b => a.and(b),
                },
            },
            Checked::Or(a, b) => match self.bool(a, values)? {
                Some(true) => Some(true),
                a => match self.bool(b, values)? {
                    Some(true) => Some(true),
                    b => a.and(b),
                },
            },
            Checked::Agree(a, b) => {
                let (a, b) = (self.bool(a, values)?, self.bool(b, values)?);
                a.zip(b).map(|(a, b)| a == b)
            }
            Checked::Numbers(compare, a, b) => {
                number(a, values).zip(number(b, values)).map(|(a, b)| match compare {
                    Compare::Equal => a == b,
                    Compare::Less => a < b,
                    Compare::LessOrEqual => a <= b,
                })
            }
            Checked::Same(a, b) => {
                let both = text(a, values).zip(text(b, values));
                self.looked_at(both.as_ref())?;
                both.map(|(a, b)| a == b)
            }
            Checked::Test(test, whole, part) => {
                let both = text(whole, values).zip(text(part, values));
                self.looked_at(both.as_ref())?;
                both.map(|(whole, part)| match test {
                    Test::StartsWith => whole.starts_with(&*part),
                    Test::EndsWith => whole.ends_with(&*part),
                    Test::Contains => whole.contains(&*part),
                })
            }
            Checked::Within(what, many) => self.within(what, many, values)?,
        })
    }

    fn looked_at(&mut self, both: Option<&(Cow<'_, str>, Cow<'_, str>)>) -> Result<(), Cut> {
        both.map_or(Ok(()), |(a, b)| self.take((a.len() + b.len()) / STEP))
    }

    fn within(&mut self, what: &Text, many: &Many, values: &impl Values) -> Result<Option<bool>, Cut> {
        let Some(what) = text(what, values) else { return Ok(None) };
        let held = match many {
            Many::Are(texts) => texts.as_slice(),
            Many::Of(field) => match values.value(*field) {
                Some(Value::Texts(texts)) => texts,
                _ => return Ok(None),
            },
        };
        self.take(held.len() * (1 + what.len() / STEP))?;
        Ok(Some(held.iter().any(|it| *it == what)))
    }
}

fn number(at: &Number, values: &impl Values) -> Option<i64> {
    match at {
        Number::Is(number) => Some(*number),
        Number::Of(field) => match values.value(*field)? {
            Value::Int(number) => Some(number),
            _ => None,
        },
        Number::CountOf(field) => match values.value(*field)? {
            Value::Texts(texts) => i64::try_from(texts.len()).ok(),
            _ => None,
        },
    }
}

fn text<'v>(at: &'v Text, values: &'v impl Values) -> Option<Cow<'v, str>> {
    match at {
        Text::Is(text) => Some(Cow::Borrowed(text)),
        Text::Of(field) => match values.value(*field)? {
            Value::Text(text) => Some(text),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Condition, Field, Type};
    use super::*;

    const FIELDS: &[Field] = &[
        Field { name: "secret.kind", of: Type::Text, words: Some(&["projected", "csi"]), what: "" },
        Field { name: "process.path", of: Type::Text, words: None, what: "" },
        Field { name: "destination.port", of: Type::Int, words: None, what: "" },
        Field { name: "destination.known", of: Type::Bool, words: None, what: "" },
        Field { name: "tainted_by", of: Type::Texts, words: None, what: "" },
    ];

    struct Event {
        path: Option<&'static str>,
        port: Option<i64>,
        known: Option<bool>,
        taint: Vec<String>,
    }

    impl Values for Event {
        fn value(&self, field: usize) -> Option<Value<'_>> {
            match field {
                0 => Some(Value::Text("csi".into())),
                1 => self.path.map(|path| Value::Text(path.into())),
                2 => self.port.map(Value::Int),
                3 => self.known.map(Value::Bool),
                _ => Some(Value::Texts(&self.taint)),
            }
        }
    }

    const EVENT: Event = Event { path: Some("/app/server"), port: Some(443), known: None, taint: Vec::new() };

    fn says(text: &str, event: &Event) -> Truth {
        Condition::parse(text, FIELDS)
            .unwrap_or_else(|mistake| panic!("{text}: {mistake}"))
            .holds(event)
            .unwrap()
    }

    #[test]
    fn what_is_known_decides() {
        for yes in [
            "true",
            "secret.kind == \"csi\"",
            "secret.kind in [\"csi\", \"projected\"] && !(process.path == '/bin/sh')",
            "destination.port >= 443 && destination.port < 444 && destination.port != -1",
            "process.path.startsWith(\"/app/\") && process.path.endsWith('server') && process.path.contains('p/s')",
            "size(tainted_by) == 0 && !(\"x\" in tainted_by)",
            "has(process.path) && !has(destination.known)",
            "true == !false",
        ] {
            assert_eq!(says(yes, &EVENT), Truth::Yes, "{yes}");
        }
        assert_eq!(says("destination.port > 443", &EVENT), Truth::No);
    }

    #[test]
    fn what_is_not_known_is_neither_true_nor_false() {
        for unknown in [
            "destination.known",
            "!destination.known",
            "destination.known || false",
            "destination.known == true",
        ] {
            assert_eq!(says(unknown, &EVENT), Truth::Unknown, "{unknown}");
        }
        assert_eq!(says("destination.known && false", &EVENT), Truth::No);
        assert_eq!(says("destination.known || true", &EVENT), Truth::Yes);
        assert_eq!(says("true || destination.known", &EVENT), Truth::Yes);
        let nameless = Event { path: None, ..EVENT };
        assert_eq!(says("process.path == '/bin/sh'", &nameless), Truth::Unknown);
    }

    #[test]
    fn an_evaluation_that_takes_too_long_is_cut() {
        let event = Event { taint: vec!["x".repeat(100); 10_000], ..EVENT };
        let condition = Condition::parse("\"y\" in tainted_by", FIELDS).unwrap();
        assert_eq!(condition.holds(&event), Err(Cut));
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let told = |text: &str| Condition::parse(text, FIELDS).unwrap_err().to_string();
        assert_eq!(
            told("destination.port == \"443\""),
            "1:18: compares a int with a string: they are never the same"
        );
        assert_eq!(
            told("true &&\n  secret.knd == 'csi'"),
            "2:9: there is no field `secret.knd` here; is `secret.kind` meant?"
        );
        assert_eq!(
            told("secret.kind == 'cis'"),
            "1:16: `secret.kind` is never \"cis\"; it is one of projected, csi"
        );
        assert_eq!(
            told("process.path"),
            "1:8: is a string, and a condition must be true or false: compare it with something"
        );
        assert!(
            told("tainted_by.exists(x, x == 'a')").contains("loops"),
            "{}",
            told("tainted_by.exists(x, x == 'a')")
        );
        assert!(told("process.path.matches('a+')").contains("`matches` is not known"));
        assert!(told("secret.kind == ").starts_with("1:"));
    }

    #[test]
    fn a_condition_of_too_many_parts_is_refused() {
        let long = vec!["destination.port == 1"; 60].join(" || ");
        assert!(Condition::parse(&long, FIELDS).unwrap_err().reason.contains("more than"));
        assert!(Condition::parse(&"(".repeat(10_000), FIELDS).is_err());
    }
}
