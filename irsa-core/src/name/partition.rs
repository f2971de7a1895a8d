//! The AWS partitions: the regions of each, and the DNS suffixes of its services.

use super::Partition;

/// What is fixed for a partition.
struct Facts {
    partition: &'static str,
    /// What the names of its regions begin with.
    region_prefix: &'static str,
    dns_suffix: &'static str,
    dual_stack_dns_suffix: &'static str,
}

/// The partitions with regions of their own prefix; every other region is of the partition `aws`.
///
/// Source: the SDKs' partition table (botocore, `data/partitions.json`: `regionRegex`, `dnsSuffix`, `dualStackDnsSuffix`).
const PARTITIONS: [Facts; 7] = [
    facts("aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    facts("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
    facts("aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    facts("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    facts("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    facts("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    facts("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

const AWS: Facts = facts("aws", "", "amazonaws.com", "api.aws");

const fn facts(
    partition: &'static str,
    region_prefix: &'static str,
    dns_suffix: &'static str,
    dual_stack_dns_suffix: &'static str,
) -> Facts {
    Facts { partition, region_prefix, dns_suffix, dual_stack_dns_suffix }
}

impl Partition {
    /// The partition that a region belongs to, by the prefix of its name.
    pub fn of_region(region: &str) -> Self {
        let found = PARTITIONS.iter().find(|facts| region.starts_with(facts.region_prefix));
        Self::constant(found.unwrap_or(&AWS).partition)
    }

    /// Every partition.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        std::iter::once(&AWS).chain(&PARTITIONS).map(|facts| Self::constant(facts.partition))
    }

    /// The DNS suffix of the partition's services: `amazonaws.com`, `amazonaws.com.cn`, ...
    pub(crate) fn dns_suffix(&self) -> &'static str {
        self.facts().dns_suffix
    }

    /// The DNS suffix of the services' dual-stack endpoints: `api.aws`, `api.amazonwebservices.com.cn`, ...
    pub(crate) fn dual_stack_dns_suffix(&self) -> &'static str {
        self.facts().dual_stack_dns_suffix
    }

    fn facts(&self) -> &'static Facts {
        PARTITIONS.iter().find(|facts| facts.partition == self.as_str()).unwrap_or(&AWS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_partition() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("mx-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of_region(region).as_str(), partition);
        }
    }
}
