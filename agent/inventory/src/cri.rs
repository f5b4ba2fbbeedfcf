//! Names from the container runtime, over CRI's unix socket.
//!
//! Only lists: containers, sandboxes and the runtime's version; never a verbose status, which would carry
//! environments. A runtime that is not there, goes away or comes back is a status, not a failure: the node keeps its
//! identities from cgroup paths meanwhile.

mod listing;
pub mod rpc;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_model::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use listing::Listing;
use rpc::{Connection, RpcError};

/// Sockets that are tried, in this order, where none is configured.
pub const SOCKETS: &[&str] = &[
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
];

/// Listed at least this often.
pub const PERIOD: Duration = Duration::from_secs(30);
/// A listing that was asked for is repeated after these times: CRI lists a sandbox up to 0.3 s after its cgroup.
const FOLLOW_UPS: [Duration; 3] =
    [Duration::from_millis(150), Duration::from_millis(400), Duration::from_secs(1)];
/// No two listings follow closer than this.
const GAP: Duration = Duration::from_millis(50);
/// Characters that are kept of a runtime's name and version.
const VERSION_MAX: usize = 80;
/// Waits between attempts to reach a runtime grow from here ...
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// ... to here.
const BACKOFF_LAST: Duration = Duration::from_secs(15);

/// What `status` says of the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CriStatus {
    /// No listing has been tried yet.
    Starting,
    /// It answers.
    Connected {
        /// Its socket.
        socket: PathBuf,
        /// Name and version, as it gives them.
        runtime: String,
    },
    /// It does not; what is tried again.
    Unreachable {
        /// Why, for each socket.
        reason: String,
    },
}

impl std::fmt::Display for CriStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Starting => f.write_str("not asked yet"),
            Self::Connected { socket, runtime } => write!(f, "{runtime} at {}", socket.display()),
            Self::Unreachable { reason } => {
                write!(f, "no runtime answers ({reason}): pods and containers are known by id; trying again")
            }
        }
    }
}

/// A client of the first runtime that answers.
#[derive(Debug)]
pub struct CriClient {
    sockets: Vec<PathBuf>,
    connected: Option<Connected>,
}

#[derive(Debug)]
struct Connected {
    connection: Connection,
    runtime: Runtime,
    version: String,
}

impl CriClient {
    /// A client that tries these sockets in order.
    pub fn new(sockets: Vec<PathBuf>) -> Self {
        Self { sockets, connected: None }
    }

    /// A client of the runtimes' usual sockets.
    pub fn of_usual_sockets() -> Self {
        Self::new(SOCKETS.iter().map(PathBuf::from).collect())
    }

    /// What exists now. After an error the next call connects anew.
    pub async fn list(&mut self) -> Result<Listing, CriStatus> {
        let mut connected = match self.connected.take() {
            Some(connected) => connected,
            None => self.connect().await?,
        };
        match list(&mut connected).await {
            Ok(listing) => {
                self.connected = Some(connected);
                Ok(listing)
            }
            Err(error) => Err(CriStatus::Unreachable { reason: error.to_string() }),
        }
    }

    /// The state after the last call.
    pub fn status(&self) -> CriStatus {
        match &self.connected {
            Some(Connected { connection, version, .. }) => {
                CriStatus::Connected { socket: connection.socket().to_owned(), runtime: version.clone() }
            }
            None => CriStatus::Starting,
        }
    }

    async fn connect(&self) -> Result<Connected, CriStatus> {
        let mut reasons = Vec::new();
        for socket in &self.sockets {
            if !socket.exists() {
                continue;
            }
            match Connection::open(socket).await {
                Ok(connection) => match version(connection).await {
                    Ok(connected) => return Ok(connected),
                    Err(error) => reasons.push(error.to_string()),
                },
                Err(error) => reasons.push(error.to_string()),
            }
        }
        if reasons.is_empty() {
            let sockets: Vec<_> = self.sockets.iter().map(|socket| socket.to_string_lossy()).collect();
            reasons.push(format!("no socket at {}", sockets.join(", ")));
        }
        Err(CriStatus::Unreachable { reason: reasons.join("; ") })
    }
}

async fn version(mut connection: Connection) -> Result<Connected, RpcError> {
    let method = "/runtime.v1.RuntimeService/Version";
    let told: wire::VersionResponse = connection.call(method, wire::VersionRequest {}, rpc::TIMEOUT).await?;
    Ok(Connected { connection, runtime: listing::runtime_named(&told.runtime_name), version: shown(&told) })
}

/// Name and version in one line of bounded length, whatever the runtime calls itself.
fn shown(told: &wire::VersionResponse) -> String {
    let text = format!("{} {}", told.runtime_name, told.runtime_version);
    text.chars().filter(|c| !c.is_control()).take(VERSION_MAX).collect()
}

