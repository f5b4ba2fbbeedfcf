//! Containment policies: parse, validate, select, compile to the kernel's tables. Pure: no I/O, no clock of its own.

#![forbid(unsafe_code)]

mod compile;
mod document;
pub mod endpoint;
mod explain;
mod findings;
mod learn;
mod meet;
mod parse;
mod policy;
mod refusal;
mod replay;
mod select;
mod tables;
pub mod yaml;

pub use compile::{
    Binary, CompileError, Compiled, Effective, Input, NoRoom, Object, Order, OrderSays, Rows, RuleId,
    RuleName, Tier, compile,
};
pub use explain::{Explanation, explain};
pub use findings::{Finding, check};
pub use learn::{Lesson, Unlearnable, learn};
pub use parse::{Acceptance, EXCEPTION_MAX, exception_key, parse};
pub use policy::{
    Allow, Attach, Bind, Binding, EgressRule, Exception, ExecDenial, Mode, Origin, Policy, Read, Reader,
    Readers, Rule, RuleKind, Says, SecretRule, Session, Set, Stance,
};
pub use refusal::{Refusal, Refused};
pub use replay::{Act, Lack, Past, Replay, Replayed};
pub use select::{GUARDED_NAMESPACES, GUARDED_UNITS, Selection, Selector, is_guarded};
pub use tables::{HostTables, Lookups};
pub use yaml::Place;

/// The JSON schema of the file, made from the very types that read it.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(document::Document).to_value()
}
