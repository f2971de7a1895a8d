//! Many bindings: planned from one reading of the account and of each cluster, applied side by side.
//!
//! Each binding takes the path of a single one (observe, plan, apply); only the back ends that it is planned from answer out
//! of what was read in bulk. A plan that makes a role is applied as it is; any other is made anew, from point reads, when its
//! turn comes, since minutes may have passed. Requests for one role take turns; of those that share one, the first plans it.

mod conflicts;
mod eksctl;
mod options;
mod preflight;
mod prune;
mod report;
mod resolved_clusters;
mod shared_roles;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use tokio_util::sync::CancellationToken;

pub use self::options::FleetOptions;
use self::preflight::rehearse;
pub use self::prune::Prunable;
pub use self::report::{FleetEntry, FleetOutcome, FleetReport, Progress};
use self::resolved_clusters::ResolvedClusters;
use crate::apply::Terms;
use crate::backend::{ClusterBackend, DryRun, RoleDetail, collect_warnings};
use crate::client::Client;
use crate::cluster_identity::{ClusterIdentity, Demand, resolve};
use crate::error::{Error, ErrorKind, Result};
use crate::name::ClusterRef;
use crate::observe::Backends;
use crate::plan::{Plan, check_roles};
use crate::rate_limit::RateLimiter;
use crate::report::Report;
use crate::request::Request;
use crate::snapshot::{ClusterSnapshot, IamSnapshot};
use crate::tolerance::OptionalRead;

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
    conflicts::check(requests, &ResolvedClusters::default())
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
        Ok(known.plan_known(requests).await?.1)
    }

    /// Plans many requests and applies what changes, several at once, each write to IAM in its turn.
    ///
    /// A binding that is refused or fails stops no other; a slow one delays no other. Requests for one role wait for each
    /// other: of several creates that declare one, the first that names all others plans the role with all that is wanted of
    /// it, or else who owns the role or is on its record; the others bind their accounts after it, and not if it fails. The
    /// time of a binding runs from its first write; waiting for a turn does not count. `progress` is told once when everything
    /// is planned, and of each binding that is done, in the order in which they end.
    ///
    /// # Guarantees
    /// Those of [`apply`](Self::apply) for each binding: the same requests again finish the work. Once
    /// [`FleetOptions::cancellation`] is cancelled the writes under way end, and no other is begun.
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
        let (requests, plans) = known.plan_known(requests).await?;
        let refused = plans.iter().filter(|plan| plan.is_err()).count();
        let unchanged = plans.iter().filter(|plan| plan.as_ref().is_ok_and(Plan::is_empty)).count();
        progress(Progress::Planned { changes: plans.len() - refused - unchanged, unchanged, refused });
        let rate_limiter = RateLimiter::of(options.writes_per_second);
        let terms =
            Terms { rate_limiter: rate_limiter.as_ref(), cancellation: Some(&options.cancellation), ..known.terms() };
        let fleet = Fleet { requests: &requests, terms, reviewed: is_many(&requests) };
        let groups = group_by_role(&requests, plans, &ResolvedClusters::of(&known.backends.given));
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
        let found: Vec<(ClusterRef, Result<ClusterIdentity>)> = found.buffer_unordered(PLANNED_AT_ONCE).collect().await;
        let mut client = self.clone();
        // One that cannot be resolved is an error of the bindings that need it.
        let resolved = found.into_iter().filter_map(|(cluster, identity)| Some((cluster, identity.ok()?)));
        client.backends.given.extend(resolved);
        // Only now can it be seen that two names are one cluster.
        conflicts::check(requests, &ResolvedClusters::of(&client.backends.given))?;
        Ok(client)
    }

    async fn identity_of(&self, cluster: ClusterRef) -> (ClusterRef, Result<ClusterIdentity>) {
        let (backend, given) = (self.backends.identity.as_ref(), &self.backends.given);
        let resolved = resolve(backend, given, std::slice::from_ref(&cluster), Demand::Usable);
        let identity = self.in_time("reading the cluster", resolved).await.and_then(|mut found| {
            let missing = || Error::new(ErrorKind::Unexpected, format!("cluster {cluster} was not resolved"));
            found.remove(&cluster).ok_or_else(missing)
        });
        (cluster, identity)
    }

    /// The plans, and the requests that they are of: those that share a role were joined.
    async fn plan_known<'a>(&self, requests: &'a [Request]) -> Result<(Cow<'a, [Request]>, Vec<Result<Plan>>)> {
        let backends = self.read(requests).await?;
        self.plan_each(&backends, requests).await
    }

    async fn plan_each<'a>(
        &self,
        backends: &Backends,
        requests: &'a [Request],
    ) -> Result<(Cow<'a, [Request]>, Vec<Result<Plan>>)> {
        let known = ResolvedClusters::of(&self.backends.given);
        let joining = shared_roles::join(backends.iam.as_ref(), requests, &known);
        let requests = self.in_time("reading the roles that bindings share", joining).await?;
        let plans = stream::iter(0..requests.len()).map(|at| self.plan_from(backends, &requests[at]).boxed());
        let mut plans: Vec<Result<Plan>> = plans.buffered(PLANNED_AT_ONCE).collect().await;
        self.refuse_beyond_quota(backends, &mut plans).await;
        shared_roles::refuse_blocked(&requests, &mut plans);
        Ok((requests, plans))
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
        let read: BTreeMap<ClusterRef, Arc<ClusterSnapshot>> = self
            .backends
            .clusters
            .iter()
            .filter(|(cluster, _)| needed.contains(*cluster))
            .map(|(cluster, backend)| (cluster.clone(), Arc::new(ClusterSnapshot::new(Arc::clone(backend)))))
            .collect();
        let prepared = stream::iter(read.values().cloned().collect::<Vec<_>>())
            .map(|cluster| prepare(self, cluster).boxed())
            .buffer_unordered(PLANNED_AT_ONCE)
            .collect::<Vec<()>>();
        let (roles, _) = futures::join!(self.roles_of(many), prepared);
        Ok(self.backends_of(Snapshot { roles: roles?, clusters: read }, requests, many))
    }

    /// The back ends to plan from; of what was read of clusters, writes are reviewed and not rehearsed if there is `many`.
    fn backends_of(&self, read: Snapshot, requests: &[Request], many: bool) -> Backends {
        let mut backends = self.backends.clone();
        backends.iam = Arc::new(IamSnapshot::new(Arc::clone(&self.backends.iam), read.roles, requests));
        for (cluster, bulk) in &read.clusters {
            backends.clusters.insert(cluster.clone(), Arc::clone(bulk) as Arc<dyn ClusterBackend>);
        }
        backends.reading = many.then(|| Arc::new(read.clusters));
        backends
    }

    /// The back ends for a reading of a whole cluster, whose accounts are asked for once.
    pub(crate) fn reading_whole(&self, cluster: &ClusterRef) -> Result<(Backends, Snapshot)> {
        let bulk = Arc::new(ClusterSnapshot::new(Arc::clone(self.backends.cluster(cluster)?)));
        let read = Snapshot { roles: None, clusters: BTreeMap::from([(cluster.clone(), bulk)]) };
        Ok((self.backends_of(read.clone(), &[], true), read))
    }

    /// Plans requests from what was read before.
    ///
    /// # Errors
    /// Those of [`plan_all`](Self::plan_all).
    pub(crate) async fn plan_from_reading(&self, read: &Snapshot, requests: &[Request]) -> Result<Vec<Result<Plan>>> {
        check_fleet(requests)?;
        let known = self.knowing(requests).await?;
        Ok(known.plan_each(&known.backends_of(read.clone(), requests, true), requests).await?.1)
    }

    /// Every role of the account; nothing where that is not worth it, or denied.
    async fn roles_of(&self, many: bool) -> Result<Option<Vec<RoleDetail>>> {
        if !many {
            return Ok(None);
        }
        let roles = self.in_time("reading the roles of the account", self.backends.iam.roles()).await;
        OptionalRead::Roles.tolerate(roles)
    }

    /// Each plan that makes a role has room for itself; those that all together have none are refused.
    async fn refuse_beyond_quota(&self, backends: &Backends, plans: &mut [Result<Plan>]) {
        let making = |plan: &Result<Plan>| plan.as_ref().is_ok_and(Plan::makes_role);
        if plans.iter().filter(|plan| making(plan)).count() < 2 {
            return;
        }
        let Ok(Some(mut quotas)) = OptionalRead::Quotas.tolerate(backends.iam.quotas().await) else { return };
        for plan in plans.iter_mut().filter(|plan| making(plan)) {
            match check_roles(&quotas) {
                Ok(()) => quotas.roles = quotas.roles.map(|roles| roles + 1),
                Err(error) => *plan = Err(error),
            }
        }
    }

    /// Applies the plans of one turn, one after the other.
    async fn apply_group(&self, fleet: &Fleet<'_>, group: &[(usize, Result<Plan>)]) -> Vec<(usize, FleetEntry)> {
        let mut entries: Vec<(usize, FleetEntry)> = Vec::with_capacity(group.len());
        let mut changed = false;
        for (index, planned) in group {
            let request = &fleet.requests[*index];
            let outcome = match blocked_by(fleet, *index, planned, &entries) {
                Some(error) => FleetOutcome::Failed(error),
                None => self.apply_planned(fleet, request, planned, changed).await,
            };
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
        if fleet.terms.cancellation.is_some_and(CancellationToken::is_cancelled) {
            return FleetOutcome::NotRun;
        }
        let result = match planned {
            _ if changed && request.dry_run == DryRun::No => self.run_on(request, fleet.terms).await,
            Ok(plan) if plan.is_empty() || request.dry_run == DryRun::Yes => Ok(plan.report()),
            Ok(plan) if plan.makes_role() => self.apply_new(fleet, request, plan).await,
            Ok(_) => self.run_on(request, fleet.terms).await,
            Err(error) => Err(error.clone()),
        };
        match result {
            Ok(report) => FleetOutcome::Done(Box::new(report)),
            Err(error) if error.kind() == ErrorKind::Interrupted && error.report().is_none() => FleetOutcome::NotRun,
            Err(error) => FleetOutcome::Failed(error),
        }
    }

    /// Applies a plan that makes its role. Where it was made from reviews, its writes of accounts are rehearsed first.
    #[tracing::instrument(name = "run", skip_all, fields(binding = %request.binding))]
    async fn apply_new(&self, fleet: &Fleet<'_>, request: &Request, planned: &Plan) -> Result<Report> {
        let queue = self.queue(planned.role_name.as_ref());
        let _turn = queue.lock().await;
        let mut plan = planned.clone();
        if fleet.reviewed {
            let rehearsed = self.in_time("checking the service accounts", rehearse(&self.backends, request, planned));
            let (rehearsed, warnings) = collect_warnings(&plan.warnings, rehearsed.boxed()).await;
            plan.warnings.extend(rehearsed?.into_iter().chain(warnings));
        }
        crate::apply::apply(&self.backends, &plan, fleet.terms).await
    }
}

