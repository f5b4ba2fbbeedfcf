//! Which secrets stand in a program's memory, as far as its history tells.

use std::collections::HashSet;
use std::sync::Arc;

use cofferdam_model::BootTime;

/// Touches remembered of one program itself.
pub const TOUCHES_MAX: usize = 64;
/// Secrets named for one program, inherited ones included.
pub const TAINTS_MAX: usize = 128;

/// The secrets of one program.
#[derive(Debug, Clone, Default)]
pub(super) struct Taint {
    own: Vec<(BootTime, Arc<str>)>,
    /// What was inherited at the beginning: it outlives the ancestors' places in the table.
    inherited: Arc<[Arc<str>]>,
}

impl Taint {
    /// Remembers a touch. False if there is no room.
    pub(super) fn touched(&mut self, secret: &str, at: BootTime) -> bool {
        if let Some((time, _)) = self.own.iter_mut().find(|(_, known)| &**known == secret) {
            *time = (*time).min(at);
            return true;
        }
        let room = self.own.len() < TOUCHES_MAX;
        if room {
            self.own.push((at, Arc::from(secret)));
        }
        room
    }

    /// What a program that begins now takes over.
    pub(super) fn inherited(&self, began: BootTime) -> Self {
        if self.own.is_empty() {
            return Self { own: Vec::new(), inherited: Arc::clone(&self.inherited) };
        }
        let mut secrets = Collector::default();
        self.tell(Some(began), &mut secrets);
        Self { own: Vec::new(), inherited: secrets.found.into() }
    }

    /// Names what was inherited, and what was touched until then.
    pub(super) fn tell(&self, until: Option<BootTime>, secrets: &mut Collector) {
        let in_time = |at: BootTime| until.is_none_or(|until| at <= until);
        self.inherited.iter().for_each(|secret| secrets.add(secret));
        self.own.iter().filter(|(at, _)| in_time(*at)).for_each(|(_, secret)| secrets.add(secret));
    }
}

/// Secrets, each once.
#[derive(Default)]
pub(super) struct Collector {
    found: Vec<Arc<str>>,
    known: HashSet<Arc<str>>,
}

impl Collector {
    fn add(&mut self, secret: &Arc<str>) {
        if self.found.len() < TAINTS_MAX && self.known.insert(Arc::clone(secret)) {
            self.found.push(Arc::clone(secret));
        }
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.found.iter().map(|secret| secret.to_string()).collect()
    }
}
