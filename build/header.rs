//! What the text of a `cuda.h` says of itself, and which headers serve.

/// The files that the bindings are made from.
pub const HEADERS: [&str; 2] = ["cuda.h", "cudaTypedefs.h"];

/// The oldest header with everything that the safe layer uses: the functions for checkpoints came with
/// 12.8.
pub const OLDEST: u32 = 12_080;

/// The value of `#define CUDA_VERSION` in the text of a `cuda.h`: 1000 × major + 10 × minor.
pub fn version(text: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let defines = words.next() == Some("#define") && words.next() == Some("CUDA_VERSION");
        defines.then(|| words.next()?.parse().ok()).flatten()
    })
}

/// The version as people write it: 12.9 for 12090.
pub fn dotted(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_the_define() {
        let text = "/* CUDA_VERSION 1 */\n#ifndef CUDA_VERSION\n#define CUDA_VERSION 12090\n";
        assert_eq!(version(text), Some(12090));
        assert_eq!(version("#  define OTHER 3\n"), None);
        assert_eq!(version("#define CUDA_VERSION soon"), None);
    }

    #[test]
    fn versions_are_written_with_a_dot() {
        assert_eq!(dotted(12_090), "12.9");
        assert_eq!(dotted(11_000), "11.0");
    }
}
