//! The last line: how the program ended, and what is left.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde::Serialize;

use crate::model::{self, Kind, Model};
use crate::record::Holding;

#[derive(Debug, Serialize)]
pub struct End<'trace> {
    time: f64,
    status: Option<i32>,
    signal: Option<i32>,
    lost: u64,
    strays: usize,
    still_running: Vec<u32>,
    devices: Vec<DeviceEnd<'trace>>,
}

#[derive(Debug, Serialize)]
struct DeviceEnd<'trace> {
    pid: u32,
    handle: i32,
    device: Option<u32>,
    uuid: Option<String>,
    meant: Option<bool>,
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
}

impl<'trace> End<'trace> {
    pub fn new(
        time: Duration,
        status: ExitStatus,
        model: &'trace Model,
        lost: u64,
        living: &[(u32, String)],
    ) -> Self {
        let devices = model.processes().iter().flat_map(|process| {
            process.devices().map(|device| DeviceEnd::new(process.pid, device))
        });
        Self {
            time: time.as_secs_f64(),
            status: status.code(),
            signal: status.signal(),
            lost,
            strays: model.strays().count(),
            still_running: living.iter().map(|(pid, _)| *pid).collect(),
            devices: devices.collect(),
        }
    }
}

impl<'trace> DeviceEnd<'trace> {
    fn new(pid: u32, device: &'trace model::Device) -> Self {
        let of = |reference: bool| {
            let is_one = move |holding| (holding == Holding::Reference) == reference;
            device.holders.iter().filter(move |holder| is_one(holder.holding))
        };
        let holders = of(true).map(|holder| HolderEnd {
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
        let contexts = of(false).flat_map(|holder| {
            let kind = Kind::held(holder.holding).name();
            (0..holder.count()).map(move |_| ContextEnd { library: &holder.library, kind })
        });
        Self {
            pid,
            handle: device.about.handle,
            device: device.about.ordinal,
            uuid: device.uuid(),
            meant: device.about.allowed,
            stray: device.is_stray(),
            created: device.creations.total(),
            ended: device.endings.total(),
            refused: device.refusals.total(),
            holders: holders.collect(),
            taken: taken.collect(),
            contexts: contexts.collect(),
        }
    }
}
