//! Which device is meant to be used.

use std::fmt;

/// The argument of `--only`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// By its place among the devices that the process sees.
    Ordinal(u32),
    /// By its UUID, `GPU-…` or `MIG-…`, or the beginning of one.
    Uuid(String),
    /// The ordinal that is the process's rank on its machine.
    LocalRank,
}

impl Meant {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// What it may be.
    pub fn parse(word: &str) -> Result<Self, &'static str> {
        if word == "local-rank" {
            return Ok(Self::LocalRank);
        }
        if ["GPU-", "MIG-"].iter().any(|prefix| word.len() > 4 && word.starts_with(prefix)) {
            return Ok(Self::Uuid(word.to_owned()));
        }
        word.parse().map(Self::Ordinal).map_err(
            |_| "it is an ordinal such as 0, a UUID that begins with GPU- or MIG-, or local-rank",
        )
    }
}

impl fmt::Display for Meant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordinal(ordinal) => write!(formatter, "{ordinal}"),
            Self::Uuid(uuid) => formatter.write_str(uuid),
            Self::LocalRank => formatter.write_str("local-rank"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Meant;

    #[test]
    fn each_form_is_read_and_displays_as_it_was_written() {
        for word in ["0", "17", "local-rank", "GPU-0a1b", "MIG-2"] {
            assert_eq!(Meant::parse(word).unwrap().to_string(), word);
        }
        for word in ["", "-1", "GPU-", "first", "0x1", "99999999999"] {
            assert!(Meant::parse(word).is_err(), "{word}");
        }
    }
}
