//! Loading and attaching: programs, globals, pins, hand-over from a previous agent.
//!
//! A new agent reuses the maps, attaches its own programs beside the old ones, flips the one slot that says which
//! generation speaks, and only then drops the old links: never a moment with neither, never an event twice. From another
//! version it carries over what the tables hold before it flips that slot in its own: see [`crate::carry`].

use std::fs;
use std::path::{Path, PathBuf};

use aya::maps::Array;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{BtfTracePoint, Lsm, Program, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};
use cofferdam_abi::fields::ABSENT;
use cofferdam_abi::map::{CARRIED_SINCE, control};

use crate::attach::{ATTACH_POINTS, AttachPoint, AttachState, AttachTo, HookReport, Tier};
use crate::carry::{Carried, Carrier, collect};
use crate::claim::{claim, folder_of_pins};
use crate::decode::Event;
use crate::links;
use crate::offsets::{self, OffsetError};
use crate::pins::{Version, make_dir, read_dir, remove_tree};

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("COFFERDAM_BPF_OBJECT"));

/// Why the kernel side could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Field offsets could not be resolved.
    #[error(transparent)]
    Offsets(#[from] OffsetError),
    /// The kernel's BTF could not be read by the loader.
    #[error("cannot read the kernel's BTF: {0}")]
    Btf(#[from] aya::BtfError),
    /// Maps could not be made or reused.
    #[error("cannot create the kernel tables (pins in {dir}): {source}")]
    Maps {
        /// Folder of the pins.
        dir: PathBuf,
        /// Why.
        source: Box<aya::EbpfError>,
    },
    /// A hook without which the agent is blind was refused.
    #[error(
        "the kernel refused {program} at {place}: {reason}. Without it: {without}. \
         `cofferdam doctor` says what this host lacks; where it lacks nothing, boot a kernel that the README names, \
         and report this message with the output of `uname -a`"
    )]
    Required {
        /// The program.
        program: &'static str,
        /// Attach point.
        place: String,
        /// The kernel's words.
        reason: String,
        /// What is lost.
        without: &'static str,
    },
    /// Programs of ours enforce more than these would.
    #[error(
        "the lsm tier does not work for this agent ({reason}), but the one before it enforces by it, and goes on to. \
         Start this one again, or the one that was here before; `cofferdamd --unload` lifts what is enforced"
    )]
    Weaker {
        /// Why the tier does not work.
        reason: String,
    },
    /// A pinned map is not what this version expects.
    #[error(
        "the pinned table {path} is {found}, expected {expected}. Unload the agent that made it (`cofferdamd --unload`)"
    )]
    Pin {
        /// The pin.
        path: PathBuf,
        /// What lies there.
        found: String,
        /// What should.
        expected: String,
    },
    /// A file system operation on the pins failed.
    #[error("cannot {what} {path}: {source}")]
    PinDir {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Any other refusal.
    #[error("cannot {what}: {reason}")]
    Other {
        /// What was being done.
        what: String,
        /// Why.
        reason: String,
    },
}

/// The loaded and attached kernel side.
pub(crate) struct Loaded {
    pub(crate) ebpf: Ebpf,
    pub(crate) tier: Tier,
    /// Why no better tier works here.
    pub(crate) no_better: Option<String>,
    pub(crate) hooks: Vec<HookReport>,
    pub(crate) generation: u64,
    /// Where its links are pinned.
    pub(crate) links_dir: PathBuf,
    /// Reused tables of an agent before.
    pub(crate) resumed: bool,
}

/// Numbers of `open`, `creat`, `openat`, `open_by_handle_at`, `openat2`; -1 where the architecture has none.
#[cfg(target_arch = "x86_64")]
const OPENS: ([i32; 5], [i32; 5]) = ([2, 85, 257, 304, 437], [5, 8, 295, 342, 437]);
#[cfg(target_arch = "aarch64")]
const OPENS: ([i32; 5], [i32; 5]) = ([-1, -1, 56, 265, 437], [-1; 5]);

