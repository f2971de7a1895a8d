//! Arguments of `iam-serviceaccount`, the drop-in for gen3's script, in every form that the script accepts.

use clap::Args;

use super::{DryRunArgs, SettingArgs};

/// Drop-in replacement for gen3's `iam-serviceaccount` script
#[derive(Clone, Debug, Args)]
#[command(
    args_override_self = true,
    override_usage = "irsa iam-serviceaccount (-c|-u|-l) NAME [-p POLICY] [-a a|d] [-n NAMESPACE] [OPTIONS]",
    mut_arg("role_name", |arg| arg.help("Name of the role [default: <environment>-<NAME>-role]")),
    mut_arg("role_only", |arg| arg.help("Create or change only the role, not the service account")),
    mut_arg("force", |arg| arg.help("Overwrite an annotation or field that another tool or user set; with --delete, \
        delete the role even if it would be kept")),
    after_help = "\
Also runs when the program is called `iam-serviceaccount`. If an option is given twice, the last one counts; the same
goes for -c, -u, -l and --delete. Create prints the role name, and list prints the policy names, managed policies
first. Everything else goes to stderr.

The environment comes from the variable vpc_name, or else from the key `environment` of the config map `global`. The
cluster comes from --cluster or IRSA_CLUSTER, or else has the environment's name; the kubeconfig does not decide it.

Examples:
  irsa iam-serviceaccount -c my-serviceaccount -p AmazonS3ReadOnlyAccess
  irsa iam-serviceaccount -u my-serviceaccount -p ./bucket.json -a a      a file becomes the inline policy bucket
  irsa iam-serviceaccount -u my-serviceaccount -p bucket -a d
  irsa iam-serviceaccount -l my-serviceaccount -n jobs
  irsa iam-serviceaccount --delete my-serviceaccount --dry-run"
)]
pub(crate) struct Gen3Args {
    /// Service account to create, with a role named <environment>-<NAME>-role; needs -p
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["update", "list", "delete"])]
    pub(crate) create: Option<String>,

    /// Service account whose role to add a policy to or remove one from; needs -p and -a
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["create", "list", "delete"])]
    pub(crate) update: Option<String>,

    /// Service account whose role's policies to list
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["create", "update", "delete"])]
    pub(crate) list: Option<String>,

    /// Service account whose binding to delete; it and the role are deleted if created for this binding alone
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, overrides_with_all = ["create", "update", "list"])]
    pub(crate) delete: Option<String>,

    /// Policy: a file, an ARN, or a managed policy name; with -a d also the name of an inline policy
    #[arg(short, long, allow_hyphen_values = true)]
    pub(crate) policy: Option<String>,

    /// What to do with the policy: a or u to add it, d to remove it
    #[arg(short, long, allow_hyphen_values = true)]
    pub(crate) action: Option<String>,

    /// Namespace of the service account [env: KUBECTL_NAMESPACE] [default: from the kubeconfig context, or else default]
    #[arg(short, long, alias = "namepace", allow_hyphen_values = true)]
    pub(crate) namespace: Option<String>,

    /// Additional service account that may assume the role, [CLUSTER:]NAMESPACE/NAME [repeatable]
    #[arg(long = "subject", value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,

    /// With --delete: keep the role, and only stop it from trusting the service account
    #[arg(long)]
    pub(crate) keep_role: bool,

    #[command(flatten)]
    pub(crate) settings: SettingArgs,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,
}
