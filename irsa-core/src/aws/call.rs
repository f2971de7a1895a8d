//! One call through the SDK: its span, its errors, its pages.

use std::future::Future;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use tracing::Instrument;
use tracing::field::Empty;

use super::AwsBackend;
use super::error::error_of;
pub(super) use crate::backend::AwsCall as Call;
use crate::backend::MAX_PAGES;
use crate::error::Result;

/// What the SDK's `send` gives.
pub(super) type Sent<T, E> = std::result::Result<T, SdkError<E, HttpResponse>>;

/// The entries of a page, whether there are more, and the marker of the next page.
pub(super) type Page<T> = (Vec<T>, bool, Option<String>);

/// The most entries of a page that IAM takes (IAM API reference, `MaxItems`).
pub(super) const PAGE: i32 = 1000;

impl AwsBackend {
    /// A call of IAM that waits for its turn.
    pub(super) fn iam_call(&self, action: &'static str, doing: impl Into<String>) -> Call<'_> {
        Call::iam(action, doing).within(&self.limit)
    }

    /// A call of EKS that waits for its turn.
    pub(super) fn eks_call(&self, action: &'static str, doing: impl Into<String>) -> Call<'_> {
        Call::eks(action, doing).within(&self.limit)
    }

    /// A call of STS that waits for its turn.
    pub(super) fn sts_call(&self, action: &'static str, doing: impl Into<String>) -> Call<'_> {
        Call::sts(action, doing).within(&self.limit)
    }
}

impl Call<'_> {
    /// Sends it.
    pub(super) async fn send<T, E>(&self, request: impl Future<Output = Sent<T, E>>) -> Result<T>
    where
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.observed(request).await.map_err(|failure| error_of(self, failure))
    }

    /// Sends it; what the service says is absent is `None`.
    pub(super) async fn find<T, E>(
        &self,
        request: impl Future<Output = Sent<T, E>>,
        absent: fn(&E) -> bool,
    ) -> Result<Option<T>>
    where
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match self.observed(request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.as_service_error().is_some_and(absent) => Ok(None),
            Err(failure) => Err(error_of(self, failure)),
        }
    }

    /// Sends it once a page.
    pub(super) async fn pages<P, T, E, F>(
        &self,
        absent: fn(&E) -> bool,
        request: impl Fn(Option<String>) -> F,
        split: fn(P) -> Page<T>,
    ) -> Result<Option<Vec<T>>>
    where
        P: RequestId,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Sent<P, E>>,
    {
        let mut all = Vec::new();
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let Some(page) = self.find(request(marker.clone()), absent).await? else {
                return Ok(None);
            };
            let (entries, more, next) = split(page);
            all.extend(entries);
            if !more {
                return Ok(Some(all));
            }
            if next.is_none() || next == marker {
                return Err(self.malformed("it says that there are more pages, but not where"));
            }
            marker = next;
        }
        Err(self.malformed(format!("it has more than {MAX_PAGES} pages")))
    }

    async fn observed<T, E>(&self, request: impl Future<Output = Sent<T, E>>) -> Sent<T, E>
    where
        T: RequestId,
        E: ProvideErrorMetadata,
    {
        let span =
            tracing::info_span!("aws", service = self.service, action = self.action, request_id = Empty, code = Empty);
        // Before the time limits of the SDK begin.
        let _turn = match self.limit {
            Some(limit) => limit.turn().await,
            None => None,
        };
        let answer = request.instrument(span.clone()).await;
        let (request_id, code) = match &answer {
            Ok(answer) => (answer.request_id(), None),
            Err(failure) => (failure.request_id(), failure.code()),
        };
        span.record("request_id", request_id).record("code", code);
        tracing::debug!(parent: &span, "{}", if answer.is_ok() { "answered" } else { "failed" });
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Endpoint};
    use super::*;
    use crate::backend::IamBackend;
    use crate::error::ErrorKind;
    use crate::name::RoleName;

    fn page(policy: &str, marker: Option<&str>) -> Answer {
        let more = marker.map_or_else(
            || "<IsTruncated>false</IsTruncated>".to_owned(),
            |marker| format!("<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>"),
        );
        Answer::xml(format!(
            "<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames><member>{policy}</member></PolicyNames>{more}\
             </ListRolePoliciesResult></ListRolePoliciesResponse>"
        ))
    }

    async fn names(endpoint: &Endpoint) -> Result<Option<Vec<String>>> {
        let names = endpoint.backend().inline_policy_names(&RoleName::new("r").unwrap()).await?;
        Ok(names.map(|names| names.into_iter().map(String::from).collect()))
    }

    #[tokio::test]
    async fn pages_are_followed() {
        let endpoint = Endpoint::new(|request| match request {
            _ if request.contains("Marker=m2") => page("c", None),
            _ if request.contains("Marker=m1") => page("b", Some("m2")),
            _ => page("a", Some("m1")),
        });
        assert_eq!(names(&endpoint).await.unwrap().unwrap(), ["a", "b", "c"]);
        let requests = endpoint.requests.lock().unwrap();
        assert!(requests.len() == 3 && requests.iter().all(|request| request.contains("MaxItems=1000")));
    }

    #[tokio::test]
    async fn a_list_without_an_end_is_an_error() {
        let endpoint = Endpoint::new(|_| page("a", Some("same")));
        assert_eq!(names(&endpoint).await.unwrap_err().kind(), ErrorKind::Unexpected);
        assert_eq!(endpoint.requests.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn only_a_typed_not_found_is_absence() {
        let gone = Endpoint::new(|_| Answer::error(404, "NoSuchEntity", "The role with name r cannot be found."));
        assert_eq!(names(&gone).await.unwrap(), None);
        for (status, code, kind) in [
            (403, "AccessDenied", ErrorKind::AccessDenied),
            (400, "Throttling", ErrorKind::Throttled),
            (404, "NotFoundByAProxy", ErrorKind::Unexpected),
        ] {
            let endpoint = Endpoint::new(move |_| Answer::error(status, code, "m"));
            assert_eq!(names(&endpoint).await.unwrap_err().kind(), kind, "{code}");
        }
    }
}
