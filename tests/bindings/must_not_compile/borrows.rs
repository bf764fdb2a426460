//! Refused because of what is moved, borrowed or unsafe.
use cuda_primary_context::checkpoint::{Checkpointed, GpuMap, Room};
use cuda_primary_context::{
    CurrentContext, Device, Driver, Error, PrimaryContext, PrimaryContextGuard, ReleaseError, Report,
    StrayRelease, sys,
};

/// One handle, one release.
fn release_twice(context: PrimaryContext) {
    let _ = context.release();
    drop(context); //~ E0382
}

/// The guard lends its context, and an error its handle: nobody releases it behind their backs.
fn release_anothers(guard: &PrimaryContextGuard, failed: &ReleaseError) {
    let _ = guard.context().release(); //~ E0507
    let _ = failed.handle().unwrap().release(); //~ E0507
}

/// What is current must not be released.
fn release_too_early(context: PrimaryContext) {
    let current = context.make_current().unwrap();
    context.release().unwrap(); //~ E0505
    drop(current);
}

fn outlive(device: Device) -> CurrentContext<'static> {
    let context = PrimaryContext::retain(device).unwrap();
    context.make_current().unwrap() //~ E0515
}

/// The report is the guard's.
fn report(guard: PrimaryContextGuard) -> &'static Report {
    let report = guard.report();
    drop(guard); //~ E0505
    report //~ E0515
}

/// Whose reference a context is, only the caller knows.
fn take_over(device: Device, raw: sys::CUcontext) -> Result<PrimaryContext, Error> {
    PrimaryContext::from_raw(device, raw) //~ E0133
}

/// Opening a library runs its code, and its functions are believed to be the driver's.
fn load(path: &str) -> Result<Driver, Error> {
    Driver::load_from(path) //~ E0133
}

/// More than one release takes the context from under code that did not let go of it.
fn release_all(driver: Driver) -> Result<Report, Error> {
    StrayRelease::new().releases_up_to(u32::MAX).run(driver) //~ E0133
}

/// A reset takes from everybody in the process what they use.
fn reset(device: Device) -> Result<(), Error> {
    device.reset_primary_context() //~ E0133
}

/// One checkpoint, one restore; and after a step the process is what the step made of it.
fn restore_twice(process: Checkpointed) {
    let locked = process.restore(&GpuMap::same(), &Room::Trusted);
    let again = process.restore(&GpuMap::same(), &Room::Trusted); //~ E0382
    drop((locked, again));
}

fn main() {}
