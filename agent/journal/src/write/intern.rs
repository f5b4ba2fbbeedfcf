//! What many rows share is stored once per segment: decisions and references to secrets. The ids of the ones used
//! lately are kept in memory.

use std::collections::HashMap;

use cofferdam_model::{BootId, DeniedBy, EnforcedBy, SecretRef};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::codec::{bits, json, opt_bits};

/// How many ids of each kind are kept in memory; beyond it the cache starts anew.
const KEPT: usize = 16_384;

/// What decided about an access, a connection or an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Decision {
    pub(super) denied_by: Option<DeniedBy>,
    pub(super) enforced_by: EnforcedBy,
    pub(super) policy: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) exception: bool,
    pub(super) generation: u64,
}

/// Ids in the segment that is being written. Forgotten when a transaction is rolled back.
#[derive(Debug, Default)]
pub(super) struct Interns {
    decisions: HashMap<Decision, i64>,
    /// Of one boot only: an owner's id means something in its boot.
    secrets: HashMap<SecretRef, i64>,
    boot: i64,
}

impl Interns {
    pub(super) fn forget(&mut self) {
        self.decisions.clear();
        self.secrets.clear();
    }

    pub(super) fn decision(&mut self, conn: &Connection, decision: Decision) -> Result<i64> {
        if let Some(id) = self.decisions.get(&decision) {
            return Ok(*id);
        }
        let denied_by = decision.denied_by.map(DeniedBy::as_str);
        let enforced_by = decision.enforced_by.as_str();
        let generation = bits(decision.generation);
        let Decision { policy, rule, exception, .. } = &decision;
        let values = params![denied_by, enforced_by, policy, rule, exception, generation];
        let known = conn
            .prepare_cached(
                "SELECT id FROM decision
                 WHERE denied_by IS ?1 AND enforced_by = ?2 AND policy IS ?3 AND rule IS ?4 AND exception = ?5
                     AND generation = ?6",
            )?
            .query_row(values, |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => conn
                .prepare_cached(
                    "INSERT INTO decision (denied_by, enforced_by, policy, rule, exception, generation)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
                )?
                .query_row(values, |row| row.get(0))?,
        };
        if self.decisions.len() >= KEPT {
            self.decisions.clear();
        }
        self.decisions.insert(decision, id);
        Ok(id)
    }

    /// The id of a secret; what the reference says more than the stored one (namespace, UID) is added to it.
    pub(super) fn secret(
        &mut self,
        conn: &Connection,
        boot: (i64, &BootId),
        secret: &SecretRef,
    ) -> Result<i64> {
        if self.boot != boot.0 || self.secrets.len() >= KEPT {
            self.secrets.clear();
            self.boot = boot.0;
        }
        if let Some(id) = self.secrets.get(secret) {
            return Ok(*id);
        }
        let id = conn
            .prepare_cached(
                "INSERT INTO secret (identity, kind, namespace, name, display, pod_uid, uid, key, boot, owner)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (identity) DO UPDATE SET
                     display = CASE WHEN excluded.namespace IS NULL THEN display ELSE excluded.display END,
                     namespace = coalesce(excluded.namespace, namespace),
                     uid = coalesce(excluded.uid, uid)
                 RETURNING id",
            )?
            .query_row(
                params![
                    identity(boot.1, secret)?,
                    secret.kind.as_str(),
                    secret.namespace,
                    secret.name,
                    secret.display_name(),
                    secret.pod_uid.as_ref().map(|uid| uid.as_str()),
                    secret.uid,
                    secret.key,
                    secret.owner.map(|_| boot.0),
                    opt_bits(secret.owner.map(|owner| owner.0)),
                ],
                |row| row.get(0),
            )?;
        self.secrets.insert(secret.clone(), id);
        Ok(id)
    }
}

/// What makes a secret the same secret, in every segment: all that does not arrive late. A pod's UID stands for its
/// namespace; without one the namespace is part of it.
fn identity(boot: &BootId, secret: &SecretRef) -> Result<String> {
    let scope = match &secret.pod_uid {
        Some(uid) => Some(uid.as_str()),
        None => secret.namespace.as_deref(),
    };
    let owner = secret.owner.map(|owner| (boot.as_str(), owner));
    json(&(secret.kind, scope, &secret.name, &secret.key, owner))
}
