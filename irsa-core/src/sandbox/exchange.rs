//! The exchange of a projected token for a session of a role, as STS does it: the token's form, what STS checks of it, and
//! whether the trust policy lets its subject in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wildmatch::WildMatch;

use super::refusal::{Answer, Refusal};
use super::state::SandboxState;
use crate::backend::{Session, TokenExchange};
use crate::document::{statements, strings};
use crate::name::{Issuer, ProviderArn};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// What a projected token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    #[serde(default)]
    pub(super) aud: Vec<String>,
}

impl Claims {
    /// A token of the form of a JWT, which nobody signed.
    pub(super) fn token(&self) -> SecretString {
        let header = json!({"alg": "none", "typ": "JWT"});
        let payload = json!(self);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        SecretString::from(format!("{}.{}.{}", part(&header), part(&payload), URL_SAFE_NO_PAD.encode("sandbox")))
    }

    fn read(token: &SecretString) -> Option<Self> {
        let payload = token.expose_secret().split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

/// The answer of STS (IRSA facts: STS says no more of a refusal than these messages).
pub(super) fn exchange(state: &SandboxState, request: &TokenExchange) -> Answer<Session> {
    let session = &request.session_name;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(allowed) {
        let pattern = r"must satisfy regular expression pattern: [\w+=,.@-]{2,64}";
        return Err(Refusal::validation("roleSessionName", session, pattern));
    }
    let invalid = |message: String| Refusal::aws("InvalidIdentityToken", message);
    let claims = Claims::read(&request.token)
        .ok_or_else(|| invalid("Provided Token is not a Login With Amazon token".to_owned()))?;
    let provider_arn = claims
        .iss
        .parse::<Issuer>()
        .ok()
        .map(|issuer| ProviderArn::new(request.role.partition().clone(), request.role.account().clone(), issuer));
    let found = provider_arn.as_ref().and_then(|arn| Some((arn, state.provider(arn)?)));
    let Some((provider_arn, provider)) = found else {
        return Err(invalid(format!("No OpenIDConnect provider found in your account for {}", claims.iss)));
    };
    let Some(audience) = claims.aud.first() else {
        return Err(invalid("Missing a required claim: aud".to_owned()));
    };
    if !provider.audiences.contains(audience) {
        return Err(invalid("Incorrect token audience".to_owned()));
    }
    let role = state.role(request.role.name()).filter(|(name, role)| state.role_arn(name, role) == request.role);
    let Some((name, _)) = role.filter(|(_, role)| lets_in(&role.trust_policy, provider_arn, &claims)) else {
        return Err(Refusal::aws("AccessDenied", format!("Not authorized to perform {ACTION}")));
    };
    Ok(Session {
        assumed_role_arn: format!("arn:{}:sts::{}:assumed-role/{name}/{session}", state.partition, state.account),
        subject: Some(claims.sub.clone()),
        audience: Some(audience.clone()),
        provider: Some(provider_arn.to_string()),
    })
}

/// Whether a trust policy lets a token in: an Allow counts when all of it is understood, a Deny also when it is not.
fn lets_in(trust_policy: &Value, provider: &ProviderArn, claims: &Claims) -> bool {
    let mut allowed = false;
    for statement in statements(trust_policy) {
        let condition = condition(statement, provider.issuer(), claims);
        if statement.get("Effect").and_then(Value::as_str) == Some("Deny") {
            let action = statement.get("Action").is_none_or(covers_action);
            if action && concerns(statement, provider) && condition != Some(false) {
                return false;
            }
        } else {
            let action = statement.get("Action").is_some_and(covers_action);
            allowed |= action && names(statement, provider) && condition == Some(true);
        }
    }
    allowed
}

fn covers_action(action: &Value) -> bool {
    let wanted = ACTION.to_lowercase();
    strings(Some(action)).iter().any(|pattern| WildMatch::new(&pattern.to_lowercase()).matches(&wanted))
}

fn names(statement: &Map<String, Value>, provider: &ProviderArn) -> bool {
    let federated = statement.get("Principal").and_then(|principal| principal.get("Federated"));
    strings(federated).contains(&provider.to_string())
}

fn concerns(statement: &Map<String, Value>, provider: &ProviderArn) -> bool {
    let principal = statement.get("Principal");
    let everyone = principal.and_then(Value::as_str) == Some("*");
    let every_account = principal.and_then(|principal| principal.get("AWS"));
    everyone || strings(every_account).iter().any(|who| who == "*") || names(statement, provider)
}

/// Whether the condition holds; nothing when it tests anything but `sub` and `aud` of this issuer.
fn condition(statement: &Map<String, Value>, issuer: &Issuer, claims: &Claims) -> Option<bool> {
    let Some(condition) = statement.get("Condition") else { return Some(true) };
    let mut result = Some(true);
    for (operator, keys) in condition.as_object()? {
        for (key, values) in keys.as_object()? {
            let holds = compare(operator, key, &strings(Some(values)), issuer, claims);
            result = match (result, holds) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (None, _) | (_, None) => None,
                _ => Some(true),
            };
        }
    }
    result
}

fn compare(operator: &str, key: &str, values: &[String], issuer: &Issuer, claims: &Claims) -> Option<bool> {
    let claim = key.strip_prefix(issuer.host_path())?.strip_prefix(':')?;
    let actual = match claim {
        "sub" => Some(&claims.sub),
        "aud" => claims.aud.first(),
        _ => return None,
    };
    let fits: fn(&str, &str) -> bool = match operator {
        "StringEquals" => |value, actual| value == actual,
        "StringLike" => |value, actual| WildMatch::new(value).matches(actual),
        _ => return None,
    };
    Some(actual.is_some_and(|actual| values.iter().any(|value| fits(value, actual))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/issuer.example/x";

    fn decide(statement: Value) -> bool {
        let claims = Claims {
            iss: "https://issuer.example/x".to_owned(),
            sub: "system:serviceaccount:ns:a".to_owned(),
            aud: vec!["sts.amazonaws.com".to_owned()],
        };
        lets_in(&json!({"Statement": statement}), &PROVIDER.parse().unwrap(), &claims)
    }

    fn allow(condition: Value) -> Value {
        json!({"Effect": "Allow", "Principal": {"Federated": [PROVIDER]}, "Action": ["sts:assumerole*"],
               "Condition": condition})
    }

    #[test]
    fn subjects_are_let_in_by_equality_and_pattern() {
        let sub = |operator: &str, value: Value| allow(json!({operator: {"issuer.example/x:sub": value}}));
        assert!(decide(sub("StringEquals", json!(["x", "system:serviceaccount:ns:a"]))));
        assert!(decide(sub("StringLike", json!("system:serviceaccount:*:a"))));
        assert!(!decide(sub("StringEquals", json!("system:serviceaccount:*:a"))));
        assert!(!decide(sub("StringLike", json!("system:serviceaccount:ns:b*"))));
        assert!(decide(allow(json!({}))), "no condition lets everyone in");
    }

    #[test]
    fn what_is_not_understood_lets_nobody_in() {
        for condition in [
            json!({"StringEqualsIfExists": {"issuer.example/x:sub": "system:serviceaccount:ns:a"}}),
            json!({"StringEquals": {"other.example:sub": "system:serviceaccount:ns:a"}}),
            json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
        ] {
            assert!(!decide(allow(condition.clone())), "{condition}");
        }
        assert!(!decide(json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"})));
        assert!(!decide(json!({"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRole"})));
    }

    #[test]
    fn deny_wins() {
        let deny =
            |condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": condition});
        assert!(!decide(json!([allow(json!({})), deny(json!({}))])));
        assert!(!decide(json!([allow(json!({})), deny(json!({"Bool": {"aws:SecureTransport": false}}))])));
        let other = json!({"StringEquals": {"issuer.example/x:sub": "system:serviceaccount:ns:b"}});
        assert!(decide(json!([allow(json!({})), deny(other)])), "a Deny for somebody else");
    }
}
