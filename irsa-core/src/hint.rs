//! What a caller can do about an error or a warning, in terms that each front end spells its own way.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a caller can do about an error or a warning.
///
/// A hint is one or more remedies, best first. [`Display`](fmt::Display) names settings by their neutral names, as
/// `role_name`; a front end that has other names for them renders the hint with its own [`Dialect`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// A remedy that reads the same in every front end.
    Text(Cow<'static, str>),
    /// Replace a placeholder that was left in the input.
    FillIn {
        /// The placeholder as it is written, such as `${CLUSTER_NAME}`.
        placeholder: String,
    },
    /// Take the role under management, or use another one.
    AdoptRole,
    /// Take the role under management, or change its trust policy by other means.
    AdoptRoleOrTrust,
    /// Name the role: two are possible.
    NameRole,
    /// Leave the role name out, so that the annotation and the default name decide.
    OmitRoleName,
    /// Name the role: only default names were looked at.
    NameUnlistedRole,
    /// Look at the bindings that exist.
    ListBindings,
    /// Look at the bindings that exist, or create this one.
    ListOrCreateBinding,
    /// Create the binding.
    CreateBinding,
    /// Delete the bindings by their names.
    DeleteBindings,
    /// Correct the role annotation of the service account by hand; unless a role is named, naming it is another remedy.
    CorrectAnnotation {
        /// Whether the request already names a role, so that naming one cannot help.
        role_named: bool,
    },
    /// Replace the annotation that names another role, or use that role.
    ReplaceAnnotation {
        /// The name of the other role, where it is one that a binding of this account may name.
        role_name: Option<String>,
        /// The field manager that set the annotation, where it is not irsa: it may set it again.
        manager: Option<String>,
    },
    /// The forms in which a policy can be named.
    PolicyForms,
    /// Give the inline policy another name, or replace the one that exists.
    RenameInlinePolicy,
    /// Take a role that is left alone so far under management.
    ManageRole,
    /// Correct the name of the namespace, or create it.
    CreateNamespace {
        /// "did you mean a or b?", where existing names are near.
        near: Option<String>,
    },
    /// Create the OIDC provider.
    CreateProvider,
    /// Look at the rights that irsa needs.
    GrantPermissions,
    /// Grant an action that AWS refused to the caller.
    GrantAction {
        /// The action, such as `iam:CreateRole`.
        action: String,
        /// The policy that stands in its way, where it is not simply that no policy of the caller allows it.
        obstacle: Option<Obstacle>,
    },
    /// Name the context, or grant the discovery of the issuer.
    NameContextOrGrantDiscovery,
    /// Choose the context of the cluster, or the cluster of the context.
    ChooseContextOrCluster,
    /// Name a context.
    NameContext,
    /// Name the cluster.
    NameCluster,
    /// Name the cluster, or use the sandbox.
    NameClusterOrTrySandbox {
        /// Whether an issuer will do as well.
        or_issuer: bool,
    },
    /// Give an issuer as such, and not as a cluster.
    GiveIssuer,
    /// Name a kubeconfig that exists, or use the default one.
    NameKubeconfig,
    /// Name a kubeconfig or a context that leads to the cluster, or do without the cluster.
    NameKubeconfigOrContext,
    /// Name the cluster, in the binding or for all bindings.
    NameClusterOfBinding,
    /// Name the role or the cluster.
    NameRoleOrCluster,
    /// Give the calls more time.
    ExtendTimeout,
    /// Take over fields that other field managers own.
    TakeOverFields {
        /// The field manager and the field, where it is one.
        owned: Option<(String, String)>,
    },
    /// Share the role by adding this subject to the binding that owns it, or use another role.
    ShareRole,
    /// Apply with the set that the role belongs to, or move the role.
    MatchSet {
        /// The set that the role belongs to.
        set: String,
    },
    /// Keep the path of the role: IAM cannot change it.
    KeepRolePath,
    /// Remove the role from its instance profiles, or keep the role.
    KeepRole,
    /// Delete a role that irsa did not create.
    ForceDelete,
    /// Name namespaces one by one, or trust them all by a statement.
    NameNamespaces,
    /// Remove the pattern that covers the subject as well.
    RemovePattern,
    /// Delete the bindings that use the provider, or delete it all the same.
    ForceProviderDelete,
    /// Grant the right to read, or do without the check.
    GrantReadOrForce,
    /// Grant rights, or do without pruning.
    GrantOrOmitPrune {
        /// The rights that are missing.
        rights: String,
    },
    /// Check how the cluster is named, or look at the clusters that exist.
    CheckCluster,
    /// Take a subject that is no longer declared off its role.
    RemoveUndeclaredSubject {
        /// `NAMESPACE/NAME` of a binding that stays on the role; the subject is removed from it.
        staying: Option<String>,
        /// The role.
        role_name: String,
        /// The cluster of the binding, where there are several.
        cluster: Option<String>,
        /// `[CLUSTER:]NAMESPACE/NAME` of the subject.
        subject: String,
    },
    /// Do one change now and the others with an update.
    UpdateAfterwards,
    /// Let the owner of a shared role decide what it holds exactly.
    ExactByOwner,
}

