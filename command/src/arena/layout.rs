//! The structs and constants of `witness/events.h`, as the build made them.
#![allow(missing_docs, dead_code, reason = "the header explains them, and not all are used")]

/// Any bytes are a value of it.
///
/// # Safety
///
/// It has only numbers, arrays of numbers and structs of this kind, and no padding.
pub unsafe trait Plain: Copy {}

include!(concat!(env!("OUT_DIR"), "/events.rs"));

/// The struct at the beginning of these bytes. Bytes that are missing read as zeros.
pub fn read<Value: Plain>(bytes: &[u8]) -> Value {
    let mut value = std::mem::MaybeUninit::<Value>::zeroed();
    let length = bytes.len().min(size_of::<Value>());
    // SAFETY: the destination has at least this length, and is another place than the source.
    unsafe { bytes.as_ptr().copy_to_nonoverlapping(value.as_mut_ptr().cast(), length) };
    // SAFETY: every byte was set, and any bytes are a value.
    unsafe { value.assume_init() }
}

/// The bytes of a struct.
pub fn bytes<Value: Plain>(value: &Value) -> &[u8] {
    // SAFETY: it has no padding, and lives as long as the slice.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<Value>()) }
}
