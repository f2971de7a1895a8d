//! Conversations with a scripted API server: what is asked, and what becomes of the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use secrecy::SecretString;
use serde_json::json;

use super::BearerSource;
use super::fake::{Scenario, Seen, Server, account};
use crate::backend::{
    AccessReview, ClusterBackend, ClusterNamespace, ConfigMapReader, DRY_RUN_UNSUPPORTED, DryRun, NewServiceAccount,
    Precondition, ServiceAccount, Takeover, collect_warnings,
};
use crate::error::{ConflictReason, Error, ErrorKind};
use crate::name::{Namespace, ServiceAccountName};

const RBAC: &str = r#"serviceaccounts "sa" is forbidden: User "u" cannot patch resource "serviceaccounts" in API group "" in the namespace "ns""#;

const ARN_KEY: &str = "eks.amazonaws.com/role-arn";
const ARN: &str = "arn:aws:iam::123456789012:role/r";
const ACCOUNT: &str = "/api/v1/namespaces/ns/serviceaccounts/sa";

fn namespace() -> Namespace {
    Namespace::new("ns").unwrap()
}

fn name() -> ServiceAccountName {
    ServiceAccountName::new("sa").unwrap()
}

fn annotations() -> BTreeMap<String, String> {
    BTreeMap::from([(ARN_KEY.to_owned(), ARN.to_owned())])
}

fn wanted() -> NewServiceAccount {
    NewServiceAccount {
        namespace: namespace(),
        name: name(),
        labels: BTreeMap::new(),
        annotations: annotations(),
        automount_token: None,
        precondition: Precondition::Anything,
    }
}

fn existing() -> ServiceAccount {
    ServiceAccount {
        namespace: namespace(),
        name: name(),
        uid: "u-1".to_owned(),
        resource_version: "7".to_owned(),
        labels: BTreeMap::new(),
        annotations: annotations(),
        automount_token: None,
        owners: Vec::new(),
        deleting: false,
    }
}

/// The one request of a conversation.
fn only(mut seen: Vec<Seen>) -> Seen {
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

async fn read_error(scenario: Scenario) -> Error {
    let server = Server::new([scenario]);
    let error = server.cluster().service_account(&namespace(), &name()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read service account ns/sa");
    only(server.seen());
    error
}

#[tokio::test]
async fn apply_sends_the_configuration_as_field_manager_irsa() {
    let server = Server::new([Scenario::account("sa")]);
    let written = server.cluster().apply_service_account(&wanted(), DryRun::No, Takeover::Refuse).await.unwrap();
    assert_eq!((written.uid.as_str(), written.resource_version.as_str()), ("u-1", "7"));
    let seen = only(server.seen());
    assert_eq!(seen.method, "PATCH");
    assert_eq!(seen.target, format!("{ACCOUNT}?&fieldManager=irsa"));
    assert_eq!(seen.header("content-type"), "application/apply-patch+yaml");
    assert_eq!(seen.header("user-agent"), concat!("irsa/", env!("CARGO_PKG_VERSION")));
    assert_eq!(seen.body["metadata"], json!({"name": "sa", "namespace": "ns", "annotations": {ARN_KEY: ARN}}));
}

#[tokio::test]
async fn a_forced_dry_run_with_preconditions_says_so() {
    let server = Server::new([Scenario::account("sa")]);
    let precondition = Precondition::Version { uid: "u-1".to_owned(), resource_version: "7".to_owned() };
    let account = NewServiceAccount { precondition, ..wanted() };
    server.cluster().apply_service_account(&account, DryRun::Yes, Takeover::Force).await.unwrap();
    let seen = only(server.seen());
    assert_eq!(seen.target, format!("{ACCOUNT}?&dryRun=All&force=true&fieldManager=irsa"));
    assert_eq!(
        (&seen.body["metadata"]["uid"], &seen.body["metadata"]["resourceVersion"]),
        (&json!("u-1"), &json!("7"))
    );
}

#[tokio::test]
async fn what_apply_is_refused_for_is_told_apart() {
    let causes = json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"helm\" using v1",
        "field": ".metadata.annotations.eks.amazonaws.com/role-arn"}]});
    let missing = json!({"name": "ns", "kind": "namespaces"});
    for (scenario, kind, code) in [
        (Scenario::status(409, "Conflict", "Apply failed", &causes), ErrorKind::Conflict, "Conflict"),
        (Scenario::status(403, "Forbidden", RBAC, &json!({})), ErrorKind::AccessDenied, "Forbidden"),
        (Scenario::status(403, "Forbidden", "no", &json!({})), ErrorKind::Conflict, "Forbidden"),
        (Scenario::status(404, "NotFound", "namespaces \"ns\" not found", &missing), ErrorKind::NotFound, "NotFound"),
        (
            Scenario::status(400, "BadRequest", "admission webhook \"w\" does not support dry run", &json!({})),
            ErrorKind::Unavailable,
            DRY_RUN_UNSUPPORTED,
        ),
    ] {
        let server = Server::new([scenario]);
        let error = server.cluster().apply_service_account(&wanted(), DryRun::Yes, Takeover::Refuse).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
        only(server.seen());
    }
}

