//! Single statements of a trust policy: whose they are, and those of the forms that IRSA tools write.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::document::strings;
use crate::name::{Audience, ProviderArn};
use crate::ownership::hash;

/// The action of IRSA.
const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
/// The Sid of the statement that stands where no other would be left: IAM takes no policy without a statement.
const NOBODY: &str = "IrsaNobody";

/// What a statement of irsa's own is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnKind {
    /// Lets subjects in.
    Subjects,
    /// A declared further statement.
    Extra,
    /// Lets nobody in.
    Nobody,
}

/// What a statement of irsa's own is for; nothing for a foreign one.
pub(crate) fn own_kind(statement: &Map<String, Value>) -> Option<OwnKind> {
    let sid = statement.get("Sid")?.as_str()?;
    match sid {
        NOBODY => Some(OwnKind::Nobody),
        sid if sid.starts_with("IrsaExtra") => Some(OwnKind::Extra),
        sid if sid.starts_with("Irsa") => Some(OwnKind::Subjects),
        _ => None,
    }
}

/// A statement of the form that irsa, eksctl, terraform, CDK and gen3's script write: it lets subjects of providers in by
/// `StringEquals` or `StringLike` on `sub`, with a test of `aud`, and says nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebIdentity {
    pub(crate) providers: Vec<String>,
    /// The host and path whose keys the conditions test.
    pub(crate) issuer: String,
    pub(crate) exact: BTreeSet<String>,
    pub(crate) patterns: BTreeSet<String>,
    pub(crate) audiences: BTreeSet<String>,
}

impl WebIdentity {
    /// Reads a statement; nothing when it has another form.
    pub(crate) fn read(statement: &Map<String, Value>) -> Option<Self> {
        let known = |key: &String| ["Sid", "Effect", "Principal", "Action", "Condition"].contains(&key.as_str());
        if statement.get("Effect")?.as_str()? != "Allow" || !statement.keys().all(known) {
            return None;
        }
        if !strings(statement.get("Action")).iter().any(|action| action.eq_ignore_ascii_case(ACTION)) {
            return None;
        }
        let principal = statement.get("Principal")?.as_object()?;
        let providers = strings(principal.get("Federated"));
        if principal.len() != 1 || providers.is_empty() {
            return None;
        }
        let mut web = Self {
            providers,
            issuer: String::new(),
            exact: BTreeSet::new(),
            patterns: BTreeSet::new(),
            audiences: BTreeSet::new(),
        };
        web.read_conditions(statement.get("Condition")?.as_object()?)?;
        let names_nobody = web.exact.is_empty() && web.patterns.is_empty();
        (!names_nobody && !web.audiences.is_empty()).then_some(web)
    }

    fn read_conditions(&mut self, operators: &Map<String, Value>) -> Option<()> {
        let mut tested = BTreeSet::new();
        for (operator, keys) in operators {
            let like = match operator.as_str() {
                "StringEquals" => false,
                "StringLike" => true,
                _ => return None,
            };
            for (key, values) in keys.as_object()? {
                let (issuer, claim) = key.rsplit_once(':')?;
                // Two tests of one claim are a conjunction, which this form does not have.
                let one_issuer = self.issuer.is_empty() || self.issuer == issuer;
                if !one_issuer || !tested.insert(claim.to_ascii_lowercase()) {
                    return None;
                }
                issuer.clone_into(&mut self.issuer);
                let values = strings(Some(values));
                let wild = |value: &str| like && value.contains(['*', '?']);
                // A policy variable means something else than what stands there.
                if values.iter().any(|value| value.contains("${")) {
                    return None;
                }
                match claim.to_ascii_lowercase().as_str() {
                    "sub" => {
                        let (patterns, exact) = values.into_iter().partition(|value| wild(value));
                        (self.patterns, self.exact) = (patterns, exact);
                    }
                    "aud" if values.iter().any(|value| wild(value)) => return None,
                    "aud" => self.audiences = values.into_iter().collect(),
                    _ => return None,
                }
            }
        }
        Some(())
    }

    /// Whether the conditions are those of tokens of this provider. Condition keys have no case (IAM user guide,
    /// "Condition"), ARNs do.
    pub(crate) fn trusts(&self, provider: &ProviderArn) -> bool {
        let named = |arn: &String| arn == "*" || *arn == provider.to_string();
        self.issuer.eq_ignore_ascii_case(provider.issuer().host_path()) && self.providers.iter().any(named)
    }
}

/// irsa's own statement for exact subjects, or for patterns.
pub(crate) fn own_statement(provider: &ProviderArn, subs: &BTreeSet<String>, audience: &str, patterns: bool) -> Value {
    let issuer = provider.issuer().host_path();
    let (sub, aud) = (format!("{issuer}:sub"), format!("{issuer}:aud"));
    let subs = match subs.iter().collect::<Vec<_>>()[..] {
        [one] => json!(one),
        ref many => json!(many),
    };
    let condition = if patterns {
        json!({"StringEquals": {aud: audience}, "StringLike": {sub: subs}})
    } else {
        json!({"StringEquals": {aud: audience, sub: subs}})
    };
    json!({
        "Sid": own_sid(provider, patterns),
        "Effect": "Allow",
        "Principal": {"Federated": provider.to_string()},
        "Action": ACTION,
        "Condition": condition,
    })
}

/// The Sid of irsa's own statement: one per provider and operator.
pub(crate) fn own_sid(provider: &ProviderArn, patterns: bool) -> String {
    let kind = if patterns { "Like" } else { "Equals" };
    format!("Irsa{kind}{}", hash(&provider.to_string(), 8))
}

/// The statement that lets nobody in.
pub(crate) fn nobody() -> Value {
    json!({"Sid": NOBODY, "Effect": "Deny", "Principal": "*", "Action": ACTION})
}

/// The audience that a statement is written with.
pub(crate) fn audience_or_default(declared: Option<&Audience>, standing: Option<String>) -> String {
    declared.map(ToString::to_string).or(standing).unwrap_or_else(|| Audience::sts().to_string())
}
