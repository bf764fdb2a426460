/*
 * The Python lines that led to a call. The calling thread stands still in it, so its frames do, too,
 * whether or not it holds the GIL; nothing here takes it.
 *
 * 3.11 and 3.12 export what their faulthandler uses, _Py_DumpTraceback. 3.13 and 3.14 do not, but have
 * a table of offsets for debuggers. 3.9 and 3.10 have neither: their structures are known, and what is
 * found is checked.
 */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "witness.h"

#include <stdlib.h>
#include <string.h>

/* Where an interpreter is, once it is seen. Written once, before `interpreter` says so. */
static struct {
    void *(*this_thread)(void); /* PyGILState_GetThisThreadState */
    void *dump;                 /* _Py_DumpTraceback, if it is exported */
    const void *runtime;        /* _PyRuntime */
    struct python_types types;
    uint32_t version;
} python;

enum { UNSEEN, BEING_READ, SEEN };
static _Atomic int interpreter;
static _Atomic uint64_t last_number_of_loads;

static const void *data_symbol(const struct loaded_object *object, const char *name)
{
    return (const void *)symbol_of_object(object, name);
}

/* Before 3.11 there is only the text, "3.9.18 (main, …". */
static uint32_t version_of(const struct loaded_object *object)
{
    const uint32_t *number = data_symbol(object, "Py_Version");
    const char *(*text)(void) = (const char *(*)(void))symbol_of_object(object, "Py_GetVersion");
    uint32_t version = 0;
    const char *at;

    if (number)
        return *number;
    if (!text || !(at = text()))
        return 0;
    for (int shift = 24; shift >= 8; shift -= 8) {
        char *end;

        version |= (uint32_t)strtoul(at, &end, 10) << shift;
        at = *end == '.' ? end + 1 : end;
    }
    return version | 0xf0;
}

static bool find_symbols(const struct loaded_object *object)
{
    int before = UNSEEN;
    uintptr_t this_thread = symbol_of_object(object, "PyGILState_GetThisThreadState");

    if (!this_thread)
        return false;
    if (!atomic_compare_exchange_strong(&interpreter, &before, BEING_READ))
        return true;
    python.this_thread = (void *(*)(void))this_thread;
    python.dump = (void *)symbol_of_object(object, "_Py_DumpTraceback");
    python.runtime = data_symbol(object, "_PyRuntime");
    python.types = (struct python_types){
        .code = symbol_of_object(object, "PyCode_Type"),
        .frame = symbol_of_object(object, "PyFrame_Type"),
        .text = symbol_of_object(object, "PyUnicode_Type"),
        .bytes = symbol_of_object(object, "PyBytes_Type"),
    };
    python.version = version_of(object);
    atomic_store_explicit(&interpreter, SEEN, memory_order_release);
    return true;
}

/* The loader counts what it has mapped so far: while the count is the same, there is nothing new. */
static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
    bool *first = data;
    struct loaded_object object = { .bias = info->dlpi_addr,
                                    .name = info->dlpi_name,
                                    .segments = info->dlpi_phdr,
                                    .segment_count = info->dlpi_phnum };

    (void)size;
    if (*first && atomic_exchange(&last_number_of_loads, info->dlpi_adds) == info->dlpi_adds)
        return 1;
    *first = false;
    for (size_t index = 0; index < object.segment_count; index++) {
        const ElfW(Phdr) *segment = &object.segments[index];

        if (segment->p_type == PT_LOAD && !object.end)
            object.start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD)
            object.end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
    }
    return object.end && find_symbols(&object);
}

void look_for_python(void)
{
    bool first = true;

    if (atomic_load_explicit(&interpreter, memory_order_acquire) == UNSEEN && !is_forked_child())
        dl_iterate_phdr(look_at, &first);
}

uint32_t python_version(void)
{
    return atomic_load_explicit(&interpreter, memory_order_acquire) == SEEN ? python.version : 0;
}

bool note_python_frames(uint64_t call)
{
    void *thread;

    look_for_python();
    if (!call || atomic_load_explicit(&interpreter, memory_order_acquire) != SEEN)
        return true;
    thread = python.this_thread();
    if (!thread) /* a thread that Python does not know, or an interpreter that has ended */
        return true;
    if (python.dump)
        return dump_python_frames(call, python.dump, thread);
    if (python.version >> 16 <= 0x030a)
        return walk_old_python_frames(call, python.version, &python.types, thread);
    return walk_python_frames(call, python.runtime, &python.types, thread);
}

void note_python_frame(uint64_t call, uint32_t index, int32_t line, const char *file,
                       size_t file_length, const char *function, size_t function_length)
{
    struct trace_python_frame *record =
        reserve_record(TRACE_PYTHON_FRAME, sizeof *record + file_length + function_length);

    if (!record)
        return;
    record->call = call;
    record->index = index;
    record->line = line;
    record->file_length = (uint32_t)file_length;
    record->function_length = (uint32_t)function_length;
    memcpy(record + 1, file, file_length);
    memcpy((char *)(record + 1) + file_length, function, function_length);
    publish_record(record, TRACE_WRITTEN);
}
