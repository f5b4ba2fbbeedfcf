//! Names that nobody else has.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};

/// So many random hexadecimal digits.
pub(super) fn hex_digits(count: usize) -> Result<String> {
    let mut bytes = vec![0; count.div_ceil(2)];
    let mut source = File::open("/dev/urandom").context("opening /dev/urandom")?;
    source.read_exact(&mut bytes).context("reading /dev/urandom")?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(count);
    Ok(text)
}

/// A random UUID, in the form that Kubernetes gives to pods.
pub(super) fn uuid() -> Result<String> {
    let digits = hex_digits(32)?;
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_length_that_was_asked_for_and_differ() {
        let (one, other) = (hex_digits(63).unwrap(), hex_digits(63).unwrap());
        assert_eq!(one.len(), 63);
        assert_ne!(one, other);
        assert_eq!(uuid().unwrap().len(), 36);
    }
}
