//! A trust policy, read for evaluation: strict where its meaning would be in doubt, and with a note where IAM would refuse
//! to store it although its meaning is clear.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::caller::WebIdentityCaller;
use super::condition::Test;
use super::glob::Glob;
use super::operator::{Operator, Truth};
use super::policy_value::Value;
use crate::document::{DocumentKind, MAX_DOCUMENT_LENGTH, check, one_or_many, parse_strict, refused, unknown_key};
use crate::error::{Error, Result};
use crate::name::{Issuer, ProviderArn};
use crate::trust::issuers::is_built_in;

/// The action of IRSA (STS API reference, `AssumeRoleWithWebIdentity`), in lower case: actions have none.
const ACTION: &str = "sts:assumerolewithwebidentity";

/// How errors call the document.
const FIELD: &str = "trust policy";

/// A trust policy that can be evaluated.
///
/// ```
/// use irsa_core::trust::{WebIdentityCaller, Decision, TrustDocument};
///
/// let document = TrustDocument::parse(r#"{
///     "Version": "2012-10-17",
///     "Statement": {
///         "Effect": "Allow",
///         "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A"},
///         "Action": "sts:AssumeRoleWithWebIdentity",
///         "Condition": {"StringLike": {"issuer.example/id/A:sub": "system:serviceaccount:jobs:*"}}
///     }
/// }"#)?;
/// let provider = "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A".parse()?;
/// let caller = WebIdentityCaller::service_account(provider, "jobs/worker", "sts.amazonaws.com")?;
/// assert_eq!(document.check(&caller).decision, Decision::Allow);
/// # Ok::<(), irsa_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustDocument {
    pub(in crate::trust) statements: Vec<Statement>,
    notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trust) enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug)]
pub(in crate::trust) struct Statement {
    /// Its Sid, or its number: `statement 1`.
    pub(in crate::trust) label: String,
    pub(in crate::trust) effect: Effect,
    pub(in crate::trust) principal: Principal,
    /// `Action` or `NotAction` as it stands.
    pub(in crate::trust) actions: Vec<String>,
    /// Whether it is about the action of IRSA.
    pub(in crate::trust) concerns: bool,
    /// Whether it is about `sts:AssumeRole`, the action of principals of AWS.
    pub(in crate::trust) assumes: bool,
    /// What cannot be told because IAM would not store such a statement.
    pub(in crate::trust) in_doubt: Option<&'static str>,
    pub(in crate::trust) tests: Vec<Test>,
}

/// Whom a statement is about.
///
/// Source: IAM user guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
#[derive(Clone, Debug, Default)]
pub(in crate::trust) struct Principal {
    /// `"*"`.
    pub(in crate::trust) everyone: bool,
    pub(in crate::trust) federated: Vec<String>,
    /// All other principals, with their kind.
    pub(in crate::trust) others: Vec<(String, String)>,
    /// Whether it is a `NotPrincipal`.
    pub(in crate::trust) inverted: bool,
    /// Whether nobody can tell whom it means; the statement is in doubt then.
    pub(in crate::trust) unclear: bool,
}

