//! Arguments of plan, apply and export.

use std::path::PathBuf;

use clap::Args;
use irsa_core::FleetOptions;

use super::DryRunArgs;

/// Manifests, and how they are applied.
#[derive(Clone, Debug, Args)]
pub(crate) struct ManifestArgs {
    /// Manifest: a file, a directory of *.yaml, *.yml and *.json, or - for stdin [repeatable]
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Applyset that the bindings belong to; stored as a tag on each role
    #[arg(long, value_name = "NAME")]
    pub(crate) applyset: Option<String>,

    /// Delete bindings of the applyset that are no longer declared
    #[arg(long, requires = "applyset")]
    pub(crate) prune: bool,

    /// Remove policies and subjects that are not declared, from every binding
    #[arg(long)]
    pub(crate) exact: bool,

    /// Adopt roles that irsa did not create; adds what is missing, removes nothing
    #[arg(long)]
    pub(crate) adopt: bool,

    /// Overwrite annotations and fields that other tools or users set
    #[arg(long)]
    pub(crate) force: bool,

    /// Create missing namespaces
    #[arg(long)]
    pub(crate) create_namespace: bool,

    /// Create the OIDC provider, or add the audience to it, if missing
    #[arg(long)]
    pub(crate) create_provider: bool,
}

/// Show what `irsa apply` would change
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Writes nothing.

Examples:
  irsa plan -f bindings.yaml
  irsa plan -f bindings/ --applyset production --prune
  irsa plan -f bindings.yaml --check -q                               for CI: exit 3 on drift
  irsa plan -f cluster.yaml                                           a ClusterConfig of eksctl")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,

    /// Exit 3 if anything would change
    #[arg(long)]
    pub(crate) check: bool,
}

/// Export existing bindings as a manifest, including ones irsa did not create
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Applying the exported manifest changes nothing. Whatever a manifest cannot express without a change is skipped and
reported on stderr. `irsa apply --adopt` then adopts the roles without changing their permissions.

Examples:
  irsa export > bindings.yaml
  irsa export -n jobs -o json | jq '.items[].spec.roleName'")]
pub(crate) struct ExportArgs {
    /// Only this namespace [default: all]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// Create or repair the bindings of a manifest
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
All files are checked before the first call. A binding that is refused or fails does not stop the others; rerun the
command to finish. Press Ctrl-C to stop after the current step, twice to stop immediately.

A manifest is YAML or JSON with one or more documents; `irsa schema` prints its JSON Schema:

  apiVersion: irsa.gen3.org/v1alpha1
  kind: IrsaBinding
  metadata: {name: my-serviceaccount, namespace: default}
  spec:
    policies: [AmazonS3ReadOnlyAccess]
    inlinePolicies: {bucket: {file: policies/bucket.json}}

An eksctl ClusterConfig is accepted too: its iam.serviceAccounts. When a role is adopted, the policies that eksctl wrote
for wellKnownPolicies are replaced in place. A role named by attachRoleARN must exist; if it already trusts the service
account, or is in another account, only the annotation is written.

Bindings may share a roleName if one of them lists the other service accounts under `subjects`. Role settings are
merged; labels stay per binding.

With --prune, bindings of the applyset that are no longer declared are deleted, each with its role and all its service
accounts. They are listed first, and you are asked to confirm on a terminal. If a role is still declared, service
accounts that are not are reported but kept. If the service accounts of a role have moved to another role, a later
prune deletes the old one, so that you can restart their pods first.

Examples:
  irsa apply -f bindings.yaml
  irsa apply -f bindings/ --applyset production --prune               also delete what is no longer declared
  irsa apply -f bindings.yaml --dry-run -o json | jq '.bindings[].steps'
  irsa apply -f cluster.yaml --adopt                                  adopt the roles of eksctl")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,

    /// Delete without asking, even more than 10 bindings
    #[arg(long, requires = "prune")]
    pub(crate) confirm_prune: bool,

    /// Number of bindings to apply at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = concurrency)]
    pub(crate) concurrency: usize,

    /// Maximum IAM writes per second; 0 for no limit
    #[arg(long, value_name = "RATE", default_value_t = 10.0, value_parser = rate)]
    pub(crate) writes_per_second: f64,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,
}

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number of at least 1".to_owned()),
        Ok(bindings) => Ok(bindings),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && (rate == 0.0 || rate >= FleetOptions::MIN_WRITES_PER_SECOND) => Ok(rate),
        _ => {
            let slowest = FleetOptions::MIN_WRITES_PER_SECOND;
            Err(format!("must be a number of at least {slowest}, or 0 for no limit"))
        }
    }
}
