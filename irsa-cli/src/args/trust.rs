//! Arguments of `trust check`, `trust who-can` and `trust audit`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};
use irsa_core::trust::Severity;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TrustCommand {
    Check(CheckArgs),
    WhoCan(WhoCanArgs),
    Audit(AuditArgs),
}

/// Check whether a service account, or another token holder, can assume a role
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Evaluates the trust policy as STS does, for a token with this subject and audience. With --document and --issuer it
makes no calls, and --account is optional if the document names only one account for the issuer. Otherwise the issuer
and account are those of the cluster. The document is a trust policy, optionally URL-encoded, or the output of
`aws iam get-role`.

Exit codes: 0 allow, 1 deny, 2 usage error, 4 unknown: the answer depends on something that cannot be known here, such
as the caller's address, or could not be found because the role does not exist or AWS cannot be reached

Examples:
  irsa trust check --role s3-reader --subject default/my-serviceaccount
  irsa trust check --document trust.json --subject jobs/worker --issuer https://oidc.example.com/id/A
  irsa trust check --role deploy --issuer https://token.actions.githubusercontent.com \\
      --subject repo:my-org/my-repo:ref:refs/heads/main
  irsa trust check --role s3-reader --subject jobs/worker -o json | jq -r .decision")]
#[command(group(ArgGroup::new("policy").required(true).args(["document", "role"])))]
pub(crate) struct CheckArgs {
    /// Service account, NAMESPACE/NAME; for an issuer that is not a cluster, the `sub` claim
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: String,

    /// File with the trust policy or the output of `aws iam get-role`; - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,

    /// Role whose trust policy to read from IAM, instead of --document
    #[arg(long, value_name = "NAME|ARN")]
    pub(crate) role: Option<String>,

    /// Audience of the token [default: sts.amazonaws.com, or the usual audience of the issuer]
    #[arg(long)]
    pub(crate) audience: Option<String>,

    /// AWS partition of the account, with --issuer [default: from an EKS issuer, or else aws]
    #[arg(long)]
    pub(crate) partition: Option<String>,
}

/// Show who can assume a role
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Shows the subjects that the trust policy trusts, the existing service accounts among them (those annotated with the
role are marked), everyone else who is trusted, and the audit findings of the role. A service account needs no
annotation to assume a role that trusts it. Without a cluster, only the trust policy is analyzed.

Examples:
  irsa trust who-can s3-reader
  irsa trust who-can arn:aws:iam::123456789012:role/gen3_service/s3-reader --cluster demo
  irsa trust who-can s3-reader -o json | jq -r '.subjects[].service_accounts[]'")]
pub(crate) struct WhoCanArgs {
    /// Role name or ARN
    #[arg(value_name = "ROLE")]
    pub(crate) role: String,
}

/// Find trust policies that trust more than they should
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Audits every role of the account, and with --cluster also compares them with the cluster's service accounts. With -f,
audits only the given files: trust policies, or the output of `aws iam get-account-authorization-details`, `get-role`
or `list-roles`. Files need no credentials and no network; permissions policies among them are skipped with a warning.

Exit codes: 0 done, 1 a finding reaches --fail-on, 2 usage error or unreadable file. An audit that fails exits 4 with
--fail-on, so that 1 always means findings; otherwise it exits 1.

Examples:
  irsa trust audit --cluster demo
  irsa trust audit -f policies/ --fail-on medium                      for CI: needs no AWS access
  irsa trust audit -f policies/ -o sarif > irsa.sarif                 for code scanning
  irsa trust audit --fail-on high --ignore 'any-subject:legacy-*'     accept known findings
  aws iam get-account-authorization-details --filter Role | irsa trust audit -f -")]
pub(crate) struct AuditArgs {
    /// File, or directory of *.json files, to audit instead of the account; - for stdin [repeatable]
    #[arg(short, long = "file", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,

    /// Exit 1 if a finding has at least this severity: high, medium, low or info
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), hide_possible_values = true)]
    pub(crate) fail_on: Option<Severity>,

    /// Finding to ignore, for all roles or those whose name, ARN or file matches ROLE (* allowed) [repeatable]
    #[arg(long = "ignore", value_name = "ID[:ROLE]")]
    pub(crate) ignores: Vec<String>,

    /// Print what each fix would change in the trust policy
    #[arg(long)]
    pub(crate) show_fixes: bool,
}

/// Lists the severities, so that shells can complete them.
fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|text| text.parse::<Severity>())
}
