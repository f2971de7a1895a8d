//! Real documents: trust policies in the form in which tools and guides write them, with who gets in by them.
//!
//! The documents are in `tests/documents`; what is expected of them follows from the rules of IAM.

use std::path::Path;

use irsa_core::ErrorKind;
use irsa_core::trust::Decision::{self, Allow, Deny, Unknown};
use irsa_core::trust::{TrustDocument, WebIdentityCaller};

/// The cluster that most documents are about.
const DEMO: &str =
    "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
const BLUE: &str =
    "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/FEDCBA9876543210FEDCBA9876543210";
const CHINA: &str = "arn:aws-cn:iam::123456789012:oidc-provider/oidc.eks.cn-north-1.amazonaws.com.cn/id/0123456789ABCDEF0123456789ABCDEF";
const GITHUB: &str = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
const GITLAB: &str = "arn:aws:iam::123456789012:oidc-provider/gitlab.com";
const TERRAFORM: &str = "arn:aws:iam::123456789012:oidc-provider/app.terraform.io";
/// Amazon Cognito is in no account.
const COGNITO: &str = "arn:aws:iam::123456789012:oidc-provider/cognito-identity.amazonaws.com";
const STS: &str = "sts.amazonaws.com";

/// What a document says to the tokens of a provider with an audience: who gets in as a set, and some callers.
struct Row {
    file: &'static str,
    provider: &'static str,
    audience: &'static str,
    /// Patterns with `!` before each exception, sorted; `?` before those that depend on something, `~` before
    /// those of which fewer may get in.
    set: &'static [&'static str],
    /// `NAMESPACE:NAME`, or a whole subject.
    callers: &'static [(&'static str, Decision)],
}

const fn row(
    file: &'static str,
    provider: &'static str,
    audience: &'static str,
    set: &'static [&'static str],
    callers: &'static [(&'static str, Decision)],
) -> Row {
    Row { file, provider, audience, set, callers }
}

