//! What irsa needs from IAM.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::{Audience, InlinePolicyName, PolicyArn, ProviderArn, RoleArn, RoleName};

/// The code of the error (kind `Unavailable`) for a role that IAM is still making: for seconds after `CreateRole` it may
/// have its unique id in place of its ARN.
pub const ROLE_UNFINISHED: &str = "RoleUnfinished";

/// An OIDC provider (IAM API reference, `GetOpenIDConnectProvider`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcProvider {
    /// The ARN: gives the issuer.
    pub arn: ProviderArn,
    /// The client ids: audiences whose tokens it takes.
    pub audiences: Vec<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A role with its settings, without its policies (IAM API reference, `GetRole`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The ARN: gives path and name. IAM names are unique without regard to case; this is the case it was made with.
    pub arn: RoleArn,
    /// The unique id, `AROA...`; a role that is made anew has another one.
    pub id: String,
    /// The trust policy as JSON text, URL-decoded.
    pub trust_policy: String,
    /// The description.
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session_duration: u32,
    /// The ARN of the permissions boundary.
    pub permissions_boundary: Option<String>,
    /// The tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// An inline policy as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// Its name.
    pub name: InlinePolicyName,
    /// Its document as JSON text, URL-decoded.
    pub document: String,
}

/// A role with everything on it, as bulk reads give it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDetail {
    /// The role.
    pub role: Role,
    /// The managed policies attached.
    pub attached: Vec<PolicyArn>,
    /// The inline policies.
    pub inline: Vec<InlinePolicy>,
    /// The names of the instance profiles that hold it.
    pub instance_profiles: Vec<String>,
}

/// A managed policy (IAM API reference, `GetPolicy`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// The ARN.
    pub arn: PolicyArn,
    /// Whether it can be attached at all.
    pub attachable: bool,
    /// The version that is in effect, such as `v1`; nothing where a list told only that the policy is there.
    pub default_version: Option<String>,
}

/// Which managed policies to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFilter {
    /// All that can be attached; asked only to propose names.
    All,
    /// Those with one of these names.
    Named(BTreeSet<String>),
}

/// The quotas of the account and what is used of them (IAM API reference, `GetAccountSummary`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// Roles in the account now.
    pub roles: Option<u64>,
    /// The most roles in the account.
    pub roles_quota: Option<u64>,
    /// The most characters of a trust policy.
    pub trust_policy_size: Option<u64>,
    /// The most managed policies on a role.
    pub attached_policies_per_role: Option<u64>,
    /// The most characters of all inline policies of a role.
    pub inline_policy_size: Option<u64>,
    /// OIDC providers in the account now.
    pub providers: Option<u64>,
}

/// A role to be made, with trust policy and tags at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRole {
    /// The ARN that it will have: gives path and name.
    pub arn: RoleArn,
    /// The trust policy as JSON text.
    pub trust_policy: String,
    /// The description.
    pub description: Option<String>,
    /// The longest session, in seconds; IAM's default is 3600.
    pub max_session_duration: Option<u32>,
    /// The permissions boundary.
    pub permissions_boundary: Option<PolicyArn>,
    /// The tags, written by the same call.
    pub tags: BTreeMap<String, String>,
}

/// Settings of a role that can be changed (IAM API reference, `UpdateRole`); `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSettings {
    /// The description.
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session_duration: Option<u32>,
}

/// The actions that [`IamBackend::roles`] needs.
pub(crate) const LISTING_ROLES: &str = "iam:GetAccountAuthorizationDetails and iam:ListRoles";

