//! The ledger's lock and the list of drivers under every order that threads can take, by loom:
//! `RUSTFLAGS="--cfg loom" cargo test --release --test interleavings`. Without the flag there is
//! nothing here.
//!
//! The two modules are the crate's own files, with loom's types for the standard library's. The
//! driver is a model: a count of references for each device, and whether a call is in it.
#![cfg(loom)]

#[path = "../src/append_only.rs"]
mod append_only;
#[path = "../src/ledger.rs"]
mod ledger;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicPtr, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::TryLockError;
}

use append_only::AppendOnly;
use ledger::{Ledger, LedgerLock};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use loom::thread;

/// A driver of two devices that cannot stand two retains or releases at once.
struct Driver {
    references: [AtomicU32; 2],
    is_busy: AtomicBool,
}

/// What this crate keeps of it.
struct Loaded {
    driver: Driver,
    ledger: LedgerLock,
}

std::thread_local! {
    /// How often the lock was held when it was tried, in all the orders of one test: loom's threads
    /// are the test's own.
    static WAITS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Driver {
    fn call<T>(&self, act: impl FnOnce() -> T) -> T {
        assert!(!self.is_busy.swap(true, Ordering::Relaxed), "two calls at once");
        let answer = act();
        self.is_busy.store(false, Ordering::Relaxed);
        answer
    }

    fn retain(&self, device: usize) {
        self.call(|| self.references[device].fetch_add(1, Ordering::Relaxed));
    }

    /// Whether there was a reference to release.
    fn release(&self, device: usize) -> bool {
        self.call(|| match self.references[device].load(Ordering::Relaxed) {
            0 => false,
            references => {
                self.references[device].store(references - 1, Ordering::Relaxed);
                true
            }
        })
    }

    fn is_active(&self, device: usize) -> bool {
        self.call(|| self.references[device].load(Ordering::Relaxed) > 0)
    }
}

impl Loaded {
    fn new(strays: u32) -> Arc<Self> {
        let driver = Driver {
            references: [AtomicU32::new(strays), AtomicU32::new(0)],
            is_busy: AtomicBool::new(false),
        };
        Arc::new(Self { driver, ledger: LedgerLock::new(2) })
    }

    fn lock(&self) -> loom::sync::MutexGuard<'_, Ledger> {
        let may_wait = || {
            WAITS.set(WAITS.get() + 1);
            Ok::<(), ()>(())
        };
        self.ledger.lock(may_wait).unwrap()
    }

    /// Looks at what others change under the lock: loom takes threads through each other at such
    /// places, and so tries a lock that is held, too.
    fn look(&self) {
        self.driver.is_busy.load(Ordering::Relaxed);
    }

    /// As `PrimaryContext::retain` does it.
    fn retain(&self, device: usize) {
        let mut ledger = self.lock();
        self.driver.retain(device);
        ledger[device] += 1;
    }

    /// As a handle's Drop does it.
    fn release(&self, device: usize) {
        let mut ledger = self.lock();
        assert!(self.driver.release(device), "a live handle's reference was taken");
        ledger[device] -= 1;
    }

    /// As `PrimaryContextGuard::retain_only` does it; how many references it released elsewhere.
    fn retain_only(&self, device: usize) -> usize {
        let mut ledger = self.lock();
        self.driver.retain(device);
        ledger[device] += 1;
        let other = 1 - device;
        match self.driver.is_active(other) && ledger[other] == 0 {
            true => usize::from(self.driver.release(other)),
            false => 0,
        }
    }

    fn is_at_rest(&self) -> bool {
        let references = self.driver.references.each_ref().map(|one| one.load(Ordering::Relaxed));
        references == [0, 0] && **self.lock() == [0, 0]
    }
}

#[test]
fn retains_and_releases_are_one_after_the_other() {
    loom::model(|| {
        let loaded = Loaded::new(0);
        let other = Arc::clone(&loaded);
        let thread = thread::spawn(move || {
            other.look();
            other.retain(0);
            other.look();
            other.release(0);
        });
        loaded.look();
        loaded.retain(1);
        loaded.look();
        loaded.release(1);
        thread.join().unwrap();
        assert!(loaded.is_at_rest());
    });
    assert!(WAITS.get() > 0, "some had to wait in some of the orders");
}

#[test]
fn guards_leave_each_others_devices_alone() {
    loom::model(|| {
        let loaded = Loaded::new(0);
        let other = Arc::clone(&loaded);
        let thread = thread::spawn(move || {
            assert_eq!(other.retain_only(0), 0);
            other.release(0);
        });
        assert_eq!(loaded.retain_only(1), 0);
        loaded.release(1);
        thread.join().unwrap();
        assert!(loaded.is_at_rest());
    });
}

#[test]
fn a_stray_reference_is_released_once() {
    loom::model(|| {
        let loaded = Loaded::new(1);
        let released = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (loaded, released) = (Arc::clone(&loaded), Arc::clone(&released));
                thread::spawn(move || {
                    released.fetch_add(loaded.retain_only(1), Ordering::Relaxed);
                    loaded.release(1);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(released.load(Ordering::Relaxed), 1);
        assert!(loaded.is_at_rest());
    });
}

#[test]
fn a_caller_that_may_not_wait_is_told_at_once() {
    loom::model(|| {
        let loaded = Loaded::new(0);
        let other = Arc::clone(&loaded);
        let held = loaded.lock();
        // As in a forked child, which gets the lock where it is free, and never waits.
        let thread = thread::spawn(move || other.ledger.lock(|| Err("forked")).map(drop));
        assert_eq!(thread.join().unwrap(), Err("forked"));
        drop(held);
        assert!(loaded.ledger.lock(|| Err("forked")).is_ok(), "a free lock needs no waiting");
    });
}

/// A value of the list, known by its name. The list keeps it for good, which loom would call a leak;
/// so the count of those alive is the standard library's.
struct Named {
    /// Written before the value is added and read by whoever finds it: loom sees to it that the one
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
        named.name.with_mut(|place| unsafe { *place = name });
        named
    }

    fn name(&self) -> u32 {
        // SAFETY: nobody writes any more.
        self.name.with(|place| unsafe { *place })
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
            let mut places = vec![add(names[2], alive.clone())()];
            places.extend(threads.map(|thread| thread.join().unwrap()));
            let mut distinct = names.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            let mut listed: Vec<u32> = list.iter().map(Named::name).collect();
            listed.sort_unstable();
            assert_eq!(listed, distinct);
            assert_eq!(alive.load(Ordering::Relaxed), distinct.len(), "the others are dropped");
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), distinct.len(), "each name has one place");
        });
    }
}
