//! Where the methods of a `Simulator` panic. Alone in its process, because a panic hook is the process's.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

use simulated_libcuda::{Fault, Simulator};

#[test]
fn what_panics_does_so_at_the_line_of_its_caller() {
    let simulator = Simulator::start(1);
    type Action = fn(&Simulator);
    let panics: [(u32, Action); 5] = [
        (line!(), |simulator| simulator.retain_by_others(7, 1)),
        (line!(), |simulator| _ = simulator.references(7)),
        (line!(), |simulator| _ = simulator.count("cuNothing")),
        (line!(), |simulator| simulator.inject(Fault::of("cuNothing", 1))),
        (line!(), |_| _ = Simulator::start(5000)),
    ];
    let place = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&place);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let location = information.location().unwrap();
        *seen.lock().unwrap() = Some((location.file().to_owned(), location.line()));
    }));
    simulator.initialize();
    let places: Vec<_> = panics
        .into_iter()
        .map(|(line, action)| {
            let panicked = panic::catch_unwind(AssertUnwindSafe(|| action(&simulator)));
            (line, panicked.is_err(), place.lock().unwrap().take())
        })
        .collect();
    panic::set_hook(before);
    for (line, panicked, place) in places {
        assert!(panicked, "line {line}");
        assert_eq!(place, Some((file!().to_owned(), line)));
    }
}
