//! The audit of trust policies: who gets in that should not.

use std::collections::BTreeMap;

use irsa_core::Warning;
use irsa_core::name::{ProviderArn, RoleArn, Subject};
use irsa_core::trust::{
    AuditedRole, FindingId, Ignore, KnownAccount, RoleDocuments, Severity, Surroundings, audit, roles_of_text,
};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
use serde_json::Value;

use crate::argument::unreadable;
use crate::data::{as_text, data, items, texts};
use crate::error::{Result, invalid};
use crate::json::{self, Input};
use crate::runtime::{Call, Needs};

as_text!(FindingId, Severity);

data! {
    /// What an audit of trust policies found.
    Audit(irsa_core::trust::Audit), warning by of_audit {
        /// What was found, the worst first.
        findings,
        /// How many roles were looked at.
        roles,
        |
        /// How many of them trust an OIDC provider.
        trusting,
        /// How many findings were left out because they are to be ignored.
        ignored,
        /// What could not be read.
        warnings,
    }
}

data! {
    /// One thing that an audit found.
    Finding(irsa_core::trust::Finding) {
        /// Its stable id, such as `"any-subject"`.
        id,
        /// How bad it is: `"high"`, `"medium"`, `"low"` or `"info"`.
        severity,
        /// The role; None for a document that does not say whose it is.
        role_arn,
        /// The statement, by its Sid or its number; None where it is about the whole role.
        statement,
        /// Who gets in that should not, in words.
        message,
        |
        /// Where in the argument the document stands, such as `documents[0]`.
        source,
        /// What shows it: tests, subjects, accounts.
        evidence,
        |
        /// The whole document as a dict, with this finding repaired and everything else as it is; None where there is no
        /// repair that lets nobody new in.
        fix,
    }
}

fn of_audit(audit: &irsa_core::trust::Audit, show: &mut dyn FnMut(Option<&str>, &Warning)) {
    audit.warnings.iter().for_each(|warning| show(None, warning));
}

/// What `aws iam` and boto3 answer, or a trust policy, has one of these.
const KNOWN_KEYS: [&str; 10] = [
    "Statement",
    "RoleDetailList",
    "Roles",
    "Role",
    "AssumeRolePolicyDocument",
    "Arn",
    "RoleName",
    "PolicyDocument",
    "PolicyVersion",
    "Policies",
];

/// Audits trust policies: says who gets in that should not, and how to keep them out. Pure: calls nothing.
///
/// Args:
///     documents: a trust policy as a str of JSON or as a dict; what `get_account_authorization_details`,
///         `list_roles` or `get_role` of boto3 or the aws CLI answer; a dict from ARNs of roles to trust policies; or
///         a list of these.
///     ignore: findings that are left out, each as `ID` or `ID:ROLE`.
///     providers: the OIDC providers that exist, by ARN, with the audiences that each takes. If given, others do not
///         exist.
///     service_accounts: the service accounts that exist, by the ARN of their cluster's provider: a list of
///         `NAMESPACE/NAME`, or a dict from these to the role that the account is annotated with, or None.
///
/// Raises:
///     InvalidInputError: a document is nothing of these (with its place), or all of them are permissions policies, or
///         another argument is malformed. A trust policy of a known role that cannot be read is a finding, `unreadable`;
///         permissions policies among others are skipped, with a warning.
///     TypeError: an argument has another type, or a document holds what JSON does not have.
#[pyfunction]
#[pyo3(signature = (documents, *, ignore = None, providers = None, service_accounts = None))]
#[pyo3(text_signature = "(documents, *, ignore=None, providers=None, service_accounts=None)")]
pub(crate) fn audit_trust<'py>(
    documents: &Bound<'py, PyAny>,
    ignore: Option<&Bound<'py, PyAny>>,
    providers: Option<&Bound<'py, PyAny>>,
    service_accounts: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = documents.py();
    let documents = read("documents", documents)?;
    let ignore = ignore.map(ignored).transpose()?.unwrap_or_default();
    let mut around = Surroundings::default();
    if let Some(providers) = providers {
        around.providers = Some(known_providers(providers)?);
    }
    if let Some(accounts) = service_accounts {
        around.clusters = known_accounts(accounts)?;
    }
    // It may take long: Ctrl-C is not to wait for it.
    let call = Call::new(Needs::Thread, None, move |_| async move {
        let mut found = RoleDocuments::default();
        for document in documents {
            found.extend(document.into_roles());
        }
        let (warning, nothing) = (found.warning(), found.nothing_to_audit());
        if let Some(error) = found.errors.into_iter().next().or(nothing) {
            return Err(error);
        }
        let mut audit = audit(found.roles, &around, &ignore);
        audit.warnings.extend(warning);
        Ok(audit)
    });
    call.wait(py)
}

/// What is not to be reported.
pub(crate) fn ignored(object: &Bound<'_, PyAny>) -> Result<Vec<Ignore>> {
    let read = |text: &String| text.parse().map_err(|error| invalid(format!("ignore: {error}")));
    texts("ignore", object)?.iter().map(read).collect()
}

/// A document, and whose it is as far as the argument says so.
struct Document {
    role: Option<RoleArn>,
    place: String,
    input: Input,
}

impl Document {
    fn into_roles(self) -> RoleDocuments {
        let text = self.input.into_text();
        let mut found = roles_of_text(&self.place, &text);
        let Some(arn) = self.role else { return found };
        // Of a known role, a trust policy that cannot be read is a finding.
        found.errors.clear();
        if found.roles.is_empty() {
            found = RoleDocuments::default();
            found.roles.push(AuditedRole { trust_policy: text, source: Some(self.place), ..AuditedRole::default() });
        }
        for role in &mut found.roles {
            role.arn.get_or_insert_with(|| arn.clone());
        }
        found
    }
}

