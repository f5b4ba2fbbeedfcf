//! Names, configurations and volumes of a real pod, made through the CRI of a containerd of our own. Needs root.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../tests/src/cri_pod/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the scenarios use more of it")]
mod cri_pod;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cofferdam_inventory::cgroup_path::{NoRuntimes, classify};
use cofferdam_inventory::cri::{CriClient, CriStatus};
use cofferdam_inventory::environment::CredentialNames;
use cofferdam_inventory::hierarchy::Hierarchy;
use cofferdam_inventory::mounts::{Device, MountTable};
use cofferdam_inventory::names::ContainerNames;
use cofferdam_inventory::procfs;
use cofferdam_inventory::runtime_state::{RuntimeFolders, RuntimesOnDisk};
use cofferdam_inventory::volume_files;
use cofferdam_inventory::volumes::{kubelet_volumes, run_secrets};
use cofferdam_inventory::workloads::{Limits, Workloads};
use cofferdam_model::{BootTime, ContainerId, Runtime, WorkloadKind};
use cri_pod::{ContainerSpec, Containerd, PodSpec};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";
const CANARY: &str = "CANARY-7d20";

/// A tmpfs as the kubelet mounts it for a Secret.
struct SecretVolume {
    at: PathBuf,
}

impl SecretVolume {
    fn new(kubelet: &Path) -> Self {
        let at = kubelet.join(format!("pods/{UID}/volumes/kubernetes.io~secret/creds"));
        fs::create_dir_all(at.as_path()).unwrap();
        mount(Some("tmpfs"), &at, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).unwrap();
        fs::create_dir(at.join("..2026_11_22")).unwrap();
        fs::write(at.join("..2026_11_22/pass"), CANARY).unwrap();
        symlink("..2026_11_22", at.join("..data")).unwrap();
        symlink("..data/pass", at.join("pass")).unwrap();
        Self { at }
    }
}

impl Drop for SecretVolume {
    fn drop(&mut self) {
        let _ = umount2(&self.at, MntFlags::MNT_DETACH);
    }
}

