//! The connections to one server: opened when there is no idle one, used again, closed when idle for long.
//!
//! hyper-util's own pool opens a connection for each request that waits, and keeps those that came too late. Here a
//! request that finds no idle connection opens exactly one, and hands it on before its own turn ends: no more connections
//! are ever open than requests were under way at once.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt};

use super::proxy_failure::ProxyFailure;
use crate::proxy::ProxyAddress;

/// Idle connections are closed after so long.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests with bodies `B` over the connections that `C` opens.
pub(crate) struct Pool<C, B> {
    connector: C,
    /// The proxy that takes the requests themselves.
    forward: Option<ProxyAddress>,
    turns: Option<Arc<Semaphore>>,
    idle: Arc<Idle<B>>,
}

impl<C, B> Pool<C, B> {
    pub(crate) fn new(connector: C, idle_timeout: Duration) -> Self {
        let connections = Mutex::new(IdleConnections { waiting: Vec::new(), watch: None });
        let idle = Arc::new(Idle { connections, timeout: idle_timeout });
        Self { connector, forward: None, turns: None, idle }
    }

    /// Whose connections lead through a proxy.
    pub(crate) fn through(self, proxy: ProxyAddress) -> Self {
        Self { forward: Some(proxy), ..self }
    }

    /// That opens at most so many connections.
    pub(crate) fn with_max_connections(self, max: NonZeroUsize) -> Self {
        let turns = Semaphore::new(max.get().min(Semaphore::MAX_PERMITS));
        Self { turns: Some(Arc::new(turns)), ..self }
    }
}

impl<C: Clone, B> Clone for Pool<C, B> {
    fn clone(&self) -> Self {
        let (connector, forward, turns) = (self.connector.clone(), self.forward.clone(), self.turns.clone());
        Self { connector, forward, turns, idle: Arc::clone(&self.idle) }
    }
}

impl<C, B, Io> Service<Request<B>> for Pool<C, B>
where
    C: Service<Uri, Response = Io> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    Io: Read + Write + Unpin + Send + 'static,
{
    type Response = Response<PooledBody<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().send(request, None))
    }
}

impl<C, B, Io> Pool<C, B>
where
    C: Service<Uri, Response = Io> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    Io: Read + Write + Unpin + Send + 'static,
{
    /// Sends a request. A connection that is opened for it fails with [`ConnectTimeout`] where that takes longer.
    pub(crate) async fn send(
        self,
        request: Request<B>,
        connect_timeout: Option<Duration>,
    ) -> Result<Response<PooledBody<B>>, BoxError> {
        let Self { connector, forward, turns, idle } = self;
        let turn = match turns {
            Some(turns) => turns.acquire_owned().await.ok(),
            None => None,
        };
        let server = request.uri().clone();
        let forward = forward.filter(|proxy| proxy.forwards(&server));
        let mut request = addressed(request, forward.as_ref())?;
        loop {
            let (mut sender, reused) = match idle.take() {
                Some(sender) => (sender, true),
                None => (open(connector.clone(), &server, connect_timeout).await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    if let Some(proxy) = &forward
                        && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
                    {
                        return Err(ProxyFailure::unauthorized(proxy, &server).into());
                    }
                    let connection = Some(Lent { sender, idle, _turn: turn });
                    return Ok(response.map(|body| PooledBody { body, ended: false, connection }));
                }
                Err(mut error) => match error.take_message() {
                    // The server had closed the connection while it was idle, and has seen nothing of the request.
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }
}

/// Opens a connection. A task of its own drives it, until the server or the last one who holds the sender closes it.
async fn open<C, B, Io>(connector: C, server: &Uri, timeout: Option<Duration>) -> Result<SendRequest<B>, BoxError>
where
    C: Service<Uri, Response = Io>,
    C::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    Io: Read + Write + Unpin + Send + 'static,
{
    let opening = async { connector.oneshot(server.clone()).await.map_err(Into::into) };
    let io = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, opening).await.map_err(|_| ConnectTimeout(timeout))??,
        None => opening.await?,
    };
    let (sender, connection) = handshake(io).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
    Ok(sender)
}

/// A connection that did not come about in time.
#[derive(Debug)]
pub(crate) struct ConnectTimeout(pub(crate) Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {} s", self.0.as_secs_f64())
    }
}

