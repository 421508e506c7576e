//! Which domain a region's endpoints are in, as botocore's `partitions.json` has it.

/// A partition of AWS, by the beginning of its regions' names.
struct Partition {
    prefix: &'static str,
    /// Domain of endpoints.
    domain: &'static str,
    /// Domain of endpoints that also speak IPv6.
    dual_stack: &'static str,
}

/// The first that fits is meant; the last fits all.
const PARTITIONS: [Partition; 7] = [
    Partition { prefix: "cn-", domain: "amazonaws.com.cn", dual_stack: "api.amazonwebservices.com.cn" },
    Partition { prefix: "eusc-", domain: "amazonaws.eu", dual_stack: "api.amazonwebservices.eu" },
    Partition { prefix: "us-iso-", domain: "c2s.ic.gov", dual_stack: "api.aws.ic.gov" },
    Partition { prefix: "us-isob-", domain: "sc2s.sgov.gov", dual_stack: "api.aws.scloud" },
    Partition { prefix: "eu-isoe-", domain: "cloud.adc-e.uk", dual_stack: "api.cloud-aws.adc-e.uk" },
    Partition { prefix: "us-isof-", domain: "csp.hci.ic.gov", dual_stack: "api.aws.hci.ic.gov" },
    Partition { prefix: "", domain: "amazonaws.com", dual_stack: "api.aws" },
];

/// Domain of a region's endpoints, and of those that also speak IPv6.
pub fn domains(region: &str) -> (&'static str, &'static str) {
    let partition = PARTITIONS.iter().find(|partition| region.starts_with(partition.prefix));
    partition.map_or(("amazonaws.com", "api.aws"), |partition| (partition.domain, partition.dual_stack))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_regions() {
        for (region, expected) in [
            ("us-east-2", ("amazonaws.com", "api.aws")),
            ("us-gov-west-1", ("amazonaws.com", "api.aws")),
            ("cn-north-1", ("amazonaws.com.cn", "api.amazonwebservices.com.cn")),
            ("eusc-de-east-1", ("amazonaws.eu", "api.amazonwebservices.eu")),
            ("us-iso-east-1", ("c2s.ic.gov", "api.aws.ic.gov")),
            ("us-isob-east-1", ("sc2s.sgov.gov", "api.aws.scloud")),
            ("eu-isoe-west-1", ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk")),
            ("us-isof-south-1", ("csp.hci.ic.gov", "api.aws.hci.ic.gov")),
            ("", ("amazonaws.com", "api.aws")),
        ] {
            assert_eq!(domains(region), expected, "{region}");
        }
    }
}
