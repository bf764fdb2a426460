//! The device files that a child inherits, as `fork::device_files` lists them. The simulated driver opens
//! its own under `/dev`, in a process that has a `/dev` to itself.

mod support;

use std::io;
use std::path::PathBuf;
use std::ptr;

use cuda_primary_context::{PrimaryContext, fork};
use simulated_libcuda::Simulator;
use support::processes::{births, in_child, in_own_process};
use support::{load, skips};

fn checked(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts an empty folder in the place of `/dev`, for this process and its children.
fn own_dev() -> io::Result<()> {
    // SAFETY: takes plain numbers. This process has one thread.
    let as_root = checked(unsafe { libc::unshare(libc::CLONE_NEWNS) });
    if as_root.is_err() {
        // SAFETY: as above.
        checked(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    }
    let (none, private) = (ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    // SAFETY: the path is a C string, and what is null may be.
    checked(unsafe { libc::mount(none, c"/".as_ptr(), none, private, none.cast()) })?;
    let (kind, place) = (c"tmpfs".as_ptr(), c"/dev".as_ptr());
    // SAFETY: the texts are C strings, and the data may be null.
    checked(unsafe { libc::mount(kind, place, kind, 0, none.cast()) })
}

fn listed() -> Vec<PathBuf> {
    fork::device_files().unwrap().into_iter().map(|file| file.path).collect()
}

#[test]
fn inherited_device_files_are_listed() {
    let test = "inherited_device_files_are_listed";
    in_own_process(test, || {
        if let Err(error) = own_dev() {
            return skips::skip("namespaces", test, &format!("no /dev of its own: {error}"));
        }
        assert!(listed().is_empty());
        let simulator =
            Simulator::builder().devices(2).visible_devices(None).device_files("/dev").start();
        let driver = load(simulator.path()).unwrap();
        let context = PrimaryContext::retain(driver.device(1).unwrap()).unwrap();
        let expected = ["/dev/nvidiactl", "/dev/nvidia1"].map(PathBuf::from);
        assert_eq!(listed(), expected, "in the order of their descriptors");
        for &birth in births() {
            let status = in_child(birth, || {
                assert!(fork::forked_after_init());
                assert_eq!(listed(), expected);
                for file in fork::device_files().unwrap() {
                    // SAFETY: nothing in this child uses the driver after that.
                    assert_eq!(unsafe { libc::close(file.descriptor) }, 0);
                }
                assert!(listed().is_empty());
                0
            });
            assert!(status.success(), "{birth:?}: {status}");
        }
        assert_eq!(listed(), expected, "the parent's are open");
        context.release().unwrap();
    });
}