/// A policy that keeps a caller from an action.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obstacle {
    /// Its type in the words of AWS: `service control policy`, `permissions boundary`, `session policy`, ...
    pub policy: String,
    /// Whether it denies the action, and not only fails to allow it.
    pub is_explicit: bool,
}

impl Obstacle {
    /// Who can change it, and how.
    fn removal(&self, action: &str) -> String {
        let Self { policy, is_explicit } = self;
        let verb = if *is_explicit { "denies" } else { "does not allow" };
        match policy.as_str() {
            "service control policy" | "resource control policy" => {
                format!("ask the administrators of the organization for {action}, which a {policy} {verb}")
            }
            "identity-based policy" => format!("remove the statement of the caller's policies that {verb} {action}"),
            _ => format!("change the {policy} of the caller, which {verb} {action}"),
        }
    }
}

/// A setting of a binding, a request or a client, by its neutral name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// Adoption of a role that has no owner.
    Adopt,
    /// Force: what belongs to others is taken over.
    Force,
    /// The name of the role.
    RoleName,
    /// The path of the role.
    RolePath,
    /// Only the role, without a service account.
    RoleOnly,
    /// The permissions boundary of the role.
    PermissionsBoundary,
    /// The tags of the role.
    Tags,
    /// Managed policies and files.
    Policies,
    /// Inline policies by name.
    InlinePolicies,
    /// Subjects to add.
    AddSubjects,
    /// Subjects to remove.
    RemoveSubjects,
    /// Statements that go into the trust policy as they are.
    TrustStatements,
    /// Creation of the namespace.
    CreateNamespace,
    /// Creation of the OIDC provider.
    CreateProvider,
    /// Keeping the role on delete.
    KeepRole,
    /// The kubeconfig file.
    Kubeconfig,
    /// The kubeconfig context.
    Context,
    /// The cluster.
    Cluster,
    /// The cluster, as a field of one binding.
    BindingCluster,
    /// The issuer of the cluster's tokens.
    Issuer,
    /// The account of the roles.
    Account,
    /// The AWS region.
    Region,
    /// The AWS profile.
    Profile,
    /// The URL that all calls to AWS are sent to.
    EndpointUrl,
    /// The sandbox, in place of AWS and clusters.
    Sandbox,
    /// The deadline of one binding.
    Timeout,
    /// The set of bindings.
    Set,
    /// Pruning of the set.
    Prune,
}

/// A verb of the library, by its neutral name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Create or repair a binding.
    Create,
    /// Change a binding.
    Update,
    /// Delete a binding.
    Delete,
    /// List bindings.
    List,
    /// List bindings by their roles alone.
    ListRoles,
    /// List the clusters that exist.
    ListClusters,
    /// Create the OIDC provider of a cluster.
    CreateProvider,
    /// Print the rights that irsa needs.
    Permissions,
}

/// A call of an operation, as far as a hint knows its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The operation.
    pub operation: Operation,
    /// `NAMESPACE/NAME` of the binding.
    pub binding: Option<&'a str>,
    /// Settings with their values.
    pub settings: &'a [(Setting, &'a str)],
}

/// How a front end spells settings and operations.
pub trait Dialect {
    /// The setting, such as `--role-name`; with a value where one is given. `None` where this front end lacks it: a
    /// remedy that needs it is left out.
    fn setting(&self, setting: Setting, value: Option<&str>) -> Option<String>;

