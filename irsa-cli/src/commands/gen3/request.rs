//! From the options to a request, with every check that needs no call.

use irsa_core::connect::{Config, Need, Target};
use irsa_core::name::{ClusterName, ClusterRef, Namespace};
use irsa_core::{Convention, Error, ErrorKind, IrsaBinding, IrsaBindingBuilder, Request, Result};

use super::policy;
use super::resolve::{VPC_NAME, namespace_of};
use crate::args::{Gen3Args, SettingArgs};
use crate::connect::target;
use crate::process::Process;
use crate::requests::{switched, with_settings};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Add,
    Remove,
    List,
    Delete,
}

/// What is asked of the core.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Bind(Box<Request>),
    View(Box<IrsaBinding>),
}

impl Asked {
    pub(super) fn binding_mut(&mut self) -> &mut IrsaBinding {
        match self {
            Self::Bind(request) => &mut request.binding,
            Self::View(binding) => binding,
        }
    }
}

/// What is wished for, before it is known for sure where.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    kind: Kind,
    asked: Asked,
    /// Where the config map with the name of the environment is, while nothing else tells it.
    pub(super) unread: Option<Namespace>,
}

impl Wish {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it only looks.
    pub(crate) fn looks(&self) -> bool {
        self.kind == Kind::List
    }

    pub(crate) fn binding(&self) -> &IrsaBinding {
        match &self.asked {
            Asked::Bind(request) => &request.binding,
            Asked::View(binding) => binding,
        }
    }

    /// What is asked for, on this cluster, by the names of this environment.
    pub(super) fn asked(&self, cluster: &ClusterRef, environment: Option<ClusterName>) -> Asked {
        let mut asked = self.asked.clone();
        let binding = asked.binding_mut();
        binding.cluster = cluster.clone();
        if let Some(environment) = environment {
            binding.convention = Convention::Gen3 { environment };
        }
        asked
    }
}

/// Reads the options. The target has a cluster unless only the config map can tell it.
///
/// # Errors
/// `InvalidInput` for everything that can be refused without a call.
pub(crate) fn wish(process: &Process, config: Config, args: &Gen3Args) -> Result<(Target, Wish)> {
    let (kind, name) = kind(args)?;
    let mut target = target(config, process, Need::ClusterFromElsewhere)?;
    let vpc_name = match process.environment.variable(VPC_NAME) {
        Some(name) => Some(
            ClusterName::new(name)
                .map_err(|invalid| Error::from(invalid).during(format!("variable {VPC_NAME} names no environment")))?,
        ),
        None => None,
    };
    if let (None, Some(name)) = (&target.cluster, &vpc_name) {
        target.cluster = Some(ClusterRef::Name(name.clone()));
    }
    let current = namespace_of(&process.environment, &target)?;
    // The script took an empty one for none.
    let namespace = args.namespace.clone().filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| current.clone());
    // What is not known yet is filled in later; a cluster's name stands for it, as it does where both are the same.
    let unknown = ClusterRef::Name(ClusterName::new("unknown")?);
    let cluster = target.cluster.as_ref().unwrap_or(&unknown);
    let named = vpc_name.clone().or_else(|| cluster.name().cloned()).map_or_else(|| ClusterName::new("unknown"), Ok)?;
    let builder = IrsaBinding::builder(cluster.to_string(), namespace, name)
        .with_convention(Convention::Gen3 { environment: named });
    let asked = asked(process, args, kind, builder)?;
    let needs_name = target.cluster.is_none() || args.settings.role_name.is_none();
    let unread = (vpc_name.is_none() && needs_name).then(|| Namespace::new(current)).transpose()?;
    Ok((target, Wish { kind, asked, unread }))
}

/// What is to be done, and for which service account.
fn kind(args: &Gen3Args) -> Result<(Kind, &str)> {
    let (policy, action) = (args.policy.as_deref(), args.action.as_deref());
    let refused = |what: &str| Err(Error::new(ErrorKind::InvalidInput, what.to_owned()));
    match (&args.create, &args.update, &args.list, &args.delete) {
        (Some(name), ..) => match (policy, action) {
            (Some(_), None) => Ok((Kind::Create, name)),
            (_, Some(_)) => refused("-c takes no -a: it adds the policy"),
            (None, None) => refused("-c needs a policy: -p POLICY"),
        },
        (_, Some(name), ..) => match (policy, action) {
            // The usage line of the script had `u for update`.
            (Some(_), Some("a" | "u")) => Ok((Kind::Add, name)),
            (Some(_), Some("d")) => Ok((Kind::Remove, name)),
            (Some(_), Some(other)) => Err(Error::invalid("action", other, "must be a or u to add, or d to take away")),
            (None, _) => refused("-u needs a policy: -p POLICY"),
            (_, None) => refused("-u needs an action: -a a to add the policy, -a d to take it away"),
        },
        (.., Some(name), None) if policy.is_none() && action.is_none() => Ok((Kind::List, name)),
        (.., Some(name)) if policy.is_none() && action.is_none() => Ok((Kind::Delete, name)),
        (None, None, None, None) => refused("no service account is named: -c, -u or -l NAME, or --delete NAME"),
        _ => refused("-l and --delete take no -p and no -a"),
    }
}

fn asked(process: &Process, args: &Gen3Args, kind: Kind, builder: IrsaBindingBuilder) -> Result<Asked> {
    let settings = &args.settings;
    let with = |policies: &[String]| -> Result<IrsaBinding> {
        with_settings(process, builder.clone(), policies, &args.subjects, settings)?.build()
    };
    let policy = args.policy.as_deref().unwrap_or_default();
    if args.keep_role && kind != Kind::Delete {
        return Err(Error::new(ErrorKind::InvalidInput, "--keep-role goes with --delete only"));
    }
    let request = match kind {
        Kind::Create => Request::create(with(&[policy::spelt(&process.environment, policy)?])?),
        Kind::Add => Request::update(with(&[policy::spelt(&process.environment, policy)?])?),
        Kind::Remove => policy::removed(&process.environment, Request::update(with(&[])?), policy)?,
        Kind::List => {
            let allowed = SettingArgs { role_name: settings.role_name.clone(), ..SettingArgs::default() };
            check_settings(args, &allowed, "-l takes -n and --role-name")?;
            return Ok(Asked::View(Box::new(with(&[])?)));
        }
        Kind::Delete => {
            let (role_name, role_only, force) = (settings.role_name.clone(), settings.role_only, settings.force);
            let allowed = SettingArgs { role_name, role_only, force, ..SettingArgs::default() };
            check_settings(args, &allowed, "--delete takes -n, --role-name, --role-only, --keep-role and --force")?;
            if force && args.keep_role {
                return Err(crate::requests::contradiction("--keep-role", "--force"));
            }
            Request::delete(with(&[])?).with_keep_role(args.keep_role)
        }
    };
    Ok(Asked::Bind(Box::new(switched(request, settings, args.dry_run))))
}

/// Settings of a binding are for who makes or changes one.
fn check_settings(args: &Gen3Args, allowed: &SettingArgs, rule: &str) -> Result<()> {
    if args.settings == *allowed && args.subjects.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, format!("{rule}, and no other settings of a binding")))
}
