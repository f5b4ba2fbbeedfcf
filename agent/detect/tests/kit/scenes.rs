//! What each shipped rule is for, and what looks like it and is honest.

use cofferdam_model::{AccessKind, BinaryOrigin, TargetRelation};

use super::{APP, NEXT, SIDECAR, Scene};

/// A rule and two scenes: one that it finds, and one that no rule finds anything in.
pub type Case = (&'static str, fn() -> Scene, fn() -> Scene);

pub const ALL: [Case; 8] = [
    ("unexpected-reader", a_shell_reads, the_same_program_reads_in_every_pod),
    ("secret-sweep", five_secrets_in_a_moment, a_few_secrets_and_slowly),
    ("foreign-environment", the_neighbours_environment, its_own_environment),
    ("read-then-new-destination", a_secret_and_then_a_stranger, a_secret_and_then_the_database),
    ("read-in-exec-session", an_exec_session_reads, an_exec_session_looks_around),
    ("reader-not-of-the-image", a_dropped_binary_reads, a_dropped_binary_runs),
    ("descriptor-of-another", a_descriptor_is_passed, nothing_is_passed),
    ("denied-again-and-again", denied_in_a_row, denied_now_and_then),
];

fn a_shell_reads() -> Scene {
    let mut scene = Scene::learnt();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/web", BinaryOrigin::Image);
    let shell = scene.runs(app, "/bin/busybox", BinaryOrigin::Image);
    scene.opens(shell, "creds", "password");
    scene
}

fn the_same_program_reads_in_every_pod() -> Scene {
    let mut scene = Scene::new();
    // What is usual is not known yet.
    let runc = scene.enters(APP, false);
    let migrate = scene.runs(runc, "/usr/bin/migrate", BinaryOrigin::Image);
    scene.opens(migrate, "creds", "password");
    scene.until(super::LEARNT);
    let app = scene.next_pod();
    scene.opens(app, "creds", "password");
    let runc = scene.enters(NEXT, false);
    let migrate = scene.runs(runc, "/usr/bin/migrate", BinaryOrigin::Image);
    scene.opens(migrate, "creds", "password");
    scene
}

fn five_secrets_in_a_moment() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    for (number, key) in ["password", "tls.key", "token", "api-key", "user"].into_iter().enumerate() {
        // Each by a process of its own: they are of one tree.
        let child = scene.runs(app, "/bin/busybox", BinaryOrigin::Image);
        scene.opens(child, "creds", key);
        scene.ends(child);
        scene.after(number as u64);
    }
    scene
}

fn a_few_secrets_and_slowly() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    for key in ["password", "tls.key", "token", "api-key"] {
        scene.opens(app, "creds", key);
    }
    scene.after(60);
    for key in ["user", "ca", "salt", "pepper"] {
        scene.opens(app, "creds", key);
        scene.after(20);
    }
    scene
}

fn the_neighbours_environment() -> Scene {
    let mut scene = Scene::new();
    let neighbour = scene.enters(SIDECAR, false);
    let proxy = scene.runs(neighbour, "/usr/bin/envoy", BinaryOrigin::Image);
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    scene.reads_environment(app, proxy, TargetRelation::Other);
    scene
}

fn its_own_environment() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    scene.reads_environment(app, app, TargetRelation::Own);
    // `ps` on the host reads all.
    let ps = scene.on_host("/usr/bin/ps");
    scene.reads_environment(ps, app, TargetRelation::Other);
    scene
}

fn a_secret_and_then_a_stranger() -> Scene {
    let mut scene = Scene::learnt();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/web", BinaryOrigin::Image);
    scene.opens(app, "creds", "password");
    scene.after(10);
    let child = scene.runs(app, "/usr/bin/curl", BinaryOrigin::Image);
    scene.connects(child, "203.0.113.7", 443);
    scene
}

fn a_secret_and_then_the_database() -> Scene {
    let mut scene = Scene::learnt();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/web", BinaryOrigin::Image);
    scene.opens(app, "creds", "password");
    scene.connects(app, "10.0.0.5", 5_432);
    scene.connects(app, "127.0.0.1", 9_090);
    scene.after(300);
    // Long after.
    scene.connects(app, "203.0.113.7", 443);
    scene
}

fn an_exec_session_reads() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, true);
    let shell = scene.runs(runc, "/bin/busybox", BinaryOrigin::Image);
    let cat = scene.runs(shell, "/bin/cat", BinaryOrigin::Image);
    scene.opens(cat, "creds", "password");
    scene
}

fn an_exec_session_looks_around() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, true);
    let shell = scene.runs(runc, "/bin/busybox", BinaryOrigin::Image);
    scene.runs(shell, "/bin/ls", BinaryOrigin::Image);
    scene.connects(shell, "10.0.0.5", 5_432);
    scene
}

fn a_dropped_binary_reads() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    let dropped = scene.runs(app, "/tmp/.x/stage2", BinaryOrigin::Written);
    scene.opens(dropped, "creds", "password");
    scene
}

fn a_dropped_binary_runs() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    let built = scene.runs(app, "/tmp/build/a.out", BinaryOrigin::Written);
    scene.connects(built, "10.0.0.5", 5_432);
    scene.opens(app, "creds", "password");
    scene
}

fn a_descriptor_is_passed() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(SIDECAR, false);
    let helper = scene.runs(runc, "/usr/bin/envoy", BinaryOrigin::Image);
    scene.touches(helper, "creds", "password", |access| access.how = AccessKind::Receive);
    scene
}

fn nothing_is_passed() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(SIDECAR, false);
    let helper = scene.runs(runc, "/usr/bin/envoy", BinaryOrigin::Image);
    scene.opens(helper, "creds", "password");
    scene.touches(helper, "creds", "password", |access| access.how = AccessKind::Mmap);
    scene
}

fn denied_in_a_row() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    for _ in 0..5 {
        let child = scene.runs(app, "/bin/busybox", BinaryOrigin::Image);
        scene.is_refused(child, "creds", "tls.key");
    }
    scene
}

/// Each is found by `unexpected-reader`, for a policy forbids it; but nobody tries again and again.
fn denied_now_and_then() -> Scene {
    let mut scene = Scene::new();
    let runc = scene.enters(APP, false);
    let app = scene.runs(runc, "/usr/bin/node", BinaryOrigin::Image);
    for _ in 0..5 {
        scene.is_refused(app, "creds", "tls.key");
        scene.after(30);
    }
    scene
}
