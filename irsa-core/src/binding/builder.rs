//! The builder of a binding: takes text, checks everything at once in `build()`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    AUDIENCE_ANNOTATION, IrsaBinding, OWN_PREFIX, ROLE_ARN_ANNOTATION, STS_REGIONAL_ENDPOINTS_ANNOTATION,
    TOKEN_EXPIRATION_ANNOTATION,
};
use crate::document::{PolicyDocument, check_trust_statement, parse_strict};
use crate::error::{Error, Result};
use crate::name::{
    AnnotationKey, Audience, ClusterRef, Description, InlinePolicyName, LabelKey, LabelValue, Namespace, PolicyArn,
    RoleName, RolePath, ServiceAccountName, SessionDuration, Subject, TagKey, TagValue, TokenExpiration,
};

/// The most tags that a role can have (IAM user guide, "IAM and AWS STS quotas").
pub(crate) const MOST_TAGS: usize = 50;
/// The most characters of all inline policies of a role together (same source); not adjustable.
pub(crate) const INLINE_QUOTA: usize = 10_240;
/// The most bytes of all annotations of an object together (Kubernetes, `ValidateAnnotationsSize`).
const ANNOTATIONS_QUOTA: usize = 256 * 1024;

/// Collects the wishes for a binding; [`build`](Self::build) checks them.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct IrsaBindingBuilder {
    cluster: String,
    namespace: String,
    service_account: String,
    role_name: Option<String>,
    role_path: Option<String>,
    description: Option<String>,
    max_session_duration: Option<u32>,
    permissions_boundary: Option<String>,
    tags: Vec<(String, String)>,
    policies: Vec<String>,
    inline_policies: Vec<(String, Document)>,
    subjects: Vec<(String, bool)>,
    trust_statements: Vec<Document>,
    audience: Option<String>,
    token_expiration: Option<u32>,
    sts_regional_endpoints: Option<bool>,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    role_only: bool,
    exact: bool,
}

/// A document as it came: text, so that errors can give line and column, or parsed.
#[derive(Clone, Debug)]
enum Document {
    Text(String),
    Parsed(Value),
}

impl IrsaBindingBuilder {
    pub(super) fn new(cluster: String, namespace: String, service_account: String) -> Self {
        Self { cluster, namespace, service_account, ..Self::default() }
    }

    /// The name of the role, 1 to 64 characters. By default `<cluster>-<namespace>-<service account>`.
    pub fn with_role_name(mut self, name: impl Into<String>) -> Self {
        self.role_name = Some(name.into());
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
        self.inline_policies.push((name.into(), Document::Text(json.into())));
        self
    }

