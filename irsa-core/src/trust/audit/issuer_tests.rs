//! Issuers that are not clusters: what is found, in whose words, and what a repair may do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::finding::Finding;
use super::fixtures::{ROLE, STS, arn, found_in, provider, role};
use super::rules::FindingId as Id;
use super::severity::Severity;
use super::{AuditedRole, Surroundings, who_can};
use crate::name::Issuer;
use crate::trust::TrustDocument;
use crate::trust::evaluate::caller::WebIdentityCaller;
use crate::trust::evaluate::decision::Decision;
use crate::trust::issuers::{IssuerKind, TokenAudience, TokenService};

const GITHUB: &str = "token.actions.githubusercontent.com";
const COGNITO: &str = "cognito-identity.amazonaws.com";
const UNKNOWN: &str = "idp.example.com";

/// One issuer of each kind of service: whether all customers share it, and a subject where its form is known.
pub(super) const ISSUERS: [(&str, bool, &str); 21] = [
    (GITHUB, true, "repo:octo-org/octo-repo:ref:refs/heads/main"),
    ("token.actions.githubusercontent.com/octo", false, "repo:octo-org/octo-repo:environment:prod"),
    ("token.actions.octocorp.ghe.com", false, "repo:octo-org/octo-repo:pull_request"),
    ("github.example.com/_services/token", false, "repo:octo-org/octo-repo:ref:refs/heads/main"),
    ("gitlab.com", true, "project_path:my-group/my-project:ref_type:branch:ref:main"),
    ("gitlab.example.com", false, "project_path:my-group/my-project:ref_type:branch:ref:main"),
    ("app.terraform.io", true, "organization:o:project:p:workspace:w:run_phase:apply"),
    ("agent.buildkite.com", true, "organization:o:pipeline:p:ref:refs/heads/main:commit:c:step:s"),
    (
        "api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",
        false,
        "{c2f1d0e3-7f5e-4c8e-9a35-1d9c3ff2f5a1}:{a1b2c3d4-0000-4c8e-9a35-1d9c3ff2f5a1}",
    ),
    ("oidc.circleci.com/org/6b376885", false, "org/6b376885/project/p/user/u"),
    ("sts.windows.net/0c4b6f2e/", false, "0c4b6f2e-6a0f-4a53-9b57-1d5c4f2a7e90"),
    ("login.microsoftonline.com/0c4b6f2e/v2.0", false, "0c4b6f2e-6a0f-4a53-9b57-1d5c4f2a7e90"),
    ("vstoken.dev.azure.com/0c4b6f2e", false, "sc://o/p/c"),
    ("demo.app.spacelift.io", false, "space:root:stack:s:run_type:TRACKED:scope:write"),
    ("oidc.vercel.com/acme", false, "owner:acme:project:p:environment:production"),
    ("oidc.fly.io/acme", false, "acme:app:machine"),
    ("oidc.codefresh.io", true, "account:a:pipeline:p:initiator:i"),
    ("scalr.io", true, "account:a:environment:e:workspace:w"),
    ("proidc.upbound.io", true, "mcp:o/c:provider:provider-aws"),
    ("acme.okta.com", false, "0oa1b2c3"),
    (UNKNOWN, true, "somebody"),
];

pub(super) fn allow(host: &str, condition: Value) -> Value {
    let principal = if host == COGNITO { COGNITO.to_owned() } else { arn(host) };
    json!({"Effect": "Allow", "Principal": {"Federated": principal}, "Action": "sts:AssumeRoleWithWebIdentity",
           "Condition": condition})
}

/// An Allow with a test of the subject, and one of an audience.
fn allow_sub(host: &str, operator: &str, subs: Value) -> Value {
    let mut condition = json!({"StringEquals": {format!("{host}:aud"): "aud"}});
    condition[operator][format!("{host}:sub")] = subs;
    allow(host, condition)
}

