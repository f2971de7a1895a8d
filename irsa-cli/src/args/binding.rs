//! Arguments of the commands for one binding: create, update, delete, get and list.

use std::path::PathBuf;

use clap::Args;
use irsa_core::DryRun;

/// The service account to work on.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServiceAccountArgs {
    /// Service account, [NAMESPACE/]NAME
    #[arg(value_name = "SERVICE_ACCOUNT")]
    pub(crate) service_account: String,

    /// Namespace of the service account [default: default]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// Dry-run options.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct DryRunArgs {
    /// Print what would change without writing anything
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Like --dry-run, but exit 3 if anything would change
    #[arg(long)]
    pub(crate) check: bool,
}

impl DryRunArgs {
    pub(crate) fn mode(self) -> Mode {
        match (self.check, self.dry_run) {
            (true, _) => Mode::Check,
            (false, true) => Mode::DryRun,
            (false, false) => Mode::Apply,
        }
    }
}

/// Whether a command writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Apply,
    DryRun,
    /// A dry run that exits 3 if anything would change.
    Check,
}

impl Mode {
    pub(crate) fn is_dry_run(self) -> bool {
        self != Self::Apply
    }

    /// The mode as the library takes it.
    pub(crate) fn dry_run(self) -> DryRun {
        self.is_dry_run().into()
    }
}

/// Create or repair the IAM role for a service account
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Creates the role, its trust policy and policies, the service account and its annotation, and repairs those that exist.
Settings that are not given keep their current values.

Examples:
  irsa create my-serviceaccount -p AmazonS3ReadOnlyAccess
  irsa create jobs/worker -p ./bucket.json --permissions-boundary arn:aws:iam::123456789012:policy/boundary
  irsa create default/a --subject default/b --subject blue:jobs/c     one role for several, on two clusters
  irsa create my-serviceaccount -p AmazonS3ReadOnlyAccess --check     exit 3 if anything would change")]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) account: ServiceAccountArgs,

    /// Policy: an ARN, a managed policy name, or a file (./FILE, /FILE, file://FILE, *.json) [repeatable]
    #[arg(short, long = "policy", value_name = "POLICY")]
    pub(crate) policies: Vec<String>,

    /// Additional service account that may assume the role, [CLUSTER:]NAMESPACE/NAME [repeatable]
    #[arg(long = "subject", value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,

    #[command(flatten)]
    pub(crate) settings: SettingArgs,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,
}

/// Change an existing binding
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Settings that are not given keep their current values. Removing a policy or subject that is absent succeeds with a
warning.

Examples:
  irsa update my-serviceaccount --add-policy AmazonSQSReadOnlyAccess --remove-policy AmazonS3ReadOnlyAccess
  irsa update my-serviceaccount --add-subject jobs/worker --dry-run
  irsa update my-serviceaccount --max-session-duration 7200")]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    pub(crate) account: ServiceAccountArgs,

    /// Policy to add: an ARN, a managed policy name, or a file (./FILE, /FILE, file://FILE, *.json) [repeatable]
    #[arg(short = 'p', long = "add-policy", visible_alias = "policy", value_name = "POLICY")]
    pub(crate) policies: Vec<String>,

    /// Policy to remove: the ARN or name of a managed policy, or the name of an inline policy [repeatable]
    #[arg(long = "remove-policy", value_name = "POLICY")]
    pub(crate) remove_policies: Vec<String>,

    /// Service account to add, [CLUSTER:]NAMESPACE/NAME [repeatable]
    #[arg(long = "add-subject", visible_alias = "subject", value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,

    /// Service account or pattern to remove, [CLUSTER:]NAMESPACE/NAME [repeatable]
    #[arg(long = "remove-subject", value_name = "SUBJECT")]
    pub(crate) remove_subjects: Vec<String>,

    #[command(flatten)]
    pub(crate) settings: SettingArgs,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,
}

fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "must be a number of seconds, such as 7200".to_owned())
}

