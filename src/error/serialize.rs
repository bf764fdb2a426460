//! Errors as data, with the feature `serde`, and the macro for other types.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::Error;
use crate::sys::CUresult;

/// Serialises a type as an object with these fields.
macro_rules! object {
    ($(#[$documentation:meta])* $type:ty, $this:ident: { $($name:literal: $value:expr,)* }) => {
        $(#[$documentation])*
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                let mut map = serializer.serialize_map(Some([$($name),*].len()))?;
                $(map.serialize_entry($name, &$value)?;)*
                map.end()
            }
        }
    };
}
pub(crate) use object;

object! {
    /// What does not apply is null.
    Error, this: {
        "kind": this.kind(),
        "call": this.call(),
        "device": this.device(),
        "code": this.code().map(|code| code.0),
        "name": this.code().and_then(CUresult::name),
        "message": format_args!("{this}"),
    }
}
