//! Settings for what the vendor does not document.

macro_rules! knobs {
    ($($(#[$documentation:meta])* $variant:ident = $name:literal, $default:literal;)*) => {
        /// What no document settles, or what differs between drivers, as a setting. The defaults are
        /// what driver 580 did where that was measured, and a guess where not; each knob says which,
        /// and names its experiment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Knob {
            $($(#[$documentation])* $variant,)*
        }

        impl Knob {
            /// The name that the environment variable `SIMULATED_CUDA_KNOBS` knows it by.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

include!("knobs.rs");