/// Settings of create and update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct SettingArgs {
    /// Inline policy from a file [repeatable]
    #[arg(long = "inline-policy", value_name = "NAME=FILE")]
    pub(crate) inline_policies: Vec<String>,

    /// Trust every service account matching [CLUSTER:]NAMESPACE/GLOB, including ones created later [repeatable]
    #[arg(long = "subject-pattern", value_name = "PATTERN")]
    pub(crate) subject_patterns: Vec<String>,

    /// File with additional trust policy statements, for example for EC2: a statement, a list or a policy [repeatable]
    #[arg(long = "trust-statement", value_name = "FILE")]
    pub(crate) trust_statements: Vec<PathBuf>,

    /// Name of the role [default: <cluster>-<namespace>-<service account>]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// IAM path of a new role
    #[arg(long, value_name = "PATH")]
    pub(crate) role_path: Option<String>,

    /// Description of the role
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// Managed policy that limits the role's permissions
    #[arg(long, value_name = "ARN")]
    pub(crate) permissions_boundary: Option<String>,

    /// Maximum session duration of the role, 3600 to 43200
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) max_session_duration: Option<u32>,

    /// Tag of the role [repeatable]
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(crate) tags: Vec<String>,

    /// Audience of the token [default: sts.amazonaws.com]
    #[arg(long)]
    pub(crate) audience: Option<String>,

    /// Lifetime of the pods' tokens, 600 to 86400
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) token_expiration: Option<u32>,

    /// Whether pods use the regional STS endpoint
    #[arg(long, value_name = "BOOL")]
    pub(crate) sts_regional_endpoints: Option<bool>,

    /// Whether pods get a Kubernetes API token by default (automountServiceAccountToken of the service account)
    #[arg(long, value_name = "BOOL")]
    pub(crate) automount_token: Option<bool>,

    /// Label of the service account [repeatable]
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,

    /// Annotation of the service account [repeatable]
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,

    /// Create or change only the role, not the service account; needs no API server
    #[arg(long)]
    pub(crate) role_only: bool,

    /// Create the namespace if it is missing
    #[arg(long)]
    pub(crate) create_namespace: bool,

    /// Create the OIDC provider, or add the audience to it, if missing
    #[arg(long)]
    pub(crate) create_provider: bool,

    /// Adopt a role that irsa did not create; adds what is missing, removes nothing
    #[arg(long)]
    pub(crate) adopt: bool,

    /// Overwrite an annotation or field that another tool or user set
    #[arg(long)]
    pub(crate) force: bool,

    /// Remove policies and subjects that are not declared
    #[arg(long)]
    pub(crate) exact: bool,
}

/// Delete a binding (role, policies and service-account annotation)
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Deletes the role and its policies if irsa created the role and no other subject uses it. If other subjects use the
role, only this one is removed. Deleting a binding that does not exist succeeds.

Examples:
  irsa delete my-serviceaccount
  irsa delete jobs/worker --dry-run
  irsa delete jobs/worker --cluster arn:aws:eks:us-east-1:123456789012:cluster/gone   the cluster no longer exists")]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) account: ServiceAccountArgs,

    /// Name of the role [default: the role of the annotation, or else the default name]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// Keep the role, and only stop it from trusting the service account
    #[arg(long)]
    pub(crate) keep_role: bool,

    /// Delete the role even if it would be kept
    #[arg(long, conflicts_with = "keep_role")]
    pub(crate) force: bool,

    /// Delete only the role, not the service account or its annotation; needs no API server
    #[arg(long)]
    pub(crate) role_only: bool,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,
}

/// Show a binding: role, trust, policies, annotation, and whether they agree
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  irsa get my-serviceaccount
  irsa get jobs/worker -o json | jq -r .role_arn")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) account: ServiceAccountArgs,

    /// Name of the role [default: the role of the annotation, or else the default name]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// Read only the role, not the service account; needs no API server
    #[arg(long)]
    pub(crate) role_only: bool,
}

/// List the bindings of a cluster, including ones irsa did not create
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Finds annotated service accounts and roles that trust the cluster, and shows where the two disagree.

Examples:
  irsa list
  irsa list -n jobs -o json | jq -r '.[] | select(.state != \"ok\") | .service_account'")]
pub(crate) struct ListArgs {
    /// Only this namespace [default: all]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,

    /// Read only roles, not service accounts; needs no API server
    #[arg(long)]
    pub(crate) role_only: bool,
}
