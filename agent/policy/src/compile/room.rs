//! Whether the kernel's tables have room for the rows of all workloads together.

use std::ops::AddAssign;

use cofferdam_abi::map;

use super::Compiled;

/// How many rows generations have in each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rows {
    generations: usize,
    secrets: usize,
    grants: usize,
    prefixes: usize,
    destinations: usize,
}

/// Why policies do not fit: nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the kernel's table of {what} has no room for them: all workloads of this node would need {given} rows, of which \
     there may be {most} (those that change keep their old ones for a moment); nothing is changed: merge rules, name \
     fewer ports, select less, or remove policies first"
)]
pub struct NoRoom {
    /// What there is too much of.
    pub what: &'static str,
    /// How many.
    pub given: usize,
    /// How many there may be.
    pub most: usize,
}

impl Rows {
    /// Of one generation.
    pub fn of(compiled: &Compiled) -> Self {
        Self {
            generations: 1,
            secrets: compiled.secrets.len(),
            grants: compiled.grants.len(),
            prefixes: compiled.prefixes.len(),
            destinations: compiled.destinations.len(),
        }
    }

    /// Whether the tables hold so many.
    ///
    /// # Errors
    /// If one does not, with the numbers.
    pub fn fit(&self) -> Result<(), NoRoom> {
        let tables = [
            ("generations", self.generations, map::POLICIES),
            ("rules of secrets", self.secrets, map::SECRETS),
            ("grants of binaries", self.grants, map::GRANTS),
            ("address prefixes", self.prefixes, map::PREFIXES),
            ("destinations", self.destinations, map::DESTINATIONS),
        ];
        match tables.into_iter().find(|(_, given, most)| *given > *most as usize) {
            Some((what, given, most)) => Err(NoRoom { what, given, most: most as usize }),
            None => Ok(()),
        }
    }
}

impl AddAssign for Rows {
    fn add_assign(&mut self, other: Self) {
        self.generations += other.generations;
        self.secrets += other.secrets;
        self.grants += other.grants;
        self.prefixes += other.prefixes;
        self.destinations += other.destinations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_workload_needs_may_fit_and_all_together_not() {
        let one = Rows { generations: 1, secrets: 60, destinations: 65, ..Rows::default() };
        let mut all = Rows::default();
        for _ in 0..1_000 {
            assert_eq!(one.fit(), Ok(()));
            all += one;
        }
        assert_eq!(all.fit(), Ok(()));
        for _ in 0..1_000 {
            all += one;
        }
        let full = all.fit().unwrap_err();
        assert_eq!((full.what, full.given, full.most), ("rules of secrets", 120_000, map::SECRETS as usize));
        let told = full.to_string();
        assert!(told.contains("120000") && told.contains("65536"), "{told}");
    }

    #[test]
    fn a_table_that_is_full_to_the_last_row_is_enough() {
        let full = Rows { prefixes: map::PREFIXES as usize, ..Rows::default() };
        assert_eq!(full.fit(), Ok(()));
        let mut more = full;
        more += Rows { prefixes: 1, ..Rows::default() };
        assert_eq!(more.fit().unwrap_err().what, "address prefixes");
    }
}
