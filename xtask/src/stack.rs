//! What the kernel programs' functions need of its stack. The verifier refuses a program whose functions, one calling the
//! other, need more than 512 bytes together (`check_max_stack_depth`, kernel/bpf/verifier.c), and how the compiler lays
//! frames out changes with every build.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::read::elf::{ElfFile64, ElfSection64};
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SectionKind, SymbolIndex, SymbolKind,
};

/// What a program may need, in bytes (`MAX_BPF_STACK`, include/linux/filter.h).
const ALLOWED: u32 = 512;

/// How many functions may be on the stack (`MAX_CALL_FRAMES`, include/linux/bpf_verifier.h).
const CALLS: usize = 8;

/// To a multiple of this the verifier rounds each frame up where it does not know of the JIT's.
const ROUNDING: u32 = 32;

/// Bytes of an instruction (`struct bpf_insn`, include/uapi/linux/bpf.h).
const INSTRUCTION: usize = 8;
/// `BPF_JMP | BPF_CALL`, and the source register that says that a function of the program is called.
const CALL: u8 = 0x85;
const PSEUDO_CALL: u8 = 1;
/// `BPF_LD | BPF_IMM | BPF_DW`: a callback's address, among others.
const ADDRESS: u8 = 0x18;
/// The register that holds the frame's address, and the instructions that copy and move it.
const FRAME: u8 = 10;
const COPY: u8 = 0xbf;
const ADD: u8 = 0x07;
/// Classes of instructions that read (`BPF_LDX`) and write memory (`BPF_ST`, `BPF_STX`).
const READS: u8 = 1;
const WRITES: [u8; 2] = [2, 3];

type Elf<'a> = ElfFile64<'a>;
/// A function by its section and offset.
type Place = (SectionIndex, u64);

/// A function as far as its stack is concerned.
#[derive(Debug, Default)]
struct Function {
    name: String,
    frame: u32,
    calls: Vec<Place>,
    is_program: bool,
}

/// The deepest stack of a program.
#[derive(Debug, PartialEq, Eq)]
struct Deepest {
    bytes: u32,
    /// Functions on it, with their frames.
    chain: Vec<String>,
}

/// Fails if a program of this object needs more of the stack than it may.
pub(crate) fn check(object: &Path) -> Result<()> {
    let bytes = fs::read(object).with_context(|| format!("reading {}", object.display()))?;
    let functions =
        functions(&bytes).with_context(|| format!("reading the functions of {}", object.display()))?;
    for (place, function) in functions.iter().filter(|(_, it)| it.is_program) {
        let Deepest { bytes, chain } = deepest(&functions, *place, 1);
        let (name, shown) = (&function.name, chain.join(" > "));
        ensure!(
            bytes <= ALLOWED,
            "the program {name} needs {bytes} bytes of the kernel's stack, and may need {ALLOWED}: {shown}. Give what \
             is large a function of its own that calls none"
        );
        if bytes + ROUNDING > ALLOWED {
            eprintln!("note: the program {name} needs all of the kernel's stack, {bytes} bytes: {shown}");
        }
        ensure!(
            chain.len() <= CALLS,
            "in the program {name} more than {CALLS} functions call each other: {shown}"
        );
    }
    Ok(())
}

/// What a function that is so many calls deep needs from there on; not looked at beyond what the kernel allows.
fn deepest(functions: &HashMap<Place, Function>, place: Place, depth: usize) -> Deepest {
    let function = functions.get(&place).filter(|_| depth <= CALLS + 1);
    let Some(function) = function else { return Deepest { bytes: 0, chain: Vec::new() } };
    let below = function.calls.iter().filter(|call| functions.contains_key(*call));
    let below = below.map(|call| deepest(functions, *call, depth + 1));
    let below = below.max_by_key(|it| it.bytes);
    let mut chain = vec![format!("{} ({})", function.name, function.frame)];
    let below = below.map_or(0, |it| {
        chain.extend(it.chain);
        it.bytes
    });
    Deepest { bytes: function.frame.max(1).next_multiple_of(ROUNDING) + below, chain }
}

fn functions(bytes: &[u8]) -> Result<HashMap<Place, Function>> {
    let elf = Elf::parse(bytes)?;
    let mut found = HashMap::new();
    for symbol in elf.symbols().filter(|it| it.kind() == SymbolKind::Text && it.size() > 0) {
        let Some(index) = symbol.section_index() else { continue };
        let section = elf.section_by_index(index)?;
        let code = section.data_range(symbol.address(), symbol.size())?.context("a function without code")?;
        let function = Function {
            name: demangled(symbol.name()?),
            frame: frame(code),
            calls: calls(&elf, &section, symbol.address(), code),
            is_program: section.kind() == SectionKind::Text && section.name()? != ".text",
        };
        found.insert((index, symbol.address()), function);
    }
    Ok(found)
}

