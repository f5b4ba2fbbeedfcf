//! The protocol's side of [`Containment`].

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::Containment;
use crate::proto::containment_server::Containment as Protocol;
use crate::service::refusal;
use crate::wire::{Malformed, Wire};
use crate::{ApplyOptions, BackendError, OrderRequest, PolicyText, peer, proto};

pub(crate) struct Service<B> {
    backend: Arc<B>,
}

impl<B: Containment> Service<B> {
    pub(crate) fn new(backend: Arc<B>) -> Self {
        Self { backend }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&B) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, Status> {
        let backend = Arc::clone(&self.backend);
        tokio::task::spawn_blocking(move || question(&backend))
            .await
            .map_err(|_| Status::internal("the agent failed to answer; its log says why"))?
            .map_err(refusal)
    }
}

/// What must stand in a question.
fn given<T: Wire>(message: Option<T::Message>, what: &'static str) -> Result<T, Status> {
    let message =
        message.ok_or_else(|| Status::invalid_argument(format!("the question lacks its {what}")))?;
    T::decode(message).map_err(|error: Malformed| Status::invalid_argument(error.to_string()))
}

fn policies(rows: Vec<crate::PolicyRow>) -> Response<proto::PoliciesReply> {
    Response::new(proto::PoliciesReply { policies: rows.into_iter().map(Wire::encode).collect() })
}

fn policy(row: crate::PolicyRow) -> Response<proto::PolicyReply> {
    Response::new(proto::PolicyReply { policy: Some(row.encode()) })
}

fn order(row: crate::OrderRow) -> Response<proto::OrderReply> {
    Response::new(proto::OrderReply { order: Some(row.encode()) })
}

#[tonic::async_trait]
impl<B: Containment> Protocol for Service<B> {
    async fn apply_policy(
        &self,
        request: Request<proto::ApplyPolicyRequest>,
    ) -> Result<Response<proto::PoliciesReply>, Status> {
        let by = peer::of(&request)?;
        let request = request.into_inner();
        let text: PolicyText = given(request.text, "text")?;
        let options: ApplyOptions = given(request.options, "options")?;
        self.ask(move |backend| backend.apply_policy(&text, options, by)).await.map(policies)
    }

    async fn confirm_policy(
        &self,
        request: Request<proto::PolicyName>,
    ) -> Result<Response<proto::PolicyReply>, Status> {
        let by = peer::of(&request)?;
        let name = request.into_inner().name;
        self.ask(move |backend| backend.confirm_policy(&name, by)).await.map(policy)
    }

    async fn remove_policy(
        &self,
        request: Request<proto::PolicyName>,
    ) -> Result<Response<proto::PolicyReply>, Status> {
        let by = peer::of(&request)?;
        let name = request.into_inner().name;
        self.ask(move |backend| backend.remove_policy(&name, by)).await.map(policy)
    }

    async fn policies(
        &self,
        _: Request<proto::PoliciesRequest>,
    ) -> Result<Response<proto::PoliciesReply>, Status> {
        self.ask(B::policies).await.map(policies)
    }

    async fn policy_texts(
        &self,
        _: Request<proto::PolicyTextsRequest>,
    ) -> Result<Response<proto::PolicyTextsReply>, Status> {
        let texts = self.ask(B::policy_texts).await?;
        Ok(Response::new(proto::PolicyTextsReply { texts: Some(texts.encode()) }))
    }

    async fn policy_status(
        &self,
        _: Request<proto::PolicyStatusRequest>,
    ) -> Result<Response<proto::PolicyStatusReply>, Status> {
        let status = self.ask(B::policy_status).await?;
        Ok(Response::new(proto::PolicyStatusReply { status: Some(status.encode()) }))
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainReply>, Status> {
        let event = request.into_inner().event;
        let explanation = self.ask(move |backend| backend.explain(&event)).await?;
        Ok(Response::new(proto::ExplainReply { explanation: Some(explanation.encode()) }))
    }

    async fn contain(
        &self,
        request: Request<proto::ContainRequest>,
    ) -> Result<Response<proto::OrderReply>, Status> {
        let by = peer::of(&request)?;
        let request: OrderRequest = given(request.into_inner().order, "order")?;
        self.ask(move |backend| backend.contain(&request, by)).await.map(order)
    }

    async fn release(
        &self,
        request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<proto::OrderReply>, Status> {
        let by = peer::of(&request)?;
        let id = request.into_inner().id;
        self.ask(move |backend| backend.release(&id, by)).await.map(order)
    }

    async fn orders(&self, _: Request<proto::OrdersRequest>) -> Result<Response<proto::OrdersReply>, Status> {
        let rows = self.ask(B::orders).await?;
        Ok(Response::new(proto::OrdersReply { orders: rows.into_iter().map(Wire::encode).collect() }))
    }

    async fn unload(
        &self,
        request: Request<proto::UnloadRequest>,
    ) -> Result<Response<proto::UnloadReply>, Status> {
        let by = peer::of(&request)?;
        self.ask(move |backend| backend.unload(by)).await?;
        Ok(Response::new(proto::UnloadReply {}))
    }
}
