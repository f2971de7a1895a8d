//! boto3 clients as back ends, in place of the SDK: whoever spies on his clients, wraps them or has moto answer them keeps
//! doing so. They are taken for what they can do; boto3 is not imported.

mod answer;
mod call;
mod failed;
mod iam;
mod identity;

use std::sync::Arc;

/// Keywords of a method, from pairs.
macro_rules! keywords {
    ($($key:literal: $value:expr),* $(,)?) => {
        crate::boto::call::Keywords::from_iter([$(($key.to_owned(), serde_json::json!($value))),*])
    };
}
use keywords;

use irsa_core::name::{Partition, Region};
use irsa_core::{Error, ErrorKind};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

pub(crate) use self::call::AT_ONCE;
use self::call::Calls;
use crate::argument::unreadable;
use crate::error::{Result, invalid};

/// A client, and the argument that it came by.
#[derive(Clone, Debug)]
struct Boto3Client {
    argument: &'static str,
    client: Arc<Py<PyAny>>,
    /// That of its `meta`, where it has one.
    region: Option<Region>,
    partition: Option<Partition>,
}

impl Boto3Client {
    /// `methods` are what it must have to be a client of the service.
    fn new(argument: &'static str, client: &Bound<'_, PyAny>, methods: &[&str]) -> Result<Self> {
        for method in methods {
            let has = client.hasattr(method);
            if !has.map_err(|error| unreadable(argument, "cannot be read", error, client.py()))? {
                let found = client.get_type().name()?;
                let service = argument.to_uppercase();
                let what = format!("{argument}: must be a boto3 client of {service}, not {found}: it has no {method}");
                return Err(PyTypeError::new_err(what).into());
            }
        }
        let meta = |name: &str| client.getattr("meta").and_then(|meta| meta.getattr(name)?.extract::<String>()).ok();
        Ok(Self {
            argument,
            client: Arc::new(client.clone().unbind()),
            region: meta("region_name").and_then(|region| Region::new(region).ok()),
            partition: meta("partition").and_then(|partition| partition.parse().ok()),
        })
    }
}

/// The clients that were given.
#[derive(Clone, Debug)]
pub(crate) struct Boto3Clients {
    iam: Boto3Client,
    eks: Option<Boto3Client>,
    sts: Option<Boto3Client>,
}

impl Boto3Clients {
    /// Nothing where none was given. `described` is whether issuer and account stand in place of asking EKS.
    ///
    /// # Errors
    /// TypeError for what is no client of its service; `InvalidInput` where one is missing.
    pub(crate) fn of_arguments(
        iam: Option<&Bound<'_, PyAny>>,
        eks: Option<&Bound<'_, PyAny>>,
        sts: Option<&Bound<'_, PyAny>>,
        described: bool,
    ) -> Result<Option<Self>> {
        let client = |argument, client: Option<&Bound<'_, PyAny>>, methods: &[&str]| {
            client.map(|client| Boto3Client::new(argument, client, methods)).transpose()
        };
        let eks = client("eks", eks, &["describe_cluster"])?;
        let sts = client("sts", sts, &["get_caller_identity"])?;
        match client("iam", iam, &["get_role", "create_role"])? {
            Some(_) if eks.is_none() && !described => {
                let what = "eks: a boto3 client of EKS is needed beside iam, since the cluster must be described";
                Err(Error::new(ErrorKind::InvalidInput, what)
                    .with_hint("give it, or give issuer and account in place of asking EKS")
                    .into())
            }
            Some(iam) => Ok(Some(Self { iam, eks, sts })),
            None if eks.is_some() || sts.is_some() => {
                let given = if eks.is_some() { "eks" } else { "sts" };
                Err(invalid(format!("iam: a boto3 client of IAM is needed beside {given}")))
            }
            None => Ok(None),
        }
    }

    /// The region whose clusters are found by name.
    pub(crate) fn region(&self) -> Option<&Region> {
        self.eks.as_ref().and_then(|eks| eks.region.as_ref())
    }

    /// The clients themselves.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Py<PyAny>> {
        [Some(&self.iam), self.eks.as_ref(), self.sts.as_ref()].into_iter().flatten().map(|one| one.client.as_ref())
    }

    fn partition(&self) -> Partition {
        let told = self.iam.partition.clone().or_else(|| self.eks.as_ref()?.partition.clone());
        told.unwrap_or_else(|| Partition::of_region(self.region().map(Region::as_str).unwrap_or_default()))
    }
}

/// EKS, STS and IAM through boto3 clients.
#[derive(Debug)]
pub(crate) struct Boto3Backend {
    clients: Boto3Clients,
    partition: Partition,
    calls: Calls,
}

impl Boto3Backend {
    pub(crate) fn new(clients: Boto3Clients) -> Self {
        let partition = clients.partition();
        Self { clients, partition, calls: Calls::default() }
    }

    /// The partition of the account.
    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// An error that came up while a client kept its answer to itself says which one.
    pub(crate) fn explained(&self, error: Error) -> Error {
        match self.calls.running() {
            Some(running) if error.kind() == ErrorKind::Timeout => {
                error.during(format!("{running} of the boto3 client has not returned"))
            }
            _ => error,
        }
    }
}
