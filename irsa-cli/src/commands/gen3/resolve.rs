//! Finds the gen3 environment and the cluster of a request, and connects to it.

use irsa_core::backend::ConfigMapReader;
use irsa_core::connect::Target;
use irsa_core::name::{ClusterName, ClusterRef, Namespace};
use irsa_core::{Client, Error, ErrorKind, Result};

use super::environment::VPC_NAME;
use super::request::{Gen3Request, ResolvedRequest};
use crate::answer::Failure;
use crate::commands::Context;

/// Config map and key with the name of the gen3 environment.
const CONFIG_MAP: (&str, &str) = ("global", "environment");

const UNKNOWN: &str = "cannot tell the gen3 environment";
const SET_IT: &str = "set the variable vpc_name";

/// Connects to the cluster of a request; reads the config map if nothing else names the environment.
pub(super) async fn resolve(
    request: &Gen3Request,
    context: &Context<'_>,
    target: &Target,
) -> Result<(Client, ResolvedRequest), Failure> {
    let environment = &context.process.environment;
    let connect = async |target: &Target, servers: &[ClusterRef]| {
        context.connect.connect(environment, target, servers).await.map_err(Failure::before_any_call)
    };
    match (&target.cluster, &request.config_map_namespace) {
        (Some(cluster), None) => {
            let resolved = request.resolve(cluster, None);
            Ok((connect(target, &servers(&resolved)).await?, resolved))
        }
        (Some(cluster), Some(namespace)) => {
            let mut servers = servers(&request.resolve(cluster, None));
            if !servers.contains(cluster) {
                servers.push(cluster.clone());
            }
            let client = connect(target, &servers).await?;
            let server = client.cluster_backend(cluster);
            let Some(config_maps) = server.as_deref().and_then(|server| server.config_maps()) else {
                let error = Error::new(ErrorKind::Unexpected, UNKNOWN).with_cause("no API server is connected");
                return Err(Failure::after_a_call(error));
            };
            let name = read_config_map(config_maps, namespace).await.map_err(Failure::after_a_call)?;
            // Without the config map, the environment has the name of the cluster.
            if name.is_none() && cluster.name().is_none() {
                return Err(Failure::after_a_call(no_config_map(namespace)));
            }
            Ok((client, request.resolve(cluster, name)))
        }
        (None, Some(namespace)) => {
            let server = context.connect.server(environment, target).await;
            let server = server.map_err(|error| Failure::before_any_call(error.during(UNKNOWN).with_hint(SET_IT)))?;
            let name = read_config_map(server.as_ref(), namespace).await.map_err(Failure::after_a_call)?;
            let name = name.ok_or_else(|| Failure::after_a_call(no_config_map(namespace)))?;
            let cluster = ClusterRef::Name(name.clone());
            let resolved = request.resolve(&cluster, Some(name));
            let mut target = target.clone();
            target.cluster = Some(cluster);
            Ok((connect(&target, &servers(&resolved)).await?, resolved))
        }
        (None, None) => {
            let error = Error::new(ErrorKind::InvalidInput, UNKNOWN).with_hint(SET_IT);
            Err(Failure::before_any_call(error))
        }
    }
}

/// Name of the environment in the config map.
async fn read_config_map(server: &dyn ConfigMapReader, namespace: &Namespace) -> Result<Option<ClusterName>> {
    let (map, key) = CONFIG_MAP;
    let value = server.config_value(namespace, map, key).await;
    let value = value.map_err(|error| error.during(UNKNOWN).with_hint(SET_IT))?;
    let value = value.filter(|value| !value.is_empty());
    let name = value.map(ClusterName::new).transpose();
    name.map_err(|invalid| {
        Error::from(invalid)
            .during(format!("key {key} of config map {namespace}/{map} is not the name of an environment"))
    })
}

fn no_config_map(namespace: &Namespace) -> Error {
    let (map, key) = CONFIG_MAP;
    let cause = format!("variable {VPC_NAME} is not set, and config map {namespace}/{map} has no key {key}");
    Error::new(ErrorKind::NotFound, UNKNOWN)
        .with_cause(cause)
        .with_hint(format!("{SET_IT}, or name the cluster with --cluster"))
}

/// Clusters whose API servers are needed.
fn servers(request: &ResolvedRequest) -> Vec<ClusterRef> {
    match request {
        ResolvedRequest::Bind(request) if request.binding.role_only => Vec::new(),
        ResolvedRequest::Bind(request) => request.clusters(),
        ResolvedRequest::Get(binding) => vec![binding.cluster.clone()],
    }
}
