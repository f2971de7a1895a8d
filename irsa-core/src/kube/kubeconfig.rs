//! Which context of a kubeconfig belongs to which EKS cluster, told by what the file says, never guessed.

use std::path::Path;

use ::kube::config::{Cluster, ExecConfig, Kubeconfig, KubeconfigError, NamedContext};

use crate::backend::{ClusterDescription, same_endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClusterArn, ClusterName, ClusterRef, Region};

/// The EKS cluster that a context belongs to, as far as the kubeconfig says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextCluster {
    /// The cluster, by ARN where the file has it, by name otherwise.
    pub cluster: ClusterRef,
    /// The region, where the file says it.
    pub region: Option<Region>,
}

/// Reads kubeconfig files and merges them as kubectl does: the first to set a name wins, missing files are skipped.
///
/// # Errors
/// `InvalidInput` when a file cannot be read or is no kubeconfig. The text of the file is never quoted, since it may hold
/// tokens.
pub fn read<P: AsRef<Path>>(files: &[P]) -> Result<Kubeconfig> {
    let mut merged = Kubeconfig::default();
    for file in files {
        let file = file.as_ref();
        let operation = || format!("cannot read the kubeconfig {}", file.display());
        merged = match Kubeconfig::read_from(file) {
            Ok(next) => merged.merge(next).map_err(|error| refused(operation(), &error))?,
            Err(KubeconfigError::ReadConfig(why, _)) if why.kind() == std::io::ErrorKind::NotFound => merged,
            Err(error) => return Err(refused(operation(), &error)),
        };
    }
    Ok(merged)
}

/// The EKS cluster of a context: its ARN, or the cluster that its credential plug-in asks a token for, or the name that
/// eksctl gave it. Nothing for any other cluster.
pub fn cluster_of_context(kubeconfig: &Kubeconfig, context: &str) -> Option<ContextCluster> {
    told(kubeconfig, kubeconfig.contexts.iter().find(|named| named.name == context)?)
}

/// The context that belongs to a cluster by its names or the arguments of its plug-in; the current one where it is among
/// several. `region` is that of a cluster given by name only; without it, contexts of several regions are no answer.
pub fn context_for_cluster(kubeconfig: &Kubeconfig, cluster: &ClusterRef, region: Option<&Region>) -> Option<String> {
    let region = match cluster {
        ClusterRef::Arn(arn) => Some(arn.region()),
        ClusterRef::Name(_) => region,
        ClusterRef::Issuer(_) => return None,
    };
    let mut fitting: Vec<(&str, ContextCluster)> = kubeconfig
        .contexts
        .iter()
        .filter_map(|named| Some((named.name.as_str(), told(kubeconfig, named)?)))
        .filter(|(_, found)| fits(found, cluster, region))
        .collect();
    // Those that say their region come before those that leave it to the surroundings.
    if region.is_some() && fitting.iter().any(|(_, found)| found.region.is_some()) {
        fitting.retain(|(_, found)| found.region.is_some());
    }
    let current = kubeconfig.current_context.as_deref();
    if let Some((name, _)) = fitting.iter().find(|(name, _)| Some(*name) == current) {
        return Some((*name).to_owned());
    }
    let (name, first) = fitting.first()?;
    let one_cluster = region.is_some() || fitting.iter().all(|(_, found)| found.region == first.region);
    one_cluster.then(|| (*name).to_owned())
}

/// The context that belongs to a cluster as EKS describes it: as [`context_for_cluster`], or the one with its endpoint.
pub fn context_for_description(kubeconfig: &Kubeconfig, described: &ClusterDescription) -> Option<String> {
    let by_name = context_for_cluster(kubeconfig, &ClusterRef::Arn(described.arn.clone()), None);
    by_name.or_else(|| context_for_endpoint(kubeconfig, described.endpoint.as_deref()?))
}

/// The context whose server is an endpoint; the current one where it is among several.
pub fn context_for_endpoint(kubeconfig: &Kubeconfig, endpoint: &str) -> Option<String> {
    let there = |named: &&NamedContext| {
        let server = cluster_entry(kubeconfig, named).and_then(|(_, cluster)| cluster.server.as_deref());
        server.is_some_and(|server| same_endpoint(server, endpoint))
    };
    let current = |named: &&NamedContext| Some(&named.name) == kubeconfig.current_context.as_ref();
    let mut found = kubeconfig.contexts.iter().filter(there).collect::<Vec<_>>();
    found.sort_by_key(|named| !current(named));
    found.first().map(|named| named.name.clone())
}

/// The error for a kubeconfig that cannot be used.
pub(super) fn refused(operation: String, error: &KubeconfigError) -> Error {
    let cause = match error {
        KubeconfigError::ReadConfig(why, _) => why.to_string(),
        // The parser quotes the lines around a fault, and these may hold tokens.
        KubeconfigError::Parse(why) => match why.location() {
            Some(place) => format!("line {}, column {}: this is no kubeconfig", place.line(), place.column()),
            None => "this is no kubeconfig".to_owned(),
        },
        error => error.to_string(),
    };
    Error::new(ErrorKind::InvalidInput, operation).with_cause(cause)
}

