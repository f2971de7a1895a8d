//! The host names that EKS gives its clusters: API servers and token issuers, in every partition.

use super::{Issuer, Partition, Region};

/// Where a cluster is, as the host name of its API server or of its issuer says.
///
/// A host that only resembles one of EKS, such as `oidc.eks.us-east-1.amazonaws.com.example`, is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EksHost {
    /// The region of the cluster.
    pub region: Region,
    /// The partition of the region.
    pub partition: Partition,
}

impl EksHost {
    /// From the URL of an API server: `https://ID.SHARD.REGION.eks.amazonaws.com`, or
    /// `https://ID.eks-cluster.REGION.api.aws` for an IPv6 cluster, with the DNS suffixes of the region's partition.
    ///
    /// Source: Amazon EKS user guide, "Cluster API server endpoint".
    pub fn of_endpoint(url: &str) -> Option<Self> {
        let host = host_of(url)?;
        Self::parse(&host, |partition, host| {
            let labels = host.strip_suffix(partition.dns_suffix())?.strip_suffix(".eks.")?;
            labels.rsplit_once('.').map(|(_id, region)| region)
        })
        .or_else(|| {
            Self::parse(&host, |partition, host| {
                let labels = host.strip_suffix(partition.dual_stack_dns_suffix())?.strip_suffix('.')?;
                let (cluster, region) = labels.rsplit_once('.')?;
                cluster.strip_suffix(".eks-cluster").map(|_id| region)
            })
        })
    }

    /// From the issuer of a cluster's tokens: `https://oidc.eks.REGION.amazonaws.com/id/...`, or
    /// `https://oidc-eks.REGION.api.aws/id/...` for dual stack, with the DNS suffixes of the region's partition.
    ///
    /// Source: terraform-aws-eks, `dualstack_oidc_issuer_url`; AWS containers roadmap, issue 2038.
    pub fn of_issuer(issuer: &Issuer) -> Option<Self> {
        let host = host_of(issuer.host_path())?;
        Self::parse(&host, |partition, host| {
            host.strip_prefix("oidc.eks.")?.strip_suffix(partition.dns_suffix())?.strip_suffix('.')
        })
        .or_else(|| {
            Self::parse(&host, |partition, host| {
                host.strip_prefix("oidc-eks.")?.strip_suffix(partition.dual_stack_dns_suffix())?.strip_suffix('.')
            })
        })
    }

    /// The URL of the API server that EKS gives an IPv4 cluster of this id.
    pub(crate) fn endpoint(region: &Region, id: &str) -> String {
        format!("https://{id}.gr7.{region}.eks.{}", Partition::of_region(region.as_str()).dns_suffix())
    }

    /// Tries each partition: `region` gives the name of the region, if the host has the form that it has there.
    fn parse<'a>(host: &'a str, region: impl Fn(&Partition, &'a str) -> Option<&'a str>) -> Option<Self> {
        Partition::all().find_map(|partition| {
            let name = region(&partition, host).filter(|name| is_region(name))?;
            let region = Region::new(name).ok()?;
            // The suffix of GovCloud is that of the partition `aws`: only the region tells them apart.
            (Partition::of_region(name) == partition).then_some(Self { region, partition })
        })
    }
}

/// The host of a URL, in lower case, without port; the scheme may be left out.
fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    let host = rest.split(['/', ':']).next()?;
    Some(host.to_ascii_lowercase())
}

