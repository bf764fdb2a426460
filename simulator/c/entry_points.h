/*
 * Every exported CUDA function, once. Included several times with ENTRY_POINT defined anew:
 *
 *   ENTRY_POINT(symbol, since, needs, device, implementation, parameters, arguments)
 *
 *   symbol          the exported name
 *   since           the CUDA version that introduced it
 *   needs           ALWAYS: works before cuInit and after the end; INITIALIZED: refused then
 *   device          the ordinal that the call is about, for the log and for faults of one device
 *   implementation  the function in the model that does the work, under the driver's lock
 *
 * cuGetProcAddress knows a function by its symbol without _v2, _v3, … and without _ptsz or _ptds, which end
 * the names of functions for the default stream of each thread.
 *
 * The functions that are not modelled come last, from refused_functions.txt by way of build.rs. They are
 * ENTRY_POINTs too, unless REFUSED is defined.
 */

ENTRY_POINT(cuInit, 2000, ALWAYS, NO_DEVICE,
            initialize_process, (unsigned int flags), (flags))
ENTRY_POINT(cuDriverGetVersion, 2020, ALWAYS, NO_DEVICE,
            driver_get_version, (int *version), (version))
ENTRY_POINT(cuGetErrorName, 6000, ALWAYS, NO_DEVICE,
            error_get_name, (CUresult error, const char **name), (error, name))
ENTRY_POINT(cuGetErrorString, 6000, ALWAYS, NO_DEVICE,
            error_get_string, (CUresult error, const char **text), (error, text))
ENTRY_POINT(cuGetProcAddress, 11030, ALWAYS, NO_DEVICE,
            get_proc_address, (const char *name, void **address, int version, cuuint64_t flags),
            (name, address, version, flags))
ENTRY_POINT(cuGetProcAddress_v2, 12000, ALWAYS, NO_DEVICE,
            get_proc_address_v2,
            (const char *name, void **address, int version, cuuint64_t flags,
             CUdriverProcAddressQueryResult *status),
            (name, address, version, flags, status))

/* devices */
ENTRY_POINT(cuDeviceGetCount, 2000, INITIALIZED, NO_DEVICE,
            device_get_count, (int *count), (count))
ENTRY_POINT(cuDeviceGet, 2000, INITIALIZED, ordinal,
            device_get, (CUdevice *device, int ordinal), (device, ordinal))
ENTRY_POINT(cuDeviceGetName, 2000, INITIALIZED, ordinal_of_device(device),
            device_get_name, (char *name, int length, CUdevice device), (name, length, device))
ENTRY_POINT(cuDeviceGetUuid, 9020, INITIALIZED, ordinal_of_device(device),
            device_get_uuid, (CUuuid *uuid, CUdevice device), (uuid, device))
ENTRY_POINT(cuDeviceGetUuid_v2, 11040, INITIALIZED, ordinal_of_device(device),
            device_get_uuid_v2, (CUuuid *uuid, CUdevice device), (uuid, device))
ENTRY_POINT(cuDeviceGetPCIBusId, 4010, INITIALIZED, ordinal_of_device(device),
            device_get_pci_bus_id, (char *id, int length, CUdevice device), (id, length, device))
ENTRY_POINT(cuDeviceGetByPCIBusId, 4010, INITIALIZED, NO_DEVICE,
            device_get_by_pci_bus_id, (CUdevice *device, const char *id), (device, id))
ENTRY_POINT(cuDeviceTotalMem_v2, 3020, INITIALIZED, ordinal_of_device(device),
            device_total_memory, (size_t *bytes, CUdevice device), (bytes, device))
ENTRY_POINT(cuDeviceGetAttribute, 2000, INITIALIZED,
            ordinal_of_device(device),
            device_get_attribute, (int *value, CUdevice_attribute attribute, CUdevice device),
            (value, attribute, device))
ENTRY_POINT(cuDeviceComputeCapability, 2000, INITIALIZED,
            ordinal_of_device(device),
            device_compute_capability, (int *major, int *minor, CUdevice device),
            (major, minor, device))

