//! What a client of Python reaches: AWS and clusters as the program finds them, or a sandbox.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use irsa_core::connect::{Connection, Environment, Target};
use irsa_core::name::{ClusterRef, Region};
use irsa_core::{Client, ConnectionLimit, Error, ErrorKind, Result, Sandbox};
use pyo3::prelude::*;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use crate::boto::{AT_ONCE, Boto3Backend, Boto3Clients};
use crate::kubernetes::Kubernetes;
use crate::process;

/// What is reached, before it is.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A sandbox in memory.
    Memory(Sandbox),
    /// A sandbox in a file.
    File(PathBuf),
    /// AWS and clusters.
    Live(Box<Live>),
}

/// AWS and clusters as options, environment and kubeconfig say.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) environment: Environment,
    pub(crate) target: Target,
    /// In place of those that the SDK would find.
    pub(crate) credentials: Option<SharedCredentialsProvider>,
    /// In place of the SDK for all but the tokens of API servers.
    pub(crate) boto: Option<Boto3Clients>,
    /// In place of the way to the API server of the client's cluster.
    pub(crate) kubernetes: Option<Kubernetes>,
    /// The boto3 session that the credentials are of.
    pub(crate) session: Option<Arc<Py<PyAny>>>,
}

impl Live {
    async fn connection(&self) -> Result<Connection> {
        Connection::open(&self.environment, &self.target, self.credentials.clone()).await
    }
}

/// Reaches it at the first call, and every API server when it is first needed; what was reached is kept.
#[derive(Debug)]
pub(crate) struct Reach {
    origin: Origin,
    timeout: Duration,
    /// Over the boto3 clients that were given.
    boto: Option<Arc<Boto3Backend>>,
    /// So many calls share those clients, or the connections, at once: the others wait here, before their time runs.
    turns: Semaphore,
    reached: Mutex<Option<Reached>>,
    /// The sandbox in a file, once it is opened: its faults are set before the first call.
    opened: std::sync::Mutex<Option<Sandbox>>,
}

/// What a call needs to reach.
#[derive(Debug, Default)]
pub(crate) struct Reaching {
    /// The clusters whose API servers are needed.
    pub(crate) needed: Vec<ClusterRef>,
    /// Where not empty: those that are reached instead, if a way leads to all of them.
    pub(crate) wished: Vec<ClusterRef>,
    /// The region that the clusters are of.
    pub(crate) region: Option<Region>,
}

impl From<Vec<ClusterRef>> for Reaching {
    fn from(needed: Vec<ClusterRef>) -> Self {
        Self { needed, ..Self::default() }
    }
}

#[derive(Debug)]
struct Reached {
    way: Way,
    client: Client,
    servers: Vec<ClusterRef>,
}

#[derive(Debug)]
enum Way {
    Sandbox(Sandbox),
    Live(Box<Connection>),
    /// What AWS is called by is there already; the SDK is begun with only where it leads to an API server.
    Boto(Box<Live>, Option<Box<Connection>>),
}

impl Reach {
    pub(crate) fn new(origin: Origin, timeout: Duration) -> Self {
        let boto = match &origin {
            Origin::Live(live) => live.boto.clone().map(|clients| Arc::new(Boto3Backend::new(clients))),
            _ => None,
        };
        let turns = match &origin {
            Origin::Live(live) => {
                let connections = live.target.max_connections.unwrap_or(ConnectionLimit::DEFAULT).get();
                if boto.is_some() { AT_ONCE } else { connections }
            }
            Origin::Memory(_) | Origin::File(_) => Semaphore::MAX_PERMITS,
        };
        let turns = Semaphore::new(turns.min(Semaphore::MAX_PERMITS));
        Self { origin, timeout, boto, turns, reached: Mutex::default(), opened: std::sync::Mutex::default() }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What of Python it holds, each once.
    pub(crate) fn held(&self) -> Vec<&Py<PyAny>> {
        match &self.origin {
            Origin::Live(live) => {
                let clients = live.boto.iter().flat_map(Boto3Clients::held);
                let kubernetes = live.kubernetes.as_ref().and_then(Kubernetes::held);
                clients.chain(live.session.as_deref()).chain(kubernetes).collect()
            }
            Origin::Memory(_) | Origin::File(_) => Vec::new(),
        }
    }

    /// The same anew, for a forked process: connections cannot be shared with the old one.
    pub(crate) fn anew(&self) -> Self {
        let origin = match &self.origin {
            Origin::Live(live) => {
                let target = live.target.clone().after_fork(process::plugins());
                Origin::Live(Box::new(Live { target, ..(**live).clone() }))
            }
            other => other.clone(),
        };
        Self::new(origin, self.timeout)
    }

    /// Waits for its turn, which lasts until what it gives is dropped.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.turns.acquire().await.ok()
    }

    /// The sandbox, if it is one.
    ///
    /// # Errors
    /// Those of [`Sandbox::open`].
    pub(crate) fn sandbox(&self) -> Result<Option<Sandbox>> {
        match &self.origin {
            Origin::Memory(sandbox) => Ok(Some(sandbox.clone())),
            Origin::File(path) => self.opened(path).map(Some),
            Origin::Live(_) => Ok(None),
        }
    }

