//! `irsa plan` and `irsa apply`: the bindings of manifests, planned and applied together.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use irsa_core::connect::{Environment, Need, Target};
use irsa_core::manifest::Manifests;
use irsa_core::name::ClusterRef;
use irsa_core::{
    CancellationToken, Client, Error, ErrorKind, FleetEntry, FleetOptions, FleetReport, Hint, IrsaBinding, Progress,
    Prunable, Request, Result, Warning, WarningId,
};
use tokio::sync::mpsc;

use crate::args::{ApplyArgs, DryRun, FleetArgs, Global, PlanArgs};
use crate::commands::operation::run_to_end;
use crate::connect::{Connect, target};
use crate::exit::Exit;
use crate::manifest_files;
use crate::output;
use crate::printer::Printer;
use crate::process::Process;
use crate::progress::Bar;
use crate::requests::contradiction;

/// What is to be done with the manifests.
pub(crate) struct Fleet<'a> {
    args: &'a FleetArgs,
    dry_run: DryRun,
    confirm_prune: bool,
    options: FleetOptions,
}

/// What came of it.
pub(crate) struct Told {
    pub(crate) report: FleetReport,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) dry_run: DryRun,
    pub(crate) stopped: bool,
}

/// The commands' lines, and what can be refused from them.
struct Asked {
    target: Target,
    manifests: Manifests,
    requests: Vec<Request>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn plan(args: &'a PlanArgs) -> Self {
        let dry_run = DryRun { dry_run: true, check: args.check };
        Self { args: &args.fleet, dry_run, confirm_prune: false, options: FleetOptions::new() }
    }

    pub(crate) fn apply(args: &'a ApplyArgs) -> Self {
        let options =
            FleetOptions::new().with_concurrency(args.concurrency).with_writes_per_second(args.writes_per_second);
        Self { args: &args.fleet, dry_run: args.dry_run, confirm_prune: args.confirm_prune, options }
    }

    /// Does it and prints what came of it.
    pub(crate) fn run(
        &self,
        global: &Global,
        process: &Process,
        connect: &dyn Connect,
        printer: &mut Printer<'_>,
    ) -> Exit {
        let asked = match self.ask(global, process) {
            Ok(asked) => asked,
            Err(error) => return output::refused(&error, global, printer),
        };
        let ended = run_to_end(global, process, self.work(asked, global, process, connect, printer));
        match ended.and_then(|ended| ended) {
            Ok(Some(told)) => output::fleet(&told, global, printer),
            Ok(None) => output::interrupted(None, !self.dry_run.preview(), global, printer),
            Err(error) if error.kind() == ErrorKind::InvalidInput => output::refused(&error, global, printer),
            Err(error) => output::failed(&error, global, printer),
        }
    }

    /// Reads everything that needs no call.
    fn ask(&self, global: &Global, process: &Process) -> Result<Asked> {
        let mut target = target(global.config(), process, Need::ClusterIfKnown)?;
        let manifests = manifest_files::read_all(process, &self.args.files, target.cluster.as_ref())?;
        if let Some(read) = manifests.region.as_ref().filter(|_| target.sandbox.is_none()) {
            // The region of the current context says nothing of a cluster that a file names.
            let told = global.region.is_some() || global.cluster.is_some();
            if let Some(said) = target.region.as_ref().filter(|said| told && *said != read) {
                return Err(contradiction(&format!("region {said}"), &format!("region {read} of the ClusterConfig")));
            }
            target.region = Some(read.clone());
        }
        let requests = manifests.bindings.iter().map(|declared| {
            let mut request = declared.request()?;
            request.binding.exact |= self.args.exact;
            let request = request
                .with_adopt(self.args.adopt)
                .with_force(self.args.force)
                .with_create_namespace(self.args.create_namespace)
                .with_create_provider(self.args.create_provider)
                .with_dry_run(self.dry_run.preview().into());
            match &self.args.set {
                Some(set) => request.with_set(set),
                None => Ok(request),
            }
        });
        let requests: Vec<Request> = requests.collect::<Result<_>>()?;
        let told = global.cluster.is_some() || global.issuer.is_some();
        if let Some(cluster) = target.cluster.as_ref().filter(|_| told && !requests.is_empty())
            && !requests.iter().flat_map(Request::clusters).any(|named| cluster.may_be(&named))
        {
            let what = format!("cluster {cluster} contradicts the manifests: every binding is of another one");
            return Err(Error::new(ErrorKind::InvalidInput, what)
                .with_hint("leave --cluster and --issuer out, or change the cluster in the manifests"));
        }
        manifest_files::check(&requests, &manifests.bindings)?;
        if self.args.prune && requests.is_empty() {
            let what = "--prune is refused: the manifest declares nothing".to_owned();
            return Err(Error::new(ErrorKind::InvalidInput, what)
                .with_cause("an empty manifest would remove every binding of the set")
                .with_hint(Hint::DeleteBindings));
        }
        Ok(Asked { target, manifests, requests })
    }

