//! Which secrets a rule means, and how much of each.

use std::collections::BTreeSet;

use cofferdam_model::{SecretKind, SecretRef, Workload, glob};

use super::Object;
use super::active::Active;
use crate::policy::{Policy, Says};

/// How much of a secret a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cover {
    All,
    Keys(BTreeSet<String>),
}

/// Whether a rule speaks of a secret, and of how much of it.
pub fn cover(it: &Active<'_>, object: &Object, workload: &Workload) -> Option<Cover> {
    let Says::Secret(secret) = &it.rule.says else { return None };
    let keys = || secret.keys.clone().map_or(Cover::All, Cover::Keys);
    let by_path = glob(&secret.secret, &object.path.to_string_lossy());
    if object.refs.is_empty() {
        return by_path.then(keys);
    }
    let meant = object.refs.iter().filter_map(|of| {
        let namespace = namespace(of, workload);
        let is_meant = is_of(it.policy, namespace) && (by_path || is_named(&secret.secret, of, namespace));
        match (&secret.keys, &of.key) {
            _ if !is_meant => None,
            // The object is the file of one key.
            (Some(keys), Some(key)) => keys.contains(key).then_some(Cover::All),
            _ => Some(keys()),
        }
    });
    meant.reduce(wider)
}

fn wider(a: Cover, b: Cover) -> Cover {
    match (a, b) {
        (Cover::Keys(a), Cover::Keys(b)) => Cover::Keys(a.union(&b).cloned().collect()),
        _ => Cover::All,
    }
}

/// The namespace of a secret; that of the pod's own volumes is known with the pod's.
fn namespace<'a>(of: &'a SecretRef, workload: &'a Workload) -> Option<&'a str> {
    let is_own = of.pod_uid.is_some() && of.pod_uid.as_ref() == workload.kind.pod_uid();
    let of_pod = if is_own { workload.namespace.as_deref() } else { None };
    of.namespace.as_deref().or(of_pod)
}

/// A policy of a namespace means the secrets there; one whose namespace is not known is meant.
fn is_of(policy: &Policy, namespace: Option<&str>) -> bool {
    match (policy.namespace.as_deref(), namespace) {
        (Some(own), Some(its)) => own == its,
        _ => true,
    }
}

fn is_named(pattern: &str, of: &SecretRef, namespace: Option<&str>) -> bool {
    let is_volume = match of.kind {
        SecretKind::SecretVolume | SecretKind::Projected | SecretKind::Csi | SecretKind::SubPath => true,
        SecretKind::RunSecrets | SecretKind::Configured | SecretKind::Environment | SecretKind::Unknown => {
            false
        }
    };
    let volume = format!("volume/{}", of.name);
    let full = namespace.map(|namespace| format!("{namespace}/{volume}"));
    glob(pattern, &of.name)
        || (is_volume && (glob(pattern, &volume) || full.is_some_and(|full| glob(pattern, &full))))
}
