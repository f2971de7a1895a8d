//! Retries of the SDK as events: the SDK itself logs them only among much else.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, Error as OperationError, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// Logs each retry and what it follows.
#[derive(Debug)]
pub(super) struct LoggedRetries;

/// Why the last attempt failed.
#[derive(Debug)]
struct Reason(String);

impl Storable for Reason {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for LoggedRetries {
    fn name(&self) -> &'static str {
        "LoggedRetries"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempt = config.load::<RequestAttempts>().map_or(1, RequestAttempts::attempts);
        if attempt > 1 {
            let reason = config.load::<Reason>().map_or("an unknown failure", |reason| reason.0.as_str());
            tracing::info!(attempt, "retrying after {reason}");
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Err(error)) = context.output_or_error() {
            let status = context.response().map(|response| response.status().as_u16());
            config.interceptor_state().store_put(Reason(reason(error, status)));
        }
        Ok(())
    }
}

/// The code of the service where it answered, and no more: a message may quote a token.
fn reason(error: &OrchestratorError<OperationError>, status: Option<u16>) -> String {
    let code = error.as_operation_error().map(ToString::to_string).map(|text| {
        let named = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(code, _)| code.to_owned());
        let unhandled = text.starts_with("unhandled error");
        named.filter(|_| unhandled).unwrap_or_else(|| text.split(':').next().unwrap_or_default().to_owned())
    });
    match (code, status) {
        (Some(code), _) => code,
        (None, Some(status)) => format!("HTTP {status}"),
        (None, None) if error.is_timeout_error() => "no answer in time".to_owned(),
        (None, None) => "no answer".to_owned(),
    }
}
