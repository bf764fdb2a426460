//! What the safe layer costs beside the raw calls, both in turns, so that a noisy machine slows both alike.
//!
//! ```text
//! in_turns                  the simulated driver, whose calls are almost free: what the layer adds
//! in_turns --driver NAME    this driver library: what a release costs on real GPUs, one or more
//! in_turns --check          also fails if a ratio is over its target
//! ```

use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cuda_primary_context::StrayRelease;
use driver_benchmarks::machine::{Machine, load, machine};

/// About the length of one sample.
const SAMPLE: Duration = Duration::from_millis(1);
const ROUNDS: usize = 60;
/// Creating and destroying a context takes 0.15 s on a real driver.
const SLOW_ROUNDS: usize = 15;

/// One operation, by raw calls and by the crate.
struct Pair<'a> {
    name: String,
    /// What the crate may take, as a multiple of the raw calls.
    target: Option<f64>,
    /// Restores the state before each operation; not timed.
    before: Option<Box<dyn Fn() + 'a>>,
    raw: Box<dyn Fn() + 'a>,
    safe: Box<dyn Fn() + 'a>,
}

fn main() -> ExitCode {
    let mut check = false;
    let mut driver = None;
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.to_str(), arguments.len()) {
            (Some("--check"), _) => check = true,
            (Some("--driver"), 1..) => driver = arguments.next().map(PathBuf::from),
            _ => {
                eprintln!("usage: in_turns [--driver LIBRARY] [--check]");
                return ExitCode::from(2);
            }
        }
    }
    println!("{:52}{:>12}{:>12}{:>8}{:>8}", "", "raw", "crate", "ratio", "target");
    let met = match driver {
        Some(path) => real(&load(None, path)),
        None => {
            let few = simulated(8, Some(1.10));
            let many = simulated(64, Some(1.04));
            few && many
        }
    };
    if check && !met {
        eprintln!("in_turns: a ratio is over its target");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn simulated(devices: u32, target: Option<f64>) -> bool {
    let machine = machine(devices).expect("the simulator starts");
    let others = others(&machine);
    machine.stray(&[machine.kept()]);
    let none = retain_only(&machine, "none stray", target, &[]).measure();
    let pair = retain_and_release(&machine, Some(1.20)).measure();
    let all = retain_only(&machine, "all stray", None, &others).measure();
    none && pair && all
}

/// On one GPU, only the pair and the release with nothing kept can be measured.
fn real(machine: &Machine) -> bool {
    let mut met = nothing_kept(machine).measure();
    machine.stray(&[machine.kept()]);
    met &= retain_and_release(machine, None).measure();
    met &= retain_only(machine, "none stray", None, &[]).measure();
    match others(machine)[..] {
        [] => println!("skipped: retain_only with a stray: it needs two devices: there is one"),
        [first, ..] => met &= retain_only(machine, "one stray", Some(1.02), &[first]).measure(),
    }
    machine.clear(&[machine.kept()]);
    met
}

fn others(machine: &Machine) -> Vec<u32> {
    (0..machine.devices()).filter(|&device| device != machine.kept()).collect()
}

fn retain_and_release(machine: &Machine, target: Option<f64>) -> Pair<'_> {
    let (raw, safe) = (machine.raw.device(machine.kept()), machine.safe.device(machine.kept()));
    Pair {
        name: format!("retain and release, {}", devices(machine)),
        target,
        before: None,
        raw: Box::new(move || {
            let context = machine.raw.retain(raw).expect("the device can be retained");
            machine.raw.release(context).expect("the device was retained");
        }),
        safe: Box::new(move || {
            drop(machine.safe.retain(safe).expect("the device can be retained"));
        }),
    }
}

fn retain_only<'a>(
    machine: &'a Machine,
    name: &str,
    target: Option<f64>,
    stray: &[u32],
) -> Pair<'a> {
    let (raw, safe) = (machine.raw.device(machine.kept()), machine.safe.device(machine.kept()));
    let stray = stray.to_vec();
    Pair {
        name: format!("retain_only and Drop, {name}, {}", devices(machine)),
        target,
        before: match stray.is_empty() {
            true => None,
            false => Some(Box::new(move || machine.stray(&stray))),
        },
        raw: Box::new(move || {
            let kept = machine.raw.retain_only(raw).expect("the device can be retained");
            machine.raw.release(kept).expect("the device was retained");
        }),
        safe: Box::new(move || {
            drop(machine.safe.retain_only(safe).expect("the device can be retained"));
        }),
    }
}

/// Device 0 is the stray, and nothing is kept.
fn nothing_kept(machine: &Machine) -> Pair<'_> {
    let driver = &machine.safe.driver;
    let release = StrayRelease::new();
    Pair {
        name: format!("StrayRelease::run, device 0 stray, {}", devices(machine)),
        target: Some(1.02),
        before: Some(Box::new(|| machine.stray(&[0]))),
        raw: Box::new(|| machine.raw.release_active().expect("every device has a state")),
        safe: Box::new(move || {
            black_box(release.run(*driver).expect("the process was not forked"));
        }),
    }
}

fn devices(machine: &Machine) -> String {
    match machine.devices() {
        1 => "1 device".to_owned(),
        several => format!("{several} devices"),
    }
}

impl Pair<'_> {
    /// Measures and prints both; whether the target is met.
    fn measure(&self) -> bool {
        let once = self.sample(&self.raw, 1).max(self.sample(&self.safe, 1)).max(1.0);
        let times = ((SAMPLE.as_nanos() as f64 / once) as u32).clamp(1, 100_000);
        let rounds = if times == 1 { SLOW_ROUNDS } else { ROUNDS };
        let (mut raw, mut safe) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            if round % 2 == 0 {
                raw.push(self.sample(&self.raw, times));
            }
            safe.push(self.sample(&self.safe, times));
            if round % 2 == 1 {
                raw.push(self.sample(&self.raw, times));
            }
        }
        let ratios = safe.iter().zip(&raw).map(|(safe, raw)| safe / raw).collect();
        let (raw, safe, ratio) = (median(raw), median(safe), median(ratios));
        let target = self.target.map_or(String::new(), |target| format!("{target:.2}"));
        let met = self.target.is_none_or(|target| ratio <= target);
        let verdict = if met { "" } else { "  OVER" };
        println!(
            "{:52}{:>12}{:>12}{ratio:>8.2}{target:>8}{verdict}",
            self.name,
            shown(raw),
            shown(safe),
        );
        met
    }

    /// Nanoseconds for one operation, without what restores the state.
    fn sample(&self, work: &dyn Fn(), times: u32) -> f64 {
        let Some(before) = &self.before else {
            let began = Instant::now();
            (0..times).for_each(|_| black_box(work)());
            return began.elapsed().as_nanos() as f64 / f64::from(times);
        };
        let (mut spent, mut clock) = (Duration::ZERO, Duration::MAX);
        for _ in 0..times {
            before();
            let began = Instant::now();
            black_box(work)();
            let ended = Instant::now();
            spent += ended - began;
            clock = clock.min(ended.elapsed());
        }
        spent.saturating_sub(clock * times).as_nanos() as f64 / f64::from(times)
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn shown(nanoseconds: f64) -> String {
    if nanoseconds < 1e6 {
        format!("{nanoseconds:.1} ns")
    } else {
        format!("{:.2} ms", nanoseconds / 1e6)
    }
}
