//! The HTTP client that all calls to AWS share: one pool of connections, with a bound.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::pool::{Client, ConnectionPool, DriverSpawner, Partition, PartitionId};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;
use tokio::runtime::Handle;

use super::tls::{CaBundle, TlsFailure, Trusted};
use crate::connection_limit::ConnectionLimit;

/// Idle connections are closed after so long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The only partition of the pool.
const PARTITION: PartitionId = PartitionId::from_index(0);

/// Connections belong to the runtime of the call that opened them. The pool's own choice is the first runtime for ever,
/// which may be gone while the client is still in use.
fn spawn(task: Pin<Box<dyn Future<Output = ()> + Send>>) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(task));
    }
}

/// How AWS is reached: how many connections are open at once, which certificates are trusted.
///
/// Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, as the SDK reads them.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    limit: ConnectionLimit,
    ca_bundle: Option<CaBundle>,
}

impl HttpOptions {
    /// The default: 20 connections to each host, the certificates that the machine trusts (`SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name others).
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds the connections. Give the same limit to the [back end](super::AwsBackend::with_connection_limit).
    #[must_use]
    pub fn with_connection_limit(mut self, limit: ConnectionLimit) -> Self {
        self.limit = limit;
        self
    }

    /// Trusts the certificates of a file, and no others.
    #[must_use]
    pub fn with_ca_bundle(mut self, bundle: CaBundle) -> Self {
        self.ca_bundle = Some(bundle);
        self
    }

    /// The HTTP client; nothing where the SDK cannot build one, and will say so itself.
    pub(super) fn client(&self) -> Option<SharedHttpClient> {
        self.client_closing_idle(IDLE_TIMEOUT)
    }

    fn client_closing_idle(&self, idle_timeout: Duration) -> Option<SharedHttpClient> {
        let trusted = match &self.ca_bundle {
            Some(bundle) => Trusted::Bundle(bundle.clone()),
            None => Trusted::Machine,
        };
        let pool = ConnectionPool::builder()
            .tls_provider(Provider::rustls(CryptoMode::AwsLc))
            .tls_context(TlsContext::builder().with_trust_store(trusted.store()).build().ok()?)
            .proxy_config(ProxyConfig::from_env())
            .max_connections_per_host(self.limit.max().get())
            .idle_timeout(idle_timeout)
            .partitions([Partition::new(PARTITION, DriverSpawner::from_fn(spawn))])
            .build_https()
            .ok()?;
        let client = Client::from_partition(&pool, PARTITION).ok()?;
        Some(SharedHttpClient::new(NamingTlsFailures { inner: client, trusted: Arc::new(trusted) }))
    }
}

/// A client or connector whose failed TLS handshakes are told apart from a network that is down.
#[derive(Debug)]
struct NamingTlsFailures<C> {
    inner: C,
    trusted: Arc<Trusted>,
}

impl HttpClient for NamingTlsFailures<Client> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(NamingTlsFailures { inner, trusted: Arc::clone(&self.trusted) })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

