//! Which certificates are trusted, and what is said when a server's certificate is not.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::{fmt, fs, io};

use aws_smithy_http_client::tls::TrustStore;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};

use crate::error::{Error, ErrorKind, Result};

/// The code of the error (kind `Unavailable`) of a server whose certificate is not trusted. Trying again does not help.
pub const UNTRUSTED_CERTIFICATE: &str = "UntrustedCertificate";

/// Certificates in a PEM file that are trusted in place of the machine's own, as `AWS_CA_BUNDLE` names one for the aws CLI.
#[derive(Clone)]
pub struct CaBundle {
    path: PathBuf,
    setting: String,
    certificates: Arc<[CertificateDer<'static>]>,
}

impl CaBundle {
    /// Reads the file. `setting` says in messages what names it: `AWS_CA_BUNDLE`.
    ///
    /// Certificates that no server's can be checked against are skipped, as long as there are others.
    ///
    /// # Errors
    /// `InvalidInput` for a file that cannot be read, and for one without a certificate in PEM form.
    pub fn read(path: &Path, setting: impl Into<String>) -> Result<Self> {
        let setting = setting.into();
        let refused = |cause: String| {
            Error::new(ErrorKind::InvalidInput, format!("cannot read the certificates of {setting}"))
                .with_cause(format!("{:?}: {cause}", path.display().to_string()))
                .with_hint(format!("{setting} must name a file with certificates in PEM form"))
        };
        let pem = fs::read(path).map_err(|error| {
            refused(match error.kind() {
                io::ErrorKind::NotFound => "the file does not exist".to_owned(),
                _ => error.to_string(),
            })
        })?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| refused(format!("the file is not valid PEM: {error}")))?;
        if found.is_empty() {
            return Err(refused("the file has no certificate in PEM form".to_owned()));
        }
        let certificates: Arc<[_]> = usable(found).collect();
        if certificates.is_empty() {
            return Err(refused("the file has no valid certificate".to_owned()));
        }
        Ok(Self { path: path.to_owned(), setting, certificates })
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaBundle").field("path", &self.path).field("setting", &self.setting).finish_non_exhaustive()
    }
}

impl fmt::Display for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.setting)
    }
}

/// Those that a server's certificate can be checked against.
fn usable(found: Vec<CertificateDer<'static>>) -> impl Iterator<Item = CertificateDer<'static>> {
    found.into_iter().filter(|certificate| {
        let added = RootCertStore::empty().add(certificate.clone());
        if let Err(error) = &added {
            tracing::debug!(%error, "a trusted certificate cannot be used and is skipped");
        }
        added.is_ok()
    })
}

/// What the machine trusts. Read once; rustls-native-certs honours `SSL_CERT_FILE` and `SSL_CERT_DIR`.
static MACHINE: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    let read = rustls_native_certs::load_native_certs();
    for error in &read.errors {
        tracing::warn!(%error, "trusted certificates of this machine cannot be read");
    }
    usable(read.certs).collect()
});

/// The certificates that are trusted.
#[derive(Debug)]
pub(super) enum Trusted {
    Machine,
    Bundle(CaBundle),
}

impl Trusted {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::Machine => &MACHINE,
            Self::Bundle(bundle) => &bundle.certificates,
        }
    }

    /// The store of the HTTP client, which takes PEM alone and panics on what cannot be used.
    pub(super) fn store(&self) -> TrustStore {
        let pem = |certificate: &CertificateDer<'_>| {
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
        };
        let all: String = self.certificates().iter().map(pem).collect();
        TrustStore::empty().with_pem_certificate(all)
    }
}

/// A TLS handshake that failed, and not for want of a network.
#[derive(Debug)]
pub(super) struct TlsFailure {
    server: String,
    error: rustls::Error,
    trusted: Arc<Trusted>,
}

