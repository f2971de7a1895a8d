//! The client behind `irsa.Client`: one method for each verb, each giving a call that is waited for or awaited.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use irsa_core::connect::{Config, Need, Target};
use irsa_core::name::{Audience, ClusterRef, Issuer, Namespace, ProviderArn, RoleName, ServiceAccountName};
use irsa_core::trust::{WebIdentityCaller, usual_audience};
use irsa_core::{Client, DryRun, Error, ErrorKind, IrsaBinding, Request, Sandbox};
use pyo3::Borrowed;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::argument::{Given, Named, named, object, unreadable, value};
use crate::batch::{Batch, Settings};
use crate::binding::Binding;
use crate::boto::Boto3Clients;
use crate::credentials;
use crate::data::{Field, texts};
use crate::error::{Failure, Result, invalid};
use crate::faults::SandboxFaults;
use crate::kubernetes::Kubernetes;
use crate::manifest::Exported;
use crate::process;
use crate::reach::{Live, Origin, Reach, Reaching};
use crate::report::Planned;
use crate::runtime::{Call, Needs, Teller};
use crate::spelling::Keywords;

/// What a client reaches, and the cluster that it means.
#[pyclass(frozen, module = "irsa._irsa")]
pub(crate) struct Core {
    cluster: ClusterRef,
    /// With the process that it belongs to. Locked only while attached, so that a fork never finds it locked.
    /// Nothing once the collector has taken the client.
    reach: Mutex<Option<(u32, Arc<Reach>)>>,
}

/// What a change may touch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Permit {
    adopt: bool,
    force: bool,
    create_namespace: bool,
    create_provider: bool,
}

impl FromPyObject<'_, '_> for Permit {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let flag = |name: &str| object.getattr(name)?.extract::<Given<'_, bool>>()?.named(name);
        Ok(Self {
            adopt: flag("adopt")?,
            force: flag("force")?,
            create_namespace: flag("create_namespace")?,
            create_provider: flag("create_provider")?,
        })
    }
}

impl Permit {
    pub(crate) fn on(self, request: Request) -> Request {
        request
            .with_adopt(self.adopt)
            .with_force(self.force)
            .with_create_namespace(self.create_namespace)
            .with_create_provider(self.create_provider)
    }
}

#[pymethods]
impl Core {
    /// AWS and clusters, as the arguments, the environment and the kubeconfig say.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of irsa.Client")]
    fn live(
        cluster: Option<Given<'_, String>>,
        region: Option<Given<'_, String>>,
        profile: Option<Given<'_, String>>,
        endpoint_url: Option<Given<'_, String>>,
        kubeconfig: Option<Given<'_, PathBuf>>,
        context: Option<Given<'_, String>>,
        issuer: Option<Given<'_, String>>,
        account: Option<Given<'_, String>>,
        session: Option<&Bound<'_, PyAny>>,
        iam: Option<&Bound<'_, PyAny>>,
        eks: Option<&Bound<'_, PyAny>>,
        sts: Option<&Bound<'_, PyAny>>,
        kubernetes: Option<&Bound<'_, PyAny>>,
        timeout: Option<Given<'_, f64>>,
        max_connections: Option<Given<'_, usize>>,
    ) -> PyResult<Self> {
        named!(cluster, region, profile, endpoint_url, kubeconfig, context, issuer, account, timeout, max_connections);
        let boto = Boto3Clients::of_arguments(iam, eks, sts, issuer.is_some())?;
        if boto.is_some() && endpoint_url.is_some() {
            return Err(PyValueError::new_err("endpoint_url contradicts iam: a boto3 client has its own"));
        }
        let kubernetes = kubernetes.map(Kubernetes::of_argument).transpose()?;
        if kubernetes.is_some() && (kubeconfig.is_some() || context.is_some()) {
            let what = "kubernetes contradicts kubeconfig and context: give only one of them";
            return Err(PyValueError::new_err(what));
        }
        let mut config = Config::new().with_plugins(process::plugins());
        config.cluster = cluster;
        config.region = region;
        config.profile = profile;
        config.endpoint_url = endpoint_url;
        config.kubeconfig = kubeconfig;
        config.context = context;
        config.issuer = issuer;
        config.account = account;
        config.max_connections = max_connections;
        config.timeout = timeout.map(seconds).transpose()?;
        let (mut given, named_region) = (None, config.region.clone());
        if let Some(session) = session {
            if config.profile.is_some() {
                return Err(PyValueError::new_err("profile contradicts session: give only one of them"));
            }
            let read = |error: PyErr| unreadable("session", "cannot be read", error, session.py());
            if !session.hasattr("get_credentials").map_err(read)? {
                let found = session.get_type().name()?;
                return Err(PyTypeError::new_err(format!("session: must be a boto3 session, not {found}")));
            }
            if config.region.is_none() && session.hasattr("region_name").map_err(read)? {
                let region = session.getattr("region_name").map_err(read)?;
                let given = (!region.is_none()).then_some(&region);
                config.region = given.map(|region| value("session.region_name", region)).transpose()?;
            }
            given = Some(Arc::new(session.clone().unbind()));
        }
        if let Some(own) = boto.as_ref().and_then(Boto3Clients::region).map(|region| region.to_string()) {
            if let Some(region) = named_region.filter(|region| *region != own) {
                return Err(PyValueError::new_err(format!("region {region} contradicts eks, which is of {own}")));
            }
            config.region = Some(own);
        }
        config.check().map_err(|defect| Failure::from(defect.into_error(&Keywords)))?;
        let environment = process::environment();
        let target = Target::new(&config, &environment, Need::Cluster).map_err(Failure::from)?;
        let (cluster, timeout) = (target.cluster().map_err(Failure::from)?.clone(), target.timeout);
        let credentials = given.as_ref().map(credentials::of_session);
        let live = Live { environment, target, credentials, boto, kubernetes, session: given };
        Ok(Self::new(cluster, Origin::Live(Box::new(live)), timeout))
    }

