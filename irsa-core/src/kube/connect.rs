//! From a configuration to a client: one TLS stack, no Nagle, one run of the credential plug-in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::kube::client::ConfigExt;
use ::kube::config::AuthInfo;
use ::kube::{Client, Config};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::legacy::connect::HttpConnector;
use secrecy::{ExposeSecret, SecretString};
use tower::{ServiceBuilder, ServiceExt};

use super::authority;
use super::bearer::BearerSource;
use super::call::{Connection, Credentials, PluginAccess, legacy_provider_failed};
use super::plugin::{Plugin, Plugins};
use super::token::{self, TokenFile};
use crate::error::{Error, ErrorKind, Result};
use crate::proxy::{ProxyAddress, ProxyScheme, ProxySettings};
use crate::text::shown;
use crate::transport::pool::{IDLE_TIMEOUT, Pool};
use crate::transport::roots;
use crate::transport::tls::TrustWords;
use crate::transport::tunnel::Tunnel;
use crate::url;

/// The longest wait for a TCP connection: an endpoint that is private to a VPC gives no answer at all.
const MAX_CONNECT: Duration = Duration::from_secs(10);

/// What beside its configuration decides how an API server is reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// The proxies of the environment; one that the configuration names wins over them.
    pub(super) proxies: ProxySettings,
    pub(super) plugins: Plugins,
    /// Gives the tokens in place of a credential plug-in.
    pub(super) bearer: Option<Arc<dyn BearerSource>>,
}

/// Builds the client of a configuration, running its credential plug-in and reading its files.
pub(super) async fn connect(mut config: Config, around: &Surroundings) -> Result<Connection> {
    // A configuration need not come from a kubeconfig, where this was checked already.
    config.cluster_url = url::parse_server(&config.cluster_url.to_string()).map_err(|why| {
        let url = url::redacted(&config.cluster_url.to_string());
        Error::new(ErrorKind::InvalidInput, CANNOT_CONNECT).with_cause(format!("the URL {} {why}", shown(&url)))
    })?;
    let credentials = Credentials::of(&config.auth_info);
    let exec = config.auth_info.exec.take().filter(|_| !has_other_credentials(&config.auth_info));
    let bearer = around.bearer.clone().filter(|_| exec.is_some());
    let proxy = route(&config, around)?;
    let plugin = exec.filter(|_| bearer.is_none()).map(|exec| around.plugins.plugin(&exec));
    let access = match plugin {
        Some(plugin) => Some(with_certificate(&mut config, plugin).await?),
        None => None,
    };
    // Files block.
    let built = tokio::task::spawn_blocking(move || build(config, proxy)).await;
    let unexpected =
        |error: tokio::task::JoinError| Error::new(ErrorKind::Unexpected, CANNOT_CONNECT).with_cause(error.to_string());
    let connection = built.map_err(unexpected)?;
    match (connection, access) {
        (Ok(connection), access) => {
            Ok(Connection { bearer: bearer.or(connection.bearer), plugin: access, credentials, ..connection })
        }
        (Err(error), Some(access)) if access.certificate.is_some() => {
            Err(error.during(format!("cannot use the client certificate of {}", access.plugin.name())))
        }
        (Err(error), _) => Err(error),
    }
}

/// Whether a configuration has credentials that are taken before those of a plug-in, as kube and client-go do.
pub(super) fn has_other_credentials(auth: &AuthInfo) -> bool {
    let basic = auth.username.is_some() && auth.password.is_some();
    auth.auth_provider.is_some() || basic || auth.token.is_some() || auth.token_file.is_some()
}

/// Runs a plug-in and puts its certificate, if it gives one, into the configuration. Its token goes with each request.
async fn with_certificate(config: &mut Config, plugin: Arc<Plugin>) -> Result<PluginAccess> {
    let credential = plugin.credential().await?;
    let Some((certificate, key)) = &credential.certificate else {
        return Ok(PluginAccess { plugin, certificate: None });
    };
    config.auth_info.client_certificate_data = Some(STANDARD.encode(certificate));
    config.auth_info.client_key_data = Some(STANDARD.encode(key.expose_secret()).into());
    Ok(PluginAccess { plugin, certificate: Some(credential) })
}

const CANNOT_CONNECT: &str = "cannot prepare the connection to the API server";