/// Loads maps and programs and attaches what this kernel lets us attach. Nothing speaks before [`Loaded::activate`].
pub(crate) fn load(pin_dir: &Path, root_cgroup: &Path) -> Result<Loaded, LoadError> {
    let own = Version::own(pin_dir);
    let active = own.active()?;
    if active == 0 {
        // Left by an agent that ended before its tables were whole, or was taken over from.
        own.remove()?;
    }
    let (resumed, generation) = (active != 0, active + 1);
    let maps_dir = own.maps();
    make_dir(&maps_dir)?;

    let offsets = offsets::resolve()?;
    let mut loader = EbpfLoader::new();
    loader.default_map_pin_directory(&maps_dir);
    for (symbol, offset) in &offsets {
        loader.override_global(symbol, offset, false);
    }
    loader.override_global("GENERATION", &generation, true);
    loader.override_global("NATIVE_OPENS", &OPENS.0, false);
    loader.override_global("COMPAT_OPENS", &OPENS.1, false);
    let mut ebpf = loader
        .load(OBJECT)
        .map_err(|source| LoadError::Maps { dir: maps_dir.clone(), source: Box::new(source) })?;
    check_pins(&ebpf, &maps_dir)?;

    let links_dir = own.links().join(generation.to_string());
    if links_dir.exists() {
        // Of an agent that ended before it spoke.
        remove_tree(&links_dir)?;
    }
    make_dir(&links_dir)?;
    let btf = Btf::from_sys_fs()?;
    let attacher = Attacher { btf, links_dir, root_cgroup };
    let is_moot = |point: &AttachPoint| match point.to {
        AttachTo::LsmWith(_, field) => offsets.contains(&(field, ABSENT)),
        _ => false,
    };
    let found = find_tier(&mut ebpf, &attacher);
    let tier = match &found {
        Ok(()) => Tier::Lsm,
        Err(reason) if is_enforced_by_lsm(pin_dir)? => {
            return Err(LoadError::Weaker { reason: reason.clone() });
        }
        Err(_) => Tier::Tracepoint,
    };
    let mut hooks = Vec::new();
    for point in ATTACH_POINTS {
        let state = if is_moot(point) {
            AttachState::NotOnThisKernel
        } else if point.tiers.contains(&tier) {
            match attacher.attach(&mut ebpf, point) {
                Ok(()) => AttachState::Attached,
                Err(reason) if point.required => {
                    let place = point.to.describe();
                    return Err(LoadError::Required {
                        program: point.program,
                        place,
                        reason,
                        without: point.without,
                    });
                }
                Err(reason) => AttachState::Refused(reason),
            }
        } else if tier == Tier::Tracepoint && point.tiers == [Tier::Lsm] && !point.required {
            // What is required has another hook on this tier.
            AttachState::Refused(match attacher.load(&mut ebpf, point) {
                Ok(()) => "loads, but BPF LSM is not active".to_owned(),
                Err(reason) => reason,
            })
        } else {
            AttachState::NotOnThisTier
        };
        hooks.push(HookReport { point, state });
    }
    let links_dir = attacher.links_dir;
    Ok(Loaded { ebpf, tier, no_better: found.err(), hooks, generation, links_dir, resumed })
}

impl Loaded {
    /// Lets this generation speak, with all that another version knows if ours is new, then removes the links of all
    /// others. What other versions have left to tell, and their events.
    pub(crate) fn activate(&mut self, pin_dir: &Path) -> Result<(Vec<Carried>, Vec<Event>), LoadError> {
        let own = Version::own(pin_dir);
        let mut others = Version::others(pin_dir)?;
        let mut carrier = match self.predecessor(&mut others)? {
            Some(version) => {
                self.set(control::FOLLOWING, self.generation)?;
                Some(Carrier::open(version, &own))
            }
            None => None,
        };
        if let Some(carrier) = &mut carrier {
            carrier.copy();
        }
        claim(&mut self.ebpf, &own)?;
        self.set(control::PINS, folder_of_pins(pin_dir)?)?;
        let when = now();
        self.set(control::ACTIVE_GENERATION, self.generation)?;
        self.set(control::FOLLOWING, 0)?;
        let mut events = Vec::new();
        let mut carried: Vec<Carried> =
            carrier.into_iter().map(|carrier| carrier.finish(when, &mut events)).collect();
        // Whoever was taken over from before, by an agent that did not come to tell.
        carried.extend(others.iter().map(|version| collect(version, when, Vec::new(), &mut events)));
        self.resumed |= !carried.is_empty();
        let number = self.generation.to_string();
        for entry in read_dir(&own.links())? {
            if entry.file_name().is_some_and(|name| name.to_string_lossy() != number) {
                remove_tree(&entry)?;
            }
        }
        claim(&mut self.ebpf, &own)?;
        Ok((carried, events))
    }

