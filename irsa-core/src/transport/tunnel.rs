//! The way to a server through a proxy. A failure of it names the proxy.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{BoxError, Service, ServiceExt, service_fn};

use super::error_chain::{innermost, is_timeout};
use super::proxy_failure::{ProxyFailure, ProxyFailureReason};
use super::tls::is_untrusted;
use crate::proxy::{ProxyAddress, ProxyScheme};
use crate::text::shown;

/// The longest that a proxy may take to open a way to a server; less than a request may take in all.
const MAX_CONNECT: Duration = Duration::from_secs(25);
/// The longest head of a proxy's answer.
const MAX_HEAD: usize = 16 << 10;

/// Connects to any server through one proxy: what the TLS session with the server runs over.
///
/// The way to a server without TLS ends at an HTTP proxy, which takes the requests themselves.
#[derive(Clone)]
pub(crate) struct Tunnel<C> {
    proxy: ProxyAddress,
    /// Connects to the proxy itself, over TLS where the URL is `https`.
    to_proxy: C,
    /// Tried where the certificate of the proxy is not trusted by the first.
    to_proxy_otherwise: Option<C>,
}

impl<C> Tunnel<C> {
    /// Through `proxy`, which is itself reached by `to_proxy`, or else by `otherwise`.
    pub(crate) fn new(proxy: ProxyAddress, to_proxy: C, otherwise: Option<C>) -> Self {
        Self { proxy, to_proxy, to_proxy_otherwise: otherwise }
    }
}

impl<C> Tunnel<C>
where
    C: Service<Uri, Error = BoxError> + Clone + Send,
    C::Response: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    C::Future: Send,
{
    async fn open(self, server: Uri) -> Result<C::Response, ProxyFailure> {
        let opening = async {
            let stream = self.reach(&server).await?;
            match self.proxy.scheme {
                ProxyScheme::Socks5 => self.socks(stream, server.clone()).await,
                _ if self.proxy.forwards(&server) => Ok(stream),
                ProxyScheme::Http | ProxyScheme::Https => self.connect(stream, &server).await,
            }
        };
        match tokio::time::timeout(MAX_CONNECT, opening).await {
            Ok(opened) => opened,
            Err(_) => {
                let why = format!("opened no connection to {} within {} s", place(&server), MAX_CONNECT.as_secs());
                Err(self.failed(&server, ProxyFailureReason::Timeout, why))
            }
        }
    }

    /// A connection to the proxy.
    async fn reach(&self, server: &Uri) -> Result<C::Response, ProxyFailure> {
        let scheme = if self.proxy.scheme == ProxyScheme::Https { "https" } else { "http" };
        let url: Uri = format!("{scheme}://{}/", self.proxy.place()).parse().map_err(|error| {
            self.failed(server, ProxyFailureReason::Refused, format!("has a URL that is not valid: {error}"))
        })?;
        let unreachable = |error: BoxError| {
            let reason = match &*error {
                error if is_untrusted(error) => ProxyFailureReason::Untrusted,
                error if is_timeout(error) => ProxyFailureReason::Timeout,
                _ => ProxyFailureReason::Network,
            };
            self.failed(server, reason, format!("cannot be reached: {}", innermost(&*error)))
        };
        match (self.to_proxy.clone().oneshot(url.clone()).await, &self.to_proxy_otherwise) {
            (Ok(stream), _) => Ok(stream),
            (Err(error), Some(other)) if is_untrusted(&*error) => other.clone().oneshot(url).await.map_err(unreachable),
            (Err(error), _) => Err(unreachable(error)),
        }
    }

    /// Asks for a tunnel with `CONNECT` (RFC 9110, section 9.3.6).
    async fn connect(&self, stream: C::Response, server: &Uri) -> Result<C::Response, ProxyFailure> {
        let place = place(server);
        let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").into_bytes();
        if let Some(auth) = self.proxy.basic_auth() {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(auth.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let refused = |why: String| self.failed(server, ProxyFailureReason::Refused, why);
        let broken = |error: std::io::Error| {
            let why = format!("broke off before it connected to {place}: {error}");
            self.failed(server, ProxyFailureReason::Network, why)
        };
        let no_proxy = || refused("does not answer as an HTTP proxy does".to_owned());
        let mut stream = TokioIo::new(stream);
        stream.write_all(&request).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut head = Vec::new();
        // Nothing follows the head until the client speaks: TLS begins with its words.
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0; 1];
            if head.len() >= MAX_HEAD {
                return Err(no_proxy());
            }
            match stream.read(&mut byte).await.map_err(broken)? {
                0 => return Err(refused(format!("closed the connection in place of connecting to {place}"))),
                _ => head.push(byte[0]),
            }
        }
        match status(&head) {
            Some((200..=299, _)) => Ok(stream.into_inner()),
            Some((407, _)) => Err(ProxyFailure::unauthorized(&self.proxy, server)),
            Some((code, reason)) => {
                let reason = if reason.is_empty() { String::new() } else { format!(": {}", shown(&reason)) };
                Err(refused(format!("refused to connect to {place} (HTTP {code}{reason})")))
            }
            None => Err(no_proxy()),
        }
    }

    /// Asks for a connection with SOCKS version 5 (RFC 1928).
    async fn socks(&self, stream: C::Response, server: Uri) -> Result<C::Response, ProxyFailure> {
        let mut stream = Some(stream);
        let given = service_fn(move |_: Uri| ready(stream.take().ok_or("the connection is used already")));
        let mut socks = SocksV5::new(server.clone(), given);
        if let Some((user, password)) = &self.proxy.credentials {
            socks = socks.with_auth(user.clone(), password.expose_secret().to_owned());
        }
        let server = with_port(server);
        socks.call(server.clone()).await.map_err(|error| {
            let told = error.to_string();
            let told = told.strip_prefix("SOCKS error: ").unwrap_or(&told);
            let why = format!("did not connect to {}: {told}", place(&server));
            self.failed(&server, ProxyFailureReason::Refused, why)
        })
    }

    fn failed(&self, server: &Uri, reason: ProxyFailureReason, why: String) -> ProxyFailure {
        ProxyFailure { proxy: self.proxy.clone(), server: server.clone(), why, reason }
    }
}

