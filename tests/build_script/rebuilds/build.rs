//! The build script of the package that `tests/build_script/rebuilds.rs` makes.

#[path = "WATCHED"]
mod watched;

fn main() {
    let mut watched = watched::Watched::default();
    watched.variable("CUDA_HOME");
    watched.is_file(std::path::Path::new("HEADER"));
    let out = std::env::var("OUT_DIR").unwrap();
    for line in watched.lines(std::path::Path::new(&out)) {
        println!("{line}");
    }
}
