//! Settings for what the vendor does not document.

macro_rules! knobs {
    ($($(#[$documentation:meta])* $variant:ident = $name:literal,)*) => {
        /// What no document settles, as a setting. The defaults are today's best guess; each knob
        /// names the experiment that would settle it on hardware, as the README's table does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Knob {
            $($(#[$documentation])* $variant,)*
        }

        impl Knob {
            /// Every knob.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that the environment variable `SIMULATED_CUDA_KNOBS` knows it by.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

knobs! {
    /// What every call answers in a child forked after `cuInit`: 3 (default, poisoned), or 0 for the
    /// drivers before 2016, where the child works. Experiment E1.
    ChildAfterInit = "child_after_init",
    /// What `cuInit` answers in a child forked after a `cuInit` that found no device: 100 (default),
    /// or 304 as measured on drivers 550 and 555.
    ChildAfterFailedInit = "child_after_failed_init",
    /// What one release too many answers through the bare `cuDevicePrimaryCtxRelease`: 201 (default)
    /// or 0. Experiment E2.
    ReleaseV1AtZero = "release_v1_at_zero",
    /// What a reset of a context with references answers: 0 (default, it is deactivated and the
    /// count stays) or a refusal such as 708. Experiment E5.
    ResetWithReferences = "reset_with_references",
    /// What `cuDevicePrimaryCtxSetFlags_v2` does to an active context: 0 (default) changes it at
    /// once, 1 takes effect at the next activation, any greater value is the refusal. Experiment E10.
    SetFlagsWhenActive = "set_flags_when_active",
    /// Whether flags stay when the context goes: 1 (default) or 0. Experiment E10.
    FlagsSurviveDeactivation = "flags_survive_deactivation",
    /// What making a dead primary context current answers: 0 (default) or the refusal. Experiment E4.
    SetCurrentOnDead = "set_current_on_dead",
    /// `cuCtxGetDevice` with a dead context current: 201 by default. Experiment E4.
    GetDeviceOnDead = "get_device_on_dead",
    /// `cuCtxSynchronize` with a dead context current: 709 by default. Experiment E4.
    SynchronizeOnDead = "synchronize_on_dead",
    /// `cuCtxGetFlags` with a dead context current: 709 by default. Experiment E4.
    GetFlagsOnDead = "get_flags_on_dead",
    /// `cuCtxGetApiVersion` of a dead context: 201 by default. Experiment E4.
    GetApiVersionOnDead = "get_api_version_on_dead",
    /// `cuCtxGetId` of a dead context: 709 by default. Experiment E4.
    GetIdOnDead = "get_id_on_dead",
    /// `cuCtxDestroy` of a primary context: 201 by default; 0 deactivates it. Experiment E11.
    DestroyPrimary = "destroy_primary",
    /// Using a stream or event whose context is gone: 709 by default, perhaps 400. A real driver has
    /// crashed here, so [`would_be_crashes`](crate::Simulator::would_be_crashes) counts it.
    /// Experiment E3.
    StaleObject = "stale_object",
    /// A device named twice in `CUDA_VISIBLE_DEVICES`: 0 (default) ends the list there, 1 leaves no
    /// device at all. Experiment E17.
    DuplicateVisibleDevice = "duplicate_visible_device",
    /// The compute mode of all devices: 0 (default); 2, prohibited, fails the first retain with 999.
    ComputeMode = "compute_mode",
    /// The memory of each device, in bytes.
    DeviceBytes = "device_bytes",
    /// The memory that one context takes, in bytes. Experiment E6.
    ContextBytes = "context_bytes",
    /// How long an activation takes, in microseconds. Experiment E6.
    RetainMicroseconds = "retain_microseconds",
    /// How long the teardown at the last release takes, in microseconds. Experiment E6.
    ReleaseMicroseconds = "release_microseconds",
    /// Whether these durations keep every other call out of the driver: 0 (default) or 1.
    /// Experiment E13.
    DelayHoldsLock = "delay_holds_lock",
    /// Whether the driver deinitialises itself when exit handlers run: 0 (default) or 1.
    /// Experiment E14.
    DeinitializeAtExit = "deinitialize_at_exit",
}
