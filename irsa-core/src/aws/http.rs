//! The HTTP client that all calls to AWS share: pools of connections with a bound, through the proxies that kubectl would
//! take.
//!
//! The SDK's own client knows other rules for proxies, does not say which of them failed nor why, knows no SOCKS, and reads
//! the trusted certificates of the machine before it knows whether a server speaks TLS.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as SmithyConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::error::Elapsed;
use tower::BoxError;

use super::tls::{CaBundle, Trusted};
use crate::connection_limit::ConnectionLimit;
use crate::error::{Error, Result};
use crate::proxy::{ProxyAddress, ProxyScheme, ProxySettings};
use crate::transport::error_chain::{find, is_timeout};
use crate::transport::pool::{ConnectTimeout, IDLE_TIMEOUT, Pool, PooledBody};
use crate::transport::proxy_failure::{ProxyFailure, ProxyFailureReason};
use crate::transport::tls::TlsFailure;
use crate::transport::tunnel::Tunnel;

/// How AWS is reached: how many connections are open at once, through which proxies, which certificates are trusted.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    limit: ConnectionLimit,
    proxies: ProxySettings,
    ca_bundle: Option<CaBundle>,
}

impl HttpOptions {
    /// The default: 20 connections to each host, no proxy, the certificates that the machine trusts (`SSL_CERT_FILE` and
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

    /// Goes through the proxies of an environment.
    #[must_use]
    pub fn with_proxies(mut self, proxies: ProxySettings) -> Self {
        self.proxies = proxies;
        self
    }

    /// Trusts the certificates of a file, and no others.
    #[must_use]
    pub fn with_ca_bundle(mut self, bundle: CaBundle) -> Self {
        self.ca_bundle = Some(bundle);
        self
    }

    /// The HTTP client.
    pub(crate) fn client(&self) -> SharedHttpClient {
        self.client_closing_idle(IDLE_TIMEOUT)
    }

    fn client_closing_idle(&self, idle_timeout: Duration) -> SharedHttpClient {
        let trusted = match &self.ca_bundle {
            Some(bundle) => Trusted::Bundle(bundle.clone()),
            None => Trusted::Machine,
        };
        let (limit, proxies) = (self.limit.clone(), self.proxies.clone());
        let hosts = Mutex::default();
        let hosts = Hosts { limit, proxies, trusted, idle_timeout, tls: OnceLock::new(), hosts };
        SharedHttpClient::new(Client(Arc::new(hosts)))
    }
}

/// The pools of all hosts.
struct Hosts {
    limit: ConnectionLimit,
    proxies: ProxySettings,
    trusted: Trusted,
    idle_timeout: Duration,
    /// For servers and proxies that speak TLS.
    tls: OnceLock<Arc<ClientConfig>>,
    hosts: Mutex<HashMap<(Scheme, Authority), Host>>,
}

impl Hosts {
    /// The host of a URL.
    ///
    /// # Errors
    /// `InvalidInput` for a variable whose value is not the URL of a proxy.
    fn host(&self, url: &Uri) -> Result<Host, BoxError> {
        let scheme = url.scheme().cloned().ok_or("the URL has no scheme")?;
        let authority = url.authority().cloned().ok_or("the URL has no host")?;
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&(scheme.clone(), authority.clone())) {
            return Ok(known.clone());
        }
        let host = self.reached(url)?;
        Ok(hosts.entry((scheme, authority)).or_insert(host).clone())
    }

    fn reached(&self, url: &Uri) -> Result<Host, BoxError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = match url.scheme_str() {
            Some("https") => self.tls()?,
            _ => client_config(Arc::new(RootCertStore::empty()))?,
        };
        let Some(proxy) = self.proxies.proxy_for(url)? else {
            return Ok(Host::Direct(self.pool(HttpsConnector::from((tcp, tls)))));
        };
        let to_proxy = match proxy.scheme {
            ProxyScheme::Https => self.tls()?,
            ProxyScheme::Http | ProxyScheme::Socks5 => client_config(Arc::new(RootCertStore::empty()))?,
        };
        let tunnel = Tunnel::new(proxy.clone(), HttpsConnector::from((tcp, to_proxy)), None);
        let pool = self.pool(HttpsConnector::from((tunnel, tls))).through(proxy.clone());
        Ok(Host::Proxied(Box::new((proxy, pool))))
    }

    fn pool<C>(&self, connector: C) -> Pool<C, SdkBody> {
        Pool::new(connector, self.idle_timeout).with_max_connections(self.limit.max())
    }

    /// Reads the trusted certificates, the first time.
    fn tls(&self) -> Result<Arc<ClientConfig>, BoxError> {
        if let Some(known) = self.tls.get() {
            return Ok(Arc::clone(known));
        }
        let made = client_config(self.trusted.roots())?;
        Ok(Arc::clone(self.tls.get_or_init(|| made)))
    }

    /// What a failed request means to the SDK, which tries again where the network is at fault.
    fn failed(&self, error: BoxError, server: &Uri) -> ConnectorError {
        if let Some(failure) = TlsFailure::find(&*error, &server.to_string(), &self.trusted.words()) {
            return match failure.is_permanent() {
                true => ConnectorError::other(failure.into(), None),
                false => ConnectorError::io(failure.into()),
            };
        }
        if let Some(failure) = find::<ProxyFailure>(&*error) {
            return match failure.reason {
                ProxyFailureReason::Network => ConnectorError::io(error),
                ProxyFailureReason::Timeout => ConnectorError::timeout(error),
                _ => ConnectorError::other(error, None),
            };
        }
        if find::<Error>(&*error).is_some() {
            return ConnectorError::other(error, None);
        }
        let is_late = find::<ConnectTimeout>(&*error).is_some() || find::<Elapsed>(&*error).is_some();
        if is_late || is_timeout(&*error) {
            return ConnectorError::timeout(error);
        }
        match (find::<hyper::Error>(&*error), find::<std::io::Error>(&*error)) {
            (Some(http), _) if http.is_user() => ConnectorError::user(error),
            (Some(http), _) if http.is_parse() => ConnectorError::other(error, None),
            (Some(_), _) | (_, Some(_)) => ConnectorError::io(error),
            (None, None) => ConnectorError::other(error, None),
        }
    }
}

