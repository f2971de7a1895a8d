//! Which certificates are trusted for calls to AWS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, ErrorKind, Result};
use crate::transport::roots::{self, usable};
use crate::transport::tls::TrustWords;

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

/// The certificates that are trusted.
#[derive(Clone, Debug)]
pub(super) enum Trusted {
    Machine,
    Bundle(CaBundle),
}

impl Trusted {
    /// To check a server's certificate against. Those of the machine are read now, if they were not before.
    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        match self {
            Self::Machine => roots::machine(),
            Self::Bundle(bundle) => Arc::new(roots::store(bundle.certificates.iter().cloned())),
        }
    }

    /// The same in words.
    pub(super) fn words(&self) -> TrustWords {
        let (which, is_machine, how_to_trust) = match self {
            Self::Bundle(bundle) => {
                let how_to_trust = format!("add the certificate of its authority to {bundle}");
                (format!("of {bundle}"), false, how_to_trust)
            }
            Self::Machine => {
                let how_to_trust = "if a proxy inspects TLS, name the certificate of its authority with AWS_CA_BUNDLE, or \
                                    with ca_bundle in the profile";
                ("that this machine trusts".to_owned(), true, how_to_trust.to_owned())
            }
        };
        TrustWords { which, is_machine, how_to_trust, where_named: "check the endpoint URL" }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

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