#[tokio::test]
async fn an_account_made_anew_is_a_conflict() {
    let message = "ServiceAccount \"sa\" is invalid: metadata.uid: Invalid value: \"u-1\": field is immutable";
    let causes = json!([{"reason": "FieldValueInvalid", "field": "metadata.uid", "message": "field is immutable"}]);
    let details = json!({"name": "sa", "kind": "ServiceAccount", "causes": causes});
    let server = Server::new([Scenario::status(422, "Invalid", message, &details)]);
    let precondition = Precondition::Version { uid: "u-1".to_owned(), resource_version: "7".to_owned() };
    let account = NewServiceAccount { precondition, ..wanted() };
    let error = server.cluster().apply_service_account(&account, DryRun::No, Takeover::Refuse).await.unwrap_err();
    assert_eq!(error.conflict_reason(), Some(ConflictReason::Stale));
}

#[tokio::test]
async fn annotations_are_removed_by_a_patch_that_tests() {
    let server = Server::new([Scenario::account("sa")]);
    server.cluster().remove_annotations(&existing(), &annotations()).await.unwrap();
    let seen = only(server.seen());
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PATCH", &*format!("{ACCOUNT}?fieldManager=irsa")));
    assert_eq!(seen.header("content-type"), "application/json-patch+json");
    assert_eq!(seen.body[0], json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"}));
    assert_eq!(seen.body[2], json!({"op": "remove", "path": "/metadata/annotations/eks.amazonaws.com~1role-arn"}));
}

#[tokio::test]
async fn a_patch_that_no_longer_fits_is_a_conflict() {
    let gone = json!({"name": "sa", "kind": "serviceaccounts"});
    let unfit = "the server rejected our request due to an error in our request";
    let webhook = format!("admission webhook \"w\" denied the request: {unfit}");
    for (scenario, kind, reason) in [
        (Scenario::status(422, "Invalid", unfit, &json!({})), ErrorKind::Conflict, Some(ConflictReason::Stale)),
        (Scenario::status(422, "Invalid", &webhook, &json!({})), ErrorKind::Conflict, Some(ConflictReason::Admission)),
        (Scenario::status(422, "Invalid", &format!("no: {unfit}"), &json!({})), ErrorKind::InvalidInput, None),
        (Scenario::status(404, "NotFound", "not found", &gone), ErrorKind::NotFound, None),
    ] {
        let error =
            Server::new([scenario]).cluster().remove_annotations(&existing(), &annotations()).await.unwrap_err();
        assert_eq!((error.kind(), error.conflict_reason()), (kind, reason));
    }
}

#[tokio::test]
async fn deleting_has_uid_and_resource_version_as_preconditions() {
    let server = Server::new([
        Scenario::json(200, &json!({"kind": "Status", "status": "Success"})),
        Scenario::status(409, "Conflict", "Precondition failed: UID", &json!({})),
        Scenario::status(404, "NotFound", "not found", &json!({"name": "sa", "kind": "serviceaccounts"})),
    ]);
    let cluster = server.cluster();
    cluster.delete_service_account(&existing()).await.unwrap();
    for kind in [ErrorKind::Conflict, ErrorKind::NotFound] {
        assert_eq!(cluster.delete_service_account(&existing()).await.unwrap_err().kind(), kind);
    }
    let seen = server.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.target.trim_end_matches('?')), ("DELETE", ACCOUNT));
    assert_eq!(seen.body["preconditions"], json!({"uid": "u-1", "resourceVersion": "7"}));
}

