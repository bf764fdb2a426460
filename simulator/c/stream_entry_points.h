/*
 * The entry points for work on a stream, as a part of entry_points.h. Most are there twice:
 *
 *   WITH_PER_THREAD(symbol, suffix, since, since_per_thread, device, implementation, parameters, arguments,
 *                   arguments_per_thread)
 *
 * is the function itself and its counterpart, named with the suffix, for which the default stream is
 * the calling thread's own. Both are functions of their own, with one prototype.
 */
#define WITH_PER_THREAD(symbol, suffix, since, since_per_thread, device, implementation, parameters, \
                        arguments, arguments_per_thread)                                             \
    ENTRY_POINT(symbol, since, INITIALIZED, device, implementation, parameters, arguments)           \
    ENTRY_POINT(symbol##suffix, since_per_thread, INITIALIZED, device, implementation, parameters,   \
                arguments_per_thread)

/* copies */
WITH_PER_THREAD(cuMemcpyHtoD_v2, _ptds, 3020, 7000, ordinal_of_current_context(),
            memory_copy_to_device, (CUdeviceptr destination, const void *source, size_t bytes),
            (destination, source, bytes), (destination, source, bytes))
WITH_PER_THREAD(cuMemcpyDtoH_v2, _ptds, 3020, 7000, ordinal_of_current_context(),
            memory_copy_to_host, (void *destination, CUdeviceptr source, size_t bytes),
            (destination, source, bytes), (destination, source, bytes))
WITH_PER_THREAD(cuMemcpyDtoD_v2, _ptds, 3020, 7000, ordinal_of_current_context(),
            memory_copy_on_device, (CUdeviceptr destination, CUdeviceptr source, size_t bytes),
            (destination, source, bytes), (destination, source, bytes))
WITH_PER_THREAD(cuMemcpyHtoDAsync_v2, _ptsz, 3020, 7000,
            ordinal_of_stream(stream), memory_copy_to_device_on_stream,
            (CUdeviceptr destination, const void *source, size_t bytes, CUstream stream),
            (destination, source, bytes, stream), (destination, source, bytes, per_thread(stream)))
WITH_PER_THREAD(cuMemcpyDtoHAsync_v2, _ptsz, 3020, 7000,
            ordinal_of_stream(stream), memory_copy_to_host_on_stream,
            (void *destination, CUdeviceptr source, size_t bytes, CUstream stream),
            (destination, source, bytes, stream), (destination, source, bytes, per_thread(stream)))
WITH_PER_THREAD(cuMemcpyDtoDAsync_v2, _ptsz, 3020, 7000,
            ordinal_of_stream(stream), memory_copy_on_device_on_stream,
            (CUdeviceptr destination, CUdeviceptr source, size_t bytes, CUstream stream),
            (destination, source, bytes, stream), (destination, source, bytes, per_thread(stream)))
WITH_PER_THREAD(cuMemsetD8_v2, _ptds, 3020, 7000, ordinal_of_current_context(),
            memory_set, (CUdeviceptr destination, unsigned char value, size_t bytes),
            (destination, value, bytes), (destination, value, bytes))
WITH_PER_THREAD(cuMemsetD8Async, _ptsz, 3020, 7000, ordinal_of_stream(stream),
            memory_set_on_stream,
            (CUdeviceptr destination, unsigned char value, size_t bytes, CUstream stream),
            (destination, value, bytes, stream), (destination, value, bytes, per_thread(stream)))

/* streams */
ENTRY_POINT(cuStreamCreate, 2000, INITIALIZED, ordinal_of_current_context(),
            stream_create, (CUstream *stream, unsigned int flags), (stream, flags))
ENTRY_POINT(cuStreamCreateWithPriority, 5050, INITIALIZED,
            ordinal_of_current_context(), stream_create_with_priority,
            (CUstream *stream, unsigned int flags, int priority), (stream, flags, priority))
ENTRY_POINT(cuStreamDestroy, 2000, INITIALIZED, ordinal_of_stream(stream),
            stream_destroy, (CUstream stream), (stream))
