//! Green contexts: the one reference that each holds, and what a release of it does. Every sequence of
//! the first two tests was measured on driver 580.

mod driver;

use std::ptr;

use driver::{Library, POISON, out, started};
use simulated_libcuda::{Simulator, Taken};

/// What happens to device 0, in order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Retain,
    Green,
    Release(u32),
    Destroy,
    Reset,
}
use Step::{Destroy, Green, Release, Reset, Retain};

/// Each sequence, whether the context is active after it, and the references that are left.
const MEASURED: &[(&[Step], bool, u32)] = &[
    (&[Green, Destroy], false, 0),
    (&[Green, Release(800), Destroy, Release(201), Release(201)], true, 0),
    (&[Green, Release(800), Release(201)], true, 0),
    (&[Retain, Green, Release(0), Release(800), Destroy], true, 0),
    (&[Green, Green, Release(0), Release(800), Destroy, Destroy], true, 0),
    (&[Green, Release(800), Retain, Destroy], false, 0),
    (&[Green, Release(800), Destroy, Retain, Release(0)], false, 0),
    (&[Green, Release(800), Destroy, Reset], false, 0),
    // Not more than what follows from one ordinary reference each:
    (&[Green, Green, Destroy], true, 1),
    (&[Retain, Green, Destroy, Release(0), Release(201)], false, 0),
    (&[Green, Retain, Release(0), Destroy], false, 0),
];

/// Who makes and destroys the green contexts.
trait Maker {
    fn make(&mut self);
    fn destroy(&mut self);
}

struct OtherLibrary<'simulator>(&'simulator Simulator);

impl Maker for OtherLibrary<'_> {
    fn make(&mut self) {
        self.0.add_green_context(0);
    }

    fn destroy(&mut self) {
        self.0.remove_green_context(0);
    }
}

/// Through the driver's own functions.
struct Client(Library, Vec<usize>);

impl Maker for Client {
    fn make(&mut self) {
        self.1.push(green_context(self.0));
    }

    fn destroy(&mut self) {
        let green = self.1.pop().expect("one that was made");
        assert_eq!(self.0.call("cuGreenCtxDestroy", &[green]), 0);
    }
}

/// A green context of eight multiprocessors on device 0.
fn green_context(library: Library) -> usize {
    let (mut whole, mut group) = ([0_u64; 18], [0_u64; 18]);
    let (mut groups, mut description, mut green) = (1_u32, 0_usize, 0_usize);
    let device = library.device(0);
    assert_eq!(library.call("cuDeviceGetDevResource", &[device, out(&mut whole), 1]), 0);
    let words = [out(&mut group), out(&mut groups), out(&mut whole), 0, 0, 8];
    assert_eq!(library.call("cuDevSmResourceSplitByCount", &words), 0);
    assert_eq!(groups, 1);
    let words = [out(&mut description), out(&mut group), 1];
    assert_eq!(library.call("cuDevResourceGenerateDesc", &words), 0);
    let words = [out(&mut green), description, device, 1];
    assert_eq!(library.call("cuGreenCtxCreate", &words), 0);
    green
}

fn follow(simulator: &Simulator, library: Library, maker: &mut dyn Maker) {
    for (steps, active, references) in MEASURED {
        let before = simulator.underflows();
        for step in *steps {
            match step {
                Retain => assert_eq!(library.retain(0).0, 0, "{steps:?}"),
                Green => maker.make(),
                Release(answer) => assert_eq!(library.release(0), *answer, "{steps:?}"),
                Destroy => maker.destroy(),
                Reset => assert_eq!(library.reset(0), 0, "{steps:?}"),
            }
        }
        assert_eq!(library.state(0), (0, 0, u32::from(*active)), "{steps:?}");
        assert_eq!(simulator.references(0), *references, "{steps:?}");
        let too_many = steps.iter().filter(|step| matches!(step, Release(201))).count();
        assert_eq!(simulator.underflows() - before, too_many as u64, "{steps:?}");
        // The way back to the beginning: what is left over goes.
        let greens = steps.iter().filter(|step| matches!(step, Green)).count();
        let destroyed = steps.iter().filter(|step| matches!(step, Destroy)).count();
        (destroyed..greens).for_each(|_| maker.destroy());
        assert_eq!(library.retain(0).0, 0);
        while simulator.references(0) > 0 {
            library.release(0);
        }
        assert!(!simulator.is_active(0), "{steps:?}");
    }
}

#[test]
fn green_contexts_of_another_library_do_as_measured() {
    let (simulator, library) = started(1);
    follow(&simulator, library, &mut OtherLibrary(&simulator));
}

#[test]
fn green_contexts_of_the_client_do_as_measured() {
    let (simulator, library) = started(1);
    follow(&simulator, library, &mut Client(library, Vec::new()));
}

