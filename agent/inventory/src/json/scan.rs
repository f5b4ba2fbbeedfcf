//! The reader's lower half: bytes, white space, strings, numbers.

use std::io::{self, Read};

use zeroize::Zeroize;

use super::{DOCUMENT_MAX, JsonError, Reader};

impl<R: Read> Reader<R> {
    pub(super) fn skip_scalar(&mut self) -> Result<(), JsonError> {
        match self.token()? {
            b'"' => self.string(|_| ()),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.malformed("expected a value")),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        for expected in word {
            if self.byte()? != *expected {
                return Err(self.malformed("expected `true`, `false` or `null`"));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek()? == Some(b'-') {
            self.advance();
        }
        if self.peek()? == Some(b'0') {
            self.advance();
        } else {
            self.digits()?;
        }
        if self.peek()? == Some(b'.') {
            self.advance();
            self.digits()?;
        }
        if matches!(self.peek()?, Some(b'e' | b'E')) {
            self.advance();
            if matches!(self.peek()?, Some(b'+' | b'-')) {
                self.advance();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek()?.is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.malformed("expected a digit"));
        }
        while self.peek()?.is_some_and(|b| b.is_ascii_digit()) {
            self.advance();
        }
        Ok(())
    }

    /// Hands each byte of the string that comes next to `take`, escapes resolved, in UTF-8.
    pub(super) fn string(&mut self, mut take: impl FnMut(u8)) -> Result<(), JsonError> {
        self.advance();
        let mut high: Option<u32> = None; // first half of a surrogate pair
        loop {
            let byte = self.byte()?;
            let unit = match byte {
                b'\\' => match self.byte()? {
                    b'u' => Some(self.hex4()?),
                    b'b' => Some(0x08),
                    b'f' => Some(0x0c),
                    b'n' => Some(0x0a),
                    b'r' => Some(0x0d),
                    b't' => Some(0x09),
                    quoted @ (b'"' | b'\\' | b'/') => Some(u32::from(quoted)),
                    _ => return Err(self.malformed("unknown escape")),
                },
                _ => None,
            };
            if let Some(first) = high.take() {
                if let Some(low @ 0xdc00..=0xdfff) = unit {
                    let joined = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
                    encode(joined, &mut take);
                    continue;
                }
                encode(first, &mut take);
            }
            match (byte, unit) {
                (_, Some(first @ 0xd800..=0xdbff)) => high = Some(first),
                (_, Some(code)) => encode(code, &mut take),
                (b'"', None) => return Ok(()),
                (0..0x20, None) => return Err(self.malformed("control character in a string")),
                (byte, None) => take(byte),
            }
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()?).to_digit(16);
            code = code << 4 | digit.ok_or_else(|| self.malformed("expected four hexadecimal digits"))?;
        }
        Ok(code)
    }

    /// The next byte that is not white space; not consumed.
    pub(super) fn token(&mut self) -> Result<u8, JsonError> {
        self.peek_token()?.ok_or_else(|| self.malformed("the document ends early"))
    }

    pub(super) fn peek_token(&mut self) -> Result<Option<u8>, JsonError> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek()? {
            self.advance();
        }
        self.peek()
    }

    fn byte(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek()?.ok_or_else(|| self.malformed("the document ends early"))?;
        self.advance();
        Ok(byte)
    }

    /// Moves past the byte that was peeked at.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    fn peek(&mut self) -> Result<Option<u8>, JsonError> {
        if self.next >= self.end {
            self.refill()?;
        }
        Ok(self.buffer[..self.end].get(self.next).copied())
    }

    fn refill(&mut self) -> Result<(), JsonError> {
        self.refilled_at += self.end as u64;
        (self.next, self.end) = (0, 0);
        self.buffer.zeroize();
        if self.refilled_at > DOCUMENT_MAX {
            return Err(JsonError::TooLarge);
        }
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(length) => {
                    self.end = length;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.zeroize();
                    return Err(JsonError::Unreadable { offset: self.refilled_at, kind: error.kind() });
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.buffer.iter().all(|byte| *byte == 0)
    }

    pub(super) fn malformed(&mut self, problem: &'static str) -> JsonError {
        let offset = self.refilled_at + self.next as u64;
        self.buffer.zeroize();
        JsonError::Malformed { offset, problem }
    }
}

/// A code point in UTF-8; half of a surrogate pair becomes U+FFFD.
fn encode(code: u32, take: &mut impl FnMut(u8)) {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    character.encode_utf8(&mut [0; 4]).bytes().for_each(take);
}