impl std::error::Error for ConnectTimeout {}

/// The request as it goes to the server: the path alone, and the server in the header `Host`; to a proxy that takes the
/// requests themselves, the whole URL.
fn addressed<B>(mut request: Request<B>, forward: Option<&ProxyAddress>) -> Result<Request<B>, BoxError> {
    let uri = request.uri();
    if !request.headers().contains_key(HOST) {
        let host = uri.host().ok_or("the URL of the server has no host")?;
        let default_port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let host = match uri.port_u16().filter(|port| *port != default_port) {
            Some(port) => HeaderValue::from_str(&format!("{host}:{port}"))?,
            None => HeaderValue::from_str(host)?,
        };
        request.headers_mut().insert(HOST, host);
    }
    match forward {
        Some(proxy) => {
            if let Some(authorization) = proxy.basic_auth() {
                request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
            }
        }
        None => {
            let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
            *request.uri_mut() = Uri::from(path);
        }
    }
    Ok(request)
}

/// The connections that wait for a request.
struct Idle<B> {
    connections: Mutex<IdleConnections<B>>,
    timeout: Duration,
}

struct IdleConnections<B> {
    /// The one that was used last is at the end, and taken first.
    waiting: Vec<(Instant, SendRequest<B>)>,
    /// The task that closes those that wait for too long. It ends with its runtime, which the pool may outlive.
    watch: Option<AbortHandle>,
}

impl<B: Send + 'static> Idle<B> {
    fn take(&self) -> Option<SendRequest<B>> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, sender)) = connections.waiting.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn put(self: Arc<Self>, sender: SendRequest<B>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.waiting.push((Instant::now(), sender));
        if connections.watch.as_ref().is_none_or(AbortHandle::is_finished) {
            connections.watch = Some(tokio::spawn(watch(Arc::downgrade(&self), self.timeout)).abort_handle());
        }
    }

    /// Closes what has waited for too long; gives the time until the next has, if any is left.
    fn close_idle(&self) -> Option<Duration> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.waiting.retain(|(since, sender)| since.elapsed() < self.timeout && !sender.is_closed());
        let next = connections.waiting.first().map(|(since, _)| self.timeout.saturating_sub(since.elapsed()));
        if next.is_none() {
            connections.watch = None;
        }
        next
    }
}

async fn watch<B: Send + 'static>(idle: Weak<Idle<B>>, timeout: Duration) {
    let mut pause = timeout;
    loop {
        tokio::time::sleep(pause).await;
        match idle.upgrade().and_then(|idle| idle.close_idle()) {
            Some(next) => pause = next,
            None => return,
        }
    }
}

/// A connection that a request uses.
struct Lent<B> {
    sender: SendRequest<B>,
    idle: Arc<Idle<B>>,
    _turn: Option<OwnedSemaphorePermit>,
}

/// The body of an answer. At its end the connection is idle again; one that is not read to its end closes it.
pub(crate) struct PooledBody<B> {
    body: Incoming,
    ended: bool,
    connection: Option<Lent<B>>,
}

