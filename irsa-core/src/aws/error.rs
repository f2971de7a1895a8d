//! From the SDK's errors to ours: the kind from the code, the message dug out, the request id kept.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use http_body_util::LengthLimitError;

use crate::backend::AwsCall as Call;
use crate::backend::kind_of_status;
use crate::error::{Error, ErrorKind};
use crate::transport::error_chain::find;
use crate::transport::proxy_failure::ProxyFailure;
use crate::transport::tls::TlsFailure;

/// The error of a call. `SdkError` prints only "service error"; what the service said is in its metadata.
pub(super) fn error_of<E>(call: &Call<'_>, failure: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if let Some(tls) = find::<TlsFailure>(&failure) {
        return call.placed(tls.error(call.doing.clone()));
    }
    if let Some(proxy) = find::<ProxyFailure>(&failure) {
        return call.placed(proxy.error(&call.doing));
    }
    // Of our own credentials provider or HTTP client: it is whole.
    if let Some(error) = find::<Error>(&failure) {
        return call.placed(error.clone().during(call.doing.clone()));
    }
    let failure = match failure {
        failure if causes(&failure).any(|cause| cause.is::<CredentialsError>()) => match failure.into_source() {
            Ok(source) => return call.placed(no_credentials(&call.doing, source)),
            Err(failure) => failure,
        },
        failure => failure,
    };
    let error = match &failure {
        SdkError::ServiceError(refusal) => refused(call, refusal.err(), refusal.raw()),
        SdkError::ResponseError(_) if causes(&failure).any(|cause| cause.is::<LengthLimitError>()) => {
            Error::new(ErrorKind::Unexpected, call.doing.clone())
                .with_cause(format!("the answer is longer than any of {}", call.service))
        }
        SdkError::ResponseError(_) => {
            let cause = format!("the answer of {} broke off: {}", call.service, chain(&failure));
            Error::new(ErrorKind::Unavailable, call.doing.clone()).with_cause(cause)
        }
        SdkError::TimeoutError(_) => unreached(call, ErrorKind::Timeout, &failure),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => unreached(call, ErrorKind::Timeout, &failure),
        SdkError::DispatchFailure(dispatch) if dispatch.is_io() || dispatch.as_other().is_some() => {
            unreached(call, ErrorKind::Unavailable, &failure)
        }
        _ => not_sent(call, &failure),
    };
    let error = call.placed(error);
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
    call.refusal(code, refusal.message(), Some(response.status().as_u16()))
}

/// Something answered, but not as the service does: a proxy, a login page.
fn not_an_answer(call: &Call<'_>, response: &HttpResponse, failure: &(dyn StdError + 'static)) -> Error {
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").unwrap_or("unknown");
    // The body stays out of it: an answer of STS, however broken, holds credentials.
    let chain = chain(failure);
    let why = match chain.split(" got StartEl").next() {
        Some(why) if response.status().is_success() => format!(": {why}"),
        _ => String::new(),
    };
    Error::new(kind_of_status(status), call.doing.clone())
        .with_cause(format!("HTTP {status} with content type {content_type} is not an answer of {}{why}", call.service))
        .with_hint(format!("is something between here and {}, such as a proxy, or a wrong endpoint URL?", call.service))
}

/// Nothing answered.
fn unreached(call: &Call<'_>, kind: ErrorKind, failure: &(dyn StdError + 'static)) -> Error {
    Error::new(kind, call.doing.clone())
        .with_cause(chain(failure))
        .with_hint(format!("check the network, the proxy, the region and the endpoint URL of {}", call.service))
}

/// No request could be made of the input, or what came back is not HTTP.
fn not_sent(call: &Call<'_>, failure: &(dyn StdError + 'static)) -> Error {
    // Only the innermost cause: outer ones print the request, and with it what is secret in it.
    let innermost = causes(failure).last().map(ToString::to_string).unwrap_or_default();
    Error::new(ErrorKind::Unexpected, call.doing.clone()).with_cause(format!(
        "no exchange with {} was possible: {}",
        call.service,
        call.without_token(&innermost)
    ))
}

/// There are no credentials, or they could not be had: `failure` is a [`CredentialsError`], or has one behind it.
pub(super) fn no_credentials(doing: &str, failure: Box<dyn StdError + Send + Sync>) -> Error {
    // What our own provider says is whole.
    if let Some(error) = causes(failure.as_ref()).find_map(|cause| cause.downcast_ref::<Error>()) {
        return error.clone().during(doing.to_owned());
    }
    let error = causes(failure.as_ref()).find_map(|cause| cause.downcast_ref());
    let (kind, hint) = match error {
        Some(CredentialsError::CredentialsNotLoaded(_)) => {
            (ErrorKind::AccessDenied, "no AWS credentials were found: log in, or name a profile that has some")
        }
        Some(CredentialsError::ProviderTimedOut(_)) => {
            (ErrorKind::Timeout, "the source of the AWS credentials did not answer in time")
        }
        _ => (ErrorKind::AccessDenied, "AWS credentials could not be had: log in again, or check the profile"),
    };
    let why = error.map_or_else(|| chain(failure.as_ref()), |error| chain(error));
    Error::new(kind, doing.to_owned()).with_hint(hint).with_summary(why, failure)
}

/// An error and its sources.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (**error).source())
}

