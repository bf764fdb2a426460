//! A frame's registers, by their DWARF numbers.

/// Those that a stack's record has, in its order; then the stack pointer and the instruction.
#[cfg(target_arch = "x86_64")]
mod numbers {
    pub const RECORDED: &[usize] = &[3, 6, 12, 13, 14, 15];
    pub const STACK_POINTER: usize = 7;
    /// The column of the return address.
    pub const RETURN: usize = 16;
    pub const COUNT: usize = 17;
}
#[cfg(target_arch = "aarch64")]
mod numbers {
    pub const RECORDED: &[usize] = &[19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30];
    pub const STACK_POINTER: usize = 31;
    pub const RETURN: usize = 30;
    pub const COUNT: usize = 32;
}

pub use numbers::{COUNT, RETURN, STACK_POINTER};

use crate::arena::layout;

/// Those that are known, and the instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers {
    values: [Option<u64>; COUNT],
    pc: u64,
}

impl Registers {
    pub fn of(recorded: &[u64; layout::REGISTERS as usize]) -> Self {
        let mut values = [None; COUNT];
        for (number, value) in numbers::RECORDED.iter().zip(recorded) {
            values[*number] = Some(*value);
        }
        let [.., sp, pc] = *recorded;
        values[STACK_POINTER] = Some(sp);
        Self { values, pc: strip(pc) }
    }

    pub fn pc(&self) -> u64 {
        self.pc
    }

    pub fn get(&self, number: u16) -> Option<u64> {
        if cfg!(target_arch = "x86_64") && usize::from(number) == RETURN {
            return Some(self.pc);
        }
        self.values.get(usize::from(number)).copied().flatten()
    }

    pub fn set(&mut self, number: usize, value: Option<u64>) {
        if let Some(place) = self.values.get_mut(number) {
            *place = value;
        }
    }

    pub fn set_pc(&mut self, pc: u64) {
        self.pc = strip(pc);
    }

    /// On aarch64 handlers of signals return into the kernel's vDSO, whose table does not say where the
    /// interrupted registers are: in the `rt_sigframe` at the stack pointer.
    pub fn before_signal(&self, word: impl Fn(u64) -> Option<u64>) -> Option<Self> {
        const REGISTERS: u64 = 312;
        if !cfg!(target_arch = "aarch64") {
            return None;
        }
        let sp = self.values[STACK_POINTER]?;
        let mut before = Self { values: [None; COUNT], pc: 0 };
        for number in 0..COUNT {
            before.values[number] = word(sp.checked_add(REGISTERS + 8 * number as u64)?);
        }
        before.pc = strip(word(sp.checked_add(REGISTERS + 8 * COUNT as u64)?)?);
        Some(before)
    }
}

/// Without the bits by which aarch64 signs addresses.
fn strip(address: u64) -> u64 {
    if cfg!(target_arch = "aarch64") { address & 0xffff_ffff_ffff } else { address }
}
