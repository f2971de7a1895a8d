//! One entry of `iam.serviceAccounts`: what it becomes, and what of it is ignored, as eksctl ignores it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::super::or_default;
use super::super::well_known_policies::WellKnownPolicies;
use crate::binding::{
    AUDIENCE_ANNOTATION, IrsaBinding, IrsaBindingBuilder, MANAGED_BY_LABEL, ROLE_ARN_ANNOTATION,
    STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
use crate::error::{Error, Result};
use crate::name::{InlinePolicyName, RoleArn, TokenExpiration};

/// The name of the inline policy that `attachPolicy` becomes, and what eksctl calls it.
const ATTACHED: (&str, &str) = ("attachPolicy", "Policy1");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    metadata: EntryMetadata,
    #[serde(default, rename = "attachPolicyARNs", deserialize_with = "or_default")]
    attach_policy_arns: Vec<String>,
    attach_policy: Option<Value>,
    #[serde(rename = "attachRoleARN")]
    attach_role_arn: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    well_known_policies: WellKnownPolicies,
    permissions_boundary: Option<String>,
    role_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    role_only: bool,
    #[serde(default, deserialize_with = "or_default")]
    tags: BTreeMap<String, String>,
    subject_pattern: Option<String>,
    /// Written by eksctl; it declares nothing.
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryMetadata {
    name: String,
    namespace: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
}

/// The cluster of a ClusterConfig.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster<'a> {
    pub(super) name: &'a str,
    /// The partition in ARNs of policies.
    pub(super) partition: &'a str,
    /// Tags that eksctl puts on every stack of the cluster, and so on every role.
    pub(super) tags: &'a BTreeMap<String, String>,
}

/// What an entry becomes.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) binding: IrsaBinding,
    pub(super) existing_role: Option<RoleArn>,
    /// Whether CloudFormation chose the name of the role.
    pub(super) made_by_eksctl: bool,
    pub(super) replaced_policies: BTreeMap<String, Option<String>>,
    /// The keys that are ignored, each with what and why.
    pub(super) ignored: Vec<(String, String)>,
}

/// The value of a key; eksctl takes an empty text for none.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Whether a tag is one that only eksctl and CloudFormation write.
fn is_of_eksctl(key: &str) -> bool {
    ["alpha.eksctl.io/", "eksctl.cluster.k8s.io/", "aws:"].iter().any(|prefix| key.starts_with(prefix))
}

impl Entry {
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    fn namespace(&self) -> String {
        given(&self.metadata.namespace).map_or_else(super::super::default_namespace, str::to_owned)
    }

    /// The binding that the entry declares.
    ///
    /// # Errors
    /// `InvalidInput` for what IAM or Kubernetes would refuse, and for `attachRoleARN` beside what a role is made of.
    pub(super) fn mapped(&self, cluster: &Cluster<'_>) -> Result<Mapped> {
        let existing_role = given(&self.attach_role_arn).map(str::parse::<RoleArn>).transpose()?;
        let namespace = self.namespace();
        let builder = IrsaBinding::builder(cluster.name, &namespace, self.name()).with_role_only(self.role_only);
        let mut ignored = Vec::new();
        let mut builder = self.with_metadata(builder, &mut ignored);
        match &existing_role {
            Some(arn) => {
                self.check_alone(arn)?;
                builder = builder.with_role_name(arn.name().as_str()).with_role_path(arn.path().as_str());
                if !self.tags.is_empty() {
                    let what = "tags are ignored: a role that attachRoleARN names is not changed".to_owned();
                    ignored.push(("tags".to_owned(), what));
                }
            }
            None => {
                builder = self.with_role(builder, cluster);
                builder = self.with_tags(builder, cluster, &mut ignored);
                builder = self.with_pattern(builder, &namespace, &mut ignored);
            }
        }
        let replaced_policies = match existing_role {
            Some(_) => BTreeMap::new(),
            None => self.replaced_policies(cluster, &namespace),
        };
        let made_by_eksctl = given(&self.role_name).is_none() && existing_role.is_none();
        Ok(Mapped { binding: builder.build()?, existing_role, made_by_eksctl, replaced_policies, ignored })
    }

