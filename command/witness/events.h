/*
 * What the witness writes and the command reads: the one description of it. build.rs makes the Rust
 * structs and constants out of this file, so it keeps to plain `enum name { A = 1, B };` and
 * `struct name { type field; type field[N]; };`.
 *
 * The witness gets into a program by a private folder at the front of LD_LIBRARY_PATH, which has
 *
 *   libcuda.so.1      the witness, without the symbols that the driver lacks
 *   libcuda.so        a link to it, if the loader would find a libcuda.so without us
 *   libcuda-real.so   a link to the driver
 *   without-arena     an empty file, which a witness opens that cannot write to the arena
 *
 * LD_PRELOAD would load the driver into every process.
 *
 * The arena is one file, its path in CUDA_CONTEXTS_ARENA. A witness maps its header and, piece by
 * piece, the part that it writes to. It begins with struct trace_arena; records follow from
 * `header_bytes` on. They stay when the process is killed. Writing needs no lock, no descriptor and
 * no allocation, and a forked child continues to write.
 *
 * A record begins at a multiple of 8, has a length that is a multiple of 8, and lies within one piece
 * of TRACE_PIECE_BYTES. A writer
 *   1. adds the length to `position` (compare and swap); the former value is the record's place. If
 *      the record would cross into the next piece, the rest of the piece stays empty (TRACE_SKIP),
 *   2. stores the record's first word with the state TRACE_RESERVED,
 *   3. fills it in, and stores the word again, with release, with the state TRACE_WRITTEN.
 * A call's record is WRITTEN when the call begins, and stored a third time, with the state ENDED, when
 * the driver has returned. One that stays WRITTEN is a call during which the thread ended, or hangs.
 *
 * A reader reads from `header_bytes` up to `position`. A first word of 0 is a record whose writer is
 * between 1 and 2. If it was killed there, the next record is the next multiple of 8 whose word has
 * the magic and a known kind and state.
 *
 * If there is no room below `available`, the record is dropped and counted in `lost`. The command
 * raises `available` only over what it has allocated: a write to a full disk would kill the program.
 */
#ifndef CUDA_CONTEXTS_EVENTS_H
#define CUDA_CONTEXTS_EVENTS_H

#include <stdint.h>

#define TRACE_ARENA_VARIABLE "CUDA_CONTEXTS_ARENA"
#define TRACE_MISSING_NAME "without-arena"
#define TRACE_ARENA_MAGIC "cudactx\n"

enum trace_limits {
    TRACE_LAYOUT = 5,
    TRACE_HEADER_BYTES = 4096,
    TRACE_PIECE_BYTES = 1048576,
    TRACE_RECORD_MAGIC = 0xC7,
    TRACE_MAXIMUM_DEVICES = 1024,
    TRACE_MAXIMUM_PYTHON_LINES = 64,
    TRACE_STACK_BYTES = 32768,
    TRACE_REGISTERS = 14,
    TRACE_ONLY_BYTES = 1021,
};

/* Where launchers say which of a machine's workers a process is. The first that is set and not empty counts. */
#define TRACE_LOCAL_RANKS                                                                          \
    "LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK",    \
        "SLURM_LOCALID"

/* Which calls have a stack. Every call has its caller. */
enum trace_stacks {
    TRACE_STACKS_FIRST = 0, /* may create a context; a library's first reference; takes another's */
    TRACE_STACKS_ALL = 1,
    TRACE_STACKS_NONE = 2,
};

/* The beginning of the file. The command fills it in before it starts the program. */
struct trace_arena {
    uint8_t magic[8];      /* TRACE_ARENA_MAGIC, without the 0 */
    uint32_t layout;       /* TRACE_LAYOUT; a witness of another layout writes nothing */
    uint32_t header_bytes; /* TRACE_HEADER_BYTES */
    uint64_t capacity;     /* the file's length */
    uint64_t available;    /* atomic, raised by the command: records may lie below it */
    uint64_t position;     /* atomic, begins as header_bytes; never beyond available */
    uint64_t lost;         /* atomic, dropped records */
    uint32_t next_module;  /* atomic, begins as 1; ids of modules are the arena's, 0 is none */
    uint32_t next_process; /* atomic, begins as 1; so are those of processes */
    uint8_t stacks;        /* enum trace_stacks */
    uint8_t deny;          /* 1: refuse a context on a device that is not allowed */
    uint8_t forbid;        /* 1: without `only` no device is allowed (--forbid, --deny) */
    uint8_t only[1021];    /* --only as given, ended by 0: ordinals and UUIDs with commas between them,
                              `local-rank`, `one`; empty: none */
};

enum trace_kind {
    TRACE_PROCESS = 1,
    TRACE_MODULE = 2,
    TRACE_DEVICE = 3,
    TRACE_CALL = 4,
    TRACE_STACK = 5,
    TRACE_PYTHON = 6,
    TRACE_EXIT = 7,
    TRACE_BYPASS = 8,
    TRACE_PYTHON_DUMP = 9,
    TRACE_THREAD_START = 10,
    TRACE_SKIP = 11, /* nothing: the rest of a piece */
};

