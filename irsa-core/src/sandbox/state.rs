//! Everything a sandbox holds, as plain data: the form of its file. No rules of AWS or Kubernetes here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backend::{ApiServerFingerprint, FieldOwner};
use crate::name::{
    AccountId, ClusterRef, InlinePolicyName, Issuer, Namespace, Partition, PolicyArn, Region, RoleName, RolePath,
    ServiceAccountName,
};

/// What a [`Sandbox`](super::Sandbox) holds: one AWS account, its EKS clusters, and what each API server has.
///
/// This is also the form of the sandbox's file. A key of the outermost object that the file leaves out is as in a fresh
/// sandbox; a key that is not known is an error, at every depth. The AWS-managed policies are not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SandboxState {
    /// The partition of the account, by default that of the region.
    pub partition: Partition,
    /// The account, by default `123456789012`.
    pub account: AccountId,
    /// The region of clusters that are named without an ARN, by default `us-east-1`.
    pub region: Region,
    /// The quotas of the account.
    pub quotas: SandboxQuotas,
    /// The number in the last unique id given away; ids are counted, so that every run gives the same ones.
    pub last_id: u64,
    /// The OIDC providers of IAM, by the URL of their issuer.
    pub providers: BTreeMap<Issuer, ProviderState>,
    /// The roles, by name in the case that they were made with. Two names may not differ in case alone.
    pub roles: BTreeMap<RoleName, RoleState>,
    /// The customer-managed policies, by name.
    pub policies: BTreeMap<String, PolicyState>,
    /// The instance profiles, by name, each with the role that it holds.
    pub instance_profiles: BTreeMap<String, RoleName>,
    /// What is stored otherwise than it was asked for, as another implementation of IAM or a proxy before it may do. By
    /// default nothing.
    #[serde(skip_serializing_if = "IamChanges::is_none")]
    pub iam_changes: IamChanges,
    /// The clusters: by name those of EKS in the region, by ARN those in other regions, by the URL of their issuer those
    /// that EKS knows nothing of.
    pub clusters: BTreeMap<ClusterRef, ClusterState>,
}

/// The quotas of the account; a key left out has AWS's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxQuotas {
    /// The most roles in the account: 1000.
    pub roles_per_account: u64,
    /// The most characters of a trust policy, white space not counted: 2048.
    pub trust_policy_size: u64,
    /// The most managed policies on a role: 10.
    pub attached_policies_per_role: u64,
    /// The most characters of all inline policies of a role, white space not counted: 10240.
    pub inline_policy_size: u64,
    /// The most tags on a role: 50.
    pub tags_per_role: u64,
    /// The most OIDC providers in the account: 100.
    pub providers_per_account: u64,
}

/// What IAM stores of new roles and providers in place of what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IamChanges {
    /// The path of every new role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_path: Option<RolePath>,
    /// The description of every new role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The longest session of every new role, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_session_duration: Option<u32>,
    /// The permissions boundary of every new role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<PolicyArn>,
    /// The trust policy of every new role, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_policy: Option<Value>,
    /// The keys of tags that new roles and providers do not get.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub lost_tags: BTreeSet<String>,
    /// The audiences of every new provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
}

