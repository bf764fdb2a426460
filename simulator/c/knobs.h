/*
 * What the vendor does not document, or what differs between drivers, as named settings:
 *
 *   KNOB(identifier, default)
 *
 * The defaults are what driver 580 did on an H200 or an H100 where that was measured, and a guess where not.
 * simulator/README.md says which is which, and which experiment it was. Where a value is a result,
 * it is the CUresult itself.
 */
KNOB(handles_are_ordinals, 1)             /* 1: a CUdevice is the ordinal; 0: another number */
KNOB(child_after_init, 3)                 /* 3: poisoned; 0: the child of an initialised parent works */
KNOB(child_of_bare_clone, 0)              /* the same for clone without the C library's fork handlers */
KNOB(child_after_failed_init, 0)          /* cuInit in the child of a parent that found no device: 0 dies, else the result */
KNOB(get_device_on_dead, 0)               /* cuCtxGetDevice with a dead current context */
KNOB(device_name_bytes, 0)                /* length of the name of each device; 0: as it is */
KNOB(mig_instances, 0)                    /* 1: each device is an instance of a GPU that MIG divides */
KNOB(device_bytes, 85899345920)           /* memory of each device: 80 GiB */
KNOB(context_bytes, 549453824)            /* memory that one context takes: 524 MiB */
KNOB(retain_microseconds, 0)              /* duration of an activation */
KNOB(release_microseconds, 0)             /* duration of a teardown */
KNOB(deinitialize_at_exit, 1)             /* 1: an exit handler, registered by cuInit, ends the driver */
KNOB(checkpoint_managed_memory, 801)      /* checkpoint of a process with managed memory; 0: it works */
KNOB(restore_after_loss, 304)             /* restore of a process that a restore without room destroyed */
KNOB(restore_without_room_destroys, 1)    /* 0: it may be restored when there is room */
KNOB(restore_map_names_every_gpu, 1)      /* 0: a map needs only the GPUs that the process used */
KNOB(checkpoint_ids_inside, 0)            /* 1: a process is known by the id that it has in its own PID namespace */
KNOB(checkpoint_milliseconds, 0)          /* duration for any process */
KNOB(checkpoint_context_milliseconds, 0)  /* more for each context */
KNOB(checkpoint_gibibyte_milliseconds, 0) /* more for each GiB on its devices */
KNOB(restore_milliseconds, 0)             /* the same for a restore */
KNOB(restore_context_milliseconds, 0)
KNOB(restore_gibibyte_milliseconds, 0)
KNOB(spoil_outputs, 0)                    /* 1: a fault that refuses a call fills its outputs with rubbish */

#undef KNOB