    /// Nothing where the user broke it off.
    async fn work(
        &self,
        asked: Asked,
        global: &Global,
        process: &Process,
        connect: &dyn Connect,
        printer: &mut Printer<'_>,
    ) -> Result<Option<Told>> {
        let on_terminal = process.stderr_is_terminal && !global.quiet && global.verbose == 0;
        let (client, mut requests) = tokio::select! {
            ready = self.reach(&asked, &process.environment, connect) => ready?,
            () = connect.interrupted() => return Ok(None),
        };
        let mut warnings: Vec<Warning> =
            asked.manifests.ignored.iter().map(|what| Warning::new(WarningId::NotHonoured, what.clone())).collect();
        if let (true, Some(set)) = (self.args.prune, &self.args.set) {
            let prunable = tokio::select! {
                prunable = client.prunable(set, &requests) => prunable?,
                () = connect.interrupted() => return Ok(None),
            };
            tokio::select! {
                confirmed = self.confirm(set, &prunable, &requests, process, printer) => confirmed?,
                () = connect.interrupted() => return Ok(None),
            }
            warnings.extend(prunable.warnings);
            requests
                .extend(prunable.requests.into_iter().map(|delete| delete.with_dry_run(self.dry_run.preview().into())));
        }
        let cancellation = CancellationToken::new();
        let options = self.options.clone().with_cancellation(cancellation.clone());
        let begun = AtomicBool::new(false);
        let (sender, mut lines) = mpsc::unbounded_channel();
        let preview = self.dry_run.preview();
        let several = have_several_clusters(&requests);
        let progress = |progress: Progress<'_>| {
            begun.store(!preview, Ordering::Relaxed);
            if let Some(step) = Step::of(progress, several).filter(|_| !preview) {
                // Nobody listens any more when the run was broken off.
                let _ = sender.send(step);
            }
        };
        let mut work = pin!(client.apply_all(&requests, &options, &progress));
        let mut bar = Bar::new(on_terminal);
        let report = loop {
            tokio::select! {
                biased;
                Some(step) = lines.recv() => step.show(&mut bar, printer),
                report = &mut work => break report,
                () = connect.interrupted() => {
                    if !begun.load(Ordering::Relaxed) || cancellation.is_cancelled() {
                        return Ok(None);
                    }
                    cancellation.cancel();
                    bar.aside(|| printer.talk("stopping after the steps under way; Ctrl-C again stops at once\n"));
                }
            }
        };
        while let Ok(step) = lines.try_recv() {
            step.show(&mut bar, printer);
        }
        drop(bar);
        // What only resolving the clusters shows was not refused from the input alone.
        let found = |error| manifest_files::placed(error, &asked.manifests.bindings, ErrorKind::Conflict);
        let report = report.map_err(found)?;
        Ok(Some(Told { report, warnings, dry_run: self.dry_run, stopped: cancellation.is_cancelled() }))
    }

    /// A client, and the requests with the roles that eksctl has made.
    async fn reach(
        &self,
        asked: &Asked,
        environment: &Environment,
        connect: &dyn Connect,
    ) -> Result<(Client, Vec<Request>)> {
        let of = |request: &Request| {
            let bound = request.binding.all_subjects().into_iter().filter(|one| request.binding.has_account(one));
            bound.filter_map(|subject| subject.cluster).collect::<Vec<_>>()
        };
        let needed: BTreeSet<ClusterRef> = asked.requests.iter().flat_map(of).collect();
        let homes = asked.requests.iter().map(|request| request.binding.cluster.clone());
        let every: BTreeSet<ClusterRef> = needed.iter().cloned().chain(homes).collect();
        // What a prune removes may have accounts where only roles are declared now: unless there are only roles, they are
        // looked at, if a way leads there.
        let further = self.args.prune && !needed.is_empty() && needed != every;
        let (needed, every): (Vec<_>, Vec<_>) = (needed.into_iter().collect(), every.into_iter().collect());
        let reached = if further { connect.connect(environment, &asked.target, &every).await.ok() } else { None };
        let client = match reached {
            Some(client) => client,
            None => connect.connect(environment, &asked.target, &needed).await?,
        };
        let mut requests = asked.requests.clone();
        let made: Vec<usize> = (0..requests.len()).filter(|at| asked.manifests.bindings[*at].made_by_eksctl).collect();
        let bindings: Vec<_> = made.iter().map(|at| requests[*at].binding.clone()).collect();
        for (at, role) in made.into_iter().zip(client.finding_roles(&bindings).await?) {
            requests[at].binding.role_name = role;
        }
        Ok((client, requests))
    }

    /// Shows what a prune removes, and asks where that is possible.
    async fn confirm(
        &self,
        set: &str,
        prunable: &Prunable,
        declared: &[Request],
        process: &Process,
        printer: &mut Printer<'_>,
    ) -> Result<()> {
        if prunable.requests.is_empty() || self.dry_run.preview() {
            return Ok(());
        }
        let several = have_several_clusters(declared.iter().chain(&prunable.requests));
        let still: BTreeSet<(String, String)> = declared.iter().map(|request| key(&request.binding)).collect();
        let names: BTreeSet<String> = prunable
            .requests
            .iter()
            .map(|request| removed(&request.binding, several, still.contains(&key(&request.binding))))
            .collect();
        let shown: String = names.into_iter().collect();
        let shown = format!("not declared any more in set {set}, to be removed:\n{shown}");
        let asks = !self.confirm_prune && process.stdin_is_terminal && process.stderr_is_terminal;
        // Nobody can answer a question about what is not shown.
        if asks {
            printer.say(&shown)
        } else {
            printer.talk(&shown)
        }
        if self.confirm_prune {
            return Ok(());
        }
        let refused = |cause: String| {
            Err(Error::new(ErrorKind::Conflict, format!("set {set} is not pruned, and nothing was changed"))
                .with_cause(cause)
                .with_hint("look at `irsa plan` with --prune, then give --confirm-prune"))
        };
        let (removed, most) = (prunable.requests.len(), Prunable::CONFIRMED_ABOVE);
        if removed > most {
            return refused(format!("{removed} bindings would be removed, more than {most}"));
        }
        if asks {
            printer.say("Remove them? [y/N] ");
            // On a thread of its own: Ctrl-C must not wait for an answer.
            let stdin = process.stdin.clone();
            let answer = tokio::task::spawn_blocking(move || stdin.line().unwrap_or_default());
            let answer = answer.await.unwrap_or_default();
            if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
                return refused("it was not confirmed".to_owned());
            }
        }
        Ok(())
    }
}

