//! The device files that a child inherits, as `fork::device_files` lists them. The process has a `/dev` to itself,
//! where it opens what NVIDIA's driver opens.

use std::fs::File;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;

use crate::support::load;
use crate::support::namespaces::has_empty_folder_at;
use crate::support::processes::{in_each_child, in_own_process};
use cuda_primary_context::{PrimaryContext, fork};
use simulated_libcuda::Simulator;

fn listed() -> Vec<PathBuf> {
    fork::device_files().unwrap().into_iter().map(|file| file.path).collect()
}

/// As NVIDIA's driver opens its files.
fn open_for_good(path: &str) {
    let _ = File::create(path).unwrap().into_raw_fd();
}

#[test]
fn inherited_device_files_are_listed() {
    in_own_process(|| {
        if !has_empty_folder_at(c"/dev") {
            return;
        }
        assert!(listed().is_empty());
        let simulator = Simulator::builder().devices(2).visible_devices(None).start();
        let driver = load(simulator.path()).unwrap();
        open_for_good("/dev/nvidiactl");
        let context = PrimaryContext::retain(driver.device(1).unwrap()).unwrap();
        open_for_good("/dev/nvidia1");
        let expected = ["/dev/nvidiactl", "/dev/nvidia1"].map(PathBuf::from);
        assert_eq!(listed(), expected, "in the order of their descriptors");
        let parent = std::process::id();
        in_each_child(|| {
            assert!(fork::forked_after_init());
            assert_eq!(listed(), expected);
            let of_the_parent = fork::device_files_of(parent).unwrap();
            assert!(of_the_parent.iter().map(|file| &file.path).eq(&expected));
            for file in fork::device_files().unwrap() {
                // SAFETY: nothing in this child uses the driver after that.
                assert_eq!(unsafe { libc::close(file.descriptor) }, 0);
            }
            assert!(listed().is_empty());
        });
        assert_eq!(listed(), expected, "the parent's are open");
        context.release().unwrap();
    });
}