    /// The embedded back end, in memory or in a file.
    #[staticmethod]
    fn sandbox(
        path: Option<Given<'_, PathBuf>>,
        cluster: Option<Given<'_, String>>,
        timeout: Option<Given<'_, f64>>,
    ) -> PyResult<Self> {
        named!(path, cluster, timeout);
        let cluster = cluster.as_deref().unwrap_or(Sandbox::CLUSTER).parse::<ClusterRef>().map_err(Failure::from)?;
        let origin = match path {
            None => Origin::Memory(Sandbox::new()),
            Some(path) => {
                let absolute = std::path::absolute(&path);
                Origin::File(absolute.map_err(|error| invalid(format!("path: {path:?} is no path: {error}")))?)
            }
        };
        let timeout = timeout.map(seconds).transpose()?.unwrap_or(Client::DEFAULT_TIMEOUT);
        Ok(Self::new(cluster, origin, timeout))
    }

    /// What belongs to Python is shown to its collector, but not while a call uses it.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(known) = self.reach.try_lock() else { return Ok(()) };
        match known.as_ref() {
            Some((_, reach)) if Arc::strong_count(reach) == 1 => {
                reach.held().into_iter().try_for_each(|held| visit.call(held))
            }
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        let cleared = self.reach.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(cleared);
    }

    /// The cluster, by name, ARN or issuer.
    #[getter]
    fn cluster(&self) -> String {
        self.cluster.to_string()
    }

    fn plan(&self, py: Python<'_>, binding: &Bound<'_, PyAny>, permit: Permit) -> PyResult<Call> {
        let request = permit.on(Request::create(self.wanted(binding)?)).with_dry_run(DryRun::Yes);
        self.call(py, servers(&request), move |client| async move {
            client.run(&request).await.map(|report| Planned(report.spelt(&Keywords)))
        })
    }

    fn apply(&self, py: Python<'_>, binding: &Bound<'_, PyAny>, permit: Permit) -> PyResult<Call> {
        self.run(py, permit.on(Request::create(self.wanted(binding)?)))
    }

    fn batch(
        &self,
        py: Python<'_>,
        bindings: &Bound<'_, PyAny>,
        progress: Option<&Bound<'_, PyAny>>,
        permit: Permit,
        settings: Settings<'_>,
    ) -> PyResult<Call> {
        if let Some(progress) = progress.filter(|progress| !progress.is_callable()) {
            return Err(crate::json::wrong_type("progress", "callable", progress));
        }
        let batch = Batch::of(&self.cluster, bindings, permit, settings)?;
        if progress.is_some_and(is_async) {
            return Err(PyTypeError::new_err("progress: must be a plain function, not an `async def` or a generator"));
        }
        let progress = progress.map(|progress| progress.clone().unbind());
        self.needing(py, Needs::Thread, progress, batch.reaching(), move |client, teller| batch.run(client, teller))
    }

