//! cudarc with its own context type, on the driver that `LD_LIBRARY_PATH` names. Prints one line.

use cudarc::driver::{CudaContext, DriverError};

fn main() -> Result<(), DriverError> {
    let count = CudaContext::device_count()?;
    assert!(count >= 2, "{count} devices");
    let context = CudaContext::new(1)?;
    assert_eq!(context.ordinal(), 1);
    let stream = context.new_stream()?;
    let sent: Vec<u32> = (0..1000).collect();
    let memory = stream.clone_htod(&sent)?;
    let received = stream.clone_dtoh(&memory)?;
    assert_eq!(sent, received);
    let zeros = stream.clone_dtoh(&stream.alloc_zeros::<u8>(64)?)?;
    assert_eq!(zeros, [0; 64]);
    stream.synchronize()?;
    let event = context.new_event(None)?;
    event.record(&stream)?;
    event.synchronize()?;
    drop((event, memory, stream));
    let name = context.name()?;
    drop(context);
    println!("cudarc 0.19: {count} devices, {name}");
    Ok(())
}
