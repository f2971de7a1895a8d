//! What a caller chooses about a connection, and which of these choices exclude each other.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::hint::{Dialect, Setting};
use crate::kube::Plugins;

/// What a caller chooses about a connection. The environment and the kubeconfig decide the rest.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// The cluster, by name or ARN.
    pub cluster: Option<String>,
    /// The AWS region.
    pub region: Option<String>,
    /// The AWS profile.
    pub profile: Option<String>,
    /// The URL that all calls to AWS are sent to.
    pub endpoint_url: Option<String>,
    /// The kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    pub context: Option<String>,
    /// The issuer of the cluster's tokens; with `account` it replaces the lookup in EKS.
    pub issuer: Option<String>,
    /// The account of the roles; needs `issuer`.
    pub account: Option<String>,
    /// The file of the sandbox that replaces AWS and clusters.
    pub sandbox: Option<PathBuf>,
    /// The deadline of one binding; by default [`Client::DEFAULT_TIMEOUT`](crate::Client::DEFAULT_TIMEOUT).
    pub timeout: Option<Duration>,
    /// The limit of concurrent requests, and of connections to each host; by default
    /// [`ConnectionLimit::DEFAULT`](crate::ConnectionLimit::DEFAULT).
    pub max_connections: Option<usize>,
    /// How credential plug-ins of kubeconfigs are run; by default without a terminal.
    pub plugins: Plugins,
}

impl Config {
    /// A configuration that leaves everything to the environment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the cluster, by name or ARN.
    #[must_use]
    pub fn with_cluster(self, cluster: impl Into<String>) -> Self {
        Self { cluster: Some(cluster.into()), ..self }
    }

    /// Sets the AWS region.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Sets the AWS profile.
    #[must_use]
    pub fn with_profile(self, profile: impl Into<String>) -> Self {
        Self { profile: Some(profile.into()), ..self }
    }

    /// Sets the URL that all calls to AWS are sent to.
    #[must_use]
    pub fn with_endpoint_url(self, url: impl Into<String>) -> Self {
        Self { endpoint_url: Some(url.into()), ..self }
    }

    /// Sets the kubeconfig file.
    #[must_use]
    pub fn with_kubeconfig(self, file: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: Some(file.into()), ..self }
    }

    /// Sets the context of the kubeconfig.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        Self { context: Some(context.into()), ..self }
    }

    /// Sets the issuer of the cluster's tokens and the account of the roles, so that EKS is not asked.
    #[must_use]
    pub fn with_issuer(self, issuer: impl Into<String>, account: impl Into<String>) -> Self {
        Self { issuer: Some(issuer.into()), account: Some(account.into()), ..self }
    }

    /// Uses the sandbox in a file in place of AWS and clusters.
    #[must_use]
    pub fn with_sandbox(self, file: impl Into<PathBuf>) -> Self {
        Self { sandbox: Some(file.into()), ..self }
    }

    /// Sets the deadline of one binding.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Limits concurrent requests, and connections to each host.
    #[must_use]
    pub fn with_max_connections(self, max: usize) -> Self {
        Self { max_connections: Some(max), ..self }
    }

    /// Sets how credential plug-ins of kubeconfigs are run.
    #[must_use]
    pub fn with_plugins(self, plugins: Plugins) -> Self {
        Self { plugins, ..self }
    }

    /// Checks which settings are given together.
    ///
    /// # Errors
    /// The first [`ConfigDefect`].
    pub fn check(&self) -> Result<(), ConfigDefect> {
        self.check_sandbox()?;
        let incomplete = |given, missing| Err(ConfigDefect::Incomplete { given, missing });
        match (&self.issuer, &self.account) {
            (Some(_), None) => incomplete(Setting::Issuer, Setting::Account),
            (None, Some(_)) => incomplete(Setting::Account, Setting::Issuer),
            _ => Ok(()),
        }
    }

    /// Checks that no setting that leads to AWS or to a cluster is given beside the sandbox.
    ///
    /// # Errors
    /// `Contradiction`.
    pub fn check_sandbox(&self) -> Result<(), ConfigDefect> {
        if self.sandbox.is_none() {
            return Ok(());
        }
        let others = [
            (Setting::Region, self.region.is_some()),
            (Setting::Profile, self.profile.is_some()),
            (Setting::EndpointUrl, self.endpoint_url.is_some()),
            (Setting::Kubeconfig, self.kubeconfig.is_some()),
            (Setting::Context, self.context.is_some()),
            (Setting::Issuer, self.issuer.is_some()),
            (Setting::Account, self.account.is_some()),
        ];
        match others.into_iter().find(|(_, is_given)| *is_given) {
            Some((setting, _)) => Err(ConfigDefect::Contradiction(setting, Setting::Sandbox)),
            None => Ok(()),
        }
    }
}

/// Two settings of a [`Config`] that exclude each other, or of which one needs the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigDefect {
    /// Only one of them can be given.
    Contradiction(Setting, Setting),
    /// They can only be given together.
    Incomplete {
        /// The setting that is given.
        given: Setting,
        /// The setting that it needs.
        missing: Setting,
    },
}

impl ConfigDefect {
    /// The error, of kind `InvalidInput`, with settings as a front end spells them.
    pub fn into_error(self, dialect: &dyn Dialect) -> Error {
        let spelt = |setting| dialect.setting(setting, None).unwrap_or_default();
        match self {
            Self::Contradiction(one, other) => contradiction(&spelt(one), &spelt(other)),
            Self::Incomplete { given, missing } => {
                let (given, missing) = (spelt(given), spelt(missing));
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("{given} needs {missing}: together they replace the lookup in EKS"),
                )
                .with_hint(format!("add {missing}, or leave {given} out"))
            }
        }
    }
}

/// The error of two inputs that exclude each other.
pub(super) fn contradiction(one: &str, other: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{one} contradicts {other}")).with_hint("give only one of them")
}
