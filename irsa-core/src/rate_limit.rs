//! The limit of writes: how many calls that change something IAM gets in a second, whoever makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::backend::{
    IamBackend, InlinePolicy, ManagedPolicy, NewRole, OidcProvider, PolicyFilter, Quotas, Role, RoleDetail,
    RoleSettings, wrap_iam,
};
use crate::error::Result;
use crate::name::{Audience, InlinePolicyName, PolicyArn, ProviderArn, RoleName};

/// The lowest limit of writes: a lower one is as good as a standstill, and taken for this.
pub(crate) const MIN_WRITES_PER_SECOND: f64 = 0.001;

/// Shorter waits are not logged: at ten writes a second, every write waits a little.
const WORTH_LOGGING: Duration = Duration::from_secs(1);

/// Gives turns to writers, first come, first served, at even distances.
#[derive(Debug)]
pub(crate) struct RateLimiter(tokio::sync::Mutex<Interval>);

impl RateLimiter {
    /// So many turns a second; nothing where that is no limit.
    pub(crate) fn of(per_second: f64) -> Option<Arc<Self>> {
        let limited = per_second.is_finite() && per_second > 0.0;
        limited.then(|| {
            let distance = Duration::from_secs_f64(1.0 / per_second.max(MIN_WRITES_PER_SECOND));
            // A distance of nothing is no interval for tokio.
            let mut turns = tokio::time::interval(distance.max(Duration::from_nanos(1)));
            // Turns that nobody took are not saved up: IAM counts bursts.
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Arc::new(Self(tokio::sync::Mutex::new(turns)))
        })
    }

    async fn turn(&self) {
        self.0.lock().await.tick().await;
    }
}

/// How long a step has waited for its turns and for other runs: that time does not count against its deadline.
#[derive(Debug, Default)]
pub(crate) struct Waited(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    ended: Duration,
    since: Option<Instant>,
}

impl Waited {
    /// All waits until now, the one that still goes on among them.
    pub(crate) fn total(&self) -> Duration {
        let waiting = self.waiting();
        waiting.ended + waiting.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Something is waited for from now on.
    pub(crate) fn begin(&self) {
        self.waiting().since = Some(Instant::now());
    }

    /// Nothing is waited for any more.
    pub(crate) fn end(&self) {
        let mut waiting = self.waiting();
        if let Some(since) = waiting.since.take() {
            waiting.ended += since.elapsed();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Two numbers: a panic in between leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// IAM for one step, which makes one write after the other: each waits for its turn.
#[derive(Debug)]
pub(crate) struct RateLimitedIam {
    inner: Arc<dyn IamBackend>,
    rate_limiter: Arc<RateLimiter>,
    waited: Arc<Waited>,
}

impl RateLimitedIam {
    pub(crate) fn new(inner: Arc<dyn IamBackend>, rate_limiter: Arc<RateLimiter>, waited: Arc<Waited>) -> Self {
        Self { inner, rate_limiter, waited }
    }

    async fn write(&self) -> &dyn IamBackend {
        self.waited.begin();
        let begun = Instant::now();
        self.rate_limiter.turn().await;
        self.waited.end();
        let waited = begun.elapsed();
        if waited >= WORTH_LOGGING {
            tracing::info!(waited_seconds = waited.as_secs_f64(), "waited for the limit of writes per second");
        }
        self.inner.as_ref()
    }
}

wrap_iam! {
    impl IamBackend for RateLimitedIam;
    writes by |limited| limited.write().await;

    async fn provider(&self, arn: &ProviderArn) -> Result<Option<OidcProvider>> {
        self.inner.provider(arn).await
    }

    async fn providers(&self) -> Result<Vec<ProviderArn>> {
        self.inner.providers().await
    }

    async fn role(&self, name: &RoleName) -> Result<Option<Role>> {
        self.inner.role(name).await
    }

    async fn attached_policies(&self, name: &RoleName) -> Result<Option<Vec<PolicyArn>>> {
        self.inner.attached_policies(name).await
    }

    async fn inline_policy_names(&self, name: &RoleName) -> Result<Option<Vec<InlinePolicyName>>> {
        self.inner.inline_policy_names(name).await
    }

    async fn inline_policy(&self, name: &RoleName, policy: &InlinePolicyName) -> Result<Option<InlinePolicy>> {
        self.inner.inline_policy(name, policy).await
    }

    async fn instance_profiles(&self, name: &RoleName) -> Result<Option<Vec<String>>> {
        self.inner.instance_profiles(name).await
    }

    async fn roles(&self) -> Result<Vec<RoleDetail>> {
        self.inner.roles().await
    }

    async fn policy(&self, arn: &PolicyArn) -> Result<Option<ManagedPolicy>> {
        self.inner.policy(arn).await
    }

    async fn policies(&self, filter: &PolicyFilter) -> Result<Vec<ManagedPolicy>> {
        self.inner.policies(filter).await
    }

    async fn policy_version(&self, arn: &PolicyArn, version: Option<String>) -> Result<Option<String>> {
        self.inner.policy_version(arn, version).await
    }

    async fn quotas(&self) -> Result<Quotas> {
        self.inner.quotas().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_even_distances_and_are_not_saved_up() {
        let rate_limiter = RateLimiter::of(10.0).unwrap();
        let begun = Instant::now();
        futures::future::join_all((0..21).map(|_| rate_limiter.turn())).await;
        assert_eq!(begun.elapsed().as_millis(), 2000);
        tokio::time::advance(Duration::from_secs(60)).await;
        let begun = Instant::now();
        futures::future::join_all((0..11).map(|_| rate_limiter.turn())).await;
        assert!(begun.elapsed().as_millis() >= 999, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_limit_gives_no_pace() {
        for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(RateLimiter::of(none).is_none(), "{none}");
        }
        assert!(RateLimiter::of(f64::MIN_POSITIVE).is_some() && RateLimiter::of(f64::MAX).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_counts_while_it_goes_on() {
        let waited = Waited::default();
        waited.begin();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(waited.total().as_secs(), 2);
        waited.end();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(waited.total().as_secs(), 2);
    }
}
