//! One body, twice: through the safe layer, and through plain function pointers.

use std::fmt::Debug;

use super::machine::Machine;

/// The two variants of one body.
pub struct Twins<Safe, Raw> {
    pub safe: Safe,
    pub raw: Raw,
}

/// Makes both variants of one body, in which the layer and its device have one name each.
#[macro_export]
macro_rules! twins {
    ($machine:expr, $ordinal:expr, |$layer:ident, $device:ident| $body:expr) => {
        $crate::twins::Twins {
            safe: {
                let $layer = &$machine.safe;
                let $device = $layer.device($ordinal);
                move || $body
            },
            raw: {
                let $layer = &$machine.raw;
                let $device = $layer.device($ordinal);
                move || $body
            },
        }
    };
}

impl<Safe, Raw> Twins<Safe, Raw> {
    /// Runs both once on the same state: they must make the same driver calls, in the same order,
    /// and return and leave the same.
    pub fn compare<T, U>(&self, machine: &Machine, before: impl Fn())
    where
        Safe: Fn() -> T,
        Raw: Fn() -> U,
        T: PartialEq<U> + Debug,
        U: Debug,
    {
        let observe = |action: &mut dyn FnMut()| {
            before();
            (machine.calls_of(action), machine.active())
        };
        let (mut safe, mut raw) = (None, None);
        let of_safe = observe(&mut || safe = Some((self.safe)()));
        let of_raw = observe(&mut || raw = Some((self.raw)()));
        assert_eq!(of_safe, of_raw, "the twins differ in what they call or leave");
        let (safe, raw) = (safe.expect("it ran"), raw.expect("it ran"));
        assert!(safe == raw, "the twins return {safe:?} and {raw:?}");
    }
}
