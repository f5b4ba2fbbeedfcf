//! Client and server over a real socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "serving/containment.rs"]
mod containment;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cofferdam_api::{
    Backend, BackendError, BindError, Client, ClientError, Doctor, Ending, Event, Live, Rows, Socket, Status,
    serve,
};
use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, Completeness, ConnectionRow, DetectionRow, Filter, LossReason, LossRow,
    Peer, SecretRow, Verdict, WallTime, WorkloadRow,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Answers with as many rows as the filter's limit says; questions about `nonsense` are refused, about `cut` cut off.
struct Fake {
    live: Live,
    closed: AtomicBool,
    pushed: AtomicU64,
}

fn row(number: u64) -> AccessRow {
    serde_json::from_value(serde_json::json!({
        "id": number.to_string(), "first": "2026-11-22T05:00:00Z", "last": "2026-11-22T05:00:00Z", "count": 1,
        "workload": "shop/web-1/app", "namespace": "shop", "pod": "web-1", "container": "app",
        "container_id": null, "cgroup": null, "binary": "/bin/app", "binary_inode": null, "binary_origin": "image",
        "interpreter": null, "pid": 1, "process_start": null,
        "boot_id": "0a1b2c3d-1111-2222-3333-444455556666", "ppid": null, "uid": 0, "exec_session": false,
        "secret": "volume/creds", "secret_kind": "secret-volume", "secret_uid": null, "key": "password",
        "how": "open", "mode": "read", "target": null, "verdict": "allowed", "denied_by": null,
        "enforced_by": "observe-only", "policy": null, "rule": null, "exception": false,
        "generation": 0, "order": null, "image": null, "labels": {}
    }))
    .unwrap()
}

fn refused(second: i64) -> AccessRow {
    let at = WallTime::from_nanos(second * 1_000_000_000);
    AccessRow { first: at, last: at, verdict: Verdict::Denied, ..row(1) }
}

fn attempt(second: i64) -> AttemptRow {
    serde_json::from_value(serde_json::json!({
        "id": "a", "at": WallTime::from_nanos(second * 1_000_000_000), "workload": null, "namespace": null,
        "pod": null, "container": null, "container_id": null, "cgroup": null, "binary": null, "binary_inode": null,
        "binary_origin": "unknown", "interpreter": null, "pid": null, "process_start": null,
        "boot_id": "0a1b2c3d-1111-2222-3333-444455556666", "ppid": null, "uid": null, "exec_session": null,
        "what": "bpf", "object": "prog_load", "object_inode": null, "object_origin": null, "verdict": "denied",
        "denied_by": "us", "enforced_by": "lsm", "policy": null, "rule": null, "exception": false, "generation": 0
    }))
    .unwrap()
}

fn loss(count: u64) -> Event {
    let now = WallTime::from_nanos(0);
    LossRow {
        since: now,
        until: now,
        hook: "open".into(),
        workload: None,
        reason: LossReason::RingFull,
        count,
    }
    .into()
}

fn ending() -> Ending {
    Ending {
        completeness: Completeness {
            complete: true,
            lost: 0,
            over_budget: 0,
            unknown_workloads: 0,
            seen_since: None,
            sources: vec!["test".into()],
            reasons: vec![],
        },
        since: None,
        until: None,
    }
}

impl Backend for Fake {
    fn admits(&self, peer: Peer) -> Result<(), String> {
        let closed = self.closed.load(Ordering::Relaxed) || peer.pid != std::process::id();
        if closed { Err("nobody is answered".to_owned()) } else { Ok(()) }
    }

    fn accesses(&self, filter: &Filter, rows: &mut Rows<'_, AccessRow>) -> Result<Ending, BackendError> {
        if filter.workload.as_deref() == Some("nonsense") {
            return Err(BackendError::BadQuestion("no such glob".into()));
        }
        for number in 0..filter.limit.unwrap_or(0) {
            rows.push(row(number))?;
            self.pushed.fetch_add(1, Ordering::Relaxed);
        }
        assert_ne!(filter.workload.as_deref(), Some("cut"), "dies before the ending, as the test asks");
        Ok(ending())
    }

    fn connections(&self, _: &Filter, _: &mut Rows<'_, ConnectionRow>) -> Result<Ending, BackendError> {
        Err(BackendError::Failed("the journal is on fire".into()))
    }

    fn attempts(&self, _: &Filter, rows: &mut Rows<'_, AttemptRow>) -> Result<Ending, BackendError> {
        rows.push(attempt(1))?;
        Ok(ending())
    }

