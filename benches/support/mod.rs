//! What every benchmark is made of: the machine, the two ways to it, and the pair of bodies.
#![allow(dead_code, reason = "each binary uses its part")]

pub mod machine;
pub mod raw;
pub mod safe;
pub mod twins;
