//! Errors as data, with the feature `serde`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::Error;
use crate::sys::CUresult;

/// `kind`, `call`, `device`, `code`, `name` and `message`; what does not apply is null.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("kind", self.kind())?;
        map.serialize_entry("call", &self.call())?;
        map.serialize_entry("device", &self.device())?;
        map.serialize_entry("code", &self.code().map(|code| code.0))?;
        map.serialize_entry("name", &self.code().and_then(CUresult::name))?;
        map.serialize_entry("message", &format_args!("{self}"))?;
        map.end()
    }
}
