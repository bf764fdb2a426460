//! What only real GPUs can show, from Rust and beside cudarc, on the driver that the dynamic loader finds; the
//! experiments E7 and E25 run it (hardware/experiments).
//!
//! - `several_gpus strays`: a worker of device 1 whose helper thread touched every other device.
//! - `several_gpus former-life USE`: safe code of cudarc's with objects of a context that was released and
//!   retained again.
//!
//! Each prints lines of text as it goes, so that a crash leaves what came before.

use std::env;
use std::error::Error;
use std::time::Instant;

use cuda_primary_context::{Driver, PrimaryContext, PrimaryContextGuard, StrayRelease};
use cudarc::driver::{CudaContext, DriverError};

type Anything = Result<(), Box<dyn Error>>;

fn strays() -> Anything {
    let worker = CudaContext::new(1)?;
    let stream = worker.new_stream()?;
    let numbers: Vec<u32> = (0..1 << 20).collect();
    let memory = stream.clone_htod(&numbers)?;
    let devices = CudaContext::device_count()? as usize;
    // A helper that selected no device, or looks at all of them. What it made stays.
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
    // The helper's owners release what is gone: whatever the driver returns, that is their error.
    drop(left);
    guard.release()?;
    println!("released; {:?} on device 1", driver.device(1)?.primary_context_state()?);
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
    let result: Result<String, DriverError> = match used {
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
    println!("{used} returns {result:?}");
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
        ["former-life", used] => former_life(used),
        _ => Err("usage: several_gpus strays | former-life USE".into()),
    }
}
