//! The commands on the account: the OIDC provider, and the rights that irsa needs.

use clap::{Args, Subcommand};

use super::DryRun;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Make the OIDC provider of the cluster, or add the audiences that it lacks
    #[command(after_help = "\
Examples:
  irsa provider create --cluster demo
  irsa provider create --cluster demo --check     exit 3 when there is none yet")]
    Create {
        /// Audience that the provider takes [repeatable] [default: sts.amazonaws.com]
        #[arg(long = "audience", value_name = "AUDIENCE")]
        audiences: Vec<String>,

        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Show the OIDC provider of the cluster
    #[command(after_help = "\
Examples:
  irsa provider show --cluster demo
  irsa provider show --cluster demo -o json | jq .exists")]
    Show,
    /// Delete the OIDC provider of the cluster; refused while roles trust it
    #[command(after_help = "\
Examples:
  irsa provider delete --cluster demo --dry-run")]
    Delete {
        /// Delete it although roles trust it; their pods lose access
        #[arg(long)]
        force: bool,

        #[command(flatten)]
        dry_run: DryRun,
    },
}

/// Print the least rights that irsa itself needs: an IAM policy and a Kubernetes RBAC manifest
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Calls nothing. Resources are filled in as far as the options tell: --cluster (best as an ARN), --account, --region,
--role-name, --role-path, --namespace. Writes of roles are limited to the default names of the cluster, or to
--role-name. Whoever may attach any policy to a role can become anybody: --permissions-boundary limits that.

Examples:
  irsa permissions create --cluster arn:aws:eks:us-east-1:123456789012:cluster/demo
  irsa permissions create --dry-run                       what CI needs to plan
  irsa permissions create -o json | jq .iam > policy.json
  irsa permissions create -o json | jq '.rbac[]' | kubectl apply -f -
  irsa permissions provider create
  irsa permissions trust audit                            what an audit of the account needs to read")]
pub(crate) struct PermissionsArgs {
    /// Command to run, such as create, provider show or trust audit [default: all but iam-serviceaccount]
    #[arg(value_name = "COMMAND", num_args = 0..=2)]
    pub(crate) command: Vec<String>,

    /// Only this namespace: a Role in place of a ClusterRole
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,

    /// Only this role
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,

    /// Only roles of this path
    #[arg(long, value_name = "PATH")]
    pub(crate) role_path: Option<String>,

    /// Only roles with this boundary
    #[arg(long, value_name = "ARN")]
    pub(crate) permissions_boundary: Option<String>,

    /// With the rights for --create-namespace
    #[arg(long)]
    pub(crate) create_namespace: bool,

    /// With the rights for --create-provider
    #[arg(long)]
    pub(crate) create_provider: bool,

    /// Without the rights on the API server, as for --role-only
    #[arg(long)]
    pub(crate) role_only: bool,

    /// Only the rights to look and plan
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Group that gets the Kubernetes rights [default: irsa]
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    pub(crate) group: Option<String>,

    /// User that gets the Kubernetes rights
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}
