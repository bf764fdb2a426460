//! The last line: how the program ended, and what is left.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde::Serialize;

use crate::model::{self, Kind, Model};
use crate::record::Holding;
use crate::report::Surroundings;
use crate::verdict::{Judge, Verdict};

#[derive(Debug, Serialize)]
pub struct End<'trace> {
    time: f64,
    status: Option<i32>,
    signal: Option<i32>,
    lost: u64,
    strays: usize,
    verdict: &'static str,
    reasons: &'trace [String],
    still_running: Vec<u32>,
    devices: Vec<DeviceEnd<'trace>>,
}

#[derive(Debug, Serialize)]
struct DeviceEnd<'trace> {
    process: u32,
    pid: u32,
    handle: i32,
    device: Option<u32>,
    uuid: Option<String>,
    allowed: Option<bool>,
    stray: bool,
    created: u64,
    ended: u64,
    refused: u64,
    holders: Vec<HolderEnd<'trace>>,
    taken: Vec<TakenEnd<'trace>>,
    contexts: Vec<ContextEnd<'trace>>,
}

#[derive(Debug, Serialize)]
struct HolderEnd<'trace> {
    library: &'trace str,
    references: u64,
    retained: u64,
    released: u64,
}

#[derive(Debug, Serialize)]
struct TakenEnd<'trace> {
    by: &'trace str,
    from: &'trace str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct ContextEnd<'trace> {
    library: &'trace str,
    kind: &'static str,
    count: u64,
}

impl<'trace> End<'trace> {
    pub fn new(
        time: Duration,
        status: ExitStatus,
        model: &'trace Model,
        about: &'trace Surroundings,
    ) -> Self {
        let judge = Judge::new(model, about);
        let devices = model.processes().iter().flat_map(|process| {
            process.devices().map(|device| DeviceEnd::new(process, device, &judge))
        });
        let (verdict, reasons) = match &about.verdict {
            Verdict::Passed => ("passed", &[][..]),
            Verdict::Stray => ("stray", &[][..]),
            Verdict::NotJudged(reasons) => ("not_judged", &reasons[..]),
        };
        Self {
            time: time.as_secs_f64(),
            status: status.code(),
            signal: status.signal(),
            lost: about.lost,
            strays: judge.strays(model).len(),
            verdict,
            reasons,
            still_running: about.living.iter().map(|(pid, _)| *pid).collect(),
            devices: devices.collect(),
        }
    }
}

impl<'trace> DeviceEnd<'trace> {
    fn new(
        process: &'trace model::Process,
        device: &'trace model::Device,
        judge: &Judge<'_>,
    ) -> Self {
        let references = |holder: &&model::Holder| holder.holding == Holding::Reference;
        let holders = device.holders.iter().filter(references).map(|holder| HolderEnd {
            library: &holder.library,
            references: holder.count(),
            retained: holder.acquired,
            released: holder.released,
        });
        let taken = device.takings.iter().map(|taking| TakenEnd {
            by: &taking.by,
            from: &taking.from,
            count: taking.count,
        });
        let others = device.held().filter(|holder| !references(holder));
        let contexts = others.map(|holder| ContextEnd {
            library: &holder.library,
            kind: Kind::held(holder.holding).name(),
            count: holder.count(),
        });
        Self {
            process: process.number,
            pid: process.pid,
            handle: device.about.handle,
            device: device.about.ordinal,
            uuid: device.uuid(),
            allowed: judge.allows(process, device),
            stray: judge.is_stray(process, device),
            created: device.creations.total(),
            ended: device.endings.total(),
            refused: device.refusals.total(),
            holders: holders.collect(),
            taken: taken.collect(),
            contexts: contexts.collect(),
        }
    }
}
