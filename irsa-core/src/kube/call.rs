//! One call to the API server: bounded in time and size, its refusals told apart.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::kube::Client;
use ::kube::client::{AuthError, Body};
use ::kube::config::AuthInfo;
use backon::{ExponentialBuilder, Retryable};
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::bearer::BearerSource;
use super::plugin::{Credential, Plugin};
use super::{refusal, warning};
use crate::connection_limit::ConnectionLimit;
use crate::error::{Error, ErrorKind, Result};
use crate::name::EksHost;
use crate::transport::error_chain::{chain, find, innermost, is_timeout};
use crate::transport::proxy_failure::ProxyFailure;
use crate::transport::tls::{TlsFailure, TrustWords};

/// The longest that one request may take, from connecting to the last byte; the API server itself gives up after 60 s.
const MAX_REQUEST: Duration = Duration::from_secs(30);
/// The longest wait that the server may ask for before the next try.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The largest answer about one object: etcd holds at most 1.5 MB of one.
pub(super) const ONE_OBJECT: usize = 8 << 20;
/// The largest page of a list.
pub(super) const ONE_PAGE: usize = 64 << 20;

/// An API server that can be called.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) limit: ConnectionLimit,
    /// Where set, gives the token of each request.
    pub(super) bearer: Option<Arc<dyn BearerSource>>,
    /// What goes with each request, beside the tokens of `bearer`.
    pub(super) credentials: Credentials,
    /// Where set, gives the credentials of each request.
    pub(super) plugin: Option<PluginAccess>,
    /// The URL, where it is known.
    pub(super) endpoint: Option<String>,
    /// The proxy on the way, without credentials.
    pub(super) proxy: Option<String>,
    /// The certificate authority, where one is configured: PEM in base64.
    pub(super) certificate_authority: Option<String>,
    /// Which certificates the server is checked against.
    pub(super) trust: TrustWords,
    /// The issuer of the service-account token in use, if it is one.
    pub(super) token_issuer: Option<String>,
}

/// A credential plug-in, and what of it the connection was built with.
pub(super) struct PluginAccess {
    pub(super) plugin: Arc<Plugin>,
    /// The credential whose client certificate the connection uses.
    pub(super) certificate: Option<Arc<Credential>>,
}

/// Whether requests carry credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// A client of the caller's own sends the requests.
    Unknown,
    /// The configuration has none.
    Missing,
    Sent,
}

impl Credentials {
    /// Those of a configuration.
    pub(super) fn of(auth: &AuthInfo) -> Self {
        let basic = auth.username.is_some() && auth.password.is_some();
        let token = auth.token.is_some() || auth.token_file.is_some();
        let certificate = auth.client_certificate.is_some() || auth.client_certificate_data.is_some();
        let program = auth.exec.is_some() || auth.auth_provider.is_some();
        if basic || token || certificate || program { Self::Sent } else { Self::Missing }
    }

    /// What to do where the API server saw no credentials.
    fn hint(self) -> &'static str {
        match self {
            Self::Missing => {
                "the request was made without credentials: \
                 give the user of the context a token, a client certificate or an exec plug-in"
            }
            Self::Sent => "no credentials arrived: a proxy on the way that ends TLS may remove them",
            Self::Unknown => "no credentials arrived: the client sends none, or a proxy on the way removes them",
        }
    }
}

/// An answer, whatever it says.
struct Answer {
    status: StatusCode,
    /// How long the server asks to wait before the next try.
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// Why a request brought nothing.
///
/// What a server says decides (that an object does not exist, that its issuer may not be read); what went wrong on this
/// side never may, even where the error is of the same kind.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered with a refusal.
    Refused {
        error: Error,
        /// Whether it is the credentials that are refused, or missing, rather than the rights.
        unauthenticated: bool,
        /// How long the server asks to wait before the next try.
        wait: Option<Duration>,
    },
    /// The request could not be sent, or its answer did not arrive as a whole.
    NoAnswer(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::NoAnswer(error)
    }
}

impl Failure {
    /// The error, whoever it comes from.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Refused { error, .. } | Self::NoAnswer(error) => error,
        }
    }
}