impl IamChanges {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An OIDC provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderState {
    /// The audiences (client ids) whose tokens it takes.
    pub audiences: Vec<String>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A role with everything on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleState {
    /// The path, by default `/`.
    #[serde(default)]
    pub path: RolePath,
    /// The unique id, `AROA...`; one is given where it is empty or left out.
    #[serde(default)]
    pub id: String,
    /// The trust policy, as JSON.
    pub trust_policy: Value,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The longest session in seconds, by default 3600.
    #[serde(default = "default_session")]
    pub max_session_duration: u32,
    /// The ARN of the permissions boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<PolicyArn>,
    /// The tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The ARNs of the managed policies attached.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub attached: BTreeSet<PolicyArn>,
    /// The inline policies by name, as JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<InlinePolicyName, Value>,
}

/// A customer-managed policy. Nothing in the sandbox evaluates what it permits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyState {
    /// The path, by default `/`.
    pub path: String,
    /// Its document, as JSON; left out, one that allows `s3:ListBucket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
}

/// A cluster: what EKS says of it, and what its API server has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterState {
    /// `ACTIVE`, `CREATING`, `DELETING`, ...; by default `ACTIVE`.
    pub status: String,
    /// The issuer of its tokens. As with EKS, it is not told while the status is `CREATING`.
    pub issuer: Option<Issuer>,
    /// The URL of the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The certificate authority of the API server: PEM in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// Whether it is a local cluster on an Outpost, which has no issuer.
    #[serde(skip_serializing_if = "is_false")]
    pub outpost: bool,
    /// What the API server tells of itself, where that is something else than its issuer, endpoint and authority.
    #[serde(alias = "anchor", skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<ApiServerFingerprint>,
    /// The user that the API server takes us for, by default `irsa`.
    pub user: String,
    /// What this user may not do.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub denied: BTreeSet<Denial>,
    /// The admission webhooks and policies, by name: what they do to service accounts that are written, in the order of
    /// their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub admission: BTreeMap<String, AdmissionState>,
    /// The last resource version given away: it grows with every write that changes something.
    pub revision: u64,
    /// The namespaces, by default `default` and `kube-system`.
    pub namespaces: BTreeMap<Namespace, NamespaceState>,
}

/// Something that the user may not do on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// `get`, `list`, `create`, `patch`, `delete`, or `*` for all of them.
    pub verb: String,
    /// `serviceaccounts`, `namespaces` or `configmaps`.
    pub resource: String,
    /// The namespace in which it is denied; left out, it is denied everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

/// An admission webhook or policy: what it does to every service account that is created or changed, whoever writes it. What
/// is put there by hand it does not see.
///
/// ```
/// use irsa_core::Sandbox;
/// use irsa_core::sandbox::AdmissionState;
/// let strip = AdmissionState {
///     annotations: [("eks.amazonaws.com/role-arn".to_owned(), None)].into(),
///     ..AdmissionState::default()
/// };
/// Sandbox::new().default_cluster().add_admission("strip-irsa", strip)?;
/// # Ok::<(), irsa_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionState {
    /// The namespace that it sees; left out, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// The annotations that it sets; null removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Option<String>>,
    /// The labels that it sets; null removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
    /// The `automountServiceAccountToken` that it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_token: Option<bool>,
    /// Why it denies every write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<String>,
    /// The `automountServiceAccountToken` that it demands: it denies the write of an account with another one, or with none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demand_automount_token: Option<bool>,
    /// The warning that it sends with every answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn: Option<String>,
    /// Whether it does not take dry runs, as a webhook with side effects.
    #[serde(skip_serializing_if = "is_false")]
    pub no_dry_run: bool,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamespaceState {
    /// Whether it is being deleted: nothing can be made in it any more.
    #[serde(skip_serializing_if = "is_false")]
    pub terminating: bool,
    /// The most service accounts that a ResourceQuota allows; left out, there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_quota: Option<u64>,
    /// Its config maps, by name, each as keys with their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config_maps: BTreeMap<String, BTreeMap<String, String>>,
    /// Its service accounts. None comes by itself: no controller runs that would make `default`.
    pub service_accounts: BTreeMap<ServiceAccountName, ServiceAccountState>,
}

/// A service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceAccountState {
    /// The unique id; one is given where it is empty or left out.
    pub uid: String,
    /// The resource version; one is given where it is 0 or left out.
    pub resource_version: u64,
    /// The labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The `automountServiceAccountToken`, where it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_token: Option<bool>,
    /// Who manages which fields. Where nobody does, `before-first-apply` does once irsa applies, as with the API server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<FieldOwner>,
    /// Whether it is being deleted, and stays until its finalizers are done: here for ever.
    #[serde(skip_serializing_if = "is_false")]
    pub deleting: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl RoleState {
    /// A role with this trust policy and nothing else.
    pub fn new(trust_policy: Value) -> Self {
        Self {
            path: RolePath::default(),
            id: String::new(),
            trust_policy,
            description: None,
            max_session_duration: default_session(),
            permissions_boundary: None,
            tags: BTreeMap::new(),
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
        }
    }
}

/// A session of a role lasts an hour where nothing else is said (IAM API reference, `CreateRole`).
pub(super) fn default_session() -> u32 {
    3600
}
