//! `--expect-rows`: a condition on the number of rows.

use std::fmt;
use std::str::FromStr;

/// How many rows there should be: `N`, `N..`, `..M` or `N..M`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCount {
    least: u64,
    most: u64,
}

impl FromStr for RowCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().ok();
        let range = match text.split_once("..") {
            None => number(text).map(|count| (count, count)),
            Some(("", "")) => None,
            Some((least, "")) => number(least).map(|least| (least, u64::MAX)),
            Some(("", most)) => number(most).map(|most| (0, most)),
            Some((least, most)) => number(least).zip(number(most)),
        };
        match range {
            Some((least, most)) if least <= most => Ok(Self { least, most }),
            Some(_) => Err("its end is before its beginning".to_owned()),
            None => Err("it should be a number of rows, or a range: 5, 1.., ..10 or 1..10".to_owned()),
        }
    }
}

impl fmt::Display for RowCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (least, u64::MAX) => write!(f, "{least} or more"),
            (0, most) => write!(f, "{most} at most"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

impl RowCount {
    /// Why `rows` are not as many as there should be, if they are not.
    pub fn unmet(self, rows: u64) -> Option<String> {
        let met = (self.least..=self.most).contains(&rows);
        (!met).then(|| format!("it has {rows} rows where --expect-rows wants {self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_rows() {
        for (text, met, unmet, told) in [
            ("5", &[5][..], &[0, 4, 6][..], "5"),
            ("0", &[0], &[1], "0"),
            ("1..", &[1, u64::MAX], &[0], "1 or more"),
            ("..3", &[0, 3], &[4], "3 at most"),
            ("2..3", &[2, 3], &[1, 4], "2 to 3"),
        ] {
            let count: RowCount = text.parse().unwrap();
            assert_eq!(count.to_string(), told);
            assert!(met.iter().all(|rows| count.unmet(*rows).is_none()), "{text}");
            assert!(unmet.iter().all(|rows| count.unmet(*rows).is_some()), "{text}");
        }
        for text in ["", "..", "x", "-1", "3..2", "1...2", "1..x"] {
            assert!(text.parse::<RowCount>().is_err(), "{text}");
        }
    }
}
