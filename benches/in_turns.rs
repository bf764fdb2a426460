//! What the safe layer costs beside the raw calls, both in turns, so that a noisy machine slows both alike.
//!
//! ```text
//! in_turns [--check]        --check: fails if a ratio is over its target
//! ```
//!
//! On the simulated driver, whose calls are almost free: what the layer adds. On the driver that
//! `CUDA_PRIMARY_CONTEXT_BENCH_DRIVER` names: what a release costs on real GPUs, one or more.

use std::fmt::Debug;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use driver_benchmarks::machine::{Machine, machines};
use driver_benchmarks::twins;
use driver_benchmarks::twins::Twins;

/// About the length of one sample.
const SAMPLE: Duration = Duration::from_millis(1);
const ROUNDS: usize = 60;
/// Creating and destroying a context takes 0.15 s on a real driver.
const SLOW_ROUNDS: usize = 15;

fn main() -> ExitCode {
    let check = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [option] if option == "--check" => true,
        _ => {
            eprintln!("usage: in_turns [--check]");
            return ExitCode::from(2);
        }
    };
    println!("{:52}{:>12}{:>12}{:>8}{:>8}", "", "raw", "crate", "ratio", "target");
    let mut met = true;
    for machine in machines(&[8, 64]) {
        met &= match machine.simulator {
            Some(_) => simulated(&machine),
            None => real(&machine),
        };
    }
    if check && !met {
        eprintln!("in_turns: a ratio is over its target");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn simulated(machine: &Machine) -> bool {
    machine.stray(&[machine.kept()]);
    let target = if machine.devices() == 8 { 1.10 } else { 1.04 };
    let none = retain_only(machine, "none stray", Some(target), &[]);
    let pair = retain_and_release(machine, Some(1.20));
    let all = retain_only(machine, "all stray", None, &machine.others());
    none && pair && all
}

/// On one GPU, only the pair and the release with nothing kept can be measured.
fn real(machine: &Machine) -> bool {
    let mut met = nothing_kept(machine);
    machine.stray(&[machine.kept()]);
    met &= retain_and_release(machine, None);
    met &= retain_only(machine, "none stray", None, &[]);
    match machine.others()[..] {
        [] => println!("skipped: retain_only with a stray: it needs two devices: there is one"),
        [first, ..] => met &= retain_only(machine, "one stray", Some(1.02), &[first]),
    }
    machine.clear(&[machine.kept()]);
    met
}

fn retain_and_release(machine: &Machine, target: Option<f64>) -> bool {
    let twins = twins!(machine, machine.kept(), |layer, device| {
        let context = layer.retain(device).expect("the device can be retained");
        layer.release(context).is_ok()
    });
    measure(machine, "retain and release", target, &[], &twins)
}

fn retain_only(machine: &Machine, name: &str, target: Option<f64>, stray: &[u32]) -> bool {
    let twins = twins!(machine, machine.kept(), |layer, device| {
        let kept = layer.retain_only(device).expect("the device can be retained");
        layer.release(kept).is_ok()
    });
    measure(machine, &format!("retain_only and Drop, {name}"), target, stray, &twins)
}

/// Device 0 is the stray, and nothing is kept.
fn nothing_kept(machine: &Machine) -> bool {
    let twins = twins!(machine, 0, |layer, _device| layer.release_active().is_ok());
    measure(machine, "StrayRelease::run, device 0 stray", Some(1.02), &[0], &twins)
}

/// Measures and prints both; whether the target is met: what the crate may take, as a multiple of the raw calls.
fn measure<T, U>(
    machine: &Machine,
    name: &str,
    target: Option<f64>,
    stray: &[u32],
    twins: &Twins<impl Fn() -> T, impl Fn() -> U>,
) -> bool
where
    T: PartialEq<U> + Debug,
    U: Debug,
{
    let before = || machine.stray(stray);
    twins.compare(machine, before);
    let before: Option<&dyn Fn()> = if stray.is_empty() { None } else { Some(&before) };
    let raw = |times| {
        sample(before, times, &|| {
            black_box((twins.raw)());
        })
    };
    let safe = |times| {
        sample(before, times, &|| {
            black_box((twins.safe)());
        })
    };

    let once = raw(1).max(safe(1)).max(1.0);
    let times = ((SAMPLE.as_nanos() as f64 / once) as u32).clamp(1, 100_000);
    let rounds = if times == 1 { SLOW_ROUNDS } else { ROUNDS };
    let (mut of_raw, mut of_safe) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            of_raw.push(raw(times));
        }
        of_safe.push(safe(times));
        if round % 2 == 1 {
            of_raw.push(raw(times));
        }
    }
    let ratios = of_safe.iter().zip(&of_raw).map(|(safe, raw)| safe / raw).collect();
    let (raw, safe, ratio) = (median(of_raw), median(of_safe), median(ratios));
    let met = target.is_none_or(|target| ratio <= target);
    let name = match machine.devices() {
        1 => format!("{name}, 1 device"),
        several => format!("{name}, {several} devices"),
    };
    let (raw, safe) = (shown(raw), shown(safe));
    let target = target.map_or(String::new(), |target| format!("{target:.2}"));
    let verdict = if met { "" } else { "  OVER" };
    println!("{name:52}{raw:>12}{safe:>12}{ratio:>8.2}{target:>8}{verdict}");
    met
}

/// Nanoseconds for one operation, without what restores the state before it.
fn sample(before: Option<&dyn Fn()>, times: u32, work: &dyn Fn()) -> f64 {
    let Some(before) = before else {
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
