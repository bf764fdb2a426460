//! The list of drivers: threads that load one driver at once get one.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicPtr, Ordering};
use loom::thread;

use crate::driver::append_only::AppendOnly;

/// A value of the list, known by its name. The list keeps it for good, which loom would call a leak;
/// so the count of those alive is the standard library's.
struct Named {
    /// Written before the value is added and read by every thread that finds it: loom sees to it that the one
    /// has happened before the other.
    name: UnsafeCell<u32>,
    alive: Alive,
}

type Alive = std::sync::Arc<std::sync::atomic::AtomicUsize>;

// SAFETY: the name is written before the value is shared, and never again.
unsafe impl Sync for Named {}

impl Named {
    fn new(name: u32, alive: Alive) -> Self {
        let named = Self { name: UnsafeCell::new(0), alive };
        // SAFETY: nobody else has the value yet.
        named.name.with_mut(|cell| unsafe { *cell = name });
        named
    }

    fn name(&self) -> u32 {
        // SAFETY: nobody writes any more.
        self.name.with(|cell| unsafe { *cell })
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn drivers_loaded_at_once_are_each_in_the_list_once() {
    for names in [[1, 1, 1], [1, 2, 1], [1, 2, 3]] {
        loom::model(move || {
            let list = AppendOnly::starting_at(AtomicPtr::new(std::ptr::null_mut()));
            let list: &'static AppendOnly<Named> = Box::leak(Box::new(list));
            let alive = Alive::default();
            let add = |name: u32, alive: Alive| {
                move || {
                    alive.fetch_add(1, Ordering::Relaxed);
                    let value = Named::new(name, alive);
                    let found = list.add_unless(value, |known| known.name() == name);
                    assert_eq!(found.name(), name);
                    std::ptr::from_ref(found).addr()
                }
            };
            let threads = [names[0], names[1]].map(|name| thread::spawn(add(name, alive.clone())));
            let mut addresses = vec![add(names[2], alive.clone())()];
            addresses.extend(threads.map(|thread| thread.join().unwrap()));
            let mut distinct = names.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            let mut listed: Vec<u32> = list.iter().map(Named::name).collect();
            listed.sort_unstable();
            assert_eq!(listed, distinct);
            assert_eq!(alive.load(Ordering::Relaxed), distinct.len(), "the others are dropped");
            addresses.sort_unstable();
            addresses.dedup();
            assert_eq!(addresses.len(), distinct.len(), "each name has one address");
        });
    }
}
