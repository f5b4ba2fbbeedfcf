//! Numbers of rules within a generation.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Order;
use super::active::Active;
use crate::RuleKind;

/// A rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId {
    /// The policy's name; for orders who gave it.
    pub policy: String,
    /// The rule's id; for orders theirs.
    pub rule: String,
}

/// Who a number is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleName {
    /// The rule.
    pub id: RuleId,
    /// What it speaks of.
    pub kind: RuleKind,
    /// The number speaks of an exception of it.
    pub exception: bool,
    /// Others that speak of the same: the row is what they come to together.
    pub also: Vec<RuleId>,
}

/// Gives numbers, from 1.
#[derive(Default)]
pub struct Numbers {
    names: Vec<RuleName>,
    known: HashMap<RuleName, u32>,
}

impl Numbers {
    /// The number of these rules together; 0 if there are none.
    pub fn rules<'a>(&mut self, kind: RuleKind, rules: impl IntoIterator<Item = &'a Active<'a>>) -> u32 {
        self.of(kind, false, rules)
    }

    /// The number of an exception of a rule.
    pub fn exception(&mut self, kind: RuleKind, rule: &Active<'_>) -> u32 {
        self.of(kind, true, [rule])
    }

    /// The number of an order.
    pub fn order(&mut self, order: &Order) -> u32 {
        let id = RuleId { policy: order.owner.clone(), rule: order.id.clone() };
        self.number(RuleName { id, kind: RuleKind::Order, exception: false, also: Vec::new() })
    }

    fn of<'a>(
        &mut self,
        kind: RuleKind,
        exception: bool,
        rules: impl IntoIterator<Item = &'a Active<'a>>,
    ) -> u32 {
        let mut ids = rules
            .into_iter()
            .map(|it| RuleId { policy: it.policy.name().to_owned(), rule: it.rule.id.clone() });
        let Some(id) = ids.next() else { return 0 };
        let also = ids.collect();
        self.number(RuleName { id, kind, exception, also })
    }

    fn number(&mut self, name: RuleName) -> u32 {
        *self.known.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() as u32
        })
    }

    pub fn into_names(self) -> Vec<RuleName> {
        self.names
    }
}
