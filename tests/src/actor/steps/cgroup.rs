//! Leaving one's place: other cgroups, other views on processes.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::actor::{Doing, Done, Given, Hands};

/// `migrate FOLDER`: moves this process into the cgroup at a folder.
pub(super) fn migrate(given: &Given<'_>, _: &mut Hands) -> Done {
    enter(Path::new(given.text(0, "folder")?))
}

/// `nest FOLDER`: makes a cgroup and moves this process into it.
pub(super) fn nest(given: &Given<'_>, _: &mut Hands) -> Done {
    let folder = Path::new(given.text(0, "folder")?);
    fs::create_dir(folder).doing(|| format!("making {}", folder.display()))?;
    enter(folder)
}

/// `nest-many FOLDER NUMBER`: makes a cgroup with so many in it, and moves this process into the last.
pub(super) fn nest_many(given: &Given<'_>, _: &mut Hands) -> Done {
    let (folder, number) = (Path::new(given.text(0, "folder")?), given.parsed::<u32>(1, "number")?);
    fs::create_dir(folder).doing(|| format!("making {}", folder.display()))?;
    for n in 1..=number {
        let inner = folder.join(n.to_string());
        fs::create_dir(&inner).doing(|| format!("making {}", inner.display()))?;
    }
    enter(&folder.join(number.to_string()))
}

/// `move-other FOLDER PID`: moves another process into the cgroup at a folder, which is made if it is not there.
pub(super) fn move_other(given: &Given<'_>, _: &mut Hands) -> Done {
    let (folder, pid) = (Path::new(given.text(0, "folder")?), given.text(1, "process id")?);
    if !folder.exists() {
        fs::create_dir(folder).doing(|| format!("making {}", folder.display()))?;
    }
    let list = folder.join("cgroup.procs");
    fs::write(&list, pid).doing(|| format!("writing {}", list.display()))?;
    Ok(String::new())
}

fn enter(folder: &Path) -> Done {
    let list = folder.join("cgroup.procs");
    fs::write(&list, "0").doing(|| format!("writing {}", list.display()))?;
    Ok(String::new())
}

/// `mount-proc FOLDER`: one more procfs; needs `CAP_SYS_ADMIN`.
pub(super) fn mount_proc(given: &Given<'_>, _: &mut Hands) -> Done {
    let folder = given.text(0, "folder")?;
    mount(Some("proc"), folder, Some("proc"), MsFlags::empty(), None::<&str>)
        .doing(|| format!("mounting procfs at {folder}"))?;
    Ok(String::new())
}
