//! The one retry policy beside the SDK's own for throttling: waits for the eventual consistency of IAM.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures::future::BoxFuture;

use crate::backend::ROLE_UNFINISHED;
use crate::error::{Error, ErrorKind, Result};
use crate::invariants::Invariant;

/// How long IAM may take until a write is seen everywhere, before its answer is believed (AWS gives no number; terraform
/// waits longer, but it waits for cases that are checked before the first write here).
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The waits between tries: jittered, doubling from 0.2 s to 5 s.
pub(crate) fn waits() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_total_delay(Some(MAX_WAIT))
        .without_max_times()
}

/// Waits before a state is read again that IAM or the API server does not show yet.
pub(crate) async fn pause(wait: Duration, why: &str) {
    tracing::info!(wait_seconds = wait.as_secs_f64(), "{why}: waiting");
    tokio::time::sleep(wait).await;
}

/// Repeats a call while IAM answers that it is not ready for it.
///
/// `fresh` says that what the call refers to was made in this very run, so that "does not exist" is not believed at once.
pub(crate) async fn until_consistent<'a, T>(fresh: bool, call: impl Fn() -> BoxFuture<'a, Result<T>>) -> Result<T> {
    call.retry(waits())
        .when(|error| not_ready(error, fresh) && Invariant::ConsistencyWaits.is_enforced())
        .notify(|error, wait| {
            let code = error.code().unwrap_or_default();
            tracing::info!(code, wait_seconds = wait.as_secs_f64(), "IAM is not consistent yet: retrying");
        })
        .await
}

fn not_ready(error: &Error, fresh: bool) -> bool {
    match error.kind() {
        ErrorKind::Conflict => {
            matches!(error.code(), Some("ConcurrentModification" | "EntityTemporarilyUnmodifiable" | "DeleteConflict"))
        }
        ErrorKind::NotFound => fresh && error.code() == Some("NoSuchEntity"),
        // A role that was just made may have its unique id in place of its ARN.
        ErrorKind::Unavailable => error.code() == Some(ROLE_UNFINISHED),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    async fn tries(kind: ErrorKind, code: &'static str, fresh: bool, failures: u32) -> (Result<()>, u32) {
        let calls = AtomicU32::new(0);
        let result = until_consistent(fresh, || {
            let failed = calls.fetch_add(1, Ordering::SeqCst) < failures;
            let answer = if failed { Err(Error::new(kind, "no").with_code(code)) } else { Ok(()) };
            Box::pin(std::future::ready(answer))
        })
        .await;
        (result, calls.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_time_heals_is_repeated() {
        assert_eq!(tries(ErrorKind::Conflict, "ConcurrentModification", false, 2).await.1, 3);
        assert_eq!(tries(ErrorKind::NotFound, "NoSuchEntity", true, 2).await.1, 3);
        assert_eq!(tries(ErrorKind::Unavailable, ROLE_UNFINISHED, false, 2).await.1, 3);
        assert_eq!(tries(ErrorKind::Unavailable, "ServiceFailure", false, 2).await.1, 1);
        assert_eq!(tries(ErrorKind::NotFound, "NoSuchEntity", false, 2).await.1, 1);
        assert_eq!(tries(ErrorKind::AccessDenied, "AccessDenied", true, 2).await.1, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends() {
        let begun = tokio::time::Instant::now();
        let (result, _) = tries(ErrorKind::Conflict, "DeleteConflict", false, u32::MAX).await;
        assert!(result.is_err() && begun.elapsed() <= MAX_WAIT + Duration::from_secs(6));
    }
}