impl TlsFailure {
    /// The failure of the handshake behind an error. `server` is the URL of the request.
    pub(super) fn find(error: &(dyn StdError + 'static), server: &str, trusted: Arc<Trusted>) -> Option<Self> {
        let error = chain(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?.clone();
        let (scheme, rest) = server.split_once("://").unwrap_or(("https", server));
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        Some(Self { server: format!("{scheme}://{host}"), error, trusted })
    }

    /// The error of a call that failed by it.
    pub(super) fn told(&self, operation: String) -> Error {
        let error = Error::new(ErrorKind::Unavailable, operation).with_cause(self.to_string());
        match &self.error {
            rustls::Error::InvalidCertificate(reason) => {
                let error = error.with_code(UNTRUSTED_CERTIFICATE);
                match reason {
                    CertificateError::UnknownIssuer => error.with_hint(self.how_to_trust()),
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                        error.with_hint("check the endpoint URL")
                    }
                    CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. } => error.with_hint("check the clock of this machine"),
                    _ => error,
                }
            }
            _ => error.with_hint("check that the server speaks TLS: is the URL or a proxy on the way meant for http?"),
        }
    }

    fn how_to_trust(&self) -> String {
        match &*self.trusted {
            Trusted::Bundle(bundle) => format!("add the certificate of its authority to {bundle}"),
            Trusted::Machine => {
                "if a proxy inspects TLS, name the certificate of its authority with AWS_CA_BUNDLE, or with \
                                 ca_bundle in the profile"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, error, trusted } = self;
        let rustls::Error::InvalidCertificate(reason) = error else {
            return write!(f, "the TLS handshake with {server} failed: {error}");
        };
        write!(f, "the certificate of {server} is not trusted: ")?;
        match (reason, &**trusted) {
            (CertificateError::UnknownIssuer, Trusted::Bundle(bundle)) => {
                write!(f, "its authority is not among the certificates of {bundle}")
            }
            (CertificateError::UnknownIssuer, Trusted::Machine) if MACHINE.is_empty() => {
                f.write_str("this machine has no trusted certificates (SSL_CERT_FILE and SSL_CERT_DIR name others)")
            }
            (CertificateError::UnknownIssuer, Trusted::Machine) => {
                f.write_str("its authority is not among the certificates that this machine trusts")
            }
            (reason, _) => write!(f, "{reason}"),
        }
    }
}

impl StdError for TlsFailure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

/// An error and what is behind it; `io::Error` leaves out its own payload where it tells its source.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|payload| payload as &(dyn StdError + 'static)),
        None => (**error).source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::authority;

    #[test]
    fn a_bundle_that_cannot_be_used_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let der = STANDARD.encode([0x30, 3, 2, 1, 1]);
        let block = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        for (path, cause) in [
            (folder.path().join("absent"), "the file does not exist"),
            (folder.path().to_owned(), "directory"),
            (file("empty", b""), "the file has no certificate in PEM form"),
            (file("der", &[0x30, 0x82, 0xff]), "the file has no certificate in PEM form"),
            (file("key", include_bytes!("../test_server/server.key")), "the file has no certificate in PEM form"),
            (file("base64", block("!").as_bytes()), "the file is not valid PEM"),
            (file("no-certificate", block(&der).as_bytes()), "the file has no valid certificate"),
        ] {
            let error = CaBundle::read(&path, "AWS_CA_BUNDLE").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
            let causes = error.causes().join(" ");
            assert!(causes.contains(cause) && causes.contains(&path.display().to_string()), "{causes}");
            assert!(error.to_string().ends_with("AWS_CA_BUNDLE"), "{error}");
        }
        let mixed = fs::read_to_string(authority("ca")).unwrap() + &block(&der);
        let bundle = CaBundle::read(&file("mixed", mixed.as_bytes()), "AWS_CA_BUNDLE").unwrap();
        assert_eq!(bundle.certificates.len(), 1, "what cannot be used is skipped");
    }
}
