//! The issuer of the token that we ourselves run with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
}

/// The `iss` of a projected service-account token.
///
/// Nothing for any other token: the `iss` of a person's token is that of the identity provider, not of the cluster, and
/// the legacy tokens of secrets all have the same one.
pub(super) fn issuer(token: &str) -> Option<String> {
    let mut parts = token.trim().split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.sub.starts_with("system:serviceaccount:") && claims.iss.contains("://")).then_some(claims.iss)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_issuer_is_that_of_a_service_account_token_only() {
        let url = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC";
        let claims = format!(r#"{{"aud":["x"],"iss":"{url}","sub":"system:serviceaccount:a:b"}}"#);
        assert_eq!(issuer(&format!("{}\n", token(&claims))).as_deref(), Some(url));
        let person = r#"{"iss":"https://login.example","sub":"jane"}"#;
        let legacy = r#"{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:a:b"}"#;
        for other in [&token(person), &token(legacy), "k8s-aws-v1.aHR0cHM6Ly9zdHM", "", "a.b.c", "a.b", &token("[]")] {
            assert_eq!(issuer(other), None, "{other}");
        }
    }
}