enum trace_state { TRACE_RESERVED = 1, TRACE_WRITTEN = 2, TRACE_ENDED = 3 };

/* How every record begins. */
struct trace_record {
    uint32_t length;  /* of the whole record. These four are stored as one word */
    uint16_t kind;    /* enum trace_kind */
    uint8_t state;    /* enum trace_state */
    uint8_t magic;    /* TRACE_RECORD_MAGIC */
    uint32_t process; /* the arena's number of the process, which no other process has */
    uint32_t tid;     /* as the process sees it */
    uint64_t time;    /* CLOCK_MONOTONIC_COARSE, ns: exact to some ms */
};

/*
 * A process has the witness: when it is loaded, and in a forked child before its first record. It stays
 * when the library is closed; after an exec the same pid comes again with another number. Behind it
 * `variables_length` bytes of NAME=VALUE, each ended by 0 (the launcher's variables and
 * CUDA_VISIBLE_DEVICES, those that are set), then `arguments_length` of the command line, each
 * argument ended by 0, then `executable_length` of the path.
 */
struct trace_process {
    struct trace_record record;
    uint64_t start;         /* when the process started, clock ticks after boot; 0 unknown */
    uint64_t pid_namespace; /* inode of /proc/self/ns/pid; 0 unknown */
    uint32_t pid;           /* as the process sees it; so is the next one */
    uint32_t parent_pid;
    uint32_t forked_from;   /* the number of the process that forked it; 0: it began with an exec */
    int32_t local_rank;     /* by the launcher's variable; -1: none */
    uint32_t python;        /* PY_VERSION_HEX (0x030b07f0), 0: none at that time */
    uint32_t variables_length;
    uint32_t arguments_length;
    uint32_t executable_length;
};

/* A module, before the first record that names it. Behind it the path. */
struct trace_module {
    struct trace_record record;
    uint64_t start;  /* what it occupies */
    uint64_t end;
    uint64_t bias;   /* address in memory = address in the file + bias */
    uint64_t device; /* of the file when the module was first seen; 0: no file */
    uint64_t inode;
    uint32_t id;
    uint32_t path_length;
};

/* In place of the id of a module that has been unloaded. 0: code in no file, or no room for one more module. */
enum trace_module_id { TRACE_UNLOADED = 0x7fffffff };

enum trace_allowed { TRACE_ALLOWED_UNKNOWN = 0, TRACE_ALLOWED_YES = 1, TRACE_ALLOWED_NO = 2 };

/* A device, before the first call of this process that is about it. */
struct trace_device {
    struct trace_record record;
    int32_t handle;   /* the CUdevice */
    int32_t ordinal;  /* -1: the driver refused; so is `count` */
    int32_t count;    /* how many devices this process sees */
    uint32_t allowed; /* enum trace_allowed */
    uint64_t named;   /* the lowest bit is set if this process sees the first device of `only`, and so on */
    uint8_t uuid[16]; /* zeros: unknown */
};

/* Everything that is wrapped, in this order, from 1 on. */
#define TRACE_FUNCTIONS(FUNCTION)                                                                  \
    FUNCTION(cuInit)                                                                               \
    FUNCTION(cuDevicePrimaryCtxRetain)                                                             \
    FUNCTION(cuDevicePrimaryCtxRelease)                                                            \
    FUNCTION(cuDevicePrimaryCtxRelease_v2)                                                         \
    FUNCTION(cuDevicePrimaryCtxReset)                                                              \
    FUNCTION(cuDevicePrimaryCtxReset_v2)                                                           \
    FUNCTION(cuCtxCreate)                                                                          \
    FUNCTION(cuCtxCreate_v2)                                                                       \
    FUNCTION(cuCtxCreate_v3)                                                                       \
    FUNCTION(cuCtxCreate_v4)                                                                       \
    FUNCTION(cuGLCtxCreate)                                                                        \
    FUNCTION(cuGLCtxCreate_v2)                                                                     \
    FUNCTION(cuVDPAUCtxCreate)                                                                     \
    FUNCTION(cuVDPAUCtxCreate_v2)                                                                  \
    FUNCTION(cuCtxDetach)                                                                          \
    FUNCTION(cuCtxDestroy)                                                                         \
    FUNCTION(cuCtxDestroy_v2)                                                                      \
    FUNCTION(cuGreenCtxCreate)                                                                     \
    FUNCTION(cuGreenCtxDestroy)                                                                    \
    FUNCTION(cuGetProcAddress)                                                                     \
    FUNCTION(cuGetProcAddress_v2)

