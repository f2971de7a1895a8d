//! Which command calls what: the one table for AWS, and the one for API servers.
//!
//! An action that IAM cannot limit to a resource stands under `ReadAccount` (service authorization reference, "Actions
//! defined by AWS Identity and Access Management").

use super::Command::{
    self, Apply, Create, Delete, Export, Get, IamServiceaccount, List, Plan, ProviderCreate, ProviderDelete,
    ProviderShow, TrustAudit, TrustCheck, TrustWhoCan, Update,
};

/// When a command needs a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Also for a dry run.
    Always,
    /// When something is written.
    Writing,
    /// When `--create-provider` is given.
    CreatingProvider,
    /// When `--create-namespace` is given.
    CreatingNamespace,
}

/// What an action of IAM or EKS is done to; the name is the Sid of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum On {
    ReadCluster,
    ReadProvider,
    ReadRoles,
    ReadPolicies,
    ReadAccount,
    WriteProvider,
    WriteRoles,
    /// Writes of roles that IAM can tie to a permissions boundary (condition key `iam:PermissionsBoundary`).
    WriteBoundRoles,
}

/// A call to AWS.
pub(super) struct Call {
    pub(super) action: &'static str,
    pub(super) on: On,
    pub(super) by: &'static [Command],
    pub(super) when: When,
}

const fn call(action: &'static str, on: On, by: &'static [Command], when: When) -> Call {
    Call { action, on, by, when }
}

/// Every call to AWS. Not here is `sts:GetCallerIdentity`, which needs no right.
pub(super) const CALLS: &[Call] = &[
    call("eks:DescribeCluster", On::ReadCluster, &Command::ALL, When::Always),
    call(
        "iam:GetOpenIDConnectProvider",
        On::ReadProvider,
        &[
            Create,
            Update,
            Get,
            List,
            ProviderCreate,
            ProviderShow,
            ProviderDelete,
            TrustWhoCan,
            TrustAudit,
            Apply,
            Plan,
            Export,
        ],
        When::Always,
    ),
    call(
        "iam:GetRole",
        On::ReadRoles,
        &[Create, Update, Delete, Get, TrustCheck, TrustWhoCan, Apply, Plan],
        When::Always,
    ),
    call(
        "iam:ListAttachedRolePolicies",
        On::ReadRoles,
        &[Create, Update, Delete, Get, TrustWhoCan, Apply, Plan],
        When::Always,
    ),
    call("iam:ListRolePolicies", On::ReadRoles, &[Create, Update, Delete, Get, TrustWhoCan, Apply, Plan], When::Always),
    call("iam:GetRolePolicy", On::ReadRoles, &[Create, Update, Delete, TrustWhoCan, Apply, Plan], When::Always),
    call("iam:ListInstanceProfilesForRole", On::ReadRoles, &[Delete, Apply, Plan], When::Always),
    call("iam:GetPolicy", On::ReadPolicies, &[Create, Update, Apply, Plan], When::Always),
    // Whether a policy denies decides when it is attached or detached.
    call("iam:GetPolicyVersion", On::ReadPolicies, &[Create, Update, Apply, Plan], When::Always),
    call("iam:ListPolicies", On::ReadAccount, &[Create, Update, Apply, Plan], When::Always),
    call("iam:GetAccountSummary", On::ReadAccount, &[Create, Update, Apply, Plan], When::Always),
    call(
        "iam:GetAccountAuthorizationDetails",
        On::ReadAccount,
        &[List, ProviderDelete, TrustAudit, Apply, Plan, Export],
        When::Always,
    ),
    call("iam:ListRoles", On::ReadAccount, &[List, ProviderDelete, TrustAudit, Apply, Plan, Export], When::Always),
    call("iam:ListOpenIDConnectProviders", On::ReadAccount, &[TrustAudit], When::Always),
    call("iam:CreateOpenIDConnectProvider", On::WriteProvider, &[ProviderCreate], When::Writing),
    call("iam:AddClientIDToOpenIDConnectProvider", On::WriteProvider, &[ProviderCreate], When::Writing),
    call("iam:CreateOpenIDConnectProvider", On::WriteProvider, &[Create, Update, Apply], When::CreatingProvider),
    call("iam:AddClientIDToOpenIDConnectProvider", On::WriteProvider, &[Create, Update, Apply], When::CreatingProvider),
    call("iam:DeleteOpenIDConnectProvider", On::WriteProvider, &[ProviderDelete], When::Writing),
    call("iam:TagRole", On::WriteRoles, &[Create, Update, Delete, Apply], When::Writing),
    call("iam:UntagRole", On::WriteRoles, &[Create, Update, Delete, Apply], When::Writing),
    call("iam:UpdateAssumeRolePolicy", On::WriteRoles, &[Create, Update, Delete, Apply], When::Writing),
    call("iam:UpdateRole", On::WriteRoles, &[Create, Update, Apply], When::Writing),
    call("iam:UpdateRoleDescription", On::WriteRoles, &[Create, Update, Apply], When::Writing),
    call("iam:CreateRole", On::WriteBoundRoles, &[Create, Apply], When::Writing),
    call("iam:PutRolePermissionsBoundary", On::WriteBoundRoles, &[Create, Update, Apply], When::Writing),
    call("iam:AttachRolePolicy", On::WriteBoundRoles, &[Create, Update, Apply], When::Writing),
    call("iam:PutRolePolicy", On::WriteBoundRoles, &[Create, Update, Apply], When::Writing),
    // A create that is refused half-way takes back what it made; with `exact` it takes away what is not declared.
    call("iam:DetachRolePolicy", On::WriteBoundRoles, &[Create, Update, Delete, Apply], When::Writing),
    call("iam:DeleteRolePolicy", On::WriteBoundRoles, &[Create, Update, Delete, Apply], When::Writing),
    call("iam:DeleteRole", On::WriteRoles, &[Create, Delete, Apply], When::Writing),
];

/// A call to an API server.
pub(super) struct Verb {
    pub(super) verb: &'static str,
    pub(super) resource: &'static str,
    pub(super) by: &'static [Command],
    pub(super) when: When,
}

const fn verb(verb: &'static str, resource: &'static str, by: &'static [Command], when: When) -> Verb {
    Verb { verb, resource, by, when }
}

/// Every call to an API server. Not here is the access review, which `system:basic-user` gives to everybody.
pub(super) const VERBS: &[Verb] = &[
    verb("get", "serviceaccounts", &[Create, Update, Delete, Get, Apply, Plan], When::Always),
    verb("list", "serviceaccounts", &[List, TrustWhoCan, TrustAudit, Apply, Plan, Export], When::Always),
    verb("create", "serviceaccounts", &[Create, Update, Apply], When::Writing),
    verb("patch", "serviceaccounts", &[Create, Update, Delete, Apply], When::Writing),
    // A create that is refused half-way takes its account back; an update lets the accounts of subjects go.
    verb("delete", "serviceaccounts", &[Create, Update, Delete, Apply], When::Writing),
    verb("get", "namespaces", &[Create, Update, Apply, Plan], When::Always),
    // The name of the environment.
    verb("get", "configmaps", &[IamServiceaccount], When::Always),
    verb("create", "namespaces", &[Create, Update, Apply], When::CreatingNamespace),
];