fn build(mut config: Config, proxy: Option<ProxyAddress>) -> Result<Connection> {
    // As kube itself does: a process in which several providers are compiled has no default one, and rustls panics.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    let (bearer, token_issuer) = own_token(&mut config.auth_info)?;
    let auth = config.auth_layer().map_err(unusable)?;
    let extra_headers = config.extra_headers_layer().map_err(unusable)?;
    if auth.is_some() {
        // The TLS configuration would run the program of a legacy provider again, in search of a client certificate.
        config.auth_info.auth_provider = None;
    }

    let trust = trust_words(&config);
    let authorities = config.root_cert.clone();
    let certificate_authority = config.root_cert.as_deref().map(authority::encode);
    trust_machine_where_needed(&mut config);
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // kube leaves Nagle's algorithm on (kube issue 2056): the first request would wait 40 ms for a delayed ACK.
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(config.connect_timeout.unwrap_or(MAX_CONNECT).min(MAX_CONNECT)));
    let http = match &proxy {
        None => {
            let tls = config.rustls_https_connector_with_connector(tcp).map_err(unusable)?;
            Pool::new(tls, IDLE_TIMEOUT).boxed_clone()
        }
        Some(proxy) => {
            let (first, second) = trusts_of_proxy(&config, proxy, authorities);
            let connector = |trust: Config| trust.rustls_https_connector_with_connector(tcp.clone()).map_err(unusable);
            let (first, second) = (connector(first)?, second.map(connector).transpose()?);
            let tunnel = Tunnel::new(proxy.clone(), first, second);
            let tls = config.rustls_https_connector_with_connector(tunnel).map_err(unusable)?;
            Pool::new(tls, IDLE_TIMEOUT).through(proxy.clone()).boxed_clone()
        }
    };
    let service =
        ServiceBuilder::new().layer(config.base_uri_layer()).option_layer(auth).layer(extra_headers).service(http);
    Ok(Connection {
        bearer,
        endpoint: Some(config.cluster_url.to_string().trim_end_matches('/').to_owned()),
        certificate_authority,
        trust,
        token_issuer,
        proxy: proxy.map(|proxy| proxy.to_string()),
        ..Connection::new(Client::new(service, config.default_namespace))
    })
}

/// Reads the certificates of the machine where the server is checked against them; the HTTP client would read them for
/// every connection, and for servers without TLS too.
fn trust_machine_where_needed(config: &mut Config) {
    if config.root_cert.is_none() && config.root_cert_file.is_none() {
        let is_checked = config.cluster_url.scheme_str() == Some("https") && !config.accept_invalid_certs;
        config.root_cert = Some(if is_checked { machine() } else { Vec::new() });
    }
}

fn machine() -> Vec<Vec<u8>> {
    roots::certificates().iter().map(|certificate| certificate.to_vec()).collect()
}

/// Which certificates the server is checked against, in words.
fn trust_words(config: &Config) -> TrustWords {
    let is_machine = config.root_cert.is_none() && config.root_cert_file.is_none();
    let (which, how_to_trust) = match is_machine {
        true => {
            ("that this machine trusts", "name its authority as certificate-authority of the cluster in the kubeconfig")
        }
        false => (
            "of the cluster's certificate-authority",
            "give the certificate of this server's authority as certificate-authority of the cluster; a proxy that inspects \
             TLS has one of its own",
        ),
    };
    let (which, how_to_trust) = (which.to_owned(), how_to_trust.to_owned());
    TrustWords { which, is_machine, how_to_trust, where_named: WHERE_NAMED }
}

const WHERE_NAMED: &str = "check server and tls-server-name of the cluster in the kubeconfig";

/// The proxy to go through.
fn route(config: &Config, around: &Surroundings) -> Result<Option<ProxyAddress>> {
    match &config.proxy_url {
        Some(url) => ProxyAddress::parse(&url.to_string(), "proxy-url").map(Some),
        None => around.proxies.proxy_for(&config.cluster_url),
    }
    .map_err(|error| error.during(CANNOT_CONNECT))
}

/// Whom the certificate of an `https` proxy is trusted by: the system, else the authority of the cluster, as kubectl has
/// it. The client certificate is never shown to a proxy.
fn trusts_of_proxy(
    config: &Config,
    proxy: &ProxyAddress,
    authorities: Option<Vec<Vec<u8>>>,
) -> (Config, Option<Config>) {
    let trusting = |authorities: Vec<Vec<u8>>| {
        let mut trust = Config::new(config.cluster_url.clone());
        trust.root_cert = Some(authorities);
        trust.accept_invalid_certs = config.accept_invalid_certs;
        trust
    };
    match proxy.scheme {
        ProxyScheme::Https => (trusting(machine()), authorities.map(trusting)),
        ProxyScheme::Http | ProxyScheme::Socks5 => (trusting(Vec::new()), None),
    }
}

/// Where a token comes from, if not from the configuration as it is, and its issuer.
type OwnToken = (Option<Arc<dyn BearerSource>>, Option<String>);