fn found(statements: Value) -> Vec<Finding> {
    found_in(&role(statements), &Surroundings::default())
}

/// Id and severity of what is found.
fn told(statements: Value) -> Vec<(Id, Severity)> {
    found(statements).iter().map(|finding| (finding.id, finding.severity)).collect()
}

/// The provider of an issuer with the audiences that it takes.
pub(super) fn takes(host: &str, audiences: &[&str]) -> Surroundings {
    let audiences = audiences.iter().map(ToString::to_string).collect();
    Surroundings { providers: Some(BTreeMap::from([(provider(host), audiences)])), ..Surroundings::default() }
}

/// That nothing in a finding is about Kubernetes, and that its repair does not make the role one of a cluster.
fn is_about_the_issuer(finding: &Finding, document: &str) {
    let mut words = format!("{} {}", finding.message, finding.evidence.join(" ")).to_lowercase();
    for own in ["namespace_id", "cluster_id", "user or service account", "client or the service account"] {
        words = words.replace(own, "");
    }
    for word in ["pod", "cluster", "service account", "serviceaccount", "namespace"] {
        assert!(!words.contains(word), "{word}: {finding:?}");
    }
    let fix = finding.fix.as_ref().map(Value::to_string).unwrap_or_default();
    for text in ["system:serviceaccount:", STS] {
        assert!(!fix.contains(text) || document.contains(text), "{text} is new: {finding:?}");
    }
}

#[test]
fn the_words_are_those_of_the_issuer() {
    for (host, shared, subject) in ISSUERS {
        let aud = json!({"StringEquals": {format!("{host}:aud"): "aud"}});
        let like = |sub: &str| allow_sub(host, "StringLike", json!(sub));
        let high = if shared { Severity::High } else { Severity::Medium };
        for (statement, id) in [
            (allow(host, aud.clone()), Id::AnySubject),
            (like("*"), Id::AnySubject),
            (
                allow(host, json!({"StringNotEquals": {format!("{host}:sub"): "x", format!("{host}:aud"): "y"}})),
                Id::EveryoneBut,
            ),
        ] {
            let found = found(statement.clone());
            assert_eq!((found[0].id, found[0].severity), (id, high), "{host} {statement}");
            assert_eq!(found[0].fix, None, "{host}: nobody knows who was meant");
            found.iter().for_each(|finding| is_about_the_issuer(finding, &statement.to_string()));
            let called =
                IssuerKind::of(&Issuer::from_host_path(host).unwrap()).shown(&Issuer::from_host_path(host).unwrap());
            assert!(found[0].message.contains(&called), "{}", found[0].message);
        }
        assert_eq!(told(allow_sub(host, "StringEquals", json!(subject))), [], "{host} {subject}");
        assert_eq!(told(like(subject)), [], "{host} {subject}");
        let open = allow(host, json!({"StringEquals": {format!("{host}:sub"): subject}}));
        let found = found(open.clone());
        assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), [Id::NoAudience], "{host}");
        assert_eq!(found[0].fix, None, "{host}: nobody knows its audience");
        is_about_the_issuer(&found[0], &open.to_string());
    }
}

#[test]
fn a_star_under_equals_is_nobody() {
    for (host, _, subject) in ISSUERS {
        let statement = allow_sub(host, "StringEquals", json!(format!("{subject}*")));
        let found = found(statement.clone());
        assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), [Id::AdmitsNobody], "{host}");
        assert!(found[0].message.contains("StringEquals takes * and ? as they stand"), "{}", found[0].message);
        is_about_the_issuer(&found[0], &statement.to_string());
        let both = allow_sub(host, "StringEquals", json!([subject, format!("{subject}*")]));
        assert_eq!(told(both), [(Id::AdmitsNobody, Severity::Info)], "{host}: one value of two");
    }
    let accounts = allow_sub(GITHUB, "StringLike", json!("system:serviceaccount:ns:*"));
    let found = found(accounts);
    assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), [Id::AdmitsNobody]);
    assert!(found[0].message.contains("tokens of GitHub Actions do not have the subject"), "{}", found[0].message);
}