fn client_config(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A connection to a proxy, over TLS or not, that leads on to a host.
type ProxyTunnel = Tunnel<HttpsConnector<HttpConnector>>;

/// The connections to one host.
#[derive(Clone)]
enum Host {
    Direct(Pool<HttpsConnector<HttpConnector>, SdkBody>),
    Proxied(Box<(ProxyAddress, Pool<HttpsConnector<ProxyTunnel>, SdkBody>)>),
}

impl Host {
    async fn send(
        self,
        request: Request<SdkBody>,
        connect_timeout: Option<Duration>,
    ) -> Result<Response<PooledBody<SdkBody>>, BoxError> {
        let (proxy, pool) = match self {
            Self::Direct(pool) => return pool.send(request, connect_timeout).await,
            Self::Proxied(proxied) => *proxied,
        };
        let server = request.uri().clone();
        pool.send(request, connect_timeout).await.map_err(|error| match find::<ConnectTimeout>(&*error) {
            Some(late) => {
                let why = format!("opened {late} to {}", server.host().unwrap_or_default());
                ProxyFailure { proxy, server, why, reason: ProxyFailureReason::Timeout }.into()
            }
            None => error,
        })
    }
}

/// For the SDK.
#[derive(Clone)]
struct Client(Arc<Hosts>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hosts { limit, proxies, trusted, .. } = &*self.0;
        f.debug_struct("Client").field("limit", limit).field("proxies", proxies).field("trusted", trusted).finish()
    }
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { hosts: Arc::clone(&self.0), settings: settings.clone() })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

/// The client with the time limits of an operation.
struct Connector {
    hosts: Arc<Hosts>,
    settings: HttpConnectorSettings,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl SmithyConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (hosts, settings) = (Arc::clone(&self.hosts), self.settings.clone());
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let server = request.uri().clone();
            let answer = async { hosts.host(&server)?.send(request, settings.connect_timeout()).await };
            let answer = match settings.read_timeout() {
                Some(limit) => tokio::time::timeout(limit, answer).await.unwrap_or_else(|late| Err(late.into())),
                None => answer.await,
            };
            let answer = answer.map_err(|error| hosts.failed(error, &server))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::num::NonZeroUsize;

    use aws_smithy_types::retry::RetryConfig;

    use super::super::{AwsBackend, fake};
    use super::*;
    use crate::backend::IdentityBackend;
    use crate::error::{Error, ErrorKind, UNTRUSTED_CERTIFICATE};
    use crate::test_server::{ELSEWHERE, EXPIRED, SERVER, TestProxy, TestServer, authority};

    const CLUSTER: &str = r#"{"cluster": {"name": "demo", "arn": "arn:aws:eks:us-east-1:123456789012:cluster/demo", "status": "ACTIVE"}}"#;

