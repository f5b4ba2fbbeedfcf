//! Names that stay the same from one instance of a workload to the next.

use cofferdam_model::{SecretKind, SecretRef, Workload, WorkloadKind};

/// What stays the same from one instance to the next: namespace, what owns the pod, container; else the image.
pub fn stable_name(workload: &Workload) -> Option<String> {
    match &workload.kind {
        WorkloadKind::PodContainer { .. } => {
            let (namespace, pod) = (workload.namespace.as_deref()?, workload.pod.as_deref()?);
            Some(format!("{namespace}/{}/{}", owner(pod), workload.container.as_deref().unwrap_or("")))
        }
        WorkloadKind::Container { container_id, .. } => match &workload.image {
            Some(image) => Some(format!("image:{}", image.name)),
            None => {
                Some(format!("container:{}", workload.container.as_deref().unwrap_or(container_id.as_str())))
            }
        },
        WorkloadKind::Unit { unit } => Some(format!("unit:{unit}")),
        WorkloadKind::Host => Some("host".to_owned()),
        WorkloadKind::Other => Some(format!("cgroup:{}", workload.cgroup_path)),
    }
}

/// The name of what has made a pod, as far as the pod's name tells: a Deployment adds a hash and five letters, a DaemonSet and
/// a Job five letters, a StatefulSet a number.
fn owner(pod: &str) -> &str {
    let is_hash = |text: &str| (8..=10).contains(&text.len()) && text.bytes().all(is_of_suffix);
    match pod.rsplit_once('-') {
        Some((rest, last)) if is_suffix(last) => match rest.rsplit_once('-') {
            Some((owner, hash)) if is_hash(hash) => owner,
            _ => rest,
        },
        Some((rest, last)) if !last.is_empty() && last.bytes().all(|it| it.is_ascii_digit()) => rest,
        _ => pod,
    }
}

/// The name of a secret within its workload: a pod's token lies in a volume of a made-up name.
pub fn stable_secret(secret: &SecretRef) -> &str {
    match secret.kind {
        SecretKind::Projected => match secret.name.rsplit_once('-') {
            Some((name, made_up)) if name == TOKEN && is_suffix(made_up) => name,
            _ => &secret.name,
        },
        _ => &secret.name,
    }
}

/// What the volume of a pod's own token is called, before five letters.
const TOKEN: &str = "kube-api-access";

fn is_suffix(text: &str) -> bool {
    text.len() == 5 && text.bytes().all(is_of_suffix)
}

/// Letters of names that Kubernetes makes up (k8s.io/apimachinery/pkg/util/rand: no vowels, no 0, 1, 3).
fn is_of_suffix(letter: u8) -> bool {
    b"bcdfghjklmnpqrstvwxz2456789".contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_owner_have_one_name() {
        for (pod, name) in [
            ("api-7d4b9c6f5d-x2x9z", "api"),
            ("agent-x2x9z", "agent"),
            ("db-0", "db"),
            ("db-12", "db"),
            ("lonely", "lonely"),
            ("my-debug", "my-debug"),
        ] {
            assert_eq!(owner(pod), name, "{pod}");
        }
    }

    #[test]
    fn the_token_of_every_pod_has_one_name() {
        let token = |kind: SecretKind, name: &str| {
            let name = name.to_owned();
            let of =
                SecretRef { kind, namespace: None, name, pod_uid: None, uid: None, key: None, owner: None };
            stable_secret(&of).to_owned()
        };
        assert_eq!(token(SecretKind::Projected, "kube-api-access-x2x9z"), "kube-api-access");
        assert_eq!(token(SecretKind::Projected, "vault-token"), "vault-token");
        assert_eq!(token(SecretKind::SecretVolume, "kube-api-access-x2x9z"), "kube-api-access-x2x9z");
    }
}
