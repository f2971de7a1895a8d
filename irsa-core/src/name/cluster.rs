//! What names a cluster: its name, its ARN, or the issuer of its tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invalid::{InvalidName, Result};
use super::{Partition, as_string, checked_string, text_of};

checked_string! {
    /// The name of an EKS cluster: 1 to 100 characters of `A-Z a-z 0-9 _ -`, the first a letter or digit.
    ///
    /// Source: EKS API reference, `CreateCluster`, `name`.
    ClusterName, "cluster name", cluster_name
}

checked_string! {
    /// An AWS region, such as `us-east-1`.
    ///
    /// Source: AWS General Reference, "Regions".
    Region, "region", region
}

fn cluster_name(text: &str) -> Result<(), String> {
    let rule = "must be 1 to 100 characters of A-Z a-z 0-9 _ -, the first a letter or digit";
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(rule.to_owned());
    }
    text_of(text, 1..=100, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-', rule)
}

fn region(text: &str) -> Result<(), String> {
    let rule = "must be the name of a region, such as us-east-1";
    text_of(text, 3..=32, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-', rule)
}

/// The issuer of a cluster's tokens: an `https` URL without port, query or fragment, at most 255 characters.
///
/// Source: IAM API reference, `CreateOpenIDConnectProvider`, `Url`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer {
    host_path: String,
}

impl Issuer {
    /// An issuer from its URL without the scheme, as it stands in ARNs and condition keys.
    ///
    /// # Errors
    /// `InvalidInput` when it is no such URL.
    pub fn from_host_path(host_path: &str) -> Result<Self> {
        format!("https://{host_path}").parse()
    }

    /// The issuer that EKS gives a cluster of this id, 32 hexadecimal digits, in a region.
    pub(crate) fn of_eks(region: &Region, id: &str) -> Self {
        let suffix = Partition::of_region(region.as_str()).dns_suffix();
        Self { host_path: format!("oidc.eks.{region}.{suffix}/id/{id}") }
    }

    /// The URL without its scheme: the form used in provider ARNs and condition keys.
    pub fn host_path(&self) -> &str {
        &self.host_path
    }

    /// The URL, as it stands in the `iss` claim of a token.
    pub fn url(&self) -> String {
        format!("https://{}", self.host_path)
    }
}

impl FromStr for Issuer {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |rule: &str| Err(InvalidName::new("issuer", text, rule));
        let Some(host_path) = text.strip_prefix("https://") else {
            return refuse("must be a URL that begins with https://");
        };
        if text.len() > 255 {
            return refuse("must have at most 255 characters");
        }
        let (host, path) = host_path.split_once('/').unwrap_or((host_path, ""));
        let host_ok = !host.is_empty()
            && !host.starts_with('.')
            && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
        if !host_ok {
            return refuse("must name a host, without port or user");
        }
        if !path.chars().all(|c| c.is_ascii_graphic() && !"?#\"<>\\^`{}|*".contains(c)) {
            return refuse("must have no query, no fragment and no white space");
        }
        Ok(Self { host_path: host_path.to_owned() })
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host_path)
    }
}

as_string!(Issuer);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn issuers_are_https_urls_without_port() {
        let issuer: Result<Issuer> = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC".parse();
        assert_eq!(
            issuer.map(|i| i.host_path().to_owned()).ok().as_deref(),
            Some("oidc.eks.us-east-1.amazonaws.com/id/ABC")
        );
        for bad in [
            "",
            "http://a",
            "https://",
            "https://a:443/x",
            "https://u@a/",
            "https://a/?q",
            "https://a/#f",
            "https://a/ b",
            "None",
        ] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = text.parse::<Issuer>();
        }
    }
}
