//! The audit of many roles: what their trust policies let in, against what exists.

pub(super) mod account_index;
#[cfg(test)]
mod adversarial_tests;
pub(super) mod analyze;
pub(super) mod check_role;
pub(super) mod context;
pub(super) mod documents;
pub(super) mod draft;
pub(super) mod explain;
pub(super) mod finding;
pub(super) mod fix;
#[cfg(test)]
mod fixtures;
pub(super) mod iam_export;
pub(super) mod issuer_messages;
#[cfg(test)]
mod issuer_properties;
pub(super) mod issuer_rules;
#[cfg(test)]
mod issuer_tests;
pub(super) mod json_edit;
pub(super) mod messages;
pub(super) mod parsed_role;
pub(super) mod principals;
pub(super) mod privilege;
pub(super) mod rules;
pub(super) mod severity;
pub(super) mod statement;
pub(super) mod subject_pattern;
pub(super) mod template;
pub(super) mod unusable_principals;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::check_role::{Judged, judge};
use self::context::Ground;
use self::finding::{Audit, Finding, TrustedSubjects, WhoCan};
use self::parsed_role::{Reading, Seen};
use self::rules::{FindingId, Ignore};
use super::evaluate::caller::UNNAMED_AUDIENCE;
use super::evaluate::glob::Glob;
use crate::error::Result;
use crate::name::{ProviderArn, RoleArn};

/// A role to be audited. Only the trust policy is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditedRole {
    /// The role.
    pub arn: Option<RoleArn>,
    /// Its trust policy as JSON text.
    pub trust_policy: String,
    /// Why there is no trust policy to read, outermost first; empty where there is one.
    pub unreadable: Vec<String>,
    /// The file it came from.
    pub source: Option<String>,
    /// ARNs of the managed policies on it.
    pub attached: Vec<String>,
    /// The documents of managed policies on it as JSON text, by ARN, as far as they are known.
    pub managed: BTreeMap<String, Arc<str>>,
    /// Its inline policies as JSON text.
    pub inline: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of its permissions boundary.
    pub permissions_boundary: Option<String>,
}

/// A service account that exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The value of its `role-arn` annotation.
    pub role_arn: Option<String>,
}

/// What is known around the roles. Nothing of it is needed; what is not known is not judged.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The OIDC providers of the account with the audiences they take. One that is not here does not exist.
    pub providers: Option<BTreeMap<ProviderArn, Vec<String>>>,
    /// Clusters by the ARN of their provider: how the cluster is called, and its service accounts.
    pub clusters: BTreeMap<ProviderArn, (String, Vec<KnownAccount>)>,
}

/// Audits roles. Pure; roles are taken one by one, so that many need not be held at once.
///
/// Every role that trusts an OIDC provider is judged; of others only that anybody gets in, or that nothing can be said. A
/// trust policy that cannot be read is a finding, and hides no other role.
///
/// Issuers are those of clusters, of services that are known, such as GitHub Actions, GitLab or Amazon Cognito, and others:
/// messages name what a token of each says, and a repair never takes a service for a cluster.
///
/// ```
/// use irsa_core::trust::{AuditedRole, FindingId, Surroundings, audit};
///
/// let role = AuditedRole {
///     trust_policy: r#"{
///         "Version": "2012-10-17",
///         "Statement": {
///             "Effect": "Allow",
///             "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A"},
///             "Action": "sts:AssumeRoleWithWebIdentity",
///             "Condition": {"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/A:aud": "sts.amazonaws.com"}}
///         }
///     }"#.to_owned(),
///     ..AuditedRole::default()
/// };
/// let audit = audit([role], &Surroundings::default(), &[]);
/// assert_eq!(audit.findings[0].id, FindingId::AnySubject);
/// ```
pub fn audit(roles: impl IntoIterator<Item = AuditedRole>, around: &Surroundings, ignore: &[Ignore]) -> Audit {
    let ground = Ground::new(around);
    let mut audit = Audit::default();
    for role in roles {
        audit.roles += 1;
        match Reading::of(&role) {
            Ok(reading) => {
                let judged = judge(&reading, &ground, |id| !is_ignored(ignore, id, &role));
                audit.trusting += usize::from(judged.trusting);
                audit.ignored += judged.ignored;
                audit.findings.extend(judged.findings);
            }
            Err(error) if is_ignored(ignore, FindingId::Unreadable, &role) => {
                tracing::debug!(%error, "a trust policy that cannot be read is ignored");
                audit.ignored += 1;
            }
            Err(error) => {
                audit.findings.push(Finding {
                    id: FindingId::Unreadable,
                    severity: FindingId::Unreadable.severity(),
                    role_arn: role.arn.as_ref().map(ToString::to_string),
                    source: role.source.clone(),
                    statement: None,
                    message: format!("who may assume the role is not known: {error}"),
                    evidence: error.causes(),
                    fix: None,
                });
            }
        }
    }
    audit.findings.sort_by_cached_key(|finding| {
        let place = (finding.role_arn.clone(), finding.source.clone(), finding.statement.clone());
        (Reverse(finding.severity), place, finding.id)
    });
    audit
}

