use std::time::Duration;

use super::Page;
use crate::model::Model;
use crate::record::{Address, Call, Change, Event, Function, Holding, Module, Record};
use crate::symbols::Symbols;

fn record(event: Event) -> Record {
    Record { process: 40, pid: 40, tid: 7, time: Duration::from_secs(1), event }
}

fn call(function: &'static str, answer: u32, change: impl FnOnce(&mut Call)) -> Record {
    let mut call = Call {
        function: Function(function),
        device: Some(100),
        result: Some(answer),
        native: vec![Address { module: 1, address: 16 }],
        ..Call::default()
    };
    change(&mut call);
    record(Event::Call(call))
}

fn taken(module: u32) -> Option<Change> {
    Some(Change { module, holding: Holding::GreenReference, count: 0, number: 2 })
}

/// What is told of the one device.
fn told(records: impl IntoIterator<Item = Record>) -> String {
    let mut model = Model::default();
    model.add(&record(Event::Module(Module {
        id: 1,
        path: "/lib/libcudart.so.13".into(),
        file: None,
    })));
    records.into_iter().for_each(|record| model.add(&record));
    let (mut text, mut symbols) = (Vec::new(), Symbols::default());
    let mut page = Page {
        to: &mut text,
        modules: model.modules(),
        symbols: &mut symbols,
        folder: String::new(),
    };
    let process = model.process(40).unwrap();
    page.device(process.devices().next().unwrap()).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_release_that_takes_a_green_context_s_reference_is_told_as_that() {
    let text = told([
        call("cuGreenCtxCreate", 0, |call| (call.created, call.context) = (true, 0x20)),
        call("cuDevicePrimaryCtxRelease_v2", 800, |call| call.reference = taken(1)),
    ]);
    let expected = "cuDevicePrimaryCtxRelease_v2 of libcudart.so.13 answered \
                    CUDA_ERROR_NOT_PERMITTED (800), and took the reference of a green context";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("refused"), "{text}");
}

#[test]
fn a_release_of_nothing_is_told_only_where_the_driver_would_refuse_it() {
    let text = told([call("cuDevicePrimaryCtxRelease", 0, |_| {})]);
    assert!(!text.contains("nobody was seen to take"), "{text}");
    let text = told([call("cuDevicePrimaryCtxRelease_v2", 0, |_| {})]);
    assert!(text.contains("released 1 reference that nobody was seen to take"), "{text}");
}

#[test]
fn what_is_not_shown_one_by_one_is_counted() {
    let creations = |count| {
        let create = |handle| {
            call("cuCtxCreate_v4", 0, |call| (call.created, call.context) = (true, handle))
        };
        told((1..=count).map(create))
    };
    assert!(!creations(8).contains("more"));
    let text = creations(9);
    assert!(text.contains("    and made once more, at 1.000 s\n"), "{text}");
    let text = creations(11);
    assert!(text.contains("    and made 3 more times, the last at 1.000 s\n"), "{text}");
}
