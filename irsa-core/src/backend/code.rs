//! What an error code of AWS means, and what to do about it: the one table for every back end.

use crate::error::ErrorKind;

/// The kind of an error code, with or without the suffix `Exception` that some services and SDKs add.
///
/// Sources: the errors of each action and "Common Errors" in the API references of IAM, STS and EKS; codes that are not
/// in a reference but are seen (`ValidationError`, `ExpiredToken`) are from the service models of botocore.
pub(crate) fn kind_of_code(code: &str) -> ErrorKind {
    match code.strip_suffix("Exception").unwrap_or(code) {
        "NoSuchEntity" | "ResourceNotFound" | "NotFound" => ErrorKind::NotFound,

        "EntityAlreadyExists" => ErrorKind::AlreadyExists,

        "DeleteConflict"
        | "ConcurrentModification"
        | "EntityTemporarilyUnmodifiable"
        | "NameConflict"
        | "RoleModified"
        | "ResourceInUse"
        | "OperationAborted" => ErrorKind::Conflict,

        "MalformedPolicyDocument"
        | "InvalidInput"
        | "InvalidParameter"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "InvalidRequest"
        | "InvalidQueryParameter"
        | "MalformedQueryString"
        | "MissingParameter"
        | "PackedPolicyTooLarge"
        | "PolicyNotAttachable"
        | "Validation"
        | "ValidationError" => ErrorKind::InvalidInput,

        "LimitExceeded" | "ServiceQuotaExceeded" | "ResourceLimitExceeded" => ErrorKind::QuotaExceeded,

        "Throttling" | "Throttled" | "ThrottledRequest" | "RequestThrottled" | "RequestLimitExceeded"
        | "TooManyRequests" | "SlowDown" => ErrorKind::Throttled,

        "ServiceFailure"
        | "InternalFailure"
        | "InternalError"
        | "InternalServerError"
        | "InternalServer"
        | "Server"
        | "ServiceUnavailable"
        | "IDPCommunicationError"
        | "OpenIdIdpCommunicationError" => ErrorKind::Unavailable,

        "RequestTimeout" => ErrorKind::Timeout,

        // Refused for want of rights. A role that only AWS may change is one of them (`UnmodifiableEntity`).
        "AccessDenied"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "Forbidden"
        | "UnmodifiableEntity"
        | "RegionDisabled"
        | "OptInRequired"
        // The token of a pod is refused.
        | "InvalidIdentityToken"
        | "IDPRejectedClaim"
        // The credentials are refused.
        | "AuthFailure"
        | "ExpiredToken"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClient"
        | "InvalidToken"
        | "InvalidSignature"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "RequestTimeTooSkewed"
        | "MissingAuthenticationToken" => ErrorKind::AccessDenied,

        _ => ErrorKind::Unexpected,
    }
}

/// Whether a code says that the caller has not the right to do it, and nothing else.
pub(crate) fn is_access_denied(code: &str) -> bool {
    matches!(code.strip_suffix("Exception").unwrap_or(code), "AccessDenied" | "NotAuthorized" | "UnauthorizedOperation")
}

/// The kind of an answer that has no code, or one that is not known.
pub(crate) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 | 407 => ErrorKind::AccessDenied,
        408 => ErrorKind::Timeout,
        429 => ErrorKind::Throttled,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// What to do about refused credentials (IAM API reference, "Common Errors").
pub(crate) fn hint_of_code(code: &str) -> Option<&'static str> {
    Some(match code.strip_suffix("Exception").unwrap_or(code) {
        "ExpiredToken" | "RequestExpired" => "the AWS credentials have expired: log in again",
        "InvalidClientTokenId" | "UnrecognizedClient" | "InvalidAccessKeyId" | "InvalidToken" => {
            "AWS does not know these credentials: check access key and session token, and that they are of this partition"
        }
        "SignatureDoesNotMatch" | "InvalidSignature" | "RequestTimeTooSkewed" => {
            "the secret key is not the one of the access key, or the clock of this machine is wrong"
        }
        "OptInRequired" | "RegionDisabled" => "the account has not enabled this service or region",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_one_kind_with_and_without_suffix() {
        for (code, kind) in [
            ("NoSuchEntity", ErrorKind::NotFound),
            ("ResourceNotFoundException", ErrorKind::NotFound),
            ("EntityAlreadyExists", ErrorKind::AlreadyExists),
            ("DeleteConflict", ErrorKind::Conflict),
            ("ConcurrentModification", ErrorKind::Conflict),
            ("EntityTemporarilyUnmodifiable", ErrorKind::Conflict),
            ("MalformedPolicyDocument", ErrorKind::InvalidInput),
            ("ValidationError", ErrorKind::InvalidInput),
            ("ValidationException", ErrorKind::InvalidInput),
            ("LimitExceeded", ErrorKind::QuotaExceeded),
            ("Throttling", ErrorKind::Throttled),
            ("ThrottlingException", ErrorKind::Throttled),
            ("RequestLimitExceeded", ErrorKind::Throttled),
            ("ServiceFailure", ErrorKind::Unavailable),
            ("ServerException", ErrorKind::Unavailable),
            ("AccessDenied", ErrorKind::AccessDenied),
            ("AccessDeniedException", ErrorKind::AccessDenied),
            ("ExpiredToken", ErrorKind::AccessDenied),
            ("ExpiredTokenException", ErrorKind::AccessDenied),
            ("InvalidIdentityToken", ErrorKind::AccessDenied),
            ("", ErrorKind::Unexpected),
            ("Exception", ErrorKind::Unexpected),
            ("SomethingNew", ErrorKind::Unexpected),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }
}
