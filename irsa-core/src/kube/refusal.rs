//! What the API server refuses, as errors of irsa.

use ::kube::core::Status;
use ::kube::core::response::{StatusCause, StatusDetails};
use http::StatusCode;

use super::message::{Subject, subject};
use crate::backend::DRY_RUN_UNSUPPORTED;
use crate::error::{ConflictReason, Error, ErrorKind};
use crate::hint::Hint;
use crate::text::shown;

/// The cause that the API server gives for each field that another manager owns.
const FIELD_MANAGER_CONFLICT: &str = "FieldManagerConflict";
/// The cause of a refusal to create anything in a namespace that is being deleted.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// The field of a refusal of another uid: irsa sends one only as a precondition.
const UID: &str = "metadata.uid";
/// The message for a JSON patch of which a `test` failed, or that removes what is not there (client-go, `rest.Request`).
const PATCH_NOT_APPLICABLE: &str = "the server rejected our request due to an error in our request";

/// What to do about a write that met another one.
pub(super) const SEE_AGAIN: &str =
    "somebody changed it at the same time; the same command again sees what is there now";

/// The error for an answer that is no success. `operation` says what was being done; `read` that the request could change
/// nothing, so that no admission webhook or policy saw it.
pub(super) fn refused(operation: &str, http: StatusCode, body: &[u8], read: bool) -> Error {
    match status_of(body) {
        Some(status) => from_status(operation, http, &status, read),
        None => not_a_status(operation, http, body),
    }
}

/// Whether the API server took the caller for nobody, as it does where no credentials arrive and RBAC then refuses.
pub(super) fn is_anonymous(body: &[u8]) -> bool {
    status_of(body).is_some_and(|status| status.code == 403 && subject(&status.message) == Subject::AnonymousRights)
}

/// Whether a failed JSON patch was one that no longer fits the object, rather than one that admission refused.
pub(super) fn no_longer_fits(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidInput && error.causes() == [PATCH_NOT_APPLICABLE]
}

/// The `Status` object of a refusal, if the answer is one.
fn status_of(body: &[u8]) -> Option<Status> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    (value.get("kind").and_then(serde_json::Value::as_str) == Some("Status"))
        .then(|| serde_json::from_value(value).ok())?
}

fn from_status(operation: &str, http: StatusCode, status: &Status, read: bool) -> Error {
    let code = if status.code == 0 { http.as_u16() } else { status.code };
    let error = |kind: ErrorKind| {
        let error = Error::new(kind, operation.to_owned()).with_cause(message(status, http));
        if status.reason.is_empty() { error } else { error.with_code(&status.reason) }
    };
    if causes(status).any(|cause| cause.reason == NAMESPACE_TERMINATING) {
        return error(ErrorKind::Conflict).with_conflict_reason(ConflictReason::NamespaceTerminating);
    }
    // A webhook or policy chooses its status itself, so its form comes first.
    match subject(&status.message) {
        Subject::DryRun => return error(ErrorKind::Unavailable).with_code(DRY_RUN_UNSUPPORTED),
        Subject::Rights | Subject::AnonymousRights if code == 403 => {
            return error(ErrorKind::AccessDenied).with_hint(Hint::GrantPermissions);
        }
        Subject::Quota if code == 403 => return error(ErrorKind::QuotaExceeded).with_hint(WIDEN_THE_QUOTA),
        Subject::Admission if !read => return denied(error(ErrorKind::Conflict)),
        _ if code == 403 && !read => return denied(error(ErrorKind::Conflict)),
        _ => {}
    }
    match code {
        401 => error(ErrorKind::AccessDenied).with_hint(
            "the API server does not accept the credentials: they may have expired, \
             or the caller has no access entry in the EKS cluster",
        ),
        // Only what names an object says that the object is not there; otherwise it is the path that is unknown.
        404 if status.details.as_ref().is_some_and(|details| !details.name.is_empty()) => error(ErrorKind::NotFound),
        422 if causes(status).any(|cause| cause.field == UID) => {
            error(ErrorKind::Conflict).with_conflict_reason(ConflictReason::Stale).with_hint(SEE_AGAIN)
        }
        _ if status.reason == "AlreadyExists" => error(ErrorKind::AlreadyExists),
        _ if status.reason == "Timeout" => error(ErrorKind::Timeout),
        409 => field_conflict(error(ErrorKind::Conflict), status),
        code => error(kind_of(code)),
    }
}

const WIDEN_THE_QUOTA: &str = "delete service accounts that are not used, or raise the ResourceQuota of the namespace";

/// What every caller would be denied.
fn denied(error: Error) -> Error {
    error.with_conflict_reason(ConflictReason::Admission).with_hint(
        "an admission webhook or policy of the cluster denies this whoever asks: give the service account what it demands \
         (labels, annotations, automountServiceAccountToken), or have it changed",
    )
}