    fn denials(&self, filter: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError> {
        let accesses = ending().after(vec![refused(2), refused(4)]);
        let attempts = ending().after(vec![attempt(3), attempt(5)]);
        rows.denials(accesses, ending().after(Vec::new()), attempts, filter.limit)
    }

    fn audits(&self, _: &Filter, _: &mut Rows<'_, AuditRow>) -> Result<Ending, BackendError> {
        Err(BackendError::NotReady)
    }

    fn detections(&self, _: &Filter, _: &mut Rows<'_, DetectionRow>) -> Result<Ending, BackendError> {
        Ok(ending())
    }

    fn timeline(&self, _: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError> {
        rows.push(row(1).into())?;
        rows.push(loss(3))?;
        Ok(ending())
    }

    fn workloads(&self, _: &Filter, _: &mut Rows<'_, WorkloadRow>) -> Result<Ending, BackendError> {
        Err(BackendError::NotReady)
    }

    fn secrets(&self, _: &Filter, _: &mut Rows<'_, SecretRow>) -> Result<Ending, BackendError> {
        Ok(ending())
    }

    fn status(&self) -> Result<Status, BackendError> {
        Err(BackendError::NotReady)
    }

    fn doctor(&self) -> Result<Doctor, BackendError> {
        Ok(Doctor {
            kernel: "6.12".into(),
            tier: None,
            reasons: vec![],
            hooks: vec![],
            checks: vec![],
            blind_spots: vec![],
        })
    }

    fn live(&self) -> &Live {
        &self.live
    }
}

struct Agent {
    path: PathBuf,
    backend: Arc<Fake>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/agent.sock");
        let socket = Socket::bind(&path).unwrap();
        let backend =
            Arc::new(Fake { live: Live::new(8), closed: AtomicBool::default(), pushed: AtomicU64::new(0) });
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn({
            let backend = Arc::clone(&backend);
            async move {
                let stopped = async {
                    let _ = stopped.await;
                };
                serve(socket, backend, stopped).await.unwrap();
            }
        });
        Self { path, backend, stop, serving, _folder: folder }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.path).await.unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), self.serving).await.unwrap().unwrap();
        assert!(!self.path.exists(), "the socket is removed");
        assert_eq!(fs::read_dir(self.path.parent().unwrap()).unwrap().count(), 0, "nothing is left behind");
    }
}

fn at_most(limit: u64) -> Filter {
    Filter { limit: Some(limit), ..Filter::default() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn who_was_not_admitted_when_it_connected_is_refused_whatever_it_asks() {
    let agent = Agent::start();
    let mut early = agent.client().await;
    early.doctor().await.unwrap();
    agent.backend.closed.store(true, Ordering::Relaxed);
    let mut late = agent.client().await;
    let refused =
        |error: &ClientError| matches!(error, ClientError::Refused(why) if why == "nobody is answered");
    assert!(late.doctor().await.is_err_and(|error| refused(&error)));
    assert!(late.accesses(&at_most(1)).await.is_err_and(|error| refused(&error)));
    assert!(late.unload().await.is_err_and(|error| refused(&error)));
    early.doctor().await.unwrap();
    agent.stop().await;
}

#[tokio::test]
async fn a_large_answer_arrives_whole_in_order_and_in_chunks() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let mut replies = client.accesses(&at_most(12_345)).await.unwrap();
    let (mut chunks, mut rows) = (0, Vec::new());
    while let Some(chunk) = replies.next().await.unwrap() {
        assert!(chunk.len() <= 500);
        chunks += 1;
        rows.extend(chunk);
    }
    assert_eq!(replies.ending().unwrap(), ending());
    assert!(chunks >= 25, "{chunks}");
    assert!((0..12_345).map(row).eq(rows));
    agent.stop().await;
}

#[tokio::test]
async fn an_asker_that_goes_away_stops_the_query() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let mut replies = client.accesses(&at_most(u64::MAX)).await.unwrap();
    replies.next().await.unwrap();
    drop(replies);
    drop(client);
    let mut before = u64::MAX;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = agent.backend.pushed.load(Ordering::Relaxed);
        if now == before {
            agent.stop().await;
            return;
        }
        before = now;
    }
    panic!("the query still runs");
}