impl<B: Body + Send + 'static> Body for PooledBody<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if !self.ended {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.ended = true,
                frame => return Poll::Ready(frame),
            }
        }
        if let Some(lent) = &mut self.connection {
            // The body ends once its connection can be used again: the next request would open another one before that.
            let reusable = ready!(lent.sender.poll_ready(cx)).is_ok();
            if let Some(lent) = self.connection.take().filter(|_| reusable) {
                lent.idle.put(lent.sender);
            }
        }
        Poll::Ready(None)
    }

    /// Not before the poll that gives the connection back.
    fn is_end_stream(&self) -> bool {
        self.ended && self.connection.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::client::legacy::connect::HttpConnector;

    use super::*;
    use crate::test_server::TestServer;

    const NAMESPACE: &str = r#"{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ns"}}"#;

    fn pool(idle_timeout: Duration) -> Pool<HttpConnector, Empty<Bytes>> {
        Pool::new(HttpConnector::new(), idle_timeout)
    }

    fn request(server: &TestServer) -> Request<Empty<Bytes>> {
        Request::get(format!("{}/api?x=1", server.url)).body(Empty::new()).unwrap()
    }

    async fn read(pool: &Pool<HttpConnector, Empty<Bytes>>, server: &TestServer) -> Result<Bytes, BoxError> {
        Ok(pool.clone().oneshot(request(server)).await?.into_body().collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn a_pool_opens_no_more_connections_than_its_limit() {
        let server = TestServer::new(NAMESPACE, Duration::from_millis(5), None);
        let pool = pool(IDLE_TIMEOUT).with_max_connections(NonZeroUsize::new(3).unwrap());
        let all = futures::future::join_all((0..100).map(|_| read(&pool, &server))).await;
        assert!(all.iter().all(|found| found.as_ref().is_ok_and(|body| body == NAMESPACE)), "{all:?}");
        assert_eq!((server.counts.requests(), server.counts.most()), (100, 3));
        assert_eq!(server.counts.accepted(), 3, "connections are used again");
    }

    #[test]
    fn idle_connections_are_closed_by_the_runtime_that_is_there() {
        let server = TestServer::new(NAMESPACE, Duration::ZERO, None);
        let pool = pool(Duration::from_millis(100));
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                read(&pool, &server).await.unwrap();
                server.until_open(1).await;
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            read(&pool, &server).await.unwrap();
            server.until_open(0).await;
        });
    }

    #[tokio::test]
    async fn idle_connections_are_closed() {
        let server = TestServer::new(NAMESPACE, Duration::ZERO, None);
        let pool = pool(Duration::from_millis(100));
        assert_eq!(read(&pool, &server).await.unwrap(), NAMESPACE);
        server.until_open(1).await;
        server.until_open(0).await;
        read(&pool, &server).await.unwrap();
        server.until_open(0).await;
        assert_eq!(server.counts.accepted(), 2);
    }

    #[tokio::test]
    async fn a_connection_that_the_server_closed_is_replaced() {
        let server = TestServer::new(NAMESPACE, Duration::ZERO, None);
        let pool = pool(IDLE_TIMEOUT);
        for _ in 0..20 {
            read(&pool, &server).await.unwrap();
            server.hang_up();
            // The client hears of it when its tasks run.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(server.counts.requests(), 20, "each request was answered once");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_read_to_its_end_closes_its_connection() {
        let server = TestServer::new(NAMESPACE, Duration::ZERO, None);
        let pool = pool(IDLE_TIMEOUT);
        drop(pool.clone().oneshot(request(&server)).await.unwrap());
        server.until_open(0).await;
        assert_eq!(read(&pool, &server).await.unwrap(), NAMESPACE);
    }

    #[test]
    fn requests_go_out_in_origin_form() {
        for (url, host, path) in [
            ("https://a.example/api?x=1", "a.example", "/api?x=1"),
            ("https://a.example:443/", "a.example", "/"),
            ("https://a.example:6443", "a.example:6443", "/"),
            ("http://[::1]:80/x", "[::1]", "/x"),
            ("http://user:pw@a.example:443/x", "a.example:443", "/x"),
        ] {
            let request = addressed(Request::get(url).body(Empty::<Bytes>::new()).unwrap(), None).unwrap();
            assert_eq!((request.headers()[HOST].to_str().unwrap(), request.uri().to_string().as_str()), (host, path));
        }
    }

    #[test]
    fn a_proxy_that_takes_requests_itself_gets_the_whole_url() {
        let proxy = ProxyAddress::parse("http://Aladdin:opensesame@proxy", "HTTP_PROXY").unwrap();
        let request = Request::get("http://a.example:8080/x?y=1").body(Empty::<Bytes>::new()).unwrap();
        let request = addressed(request, Some(&proxy)).unwrap();
        assert_eq!(request.uri(), "http://a.example:8080/x?y=1");
        assert_eq!(request.headers()[HOST], "a.example:8080");
        assert_eq!(request.headers()[PROXY_AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuc2VzYW1l");
    }
}
