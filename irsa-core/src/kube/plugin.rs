//! Credential plug-ins of kubeconfigs: run as client-go runs them, but once for all that wait, and never without end.

mod credential;
mod process;
mod secrets;
#[cfg(unix)]
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, SystemTime};

use ::kube::config::{ExecConfig, ExecInteractiveMode};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

pub(super) use self::credential::Credential;
use self::process::{Ended, Stderr};
use crate::error::{Error, ErrorKind, Result};
use crate::waiting;

/// The code of the error (kind `Unavailable`) of a credential plug-in that cannot be started, such as an `aws` that is not
/// installed: the cluster may still be reached in another way.
pub const PLUGIN_MISSING: &str = "PluginMissing";

/// The longest that one run may take, with a person who logs in meanwhile. Deadlines of callers usually end it before.
const MAX_RUN: Duration = Duration::from_secs(300);
/// How long a failure is kept after it was last asked for, so that the calls of one operation share it.
const FAILURE_TTL: Duration = Duration::from_secs(10);
/// How long a failure is kept at most.
const MAX_FAILURE_TTL: Duration = Duration::from_secs(120);

/// Receives what a plug-in writes to standard error, as it comes.
pub(super) type StderrSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

const CANNOT_GET: &str = "cannot get credentials for the API server";

/// Runs the credential plug-ins (`exec`) of kubeconfigs.
///
/// A plug-in is run once for all clusters and calls that use the same configuration, and again when its credentials end or
/// the API server no longer takes them. A failure is kept until nobody has asked for 10 seconds, at most 2 minutes, so that
/// the calls of one operation share it. A plug-in is killed when nobody waits for it any
/// longer, or after 5 minutes. It gets the environment of this process.
///
/// Clones share what was run.
#[derive(Clone, Default)]
pub struct Plugins {
    known: Arc<StdMutex<HashMap<String, Arc<Plugin>>>>,
    is_interactive: bool,
    stderr: Option<StderrSink>,
}

impl Plugins {
    /// Plug-ins that get no standard input, and whose standard error is shown only in errors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets plug-ins ask their user on standard input, which must be a terminal (`interactiveMode`).
    #[must_use]
    pub fn with_terminal(self) -> Self {
        Self { is_interactive: true, ..self }
    }

    /// Passes on what plug-ins write to standard error, as it comes: it may tell the user where to log in.
    #[must_use]
    pub fn with_stderr(self, sink: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self { stderr: Some(Arc::new(sink)), ..self }
    }

    /// The plug-in of a configuration, shared with all that have the same.
    pub(super) fn plugin(&self, exec: &ExecConfig) -> Arc<Plugin> {
        let key = format!("{}{}", json!(exec), json!(exec.cluster));
        // A panic while the map was locked leaves it as it was.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(Plugin {
                exec: exec.clone(),
                is_interactive: self.is_interactive,
                stderr: self.stderr.clone(),
                state: Mutex::default(),
            })
        };
        Arc::clone(known.entry(key).or_insert_with(new))
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Configurations may hold secrets in variables.
        f.debug_struct("Plugins").field("is_interactive", &self.is_interactive).finish_non_exhaustive()
    }
}

/// One credential plug-in, and what it gave.
pub(super) struct Plugin {
    exec: ExecConfig,
    is_interactive: bool,
    stderr: Option<StderrSink>,
    /// Locked while the plug-in runs, so that others wait for its answer.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    credential: Option<Arc<Credential>>,
    failure: Option<Failure>,
}

struct Failure {
    error: Error,
    since: Instant,
    last_asked: Instant,
}

