//! What a newborn container has until something is decided for it.

use cofferdam_policy::{Input, Order, OrderSays, compile};

use super::super::inside::Inside;
use super::rows::{is_same, rows};
use super::{Enforcer, Round};
use crate::pipeline::Pipeline;

/// As what the baseline of containers is told: whose it is, and its id.
pub const BASELINE: (&str, &str) = ("cofferdam", "baseline");

/// What a container for which nothing is decided yet may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Everything; it is told.
    Observe,
    /// It may not read secrets.
    Deny,
}

impl Enforcer {
    /// What the kernel gives a newborn container until something is decided for it.
    pub(super) fn set_baseline(&mut self, pipeline: &mut Pipeline, round: &Round<'_>) {
        let wanted = self.baseline == Baseline::Deny && !round.policies.is_empty();
        if !wanted {
            if self.pending.is_some()
                && let Err(error) = pipeline.tables.set_pending(0)
            {
                tracing::error!(%error, "the baseline of new containers stays");
            }
            self.pending = None;
            return;
        }
        let Some(host) = pipeline.state.workloads.iter().find(|it| !it.kind.is_container()).cloned() else {
            return;
        };
        let denied = round.objects.iter().map(|object| object.id).collect();
        let orders = [Order {
            id: BASELINE.1.to_owned(),
            says: OrderSays::DenySecrets(denied),
            until: None,
            owner: BASELINE.0.to_owned(),
            reason: "nothing is decided for this container yet".to_owned(),
        }];
        let nothing = Inside::default();
        let input = |generation| Input {
            generation,
            workload: &host,
            policies: &[],
            others: &[],
            objects: &round.objects,
            binaries: &nothing.binaries,
            names: &self.hosts.known,
            sockets: &nothing.sockets,
            resolvers: &self.resolvers,
            orders: &orders,
            clock: self.wall.clock(),
            now: round.now,
            tier: self.tier,
        };
        if let Some(known) = &self.pending
            && compile(&input(known.generation)).is_ok_and(|same| is_same(&same, known))
        {
            return;
        }
        let Ok(compiled) = compile(&input(self.next)) else { return };
        self.next += 1;
        let put = pipeline
            .tables
            .install(&rows(&compiled))
            .and_then(|()| pipeline.tables.set_pending(compiled.generation));
        match put {
            Ok(()) => {
                pipeline.names.add(compiled.generation, compiled.rules.clone());
                // Containers that are pending may still have the former.
                self.pending = Some(compiled);
            }
            Err(error) => tracing::error!(%error, "new containers have no baseline"),
        }
    }
}
