//! A streaming JSON reader for documents that hold secrets.
//!
//! The caller descends to the few fields that it wants; everything else is checked and passed over byte by byte.
//! What never happens here: a skipped value is not stored, an error does not quote the document, and the one fixed
//! buffer is zeroed before it is refilled, at the end, after an error and on drop.

mod scan;

use std::io::{self, Read};

use zeroize::{Zeroize, Zeroizing};

/// Bytes read at a time.
pub const BUFFER: usize = 4096;
/// Largest document that is read.
pub const DOCUMENT_MAX: u64 = 16 << 20;
/// Deepest nesting that is passed over.
pub const DEPTH_MAX: u32 = 127;
/// Longest object key that is told apart; longer ones match nothing.
pub const KEY_MAX: usize = 128;
/// Longest text that can be asked for.
pub const TEXT_MAX: usize = 4096;

/// Why a document could not be read. Says where, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON.
    #[error("no valid JSON at byte {offset}: {problem}")]
    Malformed {
        /// Where, from the beginning of the document.
        offset: u64,
        /// What was expected.
        problem: &'static str,
    },
    /// Reading failed.
    #[error("reading failed after byte {offset}: {kind}")]
    Unreadable {
        /// How far it was read.
        offset: u64,
        /// Kind of failure (the error itself could quote the document).
        kind: io::ErrorKind,
    },
    /// It is larger than [`DOCUMENT_MAX`].
    #[error("larger than {DOCUMENT_MAX} bytes")]
    TooLarge,
}

/// Reads one document.
pub struct Reader<R> {
    source: R,
    buffer: Zeroizing<Box<[u8]>>,
    next: usize,
    end: usize,
    refilled_at: u64,
}

impl<R: Read> Reader<R> {
    /// A reader at the beginning of a document.
    pub fn new(source: R) -> Self {
        let buffer = Zeroizing::new(vec![0; BUFFER].into_boxed_slice());
        Self { source, buffer, next: 0, end: 0, refilled_at: 0 }
    }

    /// Calls `visit` for each field of the object that comes next; `visit` must read or skip the value.
    /// Any other kind of value is passed over.
    pub fn object(
        &mut self,
        mut visit: impl FnMut(&mut Self, &str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if self.token()? != b'{' {
            return self.skip();
        }
        self.advance();
        if self.token()? == b'}' {
            self.advance();
            return Ok(());
        }
        loop {
            let key = self.key()?;
            visit(self, key.as_str())?;
            match self.token()? {
                b',' => self.advance(),
                b'}' => {
                    self.advance();
                    return Ok(());
                }
                _ => return Err(self.malformed("expected `,` or `}`")),
            }
        }
    }

    /// Calls `visit` for each element of the array that comes next; `visit` must read or skip it.
    /// Any other kind of value is passed over.
    pub fn array(
        &mut self,
        mut visit: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if self.token()? != b'[' {
            return self.skip();
        }
        self.advance();
        if self.token()? == b']' {
            self.advance();
            return Ok(());
        }
        loop {
            visit(self)?;
            match self.token()? {
                b',' => self.advance(),
                b']' => {
                    self.advance();
                    return Ok(());
                }
                _ => return Err(self.malformed("expected `,` or `]`")),
            }
        }
    }

    /// The string that comes next, if it is one and has at most [`TEXT_MAX`] bytes. Only for fields that hold no
    /// secret.
    pub fn text(&mut self) -> Result<Option<String>, JsonError> {
        self.captured::<TEXT_MAX>(None)
    }

    /// What stands before the first `=` of the string that comes next; the rest is passed over unseen. `None` if
    /// it is no string, has no `=`, or what stands there is no name: letters, digits, `_`, `-` and `.`, at most
    /// [`KEY_MAX`] of them. (Anything else may be part of a value, which often has a `=` of its own.)
    pub fn name_before_equals(&mut self) -> Result<Option<String>, JsonError> {
        let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let name = self.captured::<KEY_MAX>(Some(b'='))?;
        Ok(name.filter(|name| !name.is_empty() && name.bytes().all(of_a_name)))
    }

    /// Passes over the value that comes next, however deep it is nested.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        let mut nesting = Nesting::default();
        loop {
            let opened = match self.token()? {
                b'{' => {
                    self.advance();
                    if self.token()? == b'}' {
                        self.advance();
                        false
                    } else {
                        self.skip_key()?;
                        nesting.enter(true).ok_or_else(|| self.malformed("nested too deep"))?;
                        true
                    }
                }
                b'[' => {
                    self.advance();
                    if self.token()? == b']' {
                        self.advance();
                        false
                    } else {
                        nesting.enter(false).ok_or_else(|| self.malformed("nested too deep"))?;
                        true
                    }
                }
                _ => {
                    self.skip_scalar()?;
                    false
                }
            };
            if !opened && !self.next_sibling(&mut nesting)? {
                return Ok(());
            }
        }
    }