#[tokio::test]
async fn only_a_named_absence_is_none() {
    let absent = Scenario::status(404, "NotFound", "", &json!({"name": "sa", "kind": "serviceaccounts"}));
    let server = Server::new([absent]);
    assert_eq!(server.cluster().service_account(&namespace(), &name()).await.unwrap(), None);
    for (scenario, kind) in [
        (Scenario::status(403, "Forbidden", "no", &json!({})), ErrorKind::AccessDenied),
        (Scenario::Answer(404, b"404 page not found\n".to_vec()), ErrorKind::Unexpected),
        (Scenario::status(500, "InternalError", "etcd", &json!({})), ErrorKind::Unavailable),
    ] {
        assert_eq!(read_error(scenario).await.kind(), kind);
    }
}

#[tokio::test]
async fn one_entry_of_a_config_map_is_read() {
    let map = |data| Scenario::json(200, &json!({"kind": "ConfigMap", "metadata": {"name": "global"}, "data": data}));
    let missing = Scenario::status(404, "NotFound", "", &json!({"name": "global", "kind": "configmaps"}));
    let server = Server::new([map(json!({"environment": "demo", "x": "y"})), map(json!(null)), missing]);
    let mut found = Vec::new();
    for _ in 0..3 {
        found.push(server.cluster().config_value(&namespace(), "global", "environment").await.unwrap());
    }
    assert_eq!(found, [Some("demo".to_owned()), None, None]);
    let seen = server.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("GET", "/api/v1/namespaces/ns/configmaps/global"));
}

fn page(names: &[&str], next: &str) -> Scenario {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": account(name)["metadata"]})).collect();
    let list = json!({"kind": "ServiceAccountList", "apiVersion": "v1", "items": items,
        "metadata": {"resourceVersion": "9", "continue": next, "remainingItemCount": 3}});
    Scenario::json(200, &list)
}