    /// The version that is in charge, if our tables are not whole; it is no other any more then.
    fn predecessor(&self, others: &mut Vec<Version>) -> Result<Option<Version>, LoadError> {
        if self.resumed {
            return Ok(None);
        }
        for index in (0..others.len()).rev() {
            if others[index].number >= CARRIED_SINCE && others[index].active()? != 0 {
                return Ok(Some(others.remove(index)));
            }
        }
        Ok(None)
    }

    fn set(&mut self, slot: u32, value: u64) -> Result<(), LoadError> {
        let other =
            |reason: String| LoadError::Other { what: "hand over to the new programs".to_owned(), reason };
        let map = self.ebpf.map_mut("CONTROL").ok_or_else(|| other("no CONTROL table".to_owned()))?;
        let mut slots = Array::<_, u64>::try_from(map).map_err(|error| other(error.to_string()))?;
        slots.set(slot, value, 0).map_err(|error| other(error.to_string()))
    }
}

/// The clock of events.
fn now() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// Tries the lsm tier; the reason if it does not work. The tier is what trying tells: an LSM program that loads is not enough, its hook must run. `bpf` among the
/// active LSMs decides that (security/bpf registers its hooks only then).
fn find_tier(ebpf: &mut Ebpf, attacher: &Attacher<'_>) -> Result<(), String> {
    let list = fs::read_to_string("/sys/kernel/security/lsm")
        .map_err(|error| format!("the active LSMs are not known: /sys/kernel/security/lsm: {error}"))?;
    if !list.trim().split(',').any(|name| name == "bpf") {
        return Err(format!("`bpf` is not among the active LSMs ({})", list.trim()));
    }
    for point in ATTACH_POINTS.iter().filter(|point| makes_lsm(point)) {
        let refused = |reason| format!("the kernel refuses {}: {reason}", point.to.describe());
        attacher.load(ebpf, point).map_err(refused)?;
    }
    Ok(())
}

/// Whether it takes this hook for the lsm tier.
fn makes_lsm(point: &AttachPoint) -> bool {
    point.required && matches!(point.to, AttachTo::Lsm(_))
}

