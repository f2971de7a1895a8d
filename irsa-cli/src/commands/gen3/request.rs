//! From the options of the script to a request, with every check that needs no call.

use irsa_core::connect::{Config, Need, Target};
use irsa_core::name::{ClusterName, ClusterRef, Namespace};
use irsa_core::{Convention, Error, ErrorKind, IrsaBinding, IrsaBindingBuilder, Request, Result};

use super::environment::{self, VPC_NAME};
use super::policy;
use crate::args::{Gen3Args, SettingArgs};
use crate::connect::target;
use crate::process::Process;
use crate::requests::{conflicting_options, with_settings, with_switches};

/// What the script is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Create,
    AddPolicy,
    RemovePolicy,
    List,
    Delete,
}

/// Request to the library.
#[derive(Clone, Debug)]
pub(super) enum ResolvedRequest {
    Bind(Box<Request>),
    Get(Box<IrsaBinding>),
}

impl ResolvedRequest {
    fn binding_mut(&mut self) -> &mut IrsaBinding {
        match self {
            Self::Bind(request) => &mut request.binding,
            Self::Get(binding) => binding,
        }
    }
}

/// Request whose environment and cluster may still be unknown.
#[derive(Clone, Debug)]
pub(super) struct Gen3Request {
    request: ResolvedRequest,
    /// Namespace of the config map with the name of the environment, if no variable or option names it.
    pub(super) config_map_namespace: Option<Namespace>,
}

impl Gen3Request {
    /// Reads the options. The target has a cluster unless only the config map can tell it.
    ///
    /// # Errors
    /// `InvalidInput` for everything that can be refused without a call.
    pub(super) fn new(process: &Process, config: Config, args: &Gen3Args) -> Result<(Target, Self)> {
        let (action, name) = action(args)?;
        let mut target = target(config, process, Need::ClusterFromElsewhere)?;
        let vpc_name = match process.environment.variable(VPC_NAME) {
            Some(name) => Some(ClusterName::new(name).map_err(|invalid| {
                Error::from(invalid).during(format!("variable {VPC_NAME} is not the name of an environment"))
            })?),
            None => None,
        };
        if let (None, Some(name)) = (&target.cluster, &vpc_name) {
            target.cluster = Some(ClusterRef::Name(name.clone()));
        }
        let current = environment::namespace(&process.environment, &target)?;
        // The script ignored an empty one.
        let given = args.namespace.clone().filter(|namespace| !namespace.is_empty());
        let namespace = given.unwrap_or_else(|| current.clone());
        // Placeholders, until `resolve` fills in what is not known yet.
        let unknown = ClusterRef::Name(ClusterName::new("unknown")?);
        let cluster = target.cluster.as_ref().unwrap_or(&unknown);
        let environment =
            vpc_name.clone().or_else(|| cluster.name().cloned()).map_or_else(|| ClusterName::new("unknown"), Ok)?;
        let builder = IrsaBinding::builder(cluster.to_string(), namespace, name)
            .with_convention(Convention::Gen3 { environment });
        let request = request(process, args, action, builder)?;
        let needs_environment = target.cluster.is_none() || args.settings.role_name.is_none();
        let reads_config_map = vpc_name.is_none() && needs_environment;
        let config_map_namespace = reads_config_map.then(|| Namespace::new(current)).transpose()?;
        Ok((target, Self { request, config_map_namespace }))
    }

    pub(super) fn only_reads(&self) -> bool {
        matches!(self.request, ResolvedRequest::Get(_))
    }

    pub(super) fn binding(&self) -> &IrsaBinding {
        match &self.request {
            ResolvedRequest::Bind(request) => &request.binding,
            ResolvedRequest::Get(binding) => binding,
        }
    }

