//! The Kubernetes back end (feature `kube`): service accounts by server-side apply, and how a cluster is reached.
//!
//! A cluster is reached by a client of one's own ([`KubeCluster::new`]), a kubeconfig
//! ([`KubeCluster::from_kubeconfig`]), from a pod ([`KubeCluster::in_cluster`]) or through EKS
//! ([`KubeCluster::from_eks`]). None of these makes a call: the client is built at the first one, so that a cluster that
//! turns out not to be needed costs nothing. [`kubeconfig`] tells which context belongs to which EKS cluster.

mod account;
mod authority;
mod backend;
mod bearer;
mod call;
mod connect;
mod context;
#[cfg(test)]
mod conversations;
mod defect;
mod eks;
mod eks_plugin;
#[cfg(test)]
mod fake;
pub mod kubeconfig;
mod message;
mod pem;
mod plugin;
mod refusal;
mod token;
mod warning;

use std::fmt;
use std::sync::Arc;

// The crate of the signatures.
#[doc(no_inline)]
pub use ::kube;
use ::kube::config::Kubeconfig;
use ::kube::{Client, Config};
use tokio::sync::{Mutex, OnceCell};

pub use self::bearer::BearerSource;
use self::call::Connection;
use self::connect::Surroundings;
use self::eks::EksSource;
pub use self::plugin::{PLUGIN_MISSING, Plugins};
pub use self::token::issuer as token_issuer;
use crate::backend::IdentityBackend;
use crate::connection_limit::ConnectionLimit;
use crate::error::{Error, ErrorKind, Result};
use crate::name::ClusterRef;
use crate::proxy::ProxySettings;
use crate::waiting::waiting_for;

/// The API server of one cluster.
///
/// # Caveats
/// The client is built at the first call (a credential plug-in runs then) and belongs to the tokio runtime of that call.
pub struct KubeCluster {
    source: Source,
    chosen: bool,
    around: Surroundings,
    limit: ConnectionLimit,
    connection: Mutex<Option<Arc<Connection>>>,
    issuer: OnceCell<Option<String>>,
}

/// Where the connection comes from.
enum Source {
    /// It was there from the beginning.
    Client,
    Config(Box<Config>),
    Eks(EksSource),
}

impl KubeCluster {
    /// A cluster reached by a client of one's own.
    ///
    /// Which cluster that is can be told only by its discovery document. kube's own client leaves Nagle's algorithm on,
    /// which costs 40 ms once; [`from_config`](Self::from_config) does not.
    pub fn new(client: Client) -> Self {
        let limit = ConnectionLimit::default();
        let connection = Arc::new(Connection { limit: limit.clone(), ..Connection::new(client) });
        Self { limit, connection: Mutex::new(Some(connection)), ..Self::from_source(Source::Client) }
    }