    /// Ends the document: nothing but white space may follow. Zeroes the buffer.
    pub fn finish(&mut self) -> Result<(), JsonError> {
        let rest = self.peek_token()?;
        self.buffer.zeroize();
        match rest {
            None => Ok(()),
            Some(_) => Err(self.malformed("expected the end of the document")),
        }
    }

    /// After a value inside of `nesting`: closes what ends here, moves to the next value. False at the outermost end.
    fn next_sibling(&mut self, nesting: &mut Nesting) -> Result<bool, JsonError> {
        while let Some(object) = nesting.innermost() {
            match (self.token()?, object) {
                (b',', true) => {
                    self.advance();
                    self.skip_key()?;
                    return Ok(true);
                }
                (b',', false) => {
                    self.advance();
                    return Ok(true);
                }
                (b'}', true) | (b']', false) => {
                    self.advance();
                    nesting.leave();
                }
                _ => return Err(self.malformed("expected `,` or the end of an object or array")),
            }
        }
        Ok(false)
    }

    fn key(&mut self) -> Result<Zeroizing<String>, JsonError> {
        if self.token()? != b'"' {
            return Err(self.malformed("expected a key"));
        }
        let key = self.captured::<KEY_MAX>(None)?.unwrap_or_default();
        self.colon()?;
        Ok(Zeroizing::new(key))
    }

    fn skip_key(&mut self) -> Result<(), JsonError> {
        if self.token()? != b'"' {
            return Err(self.malformed("expected a key"));
        }
        self.string(|_| ())?;
        self.colon()
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        if self.token()? != b':' {
            return Err(self.malformed("expected `:`"));
        }
        self.advance();
        Ok(())
    }

    /// The string that comes next, up to `end` if that is given (then it must occur).
    fn captured<const MAX: usize>(&mut self, end: Option<u8>) -> Result<Option<String>, JsonError> {
        if self.token()? != b'"' {
            self.skip()?;
            return Ok(None);
        }
        let mut scratch = Zeroizing::new([0_u8; MAX]);
        let mut length = 0;
        let mut ended = false;
        let mut fits = true;
        self.string(|byte| {
            ended |= Some(byte) == end;
            if !ended {
                match scratch.get_mut(length) {
                    Some(place) => *place = byte,
                    None => fits = false,
                }
                length = (length + 1).min(MAX);
            }
        })?;
        if !fits || ended != end.is_some() {
            return Ok(None);
        }
        Ok(std::str::from_utf8(&scratch[..length]).ok().map(str::to_owned))
    }
}

/// The objects (1) and arrays (0) that enclose a value, the innermost in the lowest bit.
#[derive(Default)]
struct Nesting {
    kinds: u128,
    depth: u32,
}

impl Nesting {
    fn enter(&mut self, object: bool) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        self.kinds = self.kinds << 1 | u128::from(object);
        Some(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.kinds >>= 1;
    }

    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.kinds & 1 == 1)
    }
}

#[cfg(test)]
pub(crate) mod tests;