/// IAM of one account. See the [contract of every method](crate::backend).
///
/// Reads give what IAM has now, which after a write may for seconds be the state before it. Writes that find a role gone
/// fail with `NotFound`; writes that IAM refuses while another change is under way fail with `Conflict` and IAM's code
/// (`ConcurrentModification`, `EntityTemporarilyUnmodifiable`).
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait IamBackend: Debug + Send + Sync {
    /// An OIDC provider. One call.
    async fn provider(&self, arn: &ProviderArn) -> Result<Option<OidcProvider>>;

    /// The ARNs of all OIDC providers of the account, but for those that no issuer of a cluster could have. One call.
    async fn providers(&self) -> Result<Vec<ProviderArn>>;

    /// A role. One call. One that IAM is still making, so that it has no ARN yet, is `Unavailable` with the code
    /// [`ROLE_UNFINISHED`].
    async fn role(&self, name: &RoleName) -> Result<Option<Role>>;

    /// The managed policies on a role; `None` when there is no such role. One call a page.
    async fn attached_policies(&self, name: &RoleName) -> Result<Option<Vec<PolicyArn>>>;

    /// The names of the inline policies of a role; `None` when there is no such role. One call a page.
    async fn inline_policy_names(&self, name: &RoleName) -> Result<Option<Vec<InlinePolicyName>>>;

    /// One inline policy; `None` when there is no such policy or no such role. One call.
    async fn inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<Option<InlinePolicy>>;

    /// The instance profiles that hold a role; `None` when there is no such role. One call a page.
    async fn instance_profiles(&self, name: &RoleName) -> Result<Option<Vec<String>>>;

    /// Every role of the account with everything on it, in as few calls as there are pages; needs `GetAccountAuthorizationDetails` and
    /// `ListRoles`.
    async fn roles(&self) -> Result<Vec<RoleDetail>>;

    /// A managed policy. One call.
    async fn policy(&self, arn: &PolicyArn) -> Result<Option<ManagedPolicy>>;

    /// The managed policies that a filter selects, AWS-managed or of the account, in whatever path. All calls that are
    /// needed run at the same time; further pages follow. No names: no call.
    async fn policies(&self, filter: &PolicyFilter) -> Result<Vec<ManagedPolicy>>;

    /// The document of one version of a managed policy as JSON text, URL-decoded; `None` when there is no such policy or no
    /// such version. One call; without a version the one in effect, by one call more.
    async fn policy_version(&self, arn: &PolicyArn, version: Option<String>) -> Result<Option<String>>;

    /// The quotas of the account. One call.
    async fn quotas(&self) -> Result<Quotas>;

    /// Makes a role with trust policy, boundary and tags at once. The answer is the role as IAM stored it; what IAM's own answer
    /// leaves out (description, session length and boundary) is as it was asked for.
    ///
    /// Called twice: `AlreadyExists`, code `EntityAlreadyExists`, also when the names differ only in case. Errors:
    /// `QuotaExceeded` (`LimitExceeded`), `InvalidInput` (`MalformedPolicyDocument`), `NotFound` for an unknown boundary.
    async fn create_role(&self, role: &NewRole) -> Result<Role>;

    /// Replaces the trust policy. IAM has no compare-and-swap here: the last writer wins. Called twice: no change.
    async fn update_trust_policy(&self, name: &RoleName, document: &str) -> Result<()>;

    /// Changes description and session length. Called twice: no change. `Conflict` with the reason
    /// [`StoredDifferently`](crate::ConflictReason::StoredDifferently) where the answer tells another value.
    async fn update_role(&self, name: &RoleName, settings: &RoleSettings) -> Result<()>;

    /// Sets the permissions boundary. Called twice: no change.
    async fn put_permissions_boundary(&self, name: &RoleName, boundary: &PolicyArn) -> Result<()>;

    /// Adds tags or changes their values; other tags stay. `QuotaExceeded` past 50 tags. Called twice: no change.
    async fn tag_role(&self, name: &RoleName, tags: &BTreeMap<String, String>) -> Result<()>;

    /// Takes tags away; a key that is not there is no error. Called twice: no change.
    async fn untag_role(&self, name: &RoleName, keys: &BTreeSet<String>) -> Result<()>;

    /// Attaches a managed policy. Called twice: no change. `NotFound` for an unknown policy, `QuotaExceeded` past the quota.
    async fn attach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()>;

    /// Detaches a managed policy. `NotFound` when it is not attached.
    async fn detach_policy(&self, name: &RoleName, policy: &PolicyArn) -> Result<()>;

    /// Writes an inline policy, making or replacing it. Called twice: no change.
    async fn put_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName, document: &str) -> Result<()>;

    /// Deletes an inline policy. `NotFound` when it is not there.
    async fn delete_inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<()>;

    /// Deletes a role. `Conflict`, code `DeleteConflict`, while it has policies or is in an instance profile; `NotFound`
    /// when it is gone.
    async fn delete_role(&self, name: &RoleName) -> Result<()>;

    /// Makes an OIDC provider, without thumbprints: IAM finds them itself. Called twice: `AlreadyExists`. The answer is the
    /// provider as IAM stored it; what IAM's own answer leaves out (audiences) is as it was asked for.
    async fn create_provider(&self, provider: &OidcProvider) -> Result<OidcProvider>;

    /// Adds an audience to a provider. Called twice: no change.
    async fn add_audience(&self, provider: &ProviderArn, audience: &Audience) -> Result<()>;

    /// Deletes a provider. When it is gone: no change, or `NotFound`; IAM documents both (IAM API reference,
    /// `DeleteOpenIDConnectProvider`).
    async fn delete_provider(&self, provider: &ProviderArn) -> Result<()>;
}