impl TrustDocument {
    /// Reads a document from JSON text.
    ///
    /// # Errors
    /// `InvalidInput` with line and column where it is not JSON, has a key twice, is longer than IAM's 131,072 characters or
    /// goes beyond Latin-1; with the statement where it is no policy.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some((at, c)) = text.char_indices().find(|(_, c)| *c > '\u{FF}') {
            let before = &text[..at];
            let (line, column) =
                (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
            let rule = format!("line {line}, column {column}: IAM takes no character beyond Latin-1 (U+00FF)");
            return Err(Error::invalid(FIELD, c.to_string(), rule));
        }
        if text.chars().count() > MAX_DOCUMENT_LENGTH {
            return Err(Error::invalid(FIELD, text, format!("must have at most {MAX_DOCUMENT_LENGTH} characters")));
        }
        Self::from_value(&parse_strict(FIELD, text)?)
    }

    /// Takes a document that is parsed already.
    ///
    /// # Errors
    /// `InvalidInput` with the statement where it is no policy, where it is too long or goes beyond Latin-1.
    pub fn from_value(value: &Json) -> Result<Self> {
        crate::document::check_text(FIELD, value)?;
        let Json::Object(object) = value else {
            return Err(refused(FIELD, value, "must be a JSON object with a Statement"));
        };
        const KEYS: [&str; 3] = ["Version", "Id", "Statement"];
        if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown_key(FIELD, key, &KEYS, "the document"));
        }
        for key in ["Version", "Id"] {
            if let Some(other) = object.get(key).filter(|value| !value.is_string()) {
                return Err(refused(FIELD, other, format!("{key} must be a string")));
            }
        }
        let statements = object.get("Statement").ok_or_else(|| refused(FIELD, value, "must have a Statement"))?;
        // IAM user guide, "Version": policy variables are text in the older version, which is the default.
        let variables = !matches!(object.get("Version").and_then(Json::as_str), None | Some("2008-10-17"));
        let read = |(index, statement)| Statement::read(statement, index, variables);
        let statements = one_or_many(Some(statements)).iter().enumerate().map(read).collect::<Result<_>>()?;
        let refusal = check(value, DocumentKind::Trust).err();
        let notes = refusal.map(|error| format!("IAM would not store this document: {error}"));
        Ok(Self { statements, notes: notes.into_iter().collect() })
    }

    /// A document of one statement, as if the others were not there.
    pub(in crate::trust) fn of_statement(statement: Statement) -> Self {
        Self { statements: vec![statement], notes: Vec::new() }
    }

    /// Why IAM itself would refuse to store the document, in words; it is evaluated all the same.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether an Allow statement is, or may be, about `sts:AssumeRole` of callers of whatever AWS account.
    pub(crate) fn lets_in_any_principal(&self) -> bool {
        self.statements.iter().any(|statement| self.admits_strangers(statement) != Truth::False)
    }

    /// The OIDC providers that it names as principals, whatever it says of them.
    pub fn providers(&self) -> BTreeSet<ProviderArn> {
        let named = self.statements.iter().flat_map(|statement| &statement.principal.federated);
        named.filter_map(|arn| arn.parse().ok()).collect()
    }

    /// The principals of an issuer that are not the ARN of an OIDC provider, as where a template leaves the account open.
    pub fn incomplete_providers(&self, issuer: &Issuer) -> BTreeSet<&str> {
        let named = self.statements.iter().flat_map(|statement| &statement.principal.federated);
        let of_issuer = |arn: &&String| {
            let host = arn.split_once(":oidc-provider/").map(|(_, host)| host);
            host.is_some_and(|host| host.eq_ignore_ascii_case(issuer.host_path()))
        };
        named.filter(of_issuer).filter(|arn| arn.parse::<ProviderArn>().is_err()).map(String::as_str).collect()
    }

    /// The issuers that it names as principals and that AWS knows without a provider in the account, such as that of Amazon
    /// Cognito.
    pub fn built_in_issuers(&self) -> BTreeSet<Issuer> {
        let named = self.statements.iter().flat_map(|statement| &statement.principal.federated);
        named.filter(|name| is_built_in(name)).filter_map(|name| Issuer::from_host_path(name).ok()).collect()
    }

    /// Audiences that tests of a provider's `aud` compare with; one for each pattern.
    pub(in crate::trust) fn tested_audiences(&self, provider: &ProviderArn) -> BTreeSet<String> {
        let of_audience = |test: &&Test| {
            test.key.rsplit_once(':').is_some_and(|(issuer, claim)| {
                issuer.eq_ignore_ascii_case(provider.issuer().host_path()) && claim.eq_ignore_ascii_case("aud")
            })
        };
        let tests = self.statements.iter().flat_map(|statement| &statement.tests).filter(of_audience);
        tests.flat_map(|test| &test.values).filter_map(|value| value.plain().map(Glob::example)).collect()
    }
}

impl Statement {
    fn read(statement: &Json, index: usize, variables: bool) -> Result<Self> {
        let mut place = format!("statement {}", index + 1);
        let refuse = |place: &str, value: &Json, rule: &str| Err(refused(FIELD, value, format!("{place}: {rule}")));
        let Json::Object(object) = statement else {
            return refuse(&place, statement, "must be a JSON object");
        };
        const KEYS: [&str; 9] = [
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown_key(FIELD, key, &KEYS, &place));
        }
        match object.get("Sid") {
            None => {}
            Some(Json::String(sid)) if sid.is_empty() => {}
            Some(Json::String(sid)) => place = format!("statement {} ({sid})", index + 1),
            Some(other) => return refuse(&place, other, "Sid must be a string"),
        }
        // Effect and its values have case (IAM user guide, "Effect").
        let effect = match object.get("Effect") {
            Some(Json::String(effect)) if effect == "Allow" => Effect::Allow,
            Some(Json::String(effect)) if effect == "Deny" => Effect::Deny,
            Some(other) => return refuse(&place, other, "Effect must be \"Allow\" or \"Deny\""),
            None => return refuse(&place, statement, "must have an Effect"),
        };
        let (actions, inverted) = match (object.get("Action"), object.get("NotAction")) {
            (Some(actions), None) => (texts(actions, &place, "Action")?, false),
            (None, Some(actions)) => (texts(actions, &place, "NotAction")?, true),
            _ => return refuse(&place, statement, "must have Action or NotAction, one of them"),
        };
        // IAM user guide, "Action": actions have no case, and `*` and `?` are wildcards.
        let covers = |wanted: &str| {
            actions.iter().any(|action| Glob::wild(&action.to_ascii_lowercase()).matches(wanted)) != inverted
        };
        let (concerns, assumes) = (covers(ACTION), covers("sts:assumerole"));
        let (principal, mut in_doubt) = Principal::read(object, &place)?;
        if object.get("Resource").is_some_and(|resource| resource != "*") || object.contains_key("NotResource") {
            in_doubt = Some("it names a resource, which a trust policy does not have");
        }
        let tests = read_condition(object.get("Condition"), &place, variables)?;
        Ok(Self { label: place, effect, principal, actions, concerns, assumes, in_doubt, tests })
    }

    /// Whether it is about a caller, but for its conditions.
    pub(in crate::trust) fn is_about(&self, provider: &str) -> Truth {
        let doubt = if self.in_doubt.is_some() { Truth::Unknown } else { Truth::True };
        Truth::from(self.concerns).and(self.principal.covers(provider)).and(doubt)
    }

    /// What it says of a caller: whether it applies.
    pub(in crate::trust) fn applies(&self, caller: &WebIdentityCaller, provider: &str) -> Truth {
        let about = self.is_about(provider);
        if about == Truth::False {
            return about;
        }
        let mut truth = about;
        for test in &self.tests {
            truth = truth.and(test.holds(caller));
            if truth == Truth::False {
                break;
            }
        }
        truth
    }
}

