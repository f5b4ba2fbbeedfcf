//! Rolling policies out and containing workloads: what the daemon implements, and both ends of the socket.

mod client;
mod service;

pub(crate) use service::Service;

use crate::{
    ApplyOptions, BackendError, Explanation, OrderRequest, OrderRow, Peer, PolicyRow, PolicyStatus,
    PolicyText, PolicyTexts,
};

/// Puts policies and orders into force.
///
/// Calls may block: each runs on a thread of its own. One that changes something is told who asks, and runs to its end
/// also if the asker goes away. What was given wrongly is [`BackendError::BadQuestion`]: its text is shown as it is.
pub trait Containment: Send + Sync + 'static {
    /// Puts every policy of a text into force, or none; gives them as they are, with `dry_run` as they would be. A
    /// refusal has a line for each reason: `file:line:column: field: reason`.
    fn apply_policy(
        &self,
        text: &PolicyText,
        options: ApplyOptions,
        by: Peer,
    ) -> Result<Vec<PolicyRow>, BackendError>;
    /// Keeps a policy that would otherwise roll itself back. The name is that of the policy, or `namespace/name`.
    fn confirm_policy(&self, name: &str, by: Peer) -> Result<PolicyRow, BackendError>;
    /// Lifts a policy, and gives it as it was.
    fn remove_policy(&self, name: &str, by: Peer) -> Result<PolicyRow, BackendError>;
    /// The policies in force.
    fn policies(&self) -> Result<Vec<PolicyRow>, BackendError>;
    /// What the policies in force say, and since when the days of exceptions count.
    fn policy_texts(&self) -> Result<PolicyTexts, BackendError>;
    /// What really enforces each rule here, and why.
    fn policy_status(&self) -> Result<PolicyStatus, BackendError>;
    /// Which rule decided the event of this id.
    fn explain(&self, event: &str) -> Result<Explanation, BackendError>;
    /// Puts an order into force.
    fn contain(&self, order: &OrderRequest, by: Peer) -> Result<OrderRow, BackendError>;
    /// Ends an order, and gives it as it was.
    fn release(&self, id: &str, by: Peer) -> Result<OrderRow, BackendError>;
    /// The orders in force.
    fn orders(&self) -> Result<Vec<OrderRow>, BackendError>;
    /// Lifts every rule and order and removes the pins. The agent ends after it has answered.
    fn unload(&self, by: Peer) -> Result<(), BackendError>;
}
