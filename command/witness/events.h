/*
 * What the witness tells the command, and how.
 *
 * How the witness gets into a program. The command makes a private directory with
 *
 *   libcuda.so.1      the witness: its bytes, without the symbols that the driver lacks
 *   libcuda.so        a link to it, where the loader would find a libcuda.so without us
 *   libcuda-real.so   a link to the driver
 *
 * and puts it before everything else in LD_LIBRARY_PATH. It does not use LD_PRELOAD: that would load
 * the driver into every process, programs made with AddressSanitizer refuse to start when anything
 * was preloaded, and the loader prints a line into programs of another architecture. In a process
 * that never opens the driver there is nothing of ours at all.
 *
 * The arena. One file, made by the command, its path in CUDA_CONTEXTS_ARENA. Every witness maps
 * all of it, shared, for as long as the process lives. It begins with struct trace_arena, records
 * follow from `header_bytes` on. What is written is in the file at once, and stays there when the
 * process is killed. No lock, no descriptor, no allocation is needed to write, and a forked child
 * goes on writing.
 *
 * A record begins at a multiple of 8 and has a length that is a multiple of 8. A writer
 *   1. adds the length to `position` (compare and swap); the former value is the record's place,
 *   2. stores the record's first word with the state RESERVED,
 *   3. fills it in, and stores the word again, with release, with the state WRITTEN.
 * A call's record is WRITTEN when the call begins, its last fields are 0, and is stored a third time
 * when the driver has answered, with the state ENDED: a record that stays WRITTEN is a call in the
 * middle of which the thread ended, or hangs.
 *
 * A reader reads from `header_bytes` up to `position`. A first word of 0 is a record whose writer is
 * between 1 and 2, and most probably alive. If it was killed there, the next record is the next
 * multiple of 8 whose word has the magic and a known kind and state: look for it only when the writer
 * has had its time.
 *
 * Where there is no room below `available`, the record is dropped and counted in `lost`. The file is
 * sparse and the command raises `available` only over what it has allocated (posix_fallocate):
 * a write where the disk is full would kill the program (SIGBUS).
 */
#ifndef CUDA_CONTEXTS_EVENTS_H
#define CUDA_CONTEXTS_EVENTS_H

#include <stdint.h>

#define TRACE_ARENA_VARIABLE "CUDA_CONTEXTS_ARENA"
#define TRACE_ARENA_MAGIC "cudactx\n"

enum {
    TRACE_LAYOUT = 1,
    TRACE_HEADER_BYTES = 4096,
    TRACE_RECORD_MAGIC = 0xC7,
    TRACE_NO_DEVICE = -1,
    TRACE_MAXIMUM_NATIVE_FRAMES = 64,
    TRACE_MAXIMUM_PYTHON_FRAMES = 64,
};

/* Where launchers say which of a machine's workers a process is. The first that is set and not empty counts. */
#define TRACE_LOCAL_RANKS                                                                          \
    "LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK",    \
        "SLURM_LOCALID"

/* Which calls have a stack. Every call has its caller, which is its first frame. */
enum trace_stack {
    TRACE_STACK_FIRST = 0, /* may create a context; a library's first reference; takes another's */
    TRACE_STACK_ALL = 1,
    TRACE_STACK_NONE = 2,
};

/* The beginning of the file. The command fills it in before it starts the program. */
struct trace_arena {
    char magic[8];         /*   0: TRACE_ARENA_MAGIC, without the 0 */
    uint32_t layout;       /*   8: TRACE_LAYOUT; a witness of another layout writes nothing */
    uint32_t header_bytes; /*  12: TRACE_HEADER_BYTES */
    uint64_t capacity;     /*  16: the file's length */
    uint64_t available;    /*  24: atomic, raised by the command: records may lie below it */
    uint64_t position;     /*  32: atomic, begins as header_bytes; never beyond available */
    uint64_t lost;         /*  40: atomic, dropped records */
    uint32_t next_module;  /*  48: atomic, begins as 1; ids of modules are the arena's, 0 is none */
    uint8_t stack;         /*  52: enum trace_stack */
    uint8_t deny;          /*  53: 1: refuse a context on a device that is not meant */
    uint8_t ask;           /*  54: 1: the witness may ask the driver for ordinals and UUIDs, once
                                   each (cuDeviceGetCount, cuDeviceGet, cuDeviceGetUuid) */
    uint8_t forbid;        /*  55: 1: without `only` no device is meant
                                   (--forbid, --deny) */
    char only[128];        /*  56: --only as given, ended by 0; empty: none */
};

enum trace_kind {
    TRACE_PROCESS = 1,
    TRACE_MODULE = 2,
    TRACE_DEVICE = 3,
    TRACE_CALL = 4,
    TRACE_PYTHON_FRAME = 5,
    TRACE_EXIT = 6,
    TRACE_BYPASS = 7,
};

enum trace_state { TRACE_RESERVED = 1, TRACE_WRITTEN = 2, TRACE_ENDED = 3 };

/* How every record begins. */
struct trace_record {
    uint32_t length; /*  0: of the whole record. These four are stored as one word */
    uint16_t kind;   /*  4: enum trace_kind */
    uint8_t state;   /*  6: enum trace_state */
    uint8_t magic;   /*  7: TRACE_RECORD_MAGIC */
    uint32_t pid;    /*  8: as the process sees it; 12 likewise */
    uint32_t tid;    /* 12 */
    uint64_t time;   /* 16: CLOCK_MONOTONIC, ns */
};

/*
 * A process has the witness: when it is loaded, and in a forked child before its first record. It stays
 * when it is closed; after an exec the same pid comes again. Behind it `variables_length` bytes of
 * NAME=VALUE, each ended by 0 (the launcher's variables and CUDA_VISIBLE_DEVICES, those that are set), then
 * `arguments_length` of the command line, each argument ended by 0, then `executable_length` of the path.
 */
