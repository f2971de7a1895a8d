//! The drop-in for gen3's script `iam-serviceaccount`: its options, in every form that it took.

use clap::Args;

use super::{DryRun, SettingArgs};

/// Do what gen3's script iam-serviceaccount did
#[derive(Clone, Debug, Args)]
#[command(
    args_override_self = true,
    override_usage = "irsa iam-serviceaccount (-c|-u|-l) NAME [-p POLICY] [-a a|d] [-n NAMESPACE] [OPTIONS]",
    mut_arg("role_name", |arg| arg.help("Name of the role [default: <environment>-<NAME>-role]")),
    mut_arg("role_only", |arg| arg.help("The role only; no service account is touched")),
    mut_arg("force", |arg| arg.help("Take over an annotation or field that somebody else set; with --delete, \
        delete the role even where it would be kept")),
    after_help = "\
The drop-in for gen3's script, also when the program is called by that name. Of options that are given twice, and
of -c, -u, -l and --delete, the last one counts. Create prints the name of the role, list the names of the
policies: managed ones, then inline ones. Everything else is on standard error.

The environment is that of the variable vpc_name, else of the key `environment` of the config map `global`; the
cluster is the one of --cluster or IRSA_CLUSTER, else that of the environment's name, whatever the kubeconfig says.

Examples:
  irsa iam-serviceaccount -c my-serviceaccount -p AmazonS3ReadOnlyAccess
  irsa iam-serviceaccount -u my-serviceaccount -p ./bucket.json -a a      a file becomes the inline policy bucket
  irsa iam-serviceaccount -u my-serviceaccount -p bucket -a d
  irsa iam-serviceaccount -l my-serviceaccount -n jobs
  irsa iam-serviceaccount --delete my-serviceaccount --dry-run"
)]
pub(crate) struct Gen3Args {
    /// Service account to create, with a role of the name <environment>-<NAME>-role; needs -p
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["update", "list", "delete"])]
    pub(crate) create: Option<String>,

    /// Service account whose role gets or loses a policy; needs -p and -a
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["create", "list", "delete"])]
    pub(crate) update: Option<String>,

    /// Service account whose role's policies are listed
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["create", "update", "delete"])]
    pub(crate) list: Option<String>,

    /// Service account that loses its role; both go where they were made for this alone
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["create", "update", "list"])]
    pub(crate) delete: Option<String>,

    /// Policy: a file, an ARN, or the name of a managed policy; with -a d also the name of an inline one
    #[arg(short, long, allow_hyphen_values = true)]
    pub(crate) policy: Option<String>,

    /// What becomes of the policy: a or u to add it, d to take it away
    #[arg(short, long, allow_hyphen_values = true)]
    pub(crate) action: Option<String>,

    /// Namespace of the service account [env: KUBECTL_NAMESPACE] [default: that of the kubeconfig context, else default]
    #[arg(short, long, alias = "namepace", allow_hyphen_values = true)]
    pub(crate) namespace: Option<String>,

    /// One more service account of the role, [CLUSTER:]NAMESPACE/NAME [repeatable]
    #[arg(long = "subject", value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,

    /// With --delete: keep the role; it only loses the service account
    #[arg(long)]
    pub(crate) keep_role: bool,

    #[command(flatten)]
    pub(crate) settings: SettingArgs,

    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}
