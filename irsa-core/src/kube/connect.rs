//! From a configuration to a client: one TLS stack, no Nagle, one run of the credential plug-in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::kube::client::ConfigExt;
use ::kube::config::AuthInfo;
use ::kube::{Client, Config};
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use secrecy::{ExposeSecret, SecretString};
use tower::{ServiceBuilder, ServiceExt};

use super::authority;
use super::call::{Connection, Credentials, plugin_failed};
use super::eks::BearerSource;
use super::pool::{IDLE_TIMEOUT, Pool};
use super::token::{self, TokenFile};
use crate::connection_limit::ConnectionLimit;
use crate::error::{Error, ErrorKind, Result, shown};
use crate::url;

/// The longest wait for a TCP connection: an endpoint that is private to a VPC gives no answer at all.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// The proxy that leads to API servers, in the forms of the variables `HTTPS_PROXY` and `NO_PROXY`.
#[derive(Clone, Default)]
pub struct Proxy {
    /// The URL of the proxy, `http://[USER:PASSWORD@]HOST:PORT`.
    pub url: Option<String>,
    /// The hosts, domains and networks that are reached directly, separated by commas.
    pub except: Option<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Proxy").field("except", &self.except).finish_non_exhaustive()
    }
}

impl Proxy {
    /// The proxy for a server, if it is not reached directly.
    fn towards(&self, server: &Uri) -> Option<Intercept> {
        let url = self.url.as_deref().filter(|url| !url.is_empty())?;
        let except = self.except.clone().unwrap_or_default();
        Matcher::builder().all(url.to_owned()).no(except).build().intercept(server)
    }
}

/// Builds the client of a configuration, running its credential plug-in and reading its files.
///
/// A proxy that the configuration names wins over `proxy`.
pub(super) async fn connect(config: Config, proxy: Proxy) -> Result<Connection> {
    // Plug-ins and files block.
    let built = tokio::task::spawn_blocking(move || build(config, &proxy)).await;
    built.map_err(|error| Error::new(ErrorKind::Unexpected, CANNOT_CONNECT).with_cause(error.to_string()))?
}

const CANNOT_CONNECT: &str = "cannot prepare the connection to the API server";

fn build(mut config: Config, proxy: &Proxy) -> Result<Connection> {
    // As kube itself does: a process in which several providers are compiled has no default one, and rustls panics.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    // A configuration need not come from a kubeconfig, where this was checked already.
    config.cluster_url = url::parse_server(&config.cluster_url.to_string()).map_err(|why| {
        let url = url::redacted(&config.cluster_url.to_string());
        Error::new(ErrorKind::InvalidInput, CANNOT_CONNECT).with_cause(format!("the URL {} {why}", shown(&url)))
    })?;
    let credentials = Credentials::of(&config.auth_info);
    let (bearer, token_issuer) = own_token(&mut config.auth_info)?;
    let program = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
    let unusable = |error: ::kube::Error| unusable(&error, program.as_deref());
    let auth = config.auth_layer().map_err(unusable)?;
    let extra_headers = config.extra_headers_layer().map_err(unusable)?;
    if auth.is_some() {
        // The TLS configuration would run the plug-in again, in search of a client certificate.
        config.auth_info.exec = None;
        config.auth_info.auth_provider = None;
    }

    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // kube leaves Nagle's algorithm on (kube issue 2056): the first request would wait 40 ms for a delayed ACK.
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(config.connect_timeout.unwrap_or(LONGEST_CONNECT).min(LONGEST_CONNECT)));
    let http = match route(&config, proxy)? {
        None => {
            let tls = config.rustls_https_connector_with_connector(tcp).map_err(unusable)?;
            Pool::new(tls, IDLE_TIMEOUT).boxed_clone()
        }
        Some(proxy) => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            let tls = config.rustls_https_connector_with_connector(tunnel).map_err(unusable)?;
            Pool::new(tls, IDLE_TIMEOUT).boxed_clone()
        }
    };
    let service =
        ServiceBuilder::new().layer(config.base_uri_layer()).option_layer(auth).layer(extra_headers).service(http);
    Ok(Connection {
        client: Client::new(service, config.default_namespace),
        bearer,
        credentials,
        limit: ConnectionLimit::default(),
        endpoint: Some(config.cluster_url.to_string().trim_end_matches('/').to_owned()),
        certificate_authority: config.root_cert.as_deref().map(authority::encode),
        token_issuer,
    })
}

