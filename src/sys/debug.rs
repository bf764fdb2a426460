//! `Debug` as `Display`, for types that people read in logs.

macro_rules! debug_as_displayed {
    ($($type:ty),+) => {
        $(
            /// As its [`Display`](std::fmt::Display).
            impl std::fmt::Debug for $type {
                fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    std::fmt::Display::fmt(self, formatter)
                }
            }
        )+
    };
}
pub(crate) use debug_as_displayed;