#[test]
fn patterns_are_found_by_the_customers_that_they_cover() {
    for (pattern, expected) in [
        ("repo:*", Some((Id::AnySubject, Severity::High))),
        ("repo:*/*:*", Some((Id::AnySubject, Severity::High))),
        ("repo:*/infra:*", Some((Id::AnyTenant, Severity::High))),
        ("*:ref:refs/heads/main", Some((Id::AnyTenant, Severity::High))),
        ("environment:production", Some((Id::AnyTenant, Severity::High))),
        ("repo:my-org*", Some((Id::TenantPattern, Severity::High))),
        ("repo:my-org*/infra:*", Some((Id::TenantPattern, Severity::High))),
        ("repo:my-org/*", Some((Id::AnyProject, Severity::Low))),
        ("repo:my-org/infra:*", None),
        ("repo:my-org/infra:environment:prod", None),
    ] {
        let statement = allow_sub(GITHUB, "StringLike", json!(pattern));
        assert_eq!(told(statement.clone()), Vec::from_iter(expected), "{pattern}");
        found(statement.clone()).iter().for_each(|finding| is_about_the_issuer(finding, &statement.to_string()));
        let enterprise = "token.actions.githubusercontent.com/octo";
        let own = told(allow_sub(enterprise, "StringLike", json!(pattern)));
        let expected = expected.map(|(id, severity)| (id, severity.min(Severity::Medium)));
        assert_eq!(own, Vec::from_iter(expected), "{pattern}: only the enterprise has such tokens");
    }
    let evil = found(allow_sub(GITHUB, "StringLike", json!("repo:my-org*")));
    assert!(evil[0].message.contains("owner my-org-evil"), "{}", evil[0].message);
    let star = allow_sub(UNKNOWN, "StringLike", json!("*:main"));
    assert_eq!(told(star), [(Id::AnyTenant, Severity::Medium)], "nothing is known of its subjects");
    assert_eq!(told(allow_sub(UNKNOWN, "StringLike", json!("team:x:*"))), []);
}

#[test]
fn a_pattern_that_ends_in_a_name_is_closed() {
    let sub = format!("{GITHUB}:sub");
    let fixed = |subs: Value| {
        let found = found(allow_sub(GITHUB, "StringLike", subs));
        let fix = found.into_iter().find(|finding| finding.id == Id::TenantPattern).unwrap().fix;
        fix.map(|fix| fix["Statement"]["Condition"]["StringLike"][&sub].clone())
    };
    assert_eq!(fixed(json!("repo:my-org*")), Some(json!(["repo:my-org/*", "repo:my-org@*/*"])));
    assert_eq!(fixed(json!("repo:my-org*/app:*")), Some(json!(["repo:my-org/app:*", "repo:my-org@*/app:*"])));
    let main = json!(["repo:other/x:ref:refs/heads/main", "repo:my-org*:ref:refs/heads/main"]);
    let closed = json!([
        "repo:other/x:ref:refs/heads/main",
        "repo:my-org/*:ref:refs/heads/main",
        "repo:my-org@*/*:ref:refs/heads/main"
    ]);
    assert_eq!(fixed(main), Some(closed));
    assert_eq!(fixed(json!("repo:my-org-*")), None, "no owner is called my-org-");
    assert_eq!(
        fixed(json!(["repo:my-org*", "repo:*/infra:*"])),
        Some(json!(["repo:my-org/*", "repo:my-org@*/*", "repo:*/infra:*"]))
    );
}

