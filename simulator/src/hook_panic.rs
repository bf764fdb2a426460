//! What becomes of a panic in a closure of the test.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

/// The first panic of a hook, until somebody raises it again.
#[derive(Clone, Default)]
pub(crate) struct HookPanic(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl HookPanic {
    pub(crate) fn keep(&self, payload: Box<dyn Any + Send>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
    }

    pub(crate) fn raise(&self) {
        let payload = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}
