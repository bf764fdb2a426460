/*
 * Every exported CUDA function, once. Included several times with ENTRY_POINT defined anew:
 *
 *   ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments)
 *
 *   symbol          the exported name
 *   since           the CUDA version that introduced it
 *   needs           ALWAYS: works before cuInit and after the end; INITIALIZED: refused then;
 *                   A_DEVICE: refused then, and with 101 for a device that does not exist
 *   device          the ordinal that the call is about, for the log and for faults of one device
 *   implementation  the function in the model that does the work, under the driver's lock
 *
 * cuGetProcAddress knows a function by its symbol without _v2, _v3, … and without _ptsz or _ptds, which end
 * the names of functions for the default stream of each thread.
 *
 * The functions that are not modelled come last, from refused_functions.txt by way of build.rs. They are
 * ENTRY_POINTs too, unless REFUSED is defined.
 */

/* Those that need cuInit, by what tells their device. */
#define OF_DEVICE(symbol, since, implementation, parameters, arguments) \
    ENTRY_POINT(symbol, since, A_DEVICE, ordinal_of_device(device), implementation, parameters, \
                arguments)
#define OF_CONTEXT(symbol, since, implementation, parameters, arguments) \
    ENTRY_POINT(symbol, since, INITIALIZED, ordinal_of_context(context), implementation, parameters, \
                arguments)
#define IN_CURRENT_CONTEXT(symbol, since, implementation, parameters, arguments) \
    ENTRY_POINT(symbol, since, INITIALIZED, ordinal_of_current_context(), implementation, parameters, \
                arguments)
#define ON_STREAM(symbol, since, implementation, parameters, arguments) \
    ENTRY_POINT(symbol, since, INITIALIZED, ordinal_of_stream(stream), implementation, parameters, \
                arguments)
#define OF_EVENT(symbol, since, implementation, parameters, arguments) \
    ENTRY_POINT(symbol, since, INITIALIZED, ordinal_of_event(event), implementation, parameters, \
                arguments)
/* The implementation takes more than the caller's arguments, so another row or a header declares it. */
#ifndef ENTRY_POINT_AS
#define ENTRY_POINT_AS ENTRY_POINT
#endif
#define OF_DEVICE_AS(symbol, since, implementation, parameters, arguments) \
    ENTRY_POINT_AS(symbol, since, A_DEVICE, ordinal_of_device(device), implementation, parameters, \
                   arguments)
#define IN_CURRENT_CONTEXT_AS(symbol, since, implementation, parameters, arguments) \
    ENTRY_POINT_AS(symbol, since, INITIALIZED, ordinal_of_current_context(), implementation, \
                   parameters, arguments)

/* the process */
ENTRY_POINT(cuInit, 2000, ALWAYS, NO_DEVICE, initialize_process, (unsigned int flags), (flags))
ENTRY_POINT(cuDriverGetVersion, 2020, ALWAYS, NO_DEVICE, driver_get_version, (int *version),
            (version))
ENTRY_POINT(cuGetErrorName, 6000, ALWAYS, NO_DEVICE, error_get_name,
            (CUresult error, const char **name), (error, name))
ENTRY_POINT(cuGetErrorString, 6000, ALWAYS, NO_DEVICE, error_get_name,
            (CUresult error, const char **text), (error, text))
ENTRY_POINT_AS(cuGetProcAddress, 11030, ALWAYS, NO_DEVICE, get_proc_address,
            (const char *name, void **address, int version, cuuint64_t flags),
            (name, address, version, flags, NULL, 1))
ENTRY_POINT_AS(cuGetProcAddress_v2, 12000, ALWAYS, NO_DEVICE, get_proc_address,
            (const char *name, void **address, int version, cuuint64_t flags,
             CUdriverProcAddressQueryResult *status),
            (name, address, version, flags, status, 2))

/* devices */
ENTRY_POINT(cuDeviceGetCount, 2000, INITIALIZED, NO_DEVICE, device_get_count, (int *count), (count))
ENTRY_POINT(cuDeviceGet, 2000, INITIALIZED, ordinal, device_get, (CUdevice *device, int ordinal),
            (device, ordinal))
OF_DEVICE(cuDeviceGetName, 2000, device_get_name, (char *name, int length, CUdevice device),
            (name, length, device))
OF_DEVICE(cuDeviceGetUuid, 9020, device_get_uuid, (CUuuid *uuid, CUdevice device), (uuid, device))
OF_DEVICE(cuDeviceGetUuid_v2, 11040, device_get_uuid_v2, (CUuuid *uuid, CUdevice device),
            (uuid, device))
OF_DEVICE(cuDeviceGetPCIBusId, 4010, device_get_pci_bus_id, (char *id, int length, CUdevice device),
            (id, length, device))
ENTRY_POINT(cuDeviceGetByPCIBusId, 4010, INITIALIZED, NO_DEVICE, device_get_by_pci_bus_id,
            (CUdevice *device, const char *id), (device, id))
OF_DEVICE(cuDeviceTotalMem_v2, 3020, device_total_memory, (size_t *bytes, CUdevice device),
            (bytes, device))