fn image_tree(folder: &Path) -> PathBuf {
    let root = folder.join("tree");
    for inside in ["bin", "dev", "etc", "proc", "sys", "tmp", "run"] {
        fs::create_dir_all(root.join(inside)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    root
}

fn pod_spec(volume: &SecretVolume) -> PodSpec {
    PodSpec {
        name: "web-0".to_owned(),
        namespace: "shop".to_owned(),
        uid: UID.to_owned(),
        labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        annotations: BTreeMap::from([("last-applied".to_owned(), CANARY.to_owned())]),
        cgroup_parent: format!("/cofferdam-test-{}/kubepods/besteffort", std::process::id()),
        containers: vec![ContainerSpec {
            name: "app".to_owned(),
            command: ["/bin/busybox", "sh", "-c", "exec 9</creds/pass; sleep 600 <&9 & wait"]
                .map(str::to_owned)
                .into(),
            environment: vec![
                ("DB_PASSWORD".to_owned(), CANARY.to_owned()),
                ("MODE".to_owned(), "x".to_owned()),
            ],
            mounts: vec![(volume.at.clone(), "/creds".to_owned())],
        }],
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_pod_of_a_real_containerd_is_named_and_its_secrets_are_found() {
    let folder = tempfile::Builder::new().prefix("cfd").tempdir().unwrap();
    let volume = SecretVolume::new(&folder.path().join("kubelet"));
    let mut containerd = Containerd::start(&folder.path().join("c"), &image_tree(folder.path())).unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = CriClient::new(vec![containerd.socket()]);
    {
        let pod = containerd.start_pod(&pod_spec(&volume)).unwrap();
        let id = pod.container("app").unwrap();

        // Identity from the cgroup alone.
        let host = MountTable::read(Path::new("/proc/self/mountinfo")).unwrap();
        let hierarchy = Hierarchy::find(&host).unwrap();
        let mut workloads = Workloads::new(Limits::default());
        for found in hierarchy.walk().unwrap().cgroups {
            workloads.made(found.id, found.parent, &found.path, BootTime::from_nanos(1), &NoRuntimes);
        }
        let path = format!("{}/{id}", pod.cgroup());
        let cgroup = workloads.at(&path).unwrap();
        let workload = workloads.resolve(cgroup).unwrap().clone();
        assert_eq!(workload.kind, classify(&path, &NoRuntimes).kind);
        assert_eq!(workload.kind.pod_uid().unwrap().as_str(), UID);
        assert_eq!(workload.name().as_str(), format!("pod:{UID}/{}", &id[..12]));

        // Names from CRI.
        let listing = tokio.block_on(client.list()).unwrap();
        assert!(matches!(client.status(), CriStatus::Connected { .. }));
        assert!(client.status().to_string().starts_with("containerd "), "{}", client.status());
        assert!(!format!("{listing:?}").contains(CANARY), "annotations are not taken");
        for names in &listing.names {
            workloads.named(names, BootTime::from_nanos(2));
        }
        let named = workloads.resolve(cgroup).unwrap();
        assert_eq!(named.name().as_str(), "shop/web-0/app");
        assert_eq!(named.labels, BTreeMap::from([("app".to_owned(), "web".to_owned())]));
        let image = named.image.as_ref().unwrap();
        assert!(image.digest.as_deref().unwrap().starts_with("sha256:"), "{image:?}");
        assert!(matches!(named.kind, WorkloadKind::PodContainer { runtime: Runtime::Containerd, .. }));
        let is_sandbox = |id: &ContainerId| id.as_str() == pod.sandbox();
        let sandbox = workloads.iter().find(|one| one.kind.container_id().is_some_and(is_sandbox)).unwrap();
        assert_eq!(sandbox.name().as_str(), "shop/web-0/(sandbox)");

        // The same, and the environment, from the OCI configuration, without CRI.
        let folders = RuntimeFolders { containerd: vec![containerd.state()], ..RuntimeFolders::default() };
        let runtimes = RuntimesOnDisk::new(folders, hierarchy.mount_point().to_owned());
        let names = CredentialNames::defaults().unwrap();
        let config = runtimes.config(&workload.kind, &names).unwrap().unwrap();
        assert!(!format!("{config:?}").contains(CANARY), "values are not taken");
        assert_eq!(config.cgroups_path.as_deref(), Some(path.as_str()));
        let told = ContainerNames::from_config(id.parse().unwrap(), config);
        assert_eq!(told.credential_variables.as_deref(), Some(["DB_PASSWORD".to_owned()].as_slice()));
        assert_eq!((told.namespace.as_deref(), told.pod.as_deref()), (Some("shop"), Some("web-0")));
        assert_eq!((told.container.as_deref(), told.sandbox), (Some("app"), Some(false)));

        // The secret: on the host, in the container, and held open.
        let volumes = kubelet_volumes(&host, &volume_files::csi_driver);
        let secret = volumes.iter().find(|found| found.mount_point == volume.at).unwrap();
        let process = eventually("the secret is held open", || {
            let scan = procfs::scan(Path::new("/proc"), &BTreeSet::from([secret.device])).unwrap();
            let held = scan.held.iter().find(|held| held.fd == 9)?;
            scan.processes.iter().find(|found| found.pid == held.pid).cloned()
        });
        assert_eq!(process.cgroup_path.as_deref(), Some(path.as_str()));
        let own = MountTable::read(&PathBuf::from(format!("/proc/{}/mountinfo", process.pid))).unwrap();
        assert!(own.devices().contains(&secret.device));
        let known: BTreeSet<Device> = volumes.iter().map(|volume| volume.device).collect();
        assert!(run_secrets(&own, process.pid, workload.id, &known, &volume_files::kind_of).is_empty());
    }

    // The runtime goes away and comes back.
    containerd.stop().unwrap();
    assert!(matches!(tokio.block_on(client.list()), Err(CriStatus::Unreachable { .. })));
    containerd.resume().unwrap();
    let names = tokio.block_on(client.list()).unwrap().names;
    assert!(names.is_empty(), "the pod was removed: {names:?}");
}
