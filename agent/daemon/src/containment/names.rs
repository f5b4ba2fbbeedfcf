//! Who the numbers in events are: a generation and a rule's number, to a policy and its rule.

use std::collections::HashMap;
use std::collections::VecDeque;

use cofferdam_policy::RuleName;

/// Generations that are remembered after they were replaced.
const REMEMBERED: usize = 16_384;

/// Names of rules by generation.
#[derive(Debug, Default)]
pub struct Names {
    generations: HashMap<u32, Vec<RuleName>>,
    order: VecDeque<u32>,
}

/// A rule as rows name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The policy; `None`: it is not known any more.
    pub policy: Option<String>,
    /// Its rule.
    pub rule: Option<String>,
}

impl Names {
    /// A generation is there.
    pub fn add(&mut self, generation: u32, rules: Vec<RuleName>) {
        self.generations.insert(generation, rules);
        self.order.push_back(generation);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.generations.remove(&oldest);
        }
    }

    /// The rule that a decision was made by; `None`: no rule spoke.
    pub fn of(&self, (generation, rule): (u32, u32)) -> Option<Named> {
        if rule == 0 {
            return None;
        }
        let known = self.rule(generation, rule);
        let policy = known.map(|name| name.id.policy.clone());
        Some(Named { policy, rule: known.map(|name| name.id.rule.clone()) })
    }

    /// All that is known of a rule.
    pub fn rule(&self, generation: u32, rule: u32) -> Option<&RuleName> {
        self.generations.get(&generation)?.get((rule as usize).checked_sub(1)?)
    }
}
