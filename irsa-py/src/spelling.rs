//! How hints of the library spell settings and operations in Python: as keyword arguments and methods.

use irsa_core::hint::{Call, Dialect, Operation, Setting};

/// Keyword arguments and methods of a client.
pub(crate) struct Keywords;

impl Dialect for Keywords {
    fn setting(&self, setting: Setting, value: Option<&str>) -> Option<String> {
        let keyword = keyword(setting)?;
        let is_switch = matches!(
            setting,
            Setting::Adopt
                | Setting::Force
                | Setting::RoleOnly
                | Setting::CreateNamespace
                | Setting::CreateProvider
                | Setting::KeepRole
                | Setting::Prune
        );
        Some(match value {
            Some(value) => format!("{keyword}={value:?}"),
            None if is_switch => format!("{keyword}=True"),
            None => keyword.to_owned(),
        })
    }

    fn call(&self, call: &Call<'_>) -> Option<String> {
        let method = match call.operation {
            Operation::Create => "apply",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::List => "list",
            Operation::ListRoles => return Some("`list(role_only=True)`".to_owned()),
            Operation::ListClusters => return Some("`list_clusters` of EKS".to_owned()),
            Operation::CreateProvider => "create_provider",
            Operation::Permissions => "irsa.permissions",
            _ => return None,
        };
        let Some(binding) = call.binding else { return Some(format!("`{method}`")) };
        // The cluster is that of the client.
        let settings = call.settings.iter().filter(|(setting, _)| *setting != Setting::Cluster);
        let settings = settings.map(|(setting, value)| match setting {
            Setting::AddSubjects | Setting::RemoveSubjects => Some(format!("{}=[{value:?}]", keyword(*setting)?)),
            _ => self.setting(*setting, Some(value)),
        });
        let place = binding.split('/').map(|part| Some(format!("{part:?}")));
        let arguments: Option<Vec<String>> = place.chain(settings).collect();
        Some(format!("`{method}({})`", arguments?.join(", ")))
    }
}

fn keyword(setting: Setting) -> Option<&'static str> {
    Some(match setting {
        Setting::Adopt => "adopt",
        Setting::Force => "force",
        Setting::RoleName => "role_name",
        Setting::RolePath => "role_path",
        Setting::RoleOnly => "role_only",
        Setting::PermissionsBoundary => "permissions_boundary",
        Setting::Tags => "tags",
        Setting::Policies => "policies",
        Setting::InlinePolicies => "inline",
        Setting::AddSubjects => "add_subjects",
        Setting::RemoveSubjects => "remove_subjects",
        Setting::TrustStatements => "trust_statements",
        Setting::CreateNamespace => "create_namespace",
        Setting::CreateProvider => "create_provider",
        Setting::KeepRole => "keep_role",
        Setting::Kubeconfig => "kubeconfig",
        Setting::Context => "context",
        Setting::Cluster | Setting::BindingCluster => "cluster",
        Setting::Issuer => "issuer",
        Setting::Account => "account",
        Setting::Region => "region",
        Setting::Profile => "profile",
        Setting::EndpointUrl => "endpoint_url",
        Setting::Sandbox => "`irsa.Client.sandbox()`",
        Setting::Timeout => "timeout",
        Setting::Set => "applyset",
        Setting::Prune => "prune",
        _ => return None,
    })
}
