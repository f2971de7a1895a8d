//! What is wanted: one role, its subjects, its policies and its settings.

mod annotations;
mod builder;
mod checks;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(crate) use self::annotations::MANAGED_BY_LABEL;
pub use self::annotations::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, OWN_PREFIX, ROLE_ARN_ANNOTATION, STS_REGIONAL_ENDPOINTS_ANNOTATION,
    TOKEN_EXPIRATION_ANNOTATION,
};
pub use self::builder::IrsaBindingBuilder;
pub(crate) use self::checks::{INLINE_QUOTA, MAX_TAGS, check_documents, check_policy_place, check_together};
use crate::document::PolicyDocument;
use crate::name::{
    AnnotationKey, Audience, ClusterRef, Description, InlinePolicyName, LabelKey, LabelValue, Namespace, PolicyArn,
    PolicyRef, RoleName, RolePath, ServiceAccountName, SessionDuration, Subject, TagKey, TagValue, TokenExpiration,
};
use crate::naming::{Convention, Naming};

/// One role together with its subjects, its policies and its settings.
///
/// Made by [`IrsaBinding::builder`]; a value of this type has passed every check that needs no call. A setting that is
/// not named (`None`, or not in a map) is left as it is on what exists already.
///
/// ```
/// use irsa_core::IrsaBinding;
/// let binding = IrsaBinding::builder("demo", "default", "my-serviceaccount")
///     .with_policy("AmazonS3ReadOnlyAccess")
///     .build()?;
/// assert_eq!(binding.to_string(), "default/my-serviceaccount");
/// # Ok::<(), irsa_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IrsaBinding {
    /// The cluster of the first subject and of every subject that names none.
    pub cluster: ClusterRef,
    /// The namespace of the first subject.
    pub namespace: Namespace,
    /// The service account that is the first subject.
    pub service_account: ServiceAccountName,
    /// The name of the role; by default the one that the convention gives.
    pub role_name: Option<RoleName>,
    /// How the role is named where no name is given.
    pub convention: Convention,
    /// The path of the role, used when it is made; by default `/`.
    pub role_path: Option<RolePath>,
    /// The description of the role.
    pub description: Option<Description>,
    /// The longest session of the role.
    pub max_session_duration: Option<SessionDuration>,
    /// The permissions boundary.
    pub permissions_boundary: Option<PolicyArn>,
    /// Tags of the role, besides those of irsa.
    pub tags: BTreeMap<TagKey, TagValue>,
    /// Managed policies.
    pub policies: BTreeSet<PolicyRef>,
    /// Inline policies by name.
    pub inline_policies: BTreeMap<InlinePolicyName, PolicyDocument>,
    /// Further subjects.
    pub subjects: BTreeSet<Subject>,
    /// Those of the subjects whose service account is left alone: they are only let in by the trust policy.
    pub trust_only: BTreeSet<Subject>,
    /// Further statements of the trust policy, for example for EC2; each passed IAM's grammar.
    pub trust_statements: Vec<Value>,
    /// The audience of the token; by default `sts.amazonaws.com`.
    pub audience: Option<Audience>,
    /// The lifetime of the projected token.
    pub token_expiration: Option<TokenExpiration>,
    /// Whether pods use the STS endpoint of their region.
    pub sts_regional_endpoints: Option<bool>,
    /// `automountServiceAccountToken` of the service accounts: whether pods get a token for the Kubernetes API that they do not
    /// ask for themselves. The token for AWS is mounted either way.
    pub automount_token: Option<bool>,
    /// Labels of the service accounts.
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// Annotations of the service accounts, besides those of IRSA.
    pub annotations: BTreeMap<AnnotationKey, String>,
    /// Whether only the role is made and no service account is touched.
    pub role_only: bool,
    /// Whether policies and subjects that are not declared here are taken away.
    pub exact: bool,
}

impl IrsaBinding {
    /// Begins a binding of the service account `namespace`/`name` of a cluster (a name, an ARN, or an issuer URL).
    pub fn builder(
        cluster: impl Into<String>,
        namespace: impl Into<String>,
        service_account: impl Into<String>,
    ) -> IrsaBindingBuilder {
        IrsaBindingBuilder::new(cluster.into(), namespace.into(), service_account.into())
    }

    /// The first subject, with its cluster.
    pub fn first_subject(&self) -> Subject {
        let mut subject = Subject::new(self.namespace.clone(), self.service_account.clone());
        subject.cluster = Some(self.cluster.clone());
        subject
    }

    /// All subjects, the first one first, each with its cluster.
    pub fn all_subjects(&self) -> Vec<Subject> {
        let first = self.first_subject();
        let further = self.subjects.iter().map(|subject| self.placed(subject)).filter(|subject| *subject != first);
        std::iter::once(first.clone()).chain(further).collect()
    }

    /// Whether a subject gets an account and an annotation: patterns and trust-only subjects do not.
    pub fn has_account(&self, subject: &Subject) -> bool {
        let subject = self.placed(subject);
        !self.role_only
            && subject.service_account().is_some()
            && !self.trust_only.iter().any(|only| self.placed(only) == subject)
    }

    /// Every cluster that a subject lives on, that of the binding first.
    pub fn clusters(&self) -> Vec<ClusterRef> {
        let mut clusters = vec![self.cluster.clone()];
        for subject in &self.subjects {
            let cluster = subject.cluster.as_ref().unwrap_or(&self.cluster);
            if !clusters.contains(cluster) {
                clusters.push(cluster.clone());
            }
        }
        clusters
    }

    /// What the default name of its role is made of.
    pub(crate) fn naming(&self) -> Naming<'_> {
        Naming {
            convention: &self.convention,
            cluster: self.cluster.name(),
            namespace: &self.namespace,
            service_account: &self.service_account,
        }
    }

    /// The subject with the cluster that it lives on.
    pub(crate) fn placed(&self, subject: &Subject) -> Subject {
        let mut placed = subject.clone();
        placed.cluster.get_or_insert_with(|| self.cluster.clone());
        placed
    }
}

impl std::fmt::Display for IrsaBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service_account)
    }
}
