//! How long a retain with its release takes while another thread releases stray contexts: on the kept
//! device, and on one that a handle holds. For the simulated driver with the knob
//! `release_microseconds`, so that each teardown takes its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cuda_primary_context::{Device, Driver, PrimaryContext, PrimaryContextGuard};
use serde_json::{Value, json};

use crate::contender::{Calls, kept};
use crate::plain::Plain;

/// How many devices are stray; one is kept, and one is held by a handle.
const STRAY: usize = 7;
const DEVICES: usize = STRAY + 2;

/// How often each time in nanoseconds was seen; the last place is for all that is longer.
struct Histogram {
    counts: Vec<u64>,
    longest: usize,
}

/// What is told of the times of one round, or of all rounds.
#[derive(Clone, Copy)]
struct Times {
    p99_ns: usize,
    longest_ns: usize,
}

impl Histogram {
    fn new() -> Self {
        Self { counts: vec![0; 1_000_000], longest: 0 }
    }

    fn add(&mut self, took: Duration) {
        let nanoseconds = took.as_nanos() as usize;
        self.counts[nanoseconds.min(999_999)] += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    fn times(&self) -> Times {
        let samples: u64 = self.counts.iter().sum();
        let wanted = samples - samples / 100;
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        Times { p99_ns: reached.expect("there are samples"), longest_ns: self.longest }
    }
}

/// On either device, with nobody else at work and while the stray contexts are released: the medians of
/// the rounds.
pub fn measure(plain: &Plain, rounds: usize) -> Value {
    let driver = Driver::load().expect("the driver works");
    let ordinals = 0..plain.devices().len();
    assert_eq!(ordinals.len(), DEVICES, "the simulated driver is told to have as many");
    let (kept, held) = (kept(DEVICES), DEVICES - 1);
    let stray: Vec<usize> = ordinals.filter(|&device| device != kept && device != held).collect();
    let device = |ordinal| driver.device(ordinal as u32).expect("the device is there");
    let (kept, held) = (device(kept), device(held));
    // Their contexts stay: what is measured is the count.
    let _on_kept = PrimaryContext::retain(kept).expect("the device can be retained");
    let _on_held = PrimaryContext::retain(held).expect("the device can be retained");

    let (mut releases, mut idle, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.stray(&stray);
        let mut took = Duration::ZERO;
        busy.push(meanwhile([kept, held], || {
            let began = Instant::now();
            drop(PrimaryContextGuard::retain_only(kept).expect("the device can be retained"));
            took = began.elapsed();
        }));
        assert_eq!(plain.active().len(), 2, "what was stray is not released");
        // As long, beside a thread that sleeps as the driver does in a teardown.
        idle.push(meanwhile([kept, held], || thread::sleep(took)));
        releases.push(took.as_nanos() as usize);
    }
    json!({
        "stray": STRAY,
        "retain_only_ns": median(releases),
        "kept": of_device(&idle, &busy, 0),
        "held": of_device(&idle, &busy, 1),
    })
}

fn of_device(idle: &[[Times; 2]], busy: &[[Times; 2]], place: usize) -> Value {
    let of = |rounds: &[[Times; 2]], number: fn(Times) -> usize| {
        median(rounds.iter().map(|of_round| number(of_round[place])).collect())
    };
    json!({
        "idle_p99_ns": of(idle, |times| times.p99_ns),
        "busy_p99_ns": of(busy, |times| times.p99_ns),
        "idle_longest_ns": of(idle, |times| times.longest_ns),
        "busy_longest_ns": of(busy, |times| times.longest_ns),
    })
}

/// Retains and releases the devices in turn as long as `work` takes on another thread.
fn meanwhile(devices: [Device; 2], work: impl FnOnce() + Send) -> [Times; 2] {
    let (begun, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut histograms = devices.map(|_| Histogram::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            begun.store(true, Ordering::Release);
            work();
            ended.store(true, Ordering::Release);
        });
        while !begun.load(Ordering::Acquire) {
            thread::yield_now();
        }
        while !ended.load(Ordering::Acquire) {
            for (device, histogram) in devices.into_iter().zip(&mut histograms) {
                let began = Instant::now();
                drop(PrimaryContext::retain(device).expect("the device can be retained"));
                histogram.add(began.elapsed());
            }
        }
    });
    histograms.map(|histogram| histogram.times())
}

fn median(mut numbers: Vec<usize>) -> usize {
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}
