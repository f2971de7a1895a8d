//! Sources of the bearer tokens that are sent to API servers.

use std::fmt::Debug;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::Result;

/// Gives the bearer token of each request to an API server, and renews it before it ends.
#[async_trait]
pub trait BearerSource: Debug + Send + Sync {
    /// A token that is valid for at least a minute. Asked before every request, so a source keeps its token.
    async fn bearer(&self) -> Result<SecretString>;
}

#[cfg(feature = "aws")]
#[async_trait]
impl BearerSource for crate::aws::EksTokenSource {
    async fn bearer(&self) -> Result<SecretString> {
        self.token().await.map(|(token, _)| token)
    }
}
