//! Policies and orders over a real socket.

use std::time::Duration;

use cofferdam_api::{
    AcceptedException, ApplyOptions, BackendError, ClientError, Containment, Explanation, MAX_POLICY_BYTES,
    OrderRequest, OrderRow, OrderScope, Peer, PolicyMode, PolicyOrigin, PolicyRow, PolicyStatus, PolicyText,
    PolicyTexts, TextInForce,
};
use cofferdam_model::{Verdict, WallTime};

use super::{Agent, Fake};

/// A policy that says of itself what it was told; the text `refuse N` is refused with N lines.
fn policy(text: &PolicyText, by: Peer, confirm_within: Option<Duration>) -> PolicyRow {
    PolicyRow {
        name: "web".into(),
        namespace: Some("shop".into()),
        mode: PolicyMode::Observe,
        origin: PolicyOrigin::Applied,
        source: text.source.clone(),
        applied: WallTime::from_nanos(0),
        by: Some(by),
        rules: text.text.len() as u64,
        workloads: vec![],
        confirm_until: confirm_within.map(|within| WallTime::from_nanos(within.as_nanos() as i64)),
    }
}

fn text(text: impl Into<String>) -> PolicyText {
    PolicyText { source: "web.yaml".into(), text: text.into() }
}

fn no_policy<T>(name: &str) -> Result<T, BackendError> {
    Err(BackendError::BadQuestion(format!("no policy is called {name}").into()))
}

impl Containment for Fake {
    fn apply_policy(
        &self,
        text: &PolicyText,
        options: ApplyOptions,
        by: Peer,
    ) -> Result<Vec<PolicyRow>, BackendError> {
        match text.text.strip_prefix("refuse ") {
            Some(lines) => {
                let line = |number| format!("{}:{number}:1: spec: größer als erlaubt", text.source);
                let lines: Vec<_> = (1..=lines.parse().unwrap()).map(line).collect();
                Err(BackendError::BadQuestion(lines.join("\n").into()))
            }
            None if options.dry_run => Ok(vec![]),
            None => Ok(vec![policy(text, by, options.confirm_within)]),
        }
    }

    fn confirm_policy(&self, name: &str, by: Peer) -> Result<PolicyRow, BackendError> {
        if name == "web" { Ok(policy(&text(""), by, None)) } else { no_policy(name) }
    }

    fn remove_policy(&self, name: &str, by: Peer) -> Result<PolicyRow, BackendError> {
        self.confirm_policy(name, by)
    }

    fn policies(&self) -> Result<Vec<PolicyRow>, BackendError> {
        Err(BackendError::NotReady)
    }

    fn policy_texts(&self) -> Result<PolicyTexts, BackendError> {
        let accepted = AcceptedException { exception: "web ex: any".into(), at: WallTime::from_nanos(7) };
        let in_force = TextInForce { names: vec!["shop/web".into()], text: text("kind: x") };
        Ok(PolicyTexts { texts: vec![in_force], accepted: vec![accepted] })
    }

    fn policy_status(&self) -> Result<PolicyStatus, BackendError> {
        let pending = vec!["shop/web-1/app".into()];
        Ok(PolicyStatus { rules: vec![], exceptions: vec![], pending, refused: vec![], fail_open: vec![] })
    }

    fn explain(&self, event: &str) -> Result<Explanation, BackendError> {
        Ok(Explanation {
            event: event.into(),
            what: "it was opened".into(),
            verdict: Verdict::Allowed,
            policy: None,
            rule: None,
            text: None,
            why: vec![],
        })
    }

    fn contain(&self, order: &OrderRequest, by: Peer) -> Result<OrderRow, BackendError> {
        let OrderRequest { scope, cut_off, until, owner, reason } = order.clone();
        Ok(OrderRow {
            id: "o-1".into(),
            scope,
            cut_off,
            workloads: vec![],
            until,
            owner,
            reason,
            since: WallTime::from_nanos(0),
            by,
            sockets_destroyed: 0,
            notes: vec![],
        })
    }

