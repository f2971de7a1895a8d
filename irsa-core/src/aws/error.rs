//! From the SDK's errors to ours: the kind from the code, the message dug out, the request id kept.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use secrecy::ExposeSecret;

use super::call::Call;
use crate::backend::kind_of_code;
use crate::error::{Error, ErrorKind};

/// The error of a call. `SdkError` prints only "service error"; what the service said is in its metadata.
pub(super) fn error_of<E>(call: &Call<'_>, failure: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let error = match &failure {
        SdkError::ServiceError(refusal) => refused(call, refusal.err(), refusal.raw()),
        SdkError::ResponseError(broken) => not_an_answer(call, broken.raw(), &failure),
        SdkError::TimeoutError(_) => not_sent(call, ErrorKind::Timeout, &failure),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => not_sent(call, ErrorKind::Timeout, &failure),
        SdkError::DispatchFailure(dispatch) if dispatch.is_io() => not_sent(call, ErrorKind::Unavailable, &failure),
        _ => not_sent(call, ErrorKind::Unexpected, &failure),
    };
    let error = error.with_context("service", call.service).with_context("action", call.action);
    match failure.request_id() {
        Some(id) => error.with_context("request_id", id),
        None => error,
    }
}

/// The service answered with an error.
fn refused<E>(call: &Call<'_>, refusal: &E, response: &HttpResponse) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let Some(code) = refusal.code() else {
        return not_an_answer(call, response, refusal);
    };
    let kind = match kind_of_code(code) {
        ErrorKind::Unexpected => kind_of_status(response.status().as_u16()),
        kind => kind,
    };
    let cause = match refusal.message() {
        Some(message) if !message.is_empty() => format!("{code}: {}", without_token(call, message)),
        _ => format!("{code} (HTTP {})", response.status()),
    };
    let error = Error::new(kind, call.doing.clone()).with_cause(cause).with_code(code);
    match hint_of_code(code) {
        // Without a signature it is the token that was refused, not the credentials.
        Some(hint) if call.token.is_none() => error.with_hint(hint),
        _ => error,
    }
}

/// Something answered, but not as the service does: a proxy, a login page, half an answer.
fn not_an_answer(call: &Call<'_>, response: &HttpResponse, failure: &(dyn StdError + 'static)) -> Error {
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").unwrap_or("unknown");
    // The body stays out of it: an answer of STS, however broken, holds credentials.
    let why = if response.status().is_success() { format!(": {}", chain(failure)) } else { String::new() };
    Error::new(kind_of_status(status), call.doing.clone())
        .with_cause(format!("HTTP {status} with content type {content_type} is not an answer of {}{why}", call.service))
        .with_hint(format!("is something between here and {}, such as a proxy, or a wrong endpoint URL?", call.service))
}

/// Nothing answered, or nothing was sent.
fn not_sent(call: &Call<'_>, kind: ErrorKind, failure: &(dyn StdError + 'static)) -> Error {
    let credentials = causes(failure).find_map(|cause| cause.downcast_ref::<CredentialsError>());
    if let Some(error) = credentials {
        return no_credentials(&call.doing, error);
    }
    let error = Error::new(kind, call.doing.clone()).with_cause(chain(failure));
    match kind {
        ErrorKind::Timeout | ErrorKind::Unavailable => {
            error.with_hint(format!("{} was not reached: check network, proxy, region and endpoint URL", call.service))
        }
        _ => error,
    }
}

/// There are no credentials, or they could not be had.
pub(super) fn no_credentials(doing: &str, error: &CredentialsError) -> Error {
    let (kind, hint) = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            (ErrorKind::AccessDenied, "no AWS credentials were found: log in, or name a profile that has some")
        }
        CredentialsError::ProviderTimedOut(_) => {
            (ErrorKind::Timeout, "the source of the AWS credentials did not answer in time")
        }
        _ => (ErrorKind::AccessDenied, "AWS credentials could not be had: log in again, or check the profile"),
    };
    Error::new(kind, doing.to_owned()).with_cause(chain(error)).with_hint(hint)
}

/// The kind of an answer that has no code, or one that is not known.
fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 | 407 => ErrorKind::AccessDenied,
        408 => ErrorKind::Timeout,
        429 => ErrorKind::Throttled,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// What to do about refused credentials (IAM API reference, "Common Errors").
fn hint_of_code(code: &str) -> Option<&'static str> {
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

/// STS quotes values that it refuses; a token must not get into a message that way.
fn without_token(call: &Call<'_>, message: &str) -> String {
    match call.token.map(|token| token.expose_secret()) {
        Some(token) if !token.is_empty() => message.replace(token, "[the token]"),
        _ => message.to_owned(),
    }
}

/// An error and its sources.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (**error).source())
}

/// The texts of an error and its sources, each once, without those of the SDK that say nothing.
fn chain(error: &(dyn StdError + 'static)) -> String {
    const EMPTY: [&str; 7] =
        ["dispatch failure", "service error", "response error", "io error", "other", "timeout", "unhandled error"];
    let mut texts: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        if !EMPTY.contains(&text.as_str()) && !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