async fn list(connected: &mut Connected) -> Result<Listing, RpcError> {
    let connection = &mut connected.connection;
    let method = "/runtime.v1.RuntimeService/ListPodSandbox";
    let sandboxes: wire::ListPodSandboxResponse =
        connection.call(method, wire::ListPodSandboxRequest {}, rpc::TIMEOUT).await?;
    let method = "/runtime.v1.RuntimeService/ListContainers";
    let containers: wire::ListContainersResponse =
        connection.call(method, wire::ListContainersRequest {}, rpc::TIMEOUT).await?;
    Ok(listing::listing(containers.containers, sandboxes.items, connected.runtime))
}

/// Keeps listing until `listings` is closed: every [`PERIOD`], and at once and a few times more after each `ask` (a
/// container's cgroup has appeared that has no name). `status` always holds what was last found.
pub async fn follow(
    mut client: CriClient,
    mut ask: mpsc::Receiver<()>,
    listings: mpsc::Sender<Listing>,
    status: watch::Sender<CriStatus>,
) {
    let mut backoff = BACKOFF_FIRST;
    let mut asked_at = None;
    loop {
        let now = Instant::now();
        let wait = match client.list().await {
            Ok(listing) => {
                backoff = BACKOFF_FIRST;
                status.send_replace(client.status());
                if listings.send(listing).await.is_err() {
                    return;
                }
                until_next(asked_at.map(|asked: Instant| now - asked))
            }
            Err(unreachable) => {
                status.send_replace(unreachable);
                let wait = backoff;
                backoff = (backoff * 2).min(BACKOFF_LAST);
                // Who asks now does not make a runtime come back: the wait stands.
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = listings.closed() => return,
                }
                continue;
            }
        };
        tokio::time::sleep(GAP).await;
        tokio::select! {
            () = tokio::time::sleep(wait.saturating_sub(GAP)) => {}
            asked = ask.recv() => match asked {
                Some(()) => {
                    while ask.try_recv().is_ok() {}
                    asked_at = Some(Instant::now());
                }
                // Nobody asks any more; the period goes on.
                None => tokio::time::sleep(wait).await,
            },
            () = listings.closed() => return,
        }
    }
}

/// How long to wait before the next listing, so long after someone asked.
fn until_next(since_asked: Option<Duration>) -> Duration {
    let Some(since) = since_asked else { return PERIOD };
    let mut due = Duration::ZERO;
    for step in FOLLOW_UPS {
        due += step;
        if due > since {
            return due - since;
        }
    }
    PERIOD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_runtime_that_is_not_there_is_a_status_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent.sock");
        let dead = folder.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        runtime().block_on(async {
            let told = CriClient::new(vec![absent.clone()]).list().await.unwrap_err().to_string();
            assert!(told.contains("no socket at") && told.contains("absent.sock"), "{told}");
            let told = CriClient::new(vec![absent, dead]).list().await.unwrap_err().to_string();
            assert!(told.contains("dead.sock") && told.contains("refused"), "{told}");
        });
    }

    #[test]
    fn following_goes_on_without_a_runtime_and_ends_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let client = CriClient::new(vec![folder.path().join("absent.sock")]);
        runtime().block_on(async {
            let (_ask, asked) = mpsc::channel(1);
            let (listings, received) = mpsc::channel(1);
            let (status, mut seen) = watch::channel(CriStatus::Starting);
            let following = tokio::spawn(follow(client, asked, listings, status));
            seen.changed().await.unwrap();
            assert!(matches!(*seen.borrow(), CriStatus::Unreachable { .. }));
            drop(received);
            tokio::time::timeout(Duration::from_secs(5), following).await.unwrap().unwrap();
        });
    }

    #[test]
    fn what_was_asked_for_is_repeated_a_few_times() {
        let millis = |since: u64| until_next(Some(Duration::from_millis(since))).as_millis();
        assert_eq!((millis(0), millis(150), millis(600)), (150, 400, 950));
        assert_eq!(until_next(Some(Duration::from_secs(2))), PERIOD);
        assert_eq!(until_next(None), PERIOD);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_version_of_one_short_line_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(told) = wire::VersionResponse::decode(bytes.as_slice()) {
                let shown = shown(&told);
                prop_assert!(shown.chars().count() <= VERSION_MAX && !shown.chars().any(char::is_control));
            }
        }

        #[test]
        fn whatever_a_runtime_calls_itself_is_one_short_line(name in any::<String>(), version in "\\PC{0,200}") {
            let told = wire::VersionResponse { runtime_name: name, runtime_version: version };
            let told = wire::VersionResponse::decode(told.encode_to_vec().as_slice()).unwrap();
            let shown = shown(&told);
            prop_assert!(shown.chars().count() <= VERSION_MAX && !shown.chars().any(char::is_control));
        }
    }
}
