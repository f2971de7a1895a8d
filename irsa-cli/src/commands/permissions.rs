//! `irsa permissions`: the rights that irsa itself needs. Calls nothing.

use irsa_core::connect::{Environment, named_cluster};
use irsa_core::name::Namespace;
use irsa_core::{Command, Holder, Permissions, Result, Scope, permissions};
use serde_json::json;

use crate::args::{Global, OutputFormat, PermissionsArgs};
use crate::commands::gen3;
use crate::exit::Exit;
use crate::output;
use crate::printer::Printer;
use crate::requests;

/// Prints the rights of one command, or of all.
pub(crate) fn run(
    args: &PermissionsArgs,
    global: &Global,
    environment: &Environment,
    printer: &mut Printer<'_>,
) -> Exit {
    let needed = commands(args).and_then(|commands| Ok(permissions(&commands, &scope(args, global, environment)?)));
    match needed {
        Err(error) => return output::refused(&error, global, printer),
        Ok(needed) if global.output == OutputFormat::Json => {
            printer.json(&json!({"iam": needed.iam, "rbac": needed.rbac}));
        }
        Ok(needed) => printer.data(&text(&needed)),
    }
    Exit::Done
}

fn commands(args: &PermissionsArgs) -> Result<Vec<Command>> {
    match args.command.join(" ") {
        // Who does not use the drop-in should not grant its wider rights.
        all if all.is_empty() => {
            Ok(Command::ALL.into_iter().filter(|command| *command != Command::IamServiceaccount).collect())
        }
        one => Ok(vec![one.parse()?]),
    }
}

fn scope(args: &PermissionsArgs, global: &Global, environment: &Environment) -> Result<Scope> {
    let gen3 = args.command.first().is_some_and(|command| *command == Command::IamServiceaccount.as_str());
    let vpc_name = if gen3 { environment.variable(gen3::VPC_NAME) } else { None };
    let cluster = global.cluster.as_deref().or_else(|| environment.variable("IRSA_CLUSTER")).or(vpc_name);
    let mut scope = match cluster {
        Some(cluster) => Scope::of_cluster(&named_cluster(cluster)?),
        None => Scope::default(),
    };
    scope.environment = vpc_name.map(str::parse).transpose()?;
    // Here each of them says something alone: nothing is asked.
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

/// The IAM policy as JSON, then the Kubernetes objects as YAML.
fn text(needed: &Permissions) -> String {
    let mut text = format!("{:#}\n", needed.iam);
    for object in &needed.rbac {
        // JSON is YAML too.
        let yaml = serde_saphyr::to_string(object).unwrap_or_else(|_| format!("{object:#}"));
        text.push_str(&format!("---\n{}\n", yaml.trim_end()));
    }
    text
}