    fn opened(&self, path: &Path) -> Result<Sandbox> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match &*opened {
            Some(sandbox) => Ok(sandbox.clone()),
            None => Ok(opened.insert(Sandbox::open(path)?).clone()),
        }
    }

    /// A client that reaches what a call needs.
    pub(crate) async fn client(&self, reaching: &Reaching) -> Result<Client> {
        if let Some(wanted) = &reaching.region {
            let own = match self.named_region() {
                // Before credentials are looked for: they may be those of yet another place.
                Some(named) => Some(named),
                None => {
                    let _ = self.client_of(&[]).await?;
                    self.region().await
                }
            };
            if let Some(own) = own.filter(|own| own != wanted) {
                let what = format!("region {own} contradicts region {wanted} of the ClusterConfig");
                return Err(Error::new(ErrorKind::InvalidInput, what).with_hint("make a client of that region"));
            }
        }
        match &reaching.wished[..] {
            [] => self.client_of(&reaching.needed).await,
            wished => match self.client_of(wished).await {
                Ok(client) => Ok(client),
                Err(_) => self.client_of(&reaching.needed).await,
            },
        }
    }

    /// The region that options, cluster or kubeconfig name.
    fn named_region(&self) -> Option<Region> {
        match &self.origin {
            Origin::Live(live) => live.target.region.clone(),
            Origin::Memory(_) | Origin::File(_) => None,
        }
    }

    /// The region whose clusters are found by name; nothing for a sandbox, whose clusters have any region.
    async fn region(&self) -> Option<Region> {
        match &self.reached.lock().await.as_ref()?.way {
            Way::Sandbox(_) => None,
            Way::Live(connection) => Some(connection.region().clone()),
            Way::Boto(live, _) => live.target.region.clone(),
        }
    }

    /// A client that reaches the API servers of these clusters.
    async fn client_of(&self, servers: &[ClusterRef]) -> Result<Client> {
        let mut reached = self.reached.lock().await;
        let reached = match &mut *reached {
            Some(reached) => reached,
            none => none.insert(self.open().await?),
        };
        let mut missing: Vec<ClusterRef> =
            servers.iter().filter(|one| !reached.servers.contains(one)).cloned().collect();
        if let Some((own, kubernetes)) = self.own_server()
            && let Some(at) = missing.iter().position(|one| one == own)
        {
            reached.client = reached.client.clone().with_cluster(own.clone(), kubernetes.backend());
            reached.servers.push(missing.swap_remove(at));
        }
        if !missing.is_empty() {
            let client = reached.client.clone();
            reached.client = match &mut reached.way {
                Way::Live(connection) => connection.reaching(client, &missing).await?,
                Way::Boto(live, connection) => {
                    let connection = match connection {
                        Some(connection) => connection,
                        none => none.insert(Box::new(live.connection().await?)),
                    };
                    connection.reaching(client, &missing).await?
                }
                Way::Sandbox(sandbox) => missing.iter().fold(client, |client, cluster| {
                    client.with_cluster(cluster.clone(), Arc::new(sandbox.cluster(cluster)))
                }),
            };
            reached.servers.extend(missing);
        }
        Ok(reached.client.clone())
    }

    /// The API server of the client's own cluster, where it was given.
    fn own_server(&self) -> Option<(&ClusterRef, &Kubernetes)> {
        match &self.origin {
            Origin::Live(live) => live.target.cluster.as_ref().zip(live.kubernetes.as_ref()),
            Origin::Memory(_) | Origin::File(_) => None,
        }
    }

    /// An error as it is to be told.
    pub(crate) fn explained(&self, error: Error) -> Error {
        match &self.boto {
            Some(backend) => backend.explained(error),
            None => error,
        }
    }

    async fn open(&self) -> Result<Reached> {
        let (way, client) = match &self.origin {
            Origin::Memory(sandbox) => of_sandbox(sandbox.clone()),
            Origin::File(path) => of_sandbox(self.opened(path)?),
            Origin::Live(live) => match &self.boto {
                Some(backend) => (Way::Boto(live.clone(), None), of_boto(backend, &live.target)),
                None => {
                    let connection = live.connection().await?;
                    let client = connection.client();
                    (Way::Live(Box::new(connection)), client)
                }
            },
        };
        Ok(Reached { way, client: client.with_timeout(self.timeout), servers: Vec::new() })
    }
}

fn of_boto(backend: &Arc<Boto3Backend>, target: &Target) -> Client {
    let client = Client::new(backend.clone(), backend.clone());
    match target.cluster.clone().zip(target.identity(backend.partition().clone())) {
        Some((cluster, identity)) => client.with_cluster_identity(cluster, identity),
        None => client,
    }
}

fn of_sandbox(sandbox: Sandbox) -> (Way, Client) {
    // Nobody can read the record from Python, and a service keeps its client for days.
    sandbox.faults().stop_recording();
    let client = Client::new(Arc::new(sandbox.clone()), Arc::new(sandbox.clone()));
    (Way::Sandbox(sandbox), client)
}