    /// The call, such as `irsa create`; `None` where this front end lacks it.
    fn call(&self, call: &Call<'_>) -> Option<String>;
}

/// The neutral names, for callers of the library.
struct Neutral;

/// The dialect of [`Display`](fmt::Display).
#[cfg(feature = "connect")]
pub(crate) const NEUTRAL: &dyn Dialect = &Neutral;

impl Dialect for Neutral {
    fn setting(&self, setting: Setting, value: Option<&str>) -> Option<String> {
        let name = match setting {
            Setting::Adopt => "adopt",
            Setting::Force => "force",
            Setting::RoleName => "role_name",
            Setting::RolePath => "role_path",
            Setting::RoleOnly => "role_only",
            Setting::PermissionsBoundary => "permissions_boundary",
            Setting::Tags => "tags",
            Setting::Policies => "policies",
            Setting::InlinePolicies => "inline_policies",
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
            Setting::Sandbox => "sandbox",
            Setting::Timeout => "timeout",
            Setting::Set => "set",
            Setting::Prune => "prune",
        };
        Some(match value {
            Some(value) => format!("`{name}` {value:?}"),
            None => format!("`{name}`"),
        })
    }

    fn call(&self, call: &Call<'_>) -> Option<String> {
        let name = match call.operation {
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::List => "list",
            Operation::ListRoles => "list_roles",
            Operation::ListClusters => return Some("the identity back end".to_owned()),
            Operation::CreateProvider => "create_provider",
            Operation::Permissions => "permissions",
        };
        let mut text = format!("`{name}`");
        if let Some(binding) = call.binding {
            text.push_str(&format!(" of {binding}"));
        }
        let settings: Vec<String> =
            call.settings.iter().filter_map(|(setting, value)| self.setting(*setting, Some(value))).collect();
        if !settings.is_empty() {
            text.push_str(&format!(" with {}", settings.join(", ")));
        }
        Some(text)
    }
}

/// A piece of a remedy.
enum Part<'a> {
    Text(Cow<'a, str>),
    Setting(Setting, Option<&'a str>),
    Operation(Operation),
    Call { operation: Operation, binding: &'a str, settings: Vec<(Setting, &'a str)> },
}

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Part<'a> {
    Part::Text(text.into())
}

fn setting<'a>(setting: Setting) -> Part<'a> {
    Part::Setting(setting, None)
}

fn operation<'a>(operation: Operation) -> Part<'a> {
    Part::Operation(operation)
}