/// The kind for an HTTP status.
fn kind_of(code: u16) -> ErrorKind {
    match code {
        400 | 413 | 422 => ErrorKind::InvalidInput,
        401 | 403 => ErrorKind::AccessDenied,
        408 | 504 => ErrorKind::Timeout,
        // A list that went on for so long that the server forgot where it was.
        410 => ErrorKind::Unavailable,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::Throttled,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// Something other than an API server answered, such as a proxy on the way.
fn not_a_status(operation: &str, http: StatusCode, body: &[u8]) -> Error {
    let kind = match kind_of(http.as_u16()) {
        // The rules for input are those of the API server, which has not spoken.
        ErrorKind::InvalidInput | ErrorKind::Conflict => ErrorKind::Unexpected,
        kind => kind,
    };
    let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
    let said = match text.trim() {
        "" => String::new(),
        text => format!(": {}", shown(text)),
    };
    let error = Error::new(kind, operation.to_owned()).with_cause(format!("HTTP {http}{said}"));
    match kind {
        ErrorKind::Unexpected => error.with_hint("this is not how an API server answers: check the URL of the cluster"),
        _ => error,
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details: &StatusDetails| &details.causes)
}

fn message(status: &Status, http: StatusCode) -> String {
    match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => format!("HTTP {http}"),
        ("", reason) => reason.to_owned(),
        (message, _) => message.to_owned(),
    }
}

/// Names the managers and fields of a conflict of server-side apply.
fn field_conflict(mut error: Error, status: &Status) -> Error {
    let conflicts: Vec<(&str, &str)> = causes(status)
        .filter(|cause| cause.reason == FIELD_MANAGER_CONFLICT)
        .map(|cause| (manager(&cause.message), cause.field.as_str()))
        .collect();
    for (manager, field) in &conflicts {
        error = error.with_context("manager", *manager).with_context("field", *field);
    }
    let reason = if conflicts.is_empty() { ConflictReason::Stale } else { ConflictReason::FieldManager };
    let error = error.with_conflict_reason(reason);
    match conflicts[..] {
        [] => error.with_hint(SEE_AGAIN),
        [(manager, field)] => {
            error.with_hint(Hint::TakeOverFields { owned: Some((manager.to_owned(), field.to_owned())) })
        }
        _ => error.with_hint(Hint::TakeOverFields { owned: None }),
    }
}

/// The manager that a conflict names: `conflict with "helm" using v1`.
fn manager(message: &str) -> &str {
    message.split('"').nth(1).unwrap_or("another manager")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(code: u16, reason: &str, message: &str, details: &serde_json::Value) -> Error {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": message, "details": details});
        refused("cannot do it", StatusCode::from_u16(code).unwrap(), body.to_string().as_bytes(), false)
    }

    #[test]
    fn kinds_follow_status_and_reason() {
        let none = json!({});
        for (code, reason, kind) in [
            (400, "BadRequest", ErrorKind::InvalidInput),
            (401, "Unauthorized", ErrorKind::AccessDenied),
            (404, "NotFound", ErrorKind::Unexpected),
            (405, "MethodNotAllowed", ErrorKind::Unexpected),
            (409, "AlreadyExists", ErrorKind::AlreadyExists),
            (409, "Conflict", ErrorKind::Conflict),
            (422, "Invalid", ErrorKind::InvalidInput),
            (429, "TooManyRequests", ErrorKind::Throttled),
            (500, "InternalError", ErrorKind::Unavailable),
            (503, "ServiceUnavailable", ErrorKind::Unavailable),
            (504, "Timeout", ErrorKind::Timeout),
        ] {
            let error = status(code, reason, "m", &none);
            assert_eq!((error.kind(), error.code()), (kind, Some(reason)), "{code}");
            assert_eq!((error.to_string().as_str(), error.causes()), ("cannot do it", vec!["m".to_owned()]));
        }
    }

    #[test]
    fn only_a_named_object_is_not_found() {
        let named = json!({"name": "x", "kind": "namespaces"});
        let error = status(404, "NotFound", "namespaces \"x\" not found", &named);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.causes(), ["namespaces \"x\" not found"]);
    }

    #[test]
    fn a_namespace_that_is_being_deleted_is_a_conflict() {
        let details = json!({"name": "x", "kind": "serviceaccounts", "causes": [
            {"reason": "NamespaceTerminating", "message": "namespace x is being terminated", "field": "metadata.namespace"}]});
        let error = status(403, "Forbidden", "unable to create new content in namespace x", &details);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("Forbidden")));
        assert_eq!(error.conflict_reason(), Some(ConflictReason::NamespaceTerminating));
    }

    #[test]
    fn a_conflict_names_manager_and_field() {
        let field = ".metadata.annotations.eks.amazonaws.com/role-arn";
        let details = json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"helm\" using v1", "field": field}]});
        let error = status(409, "Conflict", "Apply failed with 1 conflict: ...", &details);
        assert_eq!(error.conflict_reason(), Some(ConflictReason::FieldManager));
        assert_eq!(error.context(), [("manager", "helm".to_owned()), ("field", field.to_owned())]);
        let hint = Hint::TakeOverFields { owned: Some(("helm".to_owned(), field.to_owned())) };
        assert_eq!(error.hint(), Some(&hint));
    }

    #[test]
    fn a_webhook_without_dry_run_has_a_code_of_its_own() {
        let message = "admission webhook \"w.example\" does not support dry run";
        let error = status(400, "BadRequest", message, &json!({}));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some(DRY_RUN_UNSUPPORTED)));
        assert_eq!(error.causes(), [message]);
    }

    #[test]
    fn missing_rights_are_told_from_what_everybody_is_denied() {
        let rbac = "serviceaccounts \"x\" is forbidden: User \"u\" cannot patch resource \"serviceaccounts\" in API group \"\" \
                    in the namespace \"ns\"";
        let error = status(403, "Forbidden", rbac, &json!({}));
        assert_eq!((error.kind(), error.conflict_reason()), (ErrorKind::AccessDenied, None));
        assert_eq!(error.hint(), Some(&Hint::GrantPermissions));
        let webhook = "admission webhook \"w\" denied the request: you cannot do this";
        for code in [400, 401, 403, 404, 409, 422, 429, 500] {
            let error = status(code, "", webhook, &json!({"name": "x"}));
            assert_eq!(error.conflict_reason(), Some(ConflictReason::Admission), "{code}");
            assert!(error.hint().is_some_and(|hint| *hint != Hint::GrantPermissions));
        }
        let policy = "serviceaccounts \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: \
                      User \"u\" cannot patch resource \"serviceaccounts\" in API group \"\"";
        for (code, reason) in [(422, "Invalid"), (403, "Forbidden")] {
            let error = status(code, reason, policy, &json!({}));
            assert_eq!((error.code(), error.conflict_reason()), (Some(reason), Some(ConflictReason::Admission)));
        }
        // A mutating policy that fails, or an authorizer in front of the API server, has forms of its own.
        let error = status(403, "Forbidden", "policy 'p' with binding 'b' denied request: x", &json!({}));
        assert_eq!(error.conflict_reason(), Some(ConflictReason::Admission));
        let quota = "serviceaccounts \"x\" is forbidden: exceeded quota: q, requested: a=1, used: a=1, limited: a=1";
        assert_eq!(status(403, "Forbidden", quota, &json!({})).kind(), ErrorKind::QuotaExceeded);
    }

    #[test]
    fn a_read_is_denied_by_rights_alone() {
        let body =
            json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "access denied"}).to_string();
        let error = refused("cannot do it", StatusCode::FORBIDDEN, body.as_bytes(), true);
        assert_eq!((error.kind(), error.conflict_reason()), (ErrorKind::AccessDenied, None));
    }

    #[test]
    fn another_uid_is_stale_and_a_message_that_speaks_of_one_is_not() {
        let message = "ServiceAccount \"sa\" is invalid: metadata.uid: Invalid value: \"u-1\": field is immutable";
        let details =
            json!({"name": "sa", "causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid", "message": "m"}]});
        let error = status(422, "Invalid", message, &details);
        assert_eq!(error.conflict_reason(), Some(ConflictReason::Stale));
        let error = status(422, "Invalid", "metadata.uid: no", &json!({"name": "sa"}));
        assert_eq!((error.kind(), error.conflict_reason()), (ErrorKind::InvalidInput, None));
    }

    #[test]
    fn other_answers_are_never_taken_for_an_object_that_is_missing() {
        for (code, body, kind) in [
            (404, "404 page not found", ErrorKind::Unexpected),
            (400, "Client sent an HTTP request to an HTTPS server.", ErrorKind::Unexpected),
            (302, "", ErrorKind::Unexpected),
            (403, "<html>", ErrorKind::AccessDenied),
            (502, "bad gateway", ErrorKind::Unavailable),
            (404, "{\"kind\": \"Status\", \"code\": \"x\"}", ErrorKind::Unexpected),
            (404, "{\"kind\": 7}", ErrorKind::Unexpected),
        ] {
            let error = refused("cannot do it", StatusCode::from_u16(code).unwrap(), body.as_bytes(), false);
            assert_eq!(error.kind(), kind, "{code} {body}");
            assert_eq!(error.code(), None);
        }
    }
}
