//! Subjects: the service accounts that a role lets in, as users write them and as tokens carry them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invalid::{InvalidName, Result};
use super::{ClusterRef, Namespace, ServiceAccountName, ServiceAccountPattern, as_string};
use crate::hint::Hint;

/// What the `sub` claim of every service account begins with (Kubernetes documentation, "Managing Service Accounts").
pub(crate) const SUBJECT_PREFIX: &str = "system:serviceaccount:";

/// The name part of a subject: one service account, or a pattern for several.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectName {
    /// One service account.
    Exact(ServiceAccountName),
    /// Every service account whose name fits, now and later.
    Pattern(ServiceAccountPattern),
}

impl SubjectName {
    /// The name or the pattern.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(name) => name.as_str(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }

    /// Reads a name, or a pattern where it has `*` or `?`.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains(['*', '?']) {
            return ServiceAccountPattern::new(text).map(Self::Pattern);
        }
        ServiceAccountName::new(text).map(Self::Exact)
    }
}

/// A subject of a role, written `[CLUSTER:]NAMESPACE/NAME`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject {
    /// The cluster; nothing means that of the binding.
    pub cluster: Option<ClusterRef>,
    /// The namespace.
    pub namespace: Namespace,
    /// The service account, or the pattern.
    pub name: SubjectName,
}

impl Subject {
    /// One service account on the binding's own cluster.
    pub fn new(namespace: Namespace, name: ServiceAccountName) -> Self {
        Self { cluster: None, namespace, name: SubjectName::Exact(name) }
    }

    /// The `sub` claim of its tokens: `system:serviceaccount:NAMESPACE:NAME`.
    ///
    /// Source: Kubernetes documentation, "Managing Service Accounts".
    pub fn sub(&self) -> String {
        format!("{SUBJECT_PREFIX}{}:{}", self.namespace, self.name.as_str())
    }

    /// The service account, where it is one and not a pattern.
    pub fn service_account(&self) -> Option<&ServiceAccountName> {
        match &self.name {
            SubjectName::Exact(name) => Some(name),
            SubjectName::Pattern(_) => None,
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || InvalidName::new("subject", text, "must have the form [CLUSTER:]NAMESPACE/NAME");
        let (place, name) = text.rsplit_once('/').ok_or_else(malformed)?;
        let (cluster, namespace) = match place.rsplit_once(':') {
            Some((cluster, namespace)) => (Some(cluster.parse()?), namespace),
            None => (None, place),
        };
        let broken = |part: InvalidName| part.part_of("subject", text);
        if namespace.contains(['*', '?']) {
            let error = InvalidName::new("namespace", namespace, "must be one namespace: patterns are for names only");
            return Err(broken(error).with_hint(Hint::NameNamespaces));
        }
        Ok(Self {
            cluster,
            namespace: Namespace::new(namespace).map_err(broken)?,
            name: SubjectName::parse(name).map_err(broken)?,
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cluster) = &self.cluster {
            write!(f, "{cluster}:")?;
        }
        write!(f, "{}/{}", self.namespace, self.name.as_str())
    }
}

as_string!(Subject);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn subjects_are_read_and_written_alike() {
        for text in ["default/a", "demo:ns/a.b", "arn:aws:eks:us-east-1:123456789012:cluster/demo:ns/job-*"] {
            assert_eq!(text.parse::<Subject>().map(|s| s.to_string()).ok().as_deref(), Some(text));
        }
        for bad in ["", "a", "/a", "ns/", "a/b/c", ":ns/a", "ns/A"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_over_namespaces_is_refused_with_a_way_out() {
        for text in ["*/argo", "demo:team-?/argo"] {
            let error = Error::from(text.parse::<Subject>().unwrap_err());
            assert_eq!((error.kind(), error.hint()), (ErrorKind::InvalidInput, Some(&Hint::NameNamespaces)), "{text}");
        }
    }

    #[test]
    fn sub_is_the_claim_of_the_token() {
        let subject: Result<Subject> = "ns/a".parse();
        assert_eq!(subject.map(|s| s.sub()).ok().as_deref(), Some("system:serviceaccount:ns:a"));
    }
}
