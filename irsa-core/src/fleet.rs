//! Many bindings: planned from one reading of the account and of each cluster, applied side by side.
//!
//! Each binding takes the path of a single one (observe, plan, apply); only the back ends that it is planned from answer out
//! of what was read in bulk. A plan that makes a role is applied as it is; any other is made anew, from point reads, when its
//! turn comes, since minutes may have passed.

mod account;
mod clash;
mod cluster;
mod eksctl;
mod once;
mod options;
mod prune;
mod report;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};

use self::account::BulkIam;
pub(crate) use self::cluster::BulkCluster;
pub use self::options::{FleetOptions, Stop};
pub use self::prune::Prunable;
pub use self::report::{FleetEntry, FleetOutcome, FleetReport, Progress};
use crate::apply::Terms;
use crate::backend::{ClusterBackend, RoleDetail};
use crate::binding::IrsaBinding;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{Demand, Identity, resolve};
use crate::name::ClusterRef;
use crate::observe::{Backends, observe, rehearse};
use crate::pace::Pace;
use crate::plan::{Plan, check_roles, plan};
use crate::report::Report;
use crate::request::Request;

/// From so many bindings on, reading the whole account costs less than reading each role.
const MANY: usize = 40;

/// So many bindings are planned at once, where each needs calls of its own.
const PLANNED_AT_ONCE: usize = 8;

/// Refuses requests that contradict each other, from what they say alone.
///
/// # Errors
/// `InvalidInput` for a binding that is declared twice, two that fight over a service account, and two that want different
/// things of one role. The context tells the places of the two (`first` and `second`, counted from 0).
pub fn check_fleet(requests: &[Request]) -> Result<()> {
    clash::check(requests, &ClusterRef::to_string)
}

impl Client {
    /// Plans many requests from one reading: what each needs, in their order. Writes nothing.
    ///
    /// From 40 requests on, every role is read from one list and the accounts of each cluster from another; where that is
    /// denied, and for fewer requests, each is read by itself. Of many, the right to write the accounts is reviewed once for
    /// each namespace, in place of a dry run of each write.
    ///
    /// # Errors
    /// Those of [`check_fleet`], before any call. Other kinds when the list of roles cannot be read for another reason than
    /// a refusal. What refuses one request is in its own result.
    pub async fn plan_all(&self, requests: &[Request]) -> Result<Vec<Result<Plan>>> {
        check_fleet(requests)?;
        let known = self.knowing(requests).await?;
        known.plan_known(requests).await
    }