/// Whether a label is the name of a region: words and a number.
fn is_region(label: &str) -> bool {
    let mut words = label.split('-').rev();
    let number = words.next().is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
    number && words.clone().count() >= 2 && words.all(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A region of each partition, with its DNS suffixes (botocore, `data/partitions.json`).
    const REGIONS: [(&str, &str, &str, &str); 9] = [
        ("us-east-1", "aws", "amazonaws.com", "api.aws"),
        ("ap-southeast-5", "aws", "amazonaws.com", "api.aws"),
        ("cn-northwest-1", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("us-gov-east-1", "aws-us-gov", "amazonaws.com", "api.aws"),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
        ("us-iso-east-1", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
        ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ];

    fn parts(host: Option<EksHost>) -> Option<(String, String)> {
        host.map(|host| (host.region.to_string(), host.partition.to_string()))
    }

    fn endpoint(url: &str) -> Option<(String, String)> {
        parts(EksHost::of_endpoint(url))
    }

    fn issuer(url: &str) -> Option<(String, String)> {
        parts(EksHost::of_issuer(&url.parse().unwrap()))
    }

    #[test]
    fn every_form_gives_region_and_partition_in_every_partition() {
        for (region, partition, suffix, dual_stack) in REGIONS {
            let expected = Some((region.to_owned(), partition.to_owned()));
            for url in [
                format!("https://0A1B.gr7.{region}.eks.{suffix}"),
                format!("https://0A1B.YL4.{region}.eks.{suffix}:443/"),
                format!("https://0a1b.{region}.EKS.{suffix}/"),
                format!("https://0A1B.eks-cluster.{region}.{dual_stack}"),
                format!("https://0A1B.gr7.eks-cluster.{region}.{dual_stack}/path"),
            ] {
                assert_eq!(endpoint(&url), expected, "{url}");
            }
            for url in [
                format!("https://oidc.eks.{region}.{suffix}/id/0A1B"),
                format!("https://OIDC.eks.{region}.{suffix}/id/0A1B"),
                format!("https://oidc-eks.{region}.{dual_stack}/id/0A1B"),
            ] {
                assert_eq!(issuer(&url), expected, "{url}");
            }
        }
    }

    #[test]
    fn what_is_built_is_recognised() {
        for (region, ..) in REGIONS {
            let region = Region::new(region).unwrap();
            let of_endpoint = EksHost::of_endpoint(&EksHost::endpoint(&region, "0A1B")).unwrap();
            let of_issuer = EksHost::of_issuer(&Issuer::of_eks(&region, "0A1B")).unwrap();
            assert_eq!((&of_endpoint.region, &of_issuer.region), (&region, &region));
            assert_eq!(of_endpoint.partition, Partition::of_region(region.as_str()));
        }
    }

    #[test]
    fn a_host_that_resembles_one_of_eks_is_not_one() {
        for url in [
            "https://127.0.0.1:6443",
            "https://eks.us-east-1.amazonaws.com",
            "https://us-east-1.eks.amazonaws.com",
            "https://a.gr7.us-east-1.eks.amazonaws.com.example",
            "https://a.gr7.us-east-1.eks.amazonaws.com@example.org",
            "https://a.gr7.us-east-1.example/x.eks.amazonaws.com",
            "https://a.gr7.us-east-1.xeks.amazonaws.com",
            "https://a.gr7.cn-north-1.eks.amazonaws.com",
            "https://a.gr7.us-east-1.eks.amazonaws.com.cn",
            "https://eks-cluster.us-east-1.api.aws",
            "https://a.eks.us-east-1.api.aws",
            "https://a.eks-cluster.cn-north-1.api.aws",
            "https://a.eks-cluster.us-east-1.amazonaws.com",
            "https://a.b.eks.amazonaws.com",
            "",
        ] {
            assert_eq!(endpoint(url), None, "{url}");
        }
        for url in [
            "https://oidc.eks.amazonaws.com/id/A",
            "https://oidc.eks.us-east-1.amazonaws.com.example/id/A",
            "https://oidc.eks.us-east-1.example/amazonaws.com",
            "https://oidc.eks.x.us-east-1.amazonaws.com/id/A",
            "https://oidc.eks.us-east-1.api.aws/id/A",
            "https://oidc-eks.us-east-1.amazonaws.com/id/A",
            "https://oidc-eks.cn-north-1.api.aws/id/A",
            "https://my.oidc.eks.us-east-1.amazonaws.com/id/A",
            "https://token.actions.githubusercontent.com",
        ] {
            assert_eq!(issuer(url), None, "{url}");
        }
    }
}
