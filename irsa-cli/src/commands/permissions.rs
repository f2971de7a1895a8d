//! `irsa permissions`: the permissions that irsa itself needs. Makes no calls.

use irsa_core::connect::named_cluster;
use irsa_core::name::Namespace;
use irsa_core::{Command, Holder, Result, Scope, permissions};

use super::Context;
use super::gen3::VPC_NAME;
use crate::answer::{Answer, Outcome};
use crate::args::PermissionsArgs;
use crate::requests;

pub(super) fn run(args: &PermissionsArgs, context: &Context<'_>) -> Result<Outcome> {
    let needed = permissions(&commands(args)?, &scope(args, context)?);
    Ok(Outcome::answer(Answer::Permissions(Box::new(needed))))
}

fn commands(args: &PermissionsArgs) -> Result<Vec<Command>> {
    match args.command.join(" ") {
        // The drop-in needs more, which only its users should grant.
        all if all.is_empty() => {
            Ok(Command::ALL.into_iter().filter(|command| *command != Command::IamServiceaccount).collect())
        }
        one => Ok(vec![one.parse()?]),
    }
}

fn scope(args: &PermissionsArgs, context: &Context<'_>) -> Result<Scope> {
    let (global, environment) = (context.global, &context.process.environment);
    let gen3 = args.command.first().is_some_and(|command| *command == Command::IamServiceaccount.as_str());
    let vpc_name = if gen3 { environment.variable(VPC_NAME) } else { None };
    let cluster = global.cluster.as_deref().or_else(|| environment.variable("IRSA_CLUSTER")).or(vpc_name);
    let mut scope = match cluster {
        Some(cluster) => Scope::of_cluster(&named_cluster(cluster)?),
        None => Scope::default(),
    };
    scope.environment = vpc_name.map(str::parse).transpose()?;
    // Without calls, each of them is useful alone.
    if let Some(issuer) = &global.issuer {
        scope.issuer = Some(issuer.parse()?);
    }
    if let Some(account) = &global.account {
        scope.account = Some(account.parse()?);
    }
    if let Some(region) = &global.region {
        scope.region = Some(region.parse()?);
    }
    scope.role_name = requests::role_name(args.role_name.as_deref())?;
    scope.role_path = args.role_path.as_deref().map(str::parse).transpose()?;
    scope.permissions_boundary = args.permissions_boundary.as_deref().map(str::parse).transpose()?;
    scope.namespace = args.namespace.as_deref().map(Namespace::new).transpose()?;
    scope.holder = match (&args.user, &args.group) {
        (Some(user), _) => Holder::User(user.clone()),
        (None, Some(group)) => Holder::Group(group.clone()),
        (None, None) => Holder::default(),
    };
    (scope.create_namespace, scope.create_provider) = (args.create_namespace, args.create_provider);
    (scope.role_only, scope.dry_run) = (args.role_only, args.dry_run);
    Ok(scope)
}
