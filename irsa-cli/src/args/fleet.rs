//! The commands on manifests: plan, apply, schema.

use std::path::PathBuf;

use clap::Args;
use irsa_core::FleetOptions;

use super::DryRun;

/// What is declared, and what that may touch.
#[derive(Clone, Debug, Args)]
pub(crate) struct FleetArgs {
    /// Manifest: a file, a folder of *.yaml, *.yml and *.json, or - for standard input [repeatable]
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Name of the set that the bindings belong to; it is kept as a tag of each role
    #[arg(long, value_name = "NAME")]
    pub(crate) set: Option<String>,

    /// Remove the bindings of the set that are not declared any more
    #[arg(long, requires = "set")]
    pub(crate) prune: bool,

    /// Take away policies and subjects that are not declared, of every binding
    #[arg(long)]
    pub(crate) exact: bool,

    /// Take over roles that somebody else made: adds to them, never removes
    #[arg(long)]
    pub(crate) adopt: bool,

    /// Take over annotations or fields that somebody else set
    #[arg(long)]
    pub(crate) force: bool,

    /// Make namespaces that are missing
    #[arg(long)]
    pub(crate) create_namespace: bool,

    /// Make the OIDC provider, or add the audience to it, where that is missing
    #[arg(long)]
    pub(crate) create_provider: bool,
}

/// Show what `apply` would do
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Writes nothing. With --check it exits 3 when something would change.

Examples:
  irsa plan -f bindings.yaml
  irsa plan -f bindings/ --set production --prune
  irsa plan -f bindings.yaml --check -q                               for CI: exit 3 when something drifted
  irsa plan -f cluster.yaml                                           a ClusterConfig of eksctl")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,

    /// Exit 3 when something would change
    #[arg(long)]
    pub(crate) check: bool,
}

/// Print the manifest of what exists, whoever made it
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The manifest plans to no change: what is there is declared as it is. What it cannot say, or could not say without a
change, is left out and told on standard error. `irsa apply --adopt` then takes the roles under management without
changing rights.

Examples:
  irsa export > bindings.yaml
  irsa export -n jobs -o json | jq '.items[].spec.roleName'")]
pub(crate) struct ExportArgs {
    /// Only this namespace [default: all]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// Make or repair the bindings of a manifest
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Everything in the files is checked before the first call. A binding that is refused or fails stops no other; the
same command again finishes the work. Ctrl-C stops between two steps, twice at once.

A manifest is YAML or JSON, of one or many documents; `irsa schema` prints its JSON Schema:

  apiVersion: irsa.gen3.org/v1alpha1
  kind: IrsaBinding
  metadata: {name: my-serviceaccount, namespace: default}
  spec:
    policies: [AmazonS3ReadOnlyAccess]
    inlinePolicies: {bucket: {file: policies/bucket.json}}

A ClusterConfig of eksctl is read too: its iam.serviceAccounts. A role that attachRoleARN names must exist.

Several bindings may declare one roleName where one of them names the service accounts of the others in subjects: what
all of them want of the role is wanted of it, and each gives its own service account its labels.

With --prune, bindings that belong to the set and are not declared any more are removed, each with its role and all its
service accounts. They are shown first; on a terminal you are asked. Of a role that is declared still, service accounts
that are not are told, and kept. A role whose service accounts are declared with another one goes with a later prune:
after they have moved, and when you have restarted their pods.

Examples:
  irsa apply -f bindings.yaml
  irsa apply -f bindings/ --set production --prune                    removes what the set no longer has
  irsa apply -f bindings.yaml --dry-run -o json | jq '.bindings[].steps'
  irsa apply -f cluster.yaml --adopt                                  takes over what eksctl made")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,

    /// Remove without asking, also more than 10 bindings
    #[arg(long, requires = "prune")]
    pub(crate) confirm_prune: bool,

    /// Bindings that are worked on at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = concurrency)]
    pub(crate) concurrency: usize,

    /// Writes to IAM in a second; 0 is no limit
    #[arg(long, value_name = "RATE", default_value_t = 10.0, value_parser = rate)]
    pub(crate) writes_per_second: f64,

    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a number of at least 1".to_owned()),
        Ok(bindings) => Ok(bindings),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && (rate == 0.0 || rate >= FleetOptions::MIN_WRITES_PER_SECOND) => Ok(rate),
        _ => {
            let slowest = FleetOptions::MIN_WRITES_PER_SECOND;
            Err(format!("must be a number of writes of at least {slowest}, such as 10 or 0.5; 0 is no limit"))
        }
    }
}
