//! A running instance.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::call::StackEntry;
use crate::control::{Controls, Number};
use crate::hooks::Hooks;
use crate::knob::Knob;
use crate::others::UNNAMED_OWNERS;
use crate::private_directory::PrivateDirectory;

/// A simulated driver: a private copy of the library, loaded into this process, and the means to
/// steer it.
///
/// What is done through this type is the test's own hand: it is neither counted nor logged, and no
/// fault hits it. Devices are named by their ordinals as the driver enumerates them, after
/// `CUDA_VISIBLE_DEVICES`, and never by a `CUdevice`.
///
/// Methods initialise the driver if they need it, as another library in the process would have done.
///
/// # Panics
///
/// Methods panic for a device or a function that does not exist, for a process that is not there or has not
/// initialised CUDA (but [`target`](Self::target) returns `None`), for call number 0, and for a 33rd owner.
pub struct Simulator {
    pub(crate) controls: Controls,
    pub(crate) hooks: Hooks,
    /// By their numbers.
    pub(crate) owner_names: Mutex<Vec<String>>,
    path: PathBuf,
    _directory: PrivateDirectory,
}

impl Simulator {
    pub(crate) fn new(directory: PrivateDirectory, path: PathBuf, controls: Controls) -> Self {
        let owner_names = Mutex::new(UNNAMED_OWNERS.map(str::to_owned).into());
        Self { controls, hooks: Hooks::default(), owner_names, path, _directory: directory }
    }

    /// The private `libcuda.so.1`, to be loaded by the code under test.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `CUdevice` of a device, as `cuDeviceGet` gives it: not the ordinal, unless
    /// [`Knob::HandlesAreOrdinals`] is 1.
    #[must_use]
    pub fn device_handle(&self, device: u32) -> i32 {
        self.number(Number::Handle, device) as i32
    }

    /// References to a device's primary context; 0 before the driver is initialised.
    #[must_use]
    #[track_caller]
    pub fn references(&self, device: u32) -> u32 {
        self.of_device(Number::References, device)
    }

    /// Whether a device's primary context is active.
    #[must_use]
    #[track_caller]
    pub fn is_active(&self, device: u32) -> bool {
        self.of_device(Number::IsActive, device) != 0
    }

    /// How often a device's primary context has been activated.
    #[must_use]
    #[track_caller]
    pub fn generation(&self, device: u32) -> u32 {
        self.of_device(Number::Generation, device)
    }

    /// The flags of a device's primary context, as `cuDevicePrimaryCtxGetState` gives them.
    #[must_use]
    #[track_caller]
    pub fn flags(&self, device: u32) -> u32 {
        self.of_device(Number::Flags, device)
    }

    #[track_caller]
    fn of_device(&self, number: Number, device: u32) -> u32 {
        match u32::try_from(self.number(number, device)) {
            Ok(value) => value,
            Err(_) if !self.is_initialized() => 0,
            Err(_) => panic!("the simulated driver has no device {device}"),
        }
    }

    pub(crate) fn number(&self, number: Number, of: u32) -> u64 {
        (self.controls.number)(number as u32, of)
    }

    /// Sets a knob, from the next call on.
    #[track_caller]
    pub fn set_knob(&self, knob: Knob, value: u64) {
        let setting = format!("{}={value}", knob.name());
        let set = self.controls.set("SIMULATED_CUDA_KNOBS", setting.as_ref());
        assert!(set.is_ok(), "the knob {setting}: {set:?}");
    }

    /// The calling thread's stack of current contexts, the bottom first.
    #[must_use]
    pub fn stack(&self) -> Vec<StackEntry> {
        // SAFETY: with no room, nothing is written.
        let depth = unsafe { (self.controls.stack)(std::ptr::null_mut(), 0) };
        let mut entries = vec![StackEntry::default(); depth as usize];
        // SAFETY: the pointer is to as many entries of the C layout as the count says.
        unsafe { (self.controls.stack)(entries.as_mut_ptr(), depth) };
        entries
    }

    /// Makes a device's primary context current on the calling thread, retaining nothing, or with
    /// `None` takes the current context away: the top of the stack changes as by `cuCtxSetCurrent`.
    #[track_caller]
    pub fn set_current(&self, device: Option<u32>) {
        succeed((self.controls.set_current)(device.map_or(-1, ordinal)), "set_current");
    }

    /// Initialises the driver as another library in this process would, if nobody has yet.
    #[track_caller]
    pub fn initialize(&self) {
        self.retain_by_others(0, 0);
    }

    /// Ends the driver as process exit does: every later call returns 4.
    pub fn deinitialize(&self) {
        (self.controls.deinitialize)()
    }

    /// Whether the driver is initialised in this very process, and not yet ended.
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        self.number(Number::IsInitialized, 0) != 0
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Simulator").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Numbers beyond the C type become its greatest, which no device has.
pub(crate) fn ordinal(device: u32) -> i32 {
    i32::try_from(device).unwrap_or(i32::MAX)
}

#[track_caller]
pub(crate) fn succeed(code: u32, action: &str) {
    assert!(code == 0, "{action}: the simulated driver returns {code}");
}
