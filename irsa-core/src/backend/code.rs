//! Which kind of failure an error code of IAM, EKS or STS stands for.

use crate::error::ErrorKind;

/// The kind of an AWS error code, with or without the suffix `Exception` that some services add.
///
/// Sources: the error lists of the IAM, EKS and STS API references and their "Common errors".
pub(crate) fn kind_of_code(code: &str) -> ErrorKind {
    match code.strip_suffix("Exception").unwrap_or(code) {
        "NoSuchEntity" | "ResourceNotFound" => ErrorKind::NotFound,
        "EntityAlreadyExists" => ErrorKind::AlreadyExists,
        "DeleteConflict"
        | "ConcurrentModification"
        | "EntityTemporarilyUnmodifiable"
        | "ResourceInUse"
        | "NameConflict"
        | "RoleModified" => ErrorKind::Conflict,
        "LimitExceeded" => ErrorKind::QuotaExceeded,
        "InvalidInput"
        | "InvalidParameter"
        | "InvalidParameterValue"
        | "InvalidRequest"
        | "MalformedPolicyDocument"
        | "PackedPolicyTooLarge"
        | "PolicyNotAttachable"
        | "Validation"
        | "ValidationError" => ErrorKind::InvalidInput,
        // A service-linked role: nobody but AWS has the right.
        "UnmodifiableEntity" => ErrorKind::AccessDenied,
        "AccessDenied"
        | "AuthFailure"
        | "ExpiredToken"
        | "IDPRejectedClaim"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidIdentityToken"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "OptInRequired"
        | "RegionDisabled"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnauthorizedOperation"
        | "UnrecognizedClient" => ErrorKind::AccessDenied,
        "PriorRequestNotComplete"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "SlowDown"
        | "Throttling"
        | "Throttled"
        | "TooManyRequests" => ErrorKind::Throttled,
        "IDPCommunicationError"
        | "InternalError"
        | "InternalFailure"
        | "OpenIdIdpCommunicationError"
        | "Server"
        | "ServiceFailure"
        | "ServiceUnavailable" => ErrorKind::Unavailable,
        "RequestTimeout" => ErrorKind::Timeout,
        _ => ErrorKind::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_kind_with_and_without_suffix() {
        for (code, kind) in [
            ("NoSuchEntity", ErrorKind::NotFound),
            ("NoSuchEntityException", ErrorKind::NotFound),
            ("ResourceNotFoundException", ErrorKind::NotFound),
            ("EntityAlreadyExists", ErrorKind::AlreadyExists),
            ("DeleteConflict", ErrorKind::Conflict),
            ("LimitExceeded", ErrorKind::QuotaExceeded),
            ("ValidationError", ErrorKind::InvalidInput),
            ("ValidationException", ErrorKind::InvalidInput),
            ("AccessDenied", ErrorKind::AccessDenied),
            ("AccessDeniedException", ErrorKind::AccessDenied),
            ("ExpiredTokenException", ErrorKind::AccessDenied),
            ("ThrottlingException", ErrorKind::Throttled),
            ("ServiceFailure", ErrorKind::Unavailable),
            ("SomethingNew", ErrorKind::Unexpected),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }
}