impl Plugin {
    /// The credential: the one that is there, else that of a new run.
    ///
    /// # Errors
    /// `Unavailable` with [`PLUGIN_MISSING`] for a program that cannot be started, `Timeout` for one that was ended,
    /// `AccessDenied` for one that failed, `InvalidInput` where the configuration cannot be used here.
    pub(super) async fn credential(self: &Arc<Self>) -> Result<Arc<Credential>> {
        let mut state = self.locked().await;
        match &state.credential {
            Some(credential) if !credential.is_due(SystemTime::now()) => Ok(Arc::clone(credential)),
            _ => self.renew(&mut state).await,
        }
    }

    /// Another credential in place of one that the API server refused; nothing where a new one would be no better.
    pub(super) async fn in_place_of(self: &Arc<Self>, refused: &Arc<Credential>) -> Result<Option<Arc<Credential>>> {
        let mut state = self.locked().await;
        match &state.credential {
            // Somebody else has renewed it meanwhile.
            Some(credential) if !Arc::ptr_eq(credential, refused) => Ok(Some(Arc::clone(credential))),
            _ if refused.is_new(SystemTime::now()) => Ok(None),
            _ => self.renew(&mut state).await.map(Some),
        }
    }

    /// Whether a credential is still the one in use.
    pub(super) fn is_current(&self, credential: &Arc<Credential>) -> bool {
        // While another one is being made, the old one is.
        self.state.try_lock().map_or(true, |state| match &state.credential {
            Some(current) => Arc::ptr_eq(current, credential),
            None => false,
        })
    }

    /// Makes the credential look as if it had been used for long.
    #[cfg(test)]
    pub(super) async fn make_old(&self) {
        let mut state = self.state.lock().await;
        state.credential = state.credential.take().map(|credential| Arc::new(credential.old()));
    }

