//! What a line asks for, and the calls that do it.

use std::pin::pin;

use irsa_core::connect::{Environment, Need, Target};
use irsa_core::name::{Audience, ClusterRef, Namespace, RoleName, ServiceAccountName};
use irsa_core::{
    BindingStatus, CancellationToken, Client, Error, ErrorKind, Export, IrsaBinding, ProviderStatus, Report, Request,
    Result,
};

use crate::args::{Cli, Command, DryRun, Global, ProviderCommand};
use crate::commands::gen3;
use crate::commands::trust::{self, Question, Told};
use crate::connect::{Connect, target};
use crate::exit::{Exit, Purpose};
use crate::printer::Printer;
use crate::process::Process;
use crate::{logging, output, progress, requests};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Bind(Box<Request>),
    Get {
        namespace: Namespace,
        name: ServiceAccountName,
        role_name: Option<RoleName>,
    },
    /// The role of a binding alone.
    GetRole(Box<IrsaBinding>),
    List {
        namespace: Option<Namespace>,
    },
    /// Bindings by their roles alone.
    ListRoles {
        namespace: Option<Namespace>,
    },
    Export {
        namespace: Option<Namespace>,
    },
    CreateProvider {
        audiences: Vec<Audience>,
    },
    ShowProvider,
    DeleteProvider {
        force: bool,
    },
    Trust(Question),
    Gen3(gen3::Wish),
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Report(Report),
    Binding(BindingStatus),
    Bindings(Vec<BindingStatus>),
    Export(Export),
    Provider(ProviderStatus),
    Trust(Told),
    Gen3(gen3::Told),
}

/// What is asked for, and where.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) target: Target,
    pub(crate) work: Work,
    pub(crate) dry_run: DryRun,
}

impl Job {
    /// Reads the line; everything that can be refused without a call is refused here.
    pub(crate) fn new(cli: &Cli, process: &Process) -> Result<Self> {
        if let Command::IamServiceaccount(args) = &cli.command {
            let (target, wish) = gen3::wish(process, cli.global.config(), args)?;
            return Ok(Self { target, work: Work::Gen3(wish), dry_run: args.dry_run });
        }
        let target = target(cli.global.config(), process, Need::Cluster)?;
        let cluster = target.cluster()?;
        let (work, dry_run) = match &cli.command {
            Command::Create(args) => (Work::Bind(Box::new(requests::create(process, args, cluster)?)), args.dry_run),
            Command::Update(args) => (Work::Bind(Box::new(requests::update(process, args, cluster)?)), args.dry_run),
            Command::Delete(args) => (Work::Bind(Box::new(requests::delete(args, cluster)?)), args.dry_run),
            Command::Get(args) if args.role_only => {
                (Work::GetRole(Box::new(requests::role_only(args, cluster)?)), DryRun::default())
            }
            Command::Get(args) => {
                let (namespace, name) = args.account.names()?;
                let role_name = requests::role_name(args.role_name.as_deref())?;
                (Work::Get { namespace, name, role_name }, DryRun::default())
            }
            Command::List(args) => {
                let namespace = args.namespace.as_deref().map(Namespace::new).transpose()?;
                let work = if args.role_only { Work::ListRoles { namespace } } else { Work::List { namespace } };
                (work, DryRun::default())
            }
            Command::Export(args) => {
                let namespace = args.namespace.as_deref().map(Namespace::new).transpose()?;
                (Work::Export { namespace }, DryRun::default())
            }
            Command::Provider { command } => provider(command)?,
            Command::Plan(_)
            | Command::Apply(_)
            | Command::Schema
            | Command::Trust { .. }
            | Command::Permissions(_)
            | Command::IamServiceaccount(_)
            | Command::Completions { .. } => {
                return Err(Error::new(ErrorKind::Unexpected, "this command is no job of its own"));
            }
        };
        Ok(Self { target, work, dry_run })
    }