#[test]
fn the_memory_of_an_abandoned_context_stays() {
    let (simulator, library) = started(1);
    let green = green_context(library);
    assert_eq!(library.release(0), 800);
    assert_eq!(library.call("cuGreenCtxDestroy", &[green]), 0);
    assert_eq!(simulator.memory(0).context_bytes, 524 << 20);
    assert_eq!(library.retain(0).0, 0);
    assert_eq!(library.release(0), 0);
    assert_eq!(simulator.memory(0).context_bytes, 0);
    let taken = simulator.taken();
    let [Taken { device: 0, by, from, .. }] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((by.as_str(), from.as_str()), ("client", "green context"));
}

#[test]
fn a_destroyed_green_context_is_no_context_any_more() {
    let (_simulator, library) = started(1);
    let green = green_context(library);
    let mut context = POISON;
    assert_eq!(library.call("cuCtxFromGreenCtx", &[out(&mut context), green]), 0);
    assert_eq!(library.call("cuGreenCtxDestroy", &[green]), 0);
    assert_eq!(library.call("cuGreenCtxDestroy", &[green]), 201);
    assert_eq!(library.call("cuCtxFromGreenCtx", &[out(&mut context), green]), 201);
    assert_eq!(library.set_current(context), 201);
}

#[test]
fn a_green_context_can_be_current_and_its_memory_is_the_primarys() {
    let (simulator, library) = started(1);
    let green = green_context(library);
    let (_, primary) = library.retain(0);
    let mut context = POISON;
    assert_eq!(library.call("cuCtxFromGreenCtx", &[out(&mut context), green]), 0);
    assert_ne!(context, primary);
    assert_eq!(library.set_current(context), 0);
    assert_eq!(library.current(), (0, context));
    let (mut regular, mut answer) = (POISON, ptr::null_mut::<u8>());
    let words = [0, out(&mut regular), out(&mut answer)];
    assert_eq!(library.call("cuStreamGetCtx_v2", &words), 0);
    assert_eq!((regular, answer as usize), (primary, green));
    assert_eq!(library.allocate(4096).0, 0);
    assert_eq!(library.call("cuCtxDestroy_v2", &[context as usize]), 201, "not by this function");
    assert_eq!(library.call("cuGreenCtxDestroy", &[green]), 0);
    assert_eq!(library.allocate(4096).0, 709);
    assert_eq!(simulator.memory(0).ordinary_bytes, 4096);
    library.release(0);
    assert_eq!(simulator.memory(0).ordinary_bytes, 0);
}

#[test]
fn resources_are_split_and_checked() {
    let (_simulator, library) = started(2);
    let device = library.device(0);
    let mut whole = [0_u32; 36];
    assert_eq!(library.call("cuDeviceGetDevResource", &[device, out(&mut whole), 1]), 0);
    assert_eq!((whole[0], whole[24]), (1, 132), "the type, and the multiprocessors");
    assert_eq!(library.call("cuDeviceGetDevResource", &[device, out(&mut whole), 77]), 914);
    let mut rest = [0_u32; 36];
    for (minimum, flags, groups, size) in
        [(0, 0, 16, 8), (9, 0, 8, 16), (9, 1, 13, 10), (132, 1, 1, 132), (128, 2, 1, 128)]
    {
        let mut count = 0_u32;
        let mut words = [0, out(&mut count), out(&mut whole), out(&mut rest), flags, minimum];
        assert_eq!(library.call("cuDevSmResourceSplitByCount", &words), 0);
        assert_eq!((count, rest[24]), (groups, 132 - groups * size), "{minimum}");
        let mut made = vec![[0_u32; 36]; groups as usize];
        words[0] = made.as_mut_ptr() as usize;
        assert_eq!(library.call("cuDevSmResourceSplitByCount", &words), 0);
        assert!(made.iter().all(|group| group[24] == size), "{minimum}");
    }
    let mut count = 0_u32;
    let words = [0, out(&mut count), out(&mut whole), 0, 0, 133];
    assert_eq!(library.call("cuDevSmResourceSplitByCount", &words), 1, "more than there are");
    let (mut description, mut green) = (0_usize, 0_usize);
    let mut zeros = [0_u32; 36];
    let words = [out(&mut description), out(&mut zeros), 1];
    assert_eq!(library.call("cuDevResourceGenerateDesc", &words), 914, "zeros are no resource");
    let words = [out(&mut description), out(&mut whole), 1];
    assert_eq!(library.call("cuDevResourceGenerateDesc", &words), 0);
    let mut create = |description, device, flags| {
        library.call("cuGreenCtxCreate", &[out(&mut green), description, device, flags])
    };
    assert_eq!(create(description, device, 2), 1, "unknown flags");
    assert_eq!(create(description, library.device(1), 1), 1, "another device's");
    assert_eq!(create(POISON as usize, device, 1), 1);
    assert_eq!(create(description, usize::MAX, 1), 101);
}
