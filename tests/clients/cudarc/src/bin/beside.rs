//! This crate beside cudarc in one process, both on the driver that `LD_LIBRARY_PATH` names.
//! A context of cudarc's on the kept device survives `retain_only` and still works; a stray one on
//! another device is released and reported. Prints one line.

use cuda_primary_context::{Driver, Outcome, PrimaryContext, PrimaryContextGuard};
use cudarc::driver::CudaContext;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kept_by_cudarc = CudaContext::new(1)?;
    let name = kept_by_cudarc.name()?;
    let stray = CudaContext::new(0)?;
    let driver = Driver::load()?;
    let active = || -> Result<Vec<bool>, cuda_primary_context::Error> {
        driver.primary_contexts().map(|(_, state)| Ok(state?.active)).collect()
    };
    let mut expected = vec![false; CudaContext::device_count()? as usize];
    expected[..2].fill(true);
    assert_eq!(active()?, expected);

    // The stray context is current on this thread: cudarc binds what it makes.
    let guard = PrimaryContextGuard::retain_only(driver.device(1)?)?;
    let outcomes: Vec<&Outcome> = guard.report().devices().map(|line| line.outcome()).collect();
    let kept = Outcome::Kept;
    assert_eq!(outcomes[..2], [&Outcome::Released { releases: 1 }, &kept]);
    assert!(outcomes[2..].iter().all(|outcome| **outcome == Outcome::AlreadyInactive));
    let kinds: Vec<&str> = outcomes.iter().map(|outcome| outcome.kind()).collect();
    assert!(guard.report().current_context_switched());
    expected[0] = false;
    assert_eq!(active()?, expected);

    // cudarc goes on working on the kept device.
    kept_by_cudarc.bind_to_thread()?;
    let stream = kept_by_cudarc.new_stream()?;
    let memory = stream.clone_htod(&[1_u8, 2, 3])?;
    assert_eq!(stream.clone_dtoh(&memory)?, [1, 2, 3]);
    let zeros = stream.clone_dtoh(&stream.alloc_zeros::<u8>(64)?)?;
    assert_eq!(zeros, [0; 64]);
    let event = kept_by_cudarc.new_event(None)?;
    event.record(&stream)?;
    event.synchronize()?;
    drop((event, memory, stream));

    // So does a thread of its own, which this crate's handle puts on the kept device.
    let context = guard.context();
    std::thread::scope(|scope| {
        let on_device = scope.spawn(|| -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
            context.bind_to_thread()?;
            Ok(cudarc::driver::result::ctx::get_current()?
                .map_or(-1, |current| i32::from(current.cast() == context.as_raw())))
        });
        assert_eq!(on_device.join().expect("it does not panic").expect("both calls succeed"), 1);
    });

    // The owner of the stray one releases it too late; the driver refuses that, and no more happens.
    drop(stray);

    // References go both ways: one of cudarc's is taken over, one of this crate's is given to it.
    // SAFETY: the device is cudarc's own.
    let raw = unsafe { cudarc::driver::result::primary_ctx::retain(kept_by_cudarc.cu_device()) }?;
    let device = driver.device(1)?;
    // SAFETY: the reference was retained above and is handed over; it is the device's context.
    let taken_over = unsafe { PrimaryContext::from_raw(device, raw.cast()) }?;
    assert_eq!(device.handles(), Ok(2));
    let given = taken_over.into_raw();
    assert_eq!(device.handles(), Ok(1));
    assert_eq!(given, raw.cast());
    // SAFETY: the reference that was given away is released for cudarc, and by nobody else.
    unsafe { cudarc::driver::result::primary_ctx::release(kept_by_cudarc.cu_device()) }?;

    // When both have released the kept device, it is inactive.
    drop(guard);
    assert_eq!(active()?, expected);
    drop(kept_by_cudarc);
    expected[1] = false;
    assert_eq!(active()?, expected);
    println!("cudarc 0.19 beside this crate: {kinds:?}, on {name}");
    Ok(())
}