/// The proxy to go through.
fn route(config: &Config, proxy: &Proxy) -> Result<Option<Intercept>> {
    let named = config.proxy_url.as_ref().map(|url| Proxy { url: Some(url.to_string()), except: None });
    let Some(found) = named.as_ref().unwrap_or(proxy).towards(&config.cluster_url) else {
        return Ok(None);
    };
    match found.uri().scheme_str() {
        Some("http") => Ok(Some(found)),
        scheme => {
            let cause = format!("a proxy of the scheme {:?} is not supported, only http", scheme.unwrap_or_default());
            Err(Error::new(ErrorKind::InvalidInput, CANNOT_CONNECT).with_cause(cause))
        }
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
    // A token wins over a plug-in.
    auth.exec = None;
    let issuer = issuer(&token);
    Ok((Some(Arc::new(TokenFile::new(file.into(), token))), issuer))
}

/// A configuration that no client can be built of.
fn unusable(error: &::kube::Error, program: Option<&str>) -> Error {
    match error {
        ::kube::Error::Auth(error) => plugin_failed(CANNOT_CONNECT, program, error),
        error => Error::new(ErrorKind::InvalidInput, CANNOT_CONNECT).with_cause(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new(Uri::from_static("https://127.0.0.1:6443/base"))
    }

    #[tokio::test]
    async fn a_client_is_built_without_a_call() {
        let mut config = config();
        config.root_cert = Some(Vec::new());
        config.auth_info.token = Some(SecretString::from("abc\n"));
        let connection = connect(config, Proxy::default()).await.unwrap();
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
            let error = connect(config, Proxy::default()).await.err().unwrap();
            assert_eq!(error.kind(), kind, "{error:?}");
            assert_eq!(error.code(), (kind == ErrorKind::Unavailable).then_some(super::super::PLUGIN_MISSING));
            assert!(error.causes()[0].starts_with(cause) && !format!("{error:?}").contains("s3cr3t"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_url_that_the_http_client_panics_on_is_refused() {
        for url in ["127.0.0.1:6443", "localhost", "/api", "*", "https://u:s3cr3t@x"] {
            let error = connect(Config::new(url.parse().unwrap()), Proxy::default()).await.err().unwrap();
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
        let connection = connect(config, Proxy::default()).await.unwrap();
        let bearer = connection.bearer.unwrap();
        let sent = async || bearer.bearer().await.unwrap().expose_secret().to_owned();
        assert_eq!(sent().await, "fixed");
        std::fs::write(&path, "from-file\n").unwrap();
        assert_eq!(sent().await, "from-file");
    }

    #[test]
    fn a_proxy_is_used_unless_the_server_is_excepted() {
        let proxy = |url: &str, except: &str| Proxy { url: Some(url.to_owned()), except: Some(except.to_owned()) };
        let via = |proxy: &Proxy| route(&config(), proxy).map(|found| found.map(|found| found.uri().to_string()));
        assert_eq!(via(&Proxy::default()).ok(), Some(None));
        assert_eq!(via(&proxy("", "")).ok(), Some(None));
        assert_eq!(via(&proxy("http://u:p@proxy:3128", "")).ok().flatten().as_deref(), Some("http://proxy:3128/"));
        assert_eq!(via(&proxy("http://proxy:3128", "a.example,127.0.0.0/8")).ok(), Some(None));
        assert_eq!(
            via(&proxy("socks5://proxy:1080", "")).err().map(|error| error.kind()),
            Some(ErrorKind::InvalidInput)
        );
        assert!(!format!("{:?}", proxy("http://u:p4ss@proxy", "")).contains("p4ss"));
    }
}
