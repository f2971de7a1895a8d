//! Renders hints of the library with the options and commands of this program.

use clap::CommandFactory;
use irsa_core::hint::{Call, Dialect, Operation, Setting};

use crate::args::{Cli, Command, Global};

/// Options and manifest keys of one command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spelling {
    /// The names of the command and its subcommands, such as `trust check`.
    command: Vec<String>,
    sandbox: bool,
    reads_manifests: bool,
}

impl Spelling {
    /// Spelling for a parsed command.
    pub(crate) fn of(command: &Command, names: &[String], global: &Global) -> Self {
        Self {
            command: names.to_vec(),
            sandbox: global.sandbox.is_some(),
            reads_manifests: matches!(command, Command::Plan(_) | Command::Apply(_)),
        }
    }

    fn has_option(&self, long: &str) -> bool {
        let has = |command: &clap::Command| command.get_arguments().any(|arg| arg.get_long() == Some(long));
        let root = Cli::command();
        let mut current = Some(&root);
        has(&root)
            || self.command.iter().any(|name| {
                current = current.and_then(|command| command.find_subcommand(name));
                current.is_some_and(has)
            })
    }
}

impl Dialect for Spelling {
    fn setting(&self, setting: Setting, value: Option<&str>) -> Option<String> {
        let (long, placeholder, key) = forms(setting)?;
        if !long.is_empty() && self.has_option(long) {
            return Some(match value.or(placeholder) {
                Some(value) => format!("--{long} {value}"),
                None => format!("--{long}"),
            });
        }
        let key = key.filter(|_| self.reads_manifests)?;
        Some(match value {
            Some(value) => format!("{key}: {value}"),
            None => key.to_owned(),
        })
    }

    fn call(&self, call: &Call<'_>) -> Option<String> {
        let command = match call.operation {
            Operation::Create => "irsa create",
            Operation::Update => "irsa update",
            Operation::Delete => "irsa delete",
            Operation::List => "irsa list",
            Operation::ListRoles => "irsa list --role-only",
            Operation::ListClusters if self.sandbox => return Some("`clusters` in the sandbox's file".to_owned()),
            Operation::ListClusters => "aws eks list-clusters",
            Operation::CreateProvider => "irsa provider create",
            Operation::Permissions => "irsa permissions",
            _ => return None,
        };
        let mut line = command.to_owned();
        if let Some(binding) = call.binding {
            line.push_str(&format!(" {binding}"));
        }
        for (setting, value) in call.settings {
            let (long, ..) = forms(*setting)?;
            line.push_str(&format!(" --{long} {value}"));
        }
        Some(format!("`{line}`"))
    }
}

/// Option (empty if there is none), placeholder for its value in hints, and manifest key of a setting.
fn forms(setting: Setting) -> Option<(&'static str, Option<&'static str>, Option<&'static str>)> {
    Some(match setting {
        Setting::Adopt => ("adopt", None, None),
        Setting::Force => ("force", None, None),
        Setting::RoleName => ("role-name", None, Some("spec.roleName")),
        Setting::RolePath => ("role-path", None, Some("spec.rolePath")),
        Setting::RoleOnly => ("role-only", None, Some("spec.roleOnly")),
        Setting::PermissionsBoundary => ("permissions-boundary", None, Some("spec.permissionsBoundary")),
        Setting::Tags => ("tag", None, Some("spec.tags")),
        Setting::Policies => ("policy", None, Some("spec.policies")),
        Setting::InlinePolicies => ("inline-policy", Some("NAME=FILE"), Some("spec.inlinePolicies")),
        Setting::AddSubjects => ("add-subject", None, None),
        Setting::RemoveSubjects => ("remove-subject", None, None),
        Setting::TrustStatements => ("trust-statement", None, Some("spec.trustStatements")),
        Setting::CreateNamespace => ("create-namespace", None, None),
        Setting::CreateProvider => ("create-provider", None, None),
        Setting::KeepRole => ("keep-role", None, None),
        Setting::Kubeconfig => ("kubeconfig", None, None),
        Setting::Context => ("context", None, None),
        Setting::Cluster => ("cluster", None, None),
        Setting::BindingCluster => ("", None, Some("spec.cluster")),
        Setting::Issuer => ("issuer", None, None),
        Setting::Account => ("account", None, None),
        Setting::Region => ("region", None, None),
        Setting::Profile => ("profile", None, None),
        Setting::EndpointUrl => ("endpoint-url", None, None),
        Setting::Sandbox => ("sandbox", None, None),
        Setting::Timeout => ("timeout", None, None),
        Setting::Set => ("applyset", None, None),
        Setting::Prune => ("prune", None, None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;
    use irsa_core::Hint;

    use super::*;

    fn of(line: &str) -> Spelling {
        let matches = Cli::command().try_get_matches_from(line.split_whitespace()).unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        Spelling::of(&cli.command, &crate::parse::names(&matches), &cli.global)
    }

    #[test]
    fn options_that_the_command_has_are_named_and_no_others() {
        let adopt = |line| Hint::AdoptRole.render(&of(line));
        assert_eq!(
            adopt("irsa create a"),
            "adopt it with --adopt (adds what is missing, removes nothing), or choose another name with --role-name"
        );
        assert_eq!(
            adopt("irsa apply -f x"),
            "adopt it with --adopt (adds what is missing, removes nothing), or choose another name with spec.roleName"
        );
        assert_eq!(adopt("irsa delete a"), "choose another name with --role-name");
        assert_eq!(Hint::NameRole.render(&of("irsa list")), "");
        assert_eq!(Hint::CreateNamespace { near: None }.render(&of("irsa get a")), "create the namespace first");
    }

    #[test]
    fn every_option_of_the_table_exists() {
        let all = ["irsa create a", "irsa update a", "irsa delete a", "irsa apply -f x"];
        let settings = [
            Setting::Adopt,
            Setting::Force,
            Setting::RoleName,
            Setting::RolePath,
            Setting::RoleOnly,
            Setting::PermissionsBoundary,
            Setting::Tags,
            Setting::Policies,
            Setting::InlinePolicies,
            Setting::AddSubjects,
            Setting::RemoveSubjects,
            Setting::TrustStatements,
            Setting::CreateNamespace,
            Setting::CreateProvider,
            Setting::KeepRole,
            Setting::Kubeconfig,
            Setting::Context,
            Setting::Cluster,
            Setting::BindingCluster,
            Setting::Issuer,
            Setting::Account,
            Setting::Region,
            Setting::Profile,
            Setting::EndpointUrl,
            Setting::Sandbox,
            Setting::Timeout,
            Setting::Set,
            Setting::Prune,
        ];
        for setting in settings {
            assert!(all.iter().any(|line| of(line).setting(setting, None).is_some()), "{setting:?}");
        }
    }

    #[test]
    fn calls_can_be_typed_as_they_stand() {
        let hint = Hint::RemoveUndeclaredSubject {
            staying: Some("a/b".to_owned()),
            role_name: "r".to_owned(),
            cluster: Some("demo".to_owned()),
            subject: "c/d".to_owned(),
        };
        assert_eq!(
            hint.render(&of("irsa apply -f x")),
            "take it off the role with `irsa update a/b --role-name r --cluster demo --remove-subject c/d`"
        );
        assert!(Hint::CheckCluster.render(&of("irsa get a")).ends_with("`aws eks list-clusters`"));
        assert!(Hint::CheckCluster.render(&of("irsa get a --sandbox")).ends_with("`clusters` in the sandbox's file"));
    }
}
