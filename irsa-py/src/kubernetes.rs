//! API servers that Python brings: an `ApiClient` of the package `kubernetes`, or a fake in memory.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt;
use irsa_core::backend::ClusterBackend;
use irsa_core::kube::KubeCluster;
use irsa_core::sandbox::SandboxCluster;
use irsa_core::{Client, Sandbox};
use kube::client::Body;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::json;
use tokio::sync::Semaphore;
use tower::{BoxError, service_fn};

use crate::argument::{Given, named, unreadable};
use crate::beside::{Raised, beside};
use crate::data::texts;
use crate::error::Failure;
use crate::faults::SandboxFaults;
use crate::json;

/// How many requests go through one `ApiClient` at once; each takes a thread.
const AT_ONCE: usize = 10;

/// What the argument `kubernetes` of a client can be.
#[derive(Clone, Debug)]
pub(crate) enum Kubernetes {
    /// An `ApiClient`, and the URL of its server.
    ApiClient(Arc<Py<PyAny>>, String),
    Fake(FakeCluster),
}

impl Kubernetes {
    /// Takes an `ApiClient`, an API object that has one, or a fake.
    ///
    /// # Errors
    /// TypeError for what is none of them.
    pub(crate) fn of_argument(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        fn get<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
            let read = |error| unreadable("kubernetes", "cannot be read", error, object.py());
            object.getattr_opt(name).map_err(read)
        }
        if let Some(fake) = get(object, "_core")?.as_ref().and_then(|core| core.cast::<FakeCluster>().ok()) {
            return Ok(Self::Fake(fake.get().clone()));
        }
        // An object such as CoreV1Api holds the client that it calls.
        let client = get(object, "api_client")?.unwrap_or_else(|| object.clone());
        let host =
            get(&client, "configuration")?.map(|configuration| get(&configuration, "host")).transpose()?.flatten();
        let pool = get(&client, "rest_client")?.map(|rest| get(&rest, "pool_manager")).transpose()?.flatten();
        let request = pool.map(|pool| get(&pool, "request")).transpose()?.flatten();
        match (host.and_then(|host| host.extract::<String>().ok()), request) {
            (Some(host), Some(request)) if !crate::client::is_async(&request) => {
                Ok(Self::ApiClient(Arc::new(client.unbind()), host))
            }
            _ => {
                let found = object.get_type().name()?;
                let wanted = "an ApiClient of the package kubernetes, or an irsa.FakeKubernetes";
                Err(PyTypeError::new_err(format!("kubernetes: must be {wanted}, not {found}")))
            }
        }
    }

    /// What of Python it holds.
    pub(crate) fn held(&self) -> Option<&Py<PyAny>> {
        match self {
            Self::ApiClient(client, _) => Some(client),
            Self::Fake(_) => None,
        }
    }

    /// The back end.
    pub(crate) fn backend(&self) -> Arc<dyn ClusterBackend> {
        match self {
            Self::ApiClient(client, host) => Arc::new(through(client, host)),
            Self::Fake(fake) => Arc::new(fake.backend()),
        }
    }
}

/// A cluster whose requests are sent by an `ApiClient`: with its credentials, certificates and proxies.
fn through(client: &Arc<Py<PyAny>>, host: &str) -> KubeCluster {
    let (client, permits) = (Arc::clone(client), Arc::new(Semaphore::new(AT_ONCE)));
    let service = service_fn(move |request: Request<Body>| {
        let (client, permits) = (Arc::clone(&client), Arc::clone(&permits));
        async move {
            // It is never closed. It is held until Python code returns, also after a deadline.
            let permit = permits.acquire_owned().await;
            send(client, request, permit).await
        }
    });
    KubeCluster::new(kube::Client::new(service, "default")).with_endpoint(host.trim_end_matches('/')).chosen()
}

