//! The unique id of a device, as NVIDIA's tools write it.

use std::fmt;
use std::str::FromStr;

use crate::sys::debug::debug_as_displayed;

/// A device's unique id. Displayed and parsed as NVIDIA's tools write it: `GPU-` or, for a MIG
/// instance, `MIG-`, and the hexadecimal groups.
///
/// ```
/// use cuda_primary_context::Uuid;
///
/// let uuid: Uuid = "GPU-8f6c1a02-1122-3344-5566-778899aabb0c".parse()?;
/// assert!(!uuid.is_mig());
/// assert_eq!(uuid.to_string(), "GPU-8f6c1a02-1122-3344-5566-778899aabb0c");
/// # Ok::<(), cuda_primary_context::ParseUuidError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid {
    bytes: [u8; 16],
    mig: bool,
}

/// Where a group begins, and so a hyphen stands before it.
const GROUPS: [usize; 5] = [0, 4, 6, 8, 10];

impl Uuid {
    /// The unique id of a whole GPU, from its sixteen bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { bytes, mig: false }
    }

    /// The unique id of a MIG instance, from its sixteen bytes.
    pub const fn mig_from_bytes(bytes: [u8; 16]) -> Self {
        Self { bytes, mig: true }
    }

    /// The sixteen bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.bytes
    }

    /// Whether it is the id of a MIG instance, and not of a whole GPU.
    pub fn is_mig(&self) -> bool {
        self.mig
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.mig { "MIG" } else { "GPU" })?;
        for (index, byte) in self.bytes.iter().enumerate() {
            if GROUPS.contains(&index) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

debug_as_displayed!(Uuid);

/// The text is not a device's unique id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no device's unique id; such an id looks like GPU-8f6c1a02-1122-3344-5566-778899aabb0c, \
     or MIG- and the same groups (nvidia-smi -L lists them)"
)]
#[non_exhaustive]
pub struct ParseUuidError {
    /// The text.
    pub text: Box<str>,
}

/// `GPU-` or `MIG-` and five groups of hexadecimal digits, in either case. Abbreviations, which
/// `CUDA_VISIBLE_DEVICES` takes, and the older names `MIG-GPU-…/1/0` are refused.
impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseUuidError { text: text.into() })
    }
}

fn parse(text: &str) -> Option<Uuid> {
    let number = u128::from_str_radix(&text.get(3..)?.replace('-', ""), 16).ok()?;
    let uuid = Uuid { bytes: number.to_be_bytes(), mig: text.starts_with("MIG") };
    // The groups are checked here; the digits may be in either case, the beginning not.
    let displayed = uuid.to_string();
    let is_same = text.starts_with(&displayed[..3]) && text.eq_ignore_ascii_case(&displayed);
    is_same.then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_reads_as_in_nvidia_smi() {
        let gpu =
            Uuid::from_bytes(*b"\x8f\x6c\x1a\x02\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\x0c");
        let text = "GPU-8f6c1a02-1122-3344-5566-778899aabb0c";
        assert_eq!((gpu.to_string(), format!("{gpu:?}")), (text.to_owned(), text.to_owned()));
        assert_eq!(text.replace("8f6c", "8F6C").parse(), Ok(gpu));
        let instance = Uuid::mig_from_bytes(*gpu.as_bytes());
        assert_eq!(instance.to_string(), text.replace("GPU", "MIG"));
        assert_eq!(instance.to_string().parse(), Ok(instance));
    }

    #[test]
    fn other_texts_are_refused() {
        let whole = "GPU-8f6c1a02-1122-3344-5566-778899aabb0c";
        let changed = [
            String::new(),
            whole[4..].to_owned(),
            whole[..whole.len() - 1].to_owned(),
            format!("{whole}0"),
            format!(" {whole}"),
            whole.replace("GPU", "gpu"),
            whole.replace("-1122", "1122"),
            whole.replace("0c", "+c"),
            whole.replace("0c", "é"),
            format!("MIG-{whole}/1/0"),
        ];
        for text in changed {
            let error = text.parse::<Uuid>().expect_err(&text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
