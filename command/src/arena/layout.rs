//! Where things lie in the file: `witness/events.h`, said in Rust. A test compares the two.

/// Names the offsets of the fields of one struct, and lists them for the test.
macro_rules! offsets {
    ($module:ident = $structure:literal, $size:literal { $($name:ident = $field:literal @ $offset:literal,)* }) => {
        pub mod $module {
            $(pub const $name: usize = $offset;)*
            #[allow(dead_code, reason = "the test compares all of them")]
            pub const SIZE: usize = $size;
            #[cfg(test)]
            pub const FIELDS: &[(&str, usize)] = &[$(($field, $offset)),*];
            #[cfg(test)]
            pub const STRUCTURE: &str = $structure;
        }
    };
}

offsets!(arena = "trace_arena", 184 {
    MAGIC = "magic" @ 0,
    LAYOUT = "layout" @ 8,
    HEADER_BYTES = "header_bytes" @ 12,
    CAPACITY = "capacity" @ 16,
    AVAILABLE = "available" @ 24,
    POSITION = "position" @ 32,
    LOST = "lost" @ 40,
    NEXT_MODULE = "next_module" @ 48,
    STACK = "stack" @ 52,
    DENY = "deny" @ 53,
    ASK = "ask" @ 54,
    FORBID = "forbid" @ 55,
    ONLY = "only" @ 56,
});

offsets!(record = "trace_record", 24 {
    PID = "pid" @ 8,
    TID = "tid" @ 12,
    TIME = "time" @ 16,
});

offsets!(process = "trace_process", 64 {
    PARENT = "parent" @ 24,
    FORKED = "forked" @ 28,
    START = "start" @ 32,
    MEANT_ORDINAL = "meant_ordinal" @ 40,
    PYTHON = "python" @ 44,
    VARIABLES_LENGTH = "variables_length" @ 48,
    ARGUMENTS_LENGTH = "arguments_length" @ 52,
    EXECUTABLE_LENGTH = "executable_length" @ 56,
});

offsets!(module = "trace_module", 32 {
    ID = "id" @ 24,
    PATH_LENGTH = "path_length" @ 28,
});

offsets!(device = "trace_device", 56 {
    HANDLE = "handle" @ 24,
    ORDINAL = "ordinal" @ 28,
    UUID = "uuid" @ 32,
    MEANT = "meant" @ 48,
});

offsets!(call = "trace_call", 88 {
    FUNCTION = "function" @ 24,
    FRAME_COUNT = "frame_count" @ 26,
    DEVICE = "device" @ 28,
    CONTEXT = "context" @ 40,
    ENDED = "ended" @ 48,
    ANSWER = "answer" @ 56,
    FLAGS = "flags" @ 60,
    TAKEN_FROM = "taken_from" @ 64,
    DEVICE_REFERENCES = "device_references" @ 72,
});

offsets!(frame = "trace_frame", 16 {
    ADDRESS = "address" @ 0,
    MODULE = "module" @ 8,
});

offsets!(python_frame = "trace_python_frame", 48 {
    CALL = "call" @ 24,
    INDEX = "index" @ 32,
    LINE = "line" @ 36,
    FILE_LENGTH = "file_length" @ 40,
    FUNCTION_LENGTH = "function_length" @ 44,
});

offsets!(bypass = "trace_bypass", 32 {
    PATH_LENGTH = "path_length" @ 24,
});

/// The variable that names the file to the witness.
pub const VARIABLE: &str = "CUDA_CONTEXTS_ARENA";
pub const MAGIC: &[u8; 8] = b"cudactx\n";
pub const LAYOUT: u32 = 1;
pub const HEADER_BYTES: u32 = 4096;
pub const RECORD_MAGIC: u8 = 0xC7;
/// Of `only`, with the zero that ends it.
pub const ONLY_BYTES: usize = 128;

/// Where launchers say which of a machine's workers a process is; the first that is set and not empty
/// counts.
pub const LOCAL_RANKS: [&str; 5] = [
    "LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "SLURM_LOCALID",
];

pub const KIND_PROCESS: u16 = 1;
pub const KIND_MODULE: u16 = 2;
pub const KIND_DEVICE: u16 = 3;
pub const KIND_CALL: u16 = 4;
pub const KIND_PYTHON_FRAME: u16 = 5;
pub const KIND_EXIT: u16 = 6;
pub const KIND_BYPASS: u16 = 7;

pub const RESERVED: u8 = 1;
#[cfg(test)]
pub const WRITTEN: u8 = 2;
pub const ENDED: u8 = 3;

pub const STACK_FIRST: u8 = 0;
pub const STACK_ALL: u8 = 1;
pub const STACK_NONE: u8 = 2;

