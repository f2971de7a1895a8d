//! Credentials of a boto3 session, whatever it is made of: asked for again when they expire. boto3 is not imported.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use pyo3::prelude::*;

/// How long an answer is taken for good: a session refreshes its credentials by itself whenever it is asked.
const KEPT: Duration = Duration::from_secs(60);

/// A session that has `get_credentials()`.
#[derive(Clone, Debug)]
struct Session(Arc<Py<PyAny>>);

/// The credentials of a session.
pub(crate) fn of_session(session: &Bound<'_, PyAny>) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Session(Arc::new(session.clone().unbind())))
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let session = self.clone();
        future::ProvideCredentials::new(async move {
            // It may call AWS, and wait for the interpreter.
            let read = tokio::task::spawn_blocking(move || session.read());
            read.await.map_err(CredentialsError::provider_error)?
        })
    }
}

impl Session {
    fn read(&self) -> Result<Credentials, CredentialsError> {
        let read = Python::try_attach(|py| {
            let credentials = self.0.bind(py).call_method0("get_credentials")?;
            if credentials.is_none() {
                return Ok(None);
            }
            let frozen = credentials.call_method0("get_frozen_credentials")?;
            let field = |name: &str| frozen.getattr(name)?.extract::<Option<String>>();
            let (access, secret) = (field("access_key")?, field("secret_key")?);
            let token = field("token")?;
            Ok(access.zip(secret).map(|(access, secret)| {
                Credentials::new(access, secret, token, Some(SystemTime::now() + KEPT), "session")
            }))
        });
        match read {
            Some(Ok(Some(credentials))) => Ok(credentials),
            Some(Ok(None)) => Err(CredentialsError::not_loaded("the session has no credentials")),
            Some(Err(error)) => Err(error_of(error)),
            None => Err(CredentialsError::not_loaded("the interpreter has ended")),
        }
    }
}

fn error_of(error: PyErr) -> CredentialsError {
    CredentialsError::provider_error(format!("the session's credentials cannot be read: {error}"))
}