fn fits(found: &ContextCluster, cluster: &ClusterRef, region: Option<&Region>) -> bool {
    if let (ClusterRef::Arn(one), ClusterRef::Arn(other)) = (&found.cluster, cluster) {
        return one == other;
    }
    let regions_meet = match (found.region.as_ref(), region) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    found.cluster.name() == cluster.name() && regions_meet
}

/// What a context says of its cluster.
fn told(kubeconfig: &Kubeconfig, named: &NamedContext) -> Option<ContextCluster> {
    let context = named.context.as_ref()?;
    // `aws eks update-kubeconfig` names cluster, user and context by the ARN; an alias replaces only the last.
    for name in [&context.cluster, &named.name] {
        if let Ok(arn) = name.parse::<ClusterArn>() {
            let region = Some(arn.region().clone());
            return Some(ContextCluster { cluster: ClusterRef::Arn(arn), region });
        }
    }
    let server = cluster_entry(kubeconfig, named).and_then(|(_, cluster)| cluster.server.as_deref());
    let user = kubeconfig.auth_infos.iter().find(|user| Some(&user.name) == context.user.as_ref());
    let exec = user.and_then(|user| user.auth_info.as_ref()?.exec.as_ref());
    let by_plugin = exec.and_then(asked_by_plugin);
    let by_eksctl = eksctl_name(&context.cluster).or_else(|| eksctl_name(&named.name));
    let (name, region) = match (by_plugin, by_eksctl) {
        (Some((name, Some(region))), _) => (name, Some(region)),
        (Some((name, None)), Some((other, region))) if name == other => (name, Some(region)),
        (Some((name, None)), _) => (name, server.and_then(region_of_endpoint)),
        (None, Some((name, region))) => (name, Some(region)),
        (None, None) => return None,
    };
    Some(ContextCluster { cluster: ClusterRef::Name(name), region })
}

fn cluster_entry<'a>(kubeconfig: &'a Kubeconfig, named: &NamedContext) -> Option<(&'a str, &'a Cluster)> {
    let name = &named.context.as_ref()?.cluster;
    let entry = kubeconfig.clusters.iter().find(|entry| &entry.name == name)?;
    Some((entry.name.as_str(), entry.cluster.as_ref()?))
}

/// The cluster that a plug-in asks a token for, directly or behind a wrapper such as `aws-vault exec ... --`:
/// `aws eks get-token --cluster-name X` or `aws-iam-authenticator token -i X`.
fn asked_by_plugin(exec: &ExecConfig) -> Option<(ClusterName, Option<Region>)> {
    let words: Vec<&str> = exec.command.iter().chain(exec.args.iter().flatten()).map(String::as_str).collect();
    let program = |word: &str| word.rsplit(['/', '\\']).next().unwrap_or(word).trim_end_matches(".exe").to_owned();
    let at = words.iter().position(|word| {
        matches!(program(word).as_str(), "aws" | "aws-iam-authenticator" | "heptio-authenticator-aws")
    })?;
    let (of_aws, rest) = (program(words[at]) == "aws", &words[at + 1..]);
    let place = |wanted: &str| rest.iter().position(|word| *word == wanted);
    let name = if of_aws {
        (place("eks")? < place("get-token")?).then(|| option(rest, &["--cluster-name"]))??
    } else {
        place("token").and_then(|_| option(rest, &["-i", "--cluster-id"]))?
    };
    let variable = |wanted: &str| {
        let set = exec.env.iter().flatten().find(|set| set.get("name").is_some_and(|name| name == wanted))?;
        set.get("value").map(String::as_str)
    };
    let region =
        option(rest, &["--region"]).or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
    Some((ClusterName::new(name).ok()?, region.and_then(|region| Region::new(region).ok())))
}

/// The value of an option, `--name value` or `--name=value`; the last one counts.
fn option<'a>(words: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let mut given = words.iter().enumerate().filter_map(|(at, word)| {
        let (name, value) = word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
        names.contains(&name).then(|| value.or_else(|| words.get(at + 1).copied()))?
    });
    given.next_back()
}

/// Cluster and region of a name that eksctl makes: `[USER@]CLUSTER.REGION.eksctl.io`.
fn eksctl_name(name: &str) -> Option<(ClusterName, Region)> {
    let stem = name.strip_suffix(".eksctl.io")?;
    let (cluster, region) = stem.rsplit('@').next()?.split_once('.')?;
    Some((ClusterName::new(cluster).ok()?, Region::new(region).ok()?))
}

/// The region in an endpoint of EKS: `https://ID.SHARD.REGION.eks.amazonaws.com`.
fn region_of_endpoint(server: &str) -> Option<Region> {
    let host = server.strip_prefix("https://")?.split(['/', ':']).next()?;
    let stem = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".eks.amazonaws.com")?;
    Region::new(stem.rsplit('.').next()?).ok()
}
