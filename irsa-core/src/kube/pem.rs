//! Certificates and private keys of a kubeconfig: PEM in a file, or PEM encoded in base64.

use std::fmt::Display;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::defect::Defect;

/// The largest file that is read: the bundle of all public certificate authorities has a quarter of it.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// What the sections of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// One or more certificate authorities.
    Authorities,
    /// A client certificate, with intermediate ones after it.
    ClientCertificate,
    /// A private key that is not encrypted.
    PrivateKey,
}

impl Content {
    fn holds(self, kind: SectionKind) -> bool {
        match self {
            Self::Authorities | Self::ClientCertificate => kind == SectionKind::Certificate,
            Self::PrivateKey => {
                matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Authorities | Self::ClientCertificate => "certificate",
            Self::PrivateKey => "private key",
        }
    }
}

/// A field that comes in two forms: the path of a file, and `NAME-data`, which wins.
#[derive(Debug)]
pub(super) struct Field<'a> {
    /// The name of the field that holds a path, and that of the other one.
    pub(super) names: [&'static str; 2],
    /// What the field belongs to: `user "jane"`.
    pub(super) owner: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) data: Option<&'a str>,
    pub(super) content: Content,
}

impl Field<'_> {
    /// The PEM of the field, reduced to the sections that are of its content; nothing where the field is not set.
    pub(super) fn load(&self) -> Result<Option<String>, Defect> {
        let [file_name, data_name] = self.names;
        let set = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
        if let Some(data) = set(self.data) {
            let unusable = |why: Unusable| {
                why.defect(data_name, &format!("{data_name} of {}", self.owner), Form::Data, self.content)
            };
            return decode(&data).and_then(|bytes| reduced(&bytes, self.content)).map(Some).map_err(unusable);
        }
        let Some(path) = set(self.file) else { return Ok(None) };
        let unusable = |why: Unusable| {
            why.defect(file_name, &format!("{file_name} {path:?} of {}", self.owner), Form::File, self.content)
        };
        read_file(Path::new(&path))
            .map_err(Unusable::Unreadable)
            .and_then(|bytes| reduced(&bytes, self.content))
            .map(Some)
            .map_err(unusable)
    }
}

/// How a field holds its PEM.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Data,
    File,
}

/// Why a field cannot be used. No text of it holds anything secret.
enum Unusable {
    Unreadable(std::io::Error),
    NotBase64,
    /// A `*-data` field that was not encoded.
    PlainPem,
    /// Base64 in place of PEM.
    Base64,
    Der,
    Empty,
    Encrypted,
    /// PEM of something else.
    OtherPem,
    NotPem,
    Refused(rustls::Error),
}

impl Unusable {
    fn defect(self, field: &'static str, subject: &str, form: Form, content: Content) -> Defect {
        let convert = match content {
            Content::PrivateKey => "convert it: openssl pkey -inform der -in FILE -out NEW_FILE",
            _ => "convert it: openssl x509 -inform der -in FILE -out NEW_FILE",
        };
        let (why, hint) = match self {
            Self::Unreadable(error) => (format!("cannot be read: {error}"), None),
            Self::NotBase64 => ("is not base64".to_owned(), Some("the field holds PEM that is encoded in base64")),
            Self::PlainPem => ("is PEM that is not encoded in base64".to_owned(), Some("encode it: base64 -w0 FILE")),
            Self::Base64 if form == Form::Data => {
                ("is encoded in base64 twice".to_owned(), Some("decode it once: base64 -d FILE"))
            }
            Self::Base64 => ("is base64, not PEM".to_owned(), Some("decode it: base64 -d FILE")),
            Self::Der => ("is DER, not PEM".to_owned(), Some(convert)),
            Self::Empty => ("is empty".to_owned(), None),
            Self::Encrypted => {
                ("is encrypted with a passphrase".to_owned(), Some("decrypt it: openssl pkey -in FILE -out NEW_FILE"))
            }
            Self::OtherPem => (format!("is PEM, but holds no valid {}", content.name()), None),
            Self::NotPem => ("is not PEM".to_owned(), Some("PEM is text that begins with -----BEGIN and a label")),
            Self::Refused(error) => (format!("holds no valid {}: {error}", content.name()), None),
        };
        Defect { field, cause: format!("{subject} {why}"), value: None, hint: hint.map(str::to_owned) }
    }
}

/// The bytes of a `*-data` field. White space in it has no meaning, as line breaks have none in Go.
fn decode(data: &str) -> Result<Vec<u8>, Unusable> {
    let joined: String = data.split_ascii_whitespace().collect();
    STANDARD.decode(joined).map_err(|_| match data.contains("-----BEGIN ") {
        true => Unusable::PlainPem,
        false => Unusable::NotBase64,
    })
}

/// The bytes of a file that is not larger than any that is meant.
pub(super) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE_SIZE {
        true => Err(std::io::Error::other(format!("it is larger than {MAX_FILE_SIZE} bytes"))),
        false => Ok(bytes),
    }
}

/// PEM of the sections that are of a content, and of nothing else that the bytes hold. As in Go, broken sections are
/// passed over as long as something is left.
fn reduced(bytes: &[u8], content: Content) -> Result<String, Unusable> {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes).filter_map(Result::ok);
    let (mut pem, mut refused) = (String::new(), None);
    for (kind, der) in sections.filter(|(kind, der)| content.holds(*kind) && !der.is_empty()) {
        if content == Content::Authorities
            && let Err(error) = RootCertStore::empty().add(CertificateDer::from(der.as_slice()))
        {
            refused = Some(error);
            continue;
        }
        pem.push_str(&encode(label(kind), &der));
    }
    match refused {
        _ if !pem.is_empty() => Ok(pem),
        Some(error) => Err(Unusable::Refused(error)),
        None => Err(unusable(bytes, content)),
    }
}

/// What bytes are that hold nothing of a content.
fn unusable(bytes: &[u8], content: Content) -> Unusable {
    let text = String::from_utf8_lossy(bytes);
    let decoded = || STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).unwrap_or_default();
    match bytes {
        _ if text.trim().is_empty() => Unusable::Empty,
        _ if content == Content::PrivateKey && text.contains("ENCRYPTED") => Unusable::Encrypted,
        _ if text.contains("-----BEGIN ") => Unusable::OtherPem,
        // Certificates and keys are a SEQUENCE whose length takes one to three more bytes (X.690, 8.1.3.5).
        [0x30, 0x81..=0x83, ..] => Unusable::Der,
        _ if String::from_utf8_lossy(&decoded()).contains("-----BEGIN ") => Unusable::Base64,
        _ => Unusable::NotPem,
    }
}

/// Checks that a private key can be used, and that it is the key of a certificate; says why not.
pub(super) fn check_pair(certificates: &str, key: &str) -> Result<(), String> {
    let chain = CertificateDer::pem_slice_iter(certificates.as_bytes()).filter_map(Result::ok).collect();
    let said = |error: &dyn Display| error.to_string();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| said(&error))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(|_| ()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
        error => said(&error),
    })
}

/// One section of PEM.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = STANDARD.encode(der);
    while !rest.is_empty() {
        let tail = rest.split_off(rest.len().min(64));
        pem.push_str(&rest);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn label(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::PrivateKey => "PRIVATE KEY",
        SectionKind::RsaPrivateKey => "RSA PRIVATE KEY",
        SectionKind::EcPrivateKey => "EC PRIVATE KEY",
        _ => "CERTIFICATE",
    }
}

/// The certificates in PEM, each in DER.
pub(super) fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).map(|der| der.to_vec()).collect()
}
