//! The unwinding tables of one file.

use std::fs::File;
use std::ops::Range;

use addr2line::gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, EvaluationResult, Expression,
    FrameDescriptionEntry, LittleEndian, Location, Register, RegisterRule, UnwindContext,
    UnwindExpression, UnwindSection, Value,
};
use memmap2::Mmap;
use object::{Object, ObjectSection};

use super::registers::{COUNT, RETURN, Registers, STACK_POINTER};

/// A damaged table may have a program without an end.
const MOST_OPERATIONS: u32 = 1000;

/// Without a usable index a table is read from its beginning, if it is not too long for that.
const LONGEST_WITHOUT_INDEX: usize = 4 << 20;

type Slice<'file> = EndianSlice<'file, LittleEndian>;

/// A word of the stack, if it was copied.
type Words<'stack> = dyn Fn(u64) -> Option<u64> + 'stack;

/// Where they are in the file.
#[derive(Debug)]
pub struct Tables {
    map: Mmap,
    frames: Range<usize>,
    index: Range<usize>,
    bases: BaseAddresses,
}

impl Tables {
    /// `None`: the file has none.
    pub fn read(file: &File) -> Option<Self> {
        // SAFETY: the bytes must stay as they are while they are looked at, and nothing here can see
        // to that. Libraries are mostly replaced by new files, seldom written in place; one that is
        // gives a wrong stack, and one that is truncated ends this command by SIGBUS.
        let map = unsafe { Mmap::map(file) }.ok()?;
        let object = object::File::parse(&*map).ok()?;
        let section = |name| {
            let section = object.section_by_name(name)?;
            let (offset, size) = section.file_range()?;
            let begin = usize::try_from(offset).ok()?;
            let range = begin..begin.checked_add(usize::try_from(size).ok()?)?;
            (range.end <= map.len()).then(|| (range, section.address()))
        };
        let (frames, frames_address) = section(".eh_frame")?;
        let (index, index_address) = section(".eh_frame_hdr").unwrap_or((0..0, 0));
        let address = |name| object.section_by_name(name).map_or(0, |section| section.address());
        let bases = BaseAddresses::default()
            .set_eh_frame(frames_address)
            .set_eh_frame_hdr(index_address)
            .set_text(address(".text"))
            .set_got(address(".got"));
        drop(object);
        Some(Self { map, frames, index, bases })
    }

    /// The caller's registers, and whether a signal interrupted it. `address` is as the file has it.
    pub fn caller(
        &self,
        address: u64,
        registers: &Registers,
        exact: bool,
        word: &Words<'_>,
    ) -> Option<(Registers, bool)> {
        let mut frames = EhFrame::new(&self.map[self.frames.clone()], LittleEndian);
        if cfg!(target_arch = "aarch64") {
            frames.set_vendor(addr2line::gimli::Vendor::AArch64);
        }
        let entry = self.entry(&frames, address)?;
        let mut context = UnwindContext::new();
        let row =
            entry.unwind_info_for_address(&frames, &self.bases, &mut context, address).ok()?;
        let frame = Frame { frames, registers, word };
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                registers.get(register.0)?.wrapping_add(*offset as u64)
            }
            CfaRule::Expression(expression) => frame.evaluate(expression, None)?,
        };
        let return_register = entry.cie().return_address_register();
        let mut caller = registers.clone();
        caller.set(STACK_POINTER, Some(cfa));
        for number in 0..COUNT {
            match row.register(Register(number as u16)) {
                // What no rule names is kept by whoever is called.
                RegisterRule::Undefined | RegisterRule::SameValue => {}
                rule => caller.set(number, frame.value(&rule, cfa)),
            }
        }
        let pc = match row.register(return_register) {
            // Only a function that calls none keeps it in the register.
            RegisterRule::Undefined | RegisterRule::SameValue => {
                let in_register = exact && usize::from(return_register.0) == RETURN;
                registers
                    .get(return_register.0)
                    .filter(|_| in_register && cfg!(target_arch = "aarch64"))?
            }
            rule => frame.value(&rule, cfa)?,
        };
        caller.set_pc(pc);
        Some((caller, entry.is_signal_trampoline()))
    }

    fn entry<'file>(
        &'file self,
        frames: &EhFrame<Slice<'file>>,
        address: u64,
    ) -> Option<FrameDescriptionEntry<Slice<'file>>> {
        let index = EhFrameHdr::new(&self.map[self.index.clone()], LittleEndian);
        let parsed = index.parse(&self.bases, 8).ok();
        let table = parsed.as_ref().and_then(addr2line::gimli::ParsedEhFrameHdr::table);
        let found = table.and_then(|table| {
            table.fde_for_address(frames, &self.bases, address, EhFrame::cie_from_offset).ok()
        });
        found.or_else(|| {
            let is_short = self.frames.len() <= LONGEST_WITHOUT_INDEX;
            is_short.then(|| {
                frames.fde_for_address(&self.bases, address, EhFrame::cie_from_offset).ok()
            })?
        })
    }
}

/// A frame whose caller is looked for.
struct Frame<'stack> {
    frames: EhFrame<Slice<'stack>>,
    registers: &'stack Registers,
    word: &'stack Words<'stack>,
}

impl Frame<'_> {
    fn value(&self, rule: &RegisterRule<usize>, cfa: u64) -> Option<u64> {
        match rule {
            RegisterRule::Offset(offset) => (self.word)(cfa.wrapping_add(*offset as u64)),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add(*offset as u64)),
            RegisterRule::Register(register) => self.registers.get(register.0),
            RegisterRule::Expression(expression) => {
                (self.word)(self.evaluate(expression, Some(cfa))?)
            }
            RegisterRule::ValExpression(expression) => self.evaluate(expression, Some(cfa)),
            RegisterRule::Constant(value) => Some(*value),
            _ => None,
        }
    }

    fn evaluate(&self, expression: &UnwindExpression<usize>, cfa: Option<u64>) -> Option<u64> {
        let Expression(bytes) = expression.get(&self.frames).ok()?;
        let encoding = addr2line::gimli::Encoding {
            address_size: 8,
            format: addr2line::gimli::Format::Dwarf32,
            version: 4,
        };
        let mut evaluation = Expression(bytes).evaluation(encoding);
        evaluation.set_max_iterations(MOST_OPERATIONS);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let mut state = evaluation.evaluate().ok()?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = self.registers.get(register.0)?;
                    evaluation.resume_with_register(Value::Generic(value)).ok()?
                }
                EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                    let value = (self.word)(address)?;
                    evaluation.resume_with_memory(Value::Generic(value)).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.result().first()?.location {
            Location::Address { address } => Some(address),
            _ => None,
        }
    }
}