    /// Everything that exists, as manifests.
    fn export(&self, py: Python<'_>, namespace: Option<Given<'_, String>>) -> PyResult<Call> {
        named!(namespace);
        let namespace = namespace.map(Namespace::new).transpose().map_err(Failure::from)?;
        let cluster = self.cluster.clone();
        self.needing(py, Needs::Thread, None, vec![cluster.clone()].into(), move |client, _| async move {
            let irsa_core::Export { manifests, left_out, .. } = client.export(&cluster, namespace.as_ref()).await?;
            Ok(Exported { manifests, left_out })
        })
    }

    /// The faults of the sandbox; None for a client of AWS.
    #[getter]
    fn faults(&self, py: Python<'_>) -> PyResult<Option<SandboxFaults>> {
        let sandbox = self.reach(py)?.sandbox().map_err(Failure::from)?;
        Ok(sandbox.map(|sandbox| SandboxFaults(sandbox.faults().clone())))
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn update(
        &self,
        py: Python<'_>,
        binding: &Bound<'_, PyAny>,
        add_policies: Option<&Bound<'_, PyAny>>,
        remove_policies: &Bound<'_, PyAny>,
        add_subjects: Option<&Bound<'_, PyAny>>,
        remove_subjects: &Bound<'_, PyAny>,
        permit: Permit,
        dry_run: Given<'_, bool>,
    ) -> PyResult<Call> {
        named!(dry_run);
        let mut wish = object::<Binding>("binding", "a Binding", binding)?.get().0.clone();
        wish.policies = add_policies.map_or_else(|| Ok(Vec::new()), |added| texts("add_policies", added))?;
        wish.subjects = add_subjects.map_or_else(|| Ok(Vec::new()), |added| texts("add_subjects", added))?;
        let wanted = wish.on(&self.cluster).map_err(Failure::from)?;
        let mut request = permit.on(Request::update(wanted)).with_dry_run(dry_run.into());
        for policy in texts("remove_policies", remove_policies)? {
            request = request.removing_policy(&policy).map_err(Failure::from)?;
        }
        for subject in texts("remove_subjects", remove_subjects)? {
            request = request.removing_subject(&subject).map_err(Failure::from)?;
        }
        self.run(py, request)
    }

    #[expect(clippy::too_many_arguments, reason = "they are the keywords of irsa.Client.delete")]
    fn delete(
        &self,
        py: Python<'_>,
        namespace: Given<'_, String>,
        service_account: Given<'_, String>,
        role_name: Option<Given<'_, String>>,
        keep_role: Given<'_, bool>,
        force: Given<'_, bool>,
        role_only: Given<'_, bool>,
        dry_run: Given<'_, bool>,
    ) -> PyResult<Call> {
        named!(namespace, service_account, role_name, keep_role, force, role_only, dry_run);
        if keep_role && force {
            return Err(PyValueError::new_err("keep_role contradicts force: give only one of them"));
        }
        let binding = self.named(namespace, service_account, role_name, role_only)?;
        let request = Request::delete(binding).with_keep_role(keep_role).with_force(force).with_dry_run(dry_run.into());
        self.run(py, request)
    }

    fn get(
        &self,
        py: Python<'_>,
        namespace: Given<'_, String>,
        service_account: Given<'_, String>,
        role_name: Option<Given<'_, String>>,
        role_only: Given<'_, bool>,
    ) -> PyResult<Call> {
        named!(namespace, service_account, role_name, role_only);
        if role_only {
            let binding = self.named(namespace, service_account, role_name, role_only)?;
            return self.call(py, Vec::new(), move |client| async move { client.view(&binding).await });
        }
        let namespace = Namespace::new(namespace).map_err(Failure::from)?;
        let name = ServiceAccountName::new(service_account).map_err(Failure::from)?;
        let role_name = role_name.map(RoleName::new).transpose().map_err(Failure::from)?;
        let cluster = self.cluster.clone();
        self.call(py, vec![cluster.clone()], move |client| async move {
            client.get(&cluster, &namespace, &name, role_name.as_ref()).await
        })
    }

    fn list(&self, py: Python<'_>, namespace: Option<Given<'_, String>>, role_only: Given<'_, bool>) -> PyResult<Call> {
        named!(namespace, role_only);
        let namespace = namespace.map(Namespace::new).transpose().map_err(Failure::from)?;
        let cluster = self.cluster.clone();
        if role_only {
            return self.call(py, Vec::new(), move |client| async move {
                client.list_roles(&cluster, namespace.as_ref()).await
            });
        }
        self.call(
            py,
            vec![cluster.clone()],
            move |client| async move { client.list(&cluster, namespace.as_ref()).await },
        )
    }

    fn check_trust(
        &self,
        py: Python<'_>,
        role_name: Given<'_, String>,
        subject: Given<'_, String>,
        audience: Option<Given<'_, String>>,
        issuer: Option<Given<'_, String>>,
    ) -> PyResult<Call> {
        named!(role_name, subject, audience, issuer);
        let role_name = RoleName::new(role_name).map_err(Failure::from)?;
        let audience = audience.map(Audience::new).transpose().map_err(Failure::from)?;
        let issuer: Option<Issuer> = issuer.map(|issuer| issuer.parse()).transpose().map_err(Failure::from)?;
        let cluster = self.cluster.clone();
        self.call(py, Vec::new(), move |client| async move {
            let Some(issuer) = issuer else {
                let audience = audience.unwrap_or_else(Audience::sts).to_string();
                let caller =
                    WebIdentityCaller::service_account(client.provider_arn(&cluster).await?, &subject, audience)?;
                return Ok(client.trust_document(&role_name).await?.1.check(&caller));
            };
            let (role, document) = client.trust_document(&role_name).await?;
            let audience = audience.unwrap_or_else(|| usual_audience(&issuer)).to_string();
            let provider = ProviderArn::new(role.partition().clone(), role.account().clone(), issuer);
            Ok(document.check(&WebIdentityCaller::of_subject(provider, &subject, audience)?))
        })
    }

    fn who_can(&self, py: Python<'_>, role_name: Given<'_, String>) -> PyResult<Call> {
        named!(role_name);
        let role_name = RoleName::new(role_name).map_err(Failure::from)?;
        let clusters = vec![self.cluster.clone()];
        self.needing(py, Needs::Thread, None, clusters.clone().into(), move |client, _| async move {
            client.who_can(&role_name, &clusters).await
        })
    }

    fn audit_trust(&self, py: Python<'_>, ignore: &Bound<'_, PyAny>) -> PyResult<Call> {
        let ignore = crate::audit::ignored(ignore)?;
        let clusters = vec![self.cluster.clone()];
        self.needing(py, Needs::Thread, None, clusters.clone().into(), move |client, _| async move {
            client.audit_trust(&clusters, &ignore).await
        })
    }

    fn provider(&self, py: Python<'_>) -> PyResult<Call> {
        let cluster = self.cluster.clone();
        self.call(py, Vec::new(), move |client| async move { client.provider(&cluster).await })
    }

    fn create_provider(
        &self,
        py: Python<'_>,
        audiences: &Bound<'_, PyAny>,
        dry_run: Given<'_, bool>,
    ) -> PyResult<Call> {
        named!(dry_run);
        let audiences = texts("audiences", audiences)?.into_iter().map(Audience::new);
        let audiences: Vec<Audience> = audiences.collect::<std::result::Result<_, _>>().map_err(Failure::from)?;
        let cluster = self.cluster.clone();
        self.call(py, Vec::new(), move |client| async move {
            client.create_provider(&cluster, &audiences, dry_run.into()).await
        })
    }

    fn delete_provider(&self, py: Python<'_>, force: Given<'_, bool>, dry_run: Given<'_, bool>) -> PyResult<Call> {
        named!(force, dry_run);
        let cluster = self.cluster.clone();
        self.call(py, Vec::new(), move |client| async move {
            client.delete_provider(&cluster, force.into(), dry_run.into()).await
        })
    }
}

/// `inspect.CO_GENERATOR`, `CO_COROUTINE` and `CO_ASYNC_GENERATOR`.
const CO_GENERATOR: u32 = 0x20;
const CO_COROUTINE: u32 = 0x80;
const CO_ASYNC_GENERATOR: u32 = 0x200;

impl Core {
    fn new(cluster: ClusterRef, origin: Origin, timeout: Duration) -> Self {
        Self { cluster, reach: Mutex::new(Some((std::process::id(), Arc::new(Reach::new(origin, timeout))))) }
    }

