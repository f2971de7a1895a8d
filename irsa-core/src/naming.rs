//! The conventions by which the role of a binding is named: irsa's own, and the one of gen3's script `iam-serviceaccount`
//! (uc-cdis/cloud-automation), whose roles and policies are known again by the names that it gave.

use crate::cluster_identity::ClusterIdentity;
use crate::name::{ClusterName, InlinePolicyName, Namespace, RoleName, ServiceAccountName};
use crate::ownership::hash;

/// The longest name of a role (IAM API reference, `CreateRole`).
const MAX_LENGTH: usize = 64;
/// So many characters the script left of a longer name.
const LEFT_BY_SCRIPT: usize = 63;
/// The digits of the hash at the end of a name that was cut.
const HASH: usize = 8;
/// So many characters of a default name are never replaced by a hash.
pub(crate) const KEPT_OF_NAME: usize = MAX_LENGTH - HASH - 1;

/// How the role of a binding is named where no name is given, and what else is known as the binding's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Convention {
    /// `<cluster>-<namespace>-<service account>`.
    #[default]
    Irsa,
    /// That of gen3's script: `<environment>-<service account>-role`.
    ///
    /// A role that the script made for this very service account is taken over as one that irsa made: it has no tag, the
    /// path `/`, and just the trust policy that the script wrote. So are the copies of an inline policy that the script
    /// made under names that end in the seconds since 1970: they go with the policy, and those that mean the same are
    /// replaced by it.
    Gen3 {
        /// The environment (`vpc_name`), which need not have the name of the cluster.
        environment: ClusterName,
    },
}

/// What the default name of a role is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming<'a> {
    pub(crate) convention: &'a Convention,
    pub(crate) cluster: Option<&'a ClusterName>,
    pub(crate) namespace: &'a Namespace,
    pub(crate) service_account: &'a ServiceAccountName,
}

impl Naming<'_> {
    /// The name in full, however long; nothing where the cluster has no name but it is needed.
    fn whole(&self) -> Option<String> {
        let (namespace, name) = (self.namespace, self.service_account);
        Some(match self.convention {
            Convention::Irsa => format!("{}-{namespace}-{name}", self.cluster?),
            Convention::Gen3 { environment } => format!("{environment}-{name}-role"),
        })
    }

    /// The default name, where it needs no cutting.
    pub(crate) fn short(&self) -> Option<RoleName> {
        RoleName::new(self.whole()?).ok()
    }

    /// The default name; over 64 characters it is cut and ends in a hash, always the same one.
    ///
    /// Nothing where the cluster has no name: then the name of the role must be given.
    pub(crate) fn default(&self, identity: &ClusterIdentity) -> Option<RoleName> {
        let whole = self.whole()?;
        if let Some(short) = self.short() {
            return Some(short);
        }
        let hash = hash(&format!("{}/{}/{}", identity.cluster, self.namespace, self.service_account), HASH);
        let head: String = whole.chars().take(KEPT_OF_NAME).collect();
        RoleName::new(format!("{head}-{hash}")).ok()
    }

    /// The name that gen3's script gave the role, where that is another than the default name: it cut long ones.
    pub(crate) fn by_script(&self) -> Option<RoleName> {
        if *self.convention == Convention::Irsa || self.short().is_some() {
            return None;
        }
        RoleName::new(self.whole()?.chars().take(LEFT_BY_SCRIPT).collect::<String>()).ok()
    }
}

impl Convention {
    /// Whether an inline policy is a copy that gen3's script made of the file whose policy has the name `of`: the script
    /// took the name of the file up to its first dot, and appended `-` and the ten digits of the time.
    pub(crate) fn is_copy(&self, policy: &InlinePolicyName, of: &str) -> bool {
        let stem = of.split('.').next().unwrap_or_default();
        let time = policy.as_str().strip_prefix(stem).and_then(|rest| rest.strip_prefix('-'));
        *self != Self::Irsa && time.is_some_and(|time| time.len() == 10 && time.chars().all(|c| c.is_ascii_digit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(cluster: &str) -> ClusterIdentity {
        let reference = format!("arn:aws:eks:us-east-1:123456789012:cluster/{cluster}").parse().unwrap();
        let issuer = "https://issuer.example/id/A".parse().unwrap();
        ClusterIdentity::given(&reference, issuer, "123456789012".parse().unwrap(), "aws".parse().unwrap(), None)
    }

    fn gen3(environment: &str) -> Convention {
        Convention::Gen3 { environment: environment.parse().unwrap() }
    }

    fn names(convention: &Convention, cluster: Option<&str>, name: &str) -> (Option<String>, Option<String>) {
        let cluster = cluster.map(|cluster| ClusterName::new(cluster).unwrap());
        let (namespace, name) = ("default".parse().unwrap(), ServiceAccountName::new(name).unwrap());
        let naming = Naming { convention, cluster: cluster.as_ref(), namespace: &namespace, service_account: &name };
        let identity = identity(cluster.as_ref().map_or("none", ClusterName::as_str));
        (naming.default(&identity).map(String::from), naming.by_script().map(String::from))
    }

    #[test]
    fn long_names_are_cut_with_a_hash_over_the_whole() {
        let of = |cluster: &str, name: &str| names(&Convention::Irsa, Some(cluster), name).0.unwrap();
        assert_eq!(of("demo", "a"), "demo-default-a");
        let long = "x".repeat(80);
        assert_eq!(of("demo", &long).len(), 64);
        assert_eq!(of("demo", &long), of("demo", &long));
        assert_ne!(of("demo", &long), of("other", &long));
        assert_ne!(of("demo", &long), of("demo", &format!("{long}y")));
        assert_eq!(names(&Convention::Irsa, None, "a"), (None, None));
    }

    #[test]
    fn gen3_names_a_role_by_environment_and_account() {
        let of = |name: &str| names(&gen3("qaplanx"), Some("demo"), name);
        assert_eq!(of("my-sa"), (Some("qaplanx-my-sa-role".to_owned()), None));
        // 64 characters are a name; 65 were cut to 63.
        let fits = "x".repeat(64 - "qaplanx--role".len());
        assert_eq!(of(&fits), (Some(format!("qaplanx-{fits}-role")), None));
        let (default, by_script) = of(&format!("{fits}y"));
        assert_eq!(by_script.unwrap(), format!("qaplanx-{fits}y-ro"));
        let default = default.unwrap();
        assert!(default.len() == 64 && default.starts_with("qaplanx-xxx") && !default.contains("-ro"), "{default}");
        // No cluster is needed for a name.
        assert_eq!(names(&gen3("e"), None, "a").0.as_deref(), Some("e-a-role"));
    }

    #[test]
    fn copies_are_told_by_the_name_of_the_file_and_the_time() {
        let copy = |policy: &str, of: &str| gen3("e").is_copy(&policy.parse().unwrap(), of);
        assert!(copy("pol-1795000000", "pol") && copy("pol-1795000000", "pol.v2"));
        for (policy, of) in [
            ("pol", "pol"),
            ("pol-179500000", "pol"),
            ("pol-17950000000", "pol"),
            ("pol-17950x0000", "pol"),
            ("pol2-1795000000", "pol"),
            ("pol-a-1795000000", "pol"),
        ] {
            assert!(!copy(policy, of), "{policy} of {of}");
        }
        assert!(!Convention::Irsa.is_copy(&"pol-1795000000".parse().unwrap(), "pol"));
    }
}
