//! A scripted API server: each request gets the next answer, and what was asked is kept.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use ::kube::Client;
use ::kube::client::Body;
use futures::future;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::{Value, json};
use tower::BoxError;

use super::call::Connection;
use super::{BearerSource, KubeCluster};

/// What the server does with one request.
#[derive(Clone)]
pub(super) enum Scenario {
    /// It answers with this status and this body.
    Answer(u16, Vec<u8>),
    /// It answers, with one more header.
    Header(u16, &'static str, &'static str, Vec<u8>),
    /// It breaks off in the middle of the body.
    BreakOff,
    /// It closes the connection without a word.
    HangUp,
    /// It never answers.
    Silence,
}

impl Scenario {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::Answer(status, body.to_string().into_bytes())
    }

    pub(super) fn status(code: u16, reason: &str, message: &str, details: &Value) -> Self {
        Self::json(
            code,
            &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                "reason": reason, "details": details, "code": code}),
        )
    }

    pub(super) fn account(name: &str) -> Self {
        Self::json(200, &account(name))
    }
}

/// A service account as the API server writes it.
pub(super) fn account(name: &str) -> Value {
    json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": name, "namespace": "ns", "uid": "u-1",
        "resourceVersion": "7", "creationTimestamp": "2026-11-01T00:00:00Z"}})
}

/// A request that the server saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Clone)]
pub(super) struct Server {
    script: Arc<Mutex<VecDeque<Scenario>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(super) fn new(script: impl IntoIterator<Item = Scenario>) -> Self {
        Self { script: Arc::new(Mutex::new(script.into_iter().collect())), seen: Arc::default() }
    }

    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (status, header, body, most) = match server.next(request).await {
                    Scenario::Answer(status, body) => (status, None, body, usize::MAX),
                    Scenario::Header(status, name, value, body) => (status, Some((name, value)), body, usize::MAX),
                    Scenario::BreakOff => (200, None, br#"{"kind": "ServiceAcc"#.to_vec(), 5),
                    Scenario::HangUp => return Err(BoxError::from(io::Error::from(io::ErrorKind::ConnectionReset))),
                    Scenario::Silence => future::pending().await,
                };
                let body = Limited::new(Full::from(body), most).map_err(|_| io::Error::other("connection reset"));
                let mut response = Response::builder().status(status).header("audit-id", "a-1");
                if let Some((name, value)) = header {
                    response = response.header(name, value);
                }
                Ok(response.body(body.boxed_unsync())?)
            }
        });
        Client::new(service, "default")
    }

    pub(super) fn cluster(&self) -> KubeCluster {
        KubeCluster::new(self.client())
    }

    /// The same, with a token of this source in each request.
    pub(super) fn cluster_with(&self, bearer: Arc<dyn BearerSource>) -> KubeCluster {
        let mut cluster = self.cluster();
        let connection = Connection { bearer: Some(bearer), ..Connection::new(self.client()) };
        cluster.connection = tokio::sync::Mutex::new(Some(Arc::new(connection)));
        cluster
    }

    /// What was asked; the script must have been played to its end.
    pub(super) fn seen(&self) -> Vec<Seen> {
        assert_eq!(self.script.lock().unwrap().len(), 0, "fewer requests than scenarios");
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    async fn next(&self, request: Request<Body>) -> Scenario {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        let target = head.uri.to_string();
        self.seen.lock().unwrap().push(Seen { method: head.method, target, headers: head.headers, body });
        self.script.lock().unwrap().pop_front().expect("more requests than scenarios")
    }
}
