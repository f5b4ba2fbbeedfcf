//! Walks through a translated program as a call that misses would: what it reads of the kernel means nothing in
//! particular, and every table is empty.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

use crate::bpf::Instruction;

/// Longer paths are no miss paths.
const STEPS_MAX: usize = 10_000;

/// Where the walk's memory lies: reading there tells what was written there.
const STACK: u64 = 0x7000_0000_0000;
/// The hook's arguments.
const CONTEXT: u64 = 0x6000_0000_0000;
/// Tables: all zero, so that no device is watched and no entry is found.
const TABLES: u64 = 0x5000_0000_0000;
/// Kernel objects: pointers to more of the same.
const OBJECTS: u64 = 0x4000_0000_0000;
/// An integer of the kernel that equals no constant in our programs, and is a small device number.
const ORDINARY: u64 = 0x2b;

/// `src_reg` of a 64-bit load that loads a map, or a value inside one (a global).
const PSEUDO_MAP: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;
/// `src_reg` of a call to a function of the program.
const PSEUDO_CALL: u8 = 1;

/// What kind of miss is followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Miss {
    /// Which argument of the hook holds the verdict of the LSMs before.
    pub(super) verdict: u64,
}

/// What lies on the path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// Instructions executed.
    pub(super) steps: usize,
    /// Tables looked into.
    pub(super) lookups: usize,
    /// Helpers and kernel functions called.
    pub(super) calls: usize,
}

/// Follows the path from the first instruction to the first return.
pub(super) fn walk(program: &[Instruction], miss: Miss) -> Result<Path> {
    let mut machine = Machine { miss, memory: HashMap::new(), registers: [0; 16] };
    machine.registers[1] = CONTEXT;
    machine.registers[10] = STACK;
    let mut path = Path::default();
    let mut returns = Vec::new();
    let mut at = 0usize;
    while path.steps < STEPS_MAX {
        let step = *program.get(at).with_context(|| format!("instruction {at} is beyond the end"))?;
        path.steps += 1;
        at += 1;
        match step.code {
            LOAD_64 => {
                let high = program.get(at).context("half of a 64-bit load is missing")?.constant;
                at += 1;
                machine.load_64(step, high);
                path.lookups += usize::from(step.source() == PSEUDO_MAP);
            }
            CALL if step.source() == PSEUDO_CALL => {
                returns.push(at);
                at = jump(at, i64::from(step.constant))?;
            }
            CALL => {
                path.calls += 1;
                machine.registers[0] = 0;
            }
            EXIT => match returns.pop() {
                Some(back) => at = back,
                None => return Ok(path),
            },
            code => match code & 0x07 {
                LDX => machine.load(step)?,
                ST | STX => machine.store(step),
                ALU | ALU64 => machine.compute(step)?,
                _ if machine.jumps(step)? => at = jump(at, step.distance())?,
                _ => {}
            },
        }
    }
    bail!("no return after {STEPS_MAX} instructions")
}

const LDX: u8 = 0x01;
const ST: u8 = 0x02;
const STX: u8 = 0x03;
const ALU: u8 = 0x04;
const JMP32: u8 = 0x06;
const ALU64: u8 = 0x07;
const LOAD_64: u8 = 0x18;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// In `code`: the second operand is a register.
const BY_REGISTER: u8 = 0x08;
/// A jump whose distance stands in the constant.
const LONG_JUMP: u8 = 0x06;

impl Instruction {
    fn destination(self) -> usize {
        usize::from(self.registers & 0x0f)
    }

    fn source(self) -> u8 {
        self.registers >> 4
    }

    fn distance(self) -> i64 {
        if self.code == LONG_JUMP { self.constant.into() } else { self.offset.into() }
    }
}

fn jump(at: usize, distance: i64) -> Result<usize> {
    let target = i64::try_from(at).ok().and_then(|at| at.checked_add(distance));
    target.and_then(|target| usize::try_from(target).ok()).context("a jump to before the beginning")
}

struct Machine {
    miss: Miss,
    memory: HashMap<u64, u64>,
    registers: [u64; 16],
}

impl Machine {
    fn load_64(&mut self, step: Instruction, high: i32) {
        let is_table = matches!(step.source(), PSEUDO_MAP | PSEUDO_MAP_VALUE);
        let value = u64::from(step.constant as u32) | u64::from(high as u32) << 32;
        self.registers[step.destination()] = if is_table { TABLES } else { value };
    }

    fn load(&mut self, step: Instruction) -> Result<()> {
        let from = self.registers[usize::from(step.source())].wrapping_add(step.offset as u64);
        let value = match self.memory.get(&from) {
            Some(value) => *value,
            None if from >= STACK - 0x1000 => bail!("a read of the stack before it was written"),
            None if from >= CONTEXT => {
                if (from - CONTEXT) / 8 == self.miss.verdict {
                    0
                } else {
                    OBJECTS
                }
            }
            None if from >= TABLES => 0,
            // Pointers are eight bytes long, and so is the magic of a superblock, which then is no known one.
            None if step.code & 0x18 == 0x18 => OBJECTS,
            None => ORDINARY,
        };
        self.registers[step.destination()] = value;
        Ok(())
    }

