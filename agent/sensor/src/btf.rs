//! A reader of the kernel's type information (BTF), as far as field offsets need it.
//!
//! Format: Documentation/bpf/btf.rst. Every access is checked: the bytes come from the kernel, but a truncated or
//! unknown layout must be an error, never a wrong offset.

use std::collections::HashMap;

use cofferdam_abi::fields::FieldKind;

const MAGIC: u16 = 0xeb9f;
const HEADER_LEN: usize = 24;
const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;
/// How deep anonymous members and typedef chains are followed.
const MAX_DEPTH: usize = 16;

/// Why type information could not be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BtfError {
    /// The bytes are no BTF, or are cut.
    #[error("not BTF, or cut short, at byte {0}")]
    Malformed(usize),
    /// A kind of type that this reader does not know, so that what follows cannot be read.
    #[error("type kind {0} is not known; this kernel is newer than the agent")]
    UnknownKind(u32),
    /// The structure is not described.
    #[error("the kernel does not describe `struct {0}`")]
    NoStructure(String),
    /// The structure has none of these members.
    #[error("`struct {structure}` has no member {paths}")]
    NoMember {
        /// The structure.
        structure: String,
        /// The alternatives that were tried.
        paths: String,
    },
    /// The member is not of the kind that the programs read.
    #[error("`{structure}.{path}` is not the {expected:?} that the programs read")]
    WrongKind {
        /// The structure.
        structure: String,
        /// The member path.
        path: String,
        /// What was expected.
        expected: FieldKind,
    },
}

#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    bitfields: bool,
    vlen: u32,
    size_or_type: u32,
    /// Byte offset of what follows the common part.
    rest: usize,
}

/// Parsed type information; a module's refers to its base, the kernel's.
pub struct Btf<'a> {
    base: Option<&'a Btf<'a>>,
    bytes: &'a [u8],
    types: Vec<Type>,
    first_id: u32,
    strings: (usize, usize),
    base_strings: usize,
    structures: HashMap<&'a str, u32>,
}

/// Where a member lies and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Bytes from the start of the structure.
    pub offset: u64,
    kind: FieldKind,
}