    /// What says which binding is meant, and nothing of what is wanted of it.
    fn named(
        &self,
        namespace: String,
        name: String,
        role_name: Option<String>,
        role_only: bool,
    ) -> Result<IrsaBinding> {
        let mut builder = IrsaBinding::builder(self.cluster.to_string(), namespace, name).with_role_only(role_only);
        if let Some(role) = role_name {
            builder = builder.with_role_name(role);
        }
        Ok(builder.build()?)
    }

    fn wanted(&self, binding: &Bound<'_, PyAny>) -> Result<IrsaBinding> {
        Ok(object::<Binding>("binding", "a Binding", binding)?.get().0.on(&self.cluster)?)
    }

    fn run(&self, py: Python<'_>, request: Request) -> PyResult<Call> {
        self.call(py, servers(&request), move |client| async move {
            client.run(&request).await.map(|report| report.spelt(&Keywords))
        })
    }

    /// A call on a client that reaches the API servers of these clusters.
    fn call<T, F>(
        &self,
        py: Python<'_>,
        servers: Vec<ClusterRef>,
        work: impl FnOnce(Client) -> F + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Field + Send + 'static,
        F: Future<Output = irsa_core::Result<T>> + Send + 'static,
    {
        let needs = match self.reach(py)?.origin() {
            Origin::Memory(_) => Needs::Nothing,
            Origin::File(_) => Needs::Thread,
            Origin::Live(_) => Needs::Waiting,
        };
        self.needing(py, needs, None, servers.into(), |client, _| work(client))
    }

    /// A call that needs this of the runtime, and tells how far it is by `progress`.
    fn needing<T, F>(
        &self,
        py: Python<'_>,
        needs: Needs,
        progress: Option<Py<PyAny>>,
        reaching: Reaching,
        work: impl FnOnce(Client, Teller) -> F + Send + 'static,
    ) -> PyResult<Call>
    where
        T: Field + Send + 'static,
        F: Future<Output = irsa_core::Result<T>> + Send + 'static,
    {
        let reach = self.reach(py)?;
        Ok(Call::new(needs, progress, move |teller| async move {
            let _turn = reach.turn().await;
            let worked = async { work(reach.client(&reaching).await?, teller).await };
            worked.await.map_err(|error| reach.explained(error))
        }))
    }

    /// What is reached; a forked process reaches it anew.
    fn reach(&self, _attached: Python<'_>) -> Result<Arc<Reach>> {
        let mut known = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.as_mut() else {
            return Err(invalid("the client was collected: make another one".to_owned()));
        };
        if known.0 != std::process::id() {
            if let Origin::Memory(_) = known.1.origin() {
                return Err(Error::new(ErrorKind::InvalidInput, "this sandbox is in the memory of another process")
                    .with_hint("make the client after the fork, or keep the sandbox in a file")
                    .into());
            }
            let anew = Arc::new(known.1.anew());
            // Never dropped: that would close connections of the old process, by threads that are not there.
            std::mem::forget(std::mem::replace(known, (std::process::id(), anew)));
        }
        Ok(Arc::clone(&known.1))
    }
}

/// Whether what a callable gives is a coroutine or a generator, which would be thrown away: an `async def`, a function that
/// yields, a partial of one, or an object that has one as `__call__`.
pub(crate) fn is_async(callable: &Bound<'_, PyAny>) -> bool {
    let flags = |function: &Bound<'_, PyAny>| function.getattr("__code__")?.getattr("co_flags")?.extract::<u32>();
    let is_partial = callable.get_type().name().is_ok_and(|name| name == "partial");
    let inner = callable.getattr("func").ok().filter(|_| is_partial).unwrap_or_else(|| callable.clone());
    let own = flags(&inner).or_else(|_| inner.getattr("__call__").and_then(|call| flags(&call)));
    own.is_ok_and(|flags| flags & (CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR) != 0)
}

/// The clusters whose API servers a request needs.
pub(crate) fn servers(request: &Request) -> Vec<ClusterRef> {
    if request.binding.role_only { Vec::new() } else { request.clusters() }
}

fn seconds(timeout: f64) -> PyResult<Duration> {
    match Duration::try_from_secs_f64(timeout) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(PyValueError::new_err(format!("timeout: must be a number of seconds above 0, not {timeout}"))),
    }
}