/// Sends a request on a thread of Python's own; `kept` is kept until Python code returns.
async fn send(
    client: Arc<Py<PyAny>>,
    request: Request<Body>,
    kept: impl Send + 'static,
) -> Result<Response<Body>, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let function = move |py: Python<'_>| {
        let arguments = PyDict::new(py);
        let headers = PyDict::new(py);
        for (name, value) in &head.headers {
            headers.set_item(name.as_str(), value.to_str().unwrap_or_default())?;
        }
        arguments.set_item("client", client.bind(py))?;
        arguments.set_item("method", head.method.as_str())?;
        arguments.set_item("target", target)?;
        arguments.set_item("headers", headers)?;
        arguments.set_item("body", PyBytes::new(py, &body))?;
        Ok((py.import("irsa._kubernetes")?.getattr("request")?.unbind(), arguments.unbind()))
    };
    let answer = beside(function, |answer: PyResult<Bound<'_, PyAny>>| answer?.extract::<Answer>(), kept).await;
    let (status, headers, body) = answer.and_then(|answer| answer).map_err(raised)?;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Body::from(body))?)
}

/// Status, headers and body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

/// What the package or its connection pool raised.
fn raised(error: PyErr) -> Raised {
    let text = Python::try_attach(|py| {
        let name = error.get_type(py).name().map(|name| name.to_string()).unwrap_or_default();
        format!("the ApiClient raised {name}: {}", error.value(py))
    });
    Raised::new(text.unwrap_or_else(|| "the ApiClient failed".to_owned()), error)
}

/// A fake cluster. Not for users: `irsa.FakeKubernetes` is.
#[pyclass(frozen, module = "irsa._irsa")]
#[derive(Clone)]
pub(crate) struct FakeCluster(Sandbox);

impl fmt::Debug for FakeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeCluster")
    }
}

impl FakeCluster {
    /// The right cluster by construction, whatever it is called: its own sandbox describes it.
    fn backend(&self) -> SandboxCluster {
        let sandbox = Arc::new(self.0.clone());
        let described = Client::new(sandbox.clone(), sandbox).identity_backend();
        self.0.default_cluster().reached_through(described)
    }
}

#[pymethods]
impl FakeCluster {
    #[new]
    fn new(namespaces: &Bound<'_, PyAny>) -> PyResult<Self> {
        let sandbox = Sandbox::new();
        sandbox.faults().stop_recording();
        for namespace in texts("namespaces", namespaces)? {
            sandbox.default_cluster().add_namespace(&namespace).map_err(Failure::from)?;
        }
        Ok(Self(sandbox))
    }

    #[getter]
    fn faults(&self) -> SandboxFaults {
        SandboxFaults(self.0.faults().clone())
    }

    fn create_service_account(
        &self,
        namespace: Given<'_, String>,
        name: Given<'_, String>,
        annotations: &Bound<'_, PyAny>,
        manager: Given<'_, String>,
    ) -> PyResult<()> {
        named!(namespace, name, manager);
        let annotations = crate::binding::pairs("annotations", Some(annotations))?;
        let annotations: Vec<_> = annotations.iter().map(|(key, value)| (key.as_str(), Some(value.as_str()))).collect();
        let cluster = self.0.default_cluster();
        cluster.add_namespace(&namespace).map_err(Failure::from)?;
        Ok(cluster.update_as(&manager, &namespace, &name, &annotations).map_err(Failure::from)?)
    }

    fn service_account<'py>(
        &self,
        py: Python<'py>,
        namespace: Given<'py, String>,
        name: Given<'py, String>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        named!(namespace, name);
        let found = self.0.default_cluster().edit(|cluster| {
            let held = cluster.namespaces.get(namespace.as_str());
            Ok(held.and_then(|held| held.service_accounts.get(name.as_str()).cloned()))
        });
        let Some(account) = found.map_err(Failure::from)? else { return Ok(None) };
        let object = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": account.uid,
                "resourceVersion": account.resource_version.to_string(),
                "labels": account.labels,
                "annotations": account.annotations,
            },
        });
        json::to_python(py, &object).map(Some)
    }

    fn deny(&self, verb: Given<'_, String>, resource: Given<'_, String>) -> PyResult<()> {
        named!(verb, resource);
        Ok(self.0.default_cluster().deny(&verb, &resource).map_err(Failure::from)?)
    }
}
