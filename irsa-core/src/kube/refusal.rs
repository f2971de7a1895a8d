//! What the API server refuses, as errors of irsa.

use ::kube::core::Status;
use ::kube::core::response::{StatusCause, StatusDetails};
use http::StatusCode;

use crate::backend::DRY_RUN_UNSUPPORTED;
use crate::error::{Error, ErrorKind, shown};
use crate::hint::Hint;

/// The cause that the API server gives for each field that another manager owns.
const FIELD_MANAGER_CONFLICT: &str = "FieldManagerConflict";
/// The cause of a refusal to write into a namespace that is being deleted.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// The message for a JSON patch of which a `test` failed, or that removes what is not there.
const PATCH_NOT_APPLICABLE: &str = "the server rejected our request due to an error in our request";

/// How RBAC names a caller without credentials.
const ANONYMOUS: &str = "User \"system:anonymous\" cannot ";

/// What to do about a write that met another one.
pub(super) const SEE_AGAIN: &str =
    "somebody changed it at the same time; the same command again sees what is there now";

/// The error for an answer that is no success. `operation` says what was being done.
pub(super) fn refused(operation: &str, http: StatusCode, body: &[u8]) -> Error {
    match status_of(body) {
        Some(status) => from_status(operation, http, &status),
        None => not_a_status(operation, http, body),
    }
}

/// Whether the API server took the caller for nobody, as it does where no credentials arrive and RBAC then refuses.
pub(super) fn is_anonymous(body: &[u8]) -> bool {
    status_of(body).is_some_and(|status| status.code == 403 && status.message.contains(ANONYMOUS))
}

/// Whether an apply was refused because the account is not the one of the uid that was expected.
pub(super) fn is_another(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidInput && error.causes().iter().any(|cause| cause.contains("metadata.uid"))
}

/// Whether a failed JSON patch was one that no longer fits the object, rather than one that admission refused.
pub(super) fn no_longer_fits(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidInput && error.causes().iter().any(|cause| cause.contains(PATCH_NOT_APPLICABLE))
}

/// The `Status` object of a refusal, if the answer is one.
fn status_of(body: &[u8]) -> Option<Status> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    (value.get("kind").and_then(serde_json::Value::as_str) == Some("Status"))
        .then(|| serde_json::from_value(value).ok())?
}

fn from_status(operation: &str, http: StatusCode, status: &Status) -> Error {
    let code = if status.code == 0 { http.as_u16() } else { status.code };
    let dry_run_unsupported = code == 400 && status.message.contains("does not support dry run");
    let kind = match code {
        _ if dry_run_unsupported => ErrorKind::Unavailable,
        403 if causes(status).any(|cause| cause.reason == NAMESPACE_TERMINATING) => ErrorKind::NotFound,
        // Only what names an object says that the object is not there; otherwise it is the path that is unknown.
        404 if status.details.as_ref().is_some_and(|details| !details.name.is_empty()) => ErrorKind::NotFound,
        // A webhook or policy chooses its status itself, and speaks of the wish, not of its form.
        400 | 422 if denied_by_admission(&status.message) => ErrorKind::AccessDenied,
        _ if status.reason == "AlreadyExists" => ErrorKind::AlreadyExists,
        _ if status.reason == "Timeout" => ErrorKind::Timeout,
        code => kind_of(code),
    };
    let mut error = Error::new(kind, operation.to_owned()).with_cause(message(status, http));
    if dry_run_unsupported {
        return error.with_code(DRY_RUN_UNSUPPORTED);
    }
    if !status.reason.is_empty() {
        error = error.with_code(&status.reason);
    }
    match kind {
        ErrorKind::Conflict => field_conflict(error, status),
        ErrorKind::AccessDenied => denied(error, code, status),
        _ => error,
    }
}

/// `admission webhook "x" denied the request: ...`, `ValidatingAdmissionPolicy 'x' with binding 'y' denied request: ...`
fn denied_by_admission(message: &str) -> bool {
    message.contains("denied the request") || message.contains("denied request")
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

fn denied(error: Error, code: u16, status: &Status) -> Error {
    if code == 401 {
        return error.with_hint(
            "the API server does not accept the credentials: they may have expired, \
             or the caller has no access entry in the EKS cluster",
        );
    }
    // RBAC writes `User "x" cannot patch resource ...`; a webhook or a quota that denies is no matter of rights.
    if status.message.contains(" cannot ") {
        return error.with_hint(Hint::GrantPermissions);
    }
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(code: u16, reason: &str, message: &str, details: &serde_json::Value) -> Error {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": message, "details": details});
        refused("cannot do it", StatusCode::from_u16(code).unwrap(), body.to_string().as_bytes())
    }

    #[test]
    fn kinds_follow_status_and_reason() {
        let none = json!({});
        for (code, reason, kind) in [
            (400, "BadRequest", ErrorKind::InvalidInput),
            (401, "Unauthorized", ErrorKind::AccessDenied),
            (403, "Forbidden", ErrorKind::AccessDenied),
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
    fn a_namespace_that_ends_is_not_there() {
        let details = json!({"name": "x", "kind": "serviceaccounts", "causes": [
            {"reason": "NamespaceTerminating", "message": "namespace x is being terminated", "field": "metadata.namespace"}]});
        let error = status(403, "Forbidden", "unable to create new content in namespace x", &details);
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("Forbidden")));
    }

    #[test]
    fn a_conflict_names_manager_and_field() {
        let field = ".metadata.annotations.eks.amazonaws.com/role-arn";
        let details = json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"helm\" using v1", "field": field}]});
        let error = status(409, "Conflict", "Apply failed with 1 conflict: ...", &details);
        assert_eq!(error.kind(), ErrorKind::Conflict);
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
    fn missing_rights_say_how_to_get_them_and_a_webhook_that_denies_does_not() {
        let rbac = "serviceaccounts \"x\" is forbidden: User \"u\" cannot patch resource \"serviceaccounts\"";
        assert!(status(403, "Forbidden", rbac, &json!({})).hint() == Some(&Hint::GrantPermissions));
        let webhook = "admission webhook \"w\" denied the request: no";
        for code in [400, 403, 422] {
            let error = status(code, "", webhook, &json!({}));
            assert_eq!((error.kind(), error.hint()), (ErrorKind::AccessDenied, None));
        }
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
            let error = refused("cannot do it", StatusCode::from_u16(code).unwrap(), body.as_bytes());
            assert_eq!(error.kind(), kind, "{code} {body}");
            assert_eq!(error.code(), None);
        }
    }
}
