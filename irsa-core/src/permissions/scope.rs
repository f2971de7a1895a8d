//! What rights are limited to, as far as it is known, and who gets them.

use serde_json::{Value, json};

use crate::name::{
    AccountId, ClusterName, ClusterRef, EksHost, Issuer, Namespace, Partition, PolicyArn, Region, RoleName, RolePath,
};
use crate::naming::KEPT_OF_NAME;

/// What rights are limited to. What is not known is `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The partition; by default that of an issuer of EKS or of the region, or `aws`.
    pub partition: Option<Partition>,
    /// The account.
    pub account: Option<AccountId>,
    /// The region of the cluster.
    pub region: Option<Region>,
    /// The cluster. Roles are then limited to the default names that it gives.
    pub cluster: Option<ClusterName>,
    /// The environment that the roles of gen3's convention are named by; by default it has the name of the cluster.
    pub environment: Option<ClusterName>,
    /// The issuer, where it is given in place of asking EKS.
    pub issuer: Option<Issuer>,
    /// The role.
    pub role_name: Option<RoleName>,
    /// The path of the roles.
    pub role_path: Option<RolePath>,
    /// The boundary that every role must have.
    pub permissions_boundary: Option<PolicyArn>,
    /// The only namespace.
    pub namespace: Option<Namespace>,
    /// Who gets the Kubernetes rights.
    pub holder: Holder,
    /// Missing namespaces are made.
    pub create_namespace: bool,
    /// Missing providers are made.
    pub create_provider: bool,
    /// No service account is touched.
    pub role_only: bool,
    /// Nothing is written.
    pub dry_run: bool,
}

/// Who gets the Kubernetes rights, as the API server names them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// A group; with EKS, one that an access entry gives.
    Group(String),
    /// A user.
    User(String),
}

impl Default for Holder {
    /// The group `irsa`.
    fn default() -> Self {
        Self::Group("irsa".to_owned())
    }
}

impl Scope {
    /// What a cluster's name, ARN or issuer says.
    pub fn of_cluster(cluster: &ClusterRef) -> Self {
        match cluster {
            ClusterRef::Name(name) => Self { cluster: Some(name.clone()), ..Self::default() },
            ClusterRef::Issuer(issuer) => Self { issuer: Some(issuer.clone()), ..Self::default() },
            ClusterRef::Arn(arn) => Self {
                partition: Some(arn.partition().clone()),
                account: Some(arn.account().clone()),
                region: Some(arn.region().clone()),
                cluster: Some(arn.name().clone()),
                ..Self::default()
            },
        }
    }

    fn partition(&self) -> String {
        let of_issuer = || Some(EksHost::of_issuer(self.issuer.as_ref()?)?.partition);
        let of_region = || Partition::of_region(self.region.as_ref().map_or("", Region::as_str));
        self.partition.clone().or_else(of_issuer).unwrap_or_else(of_region).to_string()
    }

    /// `arn:PARTITION:iam::ACCOUNT:`
    fn iam(&self) -> String {
        format!("arn:{}:iam::{}:", self.partition(), self.account.as_ref().map_or("*", AccountId::as_str))
    }

    pub(super) fn clusters(&self) -> Value {
        let region = self.region.as_ref().map_or("*", Region::as_str);
        let account = self.account.as_ref().map_or("*", AccountId::as_str);
        let cluster = self.cluster.as_ref().map_or("*", ClusterName::as_str);
        json!(format!("arn:{}:eks:{region}:{account}:cluster/{cluster}", self.partition()))
    }

    pub(super) fn providers(&self) -> Value {
        json!(format!("{}oidc-provider/{}", self.iam(), self.issuer.as_ref().map_or("*", Issuer::host_path)))
    }

    /// Policies of AWS and of the account: their names are looked up.
    pub(super) fn policies(&self) -> Value {
        json!([format!("arn:{}:iam::aws:policy/*", self.partition()), format!("{}policy/*", self.iam())])
    }

    /// An annotation may name any role, so reading is limited by name only where the name is given.
    pub(super) fn roles_read(&self) -> Value {
        self.roles(self.role_name.as_ref().map_or("*", RoleName::as_str))
    }

    /// The roles that are named, or whose default names fit: those of gen3's convention, or irsa's own.
    pub(super) fn roles_written(&self, gen3: bool) -> Value {
        let environment = self.environment.as_ref().or(self.cluster.as_ref());
        match (&self.role_name, &self.cluster) {
            (Some(name), _) => self.roles(name.as_str()),
            _ if gen3 => self.roles(&environment.map_or_else(|| "*".to_owned(), |name| format!("{name}-*"))),
            (None, Some(cluster)) => {
                let namespace = self.namespace.as_ref().map(|namespace| format!("{namespace}-")).unwrap_or_default();
                let head: String = format!("{cluster}-{namespace}").chars().take(KEPT_OF_NAME).collect();
                self.roles(&format!("{head}*"))
            }
            (None, None) => self.roles("*"),
        }
    }

    fn roles(&self, name: &str) -> Value {
        json!(format!("{}role{}{name}", self.iam(), self.role_path.as_ref().map_or("/", RolePath::as_str)))
    }

    /// A role of RBAC with its binding.
    pub(super) fn role(&self, kind: &str, rules: &Value) -> [Value; 2] {
        let mut metadata = json!({"name": "irsa"});
        if let (Some(namespace), "Role") = (&self.namespace, kind) {
            metadata["namespace"] = json!(namespace);
        }
        [
            json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "rules": rules}),
            self.binding(&format!("{kind}Binding"), metadata, kind, "irsa"),
        ]
    }

    /// Reading the issuer of the API server, by the role that every API server has for that.
    pub(super) fn discovery(&self) -> Value {
        let metadata = json!({"name": "irsa-issuer-discovery"});
        self.binding("ClusterRoleBinding", metadata, "ClusterRole", "system:service-account-issuer-discovery")
    }

    fn binding(&self, kind: &str, metadata: Value, role_kind: &str, role: &str) -> Value {
        let (holder_kind, holder) = match &self.holder {
            Holder::Group(name) => ("Group", name),
            Holder::User(name) => ("User", name),
        };
        json!({
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": holder_kind, "name": holder}],
        })
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const API_VERSION: &str = "rbac.authorization.k8s.io/v1";
