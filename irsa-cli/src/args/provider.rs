//! Arguments of `provider` and `permissions`.

use clap::{Args, Subcommand};

use super::DryRunArgs;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Create the OIDC provider of the cluster, or add missing audiences
    #[command(after_help = "\
Examples:
  irsa provider create --cluster demo
  irsa provider create --cluster demo --check     exit 3 if anything would change")]
    Create {
        /// Audience that the provider accepts [repeatable] [default: sts.amazonaws.com]
        #[arg(long = "audience", value_name = "AUDIENCE")]
        audiences: Vec<String>,

        #[command(flatten)]
        dry_run: DryRunArgs,
    },
    /// Show the OIDC provider of the cluster
    #[command(after_help = "\
Examples:
  irsa provider show --cluster demo
  irsa provider show --cluster demo -o json | jq .exists")]
    Show,
    /// Delete the OIDC provider of the cluster, unless roles still trust it
    #[command(after_help = "\
Examples:
  irsa provider delete --cluster demo --dry-run")]
    Delete {
        /// Delete it even if roles trust it; their pods lose access
        #[arg(long)]
        force: bool,

        #[command(flatten)]
        dry_run: DryRunArgs,
    },
}

/// Print the minimal IAM policy and RBAC manifest that irsa itself needs
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Makes no calls. Resources are narrowed as far as the options allow: --cluster (preferably an ARN), --account, --region,
--role-name, --role-path and --namespace. Role writes are limited to the default role names of the cluster, or to
--role-name. Anyone who can attach arbitrary policies to a role can become administrator; limit this with
--permissions-boundary.

Examples:
  irsa permissions create --cluster arn:aws:eks:us-east-1:123456789012:cluster/demo
  irsa permissions create --dry-run                       what CI needs for planning
  irsa permissions create -o json | jq .iam > policy.json
  irsa permissions create -o json | jq '.rbac[]' | kubectl apply -f -
  irsa permissions provider create
  irsa permissions trust audit                            what an audit of the account reads")]
pub(crate) struct PermissionsArgs {
    /// Command to run, such as create, provider show or trust audit [default: all but iam-serviceaccount]
    #[arg(value_name = "COMMAND", num_args = 0..=2)]
    pub(crate) command: Vec<String>,

    /// Limit to this namespace: a Role instead of a ClusterRole
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,

    /// Limit to this role
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// Limit to roles with this path
    #[arg(long, value_name = "PATH")]
    pub(crate) role_path: Option<String>,

    /// Limit to roles with this permissions boundary
    #[arg(long, value_name = "ARN")]
    pub(crate) permissions_boundary: Option<String>,

    /// Include the permissions for --create-namespace
    #[arg(long)]
    pub(crate) create_namespace: bool,

    /// Include the permissions for --create-provider
    #[arg(long)]
    pub(crate) create_provider: bool,

    /// Leave out the permissions on the API server, as for --role-only
    #[arg(long)]
    pub(crate) role_only: bool,

    /// Include only the permissions to read and plan
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Group that gets the Kubernetes permissions [default: irsa]
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    pub(crate) group: Option<String>,

    /// User that gets the Kubernetes permissions
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}
