//! What a method of a boto3 client raised, as an error of the library. Told by what it has and by the names of its
//! classes, since botocore is not imported.

use irsa_core::backend::AwsCall;
use irsa_core::{Error, ErrorKind};
use pyo3::prelude::*;

use crate::beside::Raised;

/// A call that failed.
pub(super) struct Failed {
    how: Box<How>,
    exception: PyErr,
}

enum How {
    /// The service refused, as `botocore.exceptions.ClientError` tells it.
    Refused(Refusal),
    /// Something else was raised.
    Raised(ErrorKind, String),
    /// What was returned is no answer.
    Misshapen(String),
}

/// What a `ClientError` has in its `response`.
struct Refusal {
    code: String,
    message: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
}

/// botocore's exceptions for want of credentials (`botocore.exceptions`).
const CREDENTIALS: [&str; 7] = [
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOError",
    "LoginError",
    "NoAuthTokenError",
];

impl Failed {
    /// From what was raised. Whatever cannot be read of it is not there.
    pub(super) fn raised(exception: PyErr) -> Self {
        let how = Python::try_attach(|py| match refusal(exception.value(py)) {
            Some(refusal) => How::Refused(refusal),
            None => How::Raised(kind(exception.value(py)), exception.to_string()),
        });
        let ended = || How::Raised(ErrorKind::Unexpected, "the interpreter has ended".to_owned());
        Self { how: Box::new(how.unwrap_or_else(ended)), exception }
    }

    /// From the exception that says why an answer is none.
    pub(super) fn misshapen(exception: PyErr) -> Self {
        let text = Python::attach(|py| exception.value(py).to_string());
        Self { how: Box::new(How::Misshapen(text)), exception }
    }

    /// The error of a call; `place` is how errors call the method.
    pub(super) fn error(self, call: &AwsCall<'_>, place: &str) -> Error {
        let error = match self.how.as_ref() {
            How::Refused(refusal) => {
                let error = call.refused(&refusal.code, refusal.message.as_deref(), refusal.status);
                match &refusal.request_id {
                    Some(id) => error.with_context("request_id", id),
                    None => error,
                }
            }
            How::Raised(kind, text) => {
                let error =
                    call.placed(Error::new(*kind, call.doing().to_owned()).with_cause(call.without_token(text)));
                match kind {
                    ErrorKind::AccessDenied => error.with_hint("log in, or give the client credentials"),
                    _ => error,
                }
            }
            How::Misshapen(text) => call.malformed(text),
        };
        let cause = error.causes().into_iter().next().unwrap_or_default();
        let text = match *self.how {
            How::Misshapen(_) => cause,
            _ => format!("{place}: {cause}"),
        };
        error.with_source(Raised::new(text, self.exception))
    }
}

fn refusal(exception: &Bound<'_, PyAny>) -> Option<Refusal> {
    let response = exception.getattr("response").ok()?;
    let item = |part: &str, key: &str| response.get_item(part).and_then(|part| part.get_item(key));
    let text = |part: &str, key: &str| item(part, key).and_then(|value| value.extract::<String>()).ok();
    Some(Refusal {
        code: text("Error", "Code").filter(|code| !code.is_empty())?,
        message: text("Error", "Message"),
        status: item("ResponseMetadata", "HTTPStatusCode").and_then(|status| status.extract()).ok(),
        request_id: text("ResponseMetadata", "RequestId"),
    })
}

fn kind(exception: &Bound<'_, PyAny>) -> ErrorKind {
    let classes = exception.get_type().mro();
    let names: Vec<String> =
        classes.iter().filter_map(|class| class.getattr("__name__").ok()?.extract().ok()).collect();
    let is = |name: &str| names.iter().any(|known| known == name);
    match () {
        () if CREDENTIALS.iter().any(|name| is(name)) => ErrorKind::AccessDenied,
        () if is("ConnectTimeoutError") || is("ReadTimeoutError") || is("TimeoutError") => ErrorKind::Timeout,
        () if is("HTTPClientError") || is("ConnectionError") || is("OSError") => ErrorKind::Unavailable,
        () => ErrorKind::Unexpected,
    }
}