ENTRY_POINT(cuStreamDestroy_v2, 4000, INITIALIZED, ordinal_of_stream(stream),
            stream_destroy, (CUstream stream), (stream))
WITH_PER_THREAD(cuStreamSynchronize, _ptsz, 2000, 7000,
            ordinal_of_stream(stream), stream_synchronize, (CUstream stream), (stream),
            (per_thread(stream)))
WITH_PER_THREAD(cuStreamQuery, _ptsz, 2000, 7000, ordinal_of_stream(stream),
            stream_synchronize, (CUstream stream), (stream), (per_thread(stream)))
WITH_PER_THREAD(cuStreamWaitEvent, _ptsz, 3020, 7000, ordinal_of_stream(stream),
            stream_wait_event, (CUstream stream, CUevent event, unsigned int flags),
            (stream, event, flags), (per_thread(stream), event, flags))
WITH_PER_THREAD(cuStreamGetFlags, _ptsz, 5050, 7000, ordinal_of_stream(stream),
            stream_get_flags, (CUstream stream, unsigned int *flags), (stream, flags),
            (per_thread(stream), flags))
WITH_PER_THREAD(cuStreamGetPriority, _ptsz, 5050, 7000,
            ordinal_of_stream(stream), stream_get_priority, (CUstream stream, int *priority),
            (stream, priority), (per_thread(stream), priority))
WITH_PER_THREAD(cuStreamGetCtx, _ptsz, 9020, 9020, ordinal_of_stream(stream),
            stream_get_context, (CUstream stream, CUcontext *context), (stream, context),
            (per_thread(stream), context))
WITH_PER_THREAD(cuStreamGetCtx_v2, _ptsz, 12050, 12050, ordinal_of_stream(stream),
            stream_get_context_v2, (CUstream stream, CUcontext *context, CUgreenCtx *green),
            (stream, context, green), (per_thread(stream), context, green))
WITH_PER_THREAD(cuStreamGetId, _ptsz, 12000, 12000, ordinal_of_stream(stream),
            stream_get_id, (CUstream stream, unsigned long long *id), (stream, id),
            (per_thread(stream), id))
WITH_PER_THREAD(cuStreamGetDevice, _ptsz, 12080, 12080,
            ordinal_of_stream(stream), stream_get_device, (CUstream stream, CUdevice *device),
            (stream, device), (per_thread(stream), device))

/* events */
ENTRY_POINT(cuEventCreate, 2000, INITIALIZED, ordinal_of_current_context(),
            event_create, (CUevent *event, unsigned int flags), (event, flags))
WITH_PER_THREAD(cuEventRecord, _ptsz, 2000, 7000, ordinal_of_event(event),
            event_record, (CUevent event, CUstream stream), (event, stream),
            (event, per_thread(stream)))
WITH_PER_THREAD(cuEventRecordWithFlags, _ptsz, 11010, 11010,
            ordinal_of_event(event), event_record_with_flags,
            (CUevent event, CUstream stream, unsigned int flags), (event, stream, flags),
            (event, per_thread(stream), flags))
ENTRY_POINT(cuEventQuery, 2000, INITIALIZED, ordinal_of_event(event),
            event_synchronize, (CUevent event), (event))
ENTRY_POINT(cuEventSynchronize, 2000, INITIALIZED, ordinal_of_event(event),
            event_synchronize, (CUevent event), (event))
ENTRY_POINT(cuEventElapsedTime, 2000, INITIALIZED, ordinal_of_event(end),
            event_elapsed_time, (float *milliseconds, CUevent start, CUevent end),
            (milliseconds, start, end))
ENTRY_POINT(cuEventElapsedTime_v2, 12080, INITIALIZED, ordinal_of_event(end),
            event_elapsed_time, (float *milliseconds, CUevent start, CUevent end),
            (milliseconds, start, end))
ENTRY_POINT(cuEventDestroy, 2000, INITIALIZED, ordinal_of_event(event),
            event_destroy, (CUevent event), (event))
ENTRY_POINT(cuEventDestroy_v2, 4000, INITIALIZED, ordinal_of_event(event),
            event_destroy, (CUevent event), (event))

#undef WITH_PER_THREAD