impl Principal {
    fn read(statement: &Map<String, Json>, place: &str) -> Result<(Self, Option<&'static str>)> {
        let (value, inverted) = match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(value), None) => (value, false),
            (None, Some(value)) => (value, true),
            (Some(_), Some(value)) => {
                let rule = format!("{place}: must have Principal or NotPrincipal, not both");
                return Err(refused(FIELD, value, rule));
            }
            (None, None) => return Ok((Self { unclear: true, ..Self::default() }, Some("it has no Principal"))),
        };
        let mut principal = Self { inverted, ..Self::default() };
        match value {
            Json::String(star) if star == "*" => principal.everyone = true,
            Json::String(_) => {
                return Ok((Self { unclear: true, ..principal }, Some("its Principal is a text other than \"*\"")));
            }
            Json::Object(kinds) => {
                for (kind, value) in kinds {
                    const KINDS: [&str; 4] = ["AWS", "Federated", "Service", "CanonicalUser"];
                    let texts = texts(value, place, "a principal")?;
                    match kind.as_str() {
                        "Federated" => principal.federated.extend(texts),
                        kind if KINDS.contains(&kind) => {
                            principal.others.extend(texts.into_iter().map(|text| (kind.to_owned(), text)));
                        }
                        other => return Err(unknown_key(FIELD, other, &KINDS, place)),
                    }
                }
            }
            other => {
                let rule = format!("{place}: Principal must be \"*\" or an object such as {{\"Federated\": ...}}");
                return Err(refused(FIELD, other, rule));
            }
        }
        Ok((principal, None))
    }

    /// Whether it covers callers of a provider. ARNs are compared whole and with case; `*` stands alone.
    pub(in crate::trust) fn covers(&self, provider: &str) -> Truth {
        if self.unclear {
            return Truth::True;
        }
        let named = self.everyone || self.federated.iter().any(|named| named == "*" || names_provider(named, provider));
        let truth = match named {
            true => Truth::True,
            // Whether it covers callers with a web identity is not documented.
            false if self.is_all_of_aws() => Truth::Unknown,
            false => Truth::False,
        };
        if self.inverted { !truth } else { truth }
    }

    pub(in crate::trust) fn is_all_of_aws(&self) -> bool {
        self.others.iter().any(|(kind, principal)| kind == "AWS" && principal == "*")
    }
}

/// Whether a federated principal names a provider: by its ARN, or by the name of one that needs no provider in the account.
pub(in crate::trust) fn names_provider(principal: &str, provider: &str) -> bool {
    let host = || provider.split_once(":oidc-provider/").map(|(_, host)| host);
    principal == provider || (!principal.starts_with("arn:") && host() == Some(principal) && is_built_in(principal))
}

fn texts(value: &Json, place: &str, what: &str) -> Result<Vec<String>> {
    let text = |value: &Json| {
        value.as_str().map(str::to_owned).ok_or_else(|| {
            let rule = format!("{place}: {what} must be a string or a list of strings");
            refused(FIELD, value, rule)
        })
    };
    one_or_many(Some(value)).iter().map(text).collect()
}

fn read_condition(condition: Option<&Json>, place: &str, variables: bool) -> Result<Vec<Test>> {
    let refuse = |value: &Json, rule: &str| Err(refused(FIELD, value, format!("{place}: {rule}")));
    let operators = match condition {
        None => return Ok(Vec::new()),
        Some(Json::Object(operators)) => operators,
        Some(other) => return refuse(other, "Condition must be an object of operators"),
    };
    let mut tests = Vec::new();
    for (name, keys) in operators {
        let Json::Object(keys) = keys else {
            return refuse(keys, "a condition operator must hold an object of keys");
        };
        let operator = Operator::parse(name);
        for (key, values) in keys {
            let mut read = Vec::new();
            for value in one_or_many(Some(values)) {
                let text = match value {
                    Json::String(text) => text.clone(),
                    // IAM reads numbers and booleans as their text.
                    Json::Bool(_) | Json::Number(_) => value.to_string(),
                    other => {
                        let rule = "a condition value must be a string, a number or a boolean, or a list of these";
                        return refuse(other, rule);
                    }
                };
                read.push(Value::parse(&text, operator.family, variables));
            }
            tests.push(Test { operator: operator.clone(), key: key.clone(), values: read });
        }
    }
    Ok(tests)
}