/// The last part of a mangled name that is a word: enough to find the function by.
fn demangled(name: &str) -> String {
    name.strip_prefix("_R")
        .and_then(|it| it.rsplit(|letter: char| letter.is_ascii_digit()).next())
        .unwrap_or(name)
        .to_owned()
}

/// How far below the frame's address a function reaches.
fn frame(code: &[u8]) -> u32 {
    let mut deepest = 0;
    let mut before = None;
    for [operation, registers, offset, number] in instructions(code) {
        let (to, from) = (registers as u8 & 0xf, registers as u8 >> 4);
        let reached = match operation as u8 {
            ADD if before == Some((COPY, FRAME, to)) => number,
            it if it & 7 == READS && from == FRAME => offset,
            it if WRITES.contains(&(it & 7)) && to == FRAME => offset,
            _ => 0,
        };
        deepest = deepest.min(reached);
        before = Some((operation as u8, from, to));
    }
    deepest.unsigned_abs()
}

/// Operation, registers, offset, number.
fn instructions(code: &[u8]) -> impl Iterator<Item = [i32; 4]> {
    code.as_chunks::<INSTRUCTION>().0.iter().map(|&[operation, registers, o0, o1, n0, n1, n2, n3]| {
        let offset = i16::from_le_bytes([o0, o1]);
        [operation.into(), registers.into(), offset.into(), i32::from_le_bytes([n0, n1, n2, n3])]
    })
}

/// The functions that one calls, or has a helper call: named by a relocation, or by how far away they are in the same
/// section.
fn calls(elf: &Elf<'_>, section: &ElfSection64<'_, '_>, begin: u64, code: &[u8]) -> Vec<Place> {
    let named: HashMap<u64, SymbolIndex> = section
        .relocations()
        .filter_map(|(at, relocation)| match relocation.target() {
            RelocationTarget::Symbol(symbol) => Some((at, symbol)),
            _ => None,
        })
        .collect();
    let called = |(index, [operation, registers, _, number]): (usize, [i32; 4])| {
        let at = begin + (index * INSTRUCTION) as u64;
        let named = || named.get(&at).and_then(|symbol| elf.symbol_by_index(*symbol).ok());
        let away = i64::from(number + 1) * INSTRUCTION as i64;
        match operation as u8 {
            CALL if registers as u8 >> 4 == PSEUDO_CALL => match named() {
                // A section's symbol: the number says where in it.
                Some(symbol) if symbol.kind() == SymbolKind::Section => {
                    Some((symbol.section_index()?, away as u64))
                }
                Some(symbol) => Some((symbol.section_index()?, symbol.address())),
                None => Some((section.index(), at.checked_add_signed(away)?)),
            },
            ADDRESS => match named()? {
                symbol if symbol.kind() == SymbolKind::Section => {
                    Some((symbol.section_index()?, u64::from(number as u32)))
                }
                symbol => Some((symbol.section_index()?, symbol.address())),
            },
            _ => None,
        }
    };
    // What is no function's, a table's or a variable's address, is not found among them later.
    instructions(code).enumerate().filter_map(called).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(operation: u8, to: u8, from: u8, offset: i16, number: i32) -> Vec<u8> {
        let mut bytes = vec![operation, from << 4 | to];
        bytes.extend(offset.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes
    }

    #[test]
    fn a_frame_reaches_as_far_as_what_is_stored_loaded_or_pointed_to() {
        let stored = instruction(0x7b, FRAME, 1, -16, 0);
        let loaded = instruction(0x79, 1, FRAME, -24, 0);
        let pointed = [instruction(COPY, 2, FRAME, 0, 0), instruction(ADD, 2, 0, 0, -80)].concat();
        let of_others = [instruction(0x7b, 3, 1, -200, 0), instruction(ADD, 4, 0, 0, -200)].concat();
        assert_eq!(frame(&stored), 16);
        assert_eq!(frame(&loaded), 24);
        assert_eq!(frame(&[stored, loaded, pointed].concat()), 80);
        assert_eq!(frame(&of_others), 0);
    }

    #[test]
    fn a_function_that_calls_itself_ends() {
        let at = (SectionIndex(1), 0);
        let functions = [(at, Function { calls: vec![at], ..Function::default() })].into_iter().collect();
        assert!(deepest(&functions, at, 1).chain.len() > CALLS);
    }

    #[test]
    fn frames_of_functions_that_call_each_other_add_up() {
        let at = |address| (SectionIndex(1), address);
        let function = |frame, calls: &[u64]| Function {
            frame,
            calls: calls.iter().map(|call| at(*call)).collect(),
            ..Function::default()
        };
        let functions = [
            (at(0), function(100, &[1, 2])),
            (at(1), function(40, &[])),
            (at(2), function(8, &[3])),
            (at(3), function(0, &[])),
        ];
        let functions = functions.into_iter().collect();
        assert_eq!(deepest(&functions, at(0), 1).bytes, 128 + 64, "as much as the two small ones");
        assert_eq!(deepest(&functions, at(2), 1).bytes, 64, "a function without a frame takes its step");
    }
}
