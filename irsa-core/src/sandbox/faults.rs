//! Fault injection: how a test makes calls of a sandbox fail, hang or wait, and the record of those calls.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recorder::{Access, At, Call, METHODS};
use super::responses::{Answer, Refusal};
use super::{Request, Sandbox};
use crate::error::{Error, Result};

/// How a call fails: with any [`Error`], or as the service would with an error code and a message.
#[derive(Clone, Debug)]
pub struct Failure(pub(super) Refusal);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<(&str, &str)> for Failure {
    fn from((code, message): (&str, &str)) -> Self {
        Self(Refusal::coded(code, message))
    }
}

/// What a call waits for.
type Turn = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What gives every call something to wait for.
type Gate = Arc<dyn Fn(&Call) -> Turn + Send + Sync>;

/// What happens to a call, besides what it does.
enum Effect {
    Delay(Duration),
    Wait(Turn),
    Hang,
    Run(Arc<dyn Fn(&Sandbox) + Send + Sync>),
    Before(Refusal),
    After(Refusal),
    Late(Duration),
    Again,
}

/// What a rule does to the calls that it concerns.
type Deed = Box<dyn Fn() -> Effect + Send + Sync>;

/// The faults of a sandbox and the record of its calls; all clones of a sandbox share them.
///
/// ```
/// use irsa_core::Sandbox;
/// use irsa_core::sandbox::At;
/// use std::time::Duration;
/// let sandbox = Sandbox::new();
/// sandbox.faults().fail_before(("attach_policy", 1), ("AccessDenied", "User: x is not authorized"));
/// sandbox.faults().fail_after(At::write(3), ("ServiceFailure", "the answer is lost"));
/// sandbox.faults().throttle("create_role", 2);
/// sandbox.faults().delay_every_call(Duration::from_millis(50));
/// ```
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    rules: Vec<Rule>,
    delay: Duration,
    gate: Option<Gate>,
    calls: Vec<Call>,
    /// Whether no record of calls is kept.
    silent: bool,
    origin: Option<Instant>,
    number: u64,
}

struct Rule {
    at: At,
    seen: u64,
    deed: Deed,
}

impl Rule {
    fn takes(&mut self, method: &str, access: Access) -> bool {
        let concerned = self.at.concerns(method, access);
        self.seen += u64::from(concerned);
        concerned && self.at.includes(self.seen)
    }
}

impl Sandbox {
    /// The faults of this sandbox.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// All calls so far, in the order in which they began.
    pub fn calls(&self) -> Vec<Call> {
        self.faults().calls()
    }

    /// Records a call, makes it wait or fail as the faults say, and answers it.
    pub(super) async fn call_with_faults<T>(
        &self,
        request: &Request,
        work: impl Fn(&Self) -> Result<Answer<T>> + Send + Sync,
    ) -> Result<T> {
        debug_assert!(METHODS.contains(&request.method), "{} is missing in METHODS", request.method);
        let (number, effects) = self.faults().begin(request.method, &request.target, request.access);
        let answer = self.answer(request, effects, work).await;
        self.faults().end(number);
        answer
    }

    async fn answer<T>(
        &self,
        request: &Request,
        effects: Vec<Effect>,
        work: impl Fn(&Self) -> Result<Answer<T>> + Send + Sync,
    ) -> Result<T> {
        let (mut lost, mut late, mut tries) = (None, Duration::ZERO, 1);
        for effect in effects {
            match effect {
                Effect::Delay(delay) => tokio::time::sleep(delay).await,
                Effect::Wait(turn) => turn.await,
                Effect::Hang => std::future::pending().await,
                Effect::Run(run) => run(self),
                Effect::Before(failure) => return Err(failure.during(&request.operation)),
                Effect::After(failure) => lost = Some(failure),
                Effect::Late(delay) => late = late.saturating_add(delay),
                Effect::Again => tries += 1,
            }
        }
        let mut answer = work(self)?;
        for _ in 1..tries {
            answer = work(self)?;
        }
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        let answer = answer.map_err(|refusal| refusal.during(&request.operation))?;
        match lost {
            Some(failure) => Err(failure.during(&request.operation)),
            None => Ok(answer),
        }
    }
}

