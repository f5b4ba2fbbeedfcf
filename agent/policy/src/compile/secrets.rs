//! Secrets: which rules speak of which, and what they come to together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cofferdam_abi::key::InodeKey;
use cofferdam_abi::policy::{
    BINDINGS_OF_SECRET, Grant, GrantKey, KEY_NAME_LEN, NO_BINDING, SecretKey, SecretRule, key_of_name,
    permit, set,
};

use super::active::{Active, release, resolved, stands_for};
use super::cover::{Cover, cover};
use super::phases::phases;
use super::{CompileError, Context, Input, OrderSays};
use crate::policy::{Readers, Says, SecretRule as Written};
use crate::{Bind, RuleKind};

/// The binding of each rule that has one, by the rule's place among those in force.
pub type Bindings = BTreeMap<usize, u8>;

impl Context<'_> {
    pub fn secrets(&mut self, bindings: &Bindings) -> Result<(), CompileError> {
        let mut known: HashMap<Vec<usize>, SecretRule> = HashMap::new();
        for object in self.input.objects {
            let speaking: Vec<(usize, Cover)> = self
                .active
                .iter()
                .enumerate()
                .filter_map(|(index, it)| Some((index, cover(it, object, self.input.workload)?)))
                .collect();
            let (cut_until, cut_rule) = self.cut_of(object.id);
            for (key, rules) in by_key(&speaking, cut_until != 0) {
                let rule = match known.get(&rules) {
                    Some(rule) => *rule,
                    None => {
                        let rule = self.rule_of(&rules, set::READERS + known.len() as u32, bindings)?;
                        known.insert(rules, rule);
                        rule
                    }
                };
                let generation = self.input.generation;
                let key = SecretKey { object: object.id, key, generation, reserved: 0 };
                self.out.secrets.push((key, SecretRule { cut_until, cut_rule, ..rule }));
            }
        }
        Ok(())
    }

    /// The longest order that denies a secret.
    fn cut_of(&mut self, object: u64) -> (u64, u32) {
        let denies = |says: &OrderSays| matches!(says, OrderSays::DenySecrets(ids) if ids.contains(&object));
        let orders = self.input.orders.iter().filter(|order| denies(&order.says));
        match orders.map(|order| (self.end_of(order), order)).max_by_key(|(until, _)| *until) {
            Some((until, order)) if until != 0 => (until, self.numbers.order(order)),
            _ => (0, 0),
        }
    }

    /// What several rules come to: readers intersect, for enforcing and observing rules apart.
    fn rule_of(
        &mut self,
        rules: &[usize],
        readers: u32,
        bindings: &Bindings,
    ) -> Result<SecretRule, CompileError> {
        let input = self.input;
        let rules: Vec<(usize, &Active<'_>)> =
            rules.iter().map(|index| (*index, &self.active[*index])).collect();
        let all = || rules.iter().map(|(_, it)| *it);
        let ends: Vec<(u64, &Active<'_>)> =
            all().flat_map(|it| it.exceptions.iter().map(move |held| (held.until, it))).collect();
        let moments: Vec<u64> = ends.iter().map(|(until, _)| *until).collect();
        let bits = |at: u64, file: Option<InodeKey>| permits(input, all(), at, file);
        let numbers = &mut self.numbers;
        let mut number =
            |end: Option<usize>| end.map_or(0, |end| numbers.exception(RuleKind::Secret, ends[end].1));
        let of_all = phases(input.now.as_nanos(), &moments, |at| bits(at, None));
        let exception = number(of_all.end);
        for file in files(input, all()) {
            let of_file = phases(input.now.as_nanos(), &moments, |at| bits(at, Some(file)));
            if of_file == of_all {
                continue;
            }
            let key = GrantKey { binary: file, generation: input.generation, set: readers };
            let (until, before, after) = (of_file.until, of_file.before, of_file.after);
            self.out
                .grants
                .push((key, Grant { until, before, after, exception: number(of_file.end), reserved: 0 }));
        }
        let begin = rules.iter().filter(|(_, it)| begins_with_a_read(it));
        let begin: Vec<u8> = begin.filter_map(|(index, _)| bindings.get(index).copied()).collect();
        let mut bind = [NO_BINDING; BINDINGS_OF_SECRET];
        if begin.len() > bind.len() {
            return Err(self.too_many("rules that bind one secret", begin.len(), bind.len()));
        }
        bind[..begin.len()].copy_from_slice(&begin);
        Ok(SecretRule {
            until: of_all.until,
            enforce: self.numbers.rules(RuleKind::Secret, all().filter(|it| it.enforces())),
            observe: self.numbers.rules(RuleKind::Secret, all().filter(|it| !it.enforces())),
            exception,
            release: release(all().filter(|it| it.enforces())),
            readers,
            any: of_all.after as u16,
            eased: of_all.before as u16,
            bind,
            ..SecretRule::default()
        })
    }
}

fn begins_with_a_read(it: &Active<'_>) -> bool {
    matches!(&it.rule.says, Says::Secret(Written { binding: Some(binding), .. }) if binding.bind == Bind::FirstRead)
}

/// Who may read by a rule, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    No,
    OfImage,
    OfAnyOrigin,
}

