//! Who holds a context, as the witness of cuda-contexts knows: in the audit and in reports.

use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};

use crate::support::libraries::{build, symbol};
use crate::support::processes::{in_each_child, in_process_of, test_of};
use crate::support::{RELEASE, load, machine, outcomes, skips};
use cuda_primary_context::{Device, Driver, Holder, Outcome, PrimaryContext, PrimaryContextGuard};
use serde_json::{json, to_value};
use simulated_libcuda::Simulator;

/// A driver behind a witness whose holders the test names. One in a process: libraries of one name are
/// one to the loader, and the witness must get its own driver.
struct Witnessed {
    simulator: Simulator,
    driver: Driver,
    library: PathBuf,
}

impl Witnessed {
    /// Runs the test with one, in a process of its own, or says why not.
    fn run<F: FnOnce(Self)>(devices: u32, interface: u32, body: F) {
        let test = test_of(&body);
        let Some(compiler) = skips::compiler(test) else { return };
        in_process_of(test, || body(Self::new(&compiler, devices, interface)));
    }

    fn new(compiler: &Path, devices: u32, interface: u32) -> Self {
        let simulator = Simulator::builder().devices(devices).visible_devices(None).start();
        let library = simulator.path().with_file_name("witness.so");
        let interface = format!("-DINTERFACE={interface}");
        let more = [interface.as_ref(), simulator.path().as_os_str()];
        build(compiler, "simulated/witness.c", &library, more);
        let driver = load(&library).unwrap();
        Self { simulator, driver, library }
    }

    fn device(&self, ordinal: u32) -> Device {
        self.driver.device(ordinal).unwrap()
    }

    /// Somebody retained the device, and the witness has counted it.
    fn add(&self, ordinal: u32, library: &str, [references, green, ordinary]: [u32; 3]) {
        for _ in 0..references {
            self.simulator.retain_by_others(ordinal, 1);
        }
        let name = CString::new(library).unwrap();
        type Add = unsafe extern "C" fn(i32, u32, u32, u32, *const c_char);
        // SAFETY: the witness is loaded, and the function has this signature.
        let add: Add = unsafe { symbol(&self.library, c"add_holder") };
        // SAFETY: the name is a string of C, which is copied.
        unsafe { add(self.device(ordinal).as_raw(), references, green, ordinary, name.as_ptr()) };
    }

    /// After the n-th release the witness counts so many less of a library.
    fn takes_at(&self, nth: u64, library: &'static CStr, [references, green]: [u32; 2]) {
        type Take = unsafe extern "C" fn(*const c_char, u32, u32);
        // SAFETY: as above.
        let take: Take = unsafe { symbol(&self.library, c"take") };
        self.simulator.after_call(RELEASE, nth, move || {
            // SAFETY: the name is a string of C.
            unsafe { take(library.as_ptr(), references, green) }
        });
    }
}

fn counts(holders: &[Holder]) -> Vec<(String, [u32; 4])> {
    let one = |holder: &Holder| {
        let Holder { references, green_contexts, ordinary_contexts, taken, .. } = *holder;
        let library = holder.library.to_str().unwrap().to_owned();
        (library, [references, green_contexts, ordinary_contexts, taken])
    };
    holders.iter().map(one).collect()
}

#[test]
fn without_a_witness_nobody_is_named() {
    let machine = machine(2);
    machine.simulator.retain_by_others(0, 1);
    assert_eq!(machine.device(0).holders(), None);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    assert!(guard.report().devices().all(|line| line.holders().is_none()));
    assert!(!guard.report().to_string().contains("held by"), "{}", guard.report());
}

#[test]
fn child_of_a_fork_holds_nothing() {
    Witnessed::run(1, 1, |witnessed| {
        witnessed.add(0, "/lib/libcudart.so.13", [1, 0, 0]);
        in_each_child(|| assert_eq!(witnessed.device(0).holders(), Some(vec![])));
        assert_eq!(witnessed.device(0).holders().unwrap().len(), 1, "the parent");
    });
}

#[test]
fn device_names_all_of_its_holders() {
    Witnessed::run(2, 1, |witnessed| {
        witnessed.add(1, "/lib/libcudart.so.13", [1, 2, 3]);
        assert_eq!(witnessed.device(0).holders(), Some(vec![]));
        let holders = witnessed.device(1).holders().unwrap();
        assert_eq!(counts(&holders), [("/lib/libcudart.so.13".to_owned(), [1, 2, 3, 0])]);
        // More than are expected.
        for number in 0..40 {
            witnessed.add(0, &format!("/lib/lib{number}.so"), [1, 0, 0]);
            let holders = witnessed.device(0).holders().unwrap();
            assert_eq!(holders.len(), number + 1);
            assert_eq!(holders[number].library, Path::new(&format!("/lib/lib{number}.so")));
        }
    });
}