    fn backend(server: &TestServer, options: &HttpOptions, idle_timeout: Duration) -> AwsBackend {
        let config = fake::config(&server.url).to_builder();
        let client = options.client_closing_idle(idle_timeout);
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

    fn proxies(variables: &[(&str, &str)]) -> ProxySettings {
        ProxySettings::from_variables(|name| {
            variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    }

    /// What comes of a call to this URL in an environment.
    async fn called(url: &str, options: HttpOptions, variables: &[(&str, &str)]) -> Result<(), Error> {
        let client = options.with_proxies(proxies(variables)).client();
        let config = fake::config(url).to_builder().http_client(client).retry_config(RetryConfig::standard());
        let aws = AwsBackend::new(&config.build()).unwrap();
        aws.cluster(&"demo".parse().unwrap()).await.map(|found| assert!(found.is_some()))
    }

    #[tokio::test]
    async fn a_local_endpoint_is_never_reached_through_a_proxy() {
        let server = TestServer::new(CLUSTER, Duration::ZERO, None);
        let nobody = "http://127.0.0.1:1";
        let variables = [("HTTP_PROXY", nobody), ("HTTPS_PROXY", nobody)];
        called(&server.url, HttpOptions::new(), &variables).await.unwrap();
        called(&server.url.replace("127.0.0.1", "localhost"), HttpOptions::new(), &variables).await.unwrap();
        assert_eq!(server.counts.requests(), 2);
    }

    #[tokio::test]
    async fn an_endpoint_elsewhere_is_reached_through_every_kind_of_proxy() {
        let server = TestServer::new(CLUSTER, Duration::ZERO, Some(ELSEWHERE));
        let url = format!("https://elsewhere.example:{}", server.url.rsplit(':').next().unwrap());
        let options = || HttpOptions::new().with_ca_bundle(CaBundle::read(&authority("ca"), "AWS_CA_BUNDLE").unwrap());
        let proxy = TestProxy::new(&server.url);
        for (scheme, tunnels) in [("http", 1), ("socks5", 2)] {
            let named = format!("{scheme}://user:p4ss@{}", proxy.place);
            let named = if scheme == "socks5" { named.replace("user:p4ss@", "") } else { named };
            called(&url, options(), &[("HTTPS_PROXY", &named)]).await.unwrap();
            assert_eq!(proxy.tunnels.load(std::sync::atomic::Ordering::SeqCst), tunnels);
        }
        // Without TLS the proxy takes the request itself.
        let forward = fake::Endpoint::new(|_| fake::Answer::new(200, "application/json", CLUSTER));
        let named = forward.url.replace("http://", "http://Aladdin:opensesame@");
        called("http://elsewhere.example:8080", HttpOptions::new(), &[("HTTP_PROXY", &named)]).await.unwrap();
        let requests = forward.requests.lock().unwrap();
        let request = requests[0].to_lowercase();
        assert!(request.starts_with("get http://elsewhere.example:8080/clusters/demo "), "{request}");
        assert!(request.contains("proxy-authorization: basic qwxhzgrpbjpvcgvuc2vzyw1l"), "{request}");
    }

    #[tokio::test]
    async fn a_failure_names_the_proxy_and_not_its_password() {
        let refusing = fake::Endpoint::new(|_| fake::Answer::new(403, "text/html", ""));
        let asking = fake::Endpoint::new(|_| fake::Answer::new(407, "text/html", ""));
        let place = |url: &str| url.replace("http://", "");
        let (refusing_at, asking_at) = (place(&refusing.url), place(&asking.url));
        for (scheme, at, kind, why, hint) in [
            ("http", "127.0.0.1:1", ErrorKind::Unavailable, "proxy http://127.0.0.1:1 cannot be reached: ", "NO_PROXY"),
            (
                "http",
                refusing_at.as_str(),
                ErrorKind::Unavailable,
                "refused to connect to elsewhere.example:443 (HTTP 403: \"X\")",
                "if elsewhere.example is reached without one, add it to NO_PROXY",
            ),
            (
                "http",
                asking_at.as_str(),
                ErrorKind::Unavailable,
                "wants other credentials (HTTP 407)",
                "the password in HTTPS_PROXY",
            ),
            (
                "socks4",
                asking_at.as_str(),
                ErrorKind::InvalidInput,
                "proxies of this scheme are not supported",
                "socks5://HOST",
            ),
        ] {
            let named = format!("{scheme}://user:p4ss@{at}");
            let error =
                called("https://elsewhere.example", HttpOptions::new(), &[("HTTPS_PROXY", &named)]).await.unwrap_err();
            let causes = error.causes().join(" ");
            assert!(error.kind() == kind && causes.contains(why), "{error:?}");
            assert!(error.hint().is_some_and(|text| text.to_string().contains(hint)), "{error:?}");
            assert!(causes.contains(at) && !format!("{error:?}").contains("p4ss"), "{error:?}");
        }
        // What will not be otherwise is not tried again.
        assert_eq!((refusing.requests.lock().unwrap().len(), asking.requests.lock().unwrap().len()), (1, 1));
        for list in ["*", "elsewhere.example:443", ".example"] {
            let variables = [("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", list)];
            let error = called("https://elsewhere.example", HttpOptions::new(), &variables).await.unwrap_err();
            assert!(!error.causes().join(" ").contains("proxy http"), "{error:?}");
        }
    }
}
