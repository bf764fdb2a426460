//! The head of the program that prints what rustc makes of the bindings. The lists `NUMBERS` and
//! `SYMBOLS` are appended when it is written out.

#![allow(warnings)]

use std::ffi::CStr;
use std::mem::{MaybeUninit, offset_of};

mod sys {
    include!("BINDINGS");

    /// In the crate, the constants of `sys::functions` are of a type that looks functions up. Here
    /// they keep what they are made of.
    pub mod function {
        use std::ffi::CStr;
        use std::marker::PhantomData;

        pub struct Function<F>(&'static CStr, PhantomData<F>);

        impl<F> Function<F> {
            pub const fn new(_: &'static CStr, symbol: &'static CStr, _: i32, _: bool) -> Self {
                Self(symbol, PhantomData)
            }

            pub const fn symbol(&self) -> &'static CStr {
                self.0
            }
        }
    }

    /// The crate's own names the code.
    impl ::core::fmt::Debug for cudaError_enum {
        fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            ::core::fmt::Debug::fmt(&self.0, formatter)
        }
    }
}

/// The size of a field, without a value of the structure.
macro_rules! field {
    ($record:ty, $($field:tt)+) => {{
        const fn size<T>(_: *const T) -> usize {
            size_of::<T>()
        }
        let record = MaybeUninit::<$record>::uninit();
        // SAFETY: the field lies in the structure, and is not read.
        size(unsafe { &raw const (*record.as_ptr()).$($field)+ })
    }};
}

fn main() {
    for (name, number) in NUMBERS {
        println!("{name}\t{number}");
    }
    for (name, symbol) in SYMBOLS {
        println!("{name}\t{}", symbol.to_str().unwrap());
    }
}
