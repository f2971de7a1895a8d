//! What a credential plug-in prints: an `ExecCredential` (client-go, `pkg/apis/clientauthentication`).

use std::fmt;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

/// So long before its end a credential is not used any longer.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// So long a new credential is used in any case, whatever end it names: clocks differ, and each run may ask a person.
const MIN_USE: Duration = Duration::from_secs(60);

const NOT_A_CREDENTIAL: &str = "printed something that is not an ExecCredential";

/// A token, or a client certificate with its key, or both.
pub(in super::super) struct Credential {
    pub(in super::super) token: Option<SecretString>,
    /// The certificate and the key, both in PEM.
    pub(in super::super) certificate: Option<(String, SecretString)>,
    made: SystemTime,
    expires: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Document {
    kind: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Credential {
    /// Reads the answer of a plug-in, JSON or YAML.
    ///
    /// # Errors
    /// What is wrong with it, to be put behind "it"; nothing of the answer is quoted, since it may be secret.
    pub(super) fn read(answer: &[u8], now: SystemTime) -> Result<Self, &'static str> {
        if answer.iter().all(u8::is_ascii_whitespace) {
            return Err("printed nothing");
        }
        let document: Document = serde_saphyr::from_slice(answer).map_err(|_| NOT_A_CREDENTIAL)?;
        if document.kind.is_none() && document.status.is_none() {
            return Err(NOT_A_CREDENTIAL);
        }
        if document.kind.is_some_and(|kind| kind != "ExecCredential") {
            return Err("printed an object of another kind than ExecCredential");
        }
        let status = document.status.ok_or("printed an ExecCredential without a status")?;
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let certificate = match (given(status.client_certificate_data), given(status.client_key_data)) {
            (Some(certificate), Some(key)) => Some((certificate, key.into())),
            (None, None) => None,
            (Some(_), None) => return Err("printed a client certificate without its key"),
            (None, Some(_)) => return Err("printed a client key without its certificate"),
        };
        let token = given(status.token).map(|token| token.trim().to_owned());
        if token.as_ref().is_some_and(|token| !token.chars().all(|c| c.is_ascii_graphic())) {
            return Err("printed a token with characters that no token has");
        }
        if token.is_none() && certificate.is_none() {
            return Err("printed an ExecCredential without a token or a client certificate");
        }
        let expires = match given(status.expiration_timestamp) {
            None => None,
            Some(text) => {
                let time: Timestamp =
                    text.trim().parse().map_err(|_| "printed an expirationTimestamp that is not a time")?;
                Some(SystemTime::from(time))
            }
        };
        Ok(Self { token: token.map(SecretString::from), certificate, made: now, expires })
    }

    /// The same, made long ago.
    #[cfg(test)]
    pub(super) fn old(&self) -> Self {
        Self {
            token: self.token.clone(),
            certificate: self.certificate.clone(),
            made: SystemTime::UNIX_EPOCH,
            expires: self.expires,
        }
    }

    /// Whether another one is to be had before the next request.
    pub(in super::super) fn is_due(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| now + RENEW_BEFORE >= expires) && !self.is_new(now)
    }

    /// Whether it was made just now, so that another one would be no better.
    pub(super) fn is_new(&self, now: SystemTime) -> bool {
        // A clock that was set back makes nothing new.
        now.duration_since(self.made).is_ok_and(|age| age < MIN_USE)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    fn read(status: &serde_json::Value) -> Result<Credential, &'static str> {
        let answer =
            json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
        Credential::read(answer.to_string().as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn an_answer_is_json_or_yaml() {
        let token = |answer: &str| {
            let read = Credential::read(answer.as_bytes(), SystemTime::now()).unwrap();
            read.token.map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(token(r#"{"kind": "ExecCredential", "status": {"token": "abc\n"}}"#).as_deref(), Some("abc"));
        assert_eq!(
            token("kind: ExecCredential\nspec: {interactive: false}\nstatus:\n  token: abc\n").as_deref(),
            Some("abc")
        );
        let both = read(&json!({"clientCertificateData": "CERT", "clientKeyData": "KEY", "token": ""})).unwrap();
        let (certificate, key) = both.certificate.as_ref().unwrap();
        assert_eq!((certificate.as_str(), key.expose_secret(), both.token.is_none()), ("CERT", "KEY", true));
        assert_eq!(format!("{both:?}"), "Credential { expires: None, .. }");
    }

    #[test]
    fn what_is_not_a_credential_is_named_without_quoting_it() {
        for (status, problem) in [
            (json!(null), "without a status"),
            (json!({}), "without a token or a client certificate"),
            (json!({"token": " "}), "without a token or a client certificate"),
            (json!({"token": "a b"}), "characters that no token has"),
            (json!({"clientCertificateData": "c"}), "a client certificate without its key"),
            (json!({"clientKeyData": "s3cr3t"}), "a client key without its certificate"),
            (json!({"token": "s3cr3t", "expirationTimestamp": "tomorrow"}), "expirationTimestamp that is not a time"),
            (json!({"token": ["s3cr3t"]}), "not an ExecCredential"),
        ] {
            let found = read(&status).unwrap_err();
            assert!(found.contains(problem), "{status}: {found}");
        }
        for (answer, problem) in [
            ("", "printed nothing"),
            (" \n", "printed nothing"),
            ("Please log in: s3cr3t", "not an ExecCredential"),
            ("{\"kind\": \"Status\", \"status\": {\"token\": \"s3cr3t\"}}", "another kind"),
            ("\u{0}\u{1}", "not an ExecCredential"),
        ] {
            let found = Credential::read(answer.as_bytes(), SystemTime::now()).unwrap_err();
            assert!(found.contains(problem), "{answer:?}: {found}");
        }
    }

    #[test]
    fn a_credential_is_used_until_a_minute_before_its_end_and_for_a_minute_at_least() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let until = |end: &str| read(&json!({"token": "t", "expirationTimestamp": end})).unwrap();
        let hour = until("1970-01-01T01:00:00Z");
        assert!(!hour.is_due(at(0)) && !hour.is_due(at(3539)) && hour.is_due(at(3540)));
        // Its end is past by our clock: it is not asked for again before each request.
        let past = until("1969-12-31T23:00:00+00:00");
        assert!(!past.is_due(at(59)) && past.is_due(at(60)));
        assert!(!read(&json!({"token": "t"})).unwrap().is_due(at(1 << 40)));
    }
}
