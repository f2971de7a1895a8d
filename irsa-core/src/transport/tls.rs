//! TLS handshakes that failed: what is said of a server's certificate that is not trusted.

use std::error::Error as StdError;
use std::fmt;

use rustls::CertificateError;

use super::error_chain::find;
use super::roots;
use crate::error::{Error, ErrorKind, UNTRUSTED_CERTIFICATE};

/// Which certificates servers are checked against, in words.
#[derive(Clone, Debug)]
pub(crate) struct TrustWords {
    /// To be read after "the certificates": `of ca.pem`.
    pub(crate) which: String,
    /// Whether they are those of the machine.
    pub(crate) is_machine: bool,
    /// What to do about an authority that is not among them.
    pub(crate) how_to_trust: String,
    /// What to check about a certificate for another name.
    pub(crate) where_named: &'static str,
}

impl TrustWords {
    /// Those of a client that was made elsewhere.
    pub(crate) fn of_client() -> Self {
        Self {
            which: "of the client".to_owned(),
            is_machine: false,
            how_to_trust: "build the client with the certificate of the server's authority".to_owned(),
            where_named: "check the URL of the server",
        }
    }
}

/// A TLS handshake that failed, and not for want of a network.
#[derive(Debug)]
pub(crate) struct TlsFailure {
    server: String,
    error: rustls::Error,
    trust: TrustWords,
}

impl TlsFailure {
    /// The failure of the handshake behind an error. `server` is the URL of the request.
    pub(crate) fn find(error: &(dyn StdError + 'static), server: &str, trust: &TrustWords) -> Option<Self> {
        let error = find::<rustls::Error>(error)?.clone();
        let server = match server.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap_or_default()),
            None => "the server".to_owned(),
        };
        Some(Self { server, error, trust: trust.clone() })
    }

    /// Whether the same would happen again: an alert or a broken record may come from the way to the server.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self.error, rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_))
    }

    /// The error of a call that failed by it.
    pub(crate) fn error(&self, operation: impl Into<String>) -> Error {
        let error = Error::new(ErrorKind::Unavailable, operation.into()).with_cause(self.to_string());
        let rustls::Error::InvalidCertificate(reason) = &self.error else {
            return error
                .with_hint("check that the server speaks TLS: is the URL or a proxy on the way meant for http?");
        };
        let error = error.with_code(UNTRUSTED_CERTIFICATE);
        match reason {
            CertificateError::UnknownIssuer => error.with_hint(self.trust.how_to_trust.clone()),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                error.with_hint(self.trust.where_named)
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => error.with_hint("check the clock of this machine"),
            _ => error,
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, error, trust } = self;
        let rustls::Error::InvalidCertificate(reason) = error else {
            return write!(f, "the TLS handshake with {server} failed: {error}");
        };
        write!(f, "the certificate of {server} is not trusted: ")?;
        match reason {
            CertificateError::UnknownIssuer if trust.is_machine && roots::certificates().is_empty() => {
                f.write_str("this machine has no trusted certificates (SSL_CERT_FILE and SSL_CERT_DIR name others)")
            }
            CertificateError::UnknownIssuer => write!(f, "its authority is not among the certificates {}", trust.which),
            reason => write!(f, "{reason}"),
        }
    }
}

impl StdError for TlsFailure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

/// Whether a TLS handshake failed because the certificate of the other side is not trusted.
pub(crate) fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    matches!(find(error), Some(rustls::Error::InvalidCertificate(_)))
}
