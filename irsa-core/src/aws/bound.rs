//! A bound on what one answer may take: the SDK itself reads whatever comes into memory.

use std::mem;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;

/// The most bytes of an answer. A page of 1,000 roles, each with its documents at their quotas and URL-encoded, is 60 MB.
pub(super) const MAX_BYTES: usize = 128 << 20;

/// Ends an answer that has more bytes.
#[derive(Debug)]
pub(super) struct BoundedAnswers(pub(super) usize);

#[dyn_dispatch_hint]
impl Intercept for BoundedAnswers {
    fn name(&self) -> &'static str {
        "BoundedAnswers"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let unbounded = mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(unbounded, self.0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_smithy_types::timeout::TimeoutConfig;

    use super::super::AwsBackend;
    use super::super::fake::{Answer, Endpoint};
    use crate::backend::IamBackend;
    use crate::error::{Error, ErrorKind};
    use crate::name::RoleName;

    async fn failure(backend: &AwsBackend) -> Error {
        backend.role(&RoleName::new("r").unwrap()).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_answer_without_end_is_ended() {
        let endpoint = Endpoint::new(|_| Answer::xml(format!("<GetRoleResponse>{}", " ".repeat(5000))));
        let error = failure(&AwsBackend::bounded(&endpoint.config(), 1000).unwrap()).await;
        assert!(error.causes().join(" ").contains("longer than any of IAM"), "{error:?}");
        let error = failure(&AwsBackend::bounded(&endpoint.config(), 10_000).unwrap()).await;
        assert!(!error.causes().join(" ").contains("longer than any of IAM"), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_no_answer() {
        let endpoint = Endpoint::new(|_| Answer { missing: 10, ..Answer::xml("<GetRoleResponse></GetRoleResponse>") });
        let error = failure(&endpoint.backend()).await;
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unexpected), "{error:?}");
    }

    #[tokio::test]
    async fn an_endpoint_that_says_nothing_is_a_timeout() {
        let endpoint = Endpoint::new(|_| {
            std::thread::park_timeout(Duration::from_secs(5));
            Answer::xml("")
        });
        let limits = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(200)).build();
        let config = endpoint.config().to_builder().timeout_config(limits).build();
        let error = failure(&AwsBackend::new(&config).unwrap()).await;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    }
}