/// Who can assume one role. Pure.
///
/// # Errors
/// `InvalidInput` for a trust policy that cannot be read.
pub fn who_can(role: &AuditedRole, around: &Surroundings) -> Result<WhoCan> {
    let ground = Ground::new(around);
    let reading = Reading::of(role)?;
    let Judged { mut findings, seen, mut others, .. } = judge(&reading, &ground, |_| true);
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let arn = role.arn.as_ref().map(ToString::to_string);
    let mut subjects: Vec<TrustedSubjects> =
        seen.into_iter().map(|seen| trusted(seen, &ground, arn.as_deref())).collect();
    subjects.iter_mut().for_each(|subjects| as_written(subjects, &reading));
    others.iter_mut().for_each(|other| other.principal = reading.as_written(&other.principal));
    Ok(WhoCan {
        role_arn: arn.or_else(|| role.source.clone()).unwrap_or_default(),
        subjects,
        others,
        findings,
        notes: reading.document.notes().to_vec(),
        warnings: Vec::new(),
    })
}

fn trusted(seen: Seen, ground: &Ground<'_>, role: Option<&str>) -> TrustedSubjects {
    let Seen { provider, kind, part, audiences, .. } = seen;
    let shown = |account: &&KnownAccount| format!("{}/{}", account.namespace, account.name);
    let fitting = ground.accounts(&provider).map(|index| index.all(&part.pattern, &part.except));
    let annotated: BTreeSet<String> = fitting
        .iter()
        .flatten()
        .filter(|account| role.is_some() && account.role_arn.as_deref() == role)
        .map(shown)
        .collect();
    TrustedSubjects {
        cluster: ground.cluster(&provider).map_or_else(|| provider.issuer().url(), str::to_owned),
        issuer_name: kind.service().map(|service| service.name.to_owned()),
        service_accounts: fitting.as_ref().map(|accounts| accounts.iter().map(shown).collect()),
        annotated: annotated.into_iter().collect(),
        audiences: audiences
            .into_iter()
            .map(|aud| if aud == UNNAMED_AUDIENCE { "*".to_owned() } else { aud })
            .collect(),
        pattern: part.pattern,
        except: part.except,
        decision: part.decision,
        conditions: part.conditions,
        exact: part.exact,
        impossible_if: part.impossible_if,
    }
}

/// With the placeholders of the document, where it has any.
fn as_written(subjects: &mut TrustedSubjects, reading: &Reading<'_>) {
    let lists = [&mut subjects.except, &mut subjects.audiences, &mut subjects.conditions, &mut subjects.impossible_if];
    let texts = lists.into_iter().flatten().chain([&mut subjects.pattern, &mut subjects.cluster]);
    texts.for_each(|text| *text = reading.as_written(text));
}

fn is_ignored(ignore: &[Ignore], id: FindingId, role: &AuditedRole) -> bool {
    let arn = role.arn.as_ref().map(ToString::to_string);
    // Names of roles have no case (IAM API reference, `CreateRole`).
    let name = role.arn.as_ref().map(|arn| arn.name().as_str().to_ascii_lowercase());
    // The file, with and without what tells the role apart in it.
    let source = role.source.as_deref().map(|source| source.strip_prefix("./").unwrap_or(source));
    let file = source.map(|source| source.rsplit_once(", ").map_or(source, |(file, _)| file));
    let called = source.and_then(|source| source.rsplit_once(", role ")).map(|(_, name)| name.to_ascii_lowercase());
    let fits = |wanted: &String| {
        let exact = Glob::wild(wanted.strip_prefix("./").unwrap_or(wanted));
        let folded = Glob::wild(&wanted.to_ascii_lowercase());
        let places = [arn.as_deref(), source, file];
        places.into_iter().flatten().any(|text| exact.matches(text))
            || [&name, &called].into_iter().flatten().any(|text| folded.matches(text))
    };
    ignore.iter().any(|ignore| ignore.id == id && ignore.role.as_ref().is_none_or(fits))
}