#[test]
fn a_deny_of_all_others_keeps_them_out() {
    let aud = json!({"StringEquals": {format!("{GITHUB}:aud"): STS}});
    let deny = |sub: &str| {
        json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*",
               "Condition": {"StringNotLike": {format!("{GITHUB}:sub"): sub}}})
    };
    assert_eq!(told(json!([allow(GITHUB, aud.clone()), deny("repo:my-org/app:*")])), []);
    assert_eq!(told(json!([allow(GITHUB, aud), deny("repo:my-org*")])), [(Id::TenantPattern, Severity::High)]);
}

#[test]
fn claims_of_one_tenant_keep_others_out() {
    let aud = format!("{GITHUB}:aud");
    let with = |operator: &str, claim: &str, value: Value| {
        let mut condition = json!({"StringEquals": {aud.clone(): STS}});
        condition[operator][format!("{GITHUB}:{claim}")] = value;
        told(allow(GITHUB, condition))
    };
    for (operator, claim, value) in [
        ("StringEquals", "repository_id", "456789"),
        ("StringEqualsIfExists", "repository_id", "456789"),
        ("StringEquals", "repository_owner_id", "123456"),
        ("StringEquals", "enterprise_id", "5"),
        ("StringLike", "repository", "my-org/*"),
        ("StringLike", "job_workflow_ref", "my-org/app/.github/workflows/deploy.yml@*"),
        ("ForAnyValue:StringEquals", "actor_id", "12"),
        ("stringequals", "Repository_ID", "456789"),
    ] {
        assert_eq!(with(operator, claim, json!(value)), [], "{operator} {claim}");
    }
    let everybody = [(Id::AnySubject, Severity::High)];
    for (operator, claim, value) in [
        ("StringEquals", "environment", json!("production")),
        ("StringEquals", "ref", json!("refs/heads/main")),
        ("StringLike", "repository", json!("my-org*")),
        ("StringLike", "repository", json!(["my-org/app", "*"])),
        ("StringNotEquals", "repository", json!("evil/app")),
        ("StringEqualsIfExists", "enterprise_id", json!("5")),
        ("StringEqualsIfExists", "repository_owner", json!("my-org")),
    ] {
        assert_eq!(with(operator, claim, value), everybody, "{operator} {claim}");
    }
    let misspelt = with("ForAllValues:StringEquals", "repositry", json!("my-org/app"));
    assert_eq!(misspelt, [(Id::AnySubject, Severity::High), (Id::ForAllValues, Severity::Low)]);
    // AWS may know the claim by now: then it keeps others out, and before nobody can assume the role.
    assert_eq!(with("StringEquals", "repository_owner", json!("my-org")), [(Id::Undecided, Severity::Medium)]);
    let unknown =
        allow(UNKNOWN, json!({"StringEquals": {format!("{UNKNOWN}:aud"): "a", format!("{UNKNOWN}:org"): "o"}}));
    assert_eq!(told(unknown), [(Id::Undecided, Severity::Medium)]);
}

#[test]
fn what_a_subject_is_compared_with_may_not_be_known() {
    let variable = allow_sub(GITHUB, "StringLike", json!("repo:${aws:PrincipalTag/org}/*"));
    assert_eq!(told(variable), [(Id::Undecided, Severity::Medium)]);
    let arn = allow_sub(GITHUB, "ArnLike", json!("repo:my-org/*"));
    assert_eq!(told(arn), [(Id::Undecided, Severity::Medium)]);
    let empty = allow_sub(GITHUB, "StringEquals", json!(""));
    assert_eq!(told(empty), [(Id::AdmitsNobody, Severity::Info)]);
}

#[test]
fn further_claims_make_no_doubt_of_a_subject_that_is_named() {
    let mut statement = allow_sub(GITHUB, "StringLike", json!("repo:my-org/app:*"));
    statement["Condition"]["StringEquals"][format!("{GITHUB}:environment")] = json!("production");
    assert_eq!(told(statement.clone()), []);
    statement["Condition"]["IpAddress"] = json!({"aws:SourceIp": "192.0.2.0/24"});
    assert_eq!(told(statement), [(Id::Undecided, Severity::Info)]);
}