    fn release(&self, id: &str, _: Peer) -> Result<OrderRow, BackendError> {
        Err(BackendError::BadQuestion(format!("no order {id} is in force").into()))
    }

    fn orders(&self) -> Result<Vec<OrderRow>, BackendError> {
        Ok(vec![])
    }

    fn unload(&self, _: Peer) -> Result<(), BackendError> {
        Ok(())
    }
}

#[tokio::test]
async fn who_asks_is_what_the_socket_says() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let us = Peer { uid: nix::unistd::getuid().as_raw(), pid: std::process::id() };
    let options = ApplyOptions { dry_run: false, confirm_within: Some(Duration::from_millis(1_500)) };
    let rows = client.apply_policy(text("abc"), options).await.unwrap();
    assert_eq!(rows, [policy(&text("abc"), us, options.confirm_within)]);
    assert_eq!(client.confirm_policy("web").await.unwrap().by, Some(us));
    assert_eq!(client.remove_policy("web").await.unwrap().by, Some(us));

    let order = OrderRequest {
        scope: OrderScope::Credential { secret: "volume/creds".into(), workload: None },
        cut_off: true,
        until: None,
        owner: "oncall".into(),
        reason: "INC-1".into(),
    };
    let row = client.contain(order.clone()).await.unwrap();
    assert_eq!((row.by, row.scope, row.cut_off), (us, order.scope, true));
    client.unload().await.unwrap();
    agent.stop().await;
}

#[tokio::test]
async fn a_question_about_policies_is_answered_beside_all_others() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    assert_eq!(client.policy_status().await.unwrap().pending, ["shop/web-1/app"]);
    let texts = client.policy_texts().await.unwrap();
    assert_eq!(
        (&*texts.texts[0].names, &texts.texts[0].text),
        (&["shop/web".to_owned()][..], &text("kind: x"))
    );
    assert_eq!((&*texts.accepted[0].exception, texts.accepted[0].at.as_nanos()), ("web ex: any", 7));
    assert_eq!(client.doctor().await.unwrap().kernel, "6.12");
    assert_eq!(client.explain("e-1").await.unwrap().event, "e-1");
    assert_eq!(client.orders().await.unwrap(), []);
    let dry = ApplyOptions { dry_run: true, confirm_within: None };
    assert_eq!(client.apply_policy(text(""), dry).await.unwrap(), []);
    let error = client.policies().await.unwrap_err();
    assert_eq!(error.to_string(), "the agent is still starting: try again in a moment");
    let error = client.release("o-7").await.unwrap_err();
    assert!(
        matches!(&error, ClientError::BadQuestion(text) if text == "no order o-7 is in force"),
        "{error:?}"
    );
    agent.stop().await;
}

#[tokio::test]
async fn a_refusal_arrives_with_all_its_lines_and_a_huge_one_says_that_it_is_cut() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let mut refusal = async |lines: usize| {
        let refused = client.apply_policy(text(format!("refuse {lines}")), ApplyOptions::default()).await;
        match refused {
            Err(ClientError::BadQuestion(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    let whole = refusal(1_000).await;
    assert_eq!(whole.lines().count(), 1_000);
    assert_eq!(whole.lines().last(), Some("web.yaml:1000:1: spec: größer als erlaubt"));
    let cut = refusal(100_000).await;
    assert!(cut.len() <= 66_000);
    assert_eq!(cut.lines().last(), Some("(the rest is left out)"));
    assert!(cut.lines().rev().skip(1).all(|line| line.ends_with("erlaubt")), "no line is cut in two");
    agent.stop().await;
}

#[tokio::test]
async fn the_largest_policy_passes_and_a_larger_one_does_not() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let options = ApplyOptions::default();
    let rows = client.apply_policy(text("x".repeat(MAX_POLICY_BYTES)), options).await.unwrap();
    assert_eq!(rows[0].rules, MAX_POLICY_BYTES as u64);
    let larger = client.apply_policy(text("x".repeat(MAX_POLICY_BYTES + (1 << 20))), options).await;
    assert!(larger.is_err());
    assert_eq!(client.doctor().await.unwrap().kernel, "6.12", "the connection survives it");
    agent.stop().await;
}
