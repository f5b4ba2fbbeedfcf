//! Field offsets of the running kernel, for every field that the programs read.

use std::fs;
use std::path::Path;

use cofferdam_abi::fields::{ABSENT, FIELDS, Field, FieldSource};

use crate::btf::{Btf, BtfError};

/// Where the kernel shows its own type information.
const BTF_DIR: &str = "/sys/kernel/btf";

/// Why offsets could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum OffsetError {
    /// The kernel was built without BTF.
    #[error(
        "cannot read the kernel's type information at {path}: {source}. Kernel hooks need a kernel built with CONFIG_DEBUG_INFO_BTF"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It was read, but does not tell what is needed.
    #[error("the kernel's type information at {path} cannot be used: {source}")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        source: BtfError,
    },
}

/// The offset of every field in [`FIELDS`], in that order; [`ABSENT`] where the kernel has none and may have none.
///
/// # Errors
/// If the kernel's type information is missing or contradicts what the programs read.
pub fn resolve() -> Result<Vec<(&'static str, u64)>, OffsetError> {
    resolve_in(Path::new(BTF_DIR))
}

fn resolve_in(dir: &Path) -> Result<Vec<(&'static str, u64)>, OffsetError> {
    let path = dir.join("vmlinux");
    let shown = path.display().to_string();
    let bytes = fs::read(&path).map_err(|source| OffsetError::Unreadable { path: shown.clone(), source })?;
    let unusable = |source| OffsetError::Unusable { path: shown.clone(), source };
    let kernel = Btf::parse(&bytes).map_err(unusable)?;
    FIELDS.iter().map(|field| Ok((field.symbol, offset(field, &kernel, dir).map_err(unusable)?))).collect()
}

fn offset(field: &Field, kernel: &Btf<'_>, dir: &Path) -> Result<u64, BtfError> {
    let in_kernel = kernel.checked_member(field.structure, field.paths, field.kind).map(|found| found.offset);
    match (field.source, in_kernel) {
        (_, Ok(offset)) => Ok(offset),
        (FieldSource::Kernel, Err(error)) => Err(error),
        (FieldSource::Some, Err(_)) => Ok(ABSENT),
        (FieldSource::Module(name), Err(_)) => {
            let Ok(bytes) = fs::read(dir.join(name)) else { return Ok(ABSENT) };
            let module = Btf::parse_module(&bytes, kernel)?;
            module.checked_member(field.structure, field.paths, field.kind).map(|found| found.offset)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_tells_every_field_that_it_must() {
        let offsets = match resolve() {
            Ok(offsets) => offsets,
            Err(OffsetError::Unreadable { .. }) => return, // a build machine without BTF cannot be asked
            Err(error) => panic!("{error}"),
        };
        assert_eq!(offsets.len(), FIELDS.len());
        for (field, (symbol, offset)) in FIELDS.iter().zip(&offsets) {
            assert_eq!(field.symbol, *symbol);
            assert!(field.source != FieldSource::Kernel || *offset < 1 << 16, "{symbol}: {offset}");
        }
    }
}