#[cfg(test)]
mod tests {
    use super::fixtures::{
        BLUE, HOST, ROLE, STS, account, allow, allow_sub, arn, around, found_in, ids, provider, role,
    };
    use super::severity::Severity;
    use super::*;
    use FindingId as Id;
    use serde_json::{Value, json};

    const APP: &str = "system:serviceaccount:ns:app";

    fn only(found: &[Finding], id: FindingId) -> &Finding {
        let all: Vec<&Finding> = found.iter().filter(|finding| finding.id == id).collect();
        assert_eq!(all.len(), 1, "{id} in {found:?}");
        all[0]
    }

    #[test]
    fn what_the_usual_tools_write_is_clean() {
        let sub = |operator: &str| allow_sub(operator, json!(APP));
        let mut gen3 = sub("StringEquals");
        gen3["Sid"] = json!("");
        let mut terraform = sub("StringLike");
        terraform["Action"] = json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]);
        let mut cdk = sub("StringEqualsIgnoreCase");
        cdk["Principal"] = json!({"Federated": [arn(HOST)]});
        for statement in [sub("StringEquals"), gen3, terraform, cdk, sub("ForAnyValue:StringEquals")] {
            assert_eq!(ids(statement.clone()), [], "{statement}");
            assert_eq!(found_in(&role(statement), &around()), []);
        }
        let key = |claim: &str| format!("{}:{claim}", HOST.to_uppercase());
        let shouted = allow(json!({"ForAllValues:StringLike": {key("SUB"): [APP], key("AUD"): STS}}));
        assert_eq!(ids(shouted), [], "ForAllValues is harmless where the key is always there");
    }

    #[test]
    fn who_gets_in_decides_and_not_how_it_is_written() {
        let aud = || json!({"StringEquals": {format!("{HOST}:aud"): STS}});
        let like = |sub: &str| allow_sub("StringLike", json!(format!("system:serviceaccount:{sub}")));
        let sub_of =
            |operator: &str, host: &str| json!({operator: {format!("{host}:sub"): APP, format!("{HOST}:aud"): STS}});
        for (statement, expected) in [
            (allow(aud()), vec![Id::AnySubject]),
            (allow_sub("StringLike", json!("*")), vec![Id::AnySubject]),
            (allow_sub("StringLike", json!([APP, "system:serviceaccount:*:*"])), vec![Id::AnySubject]),
            (allow_sub("StringNotEquals", json!(APP)), vec![Id::EveryoneBut]),
            (allow_sub("StringNotLike", json!("system:serviceaccount:kube-system:*")), vec![Id::EveryoneBut]),
            (allow(sub_of("StringEqualsIfExists", "other.example/x")), vec![Id::OtherProviderCondition]),
            (allow(sub_of("ForAllValues:StringEquals", "other.example/x")), vec![Id::OtherProviderCondition]),
            (allow(sub_of("StringEqualsIfExists", &arn(HOST))), vec![Id::OtherProviderCondition]),
            (allow(sub_of("StringEqualsIfExists", HOST)), vec![]),
            (like("*:app"), vec![Id::AnyNamespace]),
            (like("*:default"), vec![Id::AnyNamespace]),
            (like("prod*:app"), vec![Id::NamespacePattern]),
            (like("prod*:*"), vec![Id::NamespacePattern]),
            (like("kube-*"), vec![Id::OpenEnd]),
            (like("ns:*"), vec![Id::AnyName]),
            (like("ns:job-*"), vec![Id::NamePattern]),
            (like("ns:default"), vec![Id::DefaultServiceAccount]),
            (allow(json!({"StringEquals": {format!("{HOST}:sub"): APP}})), vec![Id::NoAudience]),
            (allow(json!({})), vec![Id::AnySubject, Id::NoAudience]),
            (
                allow(json!({"StringLike": {format!("{HOST}:sub"): APP, format!("{HOST}:aud"): "*"}})),
                vec![Id::NoAudience],
            ),
        ] {
            assert_eq!(ids(statement.clone()), expected, "{statement}");
        }
    }

    #[test]
    fn a_deny_can_mend_it() {
        let deny = |condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition});
        let others = json!({"StringNotEquals": {format!("{HOST}:sub"): APP}});
        let open = allow(json!({"StringEquals": {format!("{HOST}:aud"): STS}}));
        assert_eq!(ids(json!([open, deny(others)])), []);
        assert_eq!(ids(json!([open, deny(json!({}))])), [], "nobody gets in, and it is meant so");
        let some = json!({"StringEquals": {format!("{HOST}:sub"): APP}});
        assert_eq!(ids(json!([open, deny(some)])), [Id::AnySubject]);
    }

    #[test]
    fn several_providers_need_several_statements() {
        let mut statement = allow_sub("StringEqualsIfExists", json!(APP));
        statement["Principal"]["Federated"] = json!([arn(HOST), arn("issuer.example/b")]);
        statement["Condition"]["StringEquals"] = json!({});
        assert_eq!(ids(statement), [Id::SeveralProviders, Id::NoAudience, Id::NoAudience]);
        let mut closed = allow_sub("StringEquals", json!(APP));
        closed["Principal"]["Federated"] = json!([arn(HOST), arn(BLUE)]);
        assert_eq!(ids(closed), [], "positive tests fail for the other provider");
    }

    #[test]
    fn wildcards_are_no_principals() {
        let any = |principal: Value, action: &str| json!({"Effect": "Allow", "Principal": principal, "Action": action});
        for statement in [
            any(json!("*"), "sts:AssumeRole"),
            any(json!({"AWS": "*"}), "sts:AssumeRole"),
            any(json!("*"), "sts:AssumeRoleWithWebIdentity"),
            any(json!({"Federated": "*"}), "sts:*"),
        ] {
            assert!(ids(statement.clone()).contains(&Id::AnyPrincipal), "{statement}");
        }
        let mut pinned = allow_sub("StringEquals", json!(APP));
        pinned["Principal"] = json!("*");
        assert_eq!(ids(pinned), [], "the keys of one issuer keep all others out");
        let where_it_holds = |condition: Value, action: Value| {
            let mut statement = any(json!({"AWS": "*"}), "sts:AssumeRole");
            (statement["Condition"], statement["Action"]) = (condition, action);
            found_in(&role(statement), &around()).iter().map(|found| (found.id, found.severity)).collect::<Vec<_>>()
        };
        let tag = json!({"StringEquals": {"aws:PrincipalTag/team": "data"}});
        assert_eq!(where_it_holds(tag, json!("sts:AssumeRole")), [(Id::AnyPrincipal, Severity::Medium)]);
        let any_account = json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/argocd"}});
        assert_eq!(where_it_holds(any_account, json!("sts:AssumeRole")), [(Id::AnyPrincipal, Severity::High)]);
        for named in [
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/argocd"}}),
        ] {
            for action in [json!("sts:AssumeRole"), json!(["sts:AssumeRole", "sts:TagSession"]), json!("sts:*")] {
                assert_eq!(where_it_holds(named.clone(), action.clone()), [], "{named} {action}");
            }
        }
        assert_eq!(ids(any(json!({"Service": "ec2.amazonaws.com"}), "sts:AssumeRole")), []);
    }

    #[test]
    fn other_sides_of_a_role_are_told() {
        let web = allow_sub("StringEquals", json!(APP));
        let by = |principal: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        assert_eq!(ids(json!([web, by(json!({"Service": "ec2.amazonaws.com"}))])), [Id::MixedTrust]);
        assert_eq!(ids(json!([web, by(json!({"AWS": "arn:aws:iam::123456789012:root"}))])), []);
        assert_eq!(ids(json!([web, by(json!({"AWS": "210987654321"}))])), [Id::OtherAccount]);
        let mut elsewhere = web.clone();
        elsewhere["Principal"]["Federated"] = json!(arn(HOST).replace("123456789012", "210987654321"));
        assert_eq!(ids(elsewhere), [Id::ProviderElsewhere]);
    }

    #[test]
    fn what_exists_is_taken_into_account() {
        let mut gone = allow_sub("StringEquals", json!(APP));
        gone["Principal"]["Federated"] = json!(arn("oidc.eks.us-east-1.amazonaws.com/id/GONE"));
        let found = found_in(&role(gone), &around());
        assert_eq!(only(&found, Id::StaleProvider).severity, Severity::Low);
        assert_eq!(found.len(), 1);

        let subs = json!([APP, "system:serviceaccount:ns:left", "system:serviceaccount:gone:app"]);
        let found = found_in(&role(allow_sub("StringEquals", subs.clone())), &around());
        let stale = only(&found, Id::StaleSubject);
        assert!(stale.message.contains("ns/left, gone/app") && !stale.message.contains("ns/app"), "{}", stale.message);
        assert_eq!(ids(allow_sub("StringEquals", subs)), [], "where the cluster was not read, nothing is said");

        let open = allow(json!({"StringEquals": {format!("{HOST}:sub"): APP}}));
        assert_eq!(only(&found_in(&role(open.clone()), &around()), Id::NoAudience).severity, Severity::Medium);
        let mut one = around();
        one.providers.as_mut().unwrap().insert(provider(HOST), vec![STS.to_owned()]);
        assert_eq!(only(&found_in(&role(open), &one), Id::NoAudience).severity, Severity::Low);
    }

    #[test]
    fn severity_follows_the_harm() {
        let any_name = |namespace: &str| {
            let statement = allow_sub("StringLike", json!(format!("system:serviceaccount:{namespace}:*")));
            only(&found_in(&role(statement), &around()), Id::AnyName).severity
        };
        assert_eq!(
            (any_name("ns"), any_name("kube-system"), any_name("default")),
            (Severity::Low, Severity::Medium, Severity::Medium)
        );
        let doubtful = |sub: Value| {
            let mut statement = allow_sub("StringLike", sub);
            statement["Condition"]["IpAddress"] = json!({"aws:SourceIp": "10.0.0.0/8"});
            only(&found_in(&role(statement), &around()), Id::Undecided).clone()
        };
        assert_eq!(doubtful(json!("*")).severity, Severity::Medium);
        let exact = doubtful(json!(APP));
        assert_eq!((exact.severity, &exact.fix), (Severity::Info, &None));
        assert!(exact.evidence.iter().any(|line| line.contains("aws:SourceIp")), "{:?}", exact.evidence);
    }

    #[test]
    fn power_makes_openness_worse() {
        let admin = |statement: Value| AuditedRole {
            attached: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..role(statement)
        };
        let open = allow_sub("StringLike", json!("system:serviceaccount:ns:job-*"));
        let found = found_in(&admin(open), &around());
        assert_eq!(found[0].id, Id::PowerfulRole);
        assert_eq!(found_in(&admin(allow_sub("StringEquals", json!(APP))), &around()), []);
        let mut repository = allow_sub("StringLike", json!("repo:org/*"));
        let text = repository.to_string().replace(HOST, "token.actions.githubusercontent.com");
        repository = serde_json::from_str(&text).unwrap();
        let found = found_in(&admin(repository), &Surroundings::default());
        assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), [Id::PowerfulRole, Id::AnyProject]);
    }

    #[test]
    fn what_cannot_be_read_hides_nothing() {
        let bad = AuditedRole { trust_policy: "{".to_owned(), ..role(json!([])) };
        let twice = AuditedRole {
            trust_policy: r#"{"Statement": [], "Statement": []}"#.to_owned(),
            arn: None,
            source: Some("f.json".to_owned()),
            ..role(json!([]))
        };
        let open = role(allow(json!({})));
        let all = audit([bad.clone(), twice, open], &Surroundings::default(), &[]);
        let ids: Vec<Id> = all.findings.iter().map(|found| found.id).collect();
        assert_eq!(
            ids,
            [Id::Unreadable, Id::Unreadable, Id::AnySubject, Id::NoAudience],
            "the worst first, then by place"
        );
        assert_eq!((all.roles, all.trusting, all.worst()), (3, 1, Some(Severity::High)));
        assert!(
            all.findings
                .iter()
                .any(|f| f.source.as_deref() == Some("f.json") && f.evidence == ["duplicate key \"Statement\""])
        );
        assert!(who_can(&bad, &Surroundings::default()).is_err());
        let unknown = role(json!({"Effect": "Allow", "Principal": "*", "Action": "sts:*", "Conditions": {}}));
        assert_eq!(found_in(&unknown, &Surroundings::default())[0].id, Id::Unreadable);
        let refused = role(json!([allow_sub("StringEquals", json!(APP)), allow_sub("StringEquals", json!(APP))]));
        let mut value: Value = serde_json::from_str(&refused.trust_policy).unwrap();
        value["Version"] = json!("2020-01-01");
        let refused = AuditedRole { trust_policy: value.to_string(), ..refused };
        assert_eq!(only(&found_in(&refused, &around()), Id::RefusedByIam).severity, Severity::Info);
    }

    #[test]
    fn findings_are_ignored_by_id_and_role() {
        let open = role(allow(json!({"StringEquals": {format!("{HOST}:aud"): STS}})));
        for (text, left) in [
            ("any-subject", 0),
            ("any-subject:R", 0),
            ("any-subject:other", 1),
            ("any-name", 1),
            (&format!("any-subject:{ROLE}"), 0),
            ("any-subject:?", 0),
            ("any-subject:??", 1),
            ("any-subject:arn:aws:iam::*:role/*", 0),
            ("any-subject:ARN:aws:iam::*:role/*", 1),
        ] {
            let all = audit([open.clone()], &Surroundings::default(), &[text.parse().unwrap()]);
            assert_eq!((all.findings.len(), all.ignored), (left, 1 - left), "{text}");
        }
        let of_file = AuditedRole { arn: None, source: Some("p/old.json".to_owned()), ..open };
        for (text, left) in [("any-subject:p/*", 0), ("any-subject:old.json", 1), ("any-subject", 0)] {
            let all = audit([of_file.clone()], &Surroundings::default(), &[text.parse().unwrap()]);
            assert_eq!(all.findings.len(), left, "{text}");
        }
    }

    #[test]
    fn who_can_tells_subjects_and_who_of_them_exists() {
        let by = json!({"Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "sts:AssumeRole"});
        let like = allow_sub("StringLike", json!("system:serviceaccount:ns:*"));
        let exact = allow(json!({"StringEquals": {format!("{HOST}:sub"): "system:serviceaccount:prod:app"}}));
        let answer = who_can(&role(json!([like, exact, by])), &around()).unwrap();
        let [first, second] = &answer.subjects[..] else { panic!("{:?}", answer.subjects) };
        assert_eq!((first.cluster.as_str(), first.pattern.as_str()), ("demo", "system:serviceaccount:ns:*"));
        assert_eq!(first.service_accounts.as_deref(), Some(&["ns/app".to_owned(), "ns/other".to_owned()][..]));
        assert_eq!((&first.annotated[..], &first.audiences[..]), (&["ns/app".to_owned()][..], &[STS.to_owned()][..]));
        assert_eq!(second.audiences, [STS, "vault"]);
        assert!(second.annotated.is_empty());
        assert_eq!((answer.others.len(), answer.others[0].other_account), (1, Some(true)));
        assert_eq!(answer.role_arn, ROLE);
        let unread = who_can(&role(allow(json!({}))), &Surroundings::default()).unwrap();
        assert_eq!(
            (&unread.subjects[0].service_accounts, unread.subjects[0].audiences.last()),
            (&None, Some(&STS.to_owned()))
        );
        assert!(unread.subjects[0].audiences.contains(&"*".to_owned()));
        assert_eq!(unread.subjects[0].cluster, format!("https://{HOST}"));
    }

    #[test]
    fn evidence_is_bounded() {
        let subs: Vec<String> = (0..150).map(|n| format!("system:serviceaccount:ns:gone-{n}")).collect();
        let mut around = around();
        around
            .clusters
            .get_mut(&provider(HOST))
            .unwrap()
            .1
            .extend((0..500).map(|n| account(&format!("ns/new-{n}"), None)));
        let found = found_in(&role(allow_sub("StringEquals", json!(subs))), &around);
        let stale = only(&found, Id::StaleSubject);
        assert!(
            stale.evidence.len() < 10 && stale.message.len() < 500 && stale.message.contains("145 more"),
            "{}",
            stale.message
        );
        let open = role(allow(json!({"StringEquals": {format!("{HOST}:aud"): STS}})));
        let lines = only(&found_in(&open, &around), Id::AnySubject).evidence.join("; ");
        assert!(lines.contains("505 service accounts fit today: default/default") && lines.len() < 400, "{lines}");
    }
}
