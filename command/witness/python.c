/*
 * The Python lines that led to a call. The calling thread stands still in it, so its frames do, too,
 * whether or not it holds the GIL; nothing here takes it.
 *
 * An interpreter may be unloaded at any time when no thread runs it. So what is known of it is looked
 * up again before it is used.
 */
#define _GNU_SOURCE
#include "loaded_object.h"
#include "python.h"
#include "witness.h"

static const char THIS_THREAD[] = "PyGILState_GetThisThreadState";

enum { MOST_INTERPRETERS = 4, FREE = 0, BEING_WRITTEN = 1, WRITTEN = 2 };

static struct interpreter {
    _Atomic int state;
    struct python python;
    struct mapping mapping;
    uintptr_t this_thread;
} interpreters[MOST_INTERPRETERS];

static bool is_written(const struct interpreter *interpreter)
{
    return atomic_load_explicit(&interpreter->state, memory_order_acquire) == WRITTEN;
}

static bool is_known(uintptr_t this_thread)
{
    for (int index = 0; index < MOST_INTERPRETERS; index++)
        if (is_written(&interpreters[index]) && interpreters[index].this_thread == this_thread
            && is_still_there(&interpreters[index].mapping))
            return true;
    return false;
}

void look_for_python(const struct loaded_object *object)
{
    uintptr_t this_thread = symbol_of_object(object, THIS_THREAD);
    uintptr_t version = this_thread ? symbol_of_object(object, "Py_Version") : 0; /* since 3.11 */
    struct mapping mapping;
    uint32_t number;

    if (!version || is_known(this_thread) || !read_object(object, version, &number, sizeof number)
        || !find_mapping(this_thread, &mapping))
        return;
    for (int index = 0; index < MOST_INTERPRETERS; index++) {
        struct interpreter *interpreter = &interpreters[index];
        int before = FREE;

        if (!atomic_compare_exchange_strong(&interpreter->state, &before, BEING_WRITTEN))
            continue;
        interpreter->mapping = mapping;
        interpreter->this_thread = this_thread;
        interpreter->python =
            (struct python){ .version = number,
                             .runtime = symbol_of_object(object, "_PyRuntime"),
                             .code_type = symbol_of_object(object, "PyCode_Type"),
                             .dump = symbol_of_object(object, "PyUnstable_DumpTraceback"),
                             .line_of_frame = (int (*)(uintptr_t))symbol_of_object(
                                 object, "PyUnstable_InterpreterFrame_GetLine"),
                             .line_of_code = (int (*)(uintptr_t, int))symbol_of_object(
                                 object, "PyCode_Addr2Line") };
        atomic_store_explicit(&interpreter->state, WRITTEN, memory_order_release);
        return;
    }
}

/* Another library may have been loaded to the same place. */
static bool is_loaded(const struct interpreter *interpreter)
{
    struct loaded_object object;

    return is_written(interpreter) && is_still_there(&interpreter->mapping)
        && find_loaded_object(interpreter->this_thread, &object)
        && symbol_of_object(&object, THIS_THREAD) == interpreter->this_thread;
}

uint32_t python_version(void)
{
    return is_loaded(&interpreters[0]) ? interpreters[0].python.version : 0;
}

static bool note_frames(uint64_t call, const struct python *python, void *thread)
{
    return python->dump ? dump_python_frames(call, python->dump, thread)
                        : walk_python_frames(call, python, (uintptr_t)thread);
}

bool note_python_lines(uint64_t call)
{
    bool complete = true;

    for (int index = 0; index < MOST_INTERPRETERS; index++) {
        struct interpreter *interpreter = &interpreters[index];
        void *thread;

        if (!is_loaded(interpreter))
            continue;
        /* NULL: a thread that Python does not know, or an interpreter that has ended. */
        thread = ((void *(*)(void))interpreter->this_thread)();
        if (thread && !note_frames(call, &interpreter->python, thread))
            complete = false;
    }
    return complete;
}