/* primary contexts */
ENTRY_POINT(cuDevicePrimaryCtxRetain, 7000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_retain, (CUcontext *context, CUdevice device), (context, device))
ENTRY_POINT(cuDevicePrimaryCtxRelease, 7000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_release_v1, (CUdevice device), (device))
ENTRY_POINT(cuDevicePrimaryCtxRelease_v2, 11000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_release, (CUdevice device), (device))
ENTRY_POINT(cuDevicePrimaryCtxReset, 7000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_reset_v1, (CUdevice device), (device))
ENTRY_POINT(cuDevicePrimaryCtxReset_v2, 11000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_reset, (CUdevice device), (device))
ENTRY_POINT(cuDevicePrimaryCtxSetFlags, 7000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_set_flags_v1, (CUdevice device, unsigned int flags), (device, flags))
ENTRY_POINT(cuDevicePrimaryCtxSetFlags_v2, 11000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_set_flags, (CUdevice device, unsigned int flags), (device, flags))
ENTRY_POINT(cuDevicePrimaryCtxGetState, 7000, INITIALIZED,
            ordinal_of_device(device),
            primary_context_get_state, (CUdevice device, unsigned int *flags, int *active),
            (device, flags, active))

/* ordinary contexts */
ENTRY_POINT(cuCtxCreate, 2000, INITIALIZED, ordinal_of_device(device),
            context_create_v1, (CUcontext *context, unsigned int flags, CUdevice device),
            (context, flags, device))
ENTRY_POINT(cuCtxCreate_v2, 3020, INITIALIZED, ordinal_of_device(device),
            context_create_v2, (CUcontext *context, unsigned int flags, CUdevice device),
            (context, flags, device))
ENTRY_POINT(cuCtxCreate_v3, 11040, INITIALIZED, ordinal_of_device(device),
            context_create_v3,
            (CUcontext *context, CUexecAffinityParam *affinity, int affinities, unsigned int flags,
             CUdevice device),
            (context, affinity, affinities, flags, device))
ENTRY_POINT(cuCtxCreate_v4, 12050, INITIALIZED, ordinal_of_device(device),
            context_create_v4,
            (CUcontext *context, CUctxCreateParams *parameters, unsigned int flags, CUdevice device),
            (context, parameters, flags, device))
ENTRY_POINT(cuCtxDestroy, 2000, INITIALIZED, ordinal_of_context(context),
            context_destroy, (CUcontext context), (context))
ENTRY_POINT(cuCtxDestroy_v2, 4000, INITIALIZED, ordinal_of_context(context),
            context_destroy, (CUcontext context), (context))

/* green contexts */
ENTRY_POINT(cuDeviceGetDevResource, 12040, INITIALIZED,
            ordinal_of_device(device),
            device_get_resource, (CUdevice device, CUdevResource *resource, CUdevResourceType type),
            (device, resource, type))
ENTRY_POINT(cuDevSmResourceSplitByCount, 12040, INITIALIZED, NO_DEVICE,
            resource_split_by_count,
            (CUdevResource *groups, unsigned int *count, const CUdevResource *input,
             CUdevResource *rest, unsigned int flags, unsigned int minimum),
            (groups, count, input, rest, flags, minimum))
ENTRY_POINT(cuDevResourceGenerateDesc, 12040, INITIALIZED, NO_DEVICE,
            resource_generate_description,
            (CUdevResourceDesc *description, CUdevResource *resources, unsigned int count),
            (description, resources, count))
ENTRY_POINT(cuGreenCtxCreate, 12040, INITIALIZED,
            ordinal_of_device(device), green_context_create,
            (CUgreenCtx *green, CUdevResourceDesc description, CUdevice device, unsigned int flags),
            (green, description, device, flags))
ENTRY_POINT(cuGreenCtxDestroy, 12040, INITIALIZED,
            ordinal_of_context((CUcontext)green), green_context_destroy, (CUgreenCtx green), (green))
ENTRY_POINT(cuCtxFromGreenCtx, 12040, INITIALIZED,
            ordinal_of_context((CUcontext)green), context_from_green_context,
            (CUcontext *context, CUgreenCtx green), (context, green))

/* the calling thread's context stack */
ENTRY_POINT(cuCtxPushCurrent, 2000, INITIALIZED, ordinal_of_context(context),
            context_push_current, (CUcontext context), (context))
ENTRY_POINT(cuCtxPushCurrent_v2, 4000, INITIALIZED, ordinal_of_context(context),
            context_push_current, (CUcontext context), (context))
ENTRY_POINT(cuCtxPopCurrent, 2000, INITIALIZED, ordinal_of_current_context(),
            context_pop_current, (CUcontext *context), (context))
ENTRY_POINT(cuCtxPopCurrent_v2, 4000, INITIALIZED, ordinal_of_current_context(),
            context_pop_current, (CUcontext *context), (context))
