//! Two loads that lead to one driver are one driver, with one ledger: whatever the path, and through a
//! library that merely links to it.

use std::fs;
use std::path::Path;

use crate::support::libraries::build;
use crate::support::processes::{in_own_process, test_of};
use crate::support::watchdog::before_the_watchdog_bites;
use crate::support::{Machine, load, machine, outcomes, skips};
use cuda_primary_context::{Driver, Outcome, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::Simulator;

/// Another load is the same driver: equal, with the same devices and the same handles alive.
fn is_the_same_driver(machine: &Machine, other: Driver) {
    assert_eq!(other, machine.driver);
    assert_eq!(other.path(), machine.driver.path(), "the path of the first load");
    let [of_one, of_other] =
        [machine.driver, other].map(|driver| driver.devices().collect::<Vec<_>>());
    assert_eq!(of_one, of_other);

    // A handle made through the one holds the device against the other.
    let held = PrimaryContext::retain(of_one[0]).unwrap();
    assert_eq!(of_other[0].handles(), Ok(1));
    let guard = PrimaryContextGuard::retain_only(of_other[1]).unwrap();
    assert_eq!(outcomes(&guard)[0], Outcome::HeldHere { handles: 1 });
    let through_the_other = PrimaryContext::retain(of_other[0]).unwrap();
    held.release().unwrap();
    assert_eq!(of_one[0].handles(), Ok(1));
    drop(through_the_other);
    guard.release().unwrap();
    assert_eq!(machine.references(), vec![0; of_one.len()]);
}

fn folder(simulator: &Simulator) -> &Path {
    simulator.path().parent().expect("the library lies in a folder")
}

#[test]
fn another_path_to_the_library_is_the_same_driver() {
    let machine = machine(2);
    let (library, folder) = (machine.simulator.path(), folder(&machine.simulator));
    let name = library.file_name().unwrap();
    let symbolic = folder.join("symbolic.so");
    std::os::unix::fs::symlink(library, &symbolic).unwrap();
    // One file of two names: the loader knows a file by its number.
    let hard = folder.join("hard.so");
    fs::hard_link(library, &hard).unwrap();
    let inner = folder.join("inner");
    fs::create_dir(&inner).unwrap();
    let roundabout = inner.join("..").join(name);
    for path in [library, &symbolic, &hard, &roundabout] {
        let calls = machine.simulator.total_calls();
        let again = load(path).unwrap();
        assert_eq!(machine.simulator.total_calls(), calls, "it is initialised already");
        is_the_same_driver(&machine, again);
    }
}

#[test]
fn a_copy_of_the_library_is_another_driver() {
    in_own_process(|| {
        let machine = machine(2);
        let copy = folder(&machine.simulator).join("copy.so");
        fs::copy(machine.simulator.path(), &copy).unwrap();
        let other = load(&copy).unwrap();
        assert_ne!(other, machine.driver);
        let context = machine.retain(0);
        assert_eq!(other.device(0).unwrap().handles(), Ok(0));
        drop(context);
    });
}

#[test]
fn a_load_that_another_overtakes_is_the_same_driver() {
    let simulator = Simulator::builder().devices(2).visible_devices(None).start();
    let path = simulator.path().to_owned();
    let (sender, overtaker) = std::sync::mpsc::channel();
    simulator.before_call("cuInit", 1, move || sender.send(load(path).unwrap()).unwrap());
    let overtaken = before_the_watchdog_bites("a load that another overtakes", || {
        load(simulator.path()).unwrap()
    });
    assert_eq!(overtaken, overtaker.try_recv().unwrap());
}

/// In a process of its own, for libraries of one name are one to the loader.
#[test]
fn a_library_that_links_to_the_driver_is_the_driver() {
    let Some(compiler) = skips::compiler(test_of(&|| {})) else { return };
    in_own_process(|| {
        let simulator = Simulator::builder().devices(2).visible_devices(None).start();
        // A profiler's, or a framework's own: nothing in it, and it needs the driver's library.
        let other = simulator.path().with_file_name("libframework.so");
        build(&compiler, "simulated/empty.c", &other, [simulator.path().as_os_str()]);
        let driver = load(&other).unwrap();
        assert_eq!(driver.path(), other);
        let second = load(simulator.path()).unwrap();
        is_the_same_driver(&Machine { simulator, driver }, second);
    });
}
