//! Rules and their exceptions.

use std::collections::{BTreeMap, BTreeSet};

use super::values::Parts;
use super::{Checker, EXCEPTION_MAX, exception_key, mode};
use crate::document::{self, Allowance, ReaderOrigin, Spec};
use crate::policy::{
    Allow, Binding, EgressRule, Exception, ExecDenial, Reader, Readers, Rule, Says, SecretRule,
};
use crate::yaml::{Place, Placed};
use crate::{Bind, Mode, Stance};

/// A rule and where it stands.
pub type PlacedRule = (Place, Rule);

impl Checker<'_> {
    pub(super) fn rules(&mut self, spec: &Spec) -> Vec<PlacedRule> {
        let mut rules = Vec::new();
        for it in &spec.secrets.0 {
            let says = self.secret(it).map(Says::Secret);
            rules.extend(self.rule(&it.id, mode(spec, it.mode), it.on_agent_loss.as_ref(), says));
        }
        for it in &spec.environment.0 {
            let says = Some(Says::Environment(it.read));
            rules.extend(self.rule(&it.id, mode(spec, it.mode), it.on_agent_loss.as_ref(), says));
        }
        for it in &spec.exec.0 {
            let says = Some(Says::Exec(self.denials(it)));
            rules.extend(self.rule(&it.id, mode(spec, it.mode), it.on_agent_loss.as_ref(), says));
        }
        for it in &spec.egress.0 {
            let says = Some(Says::Egress(self.egress(it)));
            rules.extend(self.rule(&it.id, mode(spec, it.mode), it.on_agent_loss.as_ref(), says));
        }
        for it in &spec.memory.0 {
            let says = Some(Says::Memory(it.attach));
            rules.extend(self.rule(&it.id, mode(spec, it.mode), it.on_agent_loss.as_ref(), says));
        }
        rules
    }

    fn rule(
        &mut self,
        id: &Placed<String>,
        mode: Mode,
        on_agent_loss: Option<&Placed<document::AgentLoss>>,
        says: Option<Says>,
    ) -> Option<PlacedRule> {
        self.is_name("id", id);
        let release = self.release(&id.value, on_agent_loss);
        Some((id.at, Rule { id: id.value.clone(), mode, release, says: says?, exceptions: Vec::new() }))
    }

    fn secret(&mut self, given: &document::SecretRule) -> Option<SecretRule> {
        let id = &given.id.value;
        let secret = self.glob(&format!("{id}.secret"), &given.secret);
        let keys = match &given.keys {
            Some(keys) => Some(self.keys(&format!("{id}.keys"), keys)?),
            None => None,
        };
        let readers = self.readers(&format!("{id}.readers"), &given.readers);
        let destinations =
            given.destinations.as_ref().map(|it| self.endpoints(&format!("{id}.destinations"), it));
        if destinations.is_none() {
            let alone = "says nothing without `destinations`";
            if let Some(bind) = &given.bind {
                self.refuse(bind.at, format!("{id}.bind"), alone);
            }
            if let Some(isolate) = &given.isolate {
                self.refuse(isolate.at, format!("{id}.isolate"), alone);
            }
        }
        let binding = destinations.map(|destinations| Binding {
            destinations,
            bind: given.bind.as_ref().map_or(Bind::FirstRead, |it| it.value),
            isolate: given.isolate.as_ref().is_some_and(|it| it.value),
        });
        Some(SecretRule { secret: secret?, keys, readers: readers?, binding, exclusive: given.exclusive })
    }

    fn keys(&mut self, field: &str, given: &Placed<Vec<String>>) -> Option<BTreeSet<String>> {
        let is_key = |key: &String| {
            (1..cofferdam_abi::policy::KEY_NAME_LEN).contains(&key.len()) && !key.contains(['/', '\0'])
        };
        let reason = match given.value.iter().find(|key| !is_key(key)) {
            _ if given.value.is_empty() => "is empty; leave it out to mean every key".to_owned(),
            Some(odd) => format!("`{odd}` is no name of a file of up to 63 bytes"),
            None => return Some(given.value.iter().cloned().collect()),
        };
        self.refuse(given.at, field, reason);
        None
    }

    fn readers(&mut self, field: &str, given: &Placed<document::Readers>) -> Option<Readers> {
        let list = match &given.value {
            document::Readers::Any => return Some(Readers::Any),
            document::Readers::Only(list) => list,
        };
        if list.is_empty() {
            self.refuse(given.at, field, "is empty; name who reads, or write `any`");
            return None;
        }
        let reader = |it: &document::Reader| {
            let binary = self.binary(&format!("{field}.binary"), &it.binary)?;
            Some(Reader { binary, any_origin: it.origin == Some(ReaderOrigin::Any) })
        };
        Some(Readers::Only(list.iter().filter_map(reader).collect()))
    }

    fn denials(&mut self, given: &document::ExecRule) -> Vec<ExecDenial> {
        let field = format!("{}.deny", given.id.value);
        if given.deny.value.is_empty() {
            self.refuse(given.deny.at, &field, "is empty; leave the rule out");
        }
        let denial = |it: &Placed<document::ExecDenial>| {
            let document::ExecDenial { origin, binary, session } = &it.value;
            if origin.is_none() && binary.is_none() && session.is_none() {
                self.refuse(it.at, &field, "must have one of `origin`, `binary` and `session`");
            }
            let binary = match binary {
                Some(binary) => Some(self.binary(&format!("{field}.binary"), binary)?),
                None => None,
            };
            Some(ExecDenial { origin: *origin, binary, session: *session })
        };
        given.deny.value.iter().filter_map(denial).collect()
    }

    fn egress(&mut self, given: &document::EgressRule) -> EgressRule {
        let id = &given.id.value;
        EgressRule {
            default: given.default.unwrap_or(Stance::Allow),
            allow: self.endpoints(&format!("{id}.allow"), &given.allow),
            deny: self.endpoints(&format!("{id}.deny"), &given.deny),
        }
    }

    /// Every id stands for one rule.
    pub(super) fn ids_are_unique(&mut self, spec: &Spec) {
        let ids = spec.secrets.0.iter().map(|it| &it.id);
        let ids = ids.chain(spec.environment.0.iter().map(|it| &it.id));
        let ids = ids.chain(spec.exec.0.iter().map(|it| &it.id));
        let ids = ids.chain(spec.egress.0.iter().map(|it| &it.id));
        let ids = ids.chain(spec.memory.0.iter().map(|it| &it.id));
        let mut seen = BTreeMap::new();
        for id in ids {
            if let Some(first) = seen.insert(&id.value, id.at.line) {
                self.refuse(
                    id.at,
                    "id",
                    format!("`{}` is the id of another rule, at line {first}", id.value),
                );
            }
        }
    }

    /// Puts each exception to its rule.
    pub(super) fn exceptions(&mut self, spec: &Spec, rules: &mut [PlacedRule]) {
        for given in &spec.exceptions.0 {
            let id = &given.rule.value;
            let Some((_, rule)) = rules.iter_mut().find(|(_, rule)| rule.id == *id) else {
                // A rule that was refused itself is told already.
                if self.refusals.is_empty() {
                    self.refuse(given.rule.at, "exceptions.rule", format!("no rule has the id `{id}`"));
                }
                continue;
            };
            if let Some(exception) = self.exception(given, rule) {
                rule.exceptions.push(exception);
            }
        }
    }

    fn exception(&mut self, given: &document::Exception, rule: &Rule) -> Option<Exception> {
        for (field, text) in [("exceptions.reason", &given.reason), ("exceptions.owner", &given.owner)] {
            if text.value.trim().is_empty() {
                self.refuse(text.at, field, "is empty");
            }
        }
        let allow = self.allow(given, rule)?;
        let expires = match given.expires.value.parse::<cofferdam_model::WallTime>() {
            Ok(expires) => expires,
            Err(_) => {
                let text = &given.expires.value;
                let reason = format!("`{text}` is no moment; write for example 2026-12-01T00:00:00Z");
                self.refuse(given.expires.at, "exceptions.expires", reason);
                return None;
            }
        };
        let key = exception_key(&self.policy, &rule.id, &allow);
        let before = self.acceptance.first.get(&key).copied();
        let accepted = before.unwrap_or(self.acceptance.now);
        if expires.before(EXCEPTION_MAX) > accepted {
            let reason = match before {
                Some(accepted) => format!(
                    "{expires} is more than 30 days after its first acceptance, {accepted}; it is new again once no \
                     policy has had it for 30 days"
                ),
                None => format!("{expires} is more than 30 days from now, {accepted}"),
            };
            self.refuse(given.expires.at, "exceptions.expires", reason);
        }
        let (reason, owner) = (given.reason.value.clone(), given.owner.value.clone());
        Some(Exception { allow, reason, owner, expires })
    }

    fn allow(&mut self, given: &document::Exception, rule: &Rule) -> Option<Allow> {
        const FIELD: &str = "exceptions.allow";
        let Placed { value: document::Allow::Only(given), at } = &given.allow else {
            return Some(Allow::Any);
        };
        let Allowance { binary, cidr, host, set, unix, ports, protocol } = given.as_ref();
        let parts = Parts {
            cidr: cidr.as_ref(),
            host: host.as_ref(),
            set: *set,
            unix: unix.as_ref(),
            ports: ports.as_ref(),
            protocol: *protocol,
        };
        let Some(binary) = binary else {
            let endpoint = self.endpoint(FIELD, *at, &parts)?;
            let is_fit = match &rule.says {
                Says::Egress(_) => true,
                Says::Secret(secret) => secret.binding.is_some(),
                Says::Environment(_) | Says::Exec(_) | Says::Memory(_) => false,
            };
            if !is_fit {
                self.refuse(*at, FIELD, format!("the rule `{}` speaks of no destinations", rule.id));
            }
            return Some(Allow::Endpoint(endpoint));
        };
        let names_more = cidr.is_some() || host.is_some() || set.is_some() || unix.is_some();
        if names_more || ports.is_some() || protocol.is_some() {
            self.refuse(*at, FIELD, "names a binary and a destination; write two exceptions");
        }
        if matches!(rule.says, Says::Egress(_)) {
            let reason = format!("the rule `{}` speaks of the whole workload, not of binaries", rule.id);
            self.refuse(*at, FIELD, reason);
        }
        self.binary(&format!("{FIELD}.binary"), binary).map(Allow::Binary)
    }
}
