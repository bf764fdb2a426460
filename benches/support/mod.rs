//! What every benchmark is made of: the machine, the ways to it, and the pair of bodies.
#![allow(dead_code, reason = "each binary uses its part")]

pub mod counted;
pub mod machine;
pub mod raw;
pub mod safe;
pub mod twins;