/// What was read of an account and of clusters in bulk.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Nothing where they were not read, or may not be.
    pub(crate) roles: Option<Vec<RoleDetail>>,
    pub(crate) clusters: BTreeMap<ClusterRef, Arc<ClusterSnapshot>>,
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
async fn prepare(client: &Client, cluster: Arc<ClusterSnapshot>) {
    let prepared = async {
        cluster.prepare().await;
        Ok(())
    };
    let _ = client.in_time("reading the service accounts", prepared).await;
}

/// The plans in groups that are worked on one after the other, in the order of their first requests: those that have one role
/// in common, the leader first, and after them the removal of a role that a service account of theirs had before.
fn group_by_role(
    requests: &[Request],
    plans: Vec<Result<Plan>>,
    known: &ResolvedClusters<'_>,
) -> Vec<Vec<(usize, Result<Plan>)>> {
    let mut groups: Vec<Vec<(usize, Result<Plan>)>> = Vec::new();
    let (mut roles, mut accounts) = (HashMap::<String, usize>::new(), HashMap::new());
    let (removals, others): (Vec<_>, Vec<_>) =
        plans.into_iter().enumerate().partition(|(at, _)| requests.get(*at).is_some_and(is_removal));
    for (index, plan) in others.into_iter().chain(removals) {
        let Some(request) = requests.get(index) else { continue };
        // What is refused now may be right after an earlier request for the same role.
        let planned = plan.as_ref().ok().and_then(|plan| plan.role_name.clone());
        let role = planned.or_else(|| known.role_name(&request.binding)).map(|name| name.as_str().to_ascii_lowercase());
        let binding = &request.binding;
        let bound: Vec<_> =
            conflicts::bound(binding).iter().map(|subject| known.subject_key(binding, subject)).collect();
        let by_role = role.as_ref().and_then(|role| roles.get(role)).copied();
        let by_account = || bound.iter().find_map(|place| accounts.get(place)).copied();
        let group = by_role.or_else(|| is_removal(request).then(by_account).flatten()).unwrap_or(groups.len());
        if let Some(role) = role {
            let _ = roles.entry(role).or_insert(group);
        }
        for place in bound {
            let _ = accounts.entry(place).or_insert(group);
        }
        match groups.get_mut(group) {
            Some(group) => group.push((index, plan)),
            None => groups.push(vec![(index, plan)]),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|(at, _)| requests.get(*at).is_some_and(|request| request.leader.is_some()));
        group.sort_by_key(|(at, _)| requests.get(*at).is_some_and(is_removal));
    }
    groups
}

