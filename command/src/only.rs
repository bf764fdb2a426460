//! The devices that a process may use: the argument of `--only`.

use std::fmt;

/// Which devices are allowed. A context on another device is a stray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    Devices(Vec<DeviceName>),
    /// The device whose ordinal is the process's rank on its machine.
    LocalRank,
    /// One device for each process, whichever it is.
    One,
}

/// How a device is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// Its ordinal in the process, after `CUDA_VISIBLE_DEVICES`.
    Ordinal(u32),
    /// Its UUID, `GPU-…` or `MIG-…`, or the beginning of one.
    Uuid(String),
}

/// The witness keeps one bit for each name.
const MAXIMUM_NAMES: usize = 64;

/// A UUID without its prefix: an `x` for each hexadecimal digit.
const UUID_PATTERN: &[u8] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

const FORMS: &str =
    "expected ordinals or UUIDs separated by commas (0,1 or GPU-1a2b), one, or local-rank";

impl Only {
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "local-rank" => return Ok(Self::LocalRank),
            "one" => return Ok(Self::One),
            _ => {}
        }
        let names: Vec<_> = word.split(',').map(DeviceName::parse).collect::<Result<_, _>>()?;
        if names.len() > MAXIMUM_NAMES {
            return Err(format!("at most {MAXIMUM_NAMES} devices can be named"));
        }
        Ok(Self::Devices(names))
    }
}

impl DeviceName {
    fn parse(word: &str) -> Result<Self, String> {
        if let Some(digits) = word.strip_prefix("GPU-").or_else(|| word.strip_prefix("MIG-")) {
            let fits = |(byte, pattern): (u8, &u8)| match pattern {
                b'x' => byte.is_ascii_hexdigit(),
                _ => byte == *pattern,
            };
            let is_beginning = !digits.is_empty() && digits.len() <= UUID_PATTERN.len();
            return if is_beginning && digits.bytes().zip(UUID_PATTERN).all(fits) {
                Ok(Self::Uuid(word.to_owned()))
            } else {
                Err(format!("{word} is not the beginning of a UUID: {FORMS}"))
            };
        }
        word.parse().map(Self::Ordinal).map_err(|_| FORMS.to_owned())
    }
}

impl fmt::Display for Only {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                formatter.write_str(&names.join(","))
            }
            Self::LocalRank => formatter.write_str("local-rank"),
            Self::One => formatter.write_str("one"),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordinal(ordinal) => write!(formatter, "{ordinal}"),
            Self::Uuid(uuid) => formatter.write_str(uuid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Only;

    #[test]
    fn each_form_is_read_and_displays_as_it_was_written() {
        for word in ["0", "17", "0,1", "2,GPU-0a1b", "local-rank", "one", "MIG-2"] {
            assert_eq!(Only::parse(word).unwrap().to_string(), word);
        }
        let uuid = "GPU-00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(Only::parse(uuid).unwrap().to_string(), uuid);
    }

    #[test]
    fn anything_else_is_an_error_that_names_the_forms() {
        let long = format!("GPU-00112233-4455-6677-8899-aabbccddeeff{}", "0");
        let words = ["", "-1", "GPU-", "first", "0x1", "99999999999", "0,", "0,one", "GPU-xyz"];
        for word in words.into_iter().chain(["GPU-0011-", &*long]) {
            let error = Only::parse(word).unwrap_err();
            assert!(error.contains("local-rank"), "{word}: {error}");
        }
        assert!(Only::parse(&["0"; 65].join(",")).unwrap_err().contains("at most 64"));
    }
}