    /// Plans many requests and applies what changes, several at once, each write to IAM in its turn.
    ///
    /// A binding that is refused or fails stops no other; a slow one delays no other. Requests for one role wait for each
    /// other. The time of a binding runs from its first write; waiting for a turn does not count. `progress` is told once when
    /// everything is planned, and of each binding that is done, in the order in which they end.
    ///
    /// # Guarantees
    /// Those of [`apply`](Self::apply) for each binding: the same requests again finish the work. After
    /// [`Stop::stop`] the writes under way end, and no other is begun.
    ///
    /// # Errors
    /// Those of [`plan_all`](Self::plan_all); what happened to each binding is in the report.
    pub async fn apply_all(
        &self,
        requests: &[Request],
        options: &FleetOptions,
        progress: &(dyn Fn(Progress<'_>) + Send + Sync),
    ) -> Result<FleetReport> {
        check_fleet(requests)?;
        let known = self.knowing(requests).await?;
        let plans = known.plan_known(requests).await?;
        let refused = plans.iter().filter(|plan| plan.is_err()).count();
        let unchanged = plans.iter().filter(|plan| plan.as_ref().is_ok_and(Plan::is_empty)).count();
        progress(Progress::Planned { changes: plans.len() - refused - unchanged, unchanged, refused });
        let pace = Pace::of(options.writes_per_second);
        let terms = Terms { pace: pace.as_ref(), stop: Some(&options.stop), ..known.terms() };
        let fleet = Fleet { requests, terms, reviewed: is_many(requests) };
        let groups = by_role(requests, plans);
        let worked = stream::iter(0..groups.len())
            .map(|at| known.apply_group(&fleet, &groups[at]).boxed())
            .buffer_unordered(options.concurrency.max(1));
        let mut entries: Vec<Option<FleetEntry>> = requests.iter().map(|_| None).collect();
        let mut done = 0;
        let mut worked = std::pin::pin!(worked);
        while let Some(group) = worked.next().await {
            for (index, entry) in group {
                done += 1;
                progress(Progress::Ended { index, entry: &entry, done, total: requests.len() });
                entries[index] = Some(entry);
            }
        }
        Ok(FleetReport { entries: entries.into_iter().flatten().collect() })
    }

    /// A client that knows the clusters of the requests, so that none is asked for again.
    async fn knowing(&self, requests: &[Request]) -> Result<Self> {
        let clusters: BTreeSet<ClusterRef> = requests.iter().flat_map(Request::clusters).collect();
        let found = stream::iter(clusters.into_iter().map(|cluster| self.identity_of(cluster).boxed()));
        let found: Vec<(ClusterRef, Result<Identity>)> = found.buffer_unordered(PLANNED_AT_ONCE).collect().await;
        let mut client = self.clone();
        // One that cannot be resolved is an error of the bindings that need it.
        let resolved = found.into_iter().filter_map(|(cluster, identity)| Some((cluster, identity.ok()?)));
        client.backends.given.extend(resolved);
        let given = &client.backends.given;
        // Only now can it be seen that two names are one cluster.
        clash::check(requests, &|cluster| match given.get(cluster) {
            Some(identity) => identity.cluster.to_string(),
            None => cluster.to_string(),
        })?;
        Ok(client)
    }

    async fn identity_of(&self, cluster: ClusterRef) -> (ClusterRef, Result<Identity>) {
        let (backend, given) = (self.backends.identity.as_ref(), &self.backends.given);
        let resolved = resolve(backend, given, std::slice::from_ref(&cluster), Demand::Usable);
        let identity = self.in_time("reading the cluster", resolved).await.and_then(|mut found| {
            let missing = || Error::new(ErrorKind::Unexpected, format!("cluster {cluster} was not resolved"));
            found.remove(&cluster).ok_or_else(missing)
        });
        (cluster, identity)
    }

    async fn plan_known(&self, requests: &[Request]) -> Result<Vec<Result<Plan>>> {
        let backends = self.read(requests).await?;
        let mut plans = self.plan_each(&backends, requests).await;
        self.refuse_beyond_quota(&backends, &mut plans).await;
        Ok(plans)
    }

    async fn plan_each(&self, backends: &Backends, requests: &[Request]) -> Vec<Result<Plan>> {
        let plans = stream::iter(0..requests.len()).map(|at| self.plan_from(backends, &requests[at]).boxed());
        plans.buffered(PLANNED_AT_ONCE).collect().await
    }

    async fn plan_from(&self, backends: &Backends, request: &Request) -> Result<Plan> {
        let observed = self.in_time("reading what is there", observe(backends, request)).await?;
        plan(request, &observed)
    }

    /// The back ends to plan from: what many bindings need is read once.
    async fn read(&self, requests: &[Request]) -> Result<Backends> {
        let many = is_many(requests);
        let needed: BTreeSet<ClusterRef> = requests
            .iter()
            .filter(|request| !request.binding.role_only)
            .flat_map(Request::clusters)
            .filter(|cluster| many && self.backends.clusters.contains_key(cluster))
            .collect();
        let read: BTreeMap<ClusterRef, Arc<BulkCluster>> = self
            .backends
            .clusters
            .iter()
            .filter(|(cluster, _)| needed.contains(*cluster))
            .map(|(cluster, backend)| (cluster.clone(), Arc::new(BulkCluster::new(Arc::clone(backend)))))
            .collect();
        let prepared = stream::iter(read.values().cloned().collect::<Vec<_>>())
            .map(|cluster| prepare(self, cluster).boxed())
            .buffer_unordered(PLANNED_AT_ONCE)
            .collect::<Vec<()>>();
        let (roles, _) = futures::join!(self.roles_of(many), prepared);
        Ok(self.backends_of(Read { roles: roles?, clusters: read }, requests, many))
    }

    /// The back ends to plan from; of what was read of clusters, writes are reviewed and not rehearsed if there is `many`.
    fn backends_of(&self, read: Read, requests: &[Request], many: bool) -> Backends {
        let mut backends = self.backends.clone();
        backends.iam = Arc::new(BulkIam::new(Arc::clone(&self.backends.iam), read.roles, requests));
        for (cluster, bulk) in &read.clusters {
            backends.clusters.insert(cluster.clone(), Arc::clone(bulk) as Arc<dyn ClusterBackend>);
        }
        backends.reading = many.then(|| Arc::new(read.clusters));
        backends
    }

    /// The back ends for a reading of a whole cluster, whose accounts are asked for once.
    pub(crate) fn reading_whole(&self, cluster: &ClusterRef) -> Result<(Backends, Read)> {
        let bulk = Arc::new(BulkCluster::new(Arc::clone(self.backends.cluster(cluster)?)));
        let read = Read { roles: None, clusters: BTreeMap::from([(cluster.clone(), bulk)]) };
        Ok((self.backends_of(read.clone(), &[], true), read))
    }

    /// Plans requests from what was read before.
    ///
    /// # Errors
    /// Those of [`plan_all`](Self::plan_all).
    pub(crate) async fn plan_from_reading(&self, read: &Read, requests: &[Request]) -> Result<Vec<Result<Plan>>> {
        check_fleet(requests)?;
        let known = self.knowing(requests).await?;
        Ok(known.plan_each(&known.backends_of(read.clone(), requests, true), requests).await)
    }

    /// Every role of the account; nothing where that is not worth it, or denied.
    async fn roles_of(&self, many: bool) -> Result<Option<Vec<RoleDetail>>> {
        if !many {
            return Ok(None);
        }
        match self.in_time("reading the roles of the account", self.backends.iam.roles()).await {
            Ok(roles) => Ok(Some(roles)),
            Err(error) if error.kind() == ErrorKind::AccessDenied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Each plan that makes a role has room for itself; those that all together have none are refused.
    async fn refuse_beyond_quota(&self, backends: &Backends, plans: &mut [Result<Plan>]) {
        let making = |plan: &Result<Plan>| plan.as_ref().is_ok_and(Plan::makes_role);
        if plans.iter().filter(|plan| making(plan)).count() < 2 {
            return;
        }
        let Ok(mut quotas) = backends.iam.quotas().await else { return };
        for plan in plans.iter_mut().filter(|plan| making(plan)) {
            match check_roles(&quotas) {
                Ok(()) => quotas.roles = quotas.roles.map(|roles| roles + 1),
                Err(error) => *plan = Err(error),
            }
        }
    }

    /// Applies the plans of one role, one after the other.
    async fn apply_group(&self, fleet: &Fleet<'_>, group: &[(usize, Result<Plan>)]) -> Vec<(usize, FleetEntry)> {
        let mut entries = Vec::with_capacity(group.len());
        let mut changed = false;
        for (index, planned) in group {
            let request = &fleet.requests[*index];
            let outcome = self.apply_planned(fleet, request, planned, changed).await;
            changed |= !matches!(&outcome, FleetOutcome::Done(report) if !report.changed);
            let (cluster, binding) = (request.binding.cluster.clone(), request.binding.to_string());
            entries.push((*index, FleetEntry { cluster, binding, removal: is_removal(request), outcome }));
        }
        entries
    }

    /// Applies one plan; `changed` tells that another request has touched the role since it was made.
    async fn apply_planned(
        &self,
        fleet: &Fleet<'_>,
        request: &Request,
        planned: &Result<Plan>,
        changed: bool,
    ) -> FleetOutcome {
        if fleet.terms.stop.is_some_and(Stop::is_stopped) {
            return FleetOutcome::NotRun;
        }
        let result = match planned {
            _ if changed && !request.preview => self.run_on(request, fleet.terms).await,
            Ok(plan) if plan.is_empty() || request.preview => Ok(plan.report()),
            Ok(plan) if plan.makes_role() => self.apply_new(fleet, request, plan).await,
            Ok(_) => self.run_on(request, fleet.terms).await,
            Err(error) => Err(error.clone()),
        };
        match result {
            Ok(report) => FleetOutcome::Done(Box::new(report)),
            Err(error) => FleetOutcome::Failed(error),
        }
    }

    /// Applies a plan that makes its role. Where it was made from reviews, its writes of accounts are rehearsed first.
    async fn apply_new(&self, fleet: &Fleet<'_>, request: &Request, planned: &Plan) -> Result<Report> {
        let queue = self.queue(planned.role_name.as_ref());
        let _turn = queue.lock().await;
        let mut plan = planned.clone();
        if fleet.reviewed {
            let rehearsed = rehearse(&self.backends, request, planned);
            plan.warnings.extend(self.in_time("checking the service accounts", rehearsed).await?);
        }
        crate::apply::apply(&self.backends, &plan, fleet.terms).await
    }
}

/// What was read of an account and of clusters in bulk.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Nothing where they were not read, or may not be.
    pub(crate) roles: Option<Vec<RoleDetail>>,
    pub(crate) clusters: BTreeMap<ClusterRef, Arc<BulkCluster>>,
}

/// What the bindings of a fleet share while they are applied.
struct Fleet<'a> {
    requests: &'a [Request],
    terms: Terms<'a>,
    /// Whether the plans were made without dry runs.
    reviewed: bool,
}

fn is_many(requests: &[Request]) -> bool {
    requests.len() >= MANY
}

/// Lists what a cluster has. A failure comes again, as the error of each binding that needs it.
async fn prepare(client: &Client, cluster: Arc<BulkCluster>) {
    let prepared = async {
        cluster.prepare().await;
        Ok(())
    };
    let _ = client.in_time("reading the service accounts", prepared).await;
}

/// The plans in groups that have one role in common, in the order of their first requests. Who names the others comes before
/// them: who comes first owns a role that is made.
fn by_role(requests: &[Request], plans: Vec<Result<Plan>>) -> Vec<Vec<(usize, Result<Plan>)>> {
    let mut groups: Vec<Vec<(usize, Result<Plan>)>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, plan) in plans.into_iter().enumerate() {
        // What is refused now may be right after an earlier request for the same role.
        let named = requests.get(index).and_then(|request| request.binding.role_name.as_ref());
        let role = plan.as_ref().ok().and_then(|plan| plan.role_name.as_ref()).or(named);
        let role = role.map(|name| name.as_str().to_ascii_lowercase());
        match role.as_ref().and_then(|role| known.get(role)) {
            Some(group) => groups[*group].push((index, plan)),
            None => {
                if let Some(role) = role {
                    known.insert(role, groups.len());
                }
                groups.push(vec![(index, plan)]);
            }
        }
    }
    for group in groups.iter_mut().filter(|group| group.len() > 1) {
        let bindings: Vec<&IrsaBinding> =
            group.iter().filter_map(|(at, _)| requests.get(*at)).map(|request| &request.binding).collect();
        let named = |at: &usize| {
            let Some(request) = requests.get(*at) else { return 0 };
            bindings.iter().filter(|other| clash::names(&request.binding, other, &ClusterRef::to_string)).count()
        };
        group.sort_by_key(|(at, _)| Reverse(named(at)));
    }
    groups
}

/// Whether a request takes a binding away.
fn is_removal(request: &Request) -> bool {
    matches!(request.verb, crate::request::Verb::Delete { .. })
}