    /// An inline policy that is parsed already.
    pub fn with_inline_document(mut self, name: impl Into<String>, document: Value) -> Self {
        self.inline_policies.push((name.into(), Document::Parsed(document)));
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

    /// A further statement of the trust policy as JSON text, for example for EC2.
    pub fn with_trust_statement(mut self, json: impl Into<String>) -> Self {
        self.trust_statements.push(Document::Text(json.into()));
        self
    }

    /// A further statement of the trust policy that is parsed already.
    pub fn with_trust_statement_value(mut self, statement: Value) -> Self {
        self.trust_statements.push(Document::Parsed(statement));
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
        if role_name.is_none() && cluster.name().is_none() {
            return Err(Error::invalid("role name", "", "must be given where the cluster is named by its issuer")
                .with_hint("name the role (--role-name), or name the cluster"));
        }
        let permissions_boundary: Option<PolicyArn> = self.permissions_boundary.map(|arn| arn.parse()).transpose()?;
        let policies = self.policies.iter().map(|policy| policy.parse()).collect::<Result<BTreeSet<_>>>()?;
        let (subjects, trust_only) = subjects(&self.subjects)?;
        let binding = IrsaBinding {
            cluster,
            namespace,
            service_account,
            role_name,
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

/// Puts a value under its key; the same key with another value is an error.
fn insert<K: Ord + AsRef<str>, V: PartialEq>(
    map: &mut BTreeMap<K, V>,
    field: &'static str,
    key: K,
    value: V,
) -> Result<()> {
    match map.get(&key) {
        Some(known) if *known != value => {
            Err(Error::invalid(field, key.as_ref(), "is given twice with different values"))
        }
        _ => {
            map.insert(key, value);
            Ok(())
        }
    }
}

fn tags(pairs: Vec<(String, String)>) -> Result<BTreeMap<TagKey, TagValue>> {
    let mut tags: BTreeMap<TagKey, TagValue> = BTreeMap::new();
    for (key, value) in pairs {
        let key = TagKey::new(key)?;
        if key.as_str().starts_with(OWN_PREFIX) {
            return Err(Error::invalid("tag key", key, "is one of those that irsa itself writes"));
        }
        // IAM tells keys apart without regard to case (IAM user guide, "Rules for tagging").
        if let Some(other) =
            tags.keys().find(|other| other.as_str().eq_ignore_ascii_case(key.as_str()) && **other != key)
        {
            return Err(Error::invalid(
                "tag key",
                key,
                format!("differs from {other:?} only in case, which IAM refuses"),
            ));
        }
        insert(&mut tags, "tag key", key, TagValue::new(value)?)?;
    }
    // Owner and origin are tags too.
    const OWN_TAGS: usize = 2;
    if tags.len() + OWN_TAGS > MOST_TAGS {
        let rule = format!("a role has at most {MOST_TAGS} tags, and irsa needs {OWN_TAGS} of them");
        return Err(Error::invalid("tags", format!("{} tags", tags.len()), rule));
    }
    Ok(tags)
}

fn subjects(texts: &[(String, bool)]) -> Result<(BTreeSet<Subject>, BTreeSet<Subject>)> {
    let (mut subjects, mut trust_only) = (BTreeSet::new(), BTreeSet::new());
    for (text, only) in texts {
        let subject: Subject = text.parse()?;
        if *only || subject.service_account().is_none() {
            trust_only.insert(subject.clone());
        }
        subjects.insert(subject);
    }
    Ok((subjects, trust_only))
}

fn inline_policies(documents: Vec<(String, Document)>) -> Result<BTreeMap<InlinePolicyName, PolicyDocument>> {
    let mut policies = BTreeMap::new();
    for (name, document) in documents {
        let name = InlinePolicyName::new(name)?;
        let document = match document {
            Document::Text(text) => PolicyDocument::parse(&text),
            Document::Parsed(value) => PolicyDocument::from_value(value),
        };
        let document = document.map_err(|error| error.during(format!("inline policy {name} is not valid")))?;
        insert(&mut policies, "inline policy name", name, document)?;
    }
    let size: usize = policies.values().map(PolicyDocument::size).sum();
    if size > INLINE_QUOTA {
        let rule = format!(
            "all inline policies of a role together have at most {INLINE_QUOTA} characters without white space"
        );
        return Err(Error::invalid("inline policies", format!("{size} characters"), rule)
            .with_hint("put the permissions into a managed policy, or shorten them with wildcards"));
    }
    Ok(policies)
}

fn trust_statements(documents: Vec<Document>) -> Result<Vec<Value>> {
    let mut statements = Vec::new();
    for document in documents {
        let value = match document {
            Document::Text(text) => parse_strict("trust statement", &text)?,
            Document::Parsed(value) => value,
        };
        check_trust_statement(&value)?;
        let sid = value.get("Sid").and_then(Value::as_str).unwrap_or_default();
        if sid.starts_with("Irsa") && !sid.starts_with("IrsaExtra") {
            return Err(Error::invalid(
                "trust statement",
                sid,
                "a Sid that begins with Irsa marks statements of irsa itself",
            ));
        }
        if !statements.contains(&value) {
            statements.push(value);
        }
    }
    Ok(statements)
}

fn labels(pairs: Vec<(String, String)>) -> Result<BTreeMap<LabelKey, LabelValue>> {
    let mut labels = BTreeMap::new();
    for (key, value) in pairs {
        let key = LabelKey::new(key)?;
        if key.as_str() == "app.kubernetes.io/managed-by" {
            return Err(Error::invalid("label key", key, "belongs to the tool that deploys the account, such as Helm"));
        }
        insert(&mut labels, "label key", key, LabelValue::new(value)?)?;
    }
    Ok(labels)
}

fn annotations(pairs: Vec<(String, String)>) -> Result<BTreeMap<AnnotationKey, String>> {
    let mut annotations = BTreeMap::new();
    for (key, value) in pairs {
        let key = AnnotationKey::new(key)?;
        let setting = match key.as_str() {
            ROLE_ARN_ANNOTATION => Some("the role"),
            AUDIENCE_ANNOTATION => Some("the audience"),
            TOKEN_EXPIRATION_ANNOTATION => Some("the token expiration"),
            STS_REGIONAL_ENDPOINTS_ANNOTATION => Some("the STS regional endpoints"),
            key if key.starts_with(OWN_PREFIX) => Some("irsa itself"),
            _ => None,
        };
        if let Some(setting) = setting {
            return Err(Error::invalid("annotation key", key, format!("is written from the setting for {setting}")));
        }
        insert(&mut annotations, "annotation key", key, value)?;
    }
    let size: usize = annotations.iter().map(|(key, value)| key.as_str().len() + value.len()).sum();
    if size > ANNOTATIONS_QUOTA {
        let rule = format!("all annotations together have at most {ANNOTATIONS_QUOTA} bytes");
        return Err(Error::invalid("annotations", format!("{size} bytes"), rule));
    }
    Ok(annotations)
}

/// Where the cluster is given as an ARN, partition and account of every other ARN are known to have to fit.
fn check_arns(binding: &IrsaBinding) -> Result<()> {
    let ClusterRef::Arn(cluster) = &binding.cluster else { return Ok(()) };
    let policies = binding.policies.iter().filter_map(|policy| match policy {
        crate::name::PolicyRef::Arn(arn) => Some(("policy", arn)),
        crate::name::PolicyRef::Name { .. } => None,
    });
    for (field, arn) in policies.chain(binding.permissions_boundary.iter().map(|arn| ("permissions boundary", arn))) {
        check_policy_place(field, arn, cluster.partition(), cluster.account())?;
    }
    for subject in &binding.subjects {
        if let Some(ClusterRef::Arn(other)) = &subject.cluster
            && (other.partition() != cluster.partition())
        {
            let rule = format!("is in partition {}, the role in {}", other.partition(), cluster.partition());
            return Err(Error::invalid("subject", subject.to_string(), rule));
        }
    }
    Ok(())
}

/// A managed policy must be of the role's partition, and AWS-managed or of the role's account.
pub(crate) fn check_policy_place(
    field: &'static str,
    arn: &PolicyArn,
    partition: &crate::name::Partition,
    account: &crate::name::AccountId,
) -> Result<()> {
    if arn.partition() != partition {
        let rule = format!("is in partition {}, the role in {partition}", arn.partition());
        return Err(Error::invalid(field, arn.to_string(), rule));
    }
    match arn.account() {
        Some(other) if other != account => {
            Err(Error::invalid(field, arn.to_string(), format!("is in account {other}, the role in {account}")))
        }
        _ => Ok(()),
    }
}

fn check_role_only(binding: &IrsaBinding) -> Result<()> {
    if !binding.role_only {
        return Ok(());
    }
    let setting = if !binding.labels.is_empty() {
        "labels"
    } else if !binding.annotations.is_empty() {
        "annotations"
    } else if binding.token_expiration.is_some() {
        "token expiration"
    } else if binding.sts_regional_endpoints.is_some() {
        "STS regional endpoints"
    } else {
        return Ok(());
    };
    Err(Error::invalid("role only", "true", format!("contradicts {setting}, which are of the service account")))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let document = |n: usize| json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "x".repeat(n)}});
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
