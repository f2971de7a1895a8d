//! The exchange of a projected token for a session of a role, as STS does it: the token's form, what STS checks of it, and
//! whether the trust policy lets its subject in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::responses::{Answer, Refusal};
use super::state::SandboxState;
use crate::backend::{Session, TokenExchange};
use crate::name::{Issuer, ProviderArn};
use crate::trust::{Decision, TrustDocument, WebIdentityCaller};

/// What a projected token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    #[serde(default)]
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
    if claims.aud.is_empty() {
        return Err(invalid("Missing a required claim: aud".to_owned()));
    }
    // Of several audiences, the one that the provider takes is that of the session.
    let Some(audience) = claims.aud.iter().find(|audience| provider.audiences.contains(audience)) else {
        return Err(invalid("Incorrect token audience".to_owned()));
    };
    if claims.sub.is_empty() {
        return Err(invalid("Missing a required claim: sub".to_owned()));
    }
    let caller = WebIdentityCaller::new(provider_arn.clone(), &*claims.sub, &**audience);
    let role = state.role(request.role.name()).filter(|(name, role)| state.role_arn(name, role) == request.role);
    let Some((name, _)) = role.filter(|(_, role)| lets_in(&role.trust_policy, &caller)) else {
        return Err(Refusal::aws("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"));
    };
    Ok(Session {
        assumed_role_arn: format!("arn:{}:sts::{}:assumed-role/{name}/{session}", state.partition, state.account),
        subject: Some(claims.sub.clone()),
        audience: Some(audience.clone()),
        provider: Some(provider_arn.to_string()),
    })
}

/// Whether a trust policy lets a caller in. What it depends on besides the token, the sandbox does not have: then it does not.
fn lets_in(trust_policy: &Value, caller: &WebIdentityCaller) -> bool {
    TrustDocument::from_value(trust_policy).is_ok_and(|document| document.decide(caller) == Decision::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/issuer.example/x";

    fn decide(statement: Value) -> bool {
        let caller =
            WebIdentityCaller::new(PROVIDER.parse().unwrap(), "system:serviceaccount:ns:a", "sts.amazonaws.com");
        lets_in(&json!({"Statement": statement}), &caller)
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
            json!({"Frobnicate": {"issuer.example/x:sub": "system:serviceaccount:ns:a"}}),
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