/// The texts of an error and its sources in one line, each once, without those of the SDK that say nothing.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    const EMPTY: [&str; 7] =
        ["dispatch failure", "service error", "response error", "io error", "other", "timeout", "unhandled error"];
    let mut texts: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        if !EMPTY.contains(&text.as_str()) && !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
    }
    let text = if texts.is_empty() { error.to_string() } else { texts.join(": ") };
    // The credentials chain lists what it tried, a line each.
    let text = text.replace("the credential provider was not enabled: ", "").replace(":\n", ":").replace('\n', ";");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Endpoint, config, unchecked};
    use super::super::{AwsBackend, SdkConfig};
    use super::*;
    use crate::backend::{IamBackend, IdentityBackend};
    use crate::hint::Hint;
    use crate::name::RoleName;

    async fn failure(aws: AwsBackend) -> Error {
        aws.delete_role(&RoleName::new("r").unwrap()).await.unwrap_err()
    }

    async fn failure_of(answer: fn() -> Answer) -> Error {
        failure(Endpoint::new(move |_| answer()).backend()).await
    }

    #[tokio::test]
    async fn what_the_service_says_is_in_the_error() {
        let error = failure_of(|| Answer::error(409, "DeleteConflict", "must detach all policies first.")).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("DeleteConflict")));
        assert_eq!(error.to_string(), "cannot delete role r");
        assert_eq!(error.causes(), ["DeleteConflict: must detach all policies first."]);
        let context = [("service", "IAM"), ("action", "DeleteRole"), ("request_id", "id-1")];
        assert_eq!(error.context(), context.map(|(key, value)| (key, value.to_owned())));
    }

    #[tokio::test]
    async fn refused_credentials_are_told_apart_by_hints() {
        for (answer, hint) in [
            ((|| Answer::error(403, "ExpiredToken", "is expired")) as fn() -> Answer, "expired"),
            (|| Answer::error(403, "InvalidClientTokenId", "is invalid"), "does not know"),
            (|| Answer::error(403, "SignatureDoesNotMatch", "no match"), "clock"),
        ] {
            let error = failure_of(answer).await;
            assert_eq!(error.kind(), ErrorKind::AccessDenied);
            assert!(error.hint().is_some_and(|text| text.to_string().contains(hint)), "{error:?}");
        }
        let denied = failure_of(|| Answer::error(403, "AccessDenied", "not authorized")).await;
        assert_eq!((denied.kind(), denied.hint()), (ErrorKind::AccessDenied, Some(&Hint::GrantPermissions)));
    }

    #[tokio::test]
    async fn unknown_codes_go_by_the_status() {
        for (status, kind) in
            [(400, ErrorKind::Unexpected), (403, ErrorKind::AccessDenied), (503, ErrorKind::Unavailable)]
        {
            let endpoint = Endpoint::new(move |_| Answer::error(status, "Brand.New", "m"));
            assert_eq!(failure(endpoint.backend()).await.kind(), kind, "{status}");
        }
    }

    #[tokio::test]
    async fn what_is_not_an_answer_of_aws_is_never_taken_for_one() {
        let html = "<html><body>log in, secret=1</body></html>";
        for (status, kind) in [
            (200, ErrorKind::Unexpected),
            (302, ErrorKind::Unexpected),
            (403, ErrorKind::AccessDenied),
            (404, ErrorKind::Unexpected),
            (429, ErrorKind::Throttled),
            (503, ErrorKind::Unavailable),
        ] {
            let endpoint = Endpoint::new(move |_| Answer::new(status, "text/html", html));
            let error = endpoint.backend().role(&RoleName::new("r").unwrap()).await.unwrap_err();
            let causes = error.causes().join(" ");
            assert_eq!(error.kind(), kind, "{status}");
            assert!(causes.contains("text/html") && !causes.contains("secret"), "{causes}");
        }
        for body in ["", "{}", "<GetRoleResponse>", "<GetRoleResponse><GetRoleResult><Role><Arn>arn:aws:iam::1"] {
            let endpoint = Endpoint::new(move |_| Answer::xml(body));
            let error = endpoint.backend().role(&RoleName::new("r").unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unexpected, "{body}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_out_of_reach_is_unavailable() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = failure(AwsBackend::new(&config(&format!("http://{closed}"))).unwrap()).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.causes()[0].contains("Connection refused"), "{error:?}");

        let error = failure(unchecked("no-url")).await;
        assert_eq!(error.causes(), ["no exchange with IAM was possible: endpoint must contain scheme"]);
    }

    #[tokio::test]
    async fn missing_credentials_are_no_access() {
        let no_credentials = |error: fn() -> CredentialsError| {
            let provider =
                aws_credential_types::credential_fn::provide_credentials_fn(move || async move { Err(error()) });
            let provider = aws_credential_types::provider::SharedCredentialsProvider::new(provider);
            let config: SdkConfig = config("http://127.0.0.1:1").to_builder().credentials_provider(provider).build();
            AwsBackend::new(&config).unwrap()
        };
        let chain =
            || CredentialsError::not_loaded("no credentials found in chain. Attempted:\n  Environment: not set");
        let error = no_credentials(chain).caller_identity().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
        assert_eq!(error.causes(), ["no credentials found in chain. Attempted: Environment: not set"]);
        assert!(error.hint().is_some());
        // Who gave the credentials finds what it said itself.
        let outer: &dyn StdError = &error;
        assert!(causes(outer).any(|cause| cause.is::<CredentialsError>()), "{error:?}");

        let late = || CredentialsError::provider_timed_out(std::time::Duration::from_secs(5));
        assert_eq!(no_credentials(late).caller_identity().await.unwrap_err().kind(), ErrorKind::Timeout);
    }
}