impl Hint {
    /// The hint in the words of a front end: the remedies that it has, joined by "or". Empty where it has none of them.
    pub fn render(&self, dialect: &dyn Dialect) -> String {
        let spelt = |part: &Part<'_>| match part {
            Part::Text(text) => Some(text.to_string()),
            Part::Setting(setting, value) => dialect.setting(*setting, *value),
            Part::Operation(operation) => dialect.call(&Call { operation: *operation, binding: None, settings: &[] }),
            Part::Call { operation, binding, settings } => {
                dialect.call(&Call { operation: *operation, binding: Some(binding), settings })
            }
        };
        let remedies = self.remedies();
        let mut possible = remedies
            .iter()
            .filter_map(|remedy| remedy.iter().map(spelt).collect::<Option<String>>())
            .collect::<Vec<_>>();
        let Some(last) = possible.pop() else { return String::new() };
        if possible.is_empty() { last } else { format!("{}, or {last}", possible.join(", ")) }
    }

    fn remedies(&self) -> Vec<Vec<Part<'_>>> {
        use {Operation as O, Setting as S};
        match self {
            Self::Text(remedy) => vec![vec![text(remedy.as_ref())]],
            Self::FillIn { placeholder } => {
                vec![vec![text(format!("replace the placeholder {placeholder} with its value"))]]
            }
            Self::AdoptRole => vec![
                vec![text("adopt it with "), setting(S::Adopt), text(" (adds what is missing, removes nothing)")],
                vec![text("choose another name with "), setting(S::RoleName)],
            ],
            Self::AdoptRoleOrTrust => vec![
                vec![text("adopt it with "), setting(S::Adopt), text(" (adds what is missing, removes nothing)")],
                vec![text("add the service account to its trust policy")],
            ],
            Self::NameRole => vec![vec![text("name the role that is meant with "), setting(S::RoleName)]],
            Self::OmitRoleName => vec![vec![
                text("leave "),
                setting(S::RoleName),
                text(" out: the annotation or the default name then identifies the role"),
            ]],
            Self::NameUnlistedRole => vec![
                vec![text("name the role with "), setting(S::RoleName)],
                vec![text("look at the existing ones with "), operation(O::ListRoles)],
            ],
            Self::ListBindings => vec![vec![operation(O::List), text(" shows the existing bindings")]],
            Self::ListOrCreateBinding => vec![
                vec![text("create it with "), operation(O::Create)],
                vec![text("look at the existing bindings with "), operation(O::List)],
            ],
            Self::CreateBinding => vec![vec![text("create it with "), operation(O::Create)]],
            Self::DeleteBindings => vec![vec![text("delete the bindings one by one with "), operation(O::Delete)]],
            Self::CorrectAnnotation { role_named } => {
                let by_hand = text("correct the annotation of the service account, or remove it");
                match role_named {
                    true => vec![vec![by_hand], vec![text("replace it with "), setting(S::Force)]],
                    false => vec![vec![by_hand], vec![text("name the role with "), setting(S::RoleName)]],
                }
            }
            Self::ReplaceAnnotation { role_name, manager } => {
                let mut remedies = vec![vec![text("replace the annotation with "), setting(S::Force)]];
                if let Some(manager) = manager {
                    remedies
                        .push(vec![text(format!("correct it where {manager} takes it from, which may set it again"))]);
                }
                if let Some(name) = role_name {
                    remedies.push(vec![text("use that role with "), Part::Setting(S::RoleName, Some(name))]);
                }
                remedies
            }
            Self::PolicyForms => vec![vec![
                text(
                    "give the name of an AWS-managed policy or of one of this account, an ARN, or a policy document as ",
                ),
                setting(S::InlinePolicies),
            ]],
            Self::RenameInlinePolicy => vec![
                vec![text("give yours another name with "), setting(S::InlinePolicies)],
                vec![text("replace the existing one with "), setting(S::Force)],
            ],
            Self::ManageRole => vec![vec![text("take it under management with "), setting(S::Adopt)]],
            Self::CreateNamespace { near } => {
                let first = match near {
                    Some(near) => format!("{near} Otherwise create the namespace first"),
                    None => "create the namespace first".to_owned(),
                };
                vec![vec![text(first)], vec![text("let it be created with "), setting(S::CreateNamespace)]]
            }
            Self::CreateProvider => vec![
                vec![text("create it together with the binding by "), setting(S::CreateProvider)],
                vec![text("create it alone with "), operation(O::CreateProvider)],
            ],
            Self::GrantPermissions => vec![vec![operation(O::Permissions), text(" prints the rights that irsa needs")]],
            Self::GrantAction { action, obstacle: None } => vec![
                vec![text(format!("grant {action} to the caller"))],
                vec![text("see all rights that irsa needs with "), operation(O::Permissions)],
            ],
            Self::GrantAction { action, obstacle: Some(obstacle) } => {
                let mut remedies = vec![vec![text(obstacle.removal(action))]];
                // Such policies often allow a role with a boundary and tags, and no other.
                if ["CreateRole", "AttachRolePolicy", "PutRolePolicy", "TagRole"]
                    .iter()
                    .any(|name| action.ends_with(name))
                {
                    remedies.push(vec![
                        text("meet its conditions, such as "),
                        setting(S::PermissionsBoundary),
                        text(" or "),
                        setting(S::Tags),
                    ]);
                }
                remedies
            }
            Self::NameContextOrGrantDiscovery => vec![
                vec![text("name the context with "), setting(S::Context)],
                vec![text("grant the ClusterRole system:service-account-issuer-discovery")],
            ],
            Self::ChooseContextOrCluster => vec![
                vec![text("choose the context of that cluster with "), setting(S::Context)],
                vec![text("choose the cluster of that context with "), setting(S::Cluster)],
            ],
            Self::NameContext => vec![vec![text("name a context with "), setting(S::Context)]],
            Self::NameCluster => vec![vec![text("name it with "), setting(S::Cluster)]],
            Self::NameClusterOrTrySandbox { or_issuer } => {
                let mut remedies = vec![
                    vec![text("name it with "), setting(S::Cluster), text(" or IRSA_CLUSTER")],
                    vec![text("try things out with "), setting(S::Sandbox)],
                ];
                if *or_issuer {
                    remedies.push(vec![text("give "), setting(S::Issuer)]);
                }
                remedies
            }
            Self::GiveIssuer => vec![vec![
                text("an issuer is given with "),
                setting(S::Issuer),
                text(", together with "),
                setting(S::Account),
            ]],
            Self::NameKubeconfig => vec![
                vec![text("name a file with "), setting(S::Kubeconfig)],
                vec![text("leave it out: KUBECONFIG or ~/.kube/config is read")],
            ],
            Self::NameKubeconfigOrContext => vec![
                vec![text("name a kubeconfig with "), setting(S::Kubeconfig)],
                vec![text("name a context with "), setting(S::Context)],
                vec![text("create only the role with "), setting(S::RoleOnly)],
            ],
            Self::NameClusterOfBinding => vec![
                vec![text("name it in "), setting(S::BindingCluster)],
                vec![text("name it for all bindings with "), setting(S::Cluster)],
            ],
            Self::NameRoleOrCluster => vec![
                vec![text("name the role with "), setting(S::RoleName)],
                vec![text("name the cluster with "), setting(S::Cluster)],
            ],
            Self::ExtendTimeout => vec![
                vec![text("check that AWS and the API server can be reached")],
                vec![text("give more time with "), setting(S::Timeout)],
            ],
            Self::TakeOverFields { owned: Some((manager, field)) } => vec![
                vec![text(format!("take {field} over from {manager:?} with ")), setting(S::Force)],
                vec![text(format!("let {manager} set it"))],
            ],
            Self::TakeOverFields { owned: None } => vec![
                vec![text("take these fields over from their managers with "), setting(S::Force)],
                vec![text("let those set them")],
            ],
            Self::ShareRole => vec![
                vec![text("choose another name with "), setting(S::RoleName)],
                vec![
                    text("share the role: add this subject to the binding that owns it ("),
                    operation(O::Update),
                    text(" with "),
                    setting(S::AddSubjects),
                    text(")"),
                ],
            ],
            Self::MatchSet { set } => vec![
                vec![text("apply it with "), Part::Setting(S::Set, Some(set))],
                vec![text("move it to this set with "), setting(S::Force)],
            ],
            Self::KeepRolePath => vec![
                vec![text("leave "), setting(S::RolePath), text(" out")],
                vec![text("choose another name with "), setting(S::RoleName)],
                vec![text("delete the binding and create it again")],
            ],
            Self::KeepRole => vec![
                vec![text("remove the role from the instance profile first")],
                vec![text("keep the role with "), setting(S::KeepRole)],
            ],
            Self::ForceDelete => {
                vec![vec![text("delete it all the same with "), setting(S::Force), text(" and "), setting(S::RoleName)]]
            }
            Self::NameNamespaces => vec![
                vec![text("name a subject for each namespace")],
                vec![text("trust all namespaces by a statement of your own with "), setting(S::TrustStatements)],
            ],
            Self::RemovePattern => {
                vec![vec![text("remove the pattern as well with "), setting(S::RemoveSubjects)]]
            }
            Self::ForceProviderDelete => vec![
                vec![text("delete those bindings first")],
                vec![
                    text("delete the provider all the same with "),
                    setting(S::Force),
                    text(": their pods lose access"),
                ],
            ],
            Self::GrantReadOrForce => {
                vec![vec![text("grant the read")], vec![text("go on without it with "), setting(S::Force)]]
            }
            Self::GrantOrOmitPrune { rights } => {
                vec![vec![text(format!("grant {rights}"))], vec![text("leave "), setting(S::Prune), text(" out")]]
            }
            Self::CheckCluster => vec![
                vec![text("check its name, the region and the account")],
                vec![text("look at the existing clusters: "), operation(O::ListClusters)],
            ],
            Self::RemoveUndeclaredSubject { staying, role_name, cluster, subject } => {
                let mut settings = vec![(S::RoleName, role_name.as_str())];
                settings.extend(cluster.as_deref().map(|cluster| (S::Cluster, cluster)));
                let (operation, binding) = match staying {
                    Some(staying) => {
                        settings.push((S::RemoveSubjects, subject));
                        (O::Update, staying.as_str())
                    }
                    None => (O::Delete, subject.as_str()),
                };
                vec![vec![text("take it off the role with "), Part::Call { operation, binding, settings }]]
            }
            Self::UpdateAfterwards => {
                vec![vec![text("make one of the changes now, and the others afterwards with "), operation(O::Update)]]
            }
            Self::ExactByOwner => vec![
                vec![text("set it on the binding of the owner")],
                vec![text("remove what is not wanted by name")],
                vec![
                    text("let an owner without a binding of its own leave first with "),
                    operation(O::Delete),
                    text(": the next subject then owns the role"),
                ],
            ],
        }
    }
}

