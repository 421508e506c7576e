//! Sizes as Kubernetes writes them: `512Ki`, `16Mi`, `1Gi`.

use std::fmt;

/// Why a size could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// A number without a unit.
    #[error("`{0}` needs a unit: 512Ki, 16Mi or 1Gi")]
    NoUnit(String),
    /// Anything else than a whole number and one of the three units.
    #[error("the form is a whole number and a unit: 512Ki, 16Mi or 1Gi")]
    Malformed,
    /// More than a process could address.
    #[error("the size is too large")]
    TooLarge,
}

/// Parses a whole number with a unit, `Ki`, `Mi` or `Gi`, into bytes. A `B` may follow the unit.
///
/// ```
/// assert_eq!(job_runtime::size::parse("16Mi"), Ok(16 * 1024 * 1024));
/// assert!(job_runtime::size::parse("16").is_err());
/// ```
///
/// # Errors
/// A bare number, another unit, a fraction, or more than a process could address.
pub fn parse(text: &str) -> Result<usize, SizeError> {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if digits.is_empty() {
        return Err(SizeError::Malformed);
    }
    let bytes = match unit.strip_suffix('B').unwrap_or(unit) {
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "" => return Err(SizeError::NoUnit(text.to_owned())),
        _ => return Err(SizeError::Malformed),
    };
    let number: usize = digits.parse().map_err(|_| SizeError::TooLarge)?;
    // An allocation has half of the address space at most.
    number.checked_mul(bytes).filter(|bytes| isize::try_from(*bytes).is_ok()).ok_or(SizeError::TooLarge)
}

/// Shows a size in the largest unit that has it whole, as [`parse`] reads it.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
        match units.into_iter().find(|(bytes, _)| self.0 >= *bytes && self.0.is_multiple_of(*bytes)) {
            Some((bytes, unit)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("512Ki", Ok(512 * 1024)),
            ("16Mi", Ok(16 << 20)),
            ("16MiB", Ok(16 << 20)),
            (" 1Gi ", Ok(1 << 30)),
            ("0Ki", Ok(0)),
            ("16", Err(SizeError::NoUnit("16".to_owned()))),
            ("16B", Err(SizeError::NoUnit("16B".to_owned()))),
            ("16M", Err(SizeError::Malformed)),
            ("1.5Gi", Err(SizeError::Malformed)),
            ("Mi", Err(SizeError::Malformed)),
            ("", Err(SizeError::Malformed)),
            ("-1Mi", Err(SizeError::Malformed)),
            ("9999999999Gi", Err(SizeError::TooLarge)),
            ("99999999999999999999Ki", Err(SizeError::TooLarge)),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        for (bytes, text) in
            [(16 << 20, "16Mi"), (1 << 30, "1Gi"), (1536, "1536 bytes"), (1 << 10, "1Ki"), (0, "0 bytes")]
        {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