#[test]
fn for_all_values_is_told() {
    let (sub, aud) = (format!("{GITHUB}:sub"), format!("{GITHUB}:aud"));
    let both = json!({"ForAllValues:StringEquals": {aud.clone(): STS}, "ForAllValues:StringLike": {sub.clone(): "repo:my-org/app:*"}});
    assert_eq!(told(allow(GITHUB, both)), [(Id::ForAllValues, Severity::Info)], "tokens always have these");
    let environment = json!({"StringEquals": {aud: STS, sub: "repo:my-org/app:ref:refs/heads/main"},
        "ForAllValues:StringEquals": {format!("{GITHUB}:environment"): "production"}});
    assert_eq!(told(allow(GITHUB, environment)), [(Id::ForAllValues, Severity::Low)]);
}

#[test]
fn principals_that_aws_knows_by_name_are_audited_too() {
    for (name, app) in [
        (COGNITO, "aud"),
        ("accounts.google.com", "aud"),
        ("www.amazon.com", "app_id"),
        ("graph.facebook.com", "app_id"),
    ] {
        let by = |condition: Value| {
            json!({"Effect": "Allow", "Principal": {"Federated": name}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": condition})
        };
        let found = found(by(json!({})));
        let told: Vec<_> = found.iter().map(|finding| (finding.id, finding.severity)).collect();
        assert_eq!(told, [(Id::AnySubject, Severity::High)], "{name}");
        is_about_the_issuer(&found[0], "");
        assert_eq!(found[0].fix, None, "{name}");
        let confined = by(json!({"StringEquals": {format!("{name}:{app}"): "mine"}}));
        assert_eq!(self::told(confined), [], "{name}");
        // With the providers of the account known, none of them is gone.
        assert_eq!(found_in(&role(by(json!({}))), &takes(GITHUB, &[STS])).len(), 1, "{name}");
    }
    let amr = allow(COGNITO, json!({"ForAnyValue:StringLike": {format!("{COGNITO}:amr"): "authenticated"}}));
    assert_eq!(told(amr), [(Id::AnySubject, Severity::High)], "the identities of every pool are authenticated");
    let oaud = json!({"Effect": "Allow", "Principal": {"Federated": "accounts.google.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"accounts.google.com:oaud": STS}}});
    assert_eq!(told(oaud), [(Id::AnySubject, Severity::High)], "everybody can ask for that audience");
    let action = json!({"Effect": "Allow", "Principal": {"Federated": COGNITO}, "Action": "sts:AssumeRole"});
    assert_eq!(told(action), [(Id::AdmitsNobody, Severity::Info)]);
}

#[test]
fn an_audience_that_names_the_tenant_keeps_others_out() {
    for host in ["oidc.vercel.com", "api.pulumi.com/oidc", "sandboxes.cloud"] {
        let aud = |value: Value| allow(host, json!({"StringLike": {format!("{host}:aud"): value}}));
        assert_eq!(told(aud(json!("acme"))), [], "{host}");
        assert_eq!(told(aud(json!("*"))), [(Id::AnySubject, Severity::High)], "{host}");
        assert_eq!(told(allow(host, json!({}))), [(Id::AnySubject, Severity::High)], "{host}");
        let known = found_in(&role(allow(host, json!({}))), &takes(host, &["acme"]));
        let ids: Vec<Id> = known.iter().map(|finding| finding.id).collect();
        assert_eq!(ids, [Id::NoAudience], "{host}: the provider takes no other audience");
    }
}

#[test]
fn a_missing_audience_is_the_one_that_the_provider_takes() {
    let sub = json!({"StringLike": {"gitlab.com:sub": "project_path:my-group/my-project:*"}});
    let statement = allow("gitlab.com", sub);
    let found = found_in(&role(statement.clone()), &takes("gitlab.com", &["https://gitlab.com"]));
    let fix = found[0].fix.clone().unwrap();
    assert_eq!(fix["Statement"]["Condition"]["StringEquals"]["gitlab.com:aud"], "https://gitlab.com");
    let several = found_in(&role(statement.clone()), &takes("gitlab.com", &[STS, "vault"]));
    let fix = several[0].fix.clone().unwrap();
    assert_eq!(fix["Statement"]["Condition"]["StringEquals"]["gitlab.com:aud"], json!([STS, "vault"]));
    assert_eq!(found_in(&role(statement), &takes("gitlab.com", &[]))[0].fix, None);
}

#[test]
fn keys_with_the_whole_arn_are_made_own() {
    let sub = |host: &str| {
        let key = |claim: &str| format!("{host}:{claim}");
        json!({"StringEqualsIfExists": {key("sub"): "repo:my-org/app:ref:refs/heads/main", key("aud"): STS}})
    };
    for host in [arn(GITHUB), format!("https://{GITHUB}")] {
        let found = found(allow(GITHUB, sub(&host)));
        assert_eq!(found[0].id, Id::OtherProviderCondition, "{host}");
        let fix = found[0].fix.clone().unwrap();
        let own = &fix["Statement"]["Condition"]["StringEquals"];
        assert_eq!(own[format!("{GITHUB}:sub")], "repo:my-org/app:ref:refs/heads/main");
    }
    let cluster = json!({"StringEqualsIfExists": {"oidc.eks.us-east-1.amazonaws.com/id/A:sub": "system:serviceaccount:ns:app",
        "oidc.eks.us-east-1.amazonaws.com/id/A:aud": STS}});
    let found = found(allow(GITHUB, cluster));
    assert_eq!((found[0].id, &found[0].fix), (Id::OtherProviderCondition, &None), "those are not subjects of GitHub");
}

#[test]
fn an_issuer_is_a_cluster_where_something_says_so() {
    let open = || allow(UNKNOWN, json!({"StringEquals": {format!("{UNKNOWN}:aud"): STS}}));
    let message = |role: &AuditedRole, around: &Surroundings| found_in(role, around)[0].message.clone();
    let nothing = Surroundings::default();
    assert_eq!(
        message(&role(open()), &nothing),
        "any subject can assume it: whoever can get a token of issuer https://idp.example.com"
    );
    let known = Surroundings {
        clusters: BTreeMap::from([(provider(UNKNOWN), ("mine".to_owned(), Vec::new()))]),
        ..Surroundings::default()
    };
    assert!(message(&role(open()), &known).contains("of cluster mine"));
    let mut recorded = role(open());
    recorded.tags.insert("irsa.gen3.org/owner".to_owned(), format!("{UNKNOWN}/ns/app"));
    let found = found_in(&recorded, &nothing);
    assert!(found[0].message.contains("any service account"), "{}", found[0].message);
    assert!(found[0].fix.as_ref().unwrap().to_string().contains("system:serviceaccount:ns:app"));
    let tested = json!([open(), allow_sub(UNKNOWN, "StringEquals", json!("system:serviceaccount:ns:app"))]);
    assert!(message(&role(tested), &nothing).contains("any service account"));
}

#[test]
fn a_service_of_ones_own_is_known_by_its_subjects() {
    for (subject, open, called) in [
        ("project_path:g/p:ref_type:branch:ref:main", "project_path:*", "GitLab (issuer https://idp.example.com)"),
        ("repo:o/r:ref:refs/heads/main", "repo:*", "GitHub Actions (issuer https://idp.example.com)"),
        (
            "organization:o:project:p:workspace:w:run_phase:plan",
            "organization:*",
            "HCP Terraform (issuer https://idp.example.com)",
        ),
    ] {
        assert_eq!(told(allow_sub(UNKNOWN, "StringEquals", json!(subject))), [], "{subject}");
        let found = found(allow_sub(UNKNOWN, "StringLike", json!([subject, open])));
        assert_eq!((found[0].id, found[0].severity), (Id::AnySubject, Severity::Medium), "{open}");
        assert!(found[0].message.ends_with(called), "{}", found[0].message);
    }
    let other = allow_sub(UNKNOWN, "StringLike", json!("reposition:*"));
    assert_eq!(told(other), [], "nothing is known of such subjects");
}

#[test]
fn who_can_lists_subjects_of_every_issuer() {
    let github = allow_sub(GITHUB, "StringLike", json!("repo:my-org/app:*"));
    let pool = allow(COGNITO, json!({"StringEquals": {format!("{COGNITO}:aud"): "us-east-1:pool"}}));
    let answer = who_can(&role(json!([github, pool])), &Surroundings::default()).unwrap();
    let seen: Vec<_> = answer
        .subjects
        .iter()
        .map(|subjects| (subjects.issuer_name.as_deref(), subjects.cluster.as_str(), subjects.pattern.as_str()))
        .collect();
    let cognito = (Some("Amazon Cognito"), "https://cognito-identity.amazonaws.com", "*");
    let expected =
        [cognito, (Some("GitHub Actions"), "https://token.actions.githubusercontent.com", "repo:my-org/app:*")];
    assert_eq!(seen, expected);
    assert_eq!(answer.subjects[0].audiences, ["us-east-1:pool"]);
    assert_eq!((answer.others, answer.findings), (vec![], vec![]));
}

#[test]
fn tokens_of_built_in_issuers_are_decided() {
    let document = json!({"Statement": [allow(COGNITO, json!({"StringEquals": {format!("{COGNITO}:aud"): "pool"}}))]});
    let document = TrustDocument::from_value(&document).unwrap();
    let decide =
        |host: &str, audience: &str| document.decide(&WebIdentityCaller::new(provider(host), "us-east-1:x", audience));
    assert_eq!(decide(COGNITO, "pool"), Decision::Allow);
    assert_eq!(decide(COGNITO, "other"), Decision::Deny);
    assert_eq!(decide("accounts.google.com", "pool"), Decision::Deny);
    let text = json!({"Statement": [{"Effect": "Allow", "Principal": {"Federated": GITHUB}, "Action": "sts:*"}]});
    let document = TrustDocument::from_value(&text).unwrap();
    let caller = WebIdentityCaller::new(provider(GITHUB), "repo:my-org/app:x", STS);
    assert_eq!(document.decide(&caller), Decision::Deny, "GitHub needs a provider in the account");
}

#[test]
fn a_powerful_role_says_which_subjects_it_is_open_to() {
    let admin = AuditedRole {
        attached: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
        ..role(allow_sub(GITHUB, "StringLike", json!("repo:my-org/app:*")))
    };
    let found = found_in(&admin, &Surroundings::default());
    assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), [Id::PowerfulRole]);
    assert!(found[0].message.contains("more than single subjects: repo:my-org/app:*"), "{}", found[0].message);
    let both = json!([allow_sub(GITHUB, "StringLike", json!("repo:my-org/app:*")),
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]);
    let mixed = self::found(both);
    assert_eq!(mixed[0].message, "subjects of GitHub Actions and ec2.amazonaws.com may assume it");
}

pub(super) fn service(host: &str) -> Option<&'static TokenService> {
    IssuerKind::of(&Issuer::from_host_path(host).unwrap()).service()
}

#[test]
fn a_usual_audience_is_never_put_into_a_document() {
    for (host, _, subject) in ISSUERS {
        let Some(TokenAudience::Usual(audience)) = service(host).map(|service| service.audience) else { continue };
        let statement = allow(host, json!({"StringEquals": {format!("{host}:sub"): subject}}));
        let found = found(statement);
        assert!(found[0].evidence.iter().any(|line| line.ends_with(audience)), "{host}: {:?}", found[0].evidence);
        assert_eq!(found[0].fix, None, "{host}: it may be another one");
    }
    assert!(ROLE.starts_with("arn:"));
}
