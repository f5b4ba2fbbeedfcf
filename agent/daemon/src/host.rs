//! What the agent needs of the host before it can start: mounts, clocks, and that nobody can read its memory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cofferdam_model::{BootId, BootTime, Clock, WallTime};
use cofferdam_sensor::is_bpffs;
use cofferdam_sensor::probe::{self, Check, Outcome};
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, setrlimit};
use nix::time::{ClockId, clock_gettime};

/// The host's mount table: the agent runs in its mount namespace.
pub const MOUNTS: &str = "/proc/self/mountinfo";

/// Where the kernel keeps the security file system.
const SECURITYFS: &str = "/sys/kernel/security";

/// Looks whether the host has what the agent cannot do without, before anything is made.
///
/// # Errors
/// With what is missing, what that costs and what to do, for all of it.
pub fn require_the_needed() -> Result<()> {
    let lacking = probe::host().into_iter().filter(|check| check.outcome == Outcome::Fail);
    let told: Vec<String> = lacking.map(|check| told(&check)).collect();
    ensure!(told.is_empty(), "cannot start. {}", told.join(". "));
    Ok(())
}

fn told(check: &Check) -> String {
    let Check { name, found, costs, remedy, .. } = check;
    let costs = costs.map(|costs| format!(": {costs}")).unwrap_or_default();
    let remedy = remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default();
    format!("{name}: {found}{costs}{remedy}")
}

/// Makes the process undumpable: no core dump, no ptrace by others of its user, so that what it may have read of a
/// credential (claims of a token) cannot leave it by a crash.
///
/// # Errors
/// If the kernel refuses.
pub fn seal() -> Result<()> {
    nix::sys::prctl::set_dumpable(false).context("cannot make the agent's memory undumpable")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("cannot forbid core dumps of the agent")
}

/// This boot's id.
///
/// # Errors
/// If /proc is not mounted.
pub fn boot_id() -> Result<BootId> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}; is /proc mounted?"))?;
    Ok(text.parse()?)
}

/// Nanoseconds since boot.
pub fn boot_time() -> BootTime {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(BootTime::from_nanos(0), |time| {
        BootTime::from_nanos(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
    })
}

/// The relation of both clocks now.
pub fn clock() -> Clock {
    Clock::from_readings(WallTime::now(), boot_time())
}

/// Sees to it that the pins can lie where they shall: mounts a bpffs where there is none. For the default place that
/// is /sys/fs/bpf; for any other folder, the folder itself.
///
/// # Errors
/// If the folder cannot be made or the mount is refused.
pub fn provide_pins(pin_dir: &Path) -> Result<()> {
    let system = Path::new("/sys/fs/bpf");
    let at: PathBuf = if pin_dir.starts_with(system) { system.to_owned() } else { pin_dir.to_owned() };
    if !pin_dir.starts_with(system) {
        fs::create_dir_all(&at).with_context(|| format!("cannot create the pin folder {}", at.display()))?;
    }
    let existing = pin_dir.ancestors().find(|path| path.exists()).unwrap_or(&at);
    if is_bpffs(existing) {
        return Ok(());
    }
    mount(
        Some("bpf"),
        &at,
        Some("bpf"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        Some("mode=700"),
    )
    .with_context(|| format!("cannot mount a bpffs at {} for the pins; is the agent root?", at.display()))?;
    tracing::info!(at = %at.display(), "mounted a bpffs");
    Ok(())
}

/// Mounts securityfs if it is not: the list of active LSMs stands there. Not having it costs the better tier only.
pub fn provide_securityfs() {
    if Path::new(SECURITYFS).join("lsm").exists() {
        return;
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    if let Err(error) = mount(Some("securityfs"), SECURITYFS, Some("securityfs"), flags, None::<&str>) {
        tracing::warn!(%error, "cannot mount securityfs: the active LSMs are not known, the tracepoint tier is used");
    }
}

/// Resident memory of the agent, bytes.
pub fn resident_bytes() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        })
        .map_or(0, |kib| kib * 1024)
}

/// Has the kernel load overlayfs, so that its types can be read: without them nobody can tell what lies in an image.
pub fn provide_overlay_types() {
    use std::os::unix::fs::DirBuilderExt;
    if Path::new("/sys/kernel/btf/overlay").exists()
        || fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.contains("\toverlay\n"))
    {
        return;
    }
    // Asking for a mount of the type makes the kernel look for its module; the mount itself cannot succeed.
    let place = std::env::temp_dir().join(format!("cofferdam-overlay-{}", std::process::id()));
    if fs::DirBuilder::new().mode(0o700).create(&place).is_ok() {
        let _ = mount(Some("overlay"), &place, Some("overlay"), MsFlags::empty(), None::<&str>);
        let _ = fs::remove_dir(&place);
    }
}

/// Tells systemd about a change of state, if it asked to be told (sd_notify(3)).
///
/// # Errors
/// If the socket that it named cannot be written to.
pub fn notify_systemd(state: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    let address = match place.to_string_lossy().strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&place)?,
    };
    socket.send_to_addr(state.as_bytes(), &address).map(|_| ())
}
