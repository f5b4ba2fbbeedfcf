use proptest::prelude::*;

use super::*;

const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";

fn table(lines: &[(u32, &str, &str, &str)]) -> MountTable {
    let mut text = "1 0 8:1 / / rw - ext4 x rw\n".to_owned();
    for (number, (minor, root, at, fstype)) in lines.iter().enumerate() {
        text += &format!("{} 1 0:{minor} {root} {at} rw - {fstype} x rw\n", number + 2);
    }
    MountTable::parse(text.as_bytes())
}

fn no_csi(_: &Path) -> Option<String> {
    None
}

fn folders(_: &Path) -> Option<FileKind> {
    Some(FileKind::Folder)
}

fn pod(rest: &str) -> String {
    format!("/var/lib/kubelet/pods/{UID}/{rest}")
}

#[test]
fn secret_and_projected_volumes_are_found_below_any_kubelet_root() {
    let other = format!("/data/k8s/pods/{UID}/volumes/kubernetes.io~projected/kube-api-access-x");
    let found = kubelet_volumes(
        &table(&[
            (40, "/", &pod("volumes/kubernetes.io~secret/creds"), "tmpfs"),
            (41, "/", &other, "tmpfs"),
            (42, "/", &pod("volumes/kubernetes.io~empty-dir/cache"), "tmpfs"),
            (43, "/", "/var/lib/kubelet/pods/not-a-uid/volumes/kubernetes.io~secret/creds", "tmpfs"),
            (40, "/", &format!("/mirror{}", pod("volumes/kubernetes.io~secret/creds")), "tmpfs"),
        ]),
        &no_csi,
    );
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].secret.kind, found[0].secret.name.as_str()), (SecretKind::SecretVolume, "creds"));
    assert_eq!(found[0].secret.pod_uid.as_ref().unwrap().as_str(), UID);
    assert_eq!(found[0].source, Source::WholeFilesystem { kubelet: true });
    assert_eq!(found[0].device, Device(40));
    assert_eq!((found[1].secret.kind, found[1].device), (SecretKind::Projected, Device(41)));
}

#[test]
fn only_volumes_of_secret_csi_drivers_count() {
    let driver = |folder: &Path| {
        Some(
            if folder.ends_with("vault") { "secrets-store.csi.k8s.io" } else { "ebs.csi.aws.com" }.to_owned(),
        )
    };
    let found = kubelet_volumes(
        &table(&[
            (50, "/", &pod("volumes/kubernetes.io~csi/vault/mount"), "tmpfs"),
            (51, "/", &pod("volumes/kubernetes.io~csi/pvc-1/mount"), "ext4"),
        ]),
        &driver,
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].secret.kind, SecretKind::Csi);
    assert_eq!(found[0].source, Source::WholeFilesystem { kubelet: false });
}

#[test]
fn a_csi_volume_that_is_a_folder_of_a_shared_tmpfs_is_a_tree() {
    let found = kubelet_volumes(
        &table(&[(50, "/csi-1/data", &pod("volumes/kubernetes.io~csi/tls/mount"), "tmpfs")]),
        &|_| Some("csi.cert-manager.io".to_owned()),
    );
    assert_eq!(found[0].source, Source::Tree);
    assert_eq!(found[0].key(&["tls.key", "data", "csi-1"]).as_deref(), Some("tls.key"));
    assert_eq!(found[0].key(&["tls.key", "data", "csi-2"]), None);
}

#[test]
fn a_subpath_counts_only_if_its_volume_is_a_secret() {
    let found = kubelet_volumes(
        &table(&[
            (40, "/..2026_11/pass//deleted", &pod("volume-subpaths/creds/one/1"), "tmpfs"),
            (40, "/", &pod("volumes/kubernetes.io~secret/creds"), "tmpfs"),
            (60, "/data", &pod("volume-subpaths/cache/one/0"), "tmpfs"),
        ]),
        &no_csi,
    );
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].secret.kind, SecretKind::SubPath);
    assert_eq!(found[1].secret.key.as_deref(), Some("pass"));
    assert_eq!(found[1].container.as_deref(), Some("one"));
    assert_eq!(found[1].source, Source::PartOfVolume);
}

#[test]
fn mounts_below_run_secrets_of_a_container_are_its_own_secrets() {
    let owner = WorkloadId(7);
    let found = run_secrets(
        &table(&[
            (40, "/", "/var/run/secrets/kubernetes.io/serviceaccount", "tmpfs"),
            (70, "/", "/run/secrets", "tmpfs"),
            (71, "/abc", "/run/secrets/db", "tmpfs"),
            (72, "/", "/run/other", "tmpfs"),
        ]),
        123,
        owner,
        &BTreeSet::from([Device(40)]),
        &|path| Some(if path.ends_with("db") { FileKind::File } else { FileKind::Folder }),
    );
    let told: Vec<_> = found.iter().map(|v| (v.device.0, v.source, v.host_path.to_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            (70, Source::WholeFilesystem { kubelet: false }, "/proc/123/root/run/secrets"),
            (71, Source::File, "/proc/123/root/run/secrets/db"),
        ]
    );
    assert!(found.iter().all(|volume| volume.secret.owner == Some(owner)));
}

