//! The audit of trust policies: real documents by what is found in them, and the account and clusters of a sandbox.

use std::path::Path;
use std::time::Duration;

use irsa_core::backend::ApiServerFingerprint;
use irsa_core::name::{ClusterRef, RoleName};
use irsa_core::sandbox::{At, RoleState, ServiceAccountState};
use irsa_core::trust::{Audit, FindingId as Id, Severity, Surroundings, TrustDocument, audit, roles_of_text};
use irsa_core::{ErrorKind, WarningId};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{ROLE, World, ec2_trust, text};

/// What is found in each of `tests/documents`, with nothing known around it.
const DOCUMENTS: &[(&str, &[Id])] = &[
    ("a-namespace-but-one", &[Id::AnyName]),
    ("ack", &[Id::NoAudience]),
    ("all-but-another-cluster", &[Id::SeveralProviders]),
    ("argo-cd-by-role-arn", &[]),
    ("arn-as-key", &[Id::AdmitsNobody]),
    ("aws-any-account-of-a-cluster", &[Id::AnySubject, Id::NoAudience]),
    ("aws-principal-with-tokens", &[Id::AdmitsNobody]),
    ("aws-two-clusters", &[]),
    ("cdk", &[]),
    ("china", &[]),
    ("cognito-no-condition", &[Id::AnySubject]),
    ("cognito-pool", &[]),
    ("crossplane", &[Id::NoAudience, Id::NamePattern, Id::NamePattern]),
    ("eksctl", &[]),
    ("eksctl-subject-pattern", &[Id::NamePattern]),
    ("eksctl-without-subject", &[Id::AnySubject]),
    ("from-an-office", &[Id::Undecided]),
    ("gen3", &[]),
    ("gen3-template", &[Id::Placeholder]),
    ("gen3-all-values", &[Id::AnyNamespace, Id::NamePattern]),
    ("gen3-with-ec2", &[Id::MixedTrust]),
    ("github-and-cluster", &[]),
    ("github-claims", &[]),
    ("github-no-sub", &[Id::AnySubject]),
    ("github-organization-prefix", &[Id::TenantPattern]),
    ("github-repo-star", &[Id::AnySubject]),
    ("gitlab-no-aud", &[Id::NoAudience, Id::AnyProject]),
    ("irsa-manager", &[Id::NoAudience, Id::NoAudience]),
    ("keys-of-another-cluster", &[Id::AdmitsNobody]),
    ("kube2iam", &[Id::NoAudience, Id::MixedTrust]),
    ("ordinary-ec2-role", &[]),
    ("pod-identity", &[]),
    ("pod-identity-and-tokens", &[Id::MixedTrust]),
    ("subject-under-aud", &[Id::AdmitsNobody]),
    ("template-without-subject", &[Id::AnySubject, Id::Placeholder]),
    ("terraform-cloud", &[]),
    ("terraform-string-equals", &[]),
    ("terraform-string-like", &[Id::NamePattern]),
    ("wildcard-under-equals", &[Id::AdmitsNobody]),
    ("wrong-action", &[Id::AdmitsNobody]),
];

/// Documents about other issuers than clusters that do not say who was meant: a repair would lock somebody out.
const WITHOUT_REPAIR: [&str; 4] = ["cognito-no-condition", "github-no-sub", "github-repo-star", "gitlab-no-aud"];

#[test]
fn in_real_documents_is_found_who_gets_in_that_should_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".json") else { continue };
        let expected = DOCUMENTS.iter().find(|(known, _)| *known == name);
        let (_, expected) = expected.unwrap_or_else(|| panic!("nothing is expected of {name}"));
        let roles = roles_of_text(name, &std::fs::read_to_string(&path).unwrap()).roles;
        let found = audit(roles, &Surroundings::default(), &[]).findings;
        let mut ids: Vec<Id> = found.iter().map(|finding| finding.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, *expected, "{name}: {found:?}");
        for finding in found {
            // A finding of harm has its repair, or there is nothing to repair in the document.
            let harmless = finding.severity < Severity::Medium;
            let repaired = !WITHOUT_REPAIR.contains(&name);
            assert!(harmless || finding.fix.is_some() == repaired, "{name}: {finding:?}");
            let parsed = finding.fix.map(|fix| TrustDocument::from_value(&fix).map(|fix| fix.notes().to_vec()));
            assert!(
                parsed.is_none_or(|notes| notes.is_ok_and(|notes| notes.is_empty())),
                "{name}: IAM takes the repair"
            );
        }
    }
}

