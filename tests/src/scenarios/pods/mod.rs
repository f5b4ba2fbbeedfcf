//! Pods that containerd makes through CRI, as for a kubelet.

mod names;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[names::SCENARIO];
