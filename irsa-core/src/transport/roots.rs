//! The certificates that this machine trusts: read once, and not before a connection needs them.

use std::sync::{Arc, LazyLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::CertificateResult;

/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, see [`read`].
static MACHINE: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| Arc::new(store(certificates().iter().cloned())));

static CERTIFICATES: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    let read = read();
    for error in &read.errors {
        tracing::warn!(%error, "trusted certificates of this machine cannot be read");
    }
    usable(read.certs).collect()
});

/// The certificates that the machine trusts.
pub(crate) fn certificates() -> &'static [CertificateDer<'static>] {
    &CERTIFICATES
}

/// The same, to check a server's certificate against.
pub(crate) fn machine() -> Arc<RootCertStore> {
    Arc::clone(&MACHINE)
}

/// A store of certificates that are [usable](usable).
pub(crate) fn store(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    store
}

/// Those that a server's certificate can be checked against.
pub(crate) fn usable(found: Vec<CertificateDer<'static>>) -> impl Iterator<Item = CertificateDer<'static>> {
    found.into_iter().filter(|certificate| {
        let added = RootCertStore::empty().add(certificate.clone());
        if let Err(error) = &added {
            tracing::debug!(%error, "a trusted certificate cannot be used and is skipped");
        }
        added.is_ok()
    })
}

/// Reads the bundle of the system, where it has one: most systems keep each of its certificates in a file of its own too,
/// and rustls-native-certs would read those as well.
#[cfg(all(unix, not(target_os = "macos")))]
fn read() -> CertificateResult {
    // rustls-native-certs reads these two itself: they are the process's, as the store of the machine is.
    #[allow(clippy::disallowed_methods)]
    let is_set = |name: &str| std::env::var_os(name).is_some();
    if !is_set("SSL_CERT_FILE")
        && !is_set("SSL_CERT_DIR")
        && let Some(bundle) = openssl_probe::probe().cert_file
    {
        let read = rustls_native_certs::load_certs_from_paths(Some(&bundle), None);
        if !read.certs.is_empty() {
            return read;
        }
    }
    rustls_native_certs::load_native_certs()
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn read() -> CertificateResult {
    rustls_native_certs::load_native_certs()
}