fn sandbox() -> ClusterRef {
    "sandbox".parse().unwrap()
}

fn name(text: &str) -> RoleName {
    text.parse().unwrap()
}

fn provider(world: &World) -> String {
    let issuer = world.sandbox.state().unwrap().clusters[&sandbox()].issuer.clone().unwrap();
    format!("arn:aws:iam::123456789012:oidc-provider/{}", issuer.host_path())
}

/// Lets every service account of the cluster in.
fn open(world: &World, role: &str) {
    let host = provider(world).split_once('/').unwrap().1.to_owned();
    let statement = json!({"Effect": "Allow", "Principal": {"Federated": provider(world)},
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {format!("{host}:aud"): "sts.amazonaws.com"}}});
    world.edit_role(role, |state| state.trust_policy["Statement"] = statement);
}

fn ids(audit: &Audit) -> Vec<Id> {
    audit.findings.iter().map(|finding| finding.id).collect()
}

#[tokio::test]
async fn the_whole_account_is_audited_against_its_clusters() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    world.sandbox.put_role(&name("ec2"), RoleState::new(ec2_trust())).unwrap();
    let audited = world.client.audit_trust(&[sandbox()], &[]).await.unwrap();
    assert_eq!((ids(&audited), audited.roles, audited.trusting), (vec![], 2, 1), "what irsa writes is clean");
    assert_eq!(audited.warnings, []);

    open(&world, ROLE);
    let audited = world.client.audit_trust(&[sandbox()], &[]).await.unwrap();
    assert_eq!(ids(&audited), [Id::AnySubject]);
    let finding = &audited.findings[0];
    assert!(
        finding.message.contains("cluster arn:aws:eks:us-east-1:123456789012:cluster/sandbox"),
        "{}",
        finding.message
    );
    // The annotation tells who was meant.
    let fix = finding.fix.as_ref().map(Value::to_string).unwrap();
    assert!(fix.contains("system:serviceaccount:default:sa"), "{fix}");
    let ignored = world.client.audit_trust(&[], &[format!("any-subject:{ROLE}").parse().unwrap()]).await.unwrap();
    assert_eq!((ids(&ignored), ignored.ignored), (vec![], 1));
}

#[tokio::test]
async fn what_is_gone_is_found() {
    let world = World::new();
    world.create(World::binding().with_subject("default/b")).await.unwrap();
    world.edit_cluster(|cluster| drop(cluster.namespaces.get_mut("default").unwrap().service_accounts.remove("b")));
    let audited = world.client.audit_trust(&[sandbox()], &[]).await.unwrap();
    assert_eq!(ids(&audited), [Id::StaleSubject]);
    assert_eq!(ids(&world.client.audit_trust(&[], &[]).await.unwrap()), [], "no cluster was read");
    let issuer = world.sandbox.state().unwrap().clusters[&sandbox()].issuer.clone().unwrap();
    world.sandbox.remove_provider(&issuer).unwrap();
    assert_eq!(ids(&world.client.audit_trust(&[], &[]).await.unwrap()), [Id::StaleProvider]);
}

#[tokio::test]
async fn what_may_not_be_read_is_a_warning_and_not_judged() {
    let world = World::with_blue();
    world.create(World::binding()).await.unwrap();
    open(&world, ROLE);
    world.sandbox.default_cluster().deny("list", "serviceaccounts").unwrap();
    world.sandbox.faults().fail_before(At::every("providers"), ("AccessDenied", "not authorized"));
    let clusters = [sandbox(), "blue".parse().unwrap(), "nowhere".parse().unwrap()];
    let audited = world.client.audit_trust(&clusters, &[]).await.unwrap();
    assert_eq!(ids(&audited), [Id::AnySubject]);
    let told: Vec<WarningId> = audited.warnings.iter().map(|warning| warning.id).collect();
    assert_eq!(told, [WarningId::ClusterUnread, WarningId::ClusterUnread, WarningId::ProvidersUnread]);
    assert!(audited.warnings[0].message.contains("sandbox") && audited.warnings[1].message.contains("nowhere"));

    world.sandbox.faults().clear();
    world.sandbox.faults().fail_before(At::every("roles"), ("AccessDenied", "not authorized"));
    assert_eq!(world.client.audit_trust(&[], &[]).await.unwrap_err().kind(), ErrorKind::AccessDenied);
}

