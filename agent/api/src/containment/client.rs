//! Asking an agent about policies and orders.

use crate::client::absent;
use crate::wire::Wire;
use crate::{
    ApplyOptions, Client, ClientError, Explanation, OrderRequest, OrderRow, PolicyRow, PolicyStatus,
    PolicyText, PolicyTexts, proto,
};

impl Client {
    /// Puts every policy of a text into force, or none.
    pub async fn apply_policy(
        &mut self,
        text: PolicyText,
        options: ApplyOptions,
    ) -> Result<Vec<PolicyRow>, ClientError> {
        let request =
            proto::ApplyPolicyRequest { text: Some(text.encode()), options: Some(options.encode()) };
        policies(self.containment.apply_policy(request).await?.into_inner())
    }

    /// Keeps a policy that would otherwise roll itself back.
    pub async fn confirm_policy(&mut self, name: &str) -> Result<PolicyRow, ClientError> {
        let request = proto::PolicyName { name: name.to_owned() };
        policy(self.containment.confirm_policy(request).await?.into_inner())
    }

    /// Lifts a policy.
    pub async fn remove_policy(&mut self, name: &str) -> Result<PolicyRow, ClientError> {
        let request = proto::PolicyName { name: name.to_owned() };
        policy(self.containment.remove_policy(request).await?.into_inner())
    }

    /// The policies in force.
    pub async fn policies(&mut self) -> Result<Vec<PolicyRow>, ClientError> {
        policies(self.containment.policies(proto::PoliciesRequest {}).await?.into_inner())
    }

    /// What the policies in force say.
    pub async fn policy_texts(&mut self) -> Result<PolicyTexts, ClientError> {
        let reply = self.containment.policy_texts(proto::PolicyTextsRequest {}).await?.into_inner();
        let texts = reply.texts.ok_or_else(|| absent("PolicyTextsReply", "texts"))?;
        Ok(PolicyTexts::decode(texts)?)
    }

    /// What really enforces each rule, and why.
    pub async fn policy_status(&mut self) -> Result<PolicyStatus, ClientError> {
        let reply = self.containment.policy_status(proto::PolicyStatusRequest {}).await?.into_inner();
        let status = reply.status.ok_or_else(|| absent("PolicyStatusReply", "status"))?;
        Ok(PolicyStatus::decode(status)?)
    }

    /// Which rule decided an event.
    pub async fn explain(&mut self, event: &str) -> Result<Explanation, ClientError> {
        let request = proto::ExplainRequest { event: event.to_owned() };
        let reply = self.containment.explain(request).await?.into_inner();
        let explanation = reply.explanation.ok_or_else(|| absent("ExplainReply", "explanation"))?;
        Ok(Explanation::decode(explanation)?)
    }

    /// Puts an order into force.
    pub async fn contain(&mut self, order: OrderRequest) -> Result<OrderRow, ClientError> {
        let request = proto::ContainRequest { order: Some(order.encode()) };
        one_order(self.containment.contain(request).await?.into_inner())
    }

    /// Ends an order.
    pub async fn release(&mut self, id: &str) -> Result<OrderRow, ClientError> {
        let request = proto::ReleaseRequest { id: id.to_owned() };
        one_order(self.containment.release(request).await?.into_inner())
    }

    /// The orders in force.
    pub async fn orders(&mut self) -> Result<Vec<OrderRow>, ClientError> {
        let reply = self.containment.orders(proto::OrdersRequest {}).await?.into_inner();
        Ok(reply.orders.into_iter().map(OrderRow::decode).collect::<Result<_, _>>()?)
    }

    /// Lifts every rule and order, and ends the agent.
    pub async fn unload(&mut self) -> Result<(), ClientError> {
        self.containment.unload(proto::UnloadRequest {}).await?;
        Ok(())
    }
}

fn policies(reply: proto::PoliciesReply) -> Result<Vec<PolicyRow>, ClientError> {
    Ok(reply.policies.into_iter().map(PolicyRow::decode).collect::<Result<_, _>>()?)
}

fn policy(reply: proto::PolicyReply) -> Result<PolicyRow, ClientError> {
    Ok(PolicyRow::decode(reply.policy.ok_or_else(|| absent("PolicyReply", "policy"))?)?)
}

fn one_order(reply: proto::OrderReply) -> Result<OrderRow, ClientError> {
    Ok(OrderRow::decode(reply.order.ok_or_else(|| absent("OrderReply", "order"))?)?)
}