/// The token that a configuration holds itself, and its issuer, where it is that of a service account.
///
/// The token of a file is sent by a source of our own: kube's would send the line break at its end. The file wins over a
/// token that stands beside it, which is used while the file cannot be read, as in client-go.
fn own_token(auth: &mut AuthInfo) -> Result<OwnToken> {
    let unusable = |what: &str, why: String| {
        Error::new(ErrorKind::InvalidInput, CANNOT_CONNECT).with_cause(format!("{what} {why}"))
    };
    let fixed = auth.token.take().map(|token| token::checked(token.expose_secret())).transpose();
    auth.token = fixed.map_err(|why| unusable("the token", why))?;
    let issuer = |token: &SecretString| token::issuer(token.expose_secret());
    let other = auth.auth_provider.is_some() || (auth.username.is_some() && auth.password.is_some());
    let Some(file) = auth.token_file.take().filter(|_| !other) else {
        return Ok((None, auth.token.as_ref().and_then(issuer)));
    };
    let token = match (token::read(Path::new(&file)), auth.token.take()) {
        (Ok(token), _) | (Err(_), Some(token)) => token,
        (Err(why), None) => return Err(unusable(&format!("the token file {}", shown(&file)), why)),
    };
    let issuer = issuer(&token);
    Ok((Some(Arc::new(TokenFile::new(file.into(), token))), issuer))
}