#[test]
fn a_configured_path_is_a_mount_a_tree_or_a_file() {
    let host = table(&[(80, "/", "/srv/payments", "tmpfs"), (81, "/", "/srv/tree/deep/vault", "tmpfs")]);
    let look = |path: &str, kind| {
        let secret = ConfiguredSecret { name: "db".to_owned(), path: path.into() };
        configured(&host, &secret, &|path: &Path| {
            Some(if path.extension().is_some() { FileKind::File } else { kind })
        })
        .into_iter()
        .map(|v| (v.device, v.source, v.root.to_str().unwrap().to_owned()))
        .collect::<Vec<_>>()
    };
    let whole = Source::WholeFilesystem { kubelet: false };
    let disk = Device::new(8, 1);
    assert_eq!(look("/srv/payments", FileKind::Folder), [(Device(80), whole, "/".to_owned())]);
    assert_eq!(look("/srv/payments/a", FileKind::Folder), [(Device(80), Source::Tree, "/a".to_owned())]);
    assert_eq!(look("/etc/key.pem", FileKind::File), [(disk, Source::File, "/etc/key.pem".to_owned())]);
    assert_eq!(
        look("/srv/tree", FileKind::Folder),
        [(disk, Source::Tree, "/srv/tree".to_owned()), (Device(81), whole, "/".to_owned())]
    );
}

#[test]
fn a_configured_path_that_does_not_exist_is_no_volume_yet() {
    let secret = ConfiguredSecret { name: "db".to_owned(), path: "/srv/none".into() };
    assert!(configured(&table(&[]), &secret, &|_| None).is_empty());
}

#[test]
fn the_key_is_the_path_without_the_folder_of_the_rotation() {
    for (names, key) in [
        (&["pass", "..2026_11_22_04_39_36.4099462831"][..], Some("pass")),
        (&["pass", "..data"], Some("pass")),
        (&["pass"], Some("pass")),
        (&["c", "b", "a", "..2026_11_22"], Some("a/b/c")),
        (&["pass", "..2026", "/"], Some("pass")),
        (&["..data"], None),
        (&[], None),
    ] {
        assert_eq!(key_of(names).as_deref(), key, "{names:?}");
    }
}

#[test]
fn a_disk_with_a_configured_file_on_it_is_not_secret_as_a_whole() {
    let mut volumes = Volumes::default();
    let host = table(&[(40, "/", &pod("volumes/kubernetes.io~secret/creds"), "tmpfs")]);
    volumes.replace(VolumeOwner::Host, kubelet_volumes(&host, &no_csi));
    let secret = ConfiguredSecret { name: "tree".to_owned(), path: "/srv/tree".into() };
    volumes.replace(VolumeOwner::Configuration, configured(&host, &secret, &folders));
    assert_eq!(volumes.iter().count(), 2);
    assert_eq!(volumes.whole_devices(), BTreeSet::from([Device(40)]));
}

#[test]
fn a_key_of_a_configured_tree_is_the_path_below_its_root() {
    let secret = ConfiguredSecret { name: "tree".to_owned(), path: "/srv/tree".into() };
    let volume = configured(&table(&[]), &secret, &folders).remove(0);
    assert_eq!(volume.key(&["x", "a", "tree", "srv"]).as_deref(), Some("a/x"));
    assert_eq!(volume.key(&["x", "srv"]), None);
}

#[test]
fn a_second_look_tells_only_what_changed() {
    let one = table(&[(40, "/", &pod("volumes/kubernetes.io~secret/creds"), "tmpfs")]);
    let two = table(&[
        (40, "/", &pod("volumes/kubernetes.io~secret/creds"), "tmpfs"),
        (41, "/", &pod("volumes/kubernetes.io~secret/more"), "tmpfs"),
    ]);
    let mut volumes = Volumes::default();
    assert_eq!(volumes.replace(VolumeOwner::Host, kubelet_volumes(&one, &no_csi)).added.len(), 1);
    assert_eq!(volumes.replace(VolumeOwner::Host, kubelet_volumes(&one, &no_csi)), VolumeChanges::default());
    let changes = volumes.replace(VolumeOwner::Host, kubelet_volumes(&two, &no_csi));
    assert_eq!((changes.added.len(), changes.added[0].secret.name.as_str()), (1, "more"));
    let devices: BTreeSet<Device> = volumes.iter().map(|volume| volume.device).collect();
    assert_eq!(devices, BTreeSet::from([Device(40), Device(41)]));
    let changes = volumes.replace(VolumeOwner::Host, Vec::new());
    assert_eq!((changes.added.len(), changes.removed.len(), volumes.iter().count()), (0, 2, 0));
}

#[test]
fn volumes_beyond_the_bound_are_counted() {
    let host = table(&[(40, "/", &pod("volumes/kubernetes.io~secret/creds"), "tmpfs")]);
    let one = kubelet_volumes(&host, &no_csi).remove(0);
    let many = (0..VOLUMES_MAX as u64 + 5).map(|mount| Volume { mount, ..one.clone() }).collect();
    let mut volumes = Volumes::default();
    assert_eq!(volumes.replace(VolumeOwner::Host, many).added.len(), VOLUMES_MAX);
    assert_eq!(volumes.dropped(), 5);
}

proptest! {
    #[test]
    fn any_mount_point_is_taken_or_left(at in "(/[a-z~.]{0,9}|/pods|/volumes|/kubernetes.io~secret|/0a1b2c3d-1111-2222-3333-444455556666){1,8}") {
        let host = table(&[(40, "/", &at, "tmpfs")]);
        for volume in kubelet_volumes(&host, &no_csi) {
            prop_assert!(volume.secret.pod_uid.is_some());
        }
    }

    #[test]
    fn a_rotation_never_changes_a_key(path in prop::collection::vec("[a-z][a-z.]{0,8}", 1..5), stamp in "[0-9_]{1,20}") {
        let mut names: Vec<String> = path.iter().rev().cloned().collect();
        names.push(format!("..{stamp}"));
        let key = key_of(&names);
        prop_assert_eq!(key, Some(path.join("/")));
    }
}
