//! From CEL's syntax to a tree whose types fit.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators};
use cel::parser::Parser;

use super::{Field, Mistake, Type};

/// Characters of a condition at most.
pub const TEXT_MAX: usize = 2_048;
/// Parts of a condition at most: each is a step of each evaluation.
pub const COST_MAX: usize = 128;
/// Parentheses in parentheses at most.
const DEPTH_MAX: u16 = 32;

/// A part of a condition, with its type in its shape.
#[derive(Debug, Clone)]
pub(super) enum Checked {
    Known(bool),
    /// A field that is `true` or `false`.
    Flag(usize),
    Not(Box<Checked>),
    And(Box<Checked>, Box<Checked>),
    Or(Box<Checked>, Box<Checked>),
    /// Whether a field is known at all: `has(f)`.
    Has(usize),
    Numbers(Compare, Number, Number),
    Same(Text, Text),
    Within(Text, Many),
    Test(Test, Text, Text),
    /// Both are `true`, or both `false`.
    Agree(Box<Checked>, Box<Checked>),
}

/// An order of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Less,
    LessOrEqual,
}

/// What a text may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug, Clone)]
pub(super) enum Number {
    Is(i64),
    Of(usize),
    /// How many texts: `size(f)`.
    CountOf(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Text {
    Is(String),
    Of(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Many {
    Are(Vec<String>),
    Of(usize),
}

/// A part of any type.
enum Part {
    Bool(Checked),
    Number(Number),
    Text(Text),
    Many(Many),
}

impl Part {
    fn of(&self) -> Type {
        match self {
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Int,
            Self::Text(_) => Type::Text,
            Self::Many(_) => Type::Texts,
        }
    }
}

/// The tree, and the numbers of the fields that it asks for.
pub(super) fn check(text: &str, fields: &[Field]) -> Result<(Checked, Vec<usize>), Mistake> {
    let at_begin = |reason: String| Mistake { line: 0, column: 0, reason };
    if text.chars().count() > TEXT_MAX {
        return Err(at_begin(format!("is longer than {TEXT_MAX} characters: write two rules")));
    }
    let parser = Parser::new().max_recursion_depth(DEPTH_MAX);
    let (root, places) = parser.parse_with_source_info(text).map_err(|errors| {
        let first = errors.errors.into_iter().next();
        first.map_or_else(
            || at_begin("is no expression".to_owned()),
            |error| Mistake {
                line: usize::try_from(error.pos.0 - 1).unwrap_or(0),
                column: usize::try_from(error.pos.1 - 1).unwrap_or(0),
                reason: error.msg,
            },
        )
    })?;
    let mut checker = Checker { text, places, fields, cost: 0, asked: Vec::new() };
    match checker.part(&root)? {
        Part::Bool(checked) => Ok((checked, checker.asked)),
        other => Err(checker.wrong(
            &root,
            format!(
                "is a {}, and a condition must be true or false: compare it with something",
                other.of().name()
            ),
        )),
    }
}

struct Checker<'a> {
    text: &'a str,
    places: SourceInfo,
    fields: &'a [Field],
    cost: usize,
    asked: Vec<usize>,
}

impl Checker<'_> {
    fn wrong(&self, at: &IdedExpr, reason: impl Into<String>) -> Mistake {
        let offset = self.places.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        let before: String = self.text.chars().take(offset).collect();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().map_or(0, |it| it.chars().count());
        Mistake { line, column, reason: reason.into() }
    }

    fn part(&mut self, at: &IdedExpr) -> Result<Part, Mistake> {
        self.cost += 1;
        if self.cost > COST_MAX {
            return Err(self.wrong(at, format!("has more than {COST_MAX} parts: write two rules")));
        }
        match &at.expr {
            Expr::Literal(literal) => self.literal(at, literal),
            Expr::Ident(_) => self.field(at),
            Expr::Select(SelectExpr { test: true, operand, field }) => {
                let name = name_of(operand).map(|it| format!("{it}.{field}"));
                Ok(Part::Bool(Checked::Has(self.number_of(at, name)?)))
            }
            Expr::Select(_) => self.field(at),
            Expr::List(list) => {
                let mut texts = Vec::new();
                for element in &list.elements {
                    match self.part(element)? {
                        Part::Text(Text::Is(text)) => texts.push(text),
                        _ => return Err(self.wrong(element, "a list holds texts in quotes")),
                    }
                }
                Ok(Part::Many(Many::Are(texts)))
            }
            Expr::Call(call) => self.call(at, call),
            Expr::Comprehension(_) => {
                Err(self.wrong(at, "loops (all, exists, map, filter) are not allowed here: use `in`"))
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self
                    .wrong(at, "is no part of a condition: texts, numbers, fields and lists of texts are"))
            }
        }
    }

    fn literal(&self, at: &IdedExpr, literal: &LiteralValue) -> Result<Part, Mistake> {
        match literal {
            LiteralValue::Boolean(it) => Ok(Part::Bool(Checked::Known(*it.inner()))),
            LiteralValue::Int(it) => Ok(Part::Number(Number::Is(*it.inner()))),
            LiteralValue::String(it) => Ok(Part::Text(Text::Is(it.inner().to_string()))),
            _ => Err(self.wrong(at, "is neither a text, nor a whole number, nor true or false")),
        }
    }

    fn field(&mut self, at: &IdedExpr) -> Result<Part, Mistake> {
        let number = self.number_of(at, name_of(at))?;
        Ok(match self.fields[number].of {
            Type::Bool => Part::Bool(Checked::Flag(number)),
            Type::Int => Part::Number(Number::Of(number)),
            Type::Text => Part::Text(Text::Of(number)),
            Type::Texts => Part::Many(Many::Of(number)),
        })
    }

    fn number_of(&mut self, at: &IdedExpr, name: Option<String>) -> Result<usize, Mistake> {
        let Some(name) = name else { return Err(self.wrong(at, "is no field")) };
        if let Some(found) = self.fields.iter().position(|field| field.name == name) {
            self.asked.push(found);
            return Ok(found);
        }
        Err({
            let like = self.fields.iter().map(|field| field.name).min_by_key(|known| distance(known, &name));
            let like = like.map_or(String::new(), |known| format!("; is `{known}` meant?"));
            self.wrong(at, format!("there is no field `{name}` here{like}"))
        })
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Result<Part, Mistake> {
        use operators as op;
        let test = match call.func_name.as_str() {
            "startsWith" => Some(Test::StartsWith),
            "endsWith" => Some(Test::EndsWith),
            "contains" => Some(Test::Contains),
            _ => None,
        };
        if let (Some(test), Some(target), [what]) = (test, &call.target, call.args.as_slice()) {
            let (target, what) = (self.text(target)?, self.text(what)?);
            return Ok(Part::Bool(Checked::Test(test, target, what)));
        }
        let args = call.args.as_slice();
        let checked = match (call.func_name.as_str(), args) {
            (op::LOGICAL_AND, [a, b]) => Checked::And(self.boxed(a)?, self.boxed(b)?),
            (op::LOGICAL_OR, [a, b]) => Checked::Or(self.boxed(a)?, self.boxed(b)?),
            (op::LOGICAL_NOT, [a]) => Checked::Not(self.boxed(a)?),
            (op::EQUALS, [a, b]) => self.equal(at, a, b)?,
            (op::NOT_EQUALS, [a, b]) => Checked::Not(Box::new(self.equal(at, a, b)?)),
            (op::LESS, [a, b]) => Checked::Numbers(Compare::Less, self.number(a)?, self.number(b)?),
            (op::GREATER, [a, b]) => Checked::Numbers(Compare::Less, self.number(b)?, self.number(a)?),
            (op::LESS_EQUALS, [a, b]) => {
                Checked::Numbers(Compare::LessOrEqual, self.number(a)?, self.number(b)?)
            }
            (op::GREATER_EQUALS, [a, b]) => {
                Checked::Numbers(Compare::LessOrEqual, self.number(b)?, self.number(a)?)
            }
            (op::IN, [a, b]) => self.within(a, b)?,
            (op::NEGATE, [a]) => {
                return match self.number(a)? {
                    Number::Is(number) => Ok(Part::Number(Number::Is(-number))),
                    _ => Err(self.wrong(at, "only a number that stands here can be negative")),
                };
            }
            ("size", [a]) if call.target.is_none() => {
                return match self.part(a)? {
                    Part::Many(Many::Of(field)) => Ok(Part::Number(Number::CountOf(field))),
                    _ => Err(self.wrong(a, "only the texts of a field are counted")),
                };
            }
            (name, _) => {
                let name = name.trim_matches(['_', '@']);
                return Err(self.wrong(
                    at,
                    format!(
                        "`{name}` is not known here; &&, ||, !, ==, !=, <, <=, >, >=, in, has(), size(), .startsWith(), \
                         .endsWith() and .contains() are"
                    ),
                ));
            }
        };
        Ok(Part::Bool(checked))
    }

    fn boxed(&mut self, at: &IdedExpr) -> Result<Box<Checked>, Mistake> {
        match self.part(at)? {
            Part::Bool(checked) => Ok(Box::new(checked)),
            other => Err(self.mismatch(at, Type::Bool, other.of())),
        }
    }

    fn number(&mut self, at: &IdedExpr) -> Result<Number, Mistake> {
        match self.part(at)? {
            Part::Number(number) => Ok(number),
            other => Err(self.mismatch(at, Type::Int, other.of())),
        }
    }

    fn text(&mut self, at: &IdedExpr) -> Result<Text, Mistake> {
        match self.part(at)? {
            Part::Text(text) => Ok(text),
            other => Err(self.mismatch(at, Type::Text, other.of())),
        }
    }

    fn mismatch(&self, at: &IdedExpr, wanted: Type, found: Type) -> Mistake {
        self.wrong(at, format!("is a {}, and must be a {} here", found.name(), wanted.name()))
    }

    fn equal(&mut self, at: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Result<Checked, Mistake> {
        match (self.part(left)?, self.part(right)?) {
            (Part::Bool(a), Part::Bool(b)) => Ok(Checked::Agree(Box::new(a), Box::new(b))),
            (Part::Number(a), Part::Number(b)) => Ok(Checked::Numbers(Compare::Equal, a, b)),
            (Part::Text(a), Part::Text(b)) => {
                self.is_possible(right, &a, &b)?;
                self.is_possible(left, &b, &a)?;
                Ok(Checked::Same(a, b))
            }
            (a, b) => Err(self.wrong(
                at,
                format!("compares a {} with a {}: they are never the same", a.of().name(), b.of().name()),
            )),
        }
    }

    fn within(&mut self, what: &IdedExpr, list: &IdedExpr) -> Result<Checked, Mistake> {
        let text = self.text(what)?;
        match self.part(list)? {
            Part::Many(many) => {
                if let Many::Are(words) = &many {
                    for word in words {
                        self.is_possible(list, &text, &Text::Is(word.clone()))?;
                    }
                }
                Ok(Checked::Within(text, many))
            }
            other => Err(self.mismatch(list, Type::Texts, other.of())),
        }
    }

    /// A field of few words is never another one.
    fn is_possible(&self, at: &IdedExpr, field: &Text, word: &Text) -> Result<(), Mistake> {
        let (Text::Of(number), Text::Is(word)) = (field, word) else { return Ok(()) };
        let field = &self.fields[*number];
        match field.words {
            Some(words) if !words.contains(&word.as_str()) => Err(self.wrong(
                at,
                format!("`{}` is never \"{word}\"; it is one of {}", field.name, words.join(", ")),
            )),
            _ => Ok(()),
        }
    }
}

/// The name that an expression spells: `a.b`.
fn name_of(at: &IdedExpr) -> Option<String> {
    match &at.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(SelectExpr { operand, field, test: false }) => {
            name_of(operand).map(|operand| format!("{operand}.{field}"))
        }
        _ => None,
    }
}

/// How many letters two names differ in (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
