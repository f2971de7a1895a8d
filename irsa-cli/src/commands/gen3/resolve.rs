//! Which environment and cluster are meant: what variables and kubeconfig tell, and the config map that tells the rest.

use irsa_core::backend::ConfigMapReader;
use irsa_core::connect::{Environment, Target};
use irsa_core::name::{ClusterName, ClusterRef, Namespace};
use irsa_core::{Client, Error, ErrorKind, Result};

use super::request::{Asked, Wish};
use crate::connect::Connect;

/// The variable with the name of the environment.
pub(crate) const VPC_NAME: &str = "vpc_name";
/// The variable with the namespace.
const KUBECTL_NAMESPACE: &str = "KUBECTL_NAMESPACE";
/// The config map, and the key in it, with the name of the environment.
const CONFIG_MAP: (&str, &str) = ("global", "environment");

const UNKNOWN: &str = "cannot tell the gen3 environment";
const SET_IT: &str = "set the variable vpc_name";

/// The namespace that the environment lives in, and service accounts unless `-n` says otherwise.
pub(super) fn namespace_of(environment: &Environment, target: &Target) -> Result<String> {
    if let Some(namespace) = environment.variable(KUBECTL_NAMESPACE) {
        return Ok(namespace.to_owned());
    }
    Ok(target.context_namespace(environment)?.unwrap_or_else(|| "default".to_owned()))
}

/// A client for what is asked, once it is known where; the config map is read where nothing else tells.
///
/// The error says whether it came before any call.
pub(super) async fn settle(
    wish: &Wish,
    environment: &Environment,
    target: &Target,
    connect: &dyn Connect,
) -> Result<(Client, Asked), (bool, Error)> {
    let early = |error| (true, error);
    let late = |error| (false, error);
    match (&target.cluster, &wish.unread) {
        (Some(cluster), None) => {
            let mut asked = wish.asked(cluster, None);
            let client = connect.connect(environment, target, &servers(&mut asked)).await.map_err(early)?;
            Ok((client, asked))
        }
        (Some(cluster), Some(namespace)) => {
            let mut servers = servers(&mut wish.asked(cluster, None));
            if !servers.contains(cluster) {
                servers.push(cluster.clone());
            }
            let client = connect.connect(environment, target, &servers).await.map_err(early)?;
            let server = client.cluster_backend(cluster);
            let Some(maps) = server.as_deref().and_then(|server| server.config_maps()) else {
                return Err(late(Error::new(ErrorKind::Unexpected, UNKNOWN).with_cause("no API server was reached")));
            };
            let read = read(maps, namespace).await.map_err(late)?;
            // Where there is no such map, the environment has the name of the cluster that was named.
            if read.is_none() && cluster.name().is_none() {
                return Err(late(no_map(namespace)));
            }
            Ok((client, wish.asked(cluster, read)))
        }
        (None, Some(namespace)) => {
            let server = connect.server(environment, target).await;
            let server = server.map_err(|error| early(error.during(UNKNOWN).with_hint(SET_IT)))?;
            let read = read(server.as_ref(), namespace).await.map_err(late)?;
            let name = read.ok_or_else(|| late(no_map(namespace)))?;
            let cluster = ClusterRef::Name(name.clone());
            let mut asked = wish.asked(&cluster, Some(name));
            let mut target = target.clone();
            target.cluster = Some(cluster);
            let client = connect.connect(environment, &target, &servers(&mut asked)).await.map_err(early)?;
            Ok((client, asked))
        }
        (None, None) => Err(early(Error::new(ErrorKind::InvalidInput, UNKNOWN).with_hint(SET_IT))),
    }
}

/// The name of the environment, as the config map tells it.
async fn read(server: &dyn ConfigMapReader, namespace: &Namespace) -> Result<Option<ClusterName>> {
    let (map, key) = CONFIG_MAP;
    let value = server.config_value(namespace, map, key).await;
    let value = value.map_err(|error| error.during(UNKNOWN).with_hint(SET_IT))?;
    let value = value.filter(|value| !value.is_empty());
    let name = value.map(ClusterName::new).transpose();
    name.map_err(|invalid| {
        Error::from(invalid).during(format!("key {key} of config map {namespace}/{map} names no environment"))
    })
}

fn no_map(namespace: &Namespace) -> Error {
    let (map, key) = CONFIG_MAP;
    let cause =
        format!("the variable {VPC_NAME} is not set, and there is no key {key} in a config map {namespace}/{map}");
    Error::new(ErrorKind::NotFound, UNKNOWN)
        .with_cause(cause)
        .with_hint(format!("{SET_IT}, or name the cluster: --cluster"))
}

/// The clusters whose API servers are needed.
fn servers(asked: &mut Asked) -> Vec<ClusterRef> {
    if let Asked::Bind(request) = asked {
        return if request.binding.role_only { Vec::new() } else { request.clusters() };
    }
    vec![asked.binding_mut().cluster.clone()]
}