impl Connection {
    /// A connection of which only the client is known.
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            bearer: None,
            limit: ConnectionLimit::default(),
            credentials: Credentials::Unknown,
            plugin: None,
            endpoint: None,
            proxy: None,
            certificate_authority: None,
            trust: TrustWords::of_client(),
            token_issuer: None,
        }
    }

    /// Whether it uses a client certificate that is no longer the one of its plug-in, or is about to end.
    pub(super) fn is_stale(&self) -> bool {
        let Some(PluginAccess { plugin, certificate: Some(certificate) }) = &self.plugin else { return false };
        certificate.is_due(SystemTime::now()) || !plugin.is_current(certificate)
    }

    /// Sends a request and reads the object that answers it. `operation` says what is being done: "cannot ...".
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        operation: &str,
        request: Request<Vec<u8>>,
        most: usize,
    ) -> std::result::Result<T, Failure> {
        let body = self.send(operation, request, most).await?;
        serde_json::from_slice(&body).map_err(|error| {
            let cause = format!("the answer is not what the API describes: {error}");
            Error::new(ErrorKind::Unexpected, operation.to_owned()).with_cause(cause).into()
        })
    }

    /// Sends a request and gives the body of the answer, at most `most` bytes.
    ///
    /// Tried again only when the server says that it turned the request away unseen (429).
    pub(super) async fn send(
        &self,
        operation: &str,
        request: Request<Vec<u8>>,
        most: usize,
    ) -> std::result::Result<Vec<u8>, Failure> {
        let span = tracing::info_span!(
            "kubernetes",
            method = %request.method(),
            path = request.uri().path(),
            status = tracing::field::Empty,
            audit_id = tracing::field::Empty,
        );
        let backoff = ExponentialBuilder::default().with_max_times(4).with_max_delay(MAX_WAIT).with_jitter();
        (|| self.attempt(operation, &request, most))
            .retry(backoff)
            .when(|failure: &Failure| {
                matches!(failure, Failure::Refused { error, .. } if error.kind() == ErrorKind::Throttled)
            })
            .notify(|_: &Failure, wait: Duration| {
                tracing::info!(wait_seconds = wait.as_secs_f64(), "throttled by the API server: retrying");
            })
            .adjust(|failure: &Failure, planned| match failure {
                Failure::Refused { wait: Some(wait), .. } => planned.map(|own| own.max(*wait)),
                _ => planned,
            })
            .instrument(span)
            .await
    }

    async fn attempt(
        &self,
        operation: &str,
        request: &Request<Vec<u8>>,
        most: usize,
    ) -> std::result::Result<Vec<u8>, Failure> {
        // Admission webhooks and policies see writes alone.
        let reads = request.method() == Method::GET;
        let during = |error: Error| error.during(operation.to_owned());
        let credential = match &self.plugin {
            Some(access) => Some(access.plugin.credential().await.map_err(during)?),
            None => None,
        };
        let answer = self.exchange(operation, request, credential.as_deref(), most).await?;
        let answer = match (&self.plugin, &credential) {
            (Some(access), Some(refused)) if answer.status == StatusCode::UNAUTHORIZED => {
                match access.plugin.in_place_of(refused).await.map_err(during)? {
                    // A certificate counts from the next connection.
                    Some(other) if other.token.is_some() => {
                        self.exchange(operation, request, Some(&other), most).await?
                    }
                    _ => answer,
                }
            }
            _ => answer,
        };
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let error = refusal::refused(operation, answer.status, &answer.body, reads);
        let anonymous = refusal::is_anonymous(&answer.body);
        let unauthenticated = anonymous || answer.status == StatusCode::UNAUTHORIZED;
        let error = if anonymous { error.with_hint(self.credentials.hint()) } else { error };
        Err(Failure::Refused { error, unauthenticated, wait: answer.retry_after })
    }

    /// Sends a request once; any answer is one.
    async fn exchange(
        &self,
        operation: &str,
        request: &Request<Vec<u8>>,
        credential: Option<&Credential>,
        most: usize,
    ) -> Result<Answer> {
        // Before the time of the request begins.
        let _turn = self.limit.turn().await;
        let request = self.dressed(operation, request.clone(), credential).await?;
        let exchange = async {
            let response = self.client.send(request).await.map_err(|error| self.unreachable(operation, error))?;
            let (head, body) = response.into_parts();
            let span = tracing::Span::current();
            span.record("status", head.status.as_u16());
            span.record("audit_id", head.headers.get("audit-id").and_then(|id| id.to_str().ok()));
            let body =
                Limited::new(body, most).collect().await.map_err(|error| broken_off(operation, most, &*error))?;
            let body = body.to_bytes().to_vec();
            tracing::debug!(bytes = body.len(), "answered");
            warning::pass_on(&head.headers);
            Ok(Answer { status: head.status, retry_after: retry_after(&head.headers), body })
        };
        tokio::time::timeout(MAX_REQUEST, exchange).await.unwrap_or_else(|_| {
            let cause = format!("{} gave no answer within {} s", self.server(), MAX_REQUEST.as_secs());
            Err(Error::new(ErrorKind::Timeout, operation.to_owned()).with_cause(cause))
        })
    }

    /// The request with the headers that every one has.
    async fn dressed(
        &self,
        operation: &str,
        request: Request<Vec<u8>>,
        credential: Option<&Credential>,
    ) -> Result<Request<Body>> {
        let mut request = request.map(Body::from);
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("irsa/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let token = match (&self.bearer, credential) {
            (Some(source), _) => Some(source.bearer().await.map_err(|error| error.during(operation.to_owned()))?),
            (None, Some(credential)) => credential.token.clone(),
            (None, None) => None,
        };
        if let Some(token) = token {
            // The reason is left out: it would quote the token.
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
                Error::new(ErrorKind::Unexpected, operation.to_owned()).with_cause("the token has illegal characters")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    fn server(&self) -> String {
        let url = self.endpoint.as_deref().map(|url| format!(" {url}")).unwrap_or_default();
        let via = self.proxy.as_deref().map(|proxy| format!(" (through proxy {proxy})")).unwrap_or_default();
        format!("the API server{url}{via}")
    }

    /// The request got no answer.
    fn unreachable(&self, operation: &str, error: ::kube::Error) -> Error {
        if let Some(auth) = find::<AuthError>(&error) {
            return legacy_provider_failed(operation, auth);
        }
        if let Some(failure) = find::<ProxyFailure>(&error) {
            return failure.error(operation);
        }
        if let Some(failure) = TlsFailure::find(&error, self.endpoint.as_deref().unwrap_or_default(), &self.trust) {
            return failure.error(operation);
        }
        let timed_out = is_timeout(&error);
        let kind = if timed_out { ErrorKind::Timeout } else { ErrorKind::Unavailable };
        let cause = match &error {
            // Its own text only says that a service failed.
            ::kube::Error::Service(source) => innermost(source.as_ref()),
            error => innermost(error),
        };
        let cause = format!("{} cannot be reached: {cause}", self.server());
        let error = Error::new(kind, operation.to_owned()).with_summary(cause, Box::new(error));
        if timed_out && self.endpoint.as_deref().and_then(EksHost::of_endpoint).is_some() {
            return error.with_hint("an endpoint that is private to a VPC can be reached only from inside it");
        }
        error
    }
}

/// The credentials of a kubeconfig could not be had from a token file or a legacy provider, which kube itself reads.
///
/// kube's own text is left out: it prints the environment and all output of a program, which may hold secrets.
pub(super) fn legacy_provider_failed(operation: &str, error: &AuthError) -> Error {
    let cause = match error {
        AuthError::AuthExecStart(why) => format!("the program of the auth provider cannot be started: {why}"),
        AuthError::AuthExecRun { out, .. } => format!("the program of the auth provider failed with {}", out.status),
        AuthError::ReadTokenFile(why, path) => format!("cannot read the token file {}: {why}", path.display()),
        AuthError::AuthExec(why) => why.clone(),
        AuthError::InvalidBearerToken(_) => "the token has characters that no token has".to_owned(),
        _ => "the credentials of the kubeconfig cannot be used".to_owned(),
    };
    Error::new(ErrorKind::AccessDenied, operation.to_owned())
        .with_cause(cause)
        .with_hint("log in again, or choose another context")
}

/// The answer ended before it was whole, or is too large.
fn broken_off(operation: &str, most: usize, error: &(dyn StdError + 'static)) -> Error {
    if chain(error).any(|cause| cause.is::<LengthLimitError>()) {
        let cause = format!("the answer is larger than {most} bytes");
        return Error::new(ErrorKind::Unexpected, operation.to_owned()).with_cause(cause);
    }
    let cause = format!("the answer broke off: {}", innermost(error));
    Error::new(ErrorKind::Unavailable, operation.to_owned()).with_cause(cause)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use secrecy::SecretString;

    use super::super::fake::{Scenario, Server};
    use super::*;

    #[derive(Debug)]
    struct Token(Result<&'static str>);

    #[async_trait]
    impl BearerSource for Token {
        async fn bearer(&self) -> Result<SecretString> {
            self.0.clone().map(SecretString::from)
        }
    }

    async fn asked(server: &Server, token: Result<&'static str>) -> std::result::Result<Vec<u8>, Failure> {
        let connection = Connection { bearer: Some(Arc::new(Token(token))), ..Connection::new(server.client()) };
        connection.send("cannot ask", Request::get("/version").body(Vec::new()).unwrap(), 10).await
    }

    #[tokio::test]
    async fn the_token_goes_with_the_request() {
        let server = Server::new([Scenario::Answer(200, b"fine".to_vec())]);
        assert_eq!(asked(&server, Ok("t0k3n")).await.unwrap(), b"fine");
        let seen = server.seen();
        assert_eq!(seen[0].header("authorization"), "Bearer t0k3n");
        assert!(!format!("{seen:?}").contains("t0k3n"));
    }

    #[tokio::test]
    async fn without_a_token_nothing_is_asked() {
        let server = Server::new([]);
        let error = asked(&server, Ok("t0k3n\n")).await.unwrap_err();
        assert!(!format!("{error:?}").contains("t0k3n"), "{error:?}");
        let expired = Error::new(ErrorKind::AccessDenied, "cannot sign a token").with_code("ExpiredToken");
        let error = asked(&server, Err(expired)).await.unwrap_err().into_error();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("ExpiredToken")));
        assert_eq!(
            (error.to_string().as_str(), error.causes()),
            ("cannot ask", vec!["cannot sign a token".to_owned()])
        );
    }

    /// A plug-in whose credential says which run it is of.
    #[cfg(unix)]
    fn counting(folder: &std::path::Path) -> Arc<Plugin> {
        let script = format!(
            "cd '{}'; echo >> runs; echo \"status: {{token: run-$(wc -l < runs | tr -d ' ')}}\"",
            folder.display()
        );
        let exec = serde_json::json!({"command": "/bin/sh", "args": ["-c", script]});
        super::super::plugin::Plugins::new().plugin(&serde_json::from_value(exec).unwrap())
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_credential_that_is_no_longer_taken_is_replaced_once() {
        let unauthorized = || Scenario::status(401, "Unauthorized", "Unauthorized", &serde_json::json!({}));
        let fine = || Scenario::Answer(200, b"fine".to_vec());
        let server = Server::new([fine(), unauthorized(), fine(), unauthorized(), unauthorized(), unauthorized()]);
        let folder = tempfile::tempdir().unwrap();
        let plugin = counting(folder.path());
        let access = PluginAccess { plugin: Arc::clone(&plugin), certificate: None };
        let connection = Connection { plugin: Some(access), ..Connection::new(server.client()) };
        let ask = async || {
            let request = Request::get("/version").body(Vec::new()).unwrap();
            connection.send("cannot ask", request, 1000).await
        };
        assert_eq!(ask().await.unwrap(), b"fine");
        plugin.make_old().await;
        assert_eq!(ask().await.unwrap(), b"fine");
        // The new one is refused too: that is the answer.
        let error = ask().await.unwrap_err().into_error();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("Unauthorized")));
        plugin.make_old().await;
        assert!(ask().await.is_err());
        let tokens: Vec<String> = server.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
        assert_eq!(
            tokens,
            ["run-1", "run-1", "run-2", "run-2", "run-2", "run-3"].map(|token| format!("Bearer {token}"))
        );
    }
}