const ROWS: &[Row] = &[
    row(
        "eksctl",
        DEMO,
        STS,
        &["default:s3-reader"],
        &[("default:s3-reader", Allow), ("default:s3-reader2", Deny), ("other:s3-reader", Deny)],
    ),
    row("eksctl", DEMO, "other", &[], &[("default:s3-reader", Deny)]),
    row("eksctl", BLUE, STS, &[], &[("default:s3-reader", Deny)]),
    row("eksctl-without-subject", DEMO, STS, &["*"], &[("default:default", Allow), ("system:node:a", Allow)]),
    row("eksctl-without-subject", DEMO, "other", &[], &[("default:default", Deny)]),
    row(
        "eksctl-subject-pattern",
        DEMO,
        STS,
        &["jobs:etl-*"],
        &[("jobs:etl-daily", Allow), ("jobs:etl", Deny), ("jobs2:etl-a", Deny)],
    ),
    row(
        "terraform-string-equals",
        DEMO,
        STS,
        &["kube-system:aws-node", "kube-system:ebs-csi-controller-sa"],
        &[("kube-system:aws-node", Allow), ("kube-system:default", Deny)],
    ),
    row(
        "terraform-string-equals",
        BLUE,
        STS,
        &["kube-system:aws-node"],
        &[("kube-system:ebs-csi-controller-sa", Deny)],
    ),
    row(
        "terraform-string-like",
        DEMO,
        STS,
        &["crossplane-system:provider-aws-*"],
        &[("crossplane-system:provider-aws-s3", Allow), ("crossplane-system:provider-gcp", Deny)],
    ),
    row(
        "cdk",
        DEMO,
        STS,
        &["default:mycluster-sa"],
        &[("default:mycluster-sa", Allow), ("default:Mycluster-sa", Deny)],
    ),
    row(
        "crossplane",
        DEMO,
        STS,
        &["crossplane-system:function-*", "crossplane-system:upbound-provider-*"],
        &[("crossplane-system:function-a", Allow), ("crossplane-system:upbound-provider-aws", Allow)],
    ),
    row(
        "crossplane",
        DEMO,
        "other",
        &["crossplane-system:function-*"],
        &[("crossplane-system:upbound-provider-aws", Deny)],
    ),
    row("irsa-manager", DEMO, STS, &["default:app", "jobs:app"], &[("jobs:app", Allow), ("jobs:other", Deny)]),
    row("irsa-manager", DEMO, "any", &["default:app", "jobs:app"], &[("default:app", Allow)]),
    row("ack", DEMO, "vault", &["ack-system:ack-s3-controller"], &[("ack-system:ack-s3-controller", Allow)]),
    row(
        "gen3",
        DEMO,
        STS,
        &["default:my-serviceaccount"],
        &[("default:my-serviceaccount", Allow), ("default:default", Deny)],
    ),
    row(
        "gen3-all-values",
        DEMO,
        STS,
        &["*:fence-sa", "default:arborist*"],
        &[("qa:fence-sa", Allow), ("a:b:fence-sa", Allow), ("default:arborist", Allow), ("qa:arborist", Deny)],
    ),
    row("gen3-all-values", DEMO, "other", &[], &[("qa:fence-sa", Deny)]),
    row("gen3-all-values", BLUE, STS, &[], &[("qa:fence-sa", Deny)]),
    row("gen3-with-ec2", DEMO, STS, &["default:gitops-sa"], &[("default:gitops-sa", Allow), ("default:other", Deny)]),
    row("aws-two-clusters", DEMO, STS, &["default:my-service-account"], &[("default:my-service-account", Allow)]),
    row("aws-two-clusters", BLUE, STS, &["default:my-service-account"], &[("default:other", Deny)]),
    row("aws-any-account-of-a-cluster", DEMO, "anything", &["*"], &[("kube-system:default", Allow), ("", Allow)]),
    row("aws-any-account-of-a-cluster", BLUE, STS, &[], &[("kube-system:default", Deny)]),
    row("kube2iam", DEMO, STS, &["default:app"], &[("default:app", Allow), ("default:nodes", Deny)]),
    row("pod-identity", DEMO, STS, &[], &[("default:app", Deny)]),
    row("pod-identity-and-tokens", DEMO, STS, &["app:web"], &[("app:web", Allow), ("app:api", Deny)]),
    row("ordinary-ec2-role", DEMO, STS, &[], &[("default:app", Deny)]),
    row("wrong-action", DEMO, STS, &[], &[("kube-system:aws-load-balancer-controller", Deny)]),
    row("subject-under-aud", DEMO, STS, &[], &[("kube-system:aws-node", Deny)]),
    row("subject-under-aud", DEMO, "system:serviceaccount:kube-system:aws-node", &["*"], &[("default:app", Allow)]),
    row("arn-as-key", DEMO, STS, &[], &[("karpenter:karpenter", Deny)]),
    row(
        "wildcard-under-equals",
        DEMO,
        STS,
        &["crossplane-system:provider-aws-${*}"],
        &[("crossplane-system:provider-aws-s3", Deny)],
    ),
    row("keys-of-another-cluster", DEMO, STS, &[], &[("default:app", Deny)]),
    row("keys-of-another-cluster", BLUE, STS, &[], &[("default:app", Deny)]),
    row("all-but-another-cluster", DEMO, STS, &["*"], &[("default:app", Allow), ("kube-system:default", Allow)]),
    row("all-but-another-cluster", BLUE, STS, &[], &[("default:app", Deny), ("default:b", Deny)]),
    row("china", CHINA, STS, &["default:app"], &[("default:app", Allow), ("default:b", Deny)]),
    row("from-an-office", DEMO, STS, &["~ ? default:app"], &[("default:app", Unknown), ("default:b", Deny)]),
    row(
        "a-namespace-but-one",
        DEMO,
        STS,
        &["data:* !data:default !data:old-*"],
        &[
            ("data:etl", Allow),
            ("data:default", Deny),
            ("data:old-etl", Deny),
            ("data:older", Allow),
            ("data2:etl", Deny),
        ],
    ),
    row("argo-cd-by-role-arn", DEMO, STS, &[], &[("argocd:argocd-server", Deny)]),
    row("gen3-template", DEMO, STS, &[], &[("default:my-serviceaccount", Deny)]),
    row("template-without-subject", DEMO, STS, &[], &[("default:my-serviceaccount", Deny)]),
    row("github-and-cluster", DEMO, STS, &["ci:runner"], &[("ci:runner", Allow), ("repo:example/example:ref", Deny)]),
    row(
        "github-and-cluster",
        GITHUB,
        STS,
        &["repo:example/example:*"],
        &[("repo:example/example:ref:refs/heads/main", Allow), ("ci:runner", Deny)],
    ),
    row("github-no-sub", GITHUB, STS, &["*"], &[("repo:evil/x:ref:refs/heads/main", Allow)]),
    row("github-no-sub", GITHUB, "other", &[], &[("repo:evil/x:ref:refs/heads/main", Deny)]),
    row("github-repo-star", GITHUB, STS, &["repo:*"], &[("repo:evil/x:ref:refs/heads/main", Allow)]),
    row(
        "github-organization-prefix",
        GITHUB,
        STS,
        &["repo:example*"],
        &[
            ("repo:example/x:ref:refs/heads/main", Allow),
            ("repo:example-evil/x:ref:refs/heads/main", Allow),
            ("repo:evil/x:ref:refs/heads/main", Deny),
        ],
    ),
    // Tokens have the claims, and what they are is not given.
    row("github-claims", GITHUB, STS, &["~ ? *"], &[("repo:example/example:environment:production", Unknown)]),
    row(
        "gitlab-no-aud",
        GITLAB,
        "https://gitlab.com",
        &["project_path:my-group/*:ref_type:branch:ref:main"],
        &[
            ("project_path:my-group/a:ref_type:branch:ref:main", Allow),
            ("project_path:my-group-evil/a:ref_type:branch:ref:main", Deny),
            ("project_path:my-group/a:ref_type:tag:ref:v1", Deny),
        ],
    ),
    row(
        "terraform-cloud",
        TERRAFORM,
        "aws.workload.identity",
        &["organization:example:project:platform:workspace:prod-*:run_phase:*"],
        &[
            ("organization:example:project:platform:workspace:prod-eu:run_phase:apply", Allow),
            ("organization:evil:project:platform:workspace:prod-eu:run_phase:apply", Deny),
        ],
    ),
    row("terraform-cloud", TERRAFORM, STS, &[], &[]),
    row("cognito-no-condition", COGNITO, "pool", &["*"], &[("us-east-1:x", Allow)]),
    row("cognito-no-condition", GITHUB, STS, &[], &[("repo:evil/x:ref:refs/heads/main", Deny)]),
    row("cognito-pool", COGNITO, "us-east-1:12345678-corner-cafe-123456790ab", &["? *"], &[("us-east-1:x", Unknown)]),
    row("cognito-pool", COGNITO, "us-east-1:another", &[], &[("us-east-1:x", Deny)]),
    row("aws-principal-with-tokens", DEMO, STS, &[], &[("default:app", Deny)]),
];

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `system:serviceaccount:` is left out of the tables where a namespace follows.
fn whole(subject: &str) -> String {
    let whole = ["system:", "repo:", "project_path:", "organization:", "us-east-1:"];
    match whole.iter().any(|beginning| subject.starts_with(beginning)) {
        true => subject.to_owned(),
        false => format!("system:serviceaccount:{subject}"),
    }
}

