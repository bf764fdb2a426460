//! What every benchmark is made of: the driver under test, the two ways to it, and the pair of bodies.

pub mod machine;
pub mod raw;
pub mod safe;
pub mod twins;
