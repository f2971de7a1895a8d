//! What irsa itself needs: the least IAM policy and the Kubernetes rights of each command.
//!
//! The tables in `permissions/calls.rs` are the only place that says which command calls what.

mod calls;
mod scope;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value, json};

use self::Command::{
    Apply, Create, Delete, Export, Get, IamServiceaccount, List, Plan, ProviderCreate, ProviderDelete, ProviderShow,
    TrustAudit, TrustCheck, TrustWhoCan, Update,
};
use self::calls::{CALLS, Call, On, VERBS, Verb, When};
pub use self::scope::{Holder, Scope};
use crate::error::{Error, Result};
use crate::text::{did_you_mean, nearest};

/// A command of irsa, as far as its rights go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Command {
    /// Make or repair a binding.
    Create,
    /// Change a binding.
    Update,
    /// Undo a binding.
    Delete,
    /// Show a binding.
    Get,
    /// Show all bindings.
    List,
    /// Plan the bindings of a manifest.
    Plan,
    /// Make or repair the bindings of a manifest, and prune.
    Apply,
    /// Show all bindings as a manifest.
    Export,
    /// Make the OIDC provider.
    ProviderCreate,
    /// Show the OIDC provider.
    ProviderShow,
    /// Delete the OIDC provider.
    ProviderDelete,
    /// Check one caller against the trust policy of a role.
    TrustCheck,
    /// Show who can assume a role.
    TrustWhoCan,
    /// Audit the trust policies of the account.
    TrustAudit,
    /// The drop-in for gen3's script: makes, changes, shows and undoes bindings.
    IamServiceaccount,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 15] = [
        Create,
        Update,
        Delete,
        Get,
        List,
        Plan,
        Apply,
        Export,
        ProviderCreate,
        ProviderShow,
        ProviderDelete,
        TrustCheck,
        TrustWhoCan,
        TrustAudit,
        IamServiceaccount,
    ];

    /// The words of the command, as they are typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Create => "create",
            Update => "update",
            Delete => "delete",
            Get => "get",
            List => "list",
            Plan => "plan",
            Apply => "apply",
            Export => "export",
            ProviderCreate => "provider create",
            ProviderShow => "provider show",
            ProviderDelete => "provider delete",
            TrustCheck => "trust check",
            TrustWhoCan => "trust who-can",
            TrustAudit => "trust audit",
            IamServiceaccount => "iam-serviceaccount",
        }
    }

    /// The commands that it does the work of, itself among them.
    fn parts(&self) -> &[Self] {
        match self {
            IamServiceaccount => &[IamServiceaccount, Create, Update, Delete, Get],
            one => std::slice::from_ref(one),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Command {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|command| command.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str);
            let error = Error::invalid("command", text, format!("must be one of {}", known.join(", ")));
            match did_you_mean(&nearest(text, known)) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })
    }
}

/// The rights of one or several commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Permissions {
    /// The IAM policy document.
    pub iam: Value,
    /// The Kubernetes objects, roles and bindings of RBAC; none for commands that need no API server.
    pub rbac: Vec<Value>,
}

/// The least rights that these commands need together, within a scope. Pure.
pub fn permissions(commands: &[Command], scope: &Scope) -> Permissions {
    let commands: Vec<Command> = commands.iter().flat_map(Command::parts).copied().collect();
    let needed = |by: &[Command], when: When| {
        let wanted = match when {
            When::Always => true,
            When::Writing => !scope.dry_run,
            When::CreatingProvider => scope.create_provider && !scope.dry_run,
            When::CreatingNamespace => scope.create_namespace && !scope.dry_run,
        };
        wanted && by.iter().any(|command| commands.contains(command))
    };
    let calls = CALLS.iter().filter(|call| needed(call.by, call.when));
    let verbs = VERBS.iter().filter(|verb| needed(verb.by, verb.when));
    let gen3 = commands.contains(&IamServiceaccount);
    Permissions { iam: policy(calls, scope, gen3), rbac: rbac(verbs, scope) }
}

