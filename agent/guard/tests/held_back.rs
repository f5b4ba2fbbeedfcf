//! The guard on the kernel that runs this: `cargo test -p cofferdam-guard -- --ignored holds`, as root.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod stage;

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cofferdam_guard::{Client, Marked, What};
use cofferdam_sensor::Event;
use cofferdam_sensor::abi::event::verdict;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use stage::{RULE, Stage, wait_for};

fn outcome(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    format!("{:?}", output.status.code())
}

#[test]
#[ignore = "needs root, cgroup v2 and BPF: attaches to the kernel that runs this"]
fn holds_back_what_a_rule_refuses_and_nothing_else() {
    let stage = Stage::set();
    let mut sensor = stage.sensor();
    stage.rule(&mut sensor);
    let mut guard = stage.guard(&sensor);

    assert_eq!(outcome(stage.contained(&stage.stranger(), "opens_the_password")), "Some(1)");
    assert_eq!(outcome(stage.contained(&stage.reader(), "opens_the_password")), "Some(0)");
    // No rule speaks of it; and none speaks of the host's processes, this one among them.
    assert_eq!(outcome(stage.contained(&stage.stranger(), "opens_the_certificate")), "Some(0)");
    assert!(File::open(stage.secret()).is_ok());

    let state = guard.state().unwrap();
    assert_eq!((state.denied, state.unclear, state.failed), (1, 0, 0));
    assert!(state.allowed >= 3);
    assert!(state.locked && state.has_program);

    let denials = denials(&mut sensor);
    assert_eq!(denials, [("password".to_owned(), RULE)]);

    guard.unmark_path(What::Filesystem, &stage.volume()).unwrap();
    assert!(guard.marks().unwrap().is_empty());
    assert_eq!(outcome(stage.contained(&stage.stranger(), "opens_the_password")), "Some(0)");
}

#[test]
#[ignore = "needs root, cgroup v2 and BPF: attaches to the kernel that runs this"]
fn holds_on_when_its_agent_is_killed() {
    let stage = Stage::set();
    let mut agent = stage.process(&std::env::current_exe().unwrap(), "plays_the_agent").spawn().unwrap();
    wait_for(&stage.at("ready"));
    let openers: Vec<Child> =
        (0..4).map(|_| stage.contained(&stage.stranger(), "opens_the_password_for_long")).collect();
    sleep(Duration::from_millis(500));
    agent.kill().unwrap();
    agent.wait().unwrap();
    for opener in openers {
        assert_eq!(outcome(opener), "Some(0)", "an open went through");
    }
    let mut guard = Client::connect(&stage.socket()).unwrap();
    let state = guard.state().unwrap();
    assert!(state.denied > 400 && state.unclear == 0 && state.failed == 0, "{state:?}");
    assert_eq!(guard.marks().unwrap().len(), 1);

    // The next agent hands its own rules over, and is told of what is refused.
    let mut sensor = stage.sensor();
    guard.hand_over(sensor.query.guard_program().unwrap()).unwrap();
    assert_eq!(outcome(stage.contained(&stage.stranger(), "opens_the_password")), "Some(1)");
    assert!(denials(&mut sensor).contains(&("password".to_owned(), RULE)));
}

#[test]
#[ignore = "needs root: marks a file system of its own"]
fn holds_nothing_without_rules_and_replaces_a_guard_without_a_gap() {
    let stage = Stage::set();
    let binary = Path::new(env!("CARGO_BIN_EXE_cofferdam-guard"));
    let mut first = Client::start(binary, &stage.socket()).unwrap();
    assert!(first.mark_path(What::Filesystem, &stage.volume()).is_err());
    assert!(first.hand_over(File::open("/dev/null").unwrap()).is_err());

    let sensor = stage.sensor();
    first.hand_over(sensor.query.guard_program().unwrap()).unwrap();
    first.mark_path(What::File, &stage.secret()).unwrap();
    let marks = first.marks().unwrap();
    assert!(matches!(marks[..], [Marked::File { .. }]), "{marks:?}");

    let mut second = Client::start(binary, &stage.socket()).unwrap();
    second.hand_over(sensor.query.guard_program().unwrap()).unwrap();
    second.mark_path(What::Filesystem, &stage.volume()).unwrap();
    // Both are asked.
    assert!(File::open(stage.secret()).is_ok());
    assert_eq!(first.state().unwrap().allowed, 1);
    assert_eq!(second.state().unwrap().allowed, 1);
    first.end().unwrap();
    assert!(File::open(stage.secret()).is_ok());
    assert_eq!(second.state().unwrap().allowed, 2);
}

