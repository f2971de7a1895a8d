//! `irsa plan` and `irsa apply`: the bindings of manifests, planned and applied together.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use irsa_core::connect::{Need, Target};
use irsa_core::manifest::Manifests;
use irsa_core::name::{ClusterRef, Region};
use irsa_core::{
    CancellationToken, Client, Error, ErrorKind, FleetOptions, Hint, IrsaBinding, Progress, Prunable, Request, Result,
    Warning, WarningId,
};
use tokio::sync::mpsc;

use super::Context;
use super::runner::block_on;
use crate::answer::{Answer, BatchAnswer, Failure, Outcome, Purpose, binding_name, has_several_clusters};
use crate::args::{ApplyArgs, ManifestArgs, Mode, PlanArgs};
use crate::console::{Console, Event, Pruned};
use crate::manifest_files;
use crate::requests::conflicting_options;

pub(super) fn plan(args: &PlanArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let mode = if args.check { Mode::Check } else { Mode::DryRun };
    let options = FleetOptions::new();
    Batch { args: &args.manifest, mode, confirm_prune: false, options, context }.run(console)
}

pub(super) fn apply(args: &ApplyArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let options = FleetOptions::new().with_concurrency(args.concurrency).with_writes_per_second(args.writes_per_second);
    let (mode, confirm_prune) = (args.dry_run.mode(), args.confirm_prune);
    Batch { args: &args.manifest, mode, confirm_prune, options, context }.run(console)
}

/// A run of `plan` or `apply`.
struct Batch<'a> {
    args: &'a ManifestArgs,
    mode: Mode,
    confirm_prune: bool,
    options: FleetOptions,
    context: &'a Context<'a>,
}

/// Manifests as read, and the requests that they make.
struct Input {
    target: Target,
    manifests: Manifests,
    requests: Vec<Request>,
}