impl Faults {
    /// Lets a call fail before it has any effect.
    pub fn fail_before(&self, at: impl Into<At>, failure: impl Into<Failure>) -> &Self {
        let failure = failure.into().0;
        self.add(at, move || Effect::Before(failure.clone()))
    }

    /// Lets a call take effect, and then fail: the answer is lost. A call that is refused anyway gives that refusal.
    pub fn fail_after(&self, at: impl Into<At>, failure: impl Into<Failure>) -> &Self {
        let failure = failure.into().0;
        self.add(at, move || Effect::After(failure.clone()))
    }

    /// Lets a call take effect twice, as when the first answer is lost and an SDK tries again by itself: the answer is the
    /// second one, such as `EntityAlreadyExists` for a role that the first try made.
    pub fn twice(&self, at: impl Into<At>) -> &Self {
        self.add(at, || Effect::Again)
    }

    /// Lets the next `times` calls of a method fail with `Throttling`, as a back end does once its retries are used up.
    pub fn throttle(&self, method: &str, times: u64) -> &Self {
        self.fail_before(At::method(method, 1).times(times), ("Throttling", "Rate exceeded"))
    }

    /// Lets every call take this long. Under tokio's paused clock the time is exact.
    pub fn delay_every_call(&self, delay: Duration) -> &Self {
        self.ledger().delay = delay;
        self
    }

    /// Lets a call take this much longer.
    pub fn delay(&self, at: impl Into<At>, delay: Duration) -> &Self {
        self.add(at, move || Effect::Delay(delay))
    }

    /// Lets a call take effect at once, and its answer come this much later.
    pub fn answer_late(&self, at: impl Into<At>, delay: Duration) -> &Self {
        self.add(at, move || Effect::Late(delay))
    }

