//! What boto3 answers, as far as irsa reads it.

use std::collections::BTreeMap;

use irsa_core::Result;
use irsa_core::backend::{
    AwsCall, ClusterDescription, InlinePolicy, ManagedPolicy, NewRole, OidcProvider, Role, RoleDetail,
};
use irsa_core::name::PolicyArn;
use serde::Deserialize;
use serde_json::Value;

/// A document: boto3 gives it parsed, as a dict; who wraps a client may give text.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Document(Value);

impl Document {
    pub(super) fn text(self, call: &AwsCall<'_>) -> Result<String> {
        match self.0 {
            Value::String(text) => call.document(&text),
            document => Ok(document.to_string()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagAnswer {
    key: String,
    value: String,
}

pub(super) fn tags(tags: Vec<TagAnswer>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct BoundaryAnswer {
    #[serde(rename = "PermissionsBoundaryArn")]
    arn: String,
}

/// A role, as `get_role` and `list_roles` have it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RoleAnswer {
    pub(super) role_name: String,
    role_id: String,
    arn: String,
    assume_role_policy_document: Option<Document>,
    pub(super) description: Option<String>,
    pub(super) max_session_duration: Option<i32>,
    permissions_boundary: Option<BoundaryAnswer>,
    #[serde(default)]
    tags: Vec<TagAnswer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneRole {
    pub(super) role: RoleAnswer,
}

impl RoleAnswer {
    pub(super) fn role(self, call: &AwsCall<'_>) -> Result<Role> {
        Ok(Role {
            arn: call.role_arn(&self.role_name, &self.arn)?,
            id: self.role_id,
            trust_policy: trust_policy(call, self.assume_role_policy_document)?,
            description: self.description,
            max_session_duration: call.session(self.max_session_duration)?,
            permissions_boundary: self.permissions_boundary.map(|boundary| boundary.arn),
            tags: tags(self.tags),
        })
    }
}

impl RoleAnswer {
    /// The role as it was stored. The answer leaves out settings (AWS CLI command reference, `create-role`, example 2).
    pub(super) fn created(mut self, call: &AwsCall<'_>, asked: &NewRole) -> Result<Role> {
        self.description = self.description.or_else(|| asked.description.clone());
        let session = asked.max_session_duration.and_then(|seconds| i32::try_from(seconds).ok());
        self.max_session_duration = self.max_session_duration.or(session);
        let boundary = asked.permissions_boundary.as_ref().map(|arn| BoundaryAnswer { arn: arn.to_string() });
        self.permissions_boundary = self.permissions_boundary.or(boundary);
        self.role(call)
    }
}

/// What `update_role_description` answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct OneDescription {
    role: Described,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Described {
    description: Option<String>,
}

impl OneDescription {
    pub(super) fn text(self) -> Option<String> {
        self.role.description
    }
}

/// What `create_open_id_connect_provider` answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CreatedProvider {
    #[serde(rename = "OpenIDConnectProviderArn")]
    arn: Option<String>,
    #[serde(rename = "Tags")]
    tags: Option<Vec<TagAnswer>>,
}

impl CreatedProvider {
    /// The provider as it was stored. The answer leaves out the audiences.
    pub(super) fn provider(self, call: &AwsCall<'_>, asked: &OidcProvider) -> Result<OidcProvider> {
        let arn = match &self.arn {
            Some(arn) => call.parsed("provider ARN", Some(arn))?,
            None => asked.arn.clone(),
        };
        let tags = self.tags.map_or_else(|| asked.tags.clone(), tags);
        Ok(OidcProvider { arn, audiences: asked.audiences.clone(), tags })
    }
}

fn trust_policy(call: &AwsCall<'_>, document: Option<Document>) -> Result<String> {
    match document {
        Some(document) => document.text(call),
        None => Err(call.malformed("the role has no trust policy")),
    }
}

/// A managed policy, as `get_policy`, `list_policies` and `list_attached_role_policies` have it.
#[derive(Debug, Deserialize)]
pub(super) struct PolicyAnswer {
    #[serde(alias = "PolicyArn", rename = "Arn")]
    arn: Option<String>,
    #[serde(rename = "IsAttachable", default)]
    attachable: bool,
    #[serde(rename = "DefaultVersionId")]
    default_version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OnePolicy {
    pub(super) policy: PolicyAnswer,
}

impl PolicyAnswer {
    pub(super) fn arn(&self, call: &AwsCall<'_>) -> Result<PolicyArn> {
        call.parsed("policy ARN", self.arn.as_deref())
    }
}

impl PolicyAnswer {
    pub(super) fn managed(&self, call: &AwsCall<'_>) -> Result<ManagedPolicy> {
        let version = self.default_version.clone().ok_or_else(|| call.malformed("it names no default version"))?;
        Ok(ManagedPolicy { arn: self.arn(call)?, attachable: self.attachable, default_version: Some(version) })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneVersion {
    policy_version: VersionAnswer,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionAnswer {
    document: Option<Document>,
}

impl OneVersion {
    pub(super) fn document(self, call: &AwsCall<'_>) -> Result<String> {
        let document = self.policy_version.document.ok_or_else(|| call.malformed("it holds no document"))?;
        document.text(call)
    }
}

pub(super) fn policy_arns(call: &AwsCall<'_>, policies: &[PolicyAnswer]) -> Result<Vec<PolicyArn>> {
    policies.iter().map(|policy| policy.arn(call)).collect()
}

/// An inline policy, as `get_role_policy` and `get_account_authorization_details` have it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InlineAnswer {
    policy_name: Option<String>,
    policy_document: Document,
}

impl InlineAnswer {
    pub(super) fn policy(self, call: &AwsCall<'_>) -> Result<InlinePolicy> {
        let name = call.parsed("inline policy", self.policy_name.as_deref())?;
        Ok(InlinePolicy { name, document: self.policy_document.text(call)? })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProfileAnswer {
    pub(super) instance_profile_name: String,
}

/// A role, as `get_account_authorization_details` has it: without description and session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DetailAnswer {
    pub(super) arn: String,
    role_name: String,
    role_id: String,
    assume_role_policy_document: Option<Document>,
    permissions_boundary: Option<BoundaryAnswer>,
    #[serde(default)]
    tags: Vec<TagAnswer>,
    #[serde(default)]
    role_policy_list: Vec<InlineAnswer>,
    #[serde(default)]
    attached_managed_policies: Vec<PolicyAnswer>,
    #[serde(default)]
    instance_profile_list: Vec<ProfileAnswer>,
}

impl DetailAnswer {
    pub(super) fn detail(self, call: &AwsCall<'_>) -> Result<RoleDetail> {
        let role = RoleAnswer {
            role_name: self.role_name,
            role_id: self.role_id,
            arn: self.arn,
            assume_role_policy_document: self.assume_role_policy_document,
            description: None,
            max_session_duration: None,
            permissions_boundary: self.permissions_boundary,
            tags: self.tags,
        };
        Ok(RoleDetail {
            role: role.role(call)?,
            attached: policy_arns(call, &self.attached_managed_policies)?,
            inline: self.role_policy_list.into_iter().map(|inline| inline.policy(call)).collect::<Result<_>>()?,
            instance_profiles: self.instance_profile_list.into_iter().map(|p| p.instance_profile_name).collect(),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProviderAnswer {
    #[serde(rename = "ClientIDList", default)]
    pub(super) audiences: Vec<String>,
    #[serde(default)]
    pub(super) tags: Vec<TagAnswer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProviderEntry {
    pub(super) arn: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ProviderList {
    #[serde(rename = "OpenIDConnectProviderList", default)]
    pub(super) providers: Vec<ProviderEntry>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    #[serde(rename = "SummaryMap", default)]
    pub(super) numbers: BTreeMap<String, i64>,
}

/// A cluster, as `describe_cluster` has it (EKS API reference, `Cluster`: all but name and ARN may be absent).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterAnswer {
    arn: Option<String>,
    status: Option<String>,
    identity: Option<IdentityAnswer>,
    endpoint: Option<String>,
    certificate_authority: Option<AuthorityAnswer>,
    outpost_config: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IdentityAnswer {
    oidc: Option<OidcAnswer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OidcAnswer {
    issuer: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AuthorityAnswer {
    data: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OneCluster {
    pub(super) cluster: ClusterAnswer,
}

impl ClusterAnswer {
    pub(super) fn description(self, call: &AwsCall<'_>) -> Result<ClusterDescription> {
        let issuer = self.identity.and_then(|identity| identity.oidc).and_then(|oidc| oidc.issuer);
        let issuer = issuer.filter(|issuer| !issuer.is_empty());
        Ok(ClusterDescription {
            arn: call.parsed("cluster ARN", self.arn.as_deref())?,
            status: self.status.unwrap_or_default(),
            issuer: issuer.map(|issuer| call.parsed("issuer", Some(&issuer))).transpose()?,
            endpoint: self.endpoint,
            certificate_authority: self.certificate_authority.and_then(|authority| authority.data),
            outpost: self.outpost_config.is_some(),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CallerAnswer {
    pub(super) account: Option<String>,
    pub(super) arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SessionAnswer {
    pub(super) assumed_role_user: SessionUser,
    pub(super) subject_from_web_identity_token: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) provider: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SessionUser {
    pub(super) arn: String,
}