enum trace_call_flags {
    TRACE_DENIED = 1,        /* refused by the witness, the driver was not called */
    TRACE_CREATED = 2,       /* the call made a context: ordinary, green, or a primary one that
                                nothing held, as far as the witness saw */
    TRACE_ENDED_CONTEXT = 4, /* the call ended one */
    TRACE_AFTER_EXIT = 8,    /* after this process's TRACE_EXIT, from a destructor */
    TRACE_PYTHON_FAILED = 16, /* Python has a frame here that could not be read */
    TRACE_TABLE_FULL = 32,   /* no room to count this one: counts of this process are too low */
    TRACE_VISIBLE_CHANGED = 64, /* made a context; CUDA_VISIBLE_DEVICES is not what it was at cuInit */
};

enum trace_holding {
    TRACE_NOTHING = 0,
    TRACE_REFERENCE = 1,       /* a reference to the primary context, by a retain */
    TRACE_GREEN_REFERENCE = 2, /* the one that a green context holds */
    TRACE_GREEN_CONTEXT = 3,
    TRACE_ORDINARY_CONTEXT = 4,
};

/* What a library holds on the device of a call, which the call changed. */
struct trace_change {
    uint32_t module;  /* the holder; 0: code in no file */
    uint32_t holding; /* enum trace_holding; 0: no change */
    uint32_t count;   /* how many it holds afterwards */
    uint32_t number;  /* of its changes: of two records the higher one is the later */
};

/*
 * A call of cuInit or of a function that makes, holds or ends contexts (never of cuGetProcAddress).
 * The library that called has the reference. Who is charged for a release: the caller, if it holds
 * one; else the library that has held one longest; else a green context.
 */
struct trace_call {
    struct trace_record record;
    uint64_t caller;    /* the instruction behind the call: an address in the module's file, or in
                           memory if `module` is 0 */
    uint64_t stack;     /* the place of its TRACE_STACK; 0: none */
    uint32_t module;    /* the library that called; 0: code in no file, such as made at run time */
    uint32_t function;  /* enum trace_function */
    int32_t device;     /* the CUdevice, -1 for none or if unknown */
    uint32_t flags;     /* enum trace_call_flags; DENIED from the beginning */
    /* From here on it is what the call left; 0 until the state is TRACE_ENDED. */
    int32_t result;     /* CUresult */
    int32_t references; /* to the device's primary context afterwards, those of green contexts, too */
    uint64_t context;   /* the handle made or destroyed */
    uint64_t ended;     /* the same clock */
    struct trace_change reference; /* whose reference was taken or came */
    struct trace_change other;     /* whose ordinary or green context was made or ended */
};

/*
 * A stack: registers, and those words of the stack that point into a module or into the stack itself.
 * Several calls may share it. Behind it `word_count` bits, a multiple of 64, the lowest first: a set bit
 * is a word that is kept; then the kept words; then `module_count` ids (uint32_t) of the modules that
 * words point into.
 */
struct trace_stack {
    struct trace_record record;
    uint64_t registers[14]; /* x86-64: rbx rbp r12 r13 r14 r15, aarch64: x19 to x30; the last two: sp, pc */
    uint64_t first;         /* the address of the first word */
    uint32_t word_count;
    uint32_t module_count;
};

/* One line of a call's Python stack. Behind it the file, then the function, both UTF-8. */
struct trace_python {
    struct trace_record record;
    uint64_t call;  /* the place of the call's record, which comes before */
    uint32_t index; /* 0 is the innermost */
    int32_t line;   /* -1 unknown */
    uint32_t file_length;
    uint32_t function_length;
};

/* A call's Python stack as Python 3.15 writes it (PyUnstable_DumpTraceback). Behind it the text. */
struct trace_python_dump {
    struct trace_record record;
    uint64_t call;
    uint32_t length;
    uint32_t reserved;
};

/* A thread that made a context and lives when the process exits. An id of 0: there may be more. */
struct trace_thread {
    uint32_t tid;
    uint8_t name[20]; /* ended by 0 */
};

/* The process ends by exit. Later calls are TRACE_AFTER_EXIT. Behind it `thread_count` trace_thread. */
struct trace_exit {
    struct trace_record record;
    uint32_t thread_count;
    uint32_t reserved;
};

/* A thread began with its creator's context (--keep-threads). `tid` is the new thread's. */
struct trace_thread_start {
    struct trace_record record;
    int32_t device; /* the CUdevice of that context */
    uint32_t reserved;
};

/* A libcuda in this process that is not behind the witness: seen when the witness was loaded or at
 * exit; once for each. Behind it the path. */
struct trace_bypass {
    struct trace_record record;
    uint32_t path_length;
    uint32_t reserved;
};

enum trace_function {
    TRACE_NO_FUNCTION,
#define FUNCTION(name) TRACE_##name,
    TRACE_FUNCTIONS(FUNCTION)
#undef FUNCTION
    TRACE_FUNCTION_COUNT
};

#endif
