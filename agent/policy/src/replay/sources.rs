//! Secrets as the compiler knows them: one object for all keys of a source.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use cofferdam_model::{AccessKind, Known, PodUid, SecretKind, SecretRef, SeenAccess, WorkloadId};

use crate::Object;

/// What of a reference is not its key, nor a name that arrives late.
type Source<'a> = (SecretKind, &'a str, Option<&'a PodUid>, Option<WorkloadId>, Option<&'a str>);

/// The sources of a journal's secrets.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// By the secret's number.
    of: Vec<usize>,
    objects: Vec<Object>,
    /// By workload, what it touched.
    touched: HashMap<u32, BTreeSet<usize>>,
}

impl Sources {
    pub(super) fn of(known: &Known, accesses: &[SeenAccess]) -> Self {
        let mut out = Self::default();
        let mut seen: HashMap<Source<'_>, usize> = HashMap::new();
        for secret in &known.secrets {
            let of = &secret.of;
            let scope = if of.pod_uid.is_some() { None } else { of.namespace.as_deref() };
            let source = (of.kind, of.name.as_str(), of.pod_uid.as_ref(), of.owner, scope);
            let index = *seen.entry(source).or_insert_with(|| {
                let id = (out.objects.len() as u64 + 1) | (1 << 63);
                let whole = SecretRef { key: None, ..of.clone() };
                out.objects.push(Object { id, refs: vec![whole], path: PathBuf::new() });
                out.objects.len() - 1
            });
            let object = &mut out.objects[index];
            if let Some(path) =
                secret.path.as_ref().filter(|_| of.key.is_none() || object.path.as_os_str().is_empty())
            {
                object.path = PathBuf::from(path);
            }
            let namespace = &mut object.refs[0].namespace;
            *namespace = namespace.take().or_else(|| of.namespace.clone());
            out.of.push(index);
        }
        let files = accesses.iter().filter(|it| !matches!(it.how, AccessKind::Environ | AccessKind::Ptrace));
        for (workload, secret) in files.filter_map(|it| Some((it.workload?, it.secret))) {
            if let Some(index) = out.of.get(secret as usize) {
                out.touched.entry(workload).or_default().insert(*index);
            }
        }
        out
    }

    fn get(&self, secret: u32) -> Option<&Object> {
        self.of.get(secret as usize).and_then(|index| self.objects.get(*index))
    }

    /// The object that a secret is one key of.
    pub(super) fn object(&self, secret: u32) -> u64 {
        self.get(secret).map_or(0, |object| object.id)
    }

    /// Whether nobody can say which secret it is.
    pub(super) fn is_unknown(&self, secret: u32) -> bool {
        self.get(secret).is_none_or(|object| object.refs[0].kind == SecretKind::Unknown)
    }

    /// Whether its path is known.
    pub(super) fn is_placed(&self, secret: u32) -> bool {
        self.get(secret).is_some_and(|object| !object.path.as_os_str().is_empty())
    }

    /// What a workload touched.
    pub(super) fn touched_by(&self, workload: u32) -> Vec<Object> {
        let touched = self.touched.get(&workload).into_iter().flatten();
        touched.map(|index| self.objects[*index].clone()).collect()
    }
}
