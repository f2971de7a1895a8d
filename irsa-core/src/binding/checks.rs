//! The checks of a binding's parts, each from text to values that passed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::IrsaBinding;
use super::annotations::{
    AUDIENCE_ANNOTATION, MANAGED_BY_LABEL, OWN_PREFIX, ROLE_ARN_ANNOTATION, STS_REGIONAL_ENDPOINTS_ANNOTATION,
    TOKEN_EXPIRATION_ANNOTATION,
};
use crate::document::{PolicyDocument, check_partition, check_trust_statement};
use crate::error::{Error, Result};
use crate::name::{
    AccountId, AnnotationKey, ClusterRef, InlinePolicyName, LabelKey, LabelValue, Partition, PolicyArn, PolicyRef,
    Subject, TagKey, TagValue,
};
use crate::trust::{trust_statements as trust_policy_statements, trust_statements_of_text};

/// The most tags that a role can have (IAM user guide, "IAM and AWS STS quotas"); not adjustable.
pub(crate) const MAX_TAGS: usize = 50;
/// The most characters of all inline policies of a role together (same source); not adjustable.
pub(crate) const INLINE_QUOTA: usize = 10_240;
/// The most bytes of all annotations of an object together (Kubernetes, `ValidateAnnotationsSize`).
const ANNOTATIONS_QUOTA: usize = 256 * 1024;

/// A document as it came: text, so that errors can give line and column, or parsed.
#[derive(Clone, Debug)]
pub(super) enum DocumentInput {
    Text(String),
    Parsed(Value),
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

pub(super) fn tags(pairs: Vec<(String, String)>) -> Result<BTreeMap<TagKey, TagValue>> {
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
    if tags.len() + OWN_TAGS > MAX_TAGS {
        let rule = format!("a role has at most {MAX_TAGS} tags, and irsa needs {OWN_TAGS} of them");
        return Err(Error::invalid("tags", format!("{} tags", tags.len()), rule));
    }
    Ok(tags)
}

/// Checks what several bindings want of one role together, by the rules for one.
pub(crate) fn check_together(binding: &IrsaBinding) -> Result<()> {
    let _ = tags(binding.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())?;
    let documents = binding.inline_policies.iter();
    let documents =
        documents.map(|(name, policy)| (name.to_string(), DocumentInput::Parsed(policy.as_value().clone())));
    let _ = inline_policies(documents.collect())?;
    let _ = trust_statements(binding.trust_statements.iter().cloned().map(DocumentInput::Parsed).collect())?;
    Ok(())
}

pub(super) fn subjects(texts: &[(String, bool)]) -> Result<(BTreeSet<Subject>, BTreeSet<Subject>)> {
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

pub(super) fn inline_policies(
    documents: Vec<(String, DocumentInput)>,
) -> Result<BTreeMap<InlinePolicyName, PolicyDocument>> {
    let mut policies = BTreeMap::new();
    for (name, document) in documents {
        let name = InlinePolicyName::new(name)?;
        let document = match document {
            DocumentInput::Text(text) => PolicyDocument::parse(&text),
            DocumentInput::Parsed(value) => PolicyDocument::from_value(value),
        };
        let document =
            document.map_err(|error| error.during(invalid_inline(&name)).with_context("policy", name.as_str()))?;
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

pub(super) fn trust_statements(documents: Vec<DocumentInput>) -> Result<Vec<Value>> {
    let mut statements = Vec::new();
    let mut values = Vec::new();
    for document in documents {
        values.extend(match document {
            DocumentInput::Text(text) => trust_statements_of_text(&text)?,
            DocumentInput::Parsed(value) => trust_policy_statements(value)?,
        });
    }
    for value in values {
        check_trust_statement(&value)?;
        let sid = value.get("Sid").and_then(Value::as_str).unwrap_or_default();
        if sid.starts_with("Irsa") && !sid.starts_with("IrsaExtra") {
            return Err(Error::invalid(
                "trust statement",
                sid,
                "a Sid that begins with Irsa marks statements of irsa itself",
            ));
        }
        if statements.contains(&value) {
            continue;
        }
        let same_sid = |known: &Value| !sid.is_empty() && known.get("Sid").and_then(Value::as_str) == Some(sid);
        if statements.iter().any(same_sid) {
            return Err(Error::invalid("trust statement", sid, "two different statements have this Sid")
                .with_hint("give each statement a Sid of its own, or none"));
        }
        statements.push(value);
    }
    Ok(statements)
}

pub(super) fn labels(pairs: Vec<(String, String)>) -> Result<BTreeMap<LabelKey, LabelValue>> {
    let mut labels = BTreeMap::new();
    for (key, value) in pairs {
        let key = LabelKey::new(key)?;
        if key.as_str() == MANAGED_BY_LABEL {
            return Err(Error::invalid("label key", key, "belongs to the tool that deploys the account, such as Helm"));
        }
        insert(&mut labels, "label key", key, LabelValue::new(value)?)?;
    }
    Ok(labels)
}

pub(super) fn annotations(pairs: Vec<(String, String)>) -> Result<BTreeMap<AnnotationKey, String>> {
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
pub(super) fn check_arns(binding: &IrsaBinding) -> Result<()> {
    let ClusterRef::Arn(cluster) = &binding.cluster else { return Ok(()) };
    let policies = binding.policies.iter().filter_map(|policy| match policy {
        PolicyRef::Arn(arn) => Some(("policy", arn)),
        PolicyRef::Name { .. } => None,
    });
    for (field, arn) in policies.chain(binding.permissions_boundary.iter().map(|arn| ("permissions boundary", arn))) {
        check_policy_place(field, arn, cluster.partition(), cluster.account())?;
    }
    check_documents(binding, cluster.partition())?;
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

/// Refuses inline policies and trust statements with ARNs of another partition than the role's, as IAM does when they are
/// written.
pub(crate) fn check_documents(binding: &IrsaBinding, partition: &Partition) -> Result<()> {
    for (name, document) in &binding.inline_policies {
        document.check_partition(partition).map_err(|error| error.during(invalid_inline(name)))?;
    }
    for statement in &binding.trust_statements {
        check_partition("trust statement", &json!({"Statement": statement}), partition)?;
    }
    Ok(())
}

fn invalid_inline(name: &InlinePolicyName) -> String {
    format!("inline policy {name} is not valid")
}

/// A managed policy must be of the role's partition, and AWS-managed or of the role's account.
pub(crate) fn check_policy_place(
    field: &'static str,
    arn: &PolicyArn,
    partition: &Partition,
    account: &AccountId,
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

pub(super) fn check_role_only(binding: &IrsaBinding) -> Result<()> {
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
    } else if binding.automount_token.is_some() {
        "automountServiceAccountToken"
    } else {
        return Ok(());
    };
    Err(Error::invalid("role only", "true", format!("contradicts {setting}, which are of the service account")))
}