impl<C> Service<Uri> for Tunnel<C>
where
    C: Service<Uri, Error = BoxError> + Clone + Send + Sync + 'static,
    C::Response: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    C::Future: Send,
{
    type Response = C::Response;
    type Error = ProxyFailure;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, ProxyFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProxyFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        Box::pin(self.clone().open(server))
    }
}

/// `HOST:PORT` of a server, with the port that the scheme implies.
fn place(server: &Uri) -> String {
    let default = if server.scheme_str() == Some("http") { 80 } else { 443 };
    format!("{}:{}", server.host().unwrap_or_default(), server.port_u16().unwrap_or(default))
}

fn with_port(server: Uri) -> Uri {
    format!("https://{}/", place(&server)).parse().unwrap_or(server)
}

/// Code and reason of the status line.
fn status(head: &[u8]) -> Option<(u16, String)> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.trim_end().splitn(3, ' ');
    let version = words.next()?;
    let code = words.next().filter(|code| code.len() == 3)?.parse().ok()?;
    version.starts_with("HTTP/1.").then(|| (code, words.next().unwrap_or_default().trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;
    use crate::error::ErrorKind;

    /// A proxy that reads a request and gives these answers; what it read is what it returns.
    async fn tunneled(proxy: &str, answers: &'static [&'static [u8]]) -> (Result<(), ProxyFailure>, Vec<u8>) {
        let proxy = ProxyAddress::parse(proxy, "HTTPS_PROXY").unwrap();
        let (client, mut server) = tokio::io::duplex(1024);
        let client = std::sync::Arc::new(std::sync::Mutex::new(Some(client)));
        let to_proxy = service_fn(move |_: Uri| {
            let stream = client.lock().unwrap().take().map(TokioIo::new);
            ready(stream.ok_or_else(|| BoxError::from("used twice")))
        });
        let serving = tokio::spawn(async move {
            let mut read = Vec::new();
            for answer in answers {
                let mut buffer = [0; 1024];
                let length = server.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..length]);
                server.write_all(answer).await.unwrap();
            }
            read
        });
        let tunnel: Tunnel<_> = Tunnel::new(proxy, to_proxy, None);
        let opened: Result<TokioIo<DuplexStream>, _> = tunnel.open("https://api.example:6443".parse().unwrap()).await;
        (opened.map(drop), serving.await.unwrap())
    }

    #[tokio::test]
    async fn an_http_proxy_is_asked_to_connect() {
        let (opened, read) = tunneled("http://Aladdin:opensesame@proxy", &[b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"]).await;
        opened.unwrap();
        let read = String::from_utf8(read).unwrap();
        assert_eq!(
            read,
            "CONNECT api.example:6443 HTTP/1.1\r\nHost: api.example:6443\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuc2VzYW1l\r\n\r\n"
        );
    }

    #[tokio::test]
    async fn a_socks_proxy_gets_the_name_of_the_server() {
        let connected: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
        let (opened, read) = tunneled("socks5://us:pw@proxy", &[]).await;
        assert!(opened.is_err() && read.is_empty());
        let answers: &'static [&'static [u8]] = Box::leak(Box::new([&[5, 0][..], connected]));
        let (opened, read) = tunneled("socks5://proxy", answers).await;
        opened.unwrap();
        assert_eq!(read, b"\x05\x01\x00\x05\x01\x00\x03\x0bapi.example\x19\x2b");
        let answers: &'static [&'static [u8]] = Box::leak(Box::new([&[5, 2][..], &[1, 1]]));
        let (opened, read) = tunneled("socks5://us:pw@proxy", answers).await;
        assert!(read.ends_with(b"\x01\x02us\x02pw"), "{read:?}");
        let failure = opened.unwrap_err();
        let why = "did not connect to api.example:6443: credentials not accepted";
        assert_eq!(failure.to_string(), format!("proxy socks5://proxy:1080 {why}"));
    }

    #[tokio::test]
    async fn a_failure_names_the_proxy_and_shows_no_credentials() {
        for (answer, why) in [
            (
                &b"HTTP/1.1 403 Forbidden by policy\r\n\r\n"[..],
                "refused to connect to api.example:6443 (HTTP 403: \"Forbidden by policy\")",
            ),
            (b"HTTP/1.0 502 \r\n\r\n", "refused to connect to api.example:6443 (HTTP 502)"),
            (b"HTTP/1.1 407 Who are you\r\n\r\n", "wants other credentials (HTTP 407)"),
            (b"SSH-2.0-x\r\n\r\n", "does not answer as an HTTP proxy does"),
            (b"HTTP/1.1 2", "closed the connection in place of connecting to api.example:6443"),
            (b"", "closed the connection in place of connecting to api.example:6443"),
        ] {
            let answers: &'static [&'static [u8]] = Box::leak(Box::new([answer]));
            let failure = tunneled("http://u:p4ss@proxy:3128", answers).await.0.unwrap_err();
            assert_eq!(failure.to_string(), format!("proxy http://proxy:3128 {why}"));
            let error = failure.error("cannot ask");
            assert!(!format!("{failure:?} {error:?}").contains("p4ss") && error.hint().is_some(), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
        let failure = tunneled("proxy", &[b"HTTP/1.1 407 \r\n\r\n"]).await.0.unwrap_err();
        assert_eq!(failure.to_string(), "proxy http://proxy:80 wants credentials (HTTP 407)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_proxy_is_a_timeout_of_its_own() {
        let proxy = ProxyAddress::parse("proxy:3128", "HTTPS_PROXY").unwrap();
        let (client, _silent) = tokio::io::duplex(1024);
        let client = std::sync::Arc::new(std::sync::Mutex::new(Some(client)));
        let to_proxy = service_fn(move |_: Uri| {
            let stream = client.lock().unwrap().take().map(TokioIo::new);
            ready(stream.ok_or_else(|| BoxError::from("used twice")))
        });
        let failure =
            Tunnel::new(proxy, to_proxy, None).open("https://api.example".parse().unwrap()).await.err().unwrap();
        assert_eq!(failure.to_string(), "proxy http://proxy:3128 opened no connection to api.example:443 within 25 s");
        assert_eq!(failure.error("cannot ask").kind(), ErrorKind::Timeout);
    }
}
