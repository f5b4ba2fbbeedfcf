//! Rules of one policy that cannot all be meant.

use cofferdam_abi::policy::BINDINGS;

use super::Checker;
use super::rules::PlacedRule;
use crate::document::Spec;
use crate::endpoint::{ENTRIES_MAX, Endpoint};
use crate::meet::meet;
use crate::policy::Says;
use crate::yaml::Place;

impl Checker<'_> {
    pub(super) fn contradictions(&mut self, spec: &Spec, rules: &[PlacedRule]) {
        self.nothing_is_named_in_vain(rules);
        self.isolating_rules_meet(rules);
        self.destinations_have_room(spec, rules);
        let bindings = rules.iter().filter(|(_, rule)| has_binding(&rule.says)).count();
        if bindings > BINDINGS {
            let reason = format!("{bindings} rules have destinations, of which there may be {BINDINGS}");
            self.refuse(spec.selector.at, "spec.secrets", reason);
        }
    }

    /// A policy leaves room in the kernel's tables for others, and for itself when it changes.
    fn destinations_have_room(&mut self, spec: &Spec, rules: &[PlacedRule]) {
        let entries: usize =
            rules.iter().flat_map(|(_, rule)| rule.says.endpoints()).map(Endpoint::entries).sum();
        if entries > ENTRIES_MAX {
            let reason = format!(
                "its destinations and their ports come to {entries} entries, of which there may be {ENTRIES_MAX}; \
                 leave `ports` out to mean every port"
            );
            self.refuse(spec.selector.at, "spec", reason);
        }
    }

    /// What is refused as a whole is not named as a destination.
    fn nothing_is_named_in_vain(&mut self, rules: &[PlacedRule]) {
        let egress = |says: &Says| match says {
            Says::Egress(egress) => egress.deny.clone(),
            _ => Vec::new(),
        };
        let denied: Vec<(&str, Endpoint)> = rules
            .iter()
            .flat_map(|(_, rule)| egress(&rule.says).into_iter().map(|it| (rule.id.as_str(), it)))
            .collect();
        for (at, rule) in rules {
            let (field, named) = match &rule.says {
                Says::Egress(egress) => ("allow", &egress.allow),
                Says::Secret(secret) => match &secret.binding {
                    Some(binding) => ("destinations", &binding.destinations),
                    None => continue,
                },
                _ => continue,
            };
            for endpoint in named {
                if let Some((id, by)) = denied.iter().find(|(_, denied)| denied.covers(endpoint)) {
                    let reason = format!("{endpoint} is refused by {id}.deny: {by}");
                    self.refuse(*at, format!("{}.{field}", rule.id), reason);
                }
            }
        }
    }

    fn isolating_rules_meet(&mut self, rules: &[PlacedRule]) {
        let isolating: Vec<(Place, &str, &[Endpoint])> = rules
            .iter()
            .filter_map(|(at, rule)| match &rule.says {
                Says::Secret(secret) => {
                    let binding = secret.binding.as_ref().filter(|binding| binding.isolate)?;
                    Some((*at, rule.id.as_str(), binding.destinations.as_slice()))
                }
                _ => None,
            })
            .collect();
        let lists: Vec<&[Endpoint]> = isolating.iter().map(|(_, _, list)| *list).collect();
        if let [_, .., (at, last, _)] = isolating.as_slice()
            && !meet(&lists)
        {
            let ids: Vec<&str> = isolating.iter().map(|(_, id, _)| *id).collect();
            let reason = format!(
                "the destinations of {} have nothing in common: nothing could be reached",
                ids.join(", ")
            );
            self.refuse(*at, format!("{last}.isolate"), reason);
        }
    }
}

fn has_binding(says: &Says) -> bool {
    matches!(says, Says::Secret(secret) if secret.binding.is_some())
}