/// Why a request is not begun after what came before it in its turn.
fn blocked_by(
    fleet: &Fleet<'_>,
    index: usize,
    planned: &Result<Plan>,
    before: &[(usize, FleetEntry)],
) -> Option<Error> {
    let request = fleet.requests.get(index)?;
    if is_removal(request) {
        let (_, failed) = before.iter().find(|(_, entry)| !entry.removal && entry.error().is_some())?;
        let error = Error::new(ErrorKind::Conflict, format!("binding {} is not removed", request.binding))
            .with_cause(format!("binding {}, which takes its service account over, failed", failed.binding));
        return Some(error.with_hint("mend that first; the same command again finishes the work"));
    }
    let (_, leader) = before.iter().find(|(at, _)| request.leader == Some(*at))?;
    let binds = planned.as_ref().is_ok_and(|plan| !plan.is_empty());
    let leader = match &leader.outcome {
        FleetOutcome::Failed(error) => Err(error),
        FleetOutcome::Done(report) => Ok(report.warnings.as_slice()),
        FleetOutcome::NotRun => return None,
    };
    shared_roles::blocked(fleet.requests, index, leader, binds)
}

/// Whether a request takes a binding away.
fn is_removal(request: &Request) -> bool {
    matches!(request.verb, crate::request::Verb::Delete { .. })
}
