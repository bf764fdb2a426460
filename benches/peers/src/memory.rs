//! What a release gives back, as `nvidia-smi` tells it; only a real driver has something to tell.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use cuda_primary_context::{Driver, PrimaryContext, PrimaryContextGuard, sys};
use serde_json::{Value, json};

/// MiB in use by device, before there are contexts, with one on every device, and after all but the
/// kept one are released; null where `nvidia-smi` is not there.
pub fn memory() -> Value {
    let Some(before) = used() else { return Value::Null };
    let driver = Driver::load().expect("the driver works");
    let kept = driver.device(u32::from(driver.device_count() > 1)).expect("it is there");
    let stray: Vec<sys::CUcontext> = driver
        .devices()
        .filter(|&device| device != kept)
        // Somebody else's: the crate does not know them any more.
        .map(|device| PrimaryContext::retain(device).expect("it can be retained").into_raw())
        .collect();
    let guard = PrimaryContext::retain(kept).expect("it can be retained");
    let with_contexts = used();
    let only = PrimaryContextGuard::retain_only(kept).expect("it can be retained");
    let after_retain_only = used();
    drop((guard, only));
    json!({
        "unit": "MiB",
        "stray": stray.len(),
        "before": before,
        "with_contexts": with_contexts,
        "after_retain_only": after_retain_only,
        "after_all_is_dropped": used(),
    })
}

fn used() -> Option<Vec<u64>> {
    // The kernel driver tells of what it freed a moment later.
    sleep(Duration::from_millis(300));
    let query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
    let output = Command::new("nvidia-smi").args(query).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().map(|line| line.trim().parse().ok()).collect()
}
