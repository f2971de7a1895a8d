//! The connections to one API server: opened when there is no idle one, used again, closed when idle for long.
//!
//! hyper-util's own pool opens a connection for each request that waits, and keeps those that came too late. Here a
//! request that finds no idle connection opens exactly one, and hands it on before its own turn ends: no more connections
//! are ever open than requests were under way at once.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::kube::client::Body;
use futures::future::BoxFuture;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt};

/// Idle connections are closed after so long.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests over the connections that `C` opens.
pub(super) struct Pool<C> {
    connector: C,
    idle: Arc<Idle>,
}

impl<C> Pool<C> {
    pub(super) fn new(connector: C, idle_timeout: Duration) -> Self {
        let connections = Mutex::default();
        Self { connector, idle: Arc::new(Idle { connections, timeout: idle_timeout }) }
    }
}

impl<C: Clone> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self { connector: self.connector.clone(), idle: Arc::clone(&self.idle) }
    }
}

impl<C, Io> Service<Request<Body>> for Pool<C>
where
    C: Service<Uri, Response = Io> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    Io: Read + Write + Unpin + Send + 'static,
{
    type Response = Response<PooledBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (connector, idle) = (self.connector.clone(), Arc::clone(&self.idle));
        Box::pin(send(connector, idle, request))
    }
}

async fn send<C, Io>(connector: C, idle: Arc<Idle>, request: Request<Body>) -> Result<Response<PooledBody>, BoxError>
where
    C: Service<Uri, Response = Io> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    Io: Read + Write + Unpin + Send + 'static,
{
    let server = request.uri().clone();
    let mut request = in_origin_form(request)?;
    loop {
        let (mut sender, reused) = match idle.take() {
            Some(sender) => (sender, true),
            None => (open(connector.clone(), server.clone()).await?, false),
        };
        match sender.try_send_request(request).await {
            Ok(response) => {
                return Ok(response.map(|body| PooledBody { body, ended: false, connection: Some((sender, idle)) }));
            }
            Err(mut error) => match error.take_message() {
                // The server had closed the connection while it was idle, and has seen nothing of the request.
                Some(unsent) if reused => request = unsent,
                _ => return Err(error.into_error().into()),
            },
        }
    }
}

/// Opens a connection. A task of its own drives it, until the server or the last one who holds the sender closes it.
async fn open<C, Io>(connector: C, server: Uri) -> Result<SendRequest<Body>, BoxError>
where
    C: Service<Uri, Response = Io>,
    C::Error: Into<BoxError>,
    Io: Read + Write + Unpin + Send + 'static,
{
    let io = connector.oneshot(server).await.map_err(Into::into)?;
    let (sender, connection) = handshake(io).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the API server ended");
        }
    });
    Ok(sender)
}

/// The request as it goes to the server: the path alone, and the server in the header `Host`.
fn in_origin_form(mut request: Request<Body>) -> Result<Request<Body>, BoxError> {
    let uri = request.uri();
    if !request.headers().contains_key(HOST) {
        let host = uri.host().ok_or("the URL of the API server has no host")?;
        let default_port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let host = match uri.port_u16().filter(|port| *port != default_port) {
            Some(port) => HeaderValue::from_str(&format!("{host}:{port}"))?,
            None => HeaderValue::from_str(host)?,
        };
        request.headers_mut().insert(HOST, host);
    }
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    Ok(request)
}

/// The connections that wait for a request.
struct Idle {
    connections: Mutex<IdleConnections>,
    timeout: Duration,
}

#[derive(Default)]
struct IdleConnections {
    /// The one that was used last is at the end, and taken first.
    waiting: Vec<(Instant, SendRequest<Body>)>,
    /// Whether a task closes those that wait for too long.
    watched: bool,
}

