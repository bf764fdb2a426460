//! What the witness reads of other code's memory (Python's structures, the tables of loaded libraries)
//! may be anything. A program of nothing but its readers, on memory full of what is wrong.

use std::path::Path;
use std::process::Command;

use crate::limit;
use crate::programs::{compile, source};

const ROUNDS: u64 = 2_000;

const READERS: [&str; 3] = ["loaded_object.c", "python_frames.c", "readable.c"];

/// With two seeds.
#[test]
fn no_memory_crashes_the_readers() {
    let witness = Path::new(env!("CARGO_MANIFEST_DIR")).join("witness");
    let mut sources = vec![source("witness/corrupt_memory.c")];
    sources.extend(READERS.map(|reader| witness.join(reader)));
    let program = compile("corrupt", &sources, &[]);
    for seed in ["1", "20261124"] {
        let output = limit::output(Command::new(&program).args([seed, &ROUNDS.to_string()]));
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{seed}: {output:?}");
        // It must get somewhere, or it shows nothing.
        let numbers: Vec<u64> =
            printed.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [lines, symbols] = numbers[..] else { panic!("{printed}") };
        assert!(lines > ROUNDS / 3, "{seed}: {printed}");
        assert!((ROUNDS / 8..2 * ROUNDS).contains(&symbols), "{seed}: {printed}");
    }
}
