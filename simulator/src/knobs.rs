// The one table of knobs: this crate makes an enum of it, and build.rs the driver's settings with their defaults.
knobs! {
    /// Whether a `CUdevice` is the device's ordinal: 1 by default, as measured. With 0 it is another
    /// number, so that code that takes one for the other fails with 101; a [`Builder`](crate::Builder)
    /// sets that.
    HandlesAreOrdinals = "handles_are_ordinals", 1;
    /// `cuCtxGetDevice` with a dead context current: 0 by default, measured. Experiment E4.
    GetDeviceOnDead = "get_device_on_dead", 0;
    /// The length of each device's name, in bytes, for those who have less room: 0 by default, for
    /// `Simulated CUDA Device`.
    DeviceNameBytes = "device_name_bytes", 0;
    /// Whether each device is an instance of a GPU that MIG divides: 0 (default) or 1. Then
    /// `cuDeviceGetUuid_v2` returns the instance's id and `cuDeviceGetUuid` that of its GPU, as documented.
    MigInstances = "mig_instances", 0;
    /// The memory of each device, in bytes: 80 GiB by default.
    DeviceBytes = "device_bytes", 85899345920;
    /// How long an activation takes, in microseconds: 0 by default; 91,000 to 131,000 measured.
    /// Experiment E6.
    RetainMicroseconds = "retain_microseconds", 0;
    /// How long the teardown at the last release takes, in microseconds: 0 by default; 53,000 to
    /// 71,000 measured. Experiment E6.
    ReleaseMicroseconds = "release_microseconds", 0;
    /// How long the checkpoint of any process takes, in milliseconds: 0 by default; 14 to 28 measured.
    CheckpointMilliseconds = "checkpoint_milliseconds", 0;
    /// How long the restore of any process takes, in milliseconds: 0 by default; 15 to 28 measured.
    RestoreMilliseconds = "restore_milliseconds", 0;
    /// What a fault that refuses a call leaves in its outputs: 0 (default, measured before `cuInit`)
    /// leaves them alone, 1 fills them with the byte `0xde`, for clients that read what they must not.
    SpoilOutputs = "spoil_outputs", 0;
}
