//! How a user names a cluster: by name, ARN or issuer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invalid::{InvalidName, Result};
use super::{ClusterArn, ClusterName, Issuer, as_string};

/// What a user names a cluster by.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClusterRef {
    /// By name: an EKS cluster in the region of the identity back end.
    Name(ClusterName),
    /// By ARN: an EKS cluster in any region.
    Arn(ClusterArn),
    /// By issuer: a cluster that EKS is not asked about, such as a self-hosted one.
    Issuer(Issuer),
}

impl ClusterRef {
    /// The name of the cluster, where it has one.
    pub fn name(&self) -> Option<&ClusterName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Arn(arn) => Some(arn.name()),
            Self::Issuer(_) => None,
        }
    }

    /// Whether the two can refer to the same cluster, judged without a call: a name and the ARN of a cluster of that name can.
    pub fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(_), _) | (_, Self::Name(_)) => self.name() == other.name(),
            _ => self == other,
        }
    }
}

impl FromStr for ClusterRef {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("arn:") {
            return Ok(Self::Arn(text.parse()?));
        }
        if text.contains("://") {
            return Ok(Self::Issuer(text.parse()?));
        }
        Ok(Self::Name(ClusterName::new(text)?))
    }
}

impl fmt::Display for ClusterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Arn(arn) => arn.fmt(f),
            Self::Issuer(issuer) => issuer.fmt(f),
        }
    }
}

as_string!(ClusterRef);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cluster_is_named_in_three_ways() {
        assert!(matches!("demo".parse(), Ok(ClusterRef::Name(_))));
        assert!(matches!("arn:aws:eks:us-east-1:123456789012:cluster/demo".parse(), Ok(ClusterRef::Arn(_))));
        assert!(matches!("https://issuer.example/x".parse(), Ok(ClusterRef::Issuer(_))));
        assert!("-demo".parse::<ClusterRef>().is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = text.parse::<ClusterRef>();
        }
    }
}