struct trace_process {
    struct trace_record record;
    uint32_t parent;            /* 24 */
    uint32_t forked;            /* 28: 1: a forked child, which shares its parent's modules */
    uint64_t start;             /* 32: when the process started, clock ticks after boot; 0 unknown */
    int32_t meant_ordinal;      /* 40: of an ordinal or a local rank; -1: by UUID, or unknown */
    uint32_t python;            /* 44: PY_VERSION_HEX (0x030b07f0), 0: none at that time */
    uint32_t variables_length;  /* 48 */
    uint32_t arguments_length;  /* 52 */
    uint32_t executable_length; /* 56 */
};

/* A module, before the first record that names it. Behind it the path. */
struct trace_module {
    struct trace_record record;
    uint32_t id;          /* 24 */
    uint32_t path_length; /* 28 */
};

enum trace_meant { TRACE_MEANT_UNKNOWN = 0, TRACE_MEANT_YES = 1, TRACE_MEANT_NO = 2 };

/* A device, before the first call of this process that is about it. */
struct trace_device {
    struct trace_record record;
    int32_t handle;   /* 24: the CUdevice */
    int32_t ordinal;  /* 28: TRACE_NO_DEVICE: the witness may not ask, or was not answered */
    uint8_t uuid[16]; /* 32: zeros: likewise */
    uint8_t meant;    /* 48: enum trace_meant */
    uint8_t reserved[7];
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
    FUNCTION(cuCtxDestroy)                                                                         \
    FUNCTION(cuCtxDestroy_v2)                                                                      \
    FUNCTION(cuGreenCtxCreate)                                                                     \
    FUNCTION(cuGreenCtxDestroy)                                                                    \
    FUNCTION(cuGetProcAddress)                                                                     \
    FUNCTION(cuGetProcAddress_v2)

enum trace_function {
    TRACE_NO_FUNCTION,
#define FUNCTION(name) TRACE_##name,
    TRACE_FUNCTIONS(FUNCTION)
#undef FUNCTION
    TRACE_FUNCTION_COUNT
};

enum trace_call_flags {
    TRACE_DENIED = 1,           /* answered by the witness, the driver was not called */
    TRACE_CREATED = 2,          /* the call made a context: ordinary, green, or a primary one that
                                   nothing held, as far as the witness saw */
    TRACE_ENDED_CONTEXT = 4,    /* the call ended one */
    TRACE_TOOK_FROM_OTHERS = 8, /* a release, by a library that held none, of another's: see `taken_from` */
    TRACE_HAS_STACK = 16,       /* native frames beyond the first, and Python frames if it is Python */
    TRACE_AFTER_EXIT = 32,      /* after this process's TRACE_EXIT, from a destructor */
    TRACE_PYTHON_FAILED = 64,   /* Python has a frame here, and it could not be read to its end */
    TRACE_TABLE_FULL = 128,     /* no room to count this one: counts of this process are too low */
};

/* An address of a caller: the instruction behind the call, but where a signal came. */
struct trace_frame {
    uint64_t address; /* in the module's file, that is less its bias; in memory where module is 0 */
    uint32_t module;  /* 0: in none, such as code made at run time */
    uint32_t reserved;
};

/*
 * A call of cuInit or of what makes, holds or ends contexts (never of cuGetProcAddress). Behind it
 * `frame_count` frames, innermost first: frames[0] is in the library that called, whose is the
 * reference. Who is charged for a release: the caller, if it holds one; else the library that has
 * held one longest.
 */
struct trace_call {
    struct trace_record record;
    uint16_t function;         /* 24: enum trace_function */
    uint16_t frame_count;      /* 26 */
    int32_t device;            /* 28: the CUdevice, TRACE_NO_DEVICE for none or where unknown */
    uint64_t arguments;        /* 32: the flags that were passed (cuInit, cuCtxCreate, green) */
    /* From here on it is what the call left; 0 until the state is TRACE_ENDED. */
    uint64_t context;          /* 40: the handle made or destroyed */
    uint64_t ended;            /* 48: CLOCK_MONOTONIC, ns */
    int32_t answer;            /* 56: CUresult */
    uint32_t flags;            /* 60: enum trace_call_flags; HAS_STACK and DENIED from the beginning */
    uint32_t taken_from;       /* 64: the module whose reference it took; 0: none's, or no file's */
    int32_t library_references; /* 68: primary references of the caller's library afterwards */
    int32_t device_references; /* 72: of all libraries, and one for each green context */
    int32_t device_green;      /* 76: green contexts on the device afterwards */
    int32_t device_ordinary;   /* 80: ordinary contexts on it afterwards */
    uint32_t reserved;         /* 84 */
    /* struct trace_frame frames[frame_count]; 88 */
};

/* One line of a call's Python stack. Behind it the file, then the function, both UTF-8. */
struct trace_python_frame {
    struct trace_record record;
    uint64_t call;            /* 24: where the call's record lies in the arena; it follows that */
    uint32_t index;           /* 32: 0 is the innermost */
    int32_t line;             /* 36: -1 unknown */
    uint32_t file_length;     /* 40 */
    uint32_t function_length; /* 44 */
};

/* The process ends by exit. Later calls are TRACE_AFTER_EXIT. */
struct trace_exit {
    struct trace_record record;
};

/* A libcuda in this process that is not behind the witness: seen when it was loaded, at a call that
 * makes a context, or at exit; once for each. Behind it the path. */
struct trace_bypass {
    struct trace_record record;
    uint32_t path_length; /* 24 */
    uint32_t reserved;    /* 28 */
};

#endif
