//! The client: the four stages put together, for the CLI, Python and Rust alike.

mod sandbox;

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::apply::{Terms, interrupted};
use crate::backend::{ClusterBackend, DryRun, IamBackend, IdentityBackend, collect_warnings};
use crate::cluster_identity::{CachedIdentityBackend, ClusterIdentity};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{ClusterRef, RoleName};
use crate::observe::{Backends, observe};
use crate::plan::{Plan, plan};
use crate::report::{Report, Warning};
use crate::request::Request;
use crate::waiting::Waiting;

/// Plans and applies requests against the back ends it is given.
///
/// Its calls need a Tokio runtime with timers (`enable_time`, or `enable_all` for the AWS and Kubernetes back ends), and
/// panic outside of one.
///
/// Cheap to clone; clones share the cache of clusters (kept for ten minutes) and the queue of writers for each role.
///
/// ```
/// use irsa_core::{IrsaBinding, Request, Sandbox};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = Sandbox::new().client();
/// let binding = IrsaBinding::builder("sandbox", "default", "my-serviceaccount")
///     .with_policy("AmazonS3ReadOnlyAccess")
///     .build()?;
/// let report = client.run(&Request::create(binding.clone())).await?;
/// assert!(report.changed);
/// let again = client.run(&Request::create(binding)).await?;
/// assert!(!again.changed && again.steps.is_empty());
/// # Ok::<(), irsa_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) backends: Backends,
    timeout: Duration,
    /// One queue of writers for each role, by its name in lower case.
    queues: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Client {
    /// The default deadline of one binding, from its first write, and of one observe.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

    /// A client of these back ends.
    pub fn new(identity: Arc<dyn IdentityBackend>, iam: Arc<dyn IamBackend>) -> Self {
        let identity = Arc::new(CachedIdentityBackend::new(identity));
        let backends = Backends {
            identity,
            iam,
            clusters: BTreeMap::new(),
            given: BTreeMap::new(),
            warnings: BTreeMap::new(),
            reading: None,
        };
        Self { backends, timeout: Self::DEFAULT_TIMEOUT, queues: Arc::default() }
    }

    /// The identity back end with its cache, for a cluster back end that waits for the description of its cluster.
    pub fn identity_backend(&self) -> Arc<dyn IdentityBackend> {
        Arc::clone(&self.backends.identity)
    }

    /// The API server of a cluster, where the client was given one.
    pub fn cluster_backend(&self, cluster: &ClusterRef) -> Option<Arc<dyn ClusterBackend>> {
        self.backends.clusters.get(cluster).map(Arc::clone)
    }

    /// Adds the API server of a cluster, under the name that bindings use for it.
    #[must_use]
    pub fn with_cluster(mut self, cluster: ClusterRef, backend: Arc<dyn ClusterBackend>) -> Self {
        self.backends.clusters.insert(cluster, backend);
        self
    }

    /// Adds a warning to each plan and report for which the API server of a cluster is asked: something about the way to it
    /// that the user should know.
    #[must_use]
    pub fn with_warning(mut self, cluster: ClusterRef, warning: Warning) -> Self {
        self.backends.warnings.insert(cluster, warning);
        self
    }

    /// Gives a cluster's identity, so that EKS is not asked.
    #[must_use]
    pub fn with_cluster_identity(mut self, cluster: ClusterRef, identity: ClusterIdentity) -> Self {
        self.backends.given.insert(cluster, identity);
        self
    }

    /// The longest time for one binding from its first write, and for one observe. By default 2 minutes.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What a request needs. Reads and checks everything, writes nothing.
    ///
    /// # Errors
    /// Everything that refuses the request before its first write; see [`ErrorKind`].
    #[tracing::instrument(skip_all, fields(binding = %request.binding))]
    pub async fn plan(&self, request: &Request) -> Result<Plan> {
        self.plan_from(&self.backends, request).await
    }

    /// Plans a request from what these back ends tell. The warnings of API servers are among those of the plan.
    pub(crate) async fn plan_from(&self, backends: &Backends, request: &Request) -> Result<Plan> {
        let observed = self.in_time("reading what is there", observe(backends, request)).boxed();
        let (observed, warnings) = collect_warnings(&[], observed).await;
        let mut plan = plan(request, &observed?)?;
        plan.warnings.extend(warnings);
        Ok(plan)
    }

    /// Does what a plan says.
    ///
    /// # Flow
    /// Stage by stage; the steps of a stage at the same time. After the first failure no further stage is begun.
    ///
    /// # Guarantees
    /// Every step is idempotent: the same request again finishes the work. Dropping the future between steps leaves a
    /// state that the next run repairs. A role that was made here and whose later write is refused for good is rolled back.
    ///
    /// # Assumptions
    /// The plan is recent: what others changed since is seen only where IAM and the API server check it.
    ///
    /// # Errors
    /// `Conflict` for a plan that was applied to its end before: a plan holds for the state that it was made from. Else the
    /// first failure; [`Error::report`] lists what was done, what failed and what was not begun.
    #[tracing::instrument(skip_all, fields(binding = %plan.binding))]
    pub async fn apply(&self, plan: &Plan) -> Result<Report> {
        let queue = self.queue(plan.role_name.as_ref());
        let _turn = queue.lock().await;
        if plan.applied.load(Ordering::Relaxed) && !plan.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, format!("the plan of {} was applied before", plan.binding))
                .with_cause("a plan holds for the state that it was made from")
                .with_hint("plan the request again"));
        }
        let report = crate::apply::apply(&self.backends, plan, self.terms()).await?;
        plan.applied.store(true, Ordering::Relaxed);
        Ok(report)
    }

    /// Plans and applies; writers of this client to one role wait for each other, and plan again after waiting.
    ///
    /// # Errors
    /// Those of [`plan`](Self::plan) and [`apply`](Self::apply).
    pub async fn run(&self, request: &Request) -> Result<Report> {
        self.run_on(request, self.terms()).await
    }

    /// Plans and applies as [`run`](Self::run) does, until `cancellation` is cancelled: reads are given up at once, writes
    /// that have begun are completed, and no other is begun.
    ///
    /// # Errors
    /// Those of [`run`](Self::run); `Interrupted` where it was cancelled before its end, with the report of what had been
    /// done. The same request again finishes the work.
    pub async fn run_until(&self, request: &Request, cancellation: &CancellationToken) -> Result<Report> {
        self.run_on(request, Terms { cancellation: Some(cancellation), ..self.terms() }).await
    }

    /// As [`run`](Self::run), on terms that are shared with others.
    #[tracing::instrument(name = "run", skip_all, fields(binding = %request.binding))]
    pub(crate) async fn run_on(&self, request: &Request, terms: Terms<'_>) -> Result<Report> {
        let planned = match terms.cancellation {
            None => self.plan(request).await?,
            Some(cancellation) => match select(pin!(self.plan(request)), pin!(cancellation.cancelled())).await {
                Either::Left((planned, _)) => planned?,
                Either::Right(_) => return Err(interrupted(&request.binding.to_string())),
            },
        };
        if request.dry_run == DryRun::Yes {
            return Ok(planned.report());
        }
        let queue = self.queue(planned.role_name.as_ref());
        let (planned, _turn) = match queue.try_lock() {
            Ok(turn) => (planned, turn),
            Err(_) => {
                tracing::info!("waiting for another call of this client that writes the same role");
                let turn = queue.lock().await;
                (self.plan(request).await?, turn)
            }
        };
        crate::apply::apply(&self.backends, &planned, terms).await
    }

    /// Runs a read within the deadline.
    pub(crate) async fn in_time<T>(&self, what: &str, read: impl Future<Output = Result<T>>) -> Result<T> {
        let waiting = Waiting::default();
        let mut read = pin!(waiting.collect(read));
        match tokio::time::timeout(self.timeout, &mut read).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{what} did not end in time"))
                .with_cause(out_of_time(self.timeout, &waiting))
                .with_hint(Hint::ExtendTimeout)),
        }
    }

    /// The terms of one binding by itself.
    pub(crate) fn terms(&self) -> Terms<'static> {
        Terms { timeout: self.timeout, rate_limiter: None, cancellation: None }
    }

    /// The queue of writers to a role.
    pub(crate) fn queue(&self, role: Option<&RoleName>) -> Arc<tokio::sync::Mutex<()>> {
        let name = role.map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
        // A panic while the map was locked leaves it as it was: there is nothing half-written in it.
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|known, queue| *known == name || Arc::strong_count(queue) > 1);
        Arc::clone(queues.entry(name).or_default())
    }
}

