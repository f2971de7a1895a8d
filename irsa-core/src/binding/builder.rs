//! The builder of a binding: takes text, checks everything at once in `build()`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::IrsaBinding;
use super::checks::{
    DocumentInput, annotations, check_arns, check_role_only, inline_policies, labels, subjects, tags, trust_statements,
};
use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::name::{
    Audience, ClusterRef, Description, Namespace, PolicyArn, RoleName, RolePath, ServiceAccountName, SessionDuration,
    TokenExpiration,
};
use crate::naming::Convention;

/// Collects the wishes for a binding; [`build`](Self::build) checks them.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct IrsaBindingBuilder {
    cluster: String,
    namespace: String,
    service_account: String,
    role_name: Option<String>,
    convention: Convention,
    role_path: Option<String>,
    description: Option<String>,
    max_session_duration: Option<u32>,
    permissions_boundary: Option<String>,
    tags: Vec<(String, String)>,
    policies: Vec<String>,
    inline_policies: Vec<(String, DocumentInput)>,
    subjects: Vec<(String, bool)>,
    trust_statements: Vec<DocumentInput>,
    audience: Option<String>,
    token_expiration: Option<u32>,
    sts_regional_endpoints: Option<bool>,
    automount_token: Option<bool>,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    role_only: bool,
    exact: bool,
}

impl IrsaBindingBuilder {
    pub(super) fn new(cluster: String, namespace: String, service_account: String) -> Self {
        Self { cluster, namespace, service_account, ..Self::default() }
    }

    /// The name of the role, 1 to 64 characters. By default the one that the convention gives.
    pub fn with_role_name(mut self, name: impl Into<String>) -> Self {
        self.role_name = Some(name.into());
        self
    }

    /// How the role is named where no name is given; by default `<cluster>-<namespace>-<service account>`.
    pub fn with_convention(mut self, convention: Convention) -> Self {
        self.convention = convention;
        self
    }

    /// The path that a new role is made in, such as `/gen3_service/`.
    pub fn with_role_path(mut self, path: impl Into<String>) -> Self {
        self.role_path = Some(path.into());
        self
    }

    /// The description of the role, at most 1000 characters.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The longest session of the role, 3600 to 43200 seconds.
    pub fn with_max_session_duration(mut self, seconds: u32) -> Self {
        self.max_session_duration = Some(seconds);
        self
    }

    /// The ARN of the managed policy that bounds the role's permissions.
    pub fn with_permissions_boundary(mut self, arn: impl Into<String>) -> Self {
        self.permissions_boundary = Some(arn.into());
        self
    }

    /// A tag of the role.
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// A managed policy: an ARN, or a name with or without its path.
    pub fn with_policy(mut self, policy: impl Into<String>) -> Self {
        self.policies.push(policy.into());
        self
    }

    /// An inline policy as JSON text; errors give line and column.
    pub fn with_inline_policy(mut self, name: impl Into<String>, json: impl Into<String>) -> Self {
        self.inline_policies.push((name.into(), DocumentInput::Text(json.into())));
        self
    }

    /// An inline policy that is parsed already.
    pub fn with_inline_document(mut self, name: impl Into<String>, document: Value) -> Self {
        self.inline_policies.push((name.into(), DocumentInput::Parsed(document)));
        self
    }