fn level(input: &Input<'_>, it: &Active<'_>, at: u64, file: Option<InodeKey>) -> Level {
    let Says::Secret(secret) = &it.rule.says else { return Level::OfAnyOrigin };
    if it.is_foreign {
        return Level::No;
    }
    if it.lets_all_pass(at) {
        return Level::OfAnyOrigin;
    }
    let (Readers::Only(readers), file) = (&secret.readers, file) else { return Level::OfAnyOrigin };
    let Some(file) = file else { return Level::No };
    let named = readers.iter().filter(|reader| stands_for(input, &reader.binary, file));
    let named = named.map(|reader| if reader.any_origin { Level::OfAnyOrigin } else { Level::OfImage });
    let excepted = if it.lets_pass(at, file, input) { Level::OfImage } else { Level::No };
    named.max().unwrap_or(Level::No).max(excepted)
}

/// Bits of [`permit`] of everyone, or of one file.
fn permits<'a>(
    input: &Input<'_>,
    rules: impl Iterator<Item = &'a Active<'a>>,
    at: u64,
    file: Option<InodeKey>,
) -> u32 {
    let (mut enforcing, mut observing) = (Level::OfAnyOrigin, Level::OfAnyOrigin);
    for it in rules {
        let least = if it.enforces() { &mut enforcing } else { &mut observing };
        *least = (*least).min(level(input, it, at, file));
    }
    let mut bits = match enforcing {
        Level::No => 0,
        Level::OfImage => permit::ENFORCE,
        Level::OfAnyOrigin => permit::ENFORCE | permit::ENFORCE_ANY_ORIGIN,
    };
    bits |= match observing {
        Level::No => 0,
        Level::OfImage => permit::OBSERVE,
        Level::OfAnyOrigin => permit::OBSERVE | permit::OBSERVE_ANY_ORIGIN,
    };
    bits
}

/// The files that rules and their exceptions name, each once.
fn files<'a>(input: &Input<'_>, rules: impl Iterator<Item = &'a Active<'a>>) -> Vec<InodeKey> {
    let mut seen = HashSet::new();
    let named = rules.filter(|it| !it.is_foreign).flat_map(|it| {
        let readers = match &it.rule.says {
            Says::Secret(Written { readers: Readers::Only(readers), .. }) => readers.as_slice(),
            _ => &[],
        };
        readers.iter().map(|reader| reader.binary.as_str()).chain(it.excepted_binaries())
    });
    let files = named.flat_map(|pattern| resolved(input, pattern)).map(|binary| binary.file);
    files.filter(|file| seen.insert(*file)).collect()
}

/// The rules of each key of a secret, and under 0 of all other keys.
fn by_key(speaking: &[(usize, Cover)], is_cut: bool) -> Vec<(u64, Vec<usize>)> {
    let keys: BTreeSet<&str> = speaking
        .iter()
        .flat_map(|(_, cover)| match cover {
            Cover::All => Vec::new(),
            Cover::Keys(keys) => keys.iter().map(String::as_str).collect(),
        })
        .collect();
    let rules_of = |key: Option<&str>| -> Vec<usize> {
        let speaks = |cover: &Cover| match cover {
            Cover::All => true,
            Cover::Keys(keys) => key.is_some_and(|key| keys.contains(key)),
        };
        speaking.iter().filter(|(_, cover)| speaks(cover)).map(|(index, _)| *index).collect()
    };
    let mut rows: Vec<(u64, Vec<usize>)> =
        keys.iter().map(|key| (hash_of(key), rules_of(Some(key)))).collect();
    let of_all = rules_of(None);
    if !of_all.is_empty() || is_cut {
        rows.push((0, of_all));
    }
    rows
}

/// As the kernel takes it from the file's name.
fn hash_of(key: &str) -> u64 {
    let mut name = [0; KEY_NAME_LEN];
    let bytes = &key.as_bytes()[..key.len().min(KEY_NAME_LEN - 1)];
    name[..bytes.len()].copy_from_slice(bytes);
    key_of_name(&name)
}