impl HttpConnector for NamingTlsFailures<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let server = request.uri().to_owned();
        let (answer, trusted) = (self.inner.call(request), Arc::clone(&self.trusted));
        HttpConnectorFuture::new(async move {
            answer.await.map_err(|error| match TlsFailure::find(&error, &server, trusted) {
                // Not tried again: the same certificate would come.
                Some(failure) => ConnectorError::other(Box::new(failure), None),
                None => error,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::num::NonZeroUsize;

    use aws_smithy_types::retry::RetryConfig;

    use super::super::{AwsBackend, UNTRUSTED_CERTIFICATE, fake};
    use super::*;
    use crate::backend::IdentityBackend;
    use crate::error::{Error, ErrorKind};
    use crate::test_server::{ELSEWHERE, EXPIRED, SERVER, TestServer, authority};

    const CLUSTER: &str = r#"{"cluster": {"name": "demo", "arn": "arn:aws:eks:us-east-1:123456789012:cluster/demo", "status": "ACTIVE"}}"#;

    fn backend(server: &TestServer, options: &HttpOptions, idle_timeout: Duration) -> AwsBackend {
        let config = fake::config(&server.url).to_builder();
        let client = options.client_closing_idle(idle_timeout).unwrap();
        // As a program has it: what may be tried again is.
        let config = config.http_client(client).retry_config(RetryConfig::standard());
        AwsBackend::new(&config.build()).unwrap().with_connection_limit(options.limit.clone())
    }

    fn limited(max: usize) -> HttpOptions {
        HttpOptions::new().with_connection_limit(ConnectionLimit::new(NonZeroUsize::new(max).unwrap()))
    }

    #[tokio::test]
    async fn calls_at_once_open_no_more_connections_than_the_limit() {
        let server = TestServer::new(CLUSTER, Duration::from_millis(5), None);
        let aws = backend(&server, &limited(3), IDLE_TIMEOUT);
        let cluster = "demo".parse().unwrap();
        let all = futures::future::join_all((0..100).map(|_| aws.cluster(&cluster))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!((server.counts.requests(), server.counts.most()), (100, 3));
        assert_eq!(server.counts.accepted(), 3, "connections are used again");
    }

    #[tokio::test]
    async fn idle_connections_are_closed() {
        let server = TestServer::new(CLUSTER, Duration::ZERO, None);
        let aws = backend(&server, &limited(3), Duration::from_millis(100));
        aws.cluster(&"demo".parse().unwrap()).await.unwrap();
        server.until_open(1).await;
        server.until_open(0).await;
        aws.cluster(&"demo".parse().unwrap()).await.unwrap();
        assert_eq!(server.counts.accepted(), 2);
    }

    #[test]
    fn a_client_outlives_the_runtime_of_its_first_call() {
        let server = TestServer::new(CLUSTER, Duration::ZERO, None);
        let aws = backend(&server, &limited(2), IDLE_TIMEOUT);
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let all = (0..4).map(|_| async { aws.cluster(&"demo".parse().unwrap()).await.unwrap() });
            runtime.block_on(futures::future::join_all(all));
        }
        assert_eq!(server.counts.requests(), 12);
    }

    async fn described(server: &TestServer, bundle: Option<&str>) -> Result<(), Error> {
        let options = match bundle {
            Some(name) => HttpOptions::new().with_ca_bundle(CaBundle::read(&authority(name), "AWS_CA_BUNDLE").unwrap()),
            None => HttpOptions::new(),
        };
        let aws = backend(server, &options, IDLE_TIMEOUT);
        aws.cluster(&"demo".parse().unwrap()).await.map(|found| assert!(found.is_some()))
    }

    #[tokio::test]
    async fn the_certificates_of_a_bundle_are_trusted_and_no_others() {
        let server = TestServer::new(CLUSTER, Duration::ZERO, Some(SERVER));
        described(&server, Some("ca")).await.unwrap();
        let error = described(&server, None).await.unwrap_err();
        assert!(error.causes()[0].contains("that this machine trusts"), "{error:?}");
        assert!(error.hint().unwrap().to_string().contains("AWS_CA_BUNDLE"), "{error:?}");
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_trusted_is_named_and_not_tried_again() {
        let other =
            format!("its authority is not among the certificates of {} (AWS_CA_BUNDLE)", authority("other").display());
        for (certificate, bundle, why, hint) in [
            (SERVER, "other", other.as_str(), "add the certificate of its authority to /"),
            (ELSEWHERE, "ca", "elsewhere.example", "check the endpoint URL"),
            (EXPIRED, "ca", "expired", "check the clock of this machine"),
        ] {
            let server = TestServer::new(CLUSTER, Duration::ZERO, Some(certificate));
            let error = described(&server, Some(bundle)).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Unavailable, Some(UNTRUSTED_CERTIFICATE)),
                "{error:?}"
            );
            let cause = &error.causes()[0];
            assert!(cause.starts_with(&format!("the certificate of {} is not trusted: ", server.url)), "{cause}");
            assert!(cause.contains(why), "{cause}");
            assert!(error.hint().is_some_and(|text| text.to_string().starts_with(hint)), "{error:?}");
            assert_eq!(server.counts.accepted(), 1, "{cause}");
        }
    }

    #[tokio::test]
    async fn a_server_without_tls_is_told_from_one_that_is_not_trusted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = TestServer::new("", Duration::ZERO, None);
        server.url = format!("https://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        let error = described(&server, Some("ca")).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, None), "{error:?}");
        assert!(error.causes()[0].starts_with(&format!("the TLS handshake with {} failed", server.url)), "{error:?}");
    }
}