fn policy<'a>(calls: impl Iterator<Item = &'a Call>, scope: &Scope, gen3: bool) -> Value {
    let mut statements: BTreeMap<On, Vec<&str>> = BTreeMap::new();
    // Where the issuer is given, EKS is not asked.
    for call in calls.filter(|call| call.on != On::ReadCluster || scope.issuer.is_none()) {
        let on = match call.on {
            On::WriteBoundRoles if scope.permissions_boundary.is_none() => On::WriteRoles,
            on => on,
        };
        let actions = statements.entry(on).or_default();
        if !actions.contains(&call.action) {
            actions.push(call.action);
        }
    }
    let statements: Vec<Value> = statements
        .into_iter()
        .map(|(on, mut actions)| {
            actions.sort_unstable();
            let resource = match on {
                On::ReadCluster => scope.clusters(),
                On::ReadProvider | On::WriteProvider => scope.providers(),
                On::ReadRoles => scope.roles_read(),
                On::ReadPolicies => scope.policies(),
                On::ReadAccount => json!("*"),
                On::WriteRoles | On::WriteBoundRoles => scope.roles_written(gen3),
            };
            let sid = format!("Irsa{on:?}");
            let mut statement = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource});
            if let (On::WriteBoundRoles, Some(boundary)) = (on, &scope.permissions_boundary) {
                statement["Condition"] = json!({"StringEquals": {"iam:PermissionsBoundary": boundary}});
            }
            statement
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn rbac<'a>(verbs: impl Iterator<Item = &'a Verb>, scope: &Scope) -> Vec<Value> {
    if scope.role_only {
        return Vec::new();
    }
    let (mut inside, mut cluster_wide): (Rules, Rules) = Default::default();
    for verb in verbs {
        // One namespace can be read, but not made, with rights in that namespace only.
        let in_namespace = scope.namespace.is_some() && (verb.verb, verb.resource) != ("create", "namespaces");
        let rules = if in_namespace { &mut inside } else { &mut cluster_wide };
        rules.entry(verb.resource).or_default().push(verb.verb);
    }
    if inside.is_empty() && cluster_wide.is_empty() {
        return Vec::new();
    }
    let mut objects = Vec::new();
    if !inside.is_empty() {
        objects.extend(scope.role("Role", &rules(inside)));
    }
    if !cluster_wide.is_empty() {
        objects.extend(scope.role("ClusterRole", &rules(cluster_wide)));
    }
    objects.push(scope.discovery());
    objects
}

/// Verbs by resource.
type Rules = BTreeMap<&'static str, Vec<&'static str>>;