#[tokio::test]
async fn lists_follow_their_pages() {
    let server = Server::new([page(&["a", "b"], "t/1=="), page(&["c"], "")]);
    let found = server.cluster().service_accounts().await.unwrap();
    assert_eq!(found.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let seen = server.seen();
    assert_eq!(seen[0].target, "/api/v1/serviceaccounts?&limit=500");
    assert_eq!(seen[1].target, "/api/v1/serviceaccounts?&limit=500&continue=t%2F1%3D%3D");
}

#[tokio::test]
async fn an_expired_list_is_begun_again_once() {
    let expired = || Scenario::status(410, "Expired", "The provided continue parameter is too old", &json!({}));
    let server = Server::new([page(&["a"], "1"), expired(), page(&["b"], "2"), page(&["c"], "")]);
    let found = server.cluster().service_accounts_in(&namespace()).await.unwrap();
    assert_eq!(found.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(server.seen()[2].target, "/api/v1/namespaces/ns/serviceaccounts?&limit=500");

    let server = Server::new([expired(), expired()]);
    assert_eq!(server.cluster().service_accounts().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let server = Server::new(std::iter::repeat_n(page(&[], "more"), super::backend::MAX_PAGES));
    let error = server.cluster().service_accounts().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    server.seen();
}

#[tokio::test]
async fn answers_that_are_no_answers_are_errors() {
    let huge = vec![b' '; super::call::ONE_OBJECT + 1];
    let other = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "sa", "namespace": "ns"}});
    let nameless = json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "sa"}});
    for (scenario, kind, cause) in [
        (Scenario::Answer(200, b"<html>".to_vec()), ErrorKind::Unexpected, "the answer is not what the API describes"),
        (Scenario::Answer(200, Vec::new()), ErrorKind::Unexpected, "the answer is not what the API describes"),
        (Scenario::Answer(200, b"{\"kind\": \"Serv".to_vec()), ErrorKind::Unexpected, "the answer is not what"),
        (Scenario::json(200, &other), ErrorKind::Unexpected, "the answer is not what the API describes"),
        (Scenario::json(200, &nameless), ErrorKind::Unexpected, "namespace \"\""),
        (Scenario::Answer(200, huge), ErrorKind::Unexpected, "the answer is larger than 8388608 bytes"),
        (Scenario::BreakOff, ErrorKind::Unavailable, "the answer broke off: "),
        (Scenario::HangUp, ErrorKind::Unavailable, "the API server cannot be reached: "),
    ] {
        let error = read_error(scenario).await;
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.causes()[0].starts_with(cause), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_a_timeout() {
    let error = read_error(Scenario::Silence).await;
    assert_eq!(
        (error.kind(), error.causes()),
        (ErrorKind::Timeout, vec!["the API server gave no answer within 30 s".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn only_throttled_requests_are_sent_again() {
    let status = json!({"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "later"});
    let throttled = || Scenario::Header(429, "retry-after", "3", status.to_string().into_bytes());
    let server = Server::new([throttled(), throttled(), Scenario::account("sa")]);
    let begun = tokio::time::Instant::now();
    assert!(server.cluster().service_account(&namespace(), &name()).await.unwrap().is_some());
    assert!(begun.elapsed().as_secs() >= 6, "{:?}", begun.elapsed());
    server.seen();

    let server = Server::new(std::iter::repeat_n(throttled(), 5));
    let error = server.cluster().service_account(&namespace(), &name()).await.unwrap_err();
    assert_eq!((error.kind(), error.causes()), (ErrorKind::Throttled, vec!["later".to_owned()]));
    server.seen();
    read_error(Scenario::status(503, "ServiceUnavailable", "later", &json!({}))).await;
}

#[tokio::test]
async fn a_namespace_says_whether_it_is_being_deleted() {
    let state = |phase| {
        let status = json!({"phase": phase});
        Scenario::json(
            200,
            &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ns"}, "status": status}),
        )
    };
    let absent = Scenario::status(404, "NotFound", "", &json!({"name": "ns", "kind": "namespaces"}));
    for (scenario, terminating) in [(state("Active"), Some(false)), (state("Terminating"), Some(true)), (absent, None)]
    {
        let found = Server::new([scenario]).cluster().namespace(&namespace()).await.unwrap();
        assert_eq!(found, terminating.map(|terminating| ClusterNamespace { name: "ns".to_owned(), terminating }));
    }
    let refused = Scenario::status(403, "Forbidden", "no", &json!({}));
    let refused = Server::new([refused]).cluster().namespace(&namespace()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AccessDenied);
}

#[tokio::test]
async fn a_namespace_is_made_once() {
    let made = Scenario::json(201, &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ns"}}));
    let exists = Scenario::status(409, "AlreadyExists", "namespaces \"ns\" already exists", &json!({"name": "ns"}));
    let server = Server::new([made, exists]);
    let cluster = server.cluster();
    cluster.create_namespace(&namespace()).await.unwrap();
    assert_eq!(cluster.create_namespace(&namespace()).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let seen = server.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/api/v1/namespaces?&fieldManager=irsa"));
    assert_eq!(seen.body["metadata"], json!({"name": "ns"}));
}

#[tokio::test]
async fn access_is_asked_for_ourselves() {
    let review = |status: serde_json::Value| {
        let kind = "SelfSubjectAccessReview";
        Scenario::json(
            201,
            &json!({"kind": kind, "apiVersion": "authorization.k8s.io/v1", "spec": {}, "status": status}),
        )
    };
    let server = Server::new([review(json!({"allowed": true})), review(json!({"allowed": false, "reason": "no"}))]);
    let cluster = server.cluster();
    let mut asked = AccessReview { verb: "patch", resource: "serviceaccounts", namespace: Some(namespace()) };
    assert!(cluster.allowed(&asked).await.unwrap());
    asked.namespace = None;
    assert!(!cluster.allowed(&asked).await.unwrap());
    let seen = server.seen();
    assert_eq!(seen[0].target.trim_end_matches(['?', '&']), "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
    let attributes = json!({"verb": "patch", "group": "", "resource": "serviceaccounts", "namespace": "ns"});
    assert_eq!(seen[0].body["spec"], json!({"resourceAttributes": attributes}));
    assert_eq!(seen[1].body["spec"]["resourceAttributes"].get("namespace"), None);
}

#[tokio::test]
async fn the_discovered_issuer_is_asked_for_once() {
    let issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC";
    let server = Server::new([Scenario::json(200, &json!({"issuer": issuer, "jwks_uri": "x"}))]);
    let cluster = server.cluster();
    for _ in 0..2 {
        let fingerprint = cluster.fingerprint().await.unwrap();
        assert_eq!((fingerprint.issuer.as_deref(), fingerprint.chosen), (Some(issuer), false));
    }
    assert_eq!(only(server.seen()).target, "/.well-known/openid-configuration");
}

#[tokio::test]
async fn a_refused_discovery_is_no_error_and_a_failed_one_is() {
    let anonymous = "forbidden: User \"system:anonymous\" cannot get path \"/.well-known/openid-configuration\"";
    for scenario in [
        Scenario::status(403, "Forbidden", "no", &json!({})),
        Scenario::status(403, "Forbidden", "a policy denies User \"system:anonymous\"", &json!({})),
        Scenario::Answer(404, b"404 page not found".to_vec()),
        Scenario::Answer(302, Vec::new()),
        Scenario::Answer(200, b"<html>login</html>".to_vec()),
        Scenario::json(200, &json!({})),
    ] {
        assert_eq!(Server::new([scenario]).cluster().fingerprint().await.unwrap().issuer, None);
    }
    for scenario in [Scenario::HangUp, Scenario::status(503, "ServiceUnavailable", "", &json!({}))] {
        assert!(Server::new([scenario]).cluster().fingerprint().await.is_err());
    }
    // Credentials that are refused, or missing, are so for every other call as well.
    for (scenario, hint) in [
        (Scenario::status(401, "Unauthorized", "Unauthorized", &json!({})), "does not accept the credentials"),
        (Scenario::Answer(401, b"<html>login</html>".to_vec()), ""),
        (Scenario::status(403, "Forbidden", anonymous, &json!({})), "no credentials arrived"),
    ] {
        let error = Server::new([scenario]).cluster().fingerprint().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
        assert!(error.hint().map(ToString::to_string).unwrap_or_default().contains(hint), "{error:?}");
    }
}

/// A token source that fails with an error of the same kind as a refusal of the server.
#[derive(Debug)]
struct Failing(ErrorKind, AtomicUsize);

#[async_trait::async_trait]
impl BearerSource for Failing {
    async fn bearer(&self) -> crate::Result<SecretString> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Err(Error::new(self.0, "cannot get a token").with_code("NotFound"))
    }
}

#[tokio::test]
async fn what_fails_on_this_side_is_never_an_answer_of_the_server() {
    for kind in [
        ErrorKind::AccessDenied,
        ErrorKind::NotFound,
        ErrorKind::Unexpected,
        ErrorKind::Throttled,
        ErrorKind::InvalidInput,
    ] {
        let server = Server::new([]);
        let source = Arc::new(Failing(kind, AtomicUsize::new(0)));
        let cluster = server.cluster_with(Arc::clone(&source) as Arc<dyn BearerSource>);
        // Neither a missing right to read the issuer, nor a missing object, nor a reason to try again.
        let error = cluster.fingerprint().await.unwrap_err();
        assert_eq!((error.kind(), error.causes()), (kind, vec!["cannot get a token".to_owned()]));
        assert_eq!(cluster.service_account(&namespace(), &name()).await.unwrap_err().kind(), kind);
        assert_eq!(cluster.namespace(&namespace()).await.unwrap_err().kind(), kind);
        assert_eq!(source.1.load(Ordering::Relaxed), 3, "each call asks once");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_caller_without_credentials_is_told_so_and_not_to_change_rbac() {
    let message = "serviceaccounts \"sa\" is forbidden: User \"system:anonymous\" cannot get resource \"serviceaccounts\" \
         in API group \"\" in the namespace \"ns\"";
    let error = read_error(Scenario::status(403, "Forbidden", message, &json!({}))).await;
    let hint = error.hint().map(ToString::to_string).unwrap_or_default();
    assert!(hint.starts_with("no credentials arrived"), "{hint}");
}

#[tokio::test]
async fn warnings_come_with_answers_and_with_refusals() {
    let warns = |status, text, body: &serde_json::Value| {
        Scenario::Header(status, "warning", text, body.to_string().into_bytes())
    };
    let denied = json!({"kind": "Status", "code": 422, "reason": "Invalid", "message": "no"});
    let server = Server::new([
        warns(200, "299 - \"one\", 299 - \"two\"", &account("sa")),
        warns(200, "299 - \"one\"", &account("sa")),
        warns(422, "299 - \"three\"", &denied),
    ]);
    let cluster = server.cluster();
    let calls = async {
        for _ in 0..3 {
            let _ = cluster.apply_service_account(&wanted(), DryRun::Yes, Takeover::Refuse).await;
        }
    };
    let warnings = collect_warnings(&[], calls.boxed()).await.1;
    let messages: Vec<&str> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages, ["API server: one", "API server: two", "API server: three"]);
    server.seen();
}
