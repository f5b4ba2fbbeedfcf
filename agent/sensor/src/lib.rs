//! From the kernel's hooks to typed events, and from decisions to the kernel's tables.
//!
//! This crate and the programs in `ebpf/` are the only ones that know what the kernel looks like. It interprets
//! nothing: who a cgroup is and what a secret is called is inventory.

mod attach;
mod batch;
mod btf;
mod carry;
mod claim;
mod decode;
mod links;
mod load;
mod offsets;
mod pins;
pub mod probe;
mod query;
mod resolve;
mod rings;
mod selftest;
pub mod sockets;
mod tables;

use std::path::{Path, PathBuf};

pub use attach::{
    ATTACH_POINTS, AttachPoint, AttachState, AttachTo, BLIND_SPOTS, BlindSpot, HookReport, Tier,
};
pub use btf::BtfError;
pub use carry::{Carried, refused_by_others};
pub use cofferdam_abi as abi;
use cofferdam_model::WorkloadId;
pub use decode::{Event, MalformedRecord, Stamp, decode};
use links::Links;
pub use load::LoadError;
pub use offsets::OffsetError;
pub use pins::{retire, unload};
pub use query::{FileFacts, Query, QueryError};
pub use resolve::Root;
pub use rings::Rings;
pub use selftest::SelfTestError;
pub use tables::{
    Budgets, Counter, Generation, Level, Residents, TableError, Tables, Watch, abi_inode, model_inode,
    object_of, object_of_all,
};

/// What the sensor needs to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of the pins, on a bpffs.
    pub pin_dir: PathBuf,
    /// Mount point of the cgroup v2 hierarchy.
    pub root_cgroup: PathBuf,
    /// What one workload may send in a second.
    pub budgets: Budgets,
}

/// Why the sensor could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Loading or attaching failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A table is missing or refuses.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The hooks do not report what the system says.
    #[error(transparent)]
    SelfTest(#[from] SelfTestError),
}

/// The attached kernel side, in its three parts.
pub struct Sensor {
    /// Tables.
    pub tables: Tables,
    /// Rings.
    pub rings: Rings,
    /// Questions.
    pub query: Query,
    /// What became of each attach point.
    pub hooks: Vec<HookReport>,
    /// The tier.
    pub tier: Tier,
    /// Why no better tier works here.
    pub no_better: Option<String>,
    /// Tables of an agent before were found and are used on: its counters go on.
    pub resumed: bool,
    /// What was taken over from other versions: to be told, then they may be retired.
    pub carried: Vec<Carried>,
    /// Events that stood in the rings before or came during the self-test: the first to be handled.
    pub pending: Vec<Event>,
}

impl Sensor {
    /// Loads, attaches, takes over from a previous agent if there is one, and proves itself.
    ///
    /// # Errors
    /// If the kernel lacks what is needed, refuses a required hook, or the self-test fails.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let mut loaded = load::load(&config.pin_dir, &config.root_cgroup)?;
        let (carried, pending) = loaded.activate(&config.pin_dir)?;
        let (tier, no_better) = (loaded.tier, loaded.no_better);
        let (hooks, resumed) = (loaded.hooks, loaded.resumed);
        let mut ebpf = loaded.ebpf;
        let links = Links::open(&ebpf, loaded.links_dir, &config.root_cgroup)?;
        let mut tables = Tables::take(&mut ebpf)?;
        let rings = Rings::take(&mut ebpf)?;
        let mut query = Query::new(ebpf, links)?;
        tables.set_budgets(config.budgets)?;
        tables.provide_workload(WorkloadId::UNKNOWN)?;
        // Process 1 tells the host's mount namespace: what runs there is no container.
        if let Err(error) = query.adopt(1) {
            tracing::warn!(%error, "the host's mount namespace is not known; binaries of the host are reported as unknown");
        }
        let mut sensor = Self { tables, rings, query, hooks, tier, no_better, resumed, carried, pending };
        selftest::run(&mut sensor)?;
        give_back_memory();
        Ok(sensor)
    }
}

/// The kernel's type information and the object took some twenty megabytes to read, once: glibc keeps freed memory
/// unless it is told that no more is wanted.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called at any time from any thread; it only returns free pages.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Whether a folder lies on a bpffs.
pub fn is_bpffs(path: &Path) -> bool {
    nix::sys::statfs::statfs(path)
        .is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::BPF_FS_MAGIC)
}
