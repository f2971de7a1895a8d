//! The right cluster: whether an API server is that of the cluster that was named.

use crate::backend::ApiServerFingerprint;
use crate::cluster_identity::ClusterIdentity;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::ClusterRef;
use crate::report::{Warning, WarningId};

/// Whether an API server is that of a cluster: the first fact that can be read on both sides decides.
///
/// # Errors
/// `WrongCluster` when it is another one, or when nothing can be compared and the user did not choose it by name.
pub(crate) fn check_cluster(
    cluster: &ClusterRef,
    identity: &ClusterIdentity,
    fingerprint: &ApiServerFingerprint,
) -> Result<Option<Warning>> {
    if !Invariant::RightCluster.is_enforced() {
        return Ok(None);
    }
    let url = |text: &str| text.trim_end_matches('/').to_owned();
    let wanted = identity.issuer.as_ref().map(|issuer| url(&issuer.url()));
    for (what, found) in [("issues tokens of", &fingerprint.issuer), ("gave us a token of", &fingerprint.token_issuer)]
    {
        if let (Some(wanted), Some(found)) = (&wanted, found) {
            return if *wanted == url(found) {
                Ok(None)
            } else {
                Err(wrong(cluster, fingerprint, what, found, wanted))
            };
        }
    }
    let of_both = |own: &Option<String>, eks: &Option<String>, same: &dyn Fn(&str) -> bool| match (own, eks) {
        (Some(_), Some(eks)) => Some(same(eks)),
        _ => None,
    };
    let endpoint = of_both(&fingerprint.endpoint, &identity.endpoint, &|eks| fingerprint.is_at(eks));
    let authority = of_both(&fingerprint.certificate_authority, &identity.certificate_authority, &|eks| {
        fingerprint.is_trusted_by(eks)
    });
    match (endpoint, authority) {
        (Some(true), _) | (_, Some(true)) => Ok(None),
        (Some(false), Some(false)) => {
            let (found, wanted) = (fingerprint.endpoint.as_deref(), identity.endpoint.as_deref());
            Err(wrong(cluster, fingerprint, "is at", found.unwrap_or_default(), wanted.unwrap_or_default()))
        }
        _ if fingerprint.chosen => {
            let message = format!(
                "that the API server is that of cluster {cluster} could not be checked: its issuer may not be read"
            );
            Ok(Some(Warning::new(WarningId::ClusterUnverified, message)))
        }
        _ => Err(Error::new(
            ErrorKind::WrongCluster,
            format!("cannot tell whether the API server is that of cluster {cluster}"),
        )
        .with_cause("its issuer may not be read, and EKS gives another endpoint")
        .with_hint(Hint::NameContextOrGrantDiscovery)),
    }
}

fn wrong(cluster: &ClusterRef, fingerprint: &ApiServerFingerprint, what: &str, found: &str, wanted: &str) -> Error {
    let server = fingerprint.endpoint.as_deref().unwrap_or("the API server");
    Error::new(ErrorKind::WrongCluster, format!("the API server is not that of cluster {cluster}"))
        .with_cause(format!("{server} {what} {found}, cluster {cluster} has {wanted}"))
        .with_context("found", found.to_owned())
        .with_context("wanted", wanted.to_owned())
        .with_hint(Hint::ChooseContextOrCluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate authority as EKS gives it.
    fn pem(certificate: &str) -> String {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem)
    }

    fn identity() -> ClusterIdentity {
        let cluster: ClusterRef = "arn:aws:eks:us-east-1:123456789012:cluster/demo".parse().unwrap();
        let issuer = "https://issuer.example/id/A".parse().unwrap();
        let mut identity =
            ClusterIdentity::given(&cluster, issuer, "123456789012".parse().unwrap(), "aws".parse().unwrap(), None);
        identity.endpoint = Some("https://demo.example".to_owned());
        identity.certificate_authority = Some(pem("Q0E="));
        identity
    }

    fn check(fingerprint: ApiServerFingerprint) -> Result<Option<Warning>> {
        check_cluster(&"demo".parse().unwrap(), &identity(), &fingerprint)
    }

    #[test]
    fn the_first_fact_that_can_be_read_decides() {
        let text = |text: &str| Some(text.to_owned());
        let other = text("https://other.example");
        let right = |fingerprint| assert_eq!(check(fingerprint).ok(), Some(None));
        right(ApiServerFingerprint {
            issuer: text("https://issuer.example/id/A"),
            endpoint: other.clone(),
            ..ApiServerFingerprint::default()
        });
        right(ApiServerFingerprint {
            token_issuer: text("https://issuer.example/id/A/"),
            endpoint: other.clone(),
            ..ApiServerFingerprint::default()
        });
        right(ApiServerFingerprint { endpoint: text("https://demo.example/"), ..ApiServerFingerprint::default() });
        right(ApiServerFingerprint {
            endpoint: other.clone(),
            certificate_authority: Some(pem("Q0E=")),
            ..ApiServerFingerprint::default()
        });
        for wrong in [
            ApiServerFingerprint {
                issuer: other.clone(),
                endpoint: text("https://demo.example"),
                ..ApiServerFingerprint::default()
            },
            ApiServerFingerprint { token_issuer: other.clone(), chosen: true, ..ApiServerFingerprint::default() },
            ApiServerFingerprint {
                endpoint: other.clone(),
                certificate_authority: Some(pem("WA==")),
                chosen: true,
                ..ApiServerFingerprint::default()
            },
            ApiServerFingerprint { endpoint: other, ..ApiServerFingerprint::default() },
            ApiServerFingerprint::default(),
        ] {
            assert_eq!(check(wrong.clone()).unwrap_err().kind(), ErrorKind::WrongCluster, "{wrong:?}");
        }
    }

    #[test]
    fn a_chosen_context_that_tells_nothing_is_a_warning() {
        let warning = check(ApiServerFingerprint { chosen: true, ..ApiServerFingerprint::default() }).unwrap().unwrap();
        assert_eq!(warning.id, WarningId::ClusterUnverified);
    }
}