OF_DEVICE(cuDeviceGetAttribute, 2000, device_get_attribute,
            (int *value, CUdevice_attribute attribute, CUdevice device), (value, attribute, device))

/* primary contexts */
OF_DEVICE(cuDevicePrimaryCtxRetain, 7000, primary_context_retain,
            (CUcontext *context, CUdevice device), (context, device))
OF_DEVICE_AS(cuDevicePrimaryCtxRelease, 7000, primary_context_release, (CUdevice device), (device, 1))
OF_DEVICE_AS(cuDevicePrimaryCtxRelease_v2, 11000, primary_context_release, (CUdevice device), (device, 2))
OF_DEVICE_AS(cuDevicePrimaryCtxReset, 7000, primary_context_reset, (CUdevice device), (device, 1))
OF_DEVICE_AS(cuDevicePrimaryCtxReset_v2, 11000, primary_context_reset, (CUdevice device), (device, 2))
OF_DEVICE_AS(cuDevicePrimaryCtxSetFlags, 7000, primary_context_set_flags,
            (CUdevice device, unsigned int flags), (device, flags, 1))
OF_DEVICE_AS(cuDevicePrimaryCtxSetFlags_v2, 11000, primary_context_set_flags,
            (CUdevice device, unsigned int flags), (device, flags, 2))
OF_DEVICE(cuDevicePrimaryCtxGetState, 7000, primary_context_get_state,
            (CUdevice device, unsigned int *flags, int *active), (device, flags, active))

/* ordinary contexts */
OF_DEVICE_AS(cuCtxCreate, 2000, context_create,
            (CUcontext *context, unsigned int flags, CUdevice device), (context, flags, device, 3010, 0))
OF_DEVICE_AS(cuCtxCreate_v2, 3020, context_create,
            (CUcontext *context, unsigned int flags, CUdevice device), (context, flags, device, 3020, 0))
OF_DEVICE_AS(cuCtxCreate_v3, 11040, context_create,
            (CUcontext *context, CUexecAffinityParam *affinity, int affinities, unsigned int flags,
             CUdevice device),
            (context, flags, device, 3020, affinities > 0 && !affinity ? -1 : affinities))
OF_DEVICE_AS(cuCtxCreate_v4, 12050, context_create,
            (CUcontext *context, CUctxCreateParams *parameters, unsigned int flags,
             CUdevice device),
            (context, flags, device, 3020, parameters != NULL))
OF_CONTEXT(cuCtxDestroy, 2000, context_destroy, (CUcontext context), (context))
OF_CONTEXT(cuCtxDestroy_v2, 4000, context_destroy, (CUcontext context), (context))

/* green contexts */
OF_DEVICE(cuDeviceGetDevResource, 12040, device_get_resource,
            (CUdevice device, CUdevResource *resource, CUdevResourceType type),
            (device, resource, type))
ENTRY_POINT(cuDevResourceGenerateDesc, 12040, INITIALIZED, NO_DEVICE, resource_generate_description,
            (CUdevResourceDesc *description, CUdevResource *resources, unsigned int count),
            (description, resources, count))
OF_DEVICE(cuGreenCtxCreate, 12040, green_context_create,
            (CUgreenCtx *green, CUdevResourceDesc description, CUdevice device, unsigned int flags),
            (green, description, device, flags))
ENTRY_POINT(cuGreenCtxDestroy, 12040, INITIALIZED, ordinal_of_green_context(green),
            green_context_destroy, (CUgreenCtx green), (green))

/* the calling thread's context stack */
OF_CONTEXT(cuCtxPushCurrent, 2000, context_push_current, (CUcontext context), (context))
OF_CONTEXT(cuCtxPushCurrent_v2, 4000, context_push_current, (CUcontext context), (context))
IN_CURRENT_CONTEXT(cuCtxPopCurrent, 2000, context_pop_current, (CUcontext *context), (context))
IN_CURRENT_CONTEXT(cuCtxPopCurrent_v2, 4000, context_pop_current, (CUcontext *context), (context))
OF_CONTEXT(cuCtxSetCurrent, 4000, context_set_current, (CUcontext context), (context))
IN_CURRENT_CONTEXT(cuCtxGetCurrent, 4000, context_get_current, (CUcontext *context), (context))

/* questions about a context */
IN_CURRENT_CONTEXT(cuCtxGetDevice, 2000, context_get_device, (CUdevice *device), (device))
IN_CURRENT_CONTEXT(cuCtxSynchronize, 2000, context_synchronize, (void), ())
IN_CURRENT_CONTEXT(cuCtxGetFlags, 7000, context_get_flags, (unsigned int *flags), (flags))
OF_CONTEXT(cuCtxGetApiVersion, 3020, context_get_api_version,
            (CUcontext context, unsigned int *version), (context, version))
OF_CONTEXT(cuCtxGetId, 12000, context_get_id, (CUcontext context, unsigned long long *id),
            (context, id))
IN_CURRENT_CONTEXT(cuCtxGetStreamPriorityRange, 5050, context_get_stream_priority_range,
            (int *least, int *greatest), (least, greatest))