    async fn locked(self: &Arc<Self>) -> MutexGuard<'_, State> {
        if let Ok(free) = self.state.try_lock() {
            return free;
        }
        let plugin = Arc::clone(self);
        waiting::waiting_for(move || plugin.name(), self.state.lock()).await
    }

    async fn renew(self: &Arc<Self>, state: &mut State) -> Result<Arc<Credential>> {
        if let Some(failure) = &mut state.failure
            && failure.last_asked.elapsed() < FAILURE_TTL
            && failure.since.elapsed() < MAX_FAILURE_TTL
        {
            failure.last_asked = Instant::now();
            return Err(failure.error.clone());
        }
        match self.run().await {
            Ok(credential) => {
                let credential = Arc::new(credential);
                *state = State { credential: Some(Arc::clone(&credential)), failure: None };
                Ok(credential)
            }
            Err(error) => {
                let now = Instant::now();
                let failure = Failure { error: error.clone(), since: now, last_asked: now };
                *state = State { credential: None, failure: Some(failure) };
                Err(error)
            }
        }
    }

    async fn run(self: &Arc<Self>) -> Result<Credential> {
        let command = self.command()?;
        let stderr = Stderr::default();
        let (plugin, so_far) = (Arc::clone(self), stderr.clone());
        let describe = move || match plugin.without_secrets(&so_far.text(), b"") {
            text if text.is_empty() => plugin.name(),
            text => format!("{}, which has written: {text}", plugin.name()),
        };
        tracing::debug!(command = self.exec.command, "running the credential plug-in");
        let ended = waiting::waiting_for(describe, process::run(command, &stderr, self.stderr.as_ref())).await;
        match ended {
            Err(error) => Err(self.not_started(&error)),
            Ok(Ended::Exited { status, stdout }) if status.success() => Credential::read(&stdout, SystemTime::now())
                .map_err(|problem| {
                    self.failed(ErrorKind::AccessDenied, problem, &self.without_secrets(&stderr.text(), &stdout))
                }),
            Ok(Ended::Exited { status, stdout }) => {
                let problem = format!("failed with {status}");
                Err(self.failed(ErrorKind::AccessDenied, &problem, &self.without_secrets(&stderr.text(), &stdout)))
            }
            Ok(Ended::TooMuchOutput) => {
                Err(self.failed(ErrorKind::AccessDenied, "printed more than a credential can have", ""))
            }
            Ok(Ended::TimedOut) => {
                let problem = format!("did not end within {} s and was ended", MAX_RUN.as_secs());
                Err(self.failed(ErrorKind::Timeout, &problem, &self.without_secrets(&stderr.text(), b"")))
            }
        }
    }

    /// The command as client-go makes it (`plugin/pkg/client/auth/exec/exec.go`).
    fn command(&self) -> Result<tokio::process::Command> {
        let exec = &self.exec;
        let unusable = |cause: String| Error::new(ErrorKind::InvalidInput, CANNOT_GET).with_cause(cause);
        let program = exec.command.as_deref().filter(|command| !command.is_empty());
        let program = program.ok_or_else(|| unusable("the kubeconfig's exec names no command".to_owned()))?;
        let is_interactive = match exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => false,
            None | Some(ExecInteractiveMode::IfAvailable) => self.is_interactive,
            Some(ExecInteractiveMode::Always) if self.is_interactive => true,
            Some(ExecInteractiveMode::Always) => {
                return Err(unusable(format!("{} asks its user, and standard input is not a terminal", self.name()))
                    .with_hint("run it in a terminal, or use a context whose credentials need no person"));
            }
        };
        let mut command = tokio::process::Command::new(program);
        command.args(exec.args.iter().flatten());
        command.stdin(if is_interactive { std::process::Stdio::inherit() } else { std::process::Stdio::null() });
        command.envs(self.variables());
        for name in exec.drop_env.iter().flatten() {
            command.env_remove(name);
        }
        let mut spec = json!({ "interactive": is_interactive });
        if exec.provide_cluster_info {
            spec["cluster"] = json!(exec.cluster);
        }
        let info = json!({"kind": "ExecCredential", "apiVersion": exec.api_version, "spec": spec});
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        Ok(command)
    }

    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.exec.env.iter().flatten();
        variables.filter_map(|variable| Some((variable.get("name")?.as_str(), variable.get("value")?.as_str())))
    }

    pub(super) fn name(&self) -> String {
        name(&self.exec)
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        let cause = format!("{} cannot be started: {error}", self.name());
        let failed = Error::new(ErrorKind::Unavailable, CANNOT_GET).with_cause(cause).with_code(PLUGIN_MISSING);
        let given = self.exec.install_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty());
        failed.with_hint(match given {
            Some(hint) => format!("the kubeconfig says how to install it: {}", cut(hint)),
            None => "install the program that the kubeconfig names, or choose another context".to_owned(),
        })
    }

    fn failed(&self, kind: ErrorKind, problem: &str, stderr: &str) -> Error {
        let said = if stderr.is_empty() { String::new() } else { format!(": {stderr}") };
        let cause = format!("{} {problem}{said}", self.name());
        Error::new(kind, CANNOT_GET).with_cause(cause).with_hint("log in again, or choose another context")
    }

    /// Text of the plug-in as it may be shown: without the values of secret variables, its answer, and tokens and keys.
    fn without_secrets(&self, text: &str, stdout: &[u8]) -> String {
        let variables = self.variables().filter(|(name, value)| value.len() >= 4 && is_secret(name));
        let answer = String::from_utf8_lossy(stdout);
        let known = variables.map(|(_, value)| value).chain(secrets::of_answer(&answer));
        secrets::hidden(text, known)
    }
}

/// Whether the name of a variable says that its value is secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "KEY"].iter().any(|part| name.contains(part))
}

/// The name of a plug-in, as messages have it.
pub(super) fn name(exec: &ExecConfig) -> String {
    format!("credential plug-in {:?}", exec.command.as_deref().unwrap_or_default())
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("command", &self.exec.command).finish_non_exhaustive()
    }
}

/// A text of a kubeconfig, at most 1,000 characters of it.
fn cut(text: &str) -> String {
    text.chars().take(1000).collect()
}
