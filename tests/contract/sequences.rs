//! Sequences of calls on one device and one thread, each with what it returns: `release 0 1/0, release 0 0/0`.
//!
//! A step is the name of a call and the words that are expected. Those are the result code and, after a call that
//! may change it, the primary context's state: whether it is active, and its flags.

use std::mem::MaybeUninit;
use std::ptr;

use cuda_primary_context::sys::{CUcontext, CUdevResourceType, CUdevice, CUdeviceptr, CUgreenCtx};

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, Returned, call};

/// Declares a check for each row.
macro_rules! sequences {
    ($($(#[$documentation:meta])* $check:ident: $($steps:literal),+;)*) => {
        $(
            $(#[$documentation])*
            pub fn $check(
                machine: &crate::machine::Machine,
                questions: &crate::questions::Questions,
            ) {
                crate::sequences::run(machine, questions, &[$($steps),+].join(", "));
            }
        )*
    };
}
pub(crate) use sequences;

pub fn run(machine: &Machine, questions: &Questions, steps: &str) {
    let library = machine.initialised();
    let mut scene = Scene::new(library);
    for (number, step) in (1..).zip(steps.split(", ")) {
        let (call, expected) = step.split_once(' ').expect("a call and what is expected");
        questions.ask(format!("{number}. {call}"), expected, scene.take(call));
    }
}

/// Makes a green context over all multiprocessors of the device.
pub fn create_green(library: Library, device: CUdevice) -> (Returned, CUgreenCtx) {
    let multiprocessors = CUdevResourceType::CU_DEV_RESOURCE_TYPE_SM;
    let (mut resource, mut description) = (MaybeUninit::zeroed(), ptr::null_mut());
    let mut green = ptr::null_mut();
    let resource = resource.as_mut_ptr();
    let results = [
        call!(library, cuDeviceGetDevResource_v12040(device, resource, multiprocessors)),
        call!(library, cuDevResourceGenerateDesc_v12040(&mut description, resource, 1)),
    ];
    assert_eq!(results.map(|result| result.to_string()), ["0"; 2], "resource and description");
    // The flag for a default stream, which the call requires.
    let result = call!(library, cuGreenCtxCreate_v12040(&mut green, description, device, 1));
    (result, green)
}

/// A word that no call writes.
const UNTOUCHED: u32 = 77;

struct Scene {
    library: Library,
    device: CUdevice,
    /// What the last retain returned, and the last `cuCtxCreate`.
    primary: CUcontext,
    ordinary: CUcontext,
    greens: Vec<CUgreenCtx>,
    memory: CUdeviceptr,
    id: u64,
}

impl Scene {
    fn new(library: Library) -> Self {
        Self {
            library,
            device: library.device(0),
            primary: ptr::null_mut(),
            ordinary: ptr::null_mut(),
            greens: Vec::new(),
            memory: 0,
            id: 0,
        }
    }

    /// Makes the call; what it returned, in words.
    fn take(&mut self, call: &str) -> String {
        let (library, device) = (self.library, self.device);
        let result = match call {
            "retain" => return self.retain(),
            "release" => library.release(device),
            "release_v1" => call!(library, bare cuDevicePrimaryCtxRelease_v11000(device)),
            "reset" => call!(library, cuDevicePrimaryCtxReset_v11000(device)),
            "reset_v1" => call!(library, bare cuDevicePrimaryCtxReset_v11000(device)),
            "create_green" => {
                let (result, green) = create_green(library, device);
                self.greens.push(green);
                result
            }
            "destroy_green" => {
                call!(library, cuGreenCtxDestroy_v12040(self.greens.remove(0)))
            }
            _ => match call.split_once('=') {
                Some(("flags", flags)) => {
                    let flags = flags.parse().expect("a number");
                    call!(library, cuDevicePrimaryCtxSetFlags_v11000(device, flags))
                }
                Some(("flags_v1", flags)) => {
                    let flags = flags.parse().expect("a number");
                    call!(library, bare cuDevicePrimaryCtxSetFlags_v11000(device, flags))
                }
                _ => return self.on_the_thread(call),
            },
        };
        format!("{result} {}", library.state(device))
    }

    fn retain(&mut self) -> String {
        let (result, context) = self.library.retain(self.device);
        let is_another = !self.primary.is_null() && self.primary != context;
        self.primary = context;
        let handle = if is_another { " another handle" } else { "" };
        format!("{result} {}{handle}", self.library.state(self.device))
    }

    /// Calls about what is current.
    fn on_the_thread(&mut self, call: &str) -> String {
        let library = self.library;
        let mut popped = ptr::null_mut();
        let result = match call {
            "current" => return self.name(library.current()),
            "state" => return library.state(self.device),
            "bind" => library.set_current(self.primary),
            "bind_none" => library.set_current(ptr::null_mut()),
            "push" => call!(library, cuCtxPushCurrent_v4000(self.primary)),
            "pop" => {
                let result = call!(library, cuCtxPopCurrent_v4000(&mut popped));
                return match result.to_string().as_str() {
                    "0" => format!("0 {}", self.name(popped)),
                    refused => refused.to_owned(),
                };
            }
            "create" => call!(library, cuCtxCreate_v3020(&mut self.ordinary, 0, self.device)),
            "destroy" => call!(library, cuCtxDestroy_v4000(self.ordinary)),
            "destroy_primary" => call!(library, cuCtxDestroy_v4000(self.primary)),
            "destroy_primary_v1" => call!(library, bare cuCtxDestroy_v4000(self.primary)),
            "device" => {
                let mut of = -1;
                let result = call!(library, cuCtxGetDevice_v2000(&mut of));
                return format!("{result} {}", if of == self.device { "same" } else { "another" });
            }
            "context_flags" => {
                let mut flags = UNTOUCHED;
                let result = call!(library, cuCtxGetFlags_v7000(&mut flags));
                return format!("{result} {flags}");
            }
            "version" => return self.version_of(self.primary),
            "version_of_ordinary" => return self.version_of(self.ordinary),
            "version_of_null" => return self.version_of(ptr::null_mut()),
            "id_of_null" => call!(library, cuCtxGetId_v12000(ptr::null_mut(), &mut self.id)),
            "id" => {
                let before = std::mem::replace(&mut self.id, 0);
                let result = call!(library, cuCtxGetId_v12000(self.primary, &mut self.id));
                return match (self.id, result.to_string().as_str()) {
                    (id, "0") if id != before => "0 new".to_owned(),
                    (0, refused) => refused.to_owned(),
                    (_, result) => format!("{result} written"),
                };
            }
            _ => self.work(call),
        };
        result.to_string()
    }

    /// Calls that need a living context.
    fn work(&mut self, call: &str) -> Returned {
        let library = self.library;
        let (mut free, mut total, mut stream) = (0, 0, ptr::null_mut());
        match call {
            "synchronize" => call!(library, cuCtxSynchronize_v2000()),
            "allocate" => call!(library, cuMemAlloc_v3020(&mut self.memory, 1 << 20)),
            "free" => call!(library, cuMemFree_v3020(self.memory)),
            "memory" => call!(library, cuMemGetInfo_v3020(&mut free, &mut total)),
            "stream" => call!(library, cuStreamCreate_v2000(&mut stream, 0)),
            "synchronize_default" => {
                call!(library, cuStreamSynchronize_v2000(ptr::null_mut()))
            }
            other => panic!("there is no call {other}"),
        }
    }

    fn version_of(&self, context: CUcontext) -> String {
        let mut version = UNTOUCHED;
        let result = call!(self.library, cuCtxGetApiVersion_v3020(context, &mut version));
        let written = if version == UNTOUCHED { "untouched" } else { "written" };
        format!("{result} {written}")
    }

    fn name(&self, context: CUcontext) -> String {
        let name = match context {
            context if context.is_null() => "none",
            context if context == self.primary => "primary",
            context if context == self.ordinary => "ordinary",
            _ => "another",
        };
        name.to_owned()
    }
}
