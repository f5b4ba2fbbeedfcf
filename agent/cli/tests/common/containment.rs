//! The same agent, asked about policies and orders: it keeps nothing, and tells back what it was told.

use cofferdam_api::{
    AcceptedException, ApplyOptions, BackendError, Containment, Explanation, OrderRequest, OrderRow, Peer,
    PolicyOrigin, PolicyRow, PolicyStatus, PolicyText, PolicyTexts, TextInForce,
};
use cofferdam_model::{Verdict, WallTime};

use super::samples::{self, containment};
use super::{Fake, Mood};

/// The policy in force; the text holds another one that is not.
const IN_FORCE: &str = "\
apiVersion: cofferdam.dev/v1alpha1
kind: ContainmentPolicy
metadata: { name: api }
spec:
  selector: { workload: 'default/*' }
  secrets: [ { id: db, secret: payments/db-password, readers: [ { binary: /bin/psql } ] } ]
---
apiVersion: cofferdam.dev/v1alpha1
kind: ContainmentPolicy
metadata: { name: gone }
spec:
  selector: { workload: 'default/*' }
  secrets: [ { id: db, secret: payments/db-password, readers: [ { binary: /bin/other } ] } ]
";

/// A policy whose text says `bad` is refused.
fn refusal(text: &PolicyText) -> Option<BackendError> {
    let line = text.text.lines().position(|line| line.contains("bad"))? + 1;
    let source = &text.source;
    Some(BackendError::BadQuestion(
        format!("{source}:{line}:1: spec.bad: is no field of a policy\n{source}:{line}:6: spec: ends here")
            .into(),
    ))
}

fn no_policy(name: &str) -> BackendError {
    BackendError::BadQuestion(
        format!("no policy is called {name}: `cofferdam policy list` names them").into(),
    )
}

impl Fake {
    fn policy(&self, name: &str) -> Result<PolicyRow, BackendError> {
        let named = |row: &PolicyRow| name == row.name || name == format!("shop/{}", row.name);
        containment::policies().into_iter().find(named).ok_or_else(|| no_policy(name))
    }
}

impl Containment for Fake {
    fn apply_policy(
        &self,
        text: &PolicyText,
        options: ApplyOptions,
        by: Peer,
    ) -> Result<Vec<PolicyRow>, BackendError> {
        if self.mood == Mood::Starting {
            return Err(BackendError::NotReady);
        }
        if let Some(refusal) = refusal(text) {
            return Err(refusal);
        }
        assert_eq!(by.uid, nix::unistd::getuid().as_raw());
        let applied = samples::at(100.0);
        let until = options.confirm_within.map(|within| applied.as_nanos() + within.as_nanos() as i64);
        let row = PolicyRow {
            origin: PolicyOrigin::Applied,
            source: text.source.clone(),
            applied,
            by: Some(Peer { uid: 0, pid: 977 }),
            confirm_until: until.map(WallTime::from_nanos),
            ..self.policy("web")?
        };
        if !options.dry_run {
            self.applied.lock().unwrap().push(text.text.clone());
        }
        Ok(vec![row])
    }

    fn confirm_policy(&self, name: &str, _: Peer) -> Result<PolicyRow, BackendError> {
        Ok(PolicyRow { confirm_until: None, ..self.policy(name)? })
    }

    fn remove_policy(&self, name: &str, _: Peer) -> Result<PolicyRow, BackendError> {
        self.policy(name)
    }

    fn policies(&self) -> Result<Vec<PolicyRow>, BackendError> {
        Ok(if self.mood == Mood::Starting { vec![] } else { containment::policies() })
    }

    fn policy_texts(&self) -> Result<PolicyTexts, BackendError> {
        if self.mood == Mood::Starting {
            return Err(BackendError::NotReady);
        }
        let text = PolicyText { source: "api.yaml".to_owned(), text: IN_FORCE.to_owned() };
        let accepted = AcceptedException {
            exception: "api db: any".to_owned(),
            at: "2026-10-01T00:00:00Z".parse().unwrap(),
        };
        Ok(PolicyTexts {
            texts: vec![TextInForce { names: vec!["api".to_owned()], text }],
            accepted: vec![accepted],
        })
    }

    fn policy_status(&self) -> Result<PolicyStatus, BackendError> {
        Ok(match self.mood {
            Mood::Well => containment::policy_status_as_written(),
            Mood::Lossy => containment::policy_status(),
            Mood::Starting => PolicyStatus {
                rules: vec![],
                exceptions: vec![],
                pending: vec![],
                refused: vec![],
                fail_open: vec![],
            },
        })
    }

    fn explain(&self, event: &str) -> Result<Explanation, BackendError> {
        let explanation = containment::explanation();
        match event {
            "allowed" => Ok(Explanation {
                verdict: Verdict::Allowed,
                policy: None,
                rule: None,
                text: None,
                why: vec![],
                ..explanation
            }),
            _ if event == explanation.event => Ok(explanation),
            _ => Err(BackendError::BadQuestion(format!("the journal has no event {event}").into())),
        }
    }

    fn contain(&self, order: &OrderRequest, by: Peer) -> Result<OrderRow, BackendError> {
        let OrderRequest { scope, cut_off, until, owner, reason } = order.clone();
        assert_eq!(by.uid, nix::unistd::getuid().as_raw());
        let row = containment::orders().remove(usize::from(!cut_off));
        Ok(OrderRow { scope, cut_off, until, owner, reason, ..row })
    }

    fn release(&self, id: &str, _: Peer) -> Result<OrderRow, BackendError> {
        let order = containment::orders().into_iter().find(|order| order.id == id);
        order.ok_or_else(|| BackendError::BadQuestion(format!("no order {id} is in force").into()))
    }

    fn orders(&self) -> Result<Vec<OrderRow>, BackendError> {
        Ok(if self.mood == Mood::Starting { vec![] } else { containment::orders() })
    }

    fn unload(&self, _: Peer) -> Result<(), BackendError> {
        self.applied.lock().unwrap().push("unload".into());
        Ok(())
    }
}
