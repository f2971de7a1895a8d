//! Credentials of a boto3 session, whatever it is made of: asked for again when they expire. boto3 is not imported.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::beside::{Raised, beside};

/// How long an answer is taken for good: it spares the calls of one binding, and a session that changes is seen at once. A
/// session keeps its credentials itself, and refreshes them whenever it is asked and that is due.
const KEPT: Duration = Duration::from_secs(1);

/// A session that has `get_credentials()`.
#[derive(Clone, Debug)]
struct Session(Arc<Py<PyAny>>);

/// The credentials of a session.
pub(crate) fn of_session(session: &Arc<Py<PyAny>>) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Session(Arc::clone(session)))
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let session = self.clone();
        future::ProvideCredentials::new(async move {
            let ask = move |py: Python<'_>| {
                let keywords = PyDict::new(py);
                keywords.set_item("session", session.0.bind(py))?;
                Ok((py.import("irsa._beside")?.getattr("credentials")?.unbind(), keywords.unbind()))
            };
            match beside(ask, |frozen: PyResult<Bound<'_, PyAny>>| read(&frozen?), ()).await.and_then(|read| read) {
                Ok(Some(credentials)) => Ok(credentials),
                Ok(None) => Err(CredentialsError::not_loaded("the session has no credentials")),
                Err(error) => {
                    let text = format!("the session's credentials cannot be read: {error}");
                    Err(CredentialsError::provider_error(Raised::new(text, error)))
                }
            }
        })
    }
}

fn read(frozen: &Bound<'_, PyAny>) -> PyResult<Option<Credentials>> {
    if frozen.is_none() {
        return Ok(None);
    }
    let field = |name: &str| frozen.getattr(name)?.extract::<Option<String>>();
    let (access, secret, token) = (field("access_key")?, field("secret_key")?, field("token")?);
    let until = Some(SystemTime::now() + KEPT);
    Ok(access.zip(secret).map(|(access, secret)| Credentials::new(access, secret, token, until, "session")))
}