/// A trust policy as a str or a dict, or what boto3 answers of a role. A trust policy holds no dates; those answers do.
pub(crate) fn document_of(place: &str, object: &Bound<'_, PyAny>) -> Result<Input> {
    match object.cast::<PyMapping>().ok().map(|mapping| known_key(place, mapping)).transpose()?.flatten() {
        Some("Statement") => json::from_python(place, object).map(Input::Value),
        Some(_) => json::from_answer(place, object).map(Input::Value),
        None => Input::new(place, object),
    }
}

/// The key by which a dict is a trust policy, or an answer of IAM.
fn known_key(place: &str, mapping: &Bound<'_, PyMapping>) -> Result<Option<&'static str>> {
    for key in KNOWN_KEYS {
        if mapping.contains(key).map_err(|error| unreadable(place, "cannot be read", error, mapping.py()))? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn read(place: &str, object: &Bound<'_, PyAny>) -> Result<Vec<Document>> {
    if object.cast::<PyMapping>().is_ok() || object.cast::<PyString>().is_ok() {
        return read_one(place, object);
    }
    let list = items(place, object)
        .map_err(|_| json::wrong_type(place, "a str of JSON, a dict, or a list of these", object))?;
    let mut documents = Vec::new();
    for (index, item) in list.iter().enumerate() {
        documents.extend(read_one(&format!("{place}[{index}]"), item)?);
    }
    Ok(documents)
}

fn read_one(place: &str, object: &Bound<'_, PyAny>) -> Result<Vec<Document>> {
    let alone = |input| vec![Document { role: None, place: place.to_owned(), input }];
    let Ok(mapping) = object.cast::<PyMapping>() else {
        return Input::new(place, object).map(alone);
    };
    if known_key(place, mapping)?.is_some() {
        return document_of(place, object).map(alone);
    }
    let mut documents = Vec::new();
    for (key, value) in json::pairs(place, mapping)? {
        let Ok(arn) = key.extract::<String>() else {
            return Err(json::wrong_type(format!("a key of {place}"), "a str", &key).into());
        };
        if !arn.starts_with("arn:") {
            return Err(invalid(format!(
                "{place}: must be a trust policy with a Statement, what AWS answers of roles, or a dict from ARNs of roles to \
                 trust policies; {arn:?} is a key of neither"
            )));
        }
        let inside = format!("{place}[{arn:?}]");
        let role = arn.parse().map_err(|error| invalid(format!("{inside}: {error}")))?;
        documents.push(Document { role: Some(role), input: Input::new(&inside, &value)?, place: inside });
    }
    Ok(documents)
}

fn known_providers(object: &Bound<'_, PyAny>) -> Result<BTreeMap<ProviderArn, Vec<String>>> {
    let mut providers = BTreeMap::new();
    for (arn, audiences) in by_provider("providers", object)? {
        providers.insert(arn, texts("providers", &audiences)?);
    }
    Ok(providers)
}

fn known_accounts(object: &Bound<'_, PyAny>) -> Result<BTreeMap<ProviderArn, (String, Vec<KnownAccount>)>> {
    let argument = "service_accounts";
    let mut clusters = BTreeMap::new();
    for (arn, accounts) in by_provider(argument, object)? {
        let accounts = match json::from_python(argument, &accounts)? {
            Value::Object(annotated) => {
                annotated.into_iter().map(|(name, role)| known_account(&name, role)).collect::<Result<_>>()?
            }
            Value::Array(names) => names
                .into_iter()
                .map(|name| match name {
                    Value::String(name) => known_account(&name, Value::Null),
                    other => Err(invalid(format!("{argument}: {other} must be NAMESPACE/NAME"))),
                })
                .collect::<Result<_>>()?,
            other => return Err(invalid(format!("{argument}: {other} must be a list or a dict of NAMESPACE/NAME"))),
        };
        clusters.insert(arn.clone(), (arn.issuer().url(), accounts));
    }
    Ok(clusters)
}

fn known_account(text: &str, role: Value) -> Result<KnownAccount> {
    let subject: Subject = text.parse().map_err(|error| invalid(format!("service_accounts: {error}")))?;
    let (Some(name), None) = (subject.service_account(), &subject.cluster) else {
        return Err(invalid(format!("service_accounts: {text:?} must be NAMESPACE/NAME")));
    };
    let role_arn = match role {
        Value::Null => None,
        Value::String(arn) => Some(arn),
        other => return Err(invalid(format!("service_accounts[{text:?}]: {other} must be the ARN of a role or None"))),
    };
    Ok(KnownAccount { namespace: subject.namespace.to_string(), name: name.to_string(), role_arn })
}

/// What a dict holds by the ARN of a provider.
fn by_provider<'py>(argument: &str, object: &Bound<'py, PyAny>) -> Result<Vec<(ProviderArn, Bound<'py, PyAny>)>> {
    let Ok(mapping) = object.cast::<PyMapping>() else {
        return Err(json::wrong_type(argument, "a dict by the ARN of a provider", object).into());
    };
    let mut found = Vec::new();
    for (key, value) in json::pairs(argument, mapping)? {
        let Ok(arn) = key.extract::<String>() else {
            return Err(json::wrong_type(format!("a key of {argument}"), "a str", &key).into());
        };
        found.push((arn.parse().map_err(|error| invalid(format!("{argument}: {error}")))?, value));
    }
    Ok(found)
}