fn rules(rules: Rules) -> Value {
    let rules = rules.into_iter().rev(); // service accounts before namespaces
    let rule = |(resource, verbs)| {
        let mut rule = json!({"apiGroups": [""], "resources": [resource], "verbs": verbs});
        if resource == "configmaps" {
            rule["resourceNames"] = json!(["global"]);
        }
        rule
    };
    rules.map(rule).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn scope() -> Scope {
        let cluster: crate::name::ClusterRef = "arn:aws:eks:us-east-1:123456789012:cluster/demo".parse().unwrap();
        Scope::of_cluster(&cluster)
    }

    fn statement<'a>(permissions: &'a Permissions, sid: &str) -> Option<&'a Value> {
        permissions.iam["Statement"].as_array()?.iter().find(|statement| statement["Sid"] == sid)
    }

    fn actions(permissions: &Permissions) -> Vec<String> {
        let statements = permissions.iam["Statement"].as_array().unwrap();
        let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
        actions.map(|action| action.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_document_is_one_that_iam_takes() {
        for command in Command::ALL {
            let needed = permissions(&[command], &scope());
            assert!(crate::PolicyDocument::from_value(needed.iam.clone()).is_ok(), "{command}: {}", needed.iam);
            assert_eq!(command.as_str().parse::<Command>().ok(), Some(command));
        }
    }

    #[test]
    fn who_only_looks_or_plans_may_write_nothing() {
        let looks = |action: &String| {
            let name = action.split(':').nth(1).unwrap();
            name.starts_with("Get") || name.starts_with("List") || name.starts_with("Describe")
        };
        for command in [Get, List, ProviderShow, TrustCheck, TrustWhoCan, TrustAudit] {
            assert!(actions(&permissions(&[command], &scope())).iter().all(looks), "{command}");
        }
        let planned = permissions(&Command::ALL, &Scope { dry_run: true, ..scope() });
        assert!(actions(&planned).iter().all(looks), "{planned:?}");
        let verbs: Vec<&Value> = planned.rbac.iter().flat_map(|object| object["rules"].as_array()).flatten().collect();
        assert!(verbs.iter().all(|rule| rule["verbs"].as_array().unwrap().iter().all(|verb| verb != "create")));
    }

    #[test]
    fn resources_are_filled_in_as_far_as_they_are_known() {
        let needed = permissions(&[Create], &scope());
        assert_eq!(
            statement(&needed, "IrsaReadCluster").unwrap()["Resource"],
            "arn:aws:eks:us-east-1:123456789012:cluster/demo"
        );
        assert_eq!(statement(&needed, "IrsaReadRoles").unwrap()["Resource"], "arn:aws:iam::123456789012:role/*");
        assert_eq!(statement(&needed, "IrsaWriteRoles").unwrap()["Resource"], "arn:aws:iam::123456789012:role/demo-*");
        assert!(statement(&needed, "IrsaWriteProvider").is_none());

        let unknown = permissions(&[Create], &Scope::default());
        assert_eq!(statement(&unknown, "IrsaReadCluster").unwrap()["Resource"], "arn:aws:eks:*:*:cluster/*");
        assert_eq!(statement(&unknown, "IrsaWriteRoles").unwrap()["Resource"], "arn:aws:iam::*:role/*");

        let making = permissions(&[Create], &Scope { create_provider: true, ..scope() });
        assert_eq!(
            statement(&making, "IrsaWriteProvider").unwrap()["Resource"],
            "arn:aws:iam::123456789012:oidc-provider/*"
        );
    }

    #[test]
    fn a_boundary_ties_what_gives_permissions() {
        let boundary = "arn:aws:iam::123456789012:policy/edge";
        let bound = Scope { permissions_boundary: boundary.parse().ok(), ..scope() };
        let needed = permissions(&[Create], &bound);
        let tied = statement(&needed, "IrsaWriteBoundRoles").unwrap();
        assert_eq!(tied["Condition"], json!({"StringEquals": {"iam:PermissionsBoundary": boundary}}));
        assert!(tied["Action"].as_array().unwrap().contains(&json!("iam:AttachRolePolicy")));
        assert!(!statement(&needed, "IrsaWriteRoles").unwrap()["Action"].to_string().contains("AttachRolePolicy"));
    }

    #[test]
    fn a_namespace_narrows_the_kubernetes_rights() {
        let inside = Scope { namespace: "default".parse().ok(), ..scope() };
        let kinds = |permissions: &Permissions| -> Vec<String> {
            permissions.rbac.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect()
        };
        let needed = permissions(&[Create], &inside);
        assert_eq!(kinds(&needed), ["Role", "RoleBinding", "ClusterRoleBinding"]);
        assert_eq!(
            needed.rbac[0]["rules"],
            json!([
                {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "create", "patch", "delete"]},
                {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
            ])
        );
        assert_eq!(needed.rbac[2]["roleRef"]["name"], "system:service-account-issuer-discovery");
        let making = permissions(&[Create], &Scope { create_namespace: true, ..inside });
        assert_eq!(kinds(&making), ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding"]);
        assert_eq!(kinds(&permissions(&[Get], &scope())), ["ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding"]);
        assert!(permissions(&[ProviderShow], &scope()).rbac.is_empty());
        assert!(permissions(&[Create], &Scope { role_only: true, ..scope() }).rbac.is_empty());
    }

    #[test]
    fn the_analyser_needs_to_read_only_what_it_shows() {
        let of = |command: Command| actions(&permissions(&[command], &scope())).into_iter().collect::<BTreeSet<_>>();
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        assert_eq!(of(TrustCheck), set(&["eks:DescribeCluster", "iam:GetRole"]));
        assert!(permissions(&[TrustCheck], &scope()).rbac.is_empty());
        let audit = ["iam:GetAccountAuthorizationDetails", "iam:ListRoles", "iam:ListOpenIDConnectProviders"];
        let audit = [&audit[..], &["eks:DescribeCluster", "iam:GetOpenIDConnectProvider"]].concat();
        assert_eq!(of(TrustAudit), set(&audit));
        for command in [TrustWhoCan, TrustAudit] {
            let rules = permissions(&[command], &scope()).rbac[0]["rules"].clone();
            assert_eq!(rules, json!([{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["list"]}]));
        }
    }

    #[test]
    fn the_drop_in_needs_what_its_commands_need_and_the_environment() {
        let inside = Scope { namespace: "jobs".parse().ok(), ..scope() };
        let needed = permissions(&[IamServiceaccount], &inside);
        let sum = permissions(&[Create, Update, Delete, Get], &inside);
        let set = |permissions: &Permissions| actions(permissions).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(set(&needed), set(&sum));
        let mut rules = needed.rbac[0]["rules"].as_array().unwrap().clone();
        let environment =
            json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["global"]});
        assert_eq!(rules.pop(), Some(environment));
        assert_eq!(&rules, sum.rbac[0]["rules"].as_array().unwrap());
        // The names of its roles begin with the environment, and hold no namespace.
        let written = |scope: &Scope| {
            let needed = permissions(&[IamServiceaccount], scope);
            statement(&needed, "IrsaWriteRoles").unwrap()["Resource"].as_str().unwrap().to_owned()
        };
        assert_eq!(written(&inside), "arn:aws:iam::123456789012:role/demo-*");
        let elsewhere = Scope { environment: "qaplanx".parse().ok(), ..inside };
        assert_eq!(written(&elsewhere), "arn:aws:iam::123456789012:role/qaplanx-*");
    }

    #[test]
    fn a_misspelt_command_is_told() {
        let error = "provider creat".parse::<Command>().unwrap_err();
        assert_eq!(error.hint(), Some(&"did you mean provider create?".into()));
    }
}