    /// The request for this cluster, with the names of this environment.
    pub(super) fn resolve(&self, cluster: &ClusterRef, environment: Option<ClusterName>) -> ResolvedRequest {
        let mut request = self.request.clone();
        let binding = request.binding_mut();
        binding.cluster = cluster.clone();
        if let Some(environment) = environment {
            binding.convention = Convention::Gen3 { environment };
        }
        request
    }
}

/// The action, and the name of its service account.
fn action(args: &Gen3Args) -> Result<(Action, &str)> {
    let (policy, action) = (args.policy.as_deref(), args.action.as_deref());
    let refused = |what: &str| Err(Error::new(ErrorKind::InvalidInput, what.to_owned()));
    match (&args.create, &args.update, &args.list, &args.delete) {
        (Some(name), ..) => match (policy, action) {
            (Some(_), None) => Ok((Action::Create, name)),
            (_, Some(_)) => refused("-a cannot be used with -c, which adds the policy"),
            (None, None) => refused("-c requires a policy: -p POLICY"),
        },
        (_, Some(name), ..) => match (policy, action) {
            // The usage line of the script had `u for update`.
            (Some(_), Some("a" | "u")) => Ok((Action::AddPolicy, name)),
            (Some(_), Some("d")) => Ok((Action::RemovePolicy, name)),
            (Some(_), Some(other)) => Err(Error::invalid("action", other, "must be a or u to add, or d to remove")),
            (None, _) => refused("-u requires a policy: -p POLICY"),
            (_, None) => refused("-u requires an action: -a a to add the policy, -a d to remove it"),
        },
        (.., Some(name), None) if policy.is_none() && action.is_none() => Ok((Action::List, name)),
        (.., Some(name)) if policy.is_none() && action.is_none() => Ok((Action::Delete, name)),
        (None, None, None, None) => refused("no service account given: use -c, -u or -l NAME, or --delete NAME"),
        _ => refused("-p and -a cannot be used with -l and --delete"),
    }
}

fn request(process: &Process, args: &Gen3Args, action: Action, builder: IrsaBindingBuilder) -> Result<ResolvedRequest> {
    let settings = &args.settings;
    let with = |policies: &[String]| -> Result<IrsaBinding> {
        with_settings(process, builder.clone(), policies, &args.subjects, settings)?.build()
    };
    let policy = args.policy.as_deref().unwrap_or_default();
    if args.keep_role && action != Action::Delete {
        return Err(Error::new(ErrorKind::InvalidInput, "--keep-role requires --delete"));
    }
    let request = match action {
        Action::Create => Request::create(with(&[policy::as_create_takes_it(&process.environment, policy)?])?),
        Action::AddPolicy => Request::update(with(&[policy::as_create_takes_it(&process.environment, policy)?])?),
        Action::RemovePolicy => policy::remove(&process.environment, Request::update(with(&[])?), policy)?,
        Action::List => {
            let allowed = SettingArgs { role_name: settings.role_name.clone(), ..SettingArgs::default() };
            check_settings(args, &allowed, "-l accepts -n and --role-name")?;
            return Ok(ResolvedRequest::Get(Box::new(with(&[])?)));
        }
        Action::Delete => {
            let (role_name, role_only, force) = (settings.role_name.clone(), settings.role_only, settings.force);
            let allowed = SettingArgs { role_name, role_only, force, ..SettingArgs::default() };
            check_settings(args, &allowed, "--delete accepts -n, --role-name, --role-only, --keep-role and --force")?;
            if force && args.keep_role {
                return Err(conflicting_options("--keep-role", "--force"));
            }
            Request::delete(with(&[])?).with_keep_role(args.keep_role)
        }
    };
    Ok(ResolvedRequest::Bind(Box::new(with_switches(request, settings, args.dry_run))))
}

/// Refuses the settings that only create and update have.
fn check_settings(args: &Gen3Args, allowed: &SettingArgs, rule: &str) -> Result<()> {
    if args.settings == *allowed && args.subjects.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, format!("{rule}, but no other settings")))
}
