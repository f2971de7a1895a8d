//! The commands on trust policies: what they really allow.

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

/// Decide whether a service account, or another holder of a token, may assume a role
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Evaluates the trust policy as STS does, for a token with this subject and audience. With --document and
--issuer nothing is called, and --account may be left out where the document names one account for the issuer.
Otherwise issuer and account are those of the cluster. The document is a trust policy, also URL-encoded, or what
`aws iam get-role` prints.

Exit codes: 0 allow, 1 deny, 2 wrong usage, 4 unknown: it depends on what is not known here, such as the caller's
address, or it could not be found out, since the role does not exist or AWS could not be reached

Examples:
  irsa trust check --role s3-reader --subject default/my-serviceaccount
  irsa trust check --document trust.json --subject jobs/worker --issuer https://oidc.example.com/id/A
  irsa trust check --role deploy --issuer https://token.actions.githubusercontent.com \\
      --subject repo:my-org/my-repo:ref:refs/heads/main
  irsa trust check --role s3-reader --subject jobs/worker -o json | jq -r .decision")]
#[command(group(ArgGroup::new("policy").required(true).args(["document", "role"])))]
pub(crate) struct CheckArgs {
    /// Service account, NAMESPACE/NAME; with --issuer of something else than a cluster the sub claim
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: String,

    /// File with the trust policy, or with the output of `aws iam get-role`; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,

    /// Role whose trust policy is read from IAM, in place of --document
    #[arg(long, value_name = "NAME|ARN")]
    pub(crate) role: Option<String>,

    /// Audience of the token [default: sts.amazonaws.com, or what tokens of the issuer usually have]
    #[arg(long)]
    pub(crate) audience: Option<String>,

    /// Partition of the account, with --issuer [default: that of an issuer of EKS, else aws]
    #[arg(long)]
    pub(crate) partition: Option<String>,
}

/// Show who can assume a role
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Shows the set of subjects that the trust policy lets in, the service accounts that exist among them (those whose
annotation names the role are marked), who else gets in, and what an audit says of it. A service account needs no
annotation to assume a role that trusts it. Without a cluster, only the trust policy is looked at.

Examples:
  irsa trust who-can s3-reader
  irsa trust who-can arn:aws:iam::123456789012:role/gen3_service/s3-reader --cluster demo
  irsa trust who-can s3-reader -o json | jq -r '.subjects[].service_accounts[]'")]
pub(crate) struct WhoCanArgs {
    /// Role, by name or ARN
    #[arg(value_name = "ROLE")]
    pub(crate) role: String,
}

/// Find trust policies that let in more than they should
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Looks at every role of the account, and with --cluster also at the cluster's service accounts; or with -f at files
only: trust policies, or what `aws iam get-account-authorization-details`, `get-role` or `list-roles` print. Files
need no credentials and no network.

Permissions policies among the files are skipped, with a warning.

Exit codes: 0 done, 1 a finding reaches --fail-on, 2 wrong usage, or a file that cannot be read; an audit that fails
exits 4 with --fail-on, so that 1 always means findings, and 1 without

Examples:
  irsa trust audit --cluster demo
  irsa trust audit -f policies/ --fail-on medium                      for CI: no rights are needed
  irsa trust audit -f policies/ -o sarif > irsa.sarif                 for code scanning
  irsa trust audit --fail-on high --ignore 'any-subject:legacy-*'     known, and accepted
  aws iam get-account-authorization-details --filter Role | irsa trust audit -f -")]
pub(crate) struct AuditArgs {
    /// File, or folder with *.json files, in place of the account; - is standard input [repeatable]
    #[arg(short, long = "file", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,

    /// Exit 1 when a finding is at least so severe: high, medium, low or info
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), hide_possible_values = true)]
    pub(crate) fail_on: Option<Severity>,

    /// Finding that is not to be reported, of every role or of those whose name, ARN or file fits, with * [repeatable]
    #[arg(long = "ignore", value_name = "ID[:ROLE]")]
    pub(crate) ignores: Vec<String>,

    /// Print what each repair would change in the trust policy
    #[arg(long)]
    pub(crate) show_fixes: bool,
}

/// Lists the severities, so that shells can complete them.
fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|text| text.parse::<Severity>())
}