    fn store(&mut self, step: Instruction) {
        let to = self.registers[step.destination()].wrapping_add(step.offset as u64);
        let value = match step.code & 0x07 {
            STX => self.registers[usize::from(step.source())],
            _ => step.constant as u64,
        };
        self.memory.insert(to, value);
    }

    fn operand(&self, step: Instruction) -> u64 {
        if step.code & BY_REGISTER != 0 {
            self.registers[usize::from(step.source())]
        } else {
            step.constant as u64
        }
    }

    fn compute(&mut self, step: Instruction) -> Result<()> {
        let wide = step.code & 0x07 == ALU64;
        let (to, by) = (self.registers[step.destination()], self.operand(step));
        let (to, by) = if wide { (to, by) } else { (to & 0xffff_ffff, by & 0xffff_ffff) };
        let bits = if wide { 63 } else { 31 };
        let value = match step.code >> 4 {
            0x0 => to.wrapping_add(by),
            0x1 => to.wrapping_sub(by),
            0x2 => to.wrapping_mul(by),
            0x3 => to.checked_div(by).unwrap_or(0),
            0x4 => to | by,
            0x5 => to & by,
            0x6 => to << (by & bits),
            0x7 => to >> (by & bits),
            0x8 => to.wrapping_neg(),
            0x9 => to.checked_rem(by).unwrap_or(to),
            0xa => to ^ by,
            0xb => by,
            0xc if wide => ((to as i64) >> (by & bits)) as u64,
            0xc => ((to as u32 as i32) >> (by & bits)) as u64,
            operation => bail!("arithmetic {operation:#x} is not known here"),
        };
        self.registers[step.destination()] = if wide { value } else { value & 0xffff_ffff };
        Ok(())
    }

    fn jumps(&self, step: Instruction) -> Result<bool> {
        let (left, right) = (self.registers[step.destination()], self.operand(step));
        let narrow = step.code & 0x07 == JMP32;
        let (left, right) = if narrow { (left & 0xffff_ffff, right & 0xffff_ffff) } else { (left, right) };
        let signed = |value: u64| if narrow { i64::from(value as i32) } else { value as i64 };
        Ok(match step.code >> 4 {
            0x0 => true,
            0x1 => left == right,
            0x2 => left > right,
            0x3 => left >= right,
            0x4 => left & right != 0,
            0x5 => left != right,
            0x6 => signed(left) > signed(right),
            0x7 => signed(left) >= signed(right),
            0xa => left < right,
            0xb => left <= right,
            0xc => signed(left) < signed(right),
            0xd => signed(left) <= signed(right),
            operation => {
                ensure!(false, "jump {operation:#x} is not known here");
                false
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(code: u8, destination: u8, source: u8, offset: i16, constant: i32) -> Instruction {
        Instruction { code, registers: destination | source << 4, offset, constant }
    }

    /// file → inode → device, one lookup in an array, return on zero; a helper call if it was not zero.
    fn program() -> Vec<Instruction> {
        vec![
            step(0x79, 2, 1, 8, 0),             // r2 = verdict
            step(0x55, 2, 0, 12, 0),            // if r2 != 0 goto return
            step(0x79, 1, 1, 0, 0),             // r1 = file
            step(0x79, 1, 1, 32, 0),            // r1 = inode
            step(0x61, 2, 1, 16, 0),            // r2 = device
            step(0x63, 10, 2, -4, 0),           // *(u32 *)(fp - 4) = r2
            step(LOAD_64, 1, PSEUDO_MAP, 0, 7), // r1 = table
            step(0, 0, 0, 0, 0),
            step(0x61, 0, 10, -4, 0), // r0 = key
            step(0x67, 0, 0, 0, 3),   // r0 <<= 3
            step(0x0f, 0, 1, 0, 0),   // r0 += r1
            step(0x61, 0, 0, 0, 0),   // r0 = flags
            step(0x15, 0, 0, 1, 0),   // if r0 == 0 goto return
            step(CALL, 0, 0, 0, 14),
            step(0xb7, 0, 0, 0, 0), // return: r0 = 0
            step(EXIT, 0, 0, 0, 0),
        ]
    }

    #[test]
    fn a_miss_is_one_lookup_and_no_call() {
        let path = walk(&program(), Miss { verdict: 1 }).unwrap();
        assert_eq!(path, Path { steps: 14, lookups: 1, calls: 0 });
    }

    #[test]
    fn what_is_called_on_the_way_is_counted() {
        let mut program = program();
        program[12] = step(0x15, 0, 0, 1, 1);
        assert_eq!(walk(&program, Miss { verdict: 1 }).unwrap().calls, 1);
    }

    #[test]
    fn an_endless_program_is_no_miss() {
        assert!(walk(&[step(0x05, 0, 0, -1, 0)], Miss { verdict: 1 }).is_err());
        assert!(walk(&[], Miss { verdict: 1 }).is_err());
    }
}
