//! The command line: what can be typed, and its help. The doc comments are the help text.

mod binding;
mod gen3;
mod global;
mod manifest;
mod provider;
mod trust;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::binding::{
    CreateArgs, DeleteArgs, DryRunArgs, GetArgs, ListArgs, Mode, ServiceAccountArgs, SettingArgs, UpdateArgs,
};
pub(crate) use self::gen3::Gen3Args;
pub(crate) use self::global::{DEFAULT_SANDBOX_FILE, Global, OutputFormat};
pub(crate) use self::manifest::{ApplyArgs, ExportArgs, ManifestArgs, PlanArgs};
pub(crate) use self::provider::{PermissionsArgs, ProviderCommand};
pub(crate) use self::trust::{AuditArgs, CheckArgs, TrustCommand, WhoCanArgs};

/// Bind AWS IAM roles to Kubernetes service accounts (IRSA), safely and in one step
#[derive(Debug, Parser)]
#[command(name = "irsa", version, max_term_width = 120, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

// Not a second paragraph of the doc comment: with that, clap spreads every option over three lines.
const EXAMPLES: &str = "\
Everything is checked before the first write, and a command that is run twice changes nothing the second time.
Undeclared policies and trust statements are kept, and roles that irsa does not manage are left alone.

Examples:
  irsa create my-serviceaccount -p AmazonS3ReadOnlyAccess --sandbox   try it out: no AWS, no cluster
  irsa create my-serviceaccount -p AmazonS3ReadOnlyAccess --dry-run   show what would change
  irsa create jobs/worker -p ./bucket.json --cluster demo             namespace jobs, an inline policy
  irsa list                                                           all bindings, also those of other tools
  irsa apply -f bindings.yaml                                         many bindings from a file
  irsa trust who-can s3-reader                                        who can really assume a role
  irsa delete my-serviceaccount                                       delete the binding again

Exit codes: 0 done or nothing to do, 1 failed or denied, 2 usage error, 3 changes pending (--check),
  4 could not be determined (trust check), 130 interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(CreateArgs),
    Update(UpdateArgs),
    Delete(DeleteArgs),
    Get(GetArgs),
    List(ListArgs),
    Plan(PlanArgs),
    Apply(ApplyArgs),
    Export(ExportArgs),
    /// Print the JSON Schema of the manifest, for editors
    #[command(after_help = "Examples:
  irsa schema > irsa-binding.schema.json
  # yaml-language-server: $schema=irsa-binding.schema.json             the first line of a manifest")]
    Schema,
    /// Manage the IAM OIDC provider of a cluster
    Provider {
        #[command(subcommand)]
        command: ProviderCommand,
    },
    /// Analyze role trust policies: who can assume a role, and why
    Trust {
        #[command(subcommand)]
        command: TrustCommand,
    },
    Permissions(PermissionsArgs),
    IamServiceaccount(Gen3Args),
    /// Print the completion script for a shell
    #[command(after_help = "\
In bash, zsh and fish, completion covers commands, options and their values, and the names of clusters, contexts,
profiles, namespaces, service accounts and roles that the kubeconfig, the AWS configuration and the --sandbox file
contain. It makes no network calls. Elvish and PowerShell complete commands and options only.

Examples:
  irsa completions bash > ~/.local/share/bash-completion/completions/irsa
  irsa completions zsh > ~/.zfunc/_irsa                               with ~/.zfunc in fpath, before compinit
  irsa completions fish > ~/.config/fish/completions/irsa.fish
  source <(irsa completions bash)                                     in the current shell only; also for zsh")]
    Completions {
        /// Name of the shell
        shell: Shell,
    },
}