/// Why a read was given up: the deadline, and what it was still waiting for.
fn out_of_time(timeout: Duration, waiting: &Waiting) -> String {
    let seconds = timeout.as_secs_f64();
    match waiting.descriptions()[..] {
        [] => format!("the deadline is {seconds} seconds"),
        ref all => format!("the deadline of {seconds} seconds passed while waiting for {}", all.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Takeover;
    use crate::name::{Namespace, ServiceAccountName};
    use crate::trust::Ignore;

    fn spawnable<T: Send>(future: impl Future<Output = T> + Send + 'static) {
        drop(future);
    }

    /// Compiles only if a service can spawn every call.
    #[test]
    fn every_call_can_be_spawned() {
        let sandbox = Arc::new(crate::Sandbox::new());
        let client = || Client::new(sandbox.clone(), sandbox.clone());
        let cluster = || "sandbox".parse::<ClusterRef>().unwrap();
        let binding = crate::IrsaBinding::builder("sandbox", "default", "sa").build().unwrap();
        let request = || Request::create(binding.clone());
        let (one, asked) = (client(), request());
        spawnable(async move { one.plan(&asked).await });
        let (one, asked) = (client(), request());
        spawnable(async move { one.run(&asked).await });
        let (one, planned) = (client(), Plan::of_provider("x", Vec::new()));
        spawnable(async move { one.apply(&planned).await });
        let (one, at) = (client(), cluster());
        let (namespace, name): (Namespace, ServiceAccountName) = ("a".parse().unwrap(), "b".parse().unwrap());
        spawnable(async move { one.get(&at, &namespace, &name, None).await });
        let (one, asked) = (client(), request());
        spawnable(async move { one.view(&asked.binding).await });
        let (one, at) = (client(), cluster());
        spawnable(async move { one.list(&at, None).await });
        let (one, at) = (client(), cluster());
        spawnable(async move { one.list_roles(&at, None).await });
        let (one, at) = (client(), cluster());
        spawnable(async move { one.provider(&at).await });
        let (one, at) = (client(), cluster());
        spawnable(async move { one.create_provider(&at, &[], DryRun::No).await });
        let (one, at) = (client(), cluster());
        spawnable(async move { one.delete_provider(&at, Takeover::Refuse, DryRun::No).await });
        let (one, at) = (client(), cluster());
        spawnable(async move { one.audit_trust(&[at], &Vec::<Ignore>::new()).await });
        let (one, at, role): (_, _, RoleName) = (client(), cluster(), "role".parse().unwrap());
        spawnable(async move { one.who_can(&role, &[at]).await });
        let (one, role): (_, RoleName) = (client(), "role".parse().unwrap());
        spawnable(async move { one.trust_document(&role).await });
        let (one, all) = (client(), vec![request()]);
        spawnable(async move { one.plan_all(&all).await });
        let (one, all, options) = (client(), vec![request()], crate::FleetOptions::new());
        spawnable(async move { one.apply_all(&all, &options, &|_| {}).await });
        let (one, all) = (client(), vec![request()]);
        spawnable(async move { one.prunable("set", &all).await });
        let (one, bindings) = (client(), vec![binding.clone()]);
        spawnable(async move { one.finding_roles(&bindings).await });
        let (one, at) = (client(), cluster());
        spawnable(async move { one.export(&at, None).await });
    }
}