impl<'a> Btf<'a> {
    /// Parses the kernel image's type information.
    ///
    /// # Errors
    /// If the bytes are not BTF of a layout known here.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        Self::parse_on(bytes, None)
    }

    /// Parses a module's type information, which continues its base's numbering.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn parse_module(bytes: &'a [u8], base: &'a Btf<'a>) -> Result<Self, BtfError> {
        Self::parse_on(bytes, Some(base))
    }

    fn parse_on(bytes: &'a [u8], base: Option<&'a Btf<'a>>) -> Result<Self, BtfError> {
        let magic = bytes.get(..2).ok_or(BtfError::Malformed(0))?;
        if magic != MAGIC.to_le_bytes() || bytes.len() < HEADER_LEN {
            return Err(BtfError::Malformed(0));
        }
        let header_len = u32_at(bytes, 4)? as usize;
        let section = |offset_at: usize| -> Result<(usize, usize), BtfError> {
            let start = header_len
                .checked_add(u32_at(bytes, offset_at)? as usize)
                .ok_or(BtfError::Malformed(offset_at))?;
            let end = start
                .checked_add(u32_at(bytes, offset_at + 4)? as usize)
                .filter(|end| *end <= bytes.len())
                .ok_or(BtfError::Malformed(offset_at))?;
            Ok((start, end))
        };
        let (types_start, types_end) = section(8)?;
        let strings = section(16)?;
        let mut parsed = Self {
            base,
            bytes,
            types: Vec::new(),
            first_id: base.map_or(1, |base| base.first_id + base.types.len() as u32),
            strings,
            base_strings: base.map_or(0, |base| base.strings.1 - base.strings.0),
            structures: HashMap::new(),
        };
        parsed.read_types(types_start, types_end)?;
        Ok(parsed)
    }

    fn read_types(&mut self, start: usize, end: usize) -> Result<(), BtfError> {
        let mut at = start;
        while at < end {
            let info = u32_at(self.bytes, at + 4)?;
            let one = Type {
                name: u32_at(self.bytes, at)?,
                kind: info >> 24 & 0x1f,
                bitfields: info >> 31 == 1,
                vlen: info & 0xffff,
                size_or_type: u32_at(self.bytes, at + 8)?,
                rest: at + 12,
            };
            at = one.rest + rest_len(one.kind, one.vlen as usize)?;
            if at > end {
                return Err(BtfError::Malformed(one.rest));
            }
            let id = self.first_id + self.types.len() as u32;
            if one.kind == KIND_STRUCT
                && let Some(name) = self.string(one.name)
                && !name.is_empty()
            {
                self.structures.entry(name).or_insert(id);
            }
            self.types.push(one);
        }
        Ok(())
    }

    fn string(&self, offset: u32) -> Option<&'a str> {
        let offset = offset as usize;
        match self.base {
            Some(base) if offset < self.base_strings => base.string(offset as u32),
            _ => {
                let start = self.strings.0.checked_add(offset - self.base_strings)?;
                let tail = self.bytes.get(start..self.strings.1)?;
                let len = tail.iter().position(|byte| *byte == 0)?;
                std::str::from_utf8(&tail[..len]).ok()
            }
        }
    }

    fn by_id(&self, id: u32) -> Option<(&Btf<'a>, Type)> {
        match self.base {
            Some(base) if id < self.first_id => base.by_id(id),
            _ => Some((self, *self.types.get(id.checked_sub(self.first_id)? as usize)?)),
        }
    }

    /// Looks through names for types: typedef, const, volatile, ...
    fn resolve(&self, mut id: u32) -> Option<(&Btf<'a>, Type)> {
        for _ in 0..MAX_DEPTH {
            let (home, one) = self.by_id(id)?;
            match one.kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    id = one.size_or_type
                }
                _ => return Some((home, one)),
            }
        }
        None
    }

    /// Finds a member by path: dots lead into nested structures, anonymous ones are looked through.
    ///
    /// # Errors
    /// If there is no such structure or none of the alternatives is a member of it.
    pub fn member(&self, structure: &str, paths: &[&str]) -> Result<Member, BtfError> {
        let id =
            *self.structures.get(structure).ok_or_else(|| BtfError::NoStructure(structure.to_owned()))?;
        paths
            .iter()
            .find_map(|path| self.follow(id, path))
            .ok_or_else(|| BtfError::NoMember { structure: structure.to_owned(), paths: paths.join(" or ") })
    }

    /// As [`Btf::member`], and checks what it is.
    ///
    /// # Errors
    /// As [`Btf::member`], or if the member is of another kind than the programs read.
    pub fn checked_member(
        &self,
        structure: &str,
        paths: &[&str],
        expected: FieldKind,
    ) -> Result<Member, BtfError> {
        let member = self.member(structure, paths)?;
        if expected == FieldKind::Place || member.kind == expected {
            return Ok(member);
        }
        Err(BtfError::WrongKind { structure: structure.to_owned(), path: paths.join(" or "), expected })
    }

    fn follow(&self, mut id: u32, path: &str) -> Option<Member> {
        let mut offset = 0;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let (member_offset, member_type) = self.find(id, name, MAX_DEPTH)?;
            offset += member_offset;
            id = member_type;
            if names.peek().is_none() {
                return Some(Member { offset, kind: self.kind_of(id)? });
            }
        }
        None
    }

    fn find(&self, id: u32, name: &str, depth: usize) -> Option<(u64, u32)> {
        let (home, one) = self.resolve(id)?;
        if depth == 0 || !matches!(one.kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        for index in 0..one.vlen as usize {
            let at = one.rest + index * 12;
            let member_name = home.string(u32_at(home.bytes, at).ok()?)?;
            let member_type = u32_at(home.bytes, at + 4).ok()?;
            let position = u32_at(home.bytes, at + 8).ok()?;
            let (bits, width) =
                if one.bitfields { (position & 0xff_ffff, position >> 24) } else { (position, 0) };
            if member_name == name {
                return (width == 0 && bits % 8 == 0).then_some((u64::from(bits / 8), member_type));
            }
            if member_name.is_empty()
                && let Some((inner, found)) = self.find(member_type, name, depth - 1)
            {
                return Some((u64::from(bits / 8) + inner, found));
            }
        }
        None
    }

    fn kind_of(&self, id: u32) -> Option<FieldKind> {
        let (_, one) = self.resolve(id)?;
        Some(match one.kind {
            KIND_PTR => FieldKind::Pointer,
            KIND_INT | KIND_ENUM | KIND_ENUM64 => FieldKind::Int(one.size_or_type),
            _ => FieldKind::Place,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map(u32::from_le_bytes)
        .ok_or(BtfError::Malformed(at))
}

/// Bytes that follow the common part of a type.
fn rest_len(kind: u32, vlen: usize) -> Result<usize, BtfError> {
    Ok(match kind {
        KIND_INT | 14 | 17 => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | 15 | KIND_ENUM64 => vlen * 12,
        KIND_ENUM | 13 => vlen * 8,
        KIND_PTR | 7 | KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | 12 | 16
        | KIND_TYPE_TAG => 0,
        other => return Err(BtfError::UnknownKind(other)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRINGS: &[u8] = b"\0outer\0a\0p\0l\0int\0long\0";

    /// Where a text stands among strings.
    fn position(strings: &[u8], text: &str) -> u32 {
        strings
            .windows(text.len() + 2)
            .position(|w| w[0] == 0 && &w[1..=text.len()] == text.as_bytes() && w[text.len() + 1] == 0)
            .map_or(0, |at| at as u32 + 1)
    }

    /// `struct outer { int a; union { void *p; long l; }; }`, by hand.
    fn sample() -> Vec<u8> {
        let name = |text: &str| position(STRINGS, text);
        let mut types: Vec<u32> = Vec::new();
        types.extend([name("int"), KIND_INT << 24, 4, 32]); // 1
        types.extend([name("long"), KIND_INT << 24, 8, 64]); // 2
        types.extend([0, KIND_PTR << 24, 0]); // 3
        types.extend([0, KIND_UNION << 24 | 2, 8, name("p"), 3, 0, name("l"), 2, 0]); // 4
        types.extend([name("outer"), KIND_STRUCT << 24 | 2, 16, name("a"), 1, 0, 0, 4, 64]); // 5
        described(&types, STRINGS)
    }

    /// `struct extension { struct outer *base; int a; }` of a module, which continues the sample.
    fn sample_module() -> Vec<u8> {
        let strings = b"\0extension\0base\0";
        let own = |text: &str| STRINGS.len() as u32 + position(strings, text);
        let mut types: Vec<u32> = Vec::new();
        types.extend([0, KIND_PTR << 24, 5]); // 6
        types.extend([own("extension"), KIND_STRUCT << 24 | 2, 16, own("base"), 6, 0]); // 7
        types.extend([position(STRINGS, "a"), 1, 64]);
        described(&types, strings)
    }

    fn described(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let type_bytes: Vec<u8> = types.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut out = MAGIC.to_le_bytes().to_vec();
        out.extend([1, 0]);
        for word in [24, 0, type_bytes.len() as u32, type_bytes.len() as u32, strings.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(type_bytes);
        out.extend(strings);
        out
    }

    #[test]
    fn a_member_of_an_anonymous_union_is_found_through_it() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.checked_member("outer", &["p"], FieldKind::Pointer).unwrap().offset, 8);
        assert_eq!(btf.checked_member("outer", &["a"], FieldKind::Int(4)).unwrap().offset, 0);
        assert_eq!(btf.member("outer", &["gone", "l"]).unwrap().offset, 8);
    }

    #[test]
    fn what_is_not_there_or_of_another_kind_is_an_error_that_names_it() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).unwrap();
        let missing = btf.member("outer", &["x", "y"]).unwrap_err().to_string();
        assert_eq!(missing, "`struct outer` has no member x or y");
        let wrong = btf.checked_member("outer", &["a"], FieldKind::Pointer).unwrap_err();
        assert!(matches!(wrong, BtfError::WrongKind { .. }));
        assert!(matches!(btf.member("inner", &["x"]), Err(BtfError::NoStructure(_))));
    }

    #[test]
    fn a_module_refers_to_types_and_names_of_the_kernel() {
        let (kernel, module) = (sample(), sample_module());
        let kernel = Btf::parse(&kernel).unwrap();
        let module = Btf::parse_module(&module, &kernel).unwrap();
        let base = module.checked_member("extension", &["base"], FieldKind::Pointer).unwrap();
        let a = module.checked_member("extension", &["a"], FieldKind::Int(4)).unwrap();
        assert_eq!((base.offset, a.offset), (0, 8));
    }

    proptest! {
        #[test]
        fn any_bytes_of_a_module_are_read_or_refused_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let kernel = sample();
            let kernel = Btf::parse(&kernel).unwrap();
            let _ = Btf::parse_module(&bytes, &kernel);
        }

        #[test]
        fn a_damaged_module_on_a_damaged_kernel_never_panics(
            damage in proptest::collection::vec((any::<bool>(), 0usize..200, any::<u8>()), 1..4),
        ) {
            let (mut kernel, mut module) = (sample(), sample_module());
            for (of_module, at, value) in damage {
                let bytes = if of_module { &mut module } else { &mut kernel };
                let length = bytes.len();
                bytes[at % length] = value;
            }
            if let Ok(kernel) = Btf::parse(&kernel)
                && let Ok(module) = Btf::parse_module(&module, &kernel)
            {
                let _ = module.member("extension", &["base", "a", "a.b.c"]);
                let _ = module.checked_member("extension", &["a"], FieldKind::Int(4));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Btf::parse(&bytes);
        }

        #[test]
        fn a_damaged_description_never_panics(at in 0usize..200, value in any::<u8>()) {
            let mut bytes = sample();
            let length = bytes.len();
            bytes[at % length] = value;
            if let Ok(btf) = Btf::parse(&bytes) {
                let _ = btf.member("outer", &["p", "a.b.c"]);
            }
        }
    }
}
