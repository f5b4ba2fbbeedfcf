//! What of a row is not as it must be, field by field.

use std::fmt::Debug;

/// Collects the fields that differ.
#[derive(Debug, Default)]
pub(super) struct Differences(Vec<String>);

impl Differences {
    /// Compares one field, unless anything will do.
    pub(super) fn field<T: PartialEq + Debug>(&mut self, name: &str, got: &T, wanted: Option<&T>) {
        if let Some(wanted) = wanted
            && got != wanted
        {
            self.0.push(format!("{name} is {got:?} and must be {wanted:?}"));
        }
    }

    /// Notes a fact that must hold.
    pub(super) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.0.push(otherwise());
        }
    }

    /// Everything that differs, as one text; `None` if nothing does.
    pub(super) fn told(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }
}