impl Hint {
    /// The hint as text in the words of a front end, so that it reads the same wherever it is shown from now on.
    /// `None` where no remedy is left.
    pub fn spelt(&self, dialect: &dyn Dialect) -> Option<Self> {
        Some(self.render(dialect)).filter(|text| !text.is_empty()).map(Self::from)
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Neutral))
    }
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Always [`Hint::Text`]: the text does not say which remedy it was.
impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A front end that lacks one setting and every operation.
    struct Without(Setting);

    impl Dialect for Without {
        fn setting(&self, setting: Setting, value: Option<&str>) -> Option<String> {
            (setting != self.0).then(|| Neutral.setting(setting, value)).flatten()
        }

        fn call(&self, _: &Call<'_>) -> Option<String> {
            None
        }
    }

    #[test]
    fn remedies_are_joined_and_impossible_ones_left_out() {
        assert_eq!(
            Hint::AdoptRole.to_string(),
            "adopt it with `adopt` (adds what is missing, removes nothing), or choose another name with `role_name`"
        );
        assert_eq!(Hint::AdoptRole.render(&Without(Setting::Adopt)), "choose another name with `role_name`");
        assert_eq!(Hint::ListBindings.render(&Without(Setting::Adopt)), "");
        assert_eq!(Hint::ListBindings.spelt(&Without(Setting::Adopt)), None);
        assert_eq!(Hint::KeepRolePath.to_string().matches(", or ").count(), 1);
    }

    #[test]
    fn a_refused_action_is_granted_by_who_refuses_it() {
        let hint = |action: &str, policy: &str, is_explicit| {
            let obstacle = (!policy.is_empty()).then(|| Obstacle { policy: policy.to_owned(), is_explicit });
            Hint::GrantAction { action: action.to_owned(), obstacle }.to_string()
        };
        assert_eq!(
            hint("iam:GetRole", "", false),
            "grant iam:GetRole to the caller, or see all rights that irsa needs with `permissions`"
        );
        assert_eq!(
            hint("iam:CreateRole", "service control policy", true),
            "ask the administrators of the organization for iam:CreateRole, which a service control policy denies, or meet \
             its conditions, such as `permissions_boundary` or `tags`"
        );
        assert_eq!(
            hint("iam:GetRole", "permissions boundary", false),
            "change the permissions boundary of the caller, which does not allow iam:GetRole"
        );
        assert_eq!(
            hint("iam:GetRole", "identity-based policy", true),
            "remove the statement of the caller's policies that denies iam:GetRole"
        );
    }

    #[test]
    fn calls_carry_their_arguments() {
        let hint = Hint::RemoveUndeclaredSubject {
            staying: Some("a/b".to_owned()),
            role_name: "r".to_owned(),
            cluster: None,
            subject: "c/d".to_owned(),
        };
        assert_eq!(
            hint.to_string(),
            "take it off the role with `update` of a/b with `role_name` \"r\", `remove_subjects` \"c/d\""
        );
    }

    #[test]
    fn a_hint_read_back_is_its_text() {
        let json = serde_json::to_string(&Hint::NameContext).unwrap();
        assert_eq!(serde_json::from_str::<Hint>(&json).unwrap(), Hint::from(Hint::NameContext.to_string()));
    }
}
