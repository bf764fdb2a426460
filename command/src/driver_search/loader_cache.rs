//! The file in which `ldconfig` keeps where libraries are (`/etc/ld.so.cache`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Begins the format of glibc 2.2 and later; an older one may stand before it.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// The kind of library that a process of this machine loads: glibc 2, and the machine.
const KIND: u32 = if cfg!(target_arch = "x86_64") { 0x0303 } else { 0x0a03 };

/// Where libraries of this name are, in the order in which the loader would try them. Whatever is
/// no such file gives none.
pub fn paths_of(cache: &[u8], name: &str) -> Vec<PathBuf> {
    let Some(start) = cache.windows(MAGIC.len()).position(|window| window == MAGIC) else {
        return Vec::new();
    };
    let cache = &cache[start..];
    let count = number(cache, MAGIC.len()).unwrap_or(0) as usize;
    (0..count)
        .map_while(|index| {
            let entry = HEADER + index * ENTRY;
            Some((number(cache, entry)?, number(cache, entry + 4)?, number(cache, entry + 8)?))
        })
        .filter(|&(kind, key, _)| kind == KIND && text(cache, key) == Some(name.as_bytes()))
        .filter_map(|(_, _, value)| text(cache, value))
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect()
}

fn number(cache: &[u8], offset: usize) -> Option<u32> {
    let bytes = cache.get(offset..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

/// The bytes up to the zero that ends them.
fn text(cache: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = cache.get(offset as usize..)?;
    Some(&rest[..rest.iter().position(|&byte| byte == 0)?])
}

#[cfg(test)]
mod tests {
    use super::{ENTRY, HEADER, KIND, MAGIC, paths_of};
    use std::path::PathBuf;

    fn cache(entries: &[(u32, &str, &str)]) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend((entries.len() as u32).to_ne_bytes());
        head.resize(HEADER, 0);
        let mut strings = Vec::new();
        let mut table = Vec::new();
        let base = HEADER + entries.len() * ENTRY;
        let mut place = |text: &str| {
            let offset = (base + strings.len()) as u32;
            strings.extend(text.bytes().chain([0]));
            offset
        };
        for (kind, key, value) in entries {
            for number in [*kind, place(key), place(value), 0, 0, 0] {
                table.extend(number.to_ne_bytes());
            }
        }
        [head, table, strings].concat()
    }

    #[test]
    fn libraries_of_the_name_and_the_machine_in_order() {
        let cache = cache(&[
            (KIND, "libc.so.6", "/lib/libc.so.6"),
            (0x0003, "libcuda.so.1", "/lib32/libcuda.so.1"),
            (KIND, "libcuda.so.1", "/one/libcuda.so.1"),
            (KIND, "libcuda.so.1", "/two/libcuda.so.1"),
        ]);
        let expected = ["/one/libcuda.so.1", "/two/libcuda.so.1"].map(PathBuf::from);
        assert_eq!(paths_of(&cache, "libcuda.so.1"), expected);
        let behind_an_older_format = [b"ld.so-1.7.0 and so on".to_vec(), cache].concat();
        assert_eq!(paths_of(&behind_an_older_format, "libcuda.so.1"), expected);
    }

    #[test]
    fn a_file_cut_anywhere_gives_what_is_whole_and_never_fails() {
        let whole = cache(&[(KIND, "libcuda.so.1", "/one/libcuda.so.1")]);
        for length in 0..whole.len() {
            assert!(paths_of(&whole[..length], "libcuda.so.1").is_empty(), "{length}");
        }
    }

    #[test]
    fn this_machine_s_cache_knows_its_c_library() {
        let Ok(cache) = std::fs::read(super::super::LOADER_CACHE) else {
            println!("skipped: this machine has no cache of the loader");
            return;
        };
        let paths = paths_of(&cache, "libc.so.6");
        assert!(paths.iter().any(|path| path.exists()), "{paths:?}");
    }
}
