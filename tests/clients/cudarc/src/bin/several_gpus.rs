//! A worker of device 1 whose helper thread touched every other device, from Rust and beside cudarc, on the driver
//! that the dynamic loader finds: `several_gpus strays`. The experiment E7 runs it (hardware/experiments.py).
//!
//! It prints lines of text as it goes, so that a crash leaves what came before.

use std::env;
use std::error::Error;
use std::time::Instant;

use cuda_primary_context::{Driver, PrimaryContextGuard, StrayRelease};
use cudarc::driver::CudaContext;

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
    println!("before:\n{}", StrayRelease::new().plan_retain_only(driver.device(1)?)?);
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

fn main() -> Anything {
    match env::args().nth(1).as_deref() {
        Some("strays") => strays(),
        _ => Err("usage: several_gpus strays".into()),
    }
}