    /// Does it and prints what came of it.
    pub(crate) fn run(
        &self,
        global: &Global,
        process: &Process,
        connect: &dyn Connect,
        printer: &mut Printer<'_>,
    ) -> Exit {
        let spins = process.stderr_is_terminal && !global.quiet && global.verbose == 0;
        let title = self.title();
        let cancellation = CancellationToken::new();
        let ended = run_to_end(global, process, async {
            let mut work = pin!(self.connect_and_do(&process.environment, connect, &cancellation));
            let mut progress = pin!(progress::show(&title, spins));
            loop {
                tokio::select! {
                    answer = &mut work => break Some(answer),
                    () = connect.interrupted() => {
                        // What only reads is given up at once, and so is what is stopped twice.
                        if !self.writes() || cancellation.is_cancelled() {
                            break None;
                        }
                        cancellation.cancel();
                    }
                    never = &mut progress => match never {},
                }
            }
        });
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => return self.failed(&error, false, global, printer),
        };
        let says_it_itself = match &ended {
            Some(Ok(answer)) => matches!(answer, Answer::Report(_) | Answer::Gen3(_) | Answer::Trust(_)),
            Some(Err(_)) | None => false,
        };
        if !says_it_itself {
            output::warn(&self.target.warnings(), printer);
        }
        match ended {
            Some(Ok(answer)) => {
                let exit = output::answered(self, &answer, global, printer);
                // A loop around the program ends with it, also when no step was left to do.
                if cancellation.is_cancelled() { Exit::Interrupted } else { exit }
            }
            Some(Err((_, error))) if error.kind() == ErrorKind::Interrupted && matches!(self.work, Work::Gen3(_)) => {
                output::gen3::interrupted(error.report(), global, printer)
            }
            Some(Err((_, error))) if error.kind() == ErrorKind::Interrupted => {
                output::interrupted(error.report(), true, global, printer)
            }
            Some(Err((before_any_call, error))) => self.failed(&error, before_any_call, global, printer),
            None => output::interrupted(None, self.writes(), global, printer),
        }
    }

    /// Prints why it failed.
    fn failed(&self, error: &Error, before_any_call: bool, global: &Global, printer: &mut Printer<'_>) -> Exit {
        let purpose = if let Work::Trust(question) = &self.work { question.purpose() } else { Purpose::Work };
        let exit = Exit::of_failure(error, purpose, before_any_call);
        match &self.work {
            _ if exit == Exit::Refused => {
                output::refused(error, global, printer);
            }
            Work::Gen3(_) => {
                output::gen3::failed(error, global, printer);
            }
            Work::Trust(question) => output::unanswered(question, error, global, printer),
            _ => {
                output::failed(error, global, printer);
            }
        }
        exit
    }

    /// The error says whether it came before any call of the work itself.
    async fn connect_and_do(
        &self,
        environment: &Environment,
        connect: &dyn Connect,
        cancellation: &CancellationToken,
    ) -> std::result::Result<Answer, (bool, Error)> {
        if let Work::Trust(question) = &self.work {
            return trust::ask(question, environment, &self.target, connect).await.map(Answer::Trust);
        }
        if let Work::Gen3(wish) = &self.work {
            return gen3::grant(wish, environment, &self.target, connect, cancellation).await.map(Answer::Gen3);
        }
        let servers = self.servers();
        let client = tokio::select! {
            client = connect.connect(environment, &self.target, &servers) => client.map_err(|error| (true, error))?,
            () = cancellation.cancelled() => return Err((false, Error::new(ErrorKind::Interrupted, "interrupted"))),
        };
        self.do_with(&client, cancellation).await.map_err(|error| (false, error))
    }

    async fn do_with(&self, client: &Client, cancellation: &CancellationToken) -> Result<Answer> {
        let (cluster, preview) = (self.target.cluster()?, self.dry_run.preview());
        match &self.work {
            Work::Bind(request) => client.run_until(request, cancellation).await.map(Answer::Report),
            Work::Get { namespace, name, role_name } => {
                client.get(cluster, namespace, name, role_name.as_ref()).await.map(Answer::Binding)
            }
            Work::GetRole(binding) => client.view(binding).await.map(Answer::Binding),
            Work::List { namespace } => client.list(cluster, namespace.as_ref()).await.map(Answer::Bindings),
            Work::ListRoles { namespace } => client.list_roles(cluster, namespace.as_ref()).await.map(Answer::Bindings),
            Work::Export { namespace } => client.export(cluster, namespace.as_ref()).await.map(Answer::Export),
            Work::CreateProvider { audiences } => {
                client.create_provider(cluster, audiences, preview.into()).await.map(Answer::Report)
            }
            Work::ShowProvider => client.provider(cluster).await.map(Answer::Provider),
            Work::DeleteProvider { force } => {
                client.delete_provider(cluster, (*force).into(), preview.into()).await.map(Answer::Report)
            }
            Work::Trust(_) | Work::Gen3(_) => {
                Err(Error::new(ErrorKind::Unexpected, "this work makes its client itself"))
            }
        }
    }

    /// The clusters whose API servers are needed.
    fn servers(&self) -> Vec<ClusterRef> {
        match &self.work {
            Work::Bind(request) if request.binding.role_only => Vec::new(),
            Work::Bind(request) => request.clusters(),
            Work::Get { .. } | Work::List { .. } | Work::Export { .. } => self.target.cluster.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it may leave something half done.
    fn writes(&self) -> bool {
        let looks = match &self.work {
            Work::Get { .. } | Work::GetRole(_) | Work::List { .. } | Work::ListRoles { .. } | Work::Export { .. } => {
                true
            }
            Work::ShowProvider | Work::Trust(_) => true,
            Work::Gen3(wish) => wish.looks(),
            _ => false,
        };
        !looks && !self.dry_run.preview()
    }

    /// What the spinner says.
    fn title(&self) -> String {
        let cluster = self.target.cluster.as_ref().map_or_else(|| "the account".to_owned(), ToString::to_string);
        match &self.work {
            Work::Bind(request) => format!("{} on {cluster}", request.binding),
            Work::Get { namespace, name, .. } => format!("{namespace}/{name} on {cluster}"),
            Work::GetRole(binding) => format!("{binding} on {cluster}"),
            Work::List { .. } | Work::ListRoles { .. } | Work::Export { .. } => format!("bindings of {cluster}"),
            Work::CreateProvider { .. } | Work::ShowProvider | Work::DeleteProvider { .. } => {
                format!("OIDC provider of {cluster}")
            }
            Work::Trust(_) => format!("trust policies of {cluster}"),
            Work::Gen3(wish) => wish.binding().to_string(),
        }
    }
}

/// Does the work of a command, and logs meanwhile.
pub(crate) fn run_to_end<T>(global: &Global, process: &Process, work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(ErrorKind::Unexpected, "cannot start").with_source(error))?;
    let _log = logging::start(global.verbose, process.takes_colour(process.stderr_is_terminal));
    let ended = runtime.block_on(work);
    // A credential plug-in that still waits for its user must not keep the process alive.
    runtime.shutdown_background();
    Ok(ended)
}

fn provider(command: &ProviderCommand) -> Result<(Work, DryRun)> {
    Ok(match command {
        ProviderCommand::Create { audiences, dry_run } => {
            let audiences = audiences.iter().map(Audience::new).collect::<std::result::Result<_, _>>()?;
            (Work::CreateProvider { audiences }, *dry_run)
        }
        ProviderCommand::Show => (Work::ShowProvider, DryRun::default()),
        ProviderCommand::Delete { force, dry_run } => (Work::DeleteProvider { force: *force }, *dry_run),
    })
}