#[test]
fn real_documents_let_in_whom_they_let_in() {
    for row in ROWS {
        let document = TrustDocument::parse(&text(&format!("{}.json", row.file))).unwrap();
        let provider = row.provider.parse().unwrap();
        for (subject, expected) in row.callers {
            let check =
                document.check(&WebIdentityCaller::new(row.provider.parse().unwrap(), whole(subject), row.audience));
            assert_eq!(check.decision, *expected, "{subject} for {} by {}: {check:?}", row.audience, row.file);
        }
        let set = document.subjects(&provider, row.audience);
        let mut told: Vec<String> = set
            .parts
            .iter()
            .map(|part| {
                let mut except = part.except.clone();
                except.sort_unstable();
                let except: String = except.iter().map(|except| format!(" !{except}")).collect();
                let inexact = if part.exact { "" } else { "~ " };
                format!("{inexact}{}{}{except}", if part.decision == Unknown { "? " } else { "" }, part.pattern)
            })
            .map(|part| part.replace("system:serviceaccount:", ""))
            .collect();
        told.sort_unstable();
        assert_eq!(told, row.set, "{} for {}", row.file, row.audience);
    }
}

#[test]
fn no_document_is_forgotten_and_none_would_be_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(file) = name.strip_suffix(".json") else { continue };
        assert!(ROWS.iter().any(|row| row.file == file), "nothing is expected of {name}");
        let document = TrustDocument::parse(&text(&name)).unwrap();
        assert!(document.notes().is_empty(), "{name}: {:?}", document.notes());
    }
}

#[test]
fn providers_are_found() {
    for (file, expected) in [
        ("eksctl", &[DEMO][..]),
        ("aws-two-clusters", &[DEMO, BLUE]),
        ("all-but-another-cluster", &[DEMO, BLUE]),
        ("github-and-cluster", &[DEMO, GITHUB]),
        ("pod-identity", &[]),
        ("kube2iam", &[DEMO]),
    ] {
        let document = TrustDocument::parse(&text(&format!("{file}.json"))).unwrap();
        let mut found: Vec<String> = document.providers().iter().map(ToString::to_string).collect();
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{file}");
    }
}

/// The document that gen3's instructions print lacks a comma and has one too many.
#[test]
fn the_document_of_the_instructions_is_no_json() {
    let error = TrustDocument::parse(&text("gen3-document.txt")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("line 13"), "{error}");
}
