/*
 * What the vendor does not document, as named settings with today's best guess as the default:
 *
 *   KNOB(identifier, default)
 *
 * simulator/README.md says for each what it decides, how sure the default is and which experiment
 * would settle it. Where a value is an answer, it is the CUresult itself.
 */
KNOB(child_after_init, 3)                 /* 3: poisoned; 0: the child of an initialised parent works */
KNOB(child_after_failed_init, 100)        /* cuInit in the child of a parent that found no device */
KNOB(release_v1_at_zero, 201)             /* one release too many through the first generation */
KNOB(reset_with_references, 0)            /* 0: deactivates, count kept; else the refusal (708) */
KNOB(set_flags_when_active, 0)            /* second generation: 0 at once, 1 at the next activation, else refused */
KNOB(flags_survive_deactivation, 1)       /* 1: flags stay for the next activation; 0: back to none */
KNOB(set_current_on_dead, 0)              /* making a dead primary context current: 0, or the refusal */
KNOB(get_device_on_dead, 201)             /* cuCtxGetDevice with a dead current context */
KNOB(synchronize_on_dead, 709)            /* cuCtxSynchronize likewise */
KNOB(get_flags_on_dead, 709)              /* cuCtxGetFlags likewise */
KNOB(get_api_version_on_dead, 201)        /* cuCtxGetApiVersion likewise */
KNOB(get_id_on_dead, 709)                 /* cuCtxGetId likewise */
KNOB(destroy_primary, 201)                /* cuCtxDestroy of a primary context; 0: deactivates it */
KNOB(stale_object, 709)                   /* a stream or event whose context is gone */
KNOB(duplicate_visible_device, 0)         /* CUDA_VISIBLE_DEVICES=0,0: 0 stops there, 1 leaves no device */
KNOB(compute_mode, 0)                     /* attribute of all devices; 2 (prohibited) fails the first retain with 999 */
KNOB(device_bytes, 85899345920)           /* memory of each device */
KNOB(context_bytes, 524288000)            /* memory that one context takes */
KNOB(retain_microseconds, 0)              /* duration of an activation */
KNOB(release_microseconds, 0)             /* duration of a teardown */
KNOB(delay_holds_lock, 0)                 /* 1: nobody else gets into the driver during these */
KNOB(deinitialize_at_exit, 0)             /* 1: the driver is gone once exit handlers run */

#undef KNOB