    /// Lets every call wait, before it takes effect, for what `gate` gives it. So a test decides in which order the calls of
    /// several writers take effect. Called when the call begins, while its writer is being polled.
    pub fn gate(
        &self,
        gate: impl Fn(&Call) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> &Self {
        self.ledger().gate = Some(Arc::new(gate));
        self
    }

    /// Lets a call never end. It has no effect.
    pub fn hang(&self, at: impl Into<At>) -> &Self {
        self.add(at, || Effect::Hang)
    }

    /// Runs something just before a call takes effect, such as another writer: `|sandbox| sandbox.edit(...)`.
    pub fn just_before(&self, at: impl Into<At>, run: impl Fn(&Sandbox) + Send + Sync + 'static) -> &Self {
        let run: Arc<dyn Fn(&Sandbox) + Send + Sync> = Arc::new(run);
        self.add(at, move || Effect::Run(Arc::clone(&run)))
    }

    /// Takes back all faults and delays, and the gate. The record of calls stays.
    pub fn clear(&self) {
        let mut ledger = self.ledger();
        ledger.rules.clear();
        ledger.delay = Duration::ZERO;
        ledger.gate = None;
    }

    /// The faults that never came to pass: a test that sets one for a method that is not called proves nothing.
    pub fn unused(&self) -> Vec<At> {
        let ledger = self.ledger();
        ledger.rules.iter().filter(|rule| !rule.at.was_reached(rule.seen)).map(|rule| rule.at.clone()).collect()
    }

    /// All calls so far, in the order in which they began.
    pub fn calls(&self) -> Vec<Call> {
        self.ledger().calls.clone()
    }

    /// Keeps no record of calls from now on, as a sandbox that is used for long wants it.
    pub fn stop_recording(&self) {
        let mut ledger = self.ledger();
        ledger.silent = true;
        ledger.calls = Vec::new();
    }

    /// Forgets all calls so far, and counts time from the next one.
    pub fn clear_calls(&self) {
        let mut ledger = self.ledger();
        ledger.calls.clear();
        ledger.origin = None;
    }

    /// Notes that a call begins; gives its number and what is to happen to it.
    fn begin(&self, method: &'static str, target: &str, access: Access) -> (u64, Vec<Effect>) {
        let mut ledger = self.ledger();
        let now = Instant::now();
        let origin = *ledger.origin.get_or_insert(now);
        ledger.number += 1;
        let number = ledger.number;
        let started = now.duration_since(origin);
        let call = Call { number, method, target: target.to_owned(), access, started, ended: None };
        let mut effects = Vec::new();
        if let Some(gate) = ledger.gate.clone() {
            effects.push(Effect::Wait(gate(&call)));
        }
        if !ledger.silent {
            ledger.calls.push(call);
        }
        if !ledger.delay.is_zero() {
            effects.push(Effect::Delay(ledger.delay));
        }
        for rule in &mut ledger.rules {
            if rule.takes(method, access) {
                effects.push((rule.deed)());
            }
        }
        (number, effects)
    }

    /// Notes that a call ended.
    fn end(&self, number: u64) {
        let mut ledger = self.ledger();
        let Some(origin) = ledger.origin else { return };
        let ended = Instant::now().duration_since(origin);
        if let Some(call) = ledger.calls.iter_mut().rfind(|call| call.number == number) {
            call.ended = Some(ended);
        }
    }

    fn add(&self, at: impl Into<At>, deed: impl Fn() -> Effect + Send + Sync + 'static) -> &Self {
        self.ledger().rules.push(Rule { at: at.into(), seen: 0, deed: Box::new(deed) });
        self
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = self.ledger();
        let rules: Vec<&At> = ledger.rules.iter().map(|rule| &rule.at).collect();
        f.debug_struct("Faults").field("rules", &rules).field("calls", &ledger.calls.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::backend::IamBackend;
    use crate::name::RoleName;

    fn role() -> RoleName {
        "r".parse().unwrap()
    }

    /// A sandbox with a role, and the tags on that role.
    fn sandbox() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.put_role(&role(), crate::sandbox::RoleState::new(serde_json::json!({}))).unwrap();
        sandbox
    }

    async fn tag(sandbox: &Sandbox, key: &str) -> Option<ErrorKind> {
        let tags = [(key.to_owned(), String::new())].into();
        sandbox.tag_role(&role(), &tags).await.err().map(|error| error.kind())
    }

    fn tags(sandbox: &Sandbox) -> String {
        sandbox.state().unwrap().roles["r"].tags.keys().cloned().collect()
    }

    #[tokio::test]
    async fn without_a_record_faults_still_come() {
        let sandbox = sandbox();
        assert_eq!(tag(&sandbox, "a").await, None);
        assert_eq!(sandbox.calls().len(), 1);
        sandbox.faults().stop_recording();
        sandbox.faults().fail_before(("tag_role", 2), ("AccessDenied", "no"));
        assert_eq!(tag(&sandbox, "b").await, None);
        assert_eq!(tag(&sandbox, "c").await, Some(ErrorKind::AccessDenied));
        assert_eq!((sandbox.calls().len(), tags(&sandbox).as_str()), (0, "ab"));
    }

    #[tokio::test]
    async fn a_call_fails_before_or_after_its_effect() {
        let sandbox = sandbox();
        sandbox.faults().fail_before(("tag_role", 1), ("AccessDenied", "no"));
        sandbox.faults().fail_after(3, Error::new(ErrorKind::Timeout, "lost"));
        assert_eq!(tag(&sandbox, "a").await, Some(ErrorKind::AccessDenied));
        assert_eq!(tag(&sandbox, "b").await, None);
        assert_eq!(tag(&sandbox, "c").await, Some(ErrorKind::Timeout));
        assert_eq!(tags(&sandbox), "bc");
        assert_eq!(tag(&sandbox, "d").await, None);
        assert!(sandbox.faults().unused().is_empty());
    }

    #[tokio::test]
    async fn faults_count_from_the_moment_they_are_set() {
        let sandbox = sandbox();
        assert_eq!(tag(&sandbox, "a").await, None);
        sandbox.faults().throttle("tag_role", 2).fail_before("quotas", ("AccessDenied", "no"));
        sandbox.faults().fail_before(At::write(4), ("LimitExceeded", "no"));
        for kind in [Some(ErrorKind::Throttled), Some(ErrorKind::Throttled), None, Some(ErrorKind::QuotaExceeded), None]
        {
            assert!(sandbox.quotas().await.is_err(), "every time");
            assert_eq!(tag(&sandbox, "b").await, kind);
        }
        sandbox.faults().fail_before("tag_rolle", ("AccessDenied", "no"));
        assert_eq!(sandbox.faults().unused(), [At::every("tag_rolle")]);
        sandbox.faults().clear();
        assert!(sandbox.quotas().await.is_ok());
    }

    #[tokio::test]
    async fn another_writer_acts_in_between() {
        let sandbox = sandbox();
        sandbox.faults().just_before(("tag_role", 1), |sandbox| sandbox.remove_role(&role()).unwrap());
        assert_eq!(tag(&sandbox, "a").await, Some(ErrorKind::NotFound));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_are_exact_under_a_paused_clock() {
        let sandbox = sandbox();
        sandbox.faults().delay_every_call(Duration::from_millis(50)).delay(("role", 2), Duration::from_millis(7));
        let (role, _) = futures::join!(IamBackend::role(&sandbox, &ROLE), sandbox.quotas());
        role.unwrap();
        IamBackend::role(&sandbox, &ROLE).await.unwrap();
        let calls: Vec<_> =
            sandbox.calls().iter().map(|c| (c.method, c.started.as_millis(), c.ended.unwrap().as_millis())).collect();
        assert_eq!(calls, [("role", 0, 50), ("quotas", 0, 50), ("role", 50, 107)]);
        sandbox.faults().clear_calls();
        tokio::time::sleep(Duration::from_secs(1)).await;
        tag(&sandbox, "a").await;
        let calls = sandbox.calls();
        assert_eq!((calls[0].number, calls[0].started, calls[0].access), (4, Duration::ZERO, Access::Write));
        assert_eq!((calls[0].method, calls[0].target.as_str()), ("tag_role", "r"));
    }

    static ROLE: std::sync::LazyLock<RoleName> = std::sync::LazyLock::new(role);

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_late_and_its_effect_is_not() {
        let sandbox = sandbox();
        sandbox.faults().answer_late("tag_role", Duration::from_secs(9));
        let mut call = std::pin::pin!(tag(&sandbox, "a"));
        assert!(tokio::time::timeout(Duration::from_secs(8), call.as_mut()).await.is_err());
        assert_eq!(tags(&sandbox), "a");
        assert_eq!(call.await, None);
    }

    #[tokio::test]
    async fn a_call_that_is_done_twice_gives_the_second_answer() {
        let sandbox = sandbox();
        sandbox.faults().twice("delete_role").twice("tag_role");
        assert_eq!(tag(&sandbox, "a").await, None);
        assert_eq!(sandbox.delete_role(&role()).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(sandbox.state().unwrap().roles.is_empty());
    }

    #[tokio::test]
    async fn a_gate_decides_which_call_takes_effect_first() {
        let sandbox = sandbox();
        let (open, opened) = tokio::sync::oneshot::channel::<()>();
        let opened = Mutex::new(Some(opened));
        sandbox.faults().gate(move |call| {
            let opened = opened.lock().unwrap().take().filter(|_| call.method == "tag_role");
            Box::pin(async move {
                if let Some(opened) = opened {
                    opened.await.unwrap();
                }
            })
        });
        let second = async {
            assert_eq!(tag(&sandbox, "b").await, None);
            assert_eq!(tags(&sandbox), "b");
            open.send(()).unwrap();
        };
        futures::join!(async { assert_eq!(tag(&sandbox, "a").await, None) }, second);
        assert_eq!(tags(&sandbox), "ab");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_has_no_effect_and_no_end() {
        let sandbox = sandbox();
        sandbox.faults().hang("tag_role");
        assert!(tokio::time::timeout(Duration::from_secs(60), tag(&sandbox, "a")).await.is_err());
        assert_eq!((tags(&sandbox).as_str(), sandbox.calls()[0].ended), ("", None));
    }
}