#[tokio::test]
async fn refusals_say_whose_fault_it_is() {
    let agent = Agent::start();
    let mut client = agent.client().await;

    let nonsense = Filter { workload: Some("nonsense".into()), ..Filter::default() };
    let error = client.accesses(&nonsense).await.unwrap().collect().await.unwrap_err();
    assert!(matches!(&error, ClientError::BadQuestion(text) if text == "no such glob"), "{error:?}");

    let error = client.connections(&Filter::default()).await.unwrap().collect().await.unwrap_err();
    assert_eq!(error.to_string(), "the agent could not answer: the journal is on fire");

    let error = client.workloads(&Filter::default()).await.unwrap().collect().await.unwrap_err();
    assert_eq!(error.to_string(), "the agent is still starting: try again in a moment");

    let error = client.status().await.unwrap_err();
    assert_eq!(error.to_string(), "the agent is still starting: try again in a moment");

    assert_eq!(client.doctor().await.unwrap().kernel, "6.12");
    let timeline = client.timeline(&Filter::default()).await.unwrap().timeline().await.unwrap();
    assert_eq!((timeline.accesses.len(), timeline.losses.len()), (1, 1));
    agent.stop().await;
}

#[tokio::test]
async fn denials_of_every_kind_come_in_the_order_in_which_they_happened() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let attempts = client.attempts(&Filter::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(attempts.rows, [attempt(1)]);
    let denials = client.denials(&Filter::default()).await.unwrap().collect().await.unwrap();
    let all: [Event; 4] = [refused(2).into(), attempt(3).into(), refused(4).into(), attempt(5).into()];
    assert_eq!(denials.rows, all);
    let latest = client.denials(&at_most(3)).await.unwrap().collect().await.unwrap();
    assert_eq!(latest.rows, all[1..]);
    let error = client.audits(&Filter::default()).await.unwrap().collect().await.unwrap_err();
    assert_eq!(error.to_string(), "the agent is still starting: try again in a moment");
    agent.stop().await;
}

#[tokio::test]
async fn a_watcher_sees_what_it_asked_for_and_is_told_what_it_missed() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let other = Filter { workload: Some("other/*".into()), ..Filter::default() };
    let mut watch = client.watch(&other).await.unwrap();
    while agent.backend.live.watchers() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    agent.backend.live.publish(row(1).into());
    agent.backend.live.publish(loss(7));
    let batch = watch.next().await.unwrap().unwrap();
    assert_eq!((batch.events, batch.missed), (vec![loss(7)], 0));

    // No await between these: on one thread nobody can read in between, and the tap keeps eight.
    for count in 0..20 {
        agent.backend.live.publish(loss(count));
    }
    let batch = watch.next().await.unwrap().unwrap();
    assert_eq!(batch.missed, 12);
    assert_eq!(batch.events, (12..20).map(loss).collect::<Vec<_>>());

    agent.stop.send(()).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(1), watch.next()).await;
    assert!(matches!(end, Ok(Ok(None))), "the stop ends a watch at once: {end:?}");
    agent.serving.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told_from_a_whole_one() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let cut = Filter { workload: Some("cut".into()), limit: Some(600), ..Filter::default() };
    let mut replies = client.accesses(&cut).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap().len(), 500);
    assert!(matches!(replies.next().await, Err(ClientError::BrokenOff)));
    agent.stop().await;
}

#[tokio::test]
async fn nobody_there_is_told_with_the_path_and_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sock");
    let error = Client::connect(&path).await.unwrap_err();
    assert_eq!(error.path, path);
    assert_eq!(error.source.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn the_socket_is_private_and_its_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/agent.sock");
    let socket = Socket::bind(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o755);
    assert_eq!(socket.path(), path);
    drop(socket);
    assert!(!path.exists());
}

#[test]
fn a_second_agent_is_refused_and_a_dead_ones_socket_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");

    let first = Socket::bind(&path).unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindError::Taken(_))));
    assert!(path.exists(), "the living one is not disturbed");
    drop(first);

    // A listener without a lock: some other program's, or an agent's from before there were locks.
    let foreign = UnixListener::bind(&path).unwrap();
    assert!(matches!(Socket::bind(&path), Err(BindError::Taken(_))));
    drop(foreign);
    assert!(path.exists(), "a killed agent leaves its socket");
    drop(Socket::bind(&path).unwrap());

    fs::write(&path, "precious").unwrap();
    let error = Socket::bind(&path).unwrap_err();
    assert!(matches!(error, BindError::NotASocket(_)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_path_that_is_too_long_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(120));
    let error = Socket::bind(&path).unwrap_err();
    assert!(matches!(error, BindError::Io { .. }), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}