#[test]
#[ignore = "needs root, cgroup v2 and BPF: attaches to the kernel that runs this"]
fn holds_back_whom_the_kernel_does_not_know_yet() {
    let stage = Stage::set();
    let opener = stage.contained(&stage.stranger(), "opens_the_password_when_all_is_ready");
    wait_for(&stage.at("waiting"));
    let mut sensor = stage.sensor();
    stage.rule(&mut sensor);
    let mut guard = stage.guard(&sensor);
    assert_eq!(sensor.tables.process(opener.id()), None);
    fs::write(stage.at("ready"), "").unwrap();
    let pid = opener.id();
    assert_eq!(outcome(opener), "Some(1)");
    assert_eq!(guard.state().unwrap().unclear, 0);
    let told = |event: &Event| matches!(event, Event::Access { verdict: verdict::DENIED, process, .. } if process.tgid == pid);
    let mut events = Vec::new();
    sensor.rings.drain(usize::MAX, &mut events);
    assert!(events.iter().any(told));
}

#[test]
#[ignore = "needs root, cgroup v2 and BPF: attaches to the kernel that runs this"]
fn holds_back_a_secret_however_it_is_reached() {
    let stage = Stage::set();
    let mut sensor = stage.sensor();
    stage.rule(&mut sensor);
    let mut guard = stage.guard(&sensor);
    for way in ["opens_it_by_another_name", "opens_the_place_again", "opens_it_by_its_handle", "executes_it"]
    {
        assert_eq!(outcome(stage.contained(&stage.stranger(), way)), "Some(1)", "{way}");
    }
    assert_eq!(guard.state().unwrap().denied, 4);
    // Since 6.5 overlayfs asks for the files below it; before, it opens them unasked, and nothing of ours can tell.
    let asked = if kernel() >= (6, 5) { "Some(1)" } else { "Some(0)" };
    assert_eq!(outcome(stage.contained(&stage.stranger(), "opens_it_below_an_overlay")), asked);

    // The kubelet writes and unmounts as ever, and the mark goes with the file system.
    fs::write(stage.secret(), "not a secret either").unwrap();
    umount2(&stage.volume(), MntFlags::empty()).unwrap();
    assert!(guard.marks().unwrap().is_empty());
}

#[test]
#[ignore = "measures: needs root, cgroup v2 and BPF"]
fn measures_an_open() {
    let stage = Stage::set();
    let mut sensor = stage.sensor();
    stage.rule(&mut sensor);
    let time = |what: &str, path: &Path| {
        let mut times: Vec<_> = (0..20_000)
            .map(|_| {
                let begun = Instant::now();
                let _ = File::open(path);
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("{what}: median {:?}, p99 {:?}", times[10_000], times[19_800]);
    };
    time("unmarked", &stage.secret());
    let mut guard = stage.guard(&sensor);
    time("allowed ", &stage.secret());
    let log = stage.at("figures");
    assert_eq!(outcome(stage.contained(&stage.stranger(), "measures_refusals")), "Some(0)");
    println!("{}{:?}", fs::read_to_string(log).unwrap(), guard.state().unwrap());
}

fn kernel() -> (u32, u32) {
    let release = nix::sys::utsname::uname().unwrap().release().to_str().unwrap().to_owned();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Names and rules of the denials that the rings hold.
fn denials(sensor: &mut cofferdam_sensor::Sensor) -> Vec<(String, u32)> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut events = std::mem::take(&mut sensor.pending);
    loop {
        let found: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Access { verdict: verdict::DENIED, names, ruled, .. } => {
                    Some((names.first()?.clone(), ruled.1))
                }
                _ => None,
            })
            .collect();
        if !found.is_empty() || Instant::now() > deadline {
            return found;
        }
        sensor.rings.wait(Duration::from_millis(50)).unwrap();
        sensor.rings.drain(usize::MAX, &mut events);
    }
}