impl Idle {
    fn take(&self) -> Option<SendRequest<Body>> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, sender)) = connections.waiting.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn put(self: Arc<Self>, sender: SendRequest<Body>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.waiting.push((Instant::now(), sender));
        if !connections.watched {
            connections.watched = true;
            tokio::spawn(watch(Arc::downgrade(&self), self.timeout));
        }
    }

    /// Closes what has waited for too long; gives the time until the next has, if any is left.
    fn close_idle(&self) -> Option<Duration> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.waiting.retain(|(since, sender)| since.elapsed() < self.timeout && !sender.is_closed());
        let next = connections.waiting.first().map(|(since, _)| self.timeout.saturating_sub(since.elapsed()));
        connections.watched = next.is_some();
        next
    }
}

async fn watch(idle: Weak<Idle>, timeout: Duration) {
    let mut pause = timeout;
    loop {
        tokio::time::sleep(pause).await;
        match idle.upgrade().and_then(|idle| idle.close_idle()) {
            Some(next) => pause = next,
            None => return,
        }
    }
}

/// The body of an answer. At its end the connection is idle again; one that is not read to its end closes it.
pub(super) struct PooledBody {
    body: Incoming,
    ended: bool,
    connection: Option<(SendRequest<Body>, Arc<Idle>)>,
}

impl hyper::body::Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if !self.ended {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.ended = true,
                frame => return Poll::Ready(frame),
            }
        }
        if let Some((sender, _)) = &mut self.connection {
            // The body ends once its connection can be used again: the next request would open another one before that.
            let reusable = ready!(sender.poll_ready(cx)).is_ok();
            if let Some((sender, idle)) = self.connection.take().filter(|_| reusable) {
                idle.put(sender);
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
    use ::kube::Client;
    use http_body_util::BodyExt;
    use hyper_util::client::legacy::connect::HttpConnector;

    use super::super::KubeCluster;
    use super::*;
    use crate::backend::ClusterBackend;
    use crate::connection_limit::ConnectionLimit;
    use crate::name::Namespace;
    use crate::test_server::TestServer;

    const NAMESPACE: &str = r#"{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ns"}}"#;

    fn pool(idle_timeout: Duration) -> Pool<HttpConnector> {
        Pool::new(HttpConnector::new(), idle_timeout)
    }

    fn request(server: &TestServer) -> Request<Body> {
        Request::get(format!("{}/api?x=1", server.url)).body(Body::empty()).unwrap()
    }

    async fn read(pool: &Pool<HttpConnector>, server: &TestServer) -> Result<Bytes, BoxError> {
        Ok(pool.clone().oneshot(request(server)).await?.into_body().collect().await?.to_bytes())
    }

    /// A cluster over the pool, with a limit.
    fn cluster(server: &TestServer, max: usize) -> KubeCluster {
        let (pool, base) = (pool(IDLE_TIMEOUT), server.url.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (pool, url) = (pool.clone(), format!("{base}{}", request.uri()));
            async move {
                let (mut head, body) = request.into_parts();
                head.uri = url.parse()?;
                pool.oneshot(Request::from_parts(head, body)).await
            }
        });
        let limit = ConnectionLimit::new(max.try_into().unwrap());
        KubeCluster::new(Client::new(service, "default")).with_connection_limit(limit)
    }

    #[tokio::test]
    async fn calls_at_once_open_no_more_connections_than_the_limit() {
        let server = TestServer::new(NAMESPACE, Duration::from_millis(5), None);
        let cluster = cluster(&server, 3);
        let namespace = Namespace::new("ns").unwrap();
        let all = futures::future::join_all((0..100).map(|_| cluster.namespace(&namespace))).await;
        assert!(all.iter().all(|found| matches!(found, Ok(Some(_)))), "{all:?}");
        assert_eq!((server.counts.requests(), server.counts.most()), (100, 3));
        assert_eq!(server.counts.accepted(), 3, "connections are used again");
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
            let request = in_origin_form(Request::get(url).body(Body::empty()).unwrap()).unwrap();
            assert_eq!((request.headers()[HOST].to_str().unwrap(), request.uri().to_string().as_str()), (host, path));
        }
    }
}