/// Whether their bindings have to be told with their clusters.
fn have_several_clusters<'a>(requests: impl IntoIterator<Item = &'a Request>) -> bool {
    output::batch::has_several_clusters(requests.into_iter().map(|request| &request.binding.cluster))
}

/// A binding that goes, with all its subjects and its role; or the role that one had which is declared with another role.
fn removed(binding: &IrsaBinding, several: bool, moved: bool) -> String {
    let first = output::batch::named(&binding.cluster, &binding.to_string(), several);
    let all: Vec<String> = [first].into_iter().chain(binding.subjects.iter().map(ToString::to_string)).collect();
    let (all, role) = (all.join(", "), binding.role_name.as_ref().map(ToString::to_string).unwrap_or_default());
    match moved {
        true => format!("  - role {role}, which {all} left for another one\n"),
        false => format!("  - {all} (role {role})\n"),
    }
}

/// What a binding is told by.
fn key(binding: &IrsaBinding) -> (String, String) {
    (binding.cluster.to_string(), binding.to_string())
}

/// What is told while the work goes on.
enum Step {
    Planned { changes: usize, unchanged: usize, refused: usize },
    Ended { binding: String, word: Option<&'static str>, done: usize, total: usize },
}

impl Step {
    fn of(progress: Progress<'_>, several: bool) -> Option<Self> {
        Some(match progress {
            Progress::Planned { changes, unchanged, refused } => Self::Planned { changes, unchanged, refused },
            Progress::Ended { entry, done, total, .. } => {
                Self::Ended { binding: output::batch::name(entry, several), word: word(entry), done, total }
            }
            _ => return None,
        })
    }

    fn show(self, bar: &mut Bar, printer: &mut Printer<'_>) {
        match self {
            Self::Planned { changes, unchanged, refused } => bar.begin(changes + unchanged + refused),
            Self::Ended { binding, done, .. } if bar.is_shown() => bar.to(done, &binding),
            Self::Ended { binding, word: Some(word), done, total } => {
                printer.talk(&format!("[{done}/{total}] {binding} {word}\n"));
            }
            Self::Ended { .. } => {}
        }
    }
}

/// What became of a binding, where that is worth a line.
fn word(entry: &FleetEntry) -> Option<&'static str> {
    match (entry.error(), entry.report()) {
        (Some(_), _) => Some("failed"),
        (None, Some(report)) if report.changed => Some(if entry.removal { "removed" } else { "changed" }),
        _ => None,
    }
}
