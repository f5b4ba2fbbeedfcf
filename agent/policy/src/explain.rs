//! What a rule says, in words.

use std::fmt;

use crate::policy::{Allow, Binding, Exception, ExecDenial, Readers, Rule, Says, SecretRule};
use crate::{Attach, Bind, Compiled, Policy, Read, RuleId, RuleName, Stance};

/// Who decided, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Who a number is.
    pub name: RuleName,
    /// What each of its rules says, for an exception what that says. Rules that are no more have no words.
    pub says: Vec<(RuleId, String)>,
}

/// Explains the number of a rule of a generation by the policies that it was made from.
pub fn explain(compiled: &Compiled, number: u32, policies: &[&Policy]) -> Option<Explanation> {
    let name = compiled.rule(number)?.clone();
    let says = std::iter::once(&name.id).chain(&name.also).filter_map(|id| {
        let policy = policies.iter().find(|policy| policy.name() == id.policy)?;
        let rule = policy.rules().iter().find(|rule| rule.id == id.rule)?;
        let words = match rule.exceptions.as_slice() {
            exceptions if name.exception => {
                exceptions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
            _ => rule.to_string(),
        };
        Some((id.clone(), words))
    });
    let says = says.collect();
    Some(Explanation { name, says })
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.says {
            Says::Secret(secret) => write!(f, "{secret}")?,
            Says::Environment(Read::Own) => f.write_str("a process reads its own environment only")?,
            Says::Environment(Read::None) => f.write_str("no environment is read")?,
            Says::Environment(Read::Any) => f.write_str("any environment is read")?,
            Says::Exec(denials) => write!(f, "not executed: {}", list(denials))?,
            Says::Egress(egress) => {
                let default = match egress.default {
                    Stance::Allow => "what is not named is reached",
                    Stance::Deny => "what is not named is not reached",
                };
                f.write_str(default)?;
                if !egress.allow.is_empty() {
                    write!(f, "; allowed: {}", list(&egress.allow))?;
                }
                if !egress.deny.is_empty() {
                    write!(f, "; denied: {}", list(&egress.deny))?;
                }
            }
            Says::Memory(Attach::Deny) => f.write_str("no memory of other processes is reached")?,
            Says::Memory(Attach::Allow) => f.write_str("memory of other processes is reached")?,
        }
        write!(f, " ({}", self.mode)?;
        if let Some(seconds) = self.release {
            write!(f, ", observes {seconds} s after the agent's last sign of life")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for SecretRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.secret)?;
        if let Some(keys) = &self.keys {
            write!(f, " (key {})", list(keys))?;
        }
        match &self.readers {
            Readers::Any => f.write_str(" is read by any binary")?,
            Readers::Only(readers) => {
                let named = readers.iter().map(|it| {
                    if it.any_origin { format!("{} of any origin", it.binary) } else { it.binary.clone() }
                });
                write!(f, " is read by {}", list(&named.collect::<Vec<_>>()))?;
            }
        }
        if self.exclusive {
            f.write_str(" and by no other workload")?;
        }
        match &self.binding {
            Some(binding) => write!(f, "; {binding}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = match self.bind {
            Bind::FirstRead => "once read",
            Bind::Start => "from the start",
        };
        let to = if self.destinations.is_empty() { "nowhere".to_owned() } else { list(&self.destinations) };
        write!(f, "{since} the workload sends to {to}")?;
        if self.isolate { f.write_str(" and to nothing else that is named") } else { Ok(()) }
    }
}

impl fmt::Display for ExecDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.binary.as_deref().unwrap_or("any binary"))?;
        if let Some(origin) = self.origin {
            write!(f, " of origin {origin}")?;
        }
        if self.session.is_some() {
            f.write_str(" in exec sessions")?;
        }
        Ok(())
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allow, reason, owner, expires } = self;
        let what = match allow {
            Allow::Any => "everything passes".to_owned(),
            Allow::Binary(_) | Allow::Endpoint(_) => format!("{allow} passes"),
        };
        write!(f, "{what} until {expires}, by {owner}: {reason}")
    }
}

fn list<'a, T: fmt::Display + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    items.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
