//! A cluster reached through EKS itself: endpoint and authority as EKS describes them, a token of one's own making.

use std::sync::Arc;

use ::kube::Config;

use super::authority;
use super::bearer::BearerSource;
use super::call::{Connection, Credentials};
use super::connect::{self, Surroundings};
use crate::backend::{ClusterDescription, IdentityBackend};
use crate::error::{Error, ErrorKind, Result};
use crate::name::ClusterRef;
use crate::text::shown;
use crate::url;

/// What it takes to reach a cluster through EKS.
#[derive(Clone)]
pub(super) struct EksSource {
    pub(super) identity: Arc<dyn IdentityBackend>,
    pub(super) cluster: ClusterRef,
    pub(super) bearer: Arc<dyn BearerSource>,
}

impl EksSource {
    /// Asks EKS where the cluster is, and builds the client.
    pub(super) async fn connect(&self, around: &Surroundings) -> Result<Connection> {
        let operation = || format!("cannot reach the API server of cluster {}", self.cluster);
        let described = self.identity.cluster(&self.cluster).await.map_err(|error| error.during(operation()))?;
        let Some(described) = described else {
            return Err(Error::new(ErrorKind::NotFound, operation()).with_cause("EKS has no such cluster"));
        };
        let config = config(&described).map_err(|error| error.during(operation()))?;
        let connection = connect::connect(config, around).await.map_err(|error| error.during(operation()))?;
        let bearer = Some(Arc::clone(&self.bearer));
        let mut trust = connection.trust.clone();
        trust.which = "that EKS describes for the cluster".to_owned();
        trust.how_to_trust = "if a proxy inspects TLS, add the server to NO_PROXY, or name a kubeconfig whose \
                              certificate-authority is that of the proxy"
            .to_owned();
        Ok(Connection { bearer, credentials: Credentials::Sent, trust, ..connection })
    }
}

/// The configuration for a cluster as EKS describes it.
fn config(described: &ClusterDescription) -> Result<Config> {
    // A cluster that is being updated still serves; one without endpoint does not, whatever its status.
    let (Some(endpoint), Some(authority)) = (&described.endpoint, &described.certificate_authority) else {
        let what = format!("cluster {} has no endpoint", described.arn);
        return Err(Error::new(ErrorKind::Unavailable, what)
            .with_cause(format!("its status is {}", described.status))
            .with_hint("a cluster can be reached once it is ACTIVE"));
    };
    let url = url::parse_server(endpoint).map_err(|why| {
        let cause = format!("the endpoint {} {why}", shown(&url::redacted(endpoint)));
        Error::new(ErrorKind::Unexpected, format!("EKS gives no usable endpoint of cluster {}", described.arn))
            .with_cause(cause)
    })?;
    let mut config = Config::new(url);
    config.root_cert = Some(authority::decode(authority)?);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::KubeCluster;
    use async_trait::async_trait;
    use secrecy::SecretString;

    use super::*;
    use crate::backend::{ApiServerFingerprint, ClusterBackend, MockIdentityBackend};

    #[derive(Debug)]
    struct NoToken;

    #[async_trait]
    impl BearerSource for NoToken {
        async fn bearer(&self) -> Result<SecretString> {
            Err(Error::new(ErrorKind::AccessDenied, "cannot sign a token").with_code("ExpiredToken"))
        }
    }

    fn described() -> ClusterDescription {
        ClusterDescription {
            arn: "arn:aws:eks:us-east-1:123456789012:cluster/demo".parse().unwrap(),
            status: "ACTIVE".to_owned(),
            issuer: None,
            endpoint: Some("https://127.0.0.1:1".to_owned()),
            certificate_authority: Some(authority::encode(&[vec![1_u8; 9]])),
            outpost: false,
        }
    }

    fn cluster(answer: Option<ClusterDescription>) -> KubeCluster {
        let mut identity = MockIdentityBackend::new();
        identity.expect_cluster().returning(move |_| Ok(answer.clone()));
        KubeCluster::from_eks(Arc::new(identity), "demo".parse().unwrap(), Arc::new(NoToken))
    }

    #[tokio::test]
    async fn a_cluster_that_cannot_be_reached_says_why() {
        let creating = ClusterDescription { status: "CREATING".to_owned(), endpoint: None, ..described() };
        let no_url = ClusterDescription { endpoint: Some("not a url".to_owned()), ..described() };
        let bare = ClusterDescription { endpoint: Some("127.0.0.1:1".to_owned()), ..described() };
        let no_pem = ClusterDescription { certificate_authority: Some("AAAA".to_owned()), ..described() };
        for (answer, kind, cause) in [
            (None, ErrorKind::NotFound, "EKS has no such cluster"),
            (Some(creating), ErrorKind::Unavailable, "its status is CREATING"),
            (Some(no_url), ErrorKind::Unexpected, "the endpoint \"not a url\" has no scheme"),
            (Some(bare), ErrorKind::Unexpected, "the endpoint \"127.0.0.1:1\" has no scheme"),
            (Some(no_pem), ErrorKind::Unexpected, "it is not PEM in base64"),
        ] {
            let error = cluster(answer).prepare().await.unwrap_err();
            assert_eq!(error.to_string(), "cannot reach the API server of cluster demo");
            assert_eq!((error.kind(), error.causes().last().map(String::as_str)), (kind, Some(cause)), "{error:?}");
        }
    }

    #[tokio::test]
    async fn it_is_the_right_cluster_without_a_call() {
        assert!(cluster(None).through_eks());
        assert_eq!(cluster(None).fingerprint().await.unwrap(), ApiServerFingerprint::default());
        assert_eq!(format!("{:?}", cluster(None)), r#"KubeCluster { cluster: "demo", chosen: false, .. }"#);
    }
}