ENTRY_POINT(cuCtxSetCurrent, 4000, INITIALIZED, ordinal_of_context(context),
            context_set_current, (CUcontext context), (context))
ENTRY_POINT(cuCtxGetCurrent, 4000, INITIALIZED, ordinal_of_current_context(),
            context_get_current, (CUcontext *context), (context))

/* questions about a context */
ENTRY_POINT(cuCtxGetDevice, 2000, INITIALIZED, ordinal_of_current_context(),
            context_get_device, (CUdevice *device), (device))
ENTRY_POINT(cuCtxGetDevice_v2, 13000, INITIALIZED, ordinal_of_context(context),
            context_get_device_v2, (CUdevice *device, CUcontext context), (device, context))
ENTRY_POINT(cuCtxSynchronize, 2000, INITIALIZED, ordinal_of_current_context(),
            context_synchronize, (void), ())
ENTRY_POINT(cuCtxSynchronize_v2, 13000, INITIALIZED, ordinal_of_context(context),
            context_synchronize_v2, (CUcontext context), (context))
ENTRY_POINT(cuCtxGetFlags, 7000, INITIALIZED, ordinal_of_current_context(),
            context_get_flags, (unsigned int *flags), (flags))
ENTRY_POINT(cuCtxGetApiVersion, 3020, INITIALIZED, ordinal_of_context(context),
            context_get_api_version, (CUcontext context, unsigned int *version),
            (context, version))
ENTRY_POINT(cuCtxGetId, 12000, INITIALIZED, ordinal_of_context(context),
            context_get_id, (CUcontext context, unsigned long long *id), (context, id))
ENTRY_POINT(cuCtxGetStreamPriorityRange, 5050, INITIALIZED,
            ordinal_of_current_context(), context_get_stream_priority_range,
            (int *least, int *greatest), (least, greatest))

/* memory */
ENTRY_POINT(cuMemGetInfo_v2, 3020, INITIALIZED, ordinal_of_current_context(),
            memory_get_info, (size_t *free_bytes, size_t *total_bytes), (free_bytes, total_bytes))
ENTRY_POINT(cuMemAlloc_v2, 3020, INITIALIZED, ordinal_of_current_context(),
            memory_allocate, (CUdeviceptr *address, size_t bytes), (address, bytes))
ENTRY_POINT(cuMemFree_v2, 3020, INITIALIZED, ordinal_of_current_context(),
            memory_free, (CUdeviceptr address), (address))
ENTRY_POINT(cuMemAllocHost_v2, 3020, INITIALIZED, ordinal_of_current_context(),
            memory_allocate_host, (void **address, size_t bytes), (address, bytes))
ENTRY_POINT(cuMemFreeHost, 2000, INITIALIZED, ordinal_of_current_context(),
            memory_free_host, (void *address), (address))

/* other processes; these need no cuInit */
ENTRY_POINT(cuCheckpointProcessGetRestoreThreadId, 12080,
            ALWAYS, NO_DEVICE, checkpoint_get_restore_thread_id, (int pid, int *tid), (pid, tid))
ENTRY_POINT(cuCheckpointProcessGetState, 12080, ALWAYS, NO_DEVICE,
            checkpoint_get_state, (int pid, CUprocessState *state), (pid, state))
ENTRY_POINT(cuCheckpointProcessLock, 12080, ALWAYS, NO_DEVICE,
            checkpoint_lock, (int pid, CUcheckpointLockArgs *arguments), (pid, arguments))
ENTRY_POINT(cuCheckpointProcessCheckpoint, 12080, ALWAYS, NO_DEVICE,
            checkpoint_checkpoint, (int pid, CUcheckpointCheckpointArgs *arguments),
            (pid, arguments))
ENTRY_POINT(cuCheckpointProcessRestore, 12080, ALWAYS, NO_DEVICE,
            checkpoint_restore, (int pid, CUcheckpointRestoreArgs *arguments), (pid, arguments))
ENTRY_POINT(cuCheckpointProcessUnlock, 12080, ALWAYS, NO_DEVICE,
            checkpoint_unlock, (int pid, CUcheckpointUnlockArgs *arguments), (pid, arguments))

#include "stream_entry_points.h"

#ifndef REFUSED
#define REFUSED(symbol, since) \
    ENTRY_POINT(symbol, since, INITIALIZED, NO_DEVICE, refused_call, (void), ())
#endif
#include "refused_functions.h"

#undef ENTRY_POINT