/// A configuration that no client can be built of.
fn unusable(error: ::kube::Error) -> Error {
    match &error {
        ::kube::Error::Auth(error) => legacy_provider_failed(CANNOT_CONNECT, error),
        error => Error::new(ErrorKind::InvalidInput, CANNOT_CONNECT).with_cause(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::super::KubeCluster;
    use super::*;
    use crate::backend::ClusterBackend;
    use crate::connection_limit::ConnectionLimit;
    use crate::error::UNTRUSTED_CERTIFICATE;
    use crate::name::Namespace;
    use crate::test_server::{ELSEWHERE, EXPIRED, SERVER, TestServer, authority};

    fn config() -> Config {
        Config::new(Uri::from_static("https://127.0.0.1:6443/base"))
    }

    #[tokio::test]
    async fn a_client_is_built_without_a_call() {
        let mut config = config();
        config.root_cert = Some(Vec::new());
        config.auth_info.token = Some(SecretString::from("abc\n"));
        let connection = connect(config, &Surroundings::default()).await.unwrap();
        assert_eq!(connection.endpoint.as_deref(), Some("https://127.0.0.1:6443/base"));
        assert_eq!(connection.certificate_authority.as_deref(), Some(""));
    }

    #[tokio::test]
    async fn unusable_credentials_are_errors_that_do_not_show_them() {
        let mut token = config();
        token.auth_info.token = Some(SecretString::from("s3cr3t\nline"));
        let mut file = config();
        file.auth_info.token_file = Some("/nonexistent/token".to_owned());
        let mut certificate = config();
        certificate.auth_info.client_certificate_data = Some("!s3cr3t".to_owned());
        let mut plugin = config();
        let exec = r#"{"command": "irsa-no-such-program", "env": [{"name": "A", "value": "s3cr3t"}]}"#;
        plugin.auth_info.exec = serde_json::from_str(exec).unwrap();
        for (config, kind, cause) in [
            (token, ErrorKind::InvalidInput, "the token holds"),
            (file, ErrorKind::InvalidInput, "the token file \"/nonexistent/token\" cannot be read"),
            (certificate, ErrorKind::InvalidInput, "Failed to infer provided configuration"),
            (plugin, ErrorKind::Unavailable, "credential plug-in \"irsa-no-such-program\" cannot be started"),
        ] {
            let error = connect(config, &Surroundings::default()).await.err().unwrap();
            assert_eq!(error.kind(), kind, "{error:?}");
            assert_eq!(error.code(), (kind == ErrorKind::Unavailable).then_some(super::super::PLUGIN_MISSING));
            assert!(error.causes()[0].starts_with(cause) && !format!("{error:?}").contains("s3cr3t"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_url_that_the_http_client_panics_on_is_refused() {
        for url in ["127.0.0.1:6443", "localhost", "/api", "*", "https://u:s3cr3t@x"] {
            let error = connect(Config::new(url.parse().unwrap()), &Surroundings::default()).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(error.causes()[0].starts_with("the URL") && !error.causes()[0].contains("s3cr3t"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_token_file_wins_over_a_token_and_that_over_a_plug_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token").to_string_lossy().into_owned();
        let mut config = config();
        config.auth_info.token = Some(SecretString::from("fixed"));
        config.auth_info.token_file = Some(path.clone());
        config.auth_info.exec = serde_json::from_str(r#"{"command": "irsa-no-such-program"}"#).unwrap();
        let connection = connect(config, &Surroundings::default()).await.unwrap();
        let bearer = connection.bearer.unwrap();
        let sent = async || bearer.bearer().await.unwrap().expose_secret().to_owned();
        assert_eq!(sent().await, "fixed");
        std::fs::write(&path, "from-file\n").unwrap();
        assert_eq!(sent().await, "from-file");
    }

    #[tokio::test]
    async fn calls_at_once_open_no_more_connections_than_the_limit() {
        const NAMESPACE: &str = r#"{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ns"}}"#;
        let server = TestServer::new(NAMESPACE, Duration::from_millis(5), None);
        let limit = ConnectionLimit::new(3.try_into().unwrap());
        let config = Config::new(server.url.parse().unwrap());
        let cluster = KubeCluster::from_config(config).chosen().with_connection_limit(limit);
        let namespace = Namespace::new("ns").unwrap();
        let all = futures::future::join_all((0..100).map(|_| cluster.namespace(&namespace))).await;
        assert!(all.iter().all(|found| matches!(found, Ok(Some(_)))), "{all:?}");
        assert_eq!((server.counts.requests(), server.counts.most()), (100, 3));
        assert_eq!(server.counts.accepted(), 3, "connections are used again");
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_trusted_is_told_by_its_kind() {
        let certificates = |name: &str| {
            let pem = std::fs::read(authority(name)).unwrap();
            Some(vec![CertificateDer::from_pem_slice(&pem).unwrap().to_vec()])
        };
        let of_cluster = "its authority is not among the certificates of the cluster's certificate-authority";
        for (certificate, authority, why, hint) in [
            (SERVER, certificates("other"), of_cluster, "give the certificate of this server's authority"),
            (
                SERVER,
                None,
                "its authority is not among the certificates that this machine trusts",
                "name its authority as",
            ),
            (ELSEWHERE, certificates("ca"), "elsewhere.example", "check server and tls-server-name"),
            (EXPIRED, certificates("ca"), "expired", "check the clock of this machine"),
        ] {
            let server = TestServer::new("{}", Duration::ZERO, Some(certificate));
            let mut config = Config::new(server.url.parse().unwrap());
            config.root_cert = authority;
            let cluster = KubeCluster::from_config(config).chosen();
            let error = cluster.namespace(&Namespace::new("ns").unwrap()).await.unwrap_err();
            let shown = (error.kind(), error.code());
            assert_eq!(shown, (ErrorKind::Unavailable, Some(UNTRUSTED_CERTIFICATE)), "{error:?}");
            let cause = &error.causes()[0];
            assert!(cause.starts_with(&format!("the certificate of {} is not trusted: ", server.url)), "{cause}");
            assert!(cause.contains(why), "{cause}");
            assert!(error.hint().is_some_and(|text| text.to_string().starts_with(hint)), "{error:?}");
            assert_eq!(server.counts.accepted(), 1, "{cause}");
        }
    }

    fn around(variables: &[(&str, &str)]) -> Surroundings {
        let of = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        Surroundings { proxies: ProxySettings::from_variables(of), ..Surroundings::default() }
    }

    #[test]
    fn the_proxy_of_a_kubeconfig_wins_even_for_a_local_server() {
        let via = |config: &Config, around: &Surroundings| {
            route(config, around).map(|proxy| proxy.map(|proxy| proxy.to_string()))
        };
        let environment = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "*")];
        assert_eq!(via(&config(), &around(&environment[..1])).unwrap(), None, "the server is local");
        for (url, shown) in [
            ("socks5://own:1080", "socks5://own:1080"),
            ("http://u:p4ss@own", "http://own:80"),
            ("own:3", "http://own:3"),
        ] {
            let mut named = config();
            named.proxy_url = Some(url.parse().unwrap());
            assert_eq!(via(&named, &around(&environment)).unwrap().as_deref(), Some(shown));
        }
        let mut elsewhere = config();
        elsewhere.cluster_url = Uri::from_static("https://api.example");
        assert_eq!(via(&elsewhere, &around(&environment[..1])).unwrap().as_deref(), Some("http://proxy:3128"));
        let error = via(&elsewhere, &around(&[("HTTPS_PROXY", "ftp://u:p4ss@proxy")])).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, CANNOT_CONNECT));
        assert!(error.causes()[0].contains("HTTPS_PROXY") && !format!("{error:?}").contains("p4ss"), "{error:?}");
    }
}
