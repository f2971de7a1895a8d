//! Tokens that a configuration holds: as they can be sent, and the issuer of a service account's own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::Deserialize;

use super::bearer::BearerSource;
use super::pem::read_file;
use crate::error::Result;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
}

/// The `iss` of a projected service-account token.
///
/// Nothing for any other token: the `iss` of a person's token is that of the identity provider, not of the cluster, and
/// the legacy tokens of secrets all have the same one.
pub fn issuer(token: &str) -> Option<String> {
    let mut parts = token.trim().split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.sub.starts_with("system:serviceaccount:") && claims.iss.contains("://")).then_some(claims.iss)
}

/// A token as it can be sent in a header: without the white space around it that YAML and editors leave. Says what is
/// wrong with it, without quoting it: "is empty".
pub(super) fn checked(text: &str) -> Result<SecretString, String> {
    match text.trim() {
        "" => Err("is empty".to_owned()),
        token if token.chars().all(|c| c.is_ascii_graphic()) => Ok(SecretString::from(token)),
        _ => Err("holds characters that no token has".to_owned()),
    }
}

/// The token in a file. Says why there is none: "cannot be read: ...".
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let bytes = read_file(path).map_err(|error| format!("cannot be read: {error}"))?;
    checked(&String::from_utf8_lossy(&bytes))
}

/// The token of a file that another program rotates, such as the kubelet. It is read again for every request.
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<SecretString>,
}

impl TokenFile {
    /// `token` is used as long as the file cannot be read.
    pub(super) fn new(path: PathBuf, token: SecretString) -> Self {
        Self { path, last: Mutex::new(token) }
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl BearerSource for TokenFile {
    async fn bearer(&self) -> Result<SecretString> {
        let path = self.path.clone();
        let found = match tokio::task::spawn_blocking(move || read(&path)).await {
            Ok(found) => found,
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(token) => *last = token,
            // As in client-go: some remove the file once a program has begun (kubernetes issue 68164).
            Err(why) => tracing::debug!(file = %self.path.display(), "the token file {why}"),
        }
        Ok(last.clone())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn token(claims: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_is_sent_without_the_white_space_around_it() {
        for (text, token) in [("abc", "abc"), ("abc\n", "abc"), (" \tabc\r\n\r\n", "abc")] {
            assert_eq!(checked(text).unwrap().expose_secret(), token);
        }
        for (text, why) in [
            ("", "is empty"),
            ("\n \n", "is empty"),
            ("a b", "holds char"),
            ("a\nb", "holds char"),
            ("ä", "holds char"),
        ] {
            assert!(checked(text).err().unwrap().starts_with(why), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_token_file_is_read_again_and_the_last_token_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let source = TokenFile::new(path.clone(), read(&path).unwrap());
        let sent = async || source.bearer().await.unwrap().expose_secret().to_owned();
        assert_eq!(sent().await, "one");
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(sent().await, "two");
        for broken in ["", "a b"] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(sent().await, "two");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(sent().await, "two");
        assert!(!format!("{source:?}").contains("two"));
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