#[tokio::test]
async fn the_accounts_of_another_cluster_are_not_taken_for_those_of_this_one() {
    let world = World::new();
    world.create(World::binding()).await.unwrap();
    let other = Some("https://other.example/id/X".to_owned());
    let fingerprint = ApiServerFingerprint { issuer: other, ..ApiServerFingerprint::default() };
    world.sandbox.default_cluster().set_fingerprint(Some(fingerprint)).unwrap();
    world.edit_cluster(|cluster| cluster.namespaces.get_mut("default").unwrap().service_accounts.clear());
    let audited = world.client.audit_trust(&[sandbox()], &[]).await.unwrap();
    assert_eq!(ids(&audited), []);
    assert_eq!(audited.warnings[0].id, WarningId::ClusterUnread);
}

#[tokio::test]
async fn who_can_tells_of_one_role() {
    let world = World::new();
    let document = json!({"Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]});
    world.create(World::bare().with_inline_document("all", document)).await.unwrap();
    world
        .sandbox
        .default_cluster()
        .put_service_account("kube-system", "other", ServiceAccountState::default())
        .unwrap();
    let told = world.client.who_can(&name(ROLE), &[sandbox()]).await.unwrap();
    let [subject] = &told.subjects[..] else { panic!("{told:?}") };
    assert_eq!(subject.service_accounts.as_deref(), Some(&["default/sa".to_owned()][..]));
    assert_eq!((&subject.annotated[..], told.findings.len()), (&["default/sa".to_owned()][..], 0));

    open(&world, ROLE);
    let told = world.client.who_can(&name(ROLE), &[sandbox()]).await.unwrap();
    assert_eq!(told.subjects[0].pattern, "*");
    assert!(told.subjects[0].service_accounts.as_ref().unwrap().contains(&"kube-system/other".to_owned()));
    let found: Vec<Id> = told.findings.iter().map(|finding| finding.id).collect();
    assert_eq!(found, [Id::PowerfulRole, Id::AnySubject], "what is about the whole role first");
    let unread = world.client.who_can(&name(ROLE), &[]).await.unwrap();
    assert_eq!(unread.subjects[0].service_accounts, None);

    let (arn, document) = world.client.trust_document(&name(&ROLE.to_uppercase())).await.unwrap();
    assert_eq!((arn.name().as_str(), document.providers().len()), (ROLE, 1), "names of roles have no case");
    for error in [
        world.client.trust_document(&name("sandbox-default-sb")).await.unwrap_err(),
        world.client.who_can(&name("sandbox-default-sb"), &[]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(text(&error).contains(&format!("did you mean {ROLE}?")), "{}", text(&error));
    }
}

/// Time that passes while something is read, each call of which takes a second.
async fn depth<T>(world: &World, read: impl Future<Output = irsa_core::Result<T>>) -> u64 {
    world.sandbox.faults().delay_every_call(Duration::from_secs(1));
    let begun = Instant::now();
    assert!(read.await.is_ok());
    world.sandbox.faults().clear();
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn what_is_independent_is_read_at_the_same_time() {
    let world = World::with_blue();
    world.create(World::binding()).await.unwrap();
    let clusters = [sandbox(), "blue".parse().unwrap()];
    let (client, role) = (&world.client, name(ROLE));
    assert_eq!(depth(&world, client.audit_trust(&clusters, &[])).await, 2, "roles and clusters, then their providers");
    assert_eq!(depth(&world, client.who_can(&role, &clusters)).await, 2, "role and clusters, then their providers");
    assert_eq!(depth(&world, client.trust_document(&role)).await, 1);
}