/* memory */
IN_CURRENT_CONTEXT(cuMemGetInfo_v2, 3020, memory_get_info,
            (size_t *free_bytes, size_t *total_bytes), (free_bytes, total_bytes))
IN_CURRENT_CONTEXT(cuMemAlloc_v2, 3020, memory_allocate, (CUdeviceptr *address, size_t bytes),
            (address, bytes))
IN_CURRENT_CONTEXT(cuMemFree_v2, 3020, memory_free, (CUdeviceptr address), (address))

/* other processes; these need no cuInit */
ENTRY_POINT(cuCheckpointProcessGetState, 12080, ALWAYS, NO_DEVICE, checkpoint_get_state,
            (int pid, CUprocessState *state), (pid, state))
ENTRY_POINT(cuCheckpointProcessLock, 12080, ALWAYS, NO_DEVICE, checkpoint_lock,
            (int pid, CUcheckpointLockArgs *arguments), (pid, arguments))
ENTRY_POINT(cuCheckpointProcessCheckpoint, 12080, ALWAYS, NO_DEVICE, checkpoint_checkpoint,
            (int pid, CUcheckpointCheckpointArgs *arguments), (pid, arguments))
ENTRY_POINT(cuCheckpointProcessRestore, 12080, ALWAYS, NO_DEVICE, checkpoint_restore,
            (int pid, CUcheckpointRestoreArgs *arguments), (pid, arguments))
ENTRY_POINT(cuCheckpointProcessUnlock, 12080, ALWAYS, NO_DEVICE, checkpoint_unlock,
            (int pid, CUcheckpointUnlockArgs *arguments), (pid, arguments))

/* copies */
IN_CURRENT_CONTEXT_AS(cuMemcpyHtoD_v2, 3020, memory_copy_to_device,
            (CUdeviceptr destination, const void *source, size_t bytes),
            (destination, source, bytes, NULL))
IN_CURRENT_CONTEXT_AS(cuMemcpyDtoH_v2, 3020, memory_copy_to_host,
            (void *destination, CUdeviceptr source, size_t bytes), (destination, source, bytes, NULL))
ON_STREAM(cuMemcpyHtoDAsync_v2, 3020, memory_copy_to_device,
            (CUdeviceptr destination, const void *source, size_t bytes, CUstream stream),
            (destination, source, bytes, stream))
ON_STREAM(cuMemcpyDtoHAsync_v2, 3020, memory_copy_to_host,
            (void *destination, CUdeviceptr source, size_t bytes, CUstream stream),
            (destination, source, bytes, stream))
IN_CURRENT_CONTEXT_AS(cuMemsetD8_v2, 3020, memory_set,
            (CUdeviceptr destination, unsigned char value, size_t bytes),
            (destination, value, bytes, NULL))
ON_STREAM(cuMemsetD8Async, 3020, memory_set,
            (CUdeviceptr destination, unsigned char value, size_t bytes, CUstream stream),
            (destination, value, bytes, stream))

/* streams */
IN_CURRENT_CONTEXT_AS(cuStreamCreate, 2000, stream_create, (CUstream *stream, unsigned int flags),
            (stream, flags, 0))
IN_CURRENT_CONTEXT(cuStreamCreateWithPriority, 5050, stream_create,
            (CUstream *stream, unsigned int flags, int priority), (stream, flags, priority))
ON_STREAM(cuStreamDestroy, 2000, stream_destroy, (CUstream stream), (stream))
ON_STREAM(cuStreamDestroy_v2, 4000, stream_destroy, (CUstream stream), (stream))
ON_STREAM(cuStreamSynchronize, 2000, stream_synchronize, (CUstream stream), (stream))
ON_STREAM(cuStreamQuery, 2000, stream_synchronize, (CUstream stream), (stream))
ON_STREAM(cuStreamWaitEvent, 3020, stream_wait_event,
            (CUstream stream, CUevent event, unsigned int flags), (stream, event, flags))

/* events */
IN_CURRENT_CONTEXT(cuEventCreate, 2000, event_create, (CUevent *event, unsigned int flags),
            (event, flags))
OF_EVENT(cuEventRecord, 2000, event_record, (CUevent event, CUstream stream), (event, stream))
OF_EVENT(cuEventQuery, 2000, event_synchronize, (CUevent event), (event))
OF_EVENT(cuEventSynchronize, 2000, event_synchronize, (CUevent event), (event))
OF_EVENT(cuEventDestroy, 2000, event_destroy, (CUevent event), (event))
OF_EVENT(cuEventDestroy_v2, 4000, event_destroy, (CUevent event), (event))

#ifndef REFUSED
#define REFUSED(symbol, since) \
    ENTRY_POINT(symbol, since, INITIALIZED, NO_DEVICE, refused_call, (void), ())
#endif
#include "refused_functions.h"

#undef REFUSED
#undef OF_DEVICE
#undef OF_CONTEXT
#undef IN_CURRENT_CONTEXT
#undef ON_STREAM
#undef OF_EVENT
#undef OF_DEVICE_AS
#undef IN_CURRENT_CONTEXT_AS
#undef ENTRY_POINT_AS
#undef ENTRY_POINT
