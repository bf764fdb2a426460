//! What only real GPUs answer, from Rust and beside cudarc, on the driver that the dynamic loader finds; the
//! experiments E7, E23 and E25 run it (hardware/experiments).
//!
//! - `several_gpus strays`: a worker of device 1 whose helper thread touched every other device.
//! - `several_gpus costs`: what it costs to look at all devices, raw and by the crate.
//! - `several_gpus former-life USE`: safe code of cudarc's with objects of a context that was released and
//!   retained again.
//!
//! Each prints lines of text as it goes, so that a crash leaves what came before.

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use cuda_primary_context::{Driver, PrimaryContext, PrimaryContextGuard, StrayRelease, sys};
use cudarc::driver::{CudaContext, DriverError};

type Anything = Result<(), Box<dyn Error>>;

fn strays() -> Anything {
    let worker = CudaContext::new(1)?;
    let stream = worker.new_stream()?;
    let numbers: Vec<u32> = (0..1 << 20).collect();
    let memory = stream.clone_htod(&numbers)?;
    let devices = CudaContext::device_count()? as usize;
    // A helper that was told no device, or looks at all of them. What it made stays.
    let others = (0..devices).filter(|ordinal| *ordinal != 1);
    let helper =
        std::thread::spawn(move || others.map(CudaContext::new).collect::<Result<Vec<_>, _>>());
    let left = helper.join().expect("the helper ends")?;

    let driver = Driver::load()?;
    println!("before:\n{}", StrayRelease::new().plan(driver.device(1)?)?);
    let began = Instant::now();
    let guard = PrimaryContextGuard::retain_only(driver.device(1)?)?;
    println!("retain_only took {:?}", began.elapsed());
    println!("{}", guard.report());
    guard.report().check()?;

    let arrived = stream.clone_dtoh(&memory)?;
    let again = stream.clone_dtoh(&stream.clone_htod(&numbers)?)?;
    println!("device 1 works on with right numbers: {}", arrived == numbers && again == numbers);
    drop((memory, stream));
    // The helper's owners let go of what is gone: whatever the driver answers, that is their error.
    drop(left);
    guard.release()?;
    println!("released; {:?} on device 1", driver.device(1)?.primary_context_state()?);
    Ok(())
}

fn median(mut nanoseconds: Vec<f64>) -> f64 {
    nanoseconds.sort_by(f64::total_cmp);
    nanoseconds[nanoseconds.len() / 2]
}

/// Median of batches, in nanoseconds a round.
fn per_round(rounds: u32, mut round: impl FnMut()) -> f64 {
    let batch = |round: &mut dyn FnMut()| {
        let began = Instant::now();
        (0..rounds).for_each(|_| round());
        began.elapsed().as_nanos() as f64 / f64::from(rounds)
    };
    median((0..21).map(|_| batch(&mut round)).collect())
}

fn costs() -> Anything {
    let driver = Driver::load()?;
    let kept = driver.device(driver.device_count() - 1)?;
    let under = PrimaryContext::retain(kept)?;
    let get_state = driver.function(sys::functions::cuDevicePrimaryCtxGetState_v7000)?;
    let retain = driver.function(sys::functions::cuDevicePrimaryCtxRetain_v7000)?;
    let release = driver.function(sys::functions::cuDevicePrimaryCtxRelease_v11000)?;
    let devices: Vec<_> = driver.devices().collect();
    let look = |device: sys::CUdevice| {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: both are places for what the call writes.
        let code = unsafe { get_state(device, &mut flags, &mut active) };
        let _ = black_box((code, flags, active));
    };
    let raw = per_round(200, || {
        let mut context = std::ptr::null_mut();
        // SAFETY: a place for what the call writes; it is released below.
        let _ = black_box(unsafe { retain(&mut context, kept.as_raw()) });
        devices.iter().filter(|device| **device != kept).for_each(|device| look(device.as_raw()));
        // SAFETY: the reference of above, once.
        let _ = black_box(unsafe { release(kept.as_raw()) });
    });
    let by_the_crate = per_round(200, || {
        drop(black_box(PrimaryContextGuard::retain_only(kept)));
    });
    println!(
        "{} devices, none stray: retain, GetState of the others, release: raw {raw:.0} ns, retain_only and Drop \
         {by_the_crate:.0} ns ({:.2})",
        devices.len(),
        by_the_crate / raw
    );
    under.release()?;
    Ok(())
}

fn former_life(used: &str) -> Anything {
    let context = CudaContext::new(0)?;
    let stream = context.new_stream()?;
    let memory = stream.clone_htod(&[1_u32, 2, 3])?;
    stream.synchronize()?;

    let driver = Driver::load()?;
    let report = StrayRelease::new().run(driver)?;
    println!("{report}");
    let device = driver.device(0)?;
    println!("released: {:?}", device.primary_context_state()?);
    let again = PrimaryContext::retain(device)?;
    println!("retained again: {:?}", device.primary_context_state()?);

    println!("now {used}");
    let answer: Result<String, DriverError> = match used {
        "nothing" => Ok("done".into()),
        "bind" => context.bind_to_thread().map(|()| "done".into()),
        "synchronize-context" => context.synchronize().map(|()| "done".into()),
        "synchronize-stream" => stream.synchronize().map(|()| "done".into()),
        "copy-to-host" => stream.clone_dtoh(&memory).map(|numbers| format!("{numbers:?}")),
        "copy-to-device" => stream.clone_htod(&[4_u32]).map(|_| "done".into()),
        "new-stream" => context.new_stream().map(|_| "done".into()),
        "drop-memory" => {
            drop(memory);
            println!("dropped; what cudarc keeps of it: {:?}", context.check_err());
            return end(driver, again);
        }
        "drop-stream" => {
            drop((memory, stream));
            println!("dropped; what cudarc keeps of it: {:?}", context.check_err());
            return end(driver, again);
        }
        _ => return Err(format!("there is no use {used}").into()),
    };
    println!("{used} answers {answer:?}");
    println!("then all is dropped");
    drop((memory, stream, context));
    end(driver, again)
}

/// What the reference that was retained again still is, after what was done.
fn end(driver: Driver, again: PrimaryContext) -> Anything {
    println!("at the end: {:?}", driver.device(0)?.primary_context_state()?);
    println!("release: {:?}", again.release().map_err(|failed| failed.to_string()));
    Ok(())
}

fn main() -> Anything {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["strays"] => strays(),
        ["costs"] => costs(),
        ["former-life", used] => former_life(used),
        _ => Err("usage: several_gpus strays | costs | former-life USE".into()),
    }
}
