//! The commands on bindings: create, update, delete, get, list.

use std::path::PathBuf;

use clap::Args;

/// Which service account is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct Account {
    /// Service account, [NAMESPACE/]NAME
    #[arg(value_name = "SERVICE_ACCOUNT")]
    pub(crate) service_account: String,

    /// Namespace of the service account [default: default]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct DryRun {
    /// Print what would be done and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// As --dry-run, and exit 3 when something would change
    #[arg(long)]
    pub(crate) check: bool,
}

/// Make a role for a service account, or repair what is there of it
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Makes role, trust policy, policies, service account and annotation, or brings what is there of them to what is
asked for. What is not named stays as it is.

Examples:
  irsa create my-serviceaccount -p AmazonS3ReadOnlyAccess
  irsa create jobs/worker -p ./bucket.json --permissions-boundary arn:aws:iam::123456789012:policy/boundary
  irsa create default/a --subject default/b --subject blue:jobs/c     one role for several, on two clusters
  irsa create my-serviceaccount -p AmazonS3ReadOnlyAccess --check     exit 3 when something would change")]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) account: Account,

    /// Policy: an ARN, the name of a managed policy, or a file (./FILE, /FILE, file://FILE, *.json) [repeatable]
    #[arg(short, long = "policy", value_name = "POLICY")]
    pub(crate) policies: Vec<String>,

    /// One more service account of the role, [CLUSTER:]NAMESPACE/NAME [repeatable]
    #[arg(long = "subject", value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,

    #[command(flatten)]
    pub(crate) settings: SettingArgs,

    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

/// Change an existing binding
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
What is not named stays as it is. Removing what is not there is done, with a warning.

Examples:
  irsa update my-serviceaccount --add-policy AmazonSQSReadOnlyAccess --remove-policy AmazonS3ReadOnlyAccess
  irsa update my-serviceaccount --add-subject jobs/worker --dry-run
  irsa update my-serviceaccount --max-session-duration 7200")]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    pub(crate) account: Account,

    /// Policy to add: an ARN, the name of a managed policy, or a file (./FILE, /FILE, file://FILE, *.json) [repeatable]
    #[arg(short = 'p', long = "add-policy", visible_alias = "policy", value_name = "POLICY")]
    pub(crate) policies: Vec<String>,

    /// Policy to remove: the ARN or name of a managed policy, or the name of an inline one [repeatable]
    #[arg(long = "remove-policy", value_name = "POLICY")]
    pub(crate) remove_policies: Vec<String>,

    /// Service account to add, [CLUSTER:]NAMESPACE/NAME [repeatable]
    #[arg(long = "add-subject", visible_alias = "subject", value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,

    /// Service account, or pattern, to remove [repeatable]
    #[arg(long = "remove-subject", value_name = "SUBJECT")]
    pub(crate) remove_subjects: Vec<String>,

    #[command(flatten)]
    pub(crate) settings: SettingArgs,

    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "must be a number of seconds, such as 7200".to_owned())
}

/// What create and update have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct SettingArgs {
    /// Inline policy from a file [repeatable]
    #[arg(long = "inline", value_name = "NAME=FILE")]
    pub(crate) inline: Vec<String>,

    /// Service accounts by pattern, [CLUSTER:]NAMESPACE/GLOB; they are let in, also those made later [repeatable]
    #[arg(long = "subject-pattern", value_name = "PATTERN")]
    pub(crate) subject_patterns: Vec<String>,

    /// File with further statements of the trust policy, for example for EC2: one, a list, or a policy [repeatable]
    #[arg(long = "trust-statement", value_name = "FILE")]
    pub(crate) trust_statements: Vec<PathBuf>,

    /// Name of the role [default: <cluster>-<namespace>-<service account>]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// Path that a new role is made in
    #[arg(long, value_name = "PATH")]
    pub(crate) role_path: Option<String>,

    /// Description of the role
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// Managed policy that bounds the role's permissions
    #[arg(long, value_name = "ARN")]
    pub(crate) permissions_boundary: Option<String>,

    /// Longest session of the role, 3600 to 43200
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) max_session_duration: Option<u32>,

    /// Tag of the role [repeatable]
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(crate) tags: Vec<String>,

    /// Audience of the token [default: sts.amazonaws.com]
    #[arg(long)]
    pub(crate) audience: Option<String>,

    /// Lifetime of the projected token, 600 to 86400
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) token_expiration: Option<u32>,

    /// Whether pods use the STS endpoint of their region
    #[arg(long, value_name = "BOOL")]
    pub(crate) sts_regional_endpoints: Option<bool>,

    /// automountServiceAccountToken of the service account: whether pods get a token for the Kubernetes API unasked
    #[arg(long, value_name = "BOOL")]
    pub(crate) automount_token: Option<bool>,

    /// Label of the service account [repeatable]
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,

    /// Annotation of the service account [repeatable]
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,

    /// Make the role only; no service account is touched and no API server is needed
    #[arg(long)]
    pub(crate) role_only: bool,

    /// Make the namespace where it is missing
    #[arg(long)]
    pub(crate) create_namespace: bool,

    /// Make the OIDC provider, or add the audience to it, where that is missing
    #[arg(long)]
    pub(crate) create_provider: bool,

    /// Take over a role that somebody else made: adds to it, never removes
    #[arg(long)]
    pub(crate) adopt: bool,

    /// Take over an annotation or field that somebody else set
    #[arg(long)]
    pub(crate) force: bool,

    /// Take away policies and subjects that are not named
    #[arg(long)]
    pub(crate) exact: bool,
}

/// Undo a binding
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The role goes with its policies, if it was made here and nobody else uses it. A role of several service accounts
only loses this one. Deleting what is not there is done already.

Examples:
  irsa delete my-serviceaccount
  irsa delete jobs/worker --dry-run
  irsa delete jobs/worker --cluster arn:aws:eks:us-east-1:123456789012:cluster/gone   the cluster is no more")]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) account: Account,

    /// Name of the role [default: that of the annotation, else the default name]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// Keep the role; it only loses the service account
    #[arg(long)]
    pub(crate) keep_role: bool,

    /// Delete the role even where it would be kept
    #[arg(long, conflicts_with = "keep_role")]
    pub(crate) force: bool,

    /// Delete the role only; no service account is touched and no API server is needed
    #[arg(long)]
    pub(crate) role_only: bool,

    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

/// Show a binding: role, trust, policies, annotation, and whether they fit
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  irsa get my-serviceaccount
  irsa get jobs/worker -o json | jq -r .role_arn")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) account: Account,

    /// Name of the role [default: that of the annotation, else the default name]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// Look at the role only; no service account is looked at and no API server is needed
    #[arg(long)]
    pub(crate) role_only: bool,
}

/// List the bindings of a cluster, whoever made them
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Finds them from both sides, service accounts with an annotation and roles that trust the cluster, and tells where
the two do not fit.

Examples:
  irsa list
  irsa list -n jobs -o json | jq -r '.[] | select(.state != \"ok\") | .service_account'")]
pub(crate) struct ListArgs {
    /// Only this namespace [default: all]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,

    /// Look at roles only; no service account is looked at and no API server is needed
    #[arg(long)]
    pub(crate) role_only: bool,
}
