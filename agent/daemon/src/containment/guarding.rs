//! Tracepoint tier: has the guard hold back opens of the secrets that a rule denies.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_guard::{Client, ClientError, State, What};

use crate::pipeline::Pipeline;
use crate::secrets::Spot;

/// The guard's binary, beside the agent's.
const BINARY: &str = "cofferdam-guard";

/// The agent's side of the guard.
pub struct Guarding {
    binary: PathBuf,
    socket: PathBuf,
    client: Option<Client>,
    marked: BTreeSet<Marked>,
    /// Why it does not do its work, if it does not.
    trouble: Option<String>,
    /// How often it was found to be gone while it was needed.
    gaps: u64,
    /// What it has told of itself last.
    state: Option<State>,
}

/// A place as it was when it was marked: another file at the same path has no mark. Device and number alone are not
/// enough, because numbers are given again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Marked {
    spot: Spot,
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Marked {
    /// `None` if nothing is there.
    fn of(spot: &Spot) -> Option<Self> {
        let found = std::fs::metadata(&spot.path).ok()?;
        // What is done within a file system does not change whether it is marked.
        let changed = if spot.whole { (0, 0) } else { (found.ctime(), found.ctime_nsec()) };
        Some(Self { spot: spot.clone(), device: found.dev(), inode: found.ino(), changed })
    }
}

/// Why a place cannot be marked, if it cannot.
///
/// # Errors
/// If the guard does not answer.
fn mark(client: &mut Client, place: &Spot) -> Result<Option<ClientError>, ClientError> {
    let what = if place.whole { What::Filesystem } else { What::File };
    match client.mark_path(what, &place.path) {
        Ok(()) => Ok(None),
        Err(refused @ ClientError::Refused { .. }) => Ok(Some(refused)),
        Err(error) => Err(error),
    }
}

/// Ends the guard that an agent on this socket has left, if there is one.
///
/// # Errors
/// If it is there and does not end.
pub fn end(agent_socket: &Path) -> Result<(), ClientError> {
    match Client::connect(&beside(agent_socket)) {
        Ok(client) => client.end(),
        Err(ClientError::Absent { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn beside(agent_socket: &Path) -> PathBuf {
    agent_socket.with_file_name("guard.sock")
}

impl Guarding {
    /// It listens beside the agent's socket.
    pub fn new(agent_socket: &Path) -> Self {
        let own = std::env::current_exe().unwrap_or_default();
        Self {
            binary: own.with_file_name(BINARY),
            socket: beside(agent_socket),
            client: None,
            marked: BTreeSet::new(),
            trouble: None,
            gaps: 0,
            state: None,
        }
    }

    /// Whether it holds back opens now.
    pub fn is_up(&self) -> bool {
        self.client.is_some() && self.trouble.is_none()
    }

    /// Why it does not do its work.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How often it was found to be gone while it was needed.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// What it has done, as it told at the last look; `None`: it is not needed, or not there.
    pub fn state(&self) -> Option<State> {
        self.state.filter(|_| self.client.is_some())
    }

    /// Sees to it that these places are held back; `true` if whether it works has changed.
    pub fn hold(&mut self, places: &BTreeSet<Spot>, pipeline: &mut Pipeline) -> bool {
        let was = self.is_up();
        if places.is_empty() && self.client.is_none() {
            return false;
        }
        let held = self.try_to_hold(places, pipeline);
        if held.is_err() {
            self.client = None;
            self.marked.clear();
        }
        let trouble = match held {
            Ok(None) => None,
            Ok(Some(refused)) => Some(refused.to_string()),
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(told) = trouble.as_ref().filter(|told| self.trouble.as_ref() != Some(told)) {
            tracing::error!("opens of secrets are seen, not denied: {told}");
        }
        self.trouble = trouble;
        was != self.is_up()
    }

    /// The last place that could not be marked, if one could not: the others are held back all the same.
    fn try_to_hold(
        &mut self,
        places: &BTreeSet<Spot>,
        pipeline: &mut Pipeline,
    ) -> anyhow::Result<Option<ClientError>> {
        match self.client.as_mut().map(|client| client.state()) {
            Some(Ok(state)) => self.state = Some(state),
            gone => {
                self.gaps += u64::from(gone.is_some());
                self.begin(pipeline)?;
            }
        }
        let Some(client) = &mut self.client else { return Ok(None) };
        let (mut marked, mut refused) = (BTreeSet::new(), None);
        for place in places {
            // Looked at before it is marked: if it is replaced in between, it is marked once more.
            let found = Marked::of(place);
            let Some(found) = found else {
                // Unmounted or deleted here, it may be in a container still; then so is its mark.
                let before = self.marked.iter().filter(|it| it.spot == *place).cloned().collect::<Vec<_>>();
                if before.is_empty() {
                    refused = mark(client, place)?.or(refused);
                }
                marked.extend(before);
                continue;
            };
            if !self.marked.contains(&found)
                && let Some(error) = mark(client, place)?
            {
                refused = Some(error);
                continue;
            }
            marked.insert(found);
        }
        self.marked = marked;
        Ok(refused)
    }

    /// Finds the guard of an agent before, or starts one, and hands it our rules.
    fn begin(&mut self, pipeline: &mut Pipeline) -> anyhow::Result<()> {
        self.marked.clear();
        let mut client = match Client::connect(&self.socket) {
            Ok(client) => client,
            Err(_) => Client::start(&self.binary, &self.socket)?,
        };
        let pid = client.state()?.pid;
        if let Err(error) = pipeline.tables.set_guard(pid) {
            tracing::error!(%error, "the kernel was not told who the guard is");
        }
        // A guard without rules holds nothing back.
        client.hand_over(pipeline.query.guard_program()?)?;
        self.client = Some(client);
        Ok(())
    }

    /// Ends the guard: what it held back passes from now on.
    pub fn end(&mut self) {
        if let Some(client) = self.client.take()
            && let Err(error) = client.end()
        {
            tracing::warn!(%error, "the guard did not end as asked");
        }
    }
}