impl Batch<'_> {
    fn run(&self, console: &mut dyn Console) -> Result<Outcome> {
        let input = self.read()?;
        let result = block_on(self.context, self.execute(input, console))?;
        Ok(Outcome::new(Purpose::Action, result))
    }

    /// Reads everything that needs no call.
    fn read(&self) -> Result<Input> {
        let (global, process) = (self.context.global, self.context.process);
        let mut target = self.context.target(Need::ClusterIfKnown)?;
        let manifests = manifest_files::read_all(process, &self.args.files, target.cluster.as_ref())?;
        if let Some(region) = manifests.region.as_ref().filter(|_| target.sandbox.is_none()) {
            self.check_region(&target, region)?;
            target.region = Some(region.clone());
        }
        let requests = manifests.bindings.iter().map(|declared| {
            let mut request = declared.request()?;
            request.binding.exact |= self.args.exact;
            let request = request
                .with_adopt(self.args.adopt)
                .with_force(self.args.force)
                .with_create_namespace(self.args.create_namespace)
                .with_create_provider(self.args.create_provider)
                .with_dry_run(self.mode.dry_run());
            match &self.args.applyset {
                Some(set) => request.with_set(set),
                None => Ok(request),
            }
        });
        let requests: Vec<Request> = requests.collect::<Result<_>>()?;
        let is_given = global.cluster.is_some() || global.issuer.is_some();
        if let Some(cluster) = target.cluster.as_ref().filter(|_| is_given && !requests.is_empty())
            && !requests.iter().flat_map(Request::clusters).any(|named| cluster.may_be(&named))
        {
            let what = format!("no binding in the manifests is for cluster {cluster}");
            return Err(Error::new(ErrorKind::InvalidInput, what)
                .with_hint("omit --cluster and --issuer, or change the cluster in the manifests"));
        }
        manifest_files::check(&requests, &manifests.bindings)?;
        if self.args.prune && requests.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "refusing to prune: the manifest declares no bindings")
                .with_cause("an empty manifest would delete every binding of the applyset")
                .with_hint(Hint::DeleteBindings));
        }
        Ok(Input { target, manifests, requests })
    }

    /// The region of the current context says nothing about a cluster that a file names; one that was typed does.
    fn check_region(&self, target: &Target, region: &Region) -> Result<()> {
        let is_given = self.context.global.region.is_some() || self.context.global.cluster.is_some();
        match target.region.as_ref().filter(|other| is_given && *other != region) {
            Some(other) => {
                Err(conflicting_options(&format!("region {other}"), &format!("region {region} of the ClusterConfig")))
            }
            None => Ok(()),
        }
    }

    async fn execute(&self, input: Input, console: &mut dyn Console) -> Result<Answer, Failure> {
        let connect = self.context.connect;
        let interrupted = || Failure::Interrupted { report: None, writes: !self.mode.is_dry_run() };
        let (client, mut requests) = tokio::select! {
            ready = self.connect(&input) => ready.map_err(Failure::before_any_call)?,
            () = connect.interrupted() => return Err(interrupted()),
        };
        let ignored = input.manifests.ignored.iter();
        let mut warnings: Vec<Warning> =
            ignored.map(|what| Warning::new(WarningId::NotHonoured, what.clone())).collect();
        if let (true, Some(set)) = (self.args.prune, &self.args.applyset) {
            let prunable = tokio::select! {
                prunable = self.prunable(&client, set, &requests, console) => prunable.map_err(Failure::before_any_call)?,
                () = connect.interrupted() => return Err(interrupted()),
            };
            warnings.extend(prunable.warnings);
            let deletes = prunable.requests.into_iter().map(|delete| delete.with_dry_run(self.mode.dry_run()));
            requests.extend(deletes);
        }
        let cancellation = CancellationToken::new();
        let options = self.options.clone().with_cancellation(cancellation.clone());
        let begun = AtomicBool::new(false);
        let (sender, mut events) = mpsc::unbounded_channel();
        let with_cluster = has_several_clusters(requests.iter().map(|request| &request.binding.cluster));
        let progress = |progress: Progress<'_>| {
            begun.store(!self.mode.is_dry_run(), Ordering::Relaxed);
            if let Some(event) = event(progress, with_cluster).filter(|_| !self.mode.is_dry_run()) {
                // The receiver is gone once the run was broken off.
                let _ = sender.send(event);
            }
        };
        let mut work = pin!(client.apply_all(&requests, &options, &progress));
        let report = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => console.show(&event),
                report = &mut work => break report,
                () = connect.interrupted() => {
                    if !begun.load(Ordering::Relaxed) || cancellation.is_cancelled() {
                        return Err(interrupted());
                    }
                    cancellation.cancel();
                    console.show(&Event::Stopping);
                }
            }
        };
        while let Ok(event) = events.try_recv() {
            console.show(&event);
        }
        // What only resolving the clusters shows was not refused from the input alone.
        let located = |error| manifest_files::located(error, &input.manifests.bindings, ErrorKind::Conflict);
        let report = report.map_err(|error| Failure::before_any_call(located(error)))?;
        let stopped = cancellation.is_cancelled();
        Ok(Answer::Batch(BatchAnswer { report, warnings, mode: self.mode, stopped }))
    }

    /// A client, and the requests with the roles that eksctl has made.
    async fn connect(&self, input: &Input) -> Result<(Client, Vec<Request>)> {
        let (connect, environment) = (self.context.connect, &self.context.process.environment);
        let annotated_clusters = |request: &Request| {
            let subjects = request.binding.all_subjects().into_iter();
            let annotated = subjects.filter(|subject| request.binding.has_account(subject));
            annotated.filter_map(|subject| subject.cluster).collect::<Vec<_>>()
        };
        let needed: BTreeSet<ClusterRef> = input.requests.iter().flat_map(annotated_clusters).collect();
        let homes = input.requests.iter().map(|request| request.binding.cluster.clone());
        let all: BTreeSet<ClusterRef> = needed.iter().cloned().chain(homes).collect();
        // A prune may delete bindings with service accounts on clusters for which only roles are declared now. They are read
        // if the clusters can be reached, unless only roles are declared at all.
        let reads_more = self.args.prune && !needed.is_empty() && needed != all;
        let (needed, all): (Vec<_>, Vec<_>) = (needed.into_iter().collect(), all.into_iter().collect());
        let client = if reads_more { connect.connect(environment, &input.target, &all).await.ok() } else { None };
        let client = match client {
            Some(client) => client,
            None => connect.connect(environment, &input.target, &needed).await?,
        };
        let mut requests = input.requests.clone();
        let by_eksctl: Vec<usize> =
            (0..requests.len()).filter(|at| input.manifests.bindings[*at].made_by_eksctl).collect();
        let bindings: Vec<_> = by_eksctl.iter().map(|at| requests[*at].binding.clone()).collect();
        for (at, role) in by_eksctl.into_iter().zip(client.finding_roles(&bindings).await?) {
            requests[at].binding.role_name = role;
        }
        Ok((client, requests))
    }

    /// What a prune deletes, confirmed by the user.
    async fn prunable(
        &self,
        client: &Client,
        set: &str,
        declared: &[Request],
        console: &mut dyn Console,
    ) -> Result<Prunable> {
        let prunable = client.prunable(set, declared).await?;
        self.confirm(set, &prunable, declared, console).await?;
        Ok(prunable)
    }

    /// Shows what a prune deletes, and asks for confirmation on a terminal.
    async fn confirm(
        &self,
        set: &str,
        prunable: &Prunable,
        declared: &[Request],
        console: &mut dyn Console,
    ) -> Result<()> {
        if prunable.requests.is_empty() || self.mode.is_dry_run() {
            return Ok(());
        }
        let process = self.context.process;
        let clusters = declared.iter().chain(&prunable.requests).map(|request| &request.binding.cluster);
        let with_cluster = has_several_clusters(clusters);
        let still_declared: BTreeSet<(String, String)> = declared.iter().map(|request| key(&request.binding)).collect();
        let pruned = prunable
            .requests
            .iter()
            .map(|request| pruned(&request.binding, with_cluster, still_declared.contains(&key(&request.binding))));
        let bindings: BTreeSet<Pruned> = pruned.collect();
        let asks = !self.confirm_prune
            && prunable.requests.len() <= Prunable::CONFIRMED_ABOVE
            && process.stdin_is_terminal
            && process.stderr_is_terminal;
        console.show(&Event::Prune { set: set.to_owned(), bindings: bindings.into_iter().collect(), asks });
        if self.confirm_prune {
            return Ok(());
        }
        let refused = |cause: String| {
            Err(Error::new(
                ErrorKind::Conflict,
                format!("cannot prune applyset {set}: not confirmed; nothing was changed"),
            )
            .with_cause(cause)
            .with_hint("review `irsa plan` with --prune, then rerun with --confirm-prune"))
        };
        let (count, limit) = (prunable.requests.len(), Prunable::CONFIRMED_ABOVE);
        if count > limit {
            return refused(format!("{count} bindings would be deleted, more than {limit}"));
        }
        if asks {
            // On a thread of its own: Ctrl-C must not wait for an answer.
            let stdin = process.stdin.clone();
            let answer = tokio::task::spawn_blocking(move || stdin.line().unwrap_or_default());
            let answer = answer.await.unwrap_or_default();
            if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
                return refused("the answer was not yes".to_owned());
            }
        }
        Ok(())
    }
}

/// Line of a binding that is deleted with all its subjects and its role, or of its former role if it is declared with
/// another one.
fn pruned(binding: &IrsaBinding, with_cluster: bool, moved: bool) -> Pruned {
    let first = binding_name(&binding.cluster, &binding.to_string(), with_cluster);
    let subjects = [first].into_iter().chain(binding.subjects.iter().map(ToString::to_string)).collect();
    let role = binding.role_name.as_ref().map(ToString::to_string).unwrap_or_default();
    Pruned { subjects, role, moved }
}

fn key(binding: &IrsaBinding) -> (String, String) {
    (binding.cluster.to_string(), binding.to_string())
}

fn event(progress: Progress<'_>, with_cluster: bool) -> Option<Event> {
    Some(match progress {
        Progress::Planned { changes, unchanged, refused } => Event::Planned { total: changes + unchanged + refused },
        Progress::Ended { entry, done, total, .. } => {
            Event::Finished { entry: Box::new(entry.clone()), with_cluster, done, total }
        }
        _ => return None,
    })
}
