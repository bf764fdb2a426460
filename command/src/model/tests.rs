use serde_json::Value;

use crate::json;
use crate::record::{Change, Event, Holding, Module, UNRECORDED};
use crate::report::tests::{CUBLAS, CUDART, Run};
use crate::symbols::Symbols;

use super::{Device, End, UNKNOWN_CODE};

fn change(module: u32, count: u32, number: u32) -> Option<Change> {
    Some(Change { module, holding: Holding::Reference, count, number })
}

fn begin() -> Run {
    let mut run = Run::new();
    run.process(1, |_| {});
    run
}

fn used(run: &Run) -> &Device {
    run.model.process(1).unwrap().devices().next().unwrap()
}

#[test]
fn the_order_of_the_records_does_not_matter() {
    let mut run = begin();
    run.call("cuDevicePrimaryCtxRelease_v2", 0, CUBLAS, |call| {
        (call.device, call.reference) = (Some(0), change(CUBLAS, 0, 2));
    });
    run.call("cuDevicePrimaryCtxRetain", 0, CUBLAS, |call| {
        (call.device, call.reference) = (Some(0), change(CUBLAS, 1, 1));
    });
    assert_eq!(used(&run).held().count(), 0);
    let holder = &used(&run).holders[0];
    assert_eq!((holder.acquired, holder.released), (1, 1));
    assert_eq!(holder.first.call.function.0, "cuDevicePrimaryCtxRetain");
}

/// Its first reference came when every file was recorded, the second one later.
#[test]
fn code_in_no_file_and_unknown_code_are_one_holder() {
    let mut run = begin();
    run.retain(0, 0, 1, true).release(0, UNRECORDED, 0, 0);
    assert_eq!((used(&run).holders.len(), used(&run).held().count()), (1, 0));
    assert_eq!(used(&run).holders[0].released, 1);
    let mut run = begin();
    run.call("cuDevicePrimaryCtxRetain", 0, UNRECORDED, |call| {
        (call.device, call.reference) = (Some(0), change(0, 1, 1));
    });
    assert_eq!(used(&run).holders[0].library, UNKNOWN_CODE);
    let line = json::device_until_now(
        run.model.process(1).unwrap(),
        used(&run),
        &run.model,
        &mut Symbols::default(),
    );
    assert_eq!(line["holders"][0]["library"], Value::Null);
}

#[test]
fn a_reset_takes_references_of_others_and_the_old_release_may_take_none() {
    let mut run = begin();
    run.retain(0, CUDART, 2, true).release(0, CUBLAS, CUDART, 1);
    run.call("cuDevicePrimaryCtxReset", 0, CUBLAS, |call| {
        (call.device, call.reference) = (Some(0), change(CUDART, 0, 3));
    });
    // It returns 0 if there is none.
    run.call("cuDevicePrimaryCtxRelease", 0, CUDART, |call| call.device = Some(0));
    let [taking] = &*used(&run).takings else { panic!("{:?}", used(&run).takings) };
    assert_eq!((&*taking.by, &*taking.from), ("libcublas.so.13", "libcudart.so.13"));
    assert_eq!((taking.count, used(&run).holders[0].released), (2, 0));
    assert_eq!((used(&run).held().count(), used(&run).unseen_releases.total), (0, 0));
}

#[test]
fn a_context_belongs_to_the_library_that_created_it() {
    let mut run = begin();
    for (function, by, count) in [("cuCtxCreate_v4", CUBLAS, 1), ("cuCtxDestroy_v2", CUDART, 0)] {
        run.call(function, 0, by, |call| {
            let holding = Holding::OrdinaryContext;
            let number = 2 - count;
            (call.device, call.other) =
                (Some(0), Some(Change { module: CUBLAS, holding, count, number }));
        });
        let held: Vec<_> = used(&run).held().map(|holder| &*holder.library).collect();
        assert_eq!(held, vec!["libcublas.so.13"; count as usize]);
    }
}

#[test]
fn an_exec_begins_anew_and_a_forked_child_is_another_process() {
    let mut run = begin();
    run.retain(0, CUDART, 1, true);
    run.process(2, |process| (process.start, process.host_pid) = (1, Some(101)));
    assert!(matches!(run.model.process(1).unwrap().end, Some(End::Replaced(_))));
    assert_eq!(run.model.process(1).unwrap().devices().count(), 1);
    assert!(!run.model.process(2).unwrap().did_anything());
    run.process(3, |process| (process.start, process.forked_from) = (1, Some(2))).exit(&[]);
    assert!(matches!(run.model.process(3).unwrap().end, Some(End::Exit(_))));
    assert_eq!(run.model.process(2).unwrap().end, None);
    // The same id, but another process.
    run.process(4, |process| (process.start, process.host_pid) = (9, Some(101)));
    assert_eq!(run.model.process(2).unwrap().end, None);
}

#[test]
fn a_thread_is_not_said_to_have_ended_if_the_list_of_the_living_is_incomplete() {
    for (living, lives) in [(&[][..], Some(false)), (&[(0, "")], None)] {
        let mut run = begin();
        run.thread(7).retain(0, CUDART, 1, true).exit(living);
        assert_eq!(run.model.process(1).unwrap().thread(7).unwrap().lives, lives);
    }
}

#[test]
fn two_libraries_of_one_name_are_two_holders() {
    const OTHER: u32 = 9;
    let mut run = begin();
    run.add(Event::Module(Module { id: OTHER, path: "/opt/libcudart.so.13".into(), file: None }));
    run.retain(0, CUDART, 1, true).retain(0, OTHER, 1, false);
    let held =
        |run: &Run| used(run).held().map(|holder| holder.library.clone()).collect::<Vec<_>>();
    assert_eq!(held(&run), ["libcudart.so.13", "libcudart.so.13"]);
    run.release(0, OTHER, CUDART, 0);
    assert_eq!((held(&run).len(), used(&run).takings.len()), (1, 1));
    assert_eq!(used(&run).holders[1].count(), 1);
}

#[test]
fn a_call_of_a_process_without_a_record_is_kept() {
    let mut run = Run::new();
    run.retain(0, CUDART, 1, true);
    let process = run.model.process(0).unwrap();
    assert_eq!((process.devices().count(), process.command()), (1, String::new()));
}

#[test]
fn the_rank_is_the_local_one_before_any_other() {
    let variables = [("LOCAL_RANK", ""), ("RANK", "9"), ("SLURM_LOCALID", "3")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut run = Run::new();
    run.process(1, |process| process.variables = variables.into());
    assert_eq!(run.model.process(1).unwrap().rank(), Some(("SLURM_LOCALID", "3")));
}
