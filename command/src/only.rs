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

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// Its ordinal in the process, after `CUDA_VISIBLE_DEVICES`.
    Ordinal(u32),
    /// Its UUID, `GPU-…` or `MIG-…`, or the beginning of one.
    Uuid(String),
}

/// The witness keeps one bit for each name.
const MAXIMUM_NAMES: usize = 64;

/// The length of a UUID without its prefix.
const UUID_LENGTH: usize = 36;

const FORMS: &str = "--only takes ordinals and UUIDs separated by commas, one, or local-rank";

impl Only {
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "local-rank" => return Ok(Self::LocalRank),
            "one" => return Ok(Self::One),
            _ => {}
        }
        let names = word.split(',').map(DeviceName::parse).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|error| format!("{error}. {FORMS}"))?;
        if names.len() > MAXIMUM_NAMES {
            return Err(format!("at most {MAXIMUM_NAMES} devices can be named"));
        }
        Ok(Self::Devices(names))
    }
}

impl DeviceName {
    pub fn parse(word: &str) -> Result<Self, String> {
        let uuid = word.strip_prefix("GPU-").or_else(|| word.strip_prefix("MIG-"));
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        match uuid {
            Some(digits)
                if (1..=UUID_LENGTH).contains(&digits.len()) && digits.bytes().all(is_part) =>
            {
                Ok(Self::Uuid(word.to_owned()))
            }
            Some(_) => Err(format!("{word} is not the beginning of a UUID (GPU-1a2b)")),
            None => word.parse().map(Self::Ordinal).map_err(|_| {
                format!("{word:?} is neither an ordinal (0) nor the beginning of a UUID (GPU-1a2b)")
            }),
        }
    }

    /// Whether it names the device with this ordinal and UUID.
    pub fn is(&self, ordinal: u32, uuid: Option<&str>) -> bool {
        match self {
            Self::Ordinal(named) => *named == ordinal,
            Self::Uuid(beginning) => {
                uuid.is_some_and(|uuid| uuid.to_lowercase().starts_with(&beginning.to_lowercase()))
            }
        }
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
    use super::{DeviceName, Only};

    #[test]
    fn each_form_is_read_and_displays_as_it_was_written() {
        let uuid = "GPU-00112233-4455-6677-8899-aabbccddeeff";
        for word in ["0", "17", "0,1", "2,GPU-0a1b", "local-rank", "one", "MIG-2", uuid] {
            assert_eq!(Only::parse(word).unwrap().to_string(), word);
        }
        for word in ["", "-1", "GPU-", "first", "0x1", "99999999999", "0,", "0,one", "GPU-xyz"] {
            let error = Only::parse(word).unwrap_err();
            assert!(error.contains("local-rank"), "{word}: {error}");
        }
        assert!(Only::parse(&format!("{uuid}0")).is_err());
        assert!(Only::parse(&["0"; 65].join(",")).unwrap_err().contains("at most 64"));
    }

    #[test]
    fn a_device_is_known_by_its_ordinal_and_by_the_beginning_of_its_uuid() {
        let uuid = Some("GPU-1a2b3c4d-0000-0000-0000-000000000000");
        for (name, (ordinal, uuid), is) in [
            ("3", (3, None), true),
            ("3", (2, uuid), false),
            ("GPU-1A2B", (0, uuid), true),
            ("GPU-2", (0, uuid), false),
            ("GPU-1", (0, None), false),
        ] {
            assert_eq!(DeviceName::parse(name).unwrap().is(ordinal, uuid), is, "{name}");
        }
    }
}