#[test]
fn another_interface_is_not_asked() {
    Witnessed::run(1, 2, |witnessed| {
        witnessed.add(0, "/lib/libcudart.so.13", [1, 0, 0]);
        assert_eq!(witnessed.device(0).holders(), None);
    });
}

/// Each device is a case of its own.
#[test]
fn report_says_whose_references_it_took() {
    Witnessed::run(7, 1, |witnessed| {
        witnessed.add(0, "/lib/libcudart.so.13", [1, 0, 0]);
        witnessed.takes_at(1, c"/lib/libcudart.so.13", [1, 0]);
        // Of two libraries, the release takes the reference of the second.
        witnessed.add(2, "/lib/libcublas.so.13", [3, 0, 0]);
        witnessed.add(2, "/lib/libtorch.so", [2, 0, 1]);
        witnessed.takes_at(2, c"/lib/libtorch.so", [1, 0]);
        // Handles of this crate hold it.
        let held = PrimaryContext::retain(witnessed.device(3)).unwrap();
        witnessed.add(3, "/bin/program", [1, 0, 0]);
        // A green context gets back what the release took. The witness counts that as this program's.
        witnessed.simulator.add_green_context(4);
        witnessed.add(4, "/lib/libgreen.so", [0, 1, 0]);
        witnessed.takes_at(3, c"/lib/libgreen.so", [0, 1]);
        // While the run releases one reference, another thread releases one of another library's.
        for library in [c"/lib/liba.so", c"/lib/libb.so"] {
            witnessed.add(5, library.to_str().unwrap(), [3, 0, 0]);
            witnessed.takes_at(4, library, [1, 0]);
        }
        // One of two green contexts loses its reference for good.
        witnessed.simulator.retain_by_others(6, 2);
        witnessed.add(6, "/lib/libgreens.so", [0, 2, 0]);
        witnessed.takes_at(5, c"/lib/libgreens.so", [0, 1]);

        let guard = PrimaryContextGuard::retain_only(witnessed.device(1)).unwrap();
        let still_active = Outcome::StillActive { releases: 1 };
        let expected = [
            Outcome::Released { releases: 1 },
            Outcome::Kept,
            still_active.clone(),
            Outcome::HeldHere { handles: 1 },
            Outcome::HeldByGreenContext { releases: 0 },
            still_active.clone(),
            still_active,
        ];
        assert_eq!(outcomes(&guard), expected);
        let lines: Vec<_> =
            guard.report().devices().map(|line| counts(line.holders().unwrap())).collect();
        let of = |library: &str, counts| (library.to_owned(), counts);
        let expected = [
            vec![of("/lib/libcudart.so.13", [1, 0, 0, 1])],
            vec![],
            vec![of("/lib/libcublas.so.13", [3, 0, 0, 0]), of("/lib/libtorch.so", [2, 0, 1, 1])],
            vec![of("/bin/program", [1, 0, 0, 0])],
            vec![of("/lib/libgreen.so", [0, 1, 0, 0])],
            vec![of("/lib/liba.so", [3, 0, 0, 1]), of("/lib/libb.so", [3, 0, 0, 0])],
            vec![of("/lib/libgreens.so", [0, 2, 0, 1])],
        ];
        assert_eq!(lines, expected);

        let table = guard.report().to_string();
        let below: Vec<&str> = table.lines().filter(|line| line.contains("held by:")).collect();
        assert_eq!(
            below[..3],
            [
                "device 0 was held by: libcudart.so.13 1; released: libcudart.so.13 1",
                "device 2 was held by: libcublas.so.13 3, libtorch.so 2 + 1 ordinary; \
             released: libtorch.so 1",
                "device 3 was held by: program 1; released: none",
            ]
        );
        let json = to_value(guard.report()).unwrap();
        let holder = json!({
            "library": "/lib/libcudart.so.13",
            "references": 1,
            "green_contexts": 0,
            "ordinary_contexts": 0,
            "taken": 1,
        });
        assert_eq!(json["devices"][0]["holders"], json!([holder]));
        assert_eq!(json["devices"][1]["holders"], json!([]));
        drop(held);
    });
}