    /// A further subject, `[CLUSTER:]NAMESPACE/NAME`; with `*` or `?` in the name it is a pattern and trust-only.
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subjects.push((subject.into(), false));
        self
    }

    /// A further subject that is let in by the trust policy, but whose service account is left alone.
    pub fn with_trust_only_subject(mut self, subject: impl Into<String>) -> Self {
        self.subjects.push((subject.into(), true));
        self
    }

    /// A further statement of the trust policy as JSON text, for example for EC2; or a whole trust policy, each statement of
    /// which is one, in any form that [`roles_of_text`](crate::trust::roles_of_text) reads.
    pub fn with_trust_statement(mut self, json: impl Into<String>) -> Self {
        self.trust_statements.push(DocumentInput::Text(json.into()));
        self
    }

    /// The same, parsed already.
    pub fn with_trust_statement_value(mut self, statement: Value) -> Self {
        self.trust_statements.push(DocumentInput::Parsed(statement));
        self
    }

    /// The audience of the token; by default `sts.amazonaws.com`, in every partition.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The lifetime of the projected token, 600 to 86400 seconds.
    pub fn with_token_expiration(mut self, seconds: u32) -> Self {
        self.token_expiration = Some(seconds);
        self
    }

    /// Whether pods use the STS endpoint of their region.
    pub fn with_sts_regional_endpoints(mut self, regional: bool) -> Self {
        self.sts_regional_endpoints = Some(regional);
        self
    }

    /// `automountServiceAccountToken` of the service accounts: whether pods get a token for the Kubernetes API that they do not
    /// ask for themselves. By default it is not set, which Kubernetes takes for true.
    pub fn with_automount_token(mut self, automount: bool) -> Self {
        self.automount_token = Some(automount);
        self
    }

    /// A label of the service accounts.
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// An annotation of the service accounts.
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.push((key.into(), value.into()));
        self
    }

    /// Makes only the role: no service account is touched, no API server is needed.
    pub fn with_role_only(mut self, role_only: bool) -> Self {
        self.role_only = role_only;
        self
    }

    /// Makes policies and subjects equal to what is declared, taking others away.
    pub fn with_exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// Checks everything that needs no call.
    ///
    /// # Errors
    /// `InvalidInput`, naming the field, the value and the rule, for what IAM, EKS or Kubernetes would refuse and for
    /// wishes that contradict each other.
    pub fn build(self) -> Result<IrsaBinding> {
        let cluster: ClusterRef = self.cluster.parse()?;
        let namespace = Namespace::new(self.namespace)?;
        let service_account = ServiceAccountName::new(self.service_account)?;
        let role_name = self.role_name.map(RoleName::new).transpose()?;
        if role_name.is_none() && cluster.name().is_none() && self.convention == Convention::Irsa {
            return Err(Error::invalid("role name", "", "must be given where the cluster is named by its issuer")
                .with_hint(Hint::NameRoleOrCluster));
        }
        let permissions_boundary: Option<PolicyArn> = self.permissions_boundary.map(|arn| arn.parse()).transpose()?;
        let policies =
            self.policies.iter().map(|policy| policy.parse()).collect::<std::result::Result<BTreeSet<_>, _>>()?;
        let (subjects, trust_only) = subjects(&self.subjects)?;
        let binding = IrsaBinding {
            cluster,
            namespace,
            service_account,
            role_name,
            convention: self.convention,
            role_path: self.role_path.map(RolePath::new).transpose()?,
            description: self.description.map(Description::new).transpose()?,
            max_session_duration: self.max_session_duration.map(SessionDuration::new).transpose()?,
            permissions_boundary,
            tags: tags(self.tags)?,
            policies,
            inline_policies: inline_policies(self.inline_policies)?,
            subjects,
            trust_only,
            trust_statements: trust_statements(self.trust_statements)?,
            audience: self.audience.map(Audience::new).transpose()?,
            token_expiration: self.token_expiration.map(TokenExpiration::new).transpose()?,
            sts_regional_endpoints: self.sts_regional_endpoints,
            automount_token: self.automount_token,
            labels: labels(self.labels)?,
            annotations: annotations(self.annotations)?,
            role_only: self.role_only,
            exact: self.exact,
        };
        check_arns(&binding)?;
        check_role_only(&binding)?;
        Ok(binding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::ROLE_ARN_ANNOTATION;
    use crate::name::Subject;
    use serde_json::json;

    fn builder() -> IrsaBindingBuilder {
        IrsaBinding::builder("demo", "default", "sa")
    }

    fn refusal(builder: IrsaBindingBuilder) -> String {
        match builder.build() {
            Ok(_) => String::new(),
            Err(error) => format!("{error} {}", error.causes().join(" ")),
        }
    }

    #[test]
    fn every_bad_field_is_named() {
        let arn = "arn:aws:eks:us-east-1:123456789012:cluster/demo";
        for (builder, words) in [
            (IrsaBinding::builder("-", "default", "sa"), ["cluster name", "\"-\""]),
            (IrsaBinding::builder("demo", "De", "sa"), ["namespace", "\"De\""]),
            (IrsaBinding::builder("demo", "default", "My_SA"), ["service account name", "My_SA"]),
            (IrsaBinding::builder("https://issuer.example", "default", "sa"), ["role name", "issuer"]),
            (builder().with_role_name("a b"), ["role name", "a b"]),
            (builder().with_role_path("x"), ["role path", "\"x\""]),
            (builder().with_description("\u{7f}"), ["description", "Latin-1"]),
            (builder().with_max_session_duration(60), ["max session duration", "3600"]),
            (builder().with_permissions_boundary("arn:aws:iam::123456789012:role/x"), ["policy ARN", "ARN of a role"]),
            (builder().with_tag("aws:x", "y"), ["tag key", "aws:"]),
            (builder().with_tag("k", "1").with_tag("k", "2"), ["tag key", "twice"]),
            (builder().with_tag("k", "1").with_tag("K", "1"), ["tag key", "case"]),
            (builder().with_tag("irsa.gen3.org/owner", "x"), ["tag key", "irsa itself"]),
            (builder().with_policy("a b"), ["policy", "a b"]),
            (builder().with_inline_policy("p", "{"), ["inline policy p", "line 1, column 1"]),
            (builder().with_subject("x"), ["subject", "NAMESPACE/NAME"]),
            (builder().with_trust_statement("{}"), ["trust statement", "Effect"]),
            (builder().with_audience(""), ["audience", "255"]),
            (builder().with_token_expiration(1), ["token expiration", "600"]),
            (builder().with_label("a", "b c"), ["label value", "b c"]),
            (builder().with_annotation(ROLE_ARN_ANNOTATION, "x"), ["annotation key", "role"]),
            (builder().with_role_only(true).with_label("a", "b"), ["role only", "labels"]),
            (builder().with_role_only(true).with_automount_token(false), ["role only", "automountServiceAccountToken"]),
            (IrsaBinding::builder(arn, "d", "s").with_policy("arn:aws-cn:iam::aws:policy/X"), ["policy", "partition"]),
            (
                IrsaBinding::builder(arn, "d", "s").with_policy("arn:aws:iam::210987654321:policy/X"),
                ["policy", "account"],
            ),
        ] {
            let text = refusal(builder);
            assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text:?}");
        }
    }

    #[test]
    fn inline_policies_are_measured_together() {
        let document = |n: usize| json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": format!("arn:aws:s3:::{}", "x".repeat(n))}});
        assert!(builder().with_inline_document("a", document(9000)).build().is_ok());
        let both = builder().with_inline_document("a", document(6000)).with_inline_document("b", document(6000));
        assert!(refusal(both).contains("10240"));
    }

    #[test]
    fn subjects_are_placed_on_their_cluster() {
        let binding = builder().with_subject("other/x").with_subject("blue:a/job-*").with_subject("default/sa").build();
        let shown = binding.as_ref().map(|b| b.all_subjects().iter().map(Subject::to_string).collect::<Vec<_>>());
        assert_eq!(shown.ok(), Some(vec!["demo:default/sa".into(), "demo:other/x".into(), "blue:a/job-*".into()]));
        let with_account = binding.map(|b| b.all_subjects().iter().filter(|s| b.has_account(s)).count());
        assert_eq!(with_account.ok(), Some(2));
    }
}