    /// As in eksctl, a role that is named by its ARN is somebody else's, and the service account is only annotated with it.
    fn check_alone(&self, arn: &RoleArn) -> Result<()> {
        let further = [
            ("roleName", given(&self.role_name).is_some()),
            ("attachPolicyARNs", !self.attach_policy_arns.is_empty()),
            ("attachPolicy", self.attached_policy().is_some()),
            ("wellKnownPolicies", self.well_known_policies != WellKnownPolicies::default()),
            ("permissionsBoundary", given(&self.permissions_boundary).is_some()),
            ("subjectPattern", given(&self.subject_pattern).is_some()),
        ];
        match further.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Error::invalid("attachRoleARN", arn.to_string(), format!("contradicts {key}"))),
            None => Ok(()),
        }
    }

    /// The document of `attachPolicy`; eksctl takes an empty one for none.
    fn attached_policy(&self) -> Option<&Value> {
        self.attach_policy.as_ref().filter(|document| document.as_object().is_none_or(|object| !object.is_empty()))
    }

    fn with_role(&self, mut builder: IrsaBindingBuilder, cluster: &Cluster<'_>) -> IrsaBindingBuilder {
        if let Some(role) = given(&self.role_name) {
            builder = builder.with_role_name(role);
        }
        if let Some(boundary) = given(&self.permissions_boundary) {
            builder = builder.with_permissions_boundary(boundary);
        }
        for policy in &self.attach_policy_arns {
            builder = builder.with_policy(policy);
        }
        for policy in self.well_known_policies.managed() {
            builder = builder.with_policy(policy);
        }
        for (name, document) in self.well_known_policies.inline(cluster.partition) {
            builder = builder.with_inline_document(name, document);
        }
        match self.attached_policy() {
            Some(document) => builder.with_inline_document(ATTACHED.0, document.clone()),
            None => builder,
        }
    }

    /// The tags of the entry, and those of the cluster that it does not set itself. IAM compares keys without regard to case.
    fn with_tags(
        &self,
        mut builder: IrsaBindingBuilder,
        cluster: &Cluster<'_>,
        ignored: &mut Vec<(String, String)>,
    ) -> IrsaBindingBuilder {
        for (key, value) in &self.tags {
            if is_of_eksctl(key) {
                ignored.push((key.clone(), format!("tag {key} is written by eksctl and CloudFormation only")));
            } else {
                builder = builder.with_tag(key, value);
            }
        }
        let own = |key: &str| self.tags.keys().any(|known| known.eq_ignore_ascii_case(key));
        for (key, value) in cluster.tags.iter().filter(|(key, _)| !is_of_eksctl(key) && !own(key)) {
            builder = builder.with_tag(key, value);
        }
        builder
    }

    fn with_pattern(
        &self,
        builder: IrsaBindingBuilder,
        namespace: &str,
        ignored: &mut Vec<(String, String)>,
    ) -> IrsaBindingBuilder {
        let Some(pattern) = given(&self.subject_pattern).filter(|pattern| *pattern != self.name()) else {
            return builder;
        };
        let what = format!("besides subjectPattern, the service account {namespace}/{} itself is trusted", self.name());
        ignored.push(("subjectPattern".to_owned(), what));
        // Whatever the pattern covers, eksctl creates only the service account of the entry.
        builder.with_trust_only_subject(format!("{namespace}/{pattern}"))
    }

    /// Labels and annotations; those that are settings of the webhook become settings of the binding.
    fn with_metadata(
        &self,
        mut builder: IrsaBindingBuilder,
        ignored: &mut Vec<(String, String)>,
    ) -> IrsaBindingBuilder {
        let EntryMetadata { labels, annotations, .. } = &self.metadata;
        if self.role_only {
            for (key, map) in [("labels", labels), ("annotations", annotations)] {
                if !map.is_empty() {
                    let what = format!("{key} are ignored: with roleOnly the service account is not touched");
                    ignored.push((key.to_owned(), what));
                }
            }
            return builder;
        }
        for (key, value) in labels {
            if key == MANAGED_BY_LABEL {
                let what = format!("label {key} is ignored: it belongs to the tool that deploys the service account");
                ignored.push((key.clone(), what));
            } else {
                builder = builder.with_label(key, value);
            }
        }
        for (key, value) in annotations {
            builder = match with_annotation(builder.clone(), key, value) {
                Ok(with) => with,
                Err(why) => {
                    ignored.push((key.clone(), format!("annotation {key} is ignored: {why}")));
                    builder
                }
            };
        }
        builder
    }

    /// The inline policies that eksctl wrote for this entry, if it made the role (eksctl,
    /// `makeIAMServiceAccountStackName`; the stack's name begins the name of each).
    fn replaced_policies(&self, cluster: &Cluster<'_>, namespace: &str) -> BTreeMap<String, Option<String>> {
        let stack = format!("eksctl-{}-addon-iamserviceaccount-{namespace}-{}", cluster.name, self.name());
        let attached = self.attached_policy().map(|_| (ATTACHED.1, Some(ATTACHED.0)));
        let names = self.well_known_policies.of_eksctl().chain(attached);
        let names = names.map(|(name, by)| (format!("{stack}-{name}"), by.map(str::to_owned)));
        // CloudFormation could not create one with a longer name.
        names.filter(|(name, _)| InlinePolicyName::new(name.clone()).is_ok()).collect()
    }
}

/// An annotation, or the setting that it stands for; an error tells why it is ignored.
fn with_annotation(builder: IrsaBindingBuilder, key: &str, value: &str) -> Result<IrsaBindingBuilder, String> {
    match key {
        ROLE_ARN_ANNOTATION => Err("it is always the ARN of the role".to_owned()),
        AUDIENCE_ANNOTATION => Ok(builder.with_audience(value)),
        // As Go's `strconv.ParseBool` reads it in the webhook.
        STS_REGIONAL_ENDPOINTS_ANNOTATION => match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(builder.with_sts_regional_endpoints(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(builder.with_sts_regional_endpoints(false)),
            _ => Err(format!("{value:?} is neither true nor false")),
        },
        TOKEN_EXPIRATION_ANNOTATION => {
            let seconds = value.parse::<u32>().ok().filter(|seconds| TokenExpiration::new(*seconds).is_ok());
            let seconds = seconds.ok_or_else(|| format!("{value:?} is not 600 to 86400 seconds"))?;
            Ok(builder.with_token_expiration(seconds))
        }
        _ => Ok(builder.with_annotation(key, value)),
    }
}
