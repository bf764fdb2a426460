//! Times of all contenders in turn, so that whatever else the machine does hits all of them alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::contender::{Contender, kept};
use crate::plain::Plain;

/// How long one sample takes, about.
const SAMPLE: Duration = Duration::from_millis(1);

/// What takes longer than that is not repeated often.
const SLOW: Duration = Duration::from_millis(10);

/// What is measured of one contender.
type Work<'a> = Box<dyn Fn() + 'a>;

/// Measures everything with this many rounds, and answers a JSON object.
pub fn measure(plain: &Plain, contenders: &[Box<dyn Contender>], rounds: usize) -> Value {
    let devices = crate::contender::Calls::devices(plain).len();
    let others: Vec<usize> = (0..devices).filter(|&device| device != kept(devices)).collect();
    // The kept device's context stays: what is measured is the count, not the making of a context.
    plain.stray(&[kept(devices)]);
    let mut answer = Map::from_iter([("devices".to_owned(), json!(devices))]);
    let mut states = vec![("no_stray", &[][..])];
    if others.len() > 1 {
        states.push(("one_stray", &others[..1]));
    }
    if !others.is_empty() {
        states.push(("all_stray", &others[..]));
    }
    for (state, stray) in states {
        let works = contenders.iter().map(|contender| {
            let work: Work = Box::new(|| contender.release_path());
            (contender.name(), work)
        });
        let checked = |work: &Work| {
            plain.stray(stray);
            work();
            assert_eq!(plain.active(), [kept(devices)], "what was stray is not released");
        };
        let works: Vec<_> = works.inspect(|(_, work)| checked(work)).collect();
        answer.insert(state.to_owned(), in_turn(&works, rounds, || plain.stray(stray), stray));
    }
    let works: Vec<(_, Work)> = contenders
        .iter()
        .map(|contender| {
            let work: Work = Box::new(|| contender.retain_and_release());
            (contender.name(), work)
        })
        .collect();
    answer.insert("primary_context".to_owned(), in_turn(&works, rounds, || (), &[]));
    plain.clear(&[kept(devices)]);
    Value::Object(answer)
}

/// Nanoseconds by contender: the least, the median, and the median of its ratio to the first.
fn in_turn(works: &[(&str, Work)], rounds: usize, before: impl Fn(), stray: &[usize]) -> Value {
    let sample = |work: &Work, times: u32| match stray {
        [] => together(work, times),
        // The contexts come back outside of the timing.
        _ => apart(work, &before, times),
    };
    let once: Vec<f64> = works.iter().map(|(_, work)| sample(work, 3).max(1.0)).collect();
    let per_sample = |once| ((SAMPLE.as_nanos() as f64 / once) as u32).clamp(1, 1_000_000);
    let times: Vec<u32> = once.iter().copied().map(per_sample).collect();
    // Making and destroying a context takes a real driver so long that few rounds must do.
    let slow = once.iter().any(|&once| once > SLOW.as_nanos() as f64);
    let rounds = if slow { rounds.min(3) } else { rounds };
    let mut samples = vec![Vec::with_capacity(rounds); works.len()];
    for round in 0..rounds {
        for turn in 0..works.len() {
            let place = (round + turn) % works.len();
            samples[place].push(sample(&works[place].1, times[place]));
        }
    }
    let ratio = |of: &Vec<f64>| of.iter().zip(&samples[0]).map(|(own, raw)| own / raw).collect();
    let of_one = samples.iter().zip(works).map(|(own, (name, _))| {
        let least = own.iter().copied().fold(f64::INFINITY, f64::min);
        let numbers = json!({
            "least_ns": rounded(least),
            "median_ns": rounded(median(own.clone())),
            "over_raw": rounded(median(ratio(own))),
        });
        ((*name).to_owned(), numbers)
    });
    Value::Object(of_one.collect())
}

/// Nanoseconds for one of many that follow each other.
fn together(work: &Work, times: u32) -> f64 {
    let began = Instant::now();
    for _ in 0..times {
        black_box(work)();
    }
    began.elapsed().as_nanos() as f64 / f64::from(times)
}

/// Nanoseconds for one of many that are timed each for itself, without those of reading the clock.
fn apart(work: &Work, before: impl Fn(), times: u32) -> f64 {
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

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
