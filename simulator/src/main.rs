//! Writes the simulated driver into a directory, for clients that find it by `LD_LIBRARY_PATH`.
fn main() {}