pub const MEANT_YES: u8 = 1;
pub const MEANT_NO: u8 = 2;

pub const DENIED: u32 = 1;
pub const CREATED: u32 = 2;
pub const ENDED_CONTEXT: u32 = 4;
pub const AFTER_EXIT: u32 = 32;
pub const PYTHON_FAILED: u32 = 64;
pub const TABLE_FULL: u32 = 128;

/// The functions, by their number less one.
pub const FUNCTIONS: [&str; 16] = [
    "cuInit",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxReset",
    "cuDevicePrimaryCtxReset_v2",
    "cuCtxCreate",
    "cuCtxCreate_v2",
    "cuCtxCreate_v3",
    "cuCtxCreate_v4",
    "cuCtxDestroy",
    "cuCtxDestroy_v2",
    "cuGreenCtxCreate",
    "cuGreenCtxDestroy",
    "cuGetProcAddress",
    "cuGetProcAddress_v2",
];

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Every number of this file, for a C compiler that has the header.
    fn assertions() -> String {
        let mut source = String::from("#include \"events.h\"\n#include <stddef.h>\n");
        let mut says = |what: String| writeln!(source, "_Static_assert({what}, \"\");").unwrap();
        macro_rules! structures {
            ($($module:ident)*) => {$(
                let structure = $module::STRUCTURE;
                says(format!("sizeof(struct {structure}) == {}", $module::SIZE));
                for (field, offset) in $module::FIELDS {
                    says(format!("offsetof(struct {structure}, {field}) == {offset}"));
                }
            )*};
        }
        structures!(arena record process module device call frame python_frame bypass);
        macro_rules! constants {
            ($($name:ident = $c:literal)*) => {$(says(format!("{} == {}", $c, $name));)*};
        }
        constants! {
            LAYOUT = "TRACE_LAYOUT" HEADER_BYTES = "TRACE_HEADER_BYTES"
            RECORD_MAGIC = "TRACE_RECORD_MAGIC"
            KIND_PROCESS = "TRACE_PROCESS" KIND_MODULE = "TRACE_MODULE"
            KIND_DEVICE = "TRACE_DEVICE" KIND_CALL = "TRACE_CALL"
            KIND_PYTHON_FRAME = "TRACE_PYTHON_FRAME" KIND_EXIT = "TRACE_EXIT"
            KIND_BYPASS = "TRACE_BYPASS"
            RESERVED = "TRACE_RESERVED" WRITTEN = "TRACE_WRITTEN" ENDED = "TRACE_ENDED"
            STACK_FIRST = "TRACE_STACK_FIRST" STACK_ALL = "TRACE_STACK_ALL"
            STACK_NONE = "TRACE_STACK_NONE"
            MEANT_YES = "TRACE_MEANT_YES" MEANT_NO = "TRACE_MEANT_NO"
            DENIED = "TRACE_DENIED" CREATED = "TRACE_CREATED"
            ENDED_CONTEXT = "TRACE_ENDED_CONTEXT"
            AFTER_EXIT = "TRACE_AFTER_EXIT"
            PYTHON_FAILED = "TRACE_PYTHON_FAILED" TABLE_FULL = "TRACE_TABLE_FULL"
            ONLY_BYTES = "sizeof(((struct trace_arena *)0)->only)"
        }
        for (number, name) in FUNCTIONS.iter().enumerate() {
            says(format!("TRACE_{name} == {}", number + 1));
        }
        says(format!("TRACE_FUNCTION_COUNT == {}", FUNCTIONS.len() + 1));
        source
            .push_str("const char *variable = TRACE_ARENA_VARIABLE, *magic = TRACE_ARENA_MAGIC;\n");
        // As it stands in the header, in one string.
        source.push_str("#define WORDS(...) #__VA_ARGS__\n#define OF(...) WORDS(__VA_ARGS__)\n");
        source.push_str("const char *ranks = OF(TRACE_LOCAL_RANKS);\n");
        source
    }

    #[test]
    fn the_header_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("layout.c");
        std::fs::write(&source, assertions()).unwrap();
        let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("witness");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let output = Command::new(compiler)
            .args(["-std=c11", "-S", "-o", "-", "-I"])
            .args([header.as_path(), &source])
            .output()
            .expect("a C compiler, as the build has one");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let texts = String::from_utf8_lossy(&output.stdout);
        assert!(texts.contains(&format!("\"{VARIABLE}\"")), "{texts}");
        assert!(texts.contains("\"cudactx\\n\""), "{texts}");
        let ranks = format!("\"{}\"", LOCAL_RANKS.map(|name| format!("\\\"{name}\\\"")).join(", "));
        assert!(texts.contains(&ranks), "{ranks} is not in {texts}");
    }
}