    /// The same, at a URL that errors name and by which the cluster may be recognised.
    #[must_use]
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        // Nobody else has it before the first call.
        if let Some(connection) = self.connection.get_mut().as_mut().and_then(Arc::get_mut) {
            connection.endpoint = Some(url.into());
        }
        self
    }

    /// The same, named by the user: a cluster of which nothing tells which one it is is taken with a warning.
    #[must_use]
    pub fn chosen(self) -> Self {
        Self { chosen: true, ..self }
    }

    /// A cluster reached by a configuration.
    pub fn from_config(config: Config) -> Self {
        Self::from_source(Source::Config(Box::new(config)))
    }

    /// A cluster reached by a context of a kubeconfig, by default its current one. Its fields and the files that it names
    /// are checked; nothing is run yet.
    ///
    /// Proxies of the environment are left to [`with_proxies`](Self::with_proxies); one that the kubeconfig names is used.
    ///
    /// # Errors
    /// `InvalidInput` for a context, cluster or user that does not exist, with the nearest names, and for a field that
    /// cannot be used: a URL without a scheme, a file that cannot be read, data that is not PEM. The context of the error
    /// has `context`, `field` and, unless it is secret, `value`.
    pub async fn from_kubeconfig(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Self> {
        let context = context.map(str::to_owned);
        // It reads files.
        let read = tokio::task::spawn_blocking(move || context::configuration(&kubeconfig, context.as_deref())).await;
        let config = read.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "cannot use the kubeconfig").with_cause(error.to_string())
        })??;
        Ok(Self::from_config(config))
    }

    /// The cluster that we ourselves run in, as a pod: environment, token and certificate as Kubernetes gives them to one.
    ///
    /// # Errors
    /// `Unavailable` when we run in no pod.
    pub fn in_cluster() -> Result<Self> {
        let config = Config::incluster().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "cannot use the in-cluster configuration").with_cause(error.to_string())
        })?;
        Ok(Self::from_config(config))
    }

    /// A cluster reached through EKS: endpoint and authority as `identity` describes them, a token of `bearer` in each
    /// request. It is the right cluster by construction.
    ///
    /// `identity` is asked once, at the first call; one that keeps its answers shares it with everybody else. Calls give
    /// `NotFound` when EKS has no such cluster, `Unavailable` while it has no endpoint.
    pub fn from_eks(identity: Arc<dyn IdentityBackend>, cluster: ClusterRef, bearer: Arc<dyn BearerSource>) -> Self {
        Self::from_source(Source::Eks(EksSource { identity, cluster, bearer }))
    }

    /// Goes through the proxies of an environment where the configuration names none itself.
    #[must_use]
    pub fn with_proxies(mut self, proxies: ProxySettings) -> Self {
        self.around.proxies = proxies;
        self
    }

    /// Takes the token of each request from `bearer` in place of the credential plug-in of the configuration.
    #[must_use]
    pub fn with_bearer(mut self, bearer: Arc<dyn BearerSource>) -> Self {
        self.around.bearer = Some(bearer);
        self
    }

    /// Runs credential plug-ins with these settings, once for all clusters that are given the same [`Plugins`].
    #[must_use]
    pub fn with_plugins(mut self, plugins: Plugins) -> Self {
        self.around.plugins = plugins;
        self
    }

    /// Bounds how many requests are under way at once, and with them the open connections.
    ///
    /// By default each cluster has a bound of its own; share that of the [AWS back end](crate::aws::AwsBackend) to bound
    /// both together. Of a client of one's own ([`new`](Self::new)) the connections are its own business.
    #[must_use]
    pub fn with_connection_limit(mut self, limit: ConnectionLimit) -> Self {
        // Nobody else has it before the first call.
        if let Some(connection) = self.connection.get_mut().as_mut().and_then(Arc::get_mut) {
            connection.limit = limit.clone();
        }
        Self { limit, ..self }
    }

    /// Builds the client ahead of the first call: reads files, runs a credential plug-in, asks EKS. Every call does this
    /// where it has not been done. The TLS handshake is part of the first request, best
    /// [`fingerprint`](crate::backend::ClusterBackend::fingerprint), whose answer is needed anyway.
    ///
    /// # Errors
    /// As the calls: `AccessDenied` for credentials that a plug-in refuses, `Unavailable` with the code [`PLUGIN_MISSING`]
    /// for one that cannot be started, `InvalidInput` for a configuration that no client can be built of.
    pub async fn prepare(&self) -> Result<()> {
        self.connection().await.map(|_| ())
    }

    fn from_source(source: Source) -> Self {
        Self {
            source,
            chosen: false,
            around: Surroundings::default(),
            limit: ConnectionLimit::default(),
            connection: Mutex::default(),
            issuer: OnceCell::new(),
        }
    }

    /// The connection, made by the first who needs it, and again when its client certificate ends. A failure is not kept.
    async fn connection(&self) -> Result<Arc<Connection>> {
        let mut connection = match (self.connection.try_lock(), &self.source) {
            (Ok(free), _) => free,
            // Somebody else is connecting, and most of that time is the plug-in's.
            (Err(_), Source::Config(config)) if config.auth_info.exec.is_some() => {
                let name = config.auth_info.exec.as_ref().map(plugin::name).unwrap_or_default();
                waiting_for(move || name.clone(), self.connection.lock()).await
            }
            (Err(_), _) => self.connection.lock().await,
        };
        if let Some(made) = connection.as_ref().filter(|made| !made.is_stale()) {
            return Ok(Arc::clone(made));
        }
        let made = match &self.source {
            Source::Config(config) => connect::connect((**config).clone(), &self.around).await?,
            Source::Eks(eks) => eks.connect(&self.around).await?,
            Source::Client => return Err(Error::new(ErrorKind::Unexpected, "the client is gone")),
        };
        let made = Connection { limit: self.limit.clone(), ..made };
        Ok(Arc::clone(connection.insert(Arc::new(made))))
    }
}

impl fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A configuration may hold tokens and passwords, also where kube would print them.
        let mut shown = f.debug_struct("KubeCluster");
        match &self.source {
            Source::Client => &mut shown,
            Source::Config(config) => shown.field("server", &config.cluster_url),
            Source::Eks(eks) => shown.field("cluster", &eks.cluster),
        }
        .field("chosen", &self.chosen)
        .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
clusters:
- {name: one, cluster: {server: 'https://one.example', proxy-url: 'http://proxy:3128'}}
- {name: two, cluster: {server: 'https://two.example'}}
contexts:
- {name: first, context: {cluster: one, user: u}}
- {name: second, context: {cluster: two, user: u}}
- {name: third, context: {cluster: three, user: u}}
users: [{name: u, user: {token: s3cr3t}}]
";

    async fn reached(context: Option<&str>) -> Result<KubeCluster> {
        KubeCluster::from_kubeconfig(Kubeconfig::from_yaml(FILE).unwrap(), context).await.map(KubeCluster::chosen)
    }

    #[tokio::test]
    async fn a_context_that_does_not_exist_is_named_with_the_nearest() {
        for (context, what, hint) in [
            (Some("frist"), "context \"frist\" does not exist", "did you mean first?"),
            (
                Some("elsewhere"),
                "context \"elsewhere\" does not exist",
                "the kubeconfig has the contexts \"first\", \"second\", \"third\"",
            ),
            (None, "the kubeconfig has no current context", "name a context with `context`"),
        ] {
            let error = reached(context).await.unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, what));
            assert_eq!(error.hint().map(ToString::to_string).as_deref(), Some(hint));
        }
        let mut dangling = Kubeconfig::from_yaml(FILE).unwrap();
        dangling.current_context = Some("secnd".to_owned());
        let error = KubeCluster::from_kubeconfig(dangling, None).await.unwrap_err();
        assert_eq!(error.to_string(), "the current context \"secnd\" does not exist");
        assert_eq!(error.hint().map(ToString::to_string).as_deref(), Some("did you mean second?"));
    }

    #[tokio::test]
    async fn the_proxy_of_a_context_is_its_own() {
        let proxy = async |context| match reached(Some(context)).await.unwrap().source {
            Source::Config(config) => config.proxy_url.map(|url| url.to_string()),
            _ => unreachable!(),
        };
        assert_eq!(proxy("first").await.as_deref(), Some("http://proxy:3128/"));
        assert_eq!(proxy("second").await, None);
    }

    #[tokio::test]
    async fn debug_shows_the_server_and_no_secret() {
        let cluster = reached(Some("second")).await.unwrap();
        assert_eq!(format!("{cluster:?}"), "KubeCluster { server: https://two.example/, chosen: true, .. }");
    }
}