/// Whether programs of an agent before, of whatever version, hold such hooks.
fn is_enforced_by_lsm(pin_dir: &Path) -> Result<bool, LoadError> {
    let names = || ATTACH_POINTS.iter().filter(|point| makes_lsm(point)).map(|point| point.program);
    for version in Version::all(pin_dir)? {
        if version.active()? == 0 {
            continue;
        }
        for links in read_dir(&version.links())? {
            if names().any(|name| links.join(name).exists()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// How often a program is loaded while the kernel says that it was interrupted.
const TRIES: u32 = 5;

struct Attacher<'a> {
    btf: Btf,
    links_dir: PathBuf,
    root_cgroup: &'a Path,
}

impl Attacher<'_> {
    fn load(&self, ebpf: &mut Ebpf, point: &AttachPoint) -> Result<(), String> {
        let program = ebpf.program_mut(point.program).ok_or("the object has no such program")?;
        if program.fd().is_ok() {
            return Ok(());
        }
        for _ in 1..TRIES {
            match self.try_to_load(program, point) {
                Err(error) if was_interrupted(&error) => {}
                loaded => return loaded.map_err(describe),
            }
        }
        self.try_to_load(program, point).map_err(describe)
    }

    fn try_to_load(&self, program: &mut Program, point: &AttachPoint) -> Result<(), ProgramError> {
        match (point.to, program) {
            (AttachTo::Lsm(hook) | AttachTo::LsmWith(hook, _), Program::Lsm(program)) => {
                program.load(hook, &self.btf)
            }
            (AttachTo::Tracepoint(name), Program::BtfTracePoint(program)) => program.load(name, &self.btf),
            (AttachTo::RootCgroup(_), Program::CgroupSockAddr(program)) => program.load(),
            (AttachTo::RootCgroup(_), Program::CgroupSkb(program)) => program.load(),
            (AttachTo::RootCgroup(_), Program::SockOps(program)) => program.load(),
            (AttachTo::Query, Program::RawTracePoint(program)) => program.load(),
            _ => Err(ProgramError::UnexpectedProgramType),
        }
    }

    fn attach(&self, ebpf: &mut Ebpf, point: &AttachPoint) -> Result<(), String> {
        self.load(ebpf, point)?;
        let program = ebpf.program_mut(point.program).ok_or("the object has no such program")?;
        let link: FdLink = match program {
            Program::Lsm(program) => link_of_lsm(program)?,
            Program::BtfTracePoint(program) => link_of_tracepoint(program)?,
            program if matches!(point.to, AttachTo::RootCgroup(_)) => {
                links::attach(program, point, self.root_cgroup)?
            }
            _ => return Ok(()),
        };
        let path = self.links_dir.join(point.program);
        let _pinned: PinnedLink =
            link.pin(&path).map_err(|error| format!("cannot pin the link at {}: {error}", path.display()))?;
        Ok(())
    }
}

/// The verifier gives up when a signal is there for the loader (kernel/bpf/verifier.c: `-EAGAIN`).
fn was_interrupted(error: &ProgramError) -> bool {
    matches!(error, ProgramError::LoadError { io_error, .. } if io_error.kind() == std::io::ErrorKind::WouldBlock)
}

fn link_of_lsm(program: &mut Lsm) -> Result<FdLink, String> {
    let id = program.attach().map_err(describe)?;
    Ok(program.take_link(id).map_err(describe)?.into())
}

fn link_of_tracepoint(program: &mut BtfTracePoint) -> Result<FdLink, String> {
    let id = program.attach().map_err(describe)?;
    Ok(program.take_link(id).map_err(describe)?.into())
}

/// The kernel's reason, with the end of the verifier's log where there is one.
pub(crate) fn describe(error: ProgramError) -> String {
    match &error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let tail: Vec<&str> = log.lines().rev().filter(|line| !line.is_empty()).take(6).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            if tail.is_empty() {
                io_error.to_string()
            } else {
                format!("{io_error}; verifier: {}", tail.join(" | "))
            }
        }
        ProgramError::SyscallError(error) => error.io_error.to_string(),
        _ => error.to_string(),
    }
}

/// A pin under our name may be anything: type and sizes must be what this version would have made.
fn check_pins(ebpf: &Ebpf, maps_dir: &Path) -> Result<(), LoadError> {
    for (name, _) in ebpf.maps() {
        let path = maps_dir.join(name);
        if !path.exists() {
            continue;
        }
        let shape = |info: aya::maps::MapInfo| {
            (info.map_type().ok(), info.key_size(), info.value_size(), info.max_entries())
        };
        let other = |error: &dyn std::fmt::Display| LoadError::Other {
            what: format!("inspect the pinned table {}", path.display()),
            reason: error.to_string(),
        };
        let found = shape(aya::maps::MapInfo::from_pin(&path).map_err(|error| other(&error))?);
        let expected = crate::tables::expected_shape(name);
        if let Some(expected) = expected
            && (found.1, found.2, found.3) != expected
        {
            return Err(LoadError::Pin {
                path,
                found: format!("{found:?}"),
                expected: format!("key {} value {} entries {}", expected.0, expected.1, expected.2),
            });
        }
    }
    Ok(())
}

/// A program that is run on demand, for [`crate::query`].
pub(crate) fn on_demand<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a RawTracePoint, LoadError> {
    ebpf.program(name).and_then(|program| program.try_into().ok()).ok_or_else(|| LoadError::Other {
        what: format!("find the {name} program"),
        reason: "the object has none".to_owned(),
    })
}
