//! Where the work is: account and region.

use crate::context::Context;
use std::fmt::{self, Write as _};

/// The account and region that the work is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Region, such as `us-east-2`.
    pub region: String,
    /// Account id, where STS told it.
    pub account: Option<String>,
}

impl Place {
    /// Domain of the AWS console in the region's partition.
    pub fn console_domain(&self) -> &'static str {
        match self.region.split('-').next() {
            Some("cn") => "amazonaws.cn",
            _ if self.region.starts_with("us-gov-") => "amazonaws-us-gov.com",
            _ => "aws.amazon.com",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "account {account}, region {}", self.region),
            None => write!(f, "region {}", self.region),
        }
    }
}

impl Context {
    /// Where the chain of credentials has led to.
    pub fn place(&self) -> Place {
        Place {
            region: self.sdk_config().region().map(ToString::to_string).unwrap_or_default(),
            account: self.identity().account.clone(),
        }
    }
}

/// Everything except the unreserved characters of RFC 3986 becomes `%XX`.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consoles_of_the_partitions() {
        for (region, domain) in [
            ("us-east-2", "aws.amazon.com"),
            ("cn-north-1", "amazonaws.cn"),
            ("us-gov-west-1", "amazonaws-us-gov.com"),
            ("ca-central-1", "aws.amazon.com"),
        ] {
            let place = Place { region: region.to_owned(), account: None };
            assert_eq!(place.console_domain(), domain);
            assert_eq!(place.to_string(), format!("region {region}"));
        }
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encoded("Über a/b~1.x"), "%C3%9Cber%20a%2Fb~1.x");
    }
}
