use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use object::{Object, ObjectSection};

use super::{Stack, Unwinder, layout};
use crate::symbols::Symbols;
use crate::witness::{LIBRARY, witness_for};

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }

    /// Changes so many bytes, half of them in the first pages, where the headers are.
    pub fn change(&mut self, bytes: &mut [u8], count: usize) {
        for _ in 0..count {
            let range = if self.below(2) == 0 { bytes.len().min(4096) } else { bytes.len() };
            let place = self.below(range);
            bytes[place] = if self.below(3) == 0 { 0xff } else { self.below(256) as u8 };
        }
    }
}

const START: u64 = 0x7000_0000_0000;
const STACK: u64 = 0x7fff_0000_0000;

/// A module that is loaded from this file.
fn add(unwinder: &mut Unwinder, id: u32, path: &Path) -> bool {
    let about = File::open(path).unwrap().metadata().unwrap();
    let raw = layout::Module {
        start: START,
        end: START + 0x10_0000,
        bias: START,
        device: about.dev(),
        inode: about.ino(),
        id,
        ..layout::read(&[])
    };
    unwinder.add(&raw, path, None).is_some()
}

/// A stack in which every word may be one of the module, or of the stack itself.
fn stack(random: &mut Random, id: u32, text: (u64, u64)) -> Stack {
    let mut word = || match random.below(4) {
        0 => Some(STACK + 8 * random.below(512) as u64),
        1 => None,
        _ => Some(START + text.0 + random.below(text.1 as usize) as u64),
    };
    let words = (0..512).map(|_| word()).collect();
    let mut registers = [0; layout::REGISTERS as usize];
    registers.fill_with(|| word().unwrap_or(0));
    registers[layout::REGISTERS as usize - 2] = STACK + 64;
    registers[layout::REGISTERS as usize - 1] =
        START + text.0 + random.below(text.1 as usize) as u64;
    Stack { registers, first: STACK, words, modules: vec![id] }
}

/// Drivers and libraries with bytes changed at random are taken or refused, have names or none, and a
/// stack ends where their tables are damaged. The seed is fixed.
#[test]
fn damaged_files_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let library = object::File::parse(LIBRARY).unwrap();
    let section = |name| library.section_by_name(name).unwrap();
    let text = (section(".text").address(), section(".text").size());
    let tables = [".eh_frame", ".eh_frame_hdr"].map(|name| section(name).file_range().unwrap());
    let mut driver = LIBRARY.to_vec();
    simulated_libcuda::hide_symbols(&mut driver, &["cuda_contexts_version"]).unwrap();
    let mut random = Random(20_261_130);
    let (mut taken, mut refused, mut named, mut clean, mut damaged) = (0, 0, 0, 0, 0);
    for round in 0..600_u32 {
        let mut bytes = driver.clone();
        match round % 3 {
            0 => {}
            1 => random.change(&mut bytes, round as usize % 40),
            _ => tables.iter().for_each(|&(offset, size)| {
                let count = random.below(30);
                random.change(&mut bytes[offset as usize..(offset + size) as usize], count);
            }),
        }
        if round % 7 == 1 {
            bytes.truncate(random.below(bytes.len()));
        }
        match witness_for(&bytes) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
        let path = folder.path().join(round.to_string());
        std::fs::write(&path, &bytes).unwrap();
        let (mut symbols, mut unwinder) = (Symbols::default(), Unwinder::default());
        for address in (0x2000..0x8000).step_by(0x200) {
            named += usize::from(symbols.places(&path, address)[0].function.is_some());
        }
        assert!(add(&mut unwinder, round, &path));
        std::fs::remove_file(&path).unwrap();
        for _ in 0..10 {
            let frames = unwinder.unwind(&stack(&mut random, round, text)).len();
            *(if round % 3 == 0 { &mut clean } else { &mut damaged }) += frames;
        }
    }
    assert!(witness_for(LIBRARY).unwrap_err().contains("a witness"));
    assert!(taken > 200 && refused > 50 && named > 500, "{taken} taken, {refused}, {named} names");
    assert!(clean > 4_000 && damaged > 4_000, "{clean} frames by the tables, {damaged} damaged");
}

#[test]
fn another_file_of_the_same_path_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("library.so");
    std::fs::write(&path, LIBRARY).unwrap();
    let mut unwinder = Unwinder::default();
    let raw = layout::Module { inode: 1, device: 1, id: 7, ..layout::read(&[]) };
    assert!(unwinder.add(&raw, &path, None).is_none());
    assert!(add(&mut unwinder, 8, &path));
}