#[test]
#[ignore = "played by another test"]
fn plays_the_agent() {
    let stage = Stage::found();
    let mut sensor = stage.sensor();
    stage.rule(&mut sensor);
    let _guard = stage.guard(&sensor);
    fs::write(stage.at("ready"), "").unwrap();
    sleep(Duration::from_secs(600));
}

#[test]
#[ignore = "played by another test"]
fn opens_the_password() {
    std::process::exit(is_refused(&Stage::found().secret()).into());
}

#[test]
#[ignore = "played by another test"]
fn opens_the_password_when_all_is_ready() {
    let stage = Stage::found();
    fs::write(stage.at("waiting"), "").unwrap();
    wait_for(&stage.at("ready"));
    std::process::exit(is_refused(&stage.secret()).into());
}

#[test]
#[ignore = "played by another test"]
fn opens_the_certificate() {
    std::process::exit(is_refused(&Stage::found().volume().join("certificate")).into());
}

#[test]
#[ignore = "played by another test"]
fn opens_the_password_for_long() {
    let (secret, until) = (Stage::found().secret(), Instant::now() + Duration::from_secs(2));
    while Instant::now() < until {
        if !is_refused(&secret) {
            std::process::exit(3);
        }
    }
    std::process::exit(0);
}

#[test]
#[ignore = "played by another test"]
fn measures_refusals() {
    let secret = Stage::found().secret();
    let mut times: Vec<_> = (0..20_000)
        .map(|_| {
            let begun = Instant::now();
            assert!(is_refused(&secret));
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let figures = format!("refused : median {:?}, p99 {:?}\n", times[10_000], times[19_800]);
    fs::write(Stage::found().at("figures"), figures).unwrap();
    std::process::exit(0);
}

/// A kubelet's public file has this name.
#[test]
#[ignore = "played by another test"]
fn opens_it_by_another_name() {
    let name = Stage::found().at("ca.crt");
    fs::write(&name, "").unwrap();
    mount(Some(&Stage::found().secret()), &name, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    std::process::exit(is_refused(&name).into());
}

#[test]
#[ignore = "played by another test"]
fn opens_the_place_again() {
    let place =
        OpenOptions::new().read(true).custom_flags(OFlag::O_PATH.bits()).open(Stage::found().secret());
    let link = format!("/proc/self/fd/{}", place.as_ref().unwrap().as_raw_fd());
    std::process::exit(is_refused(Path::new(&link)).into());
}

#[test]
#[ignore = "played by another test"]
fn opens_it_by_its_handle() {
    #[repr(C, align(8))]
    struct Handle([u8; 136]);
    let mut handle = Handle([0; 136]);
    handle.0[..4].copy_from_slice(&128u32.to_ne_bytes());
    let secret = CString::new(Stage::found().secret().into_os_string().into_encoded_bytes()).unwrap();
    let folder = File::open(Stage::found().volume()).unwrap();
    let mut mount_id = 0;
    let at = (&raw mut handle).cast::<libc::file_handle>();
    // SAFETY: the handle is as long as its header says, and a path and a number live as long as the calls.
    let opened = unsafe {
        assert_eq!(libc::name_to_handle_at(libc::AT_FDCWD, secret.as_ptr(), at, &raw mut mount_id, 0), 0);
        libc::open_by_handle_at(folder.as_raw_fd(), at, libc::O_RDONLY)
    };
    assert!(opened >= 0 || nix::errno::Errno::last() == nix::errno::Errno::EPERM);
    std::process::exit((opened < 0).into());
}

#[test]
#[ignore = "played by another test"]
fn executes_it() {
    let secret = Stage::found().secret();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Command::new(secret).spawn().unwrap_err();
    std::process::exit((error.raw_os_error() == Some(libc::EPERM)).into());
}

#[test]
#[ignore = "played by another test"]
fn opens_it_below_an_overlay() {
    let stage = Stage::found();
    let (merged, upper) = (stage.at("merged"), stage.at("upper"));
    for folder in [&merged, &upper, &stage.at("work")] {
        fs::create_dir(folder).unwrap();
    }
    let (lower, work) = (stage.volume(), stage.at("work"));
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str())).unwrap();
    std::process::exit(is_refused(&merged.join("password")).into());
}

fn is_refused(path: &Path) -> bool {
    match File::open(path) {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => true,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}
