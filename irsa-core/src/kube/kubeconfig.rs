//! Which context of a kubeconfig belongs to which EKS cluster, told by what the file says, never guessed.

use std::path::Path;

use ::kube::config::{Cluster, Kubeconfig, KubeconfigError, NamedContext};

use super::eks_plugin;
pub use super::eks_plugin::{ContextPlugin, EksTokenRequest, PluginCredentials, PluginRole, plugin_of_context};
use crate::backend::{ClusterDescription, same_endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{ClusterArn, ClusterName, ClusterRef, EksHost, Region};
use crate::text::{did_you_mean, nearest, shown};

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
            Ok(next) => merged.merge(without_empty_paths(next, file)).map_err(|error| refused(operation(), &error))?,
            Err(KubeconfigError::ReadConfig(why, _)) if why.kind() == std::io::ErrorKind::NotFound => merged,
            Err(error) => return Err(refused(operation(), &error)),
        };
    }
    Ok(merged)
}

/// Without the paths that were empty: they count as none, but kube has joined them to the folder of the file.
fn without_empty_paths(mut kubeconfig: Kubeconfig, file: &Path) -> Kubeconfig {
    let Some(joined) = file.parent().map(|folder| folder.join("")) else { return kubeconfig };
    let clear = |path: &mut Option<String>| {
        *path = path.take().filter(|path| joined.to_str() != Some(path.as_str()));
    };
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|entry| entry.cluster.as_mut()) {
        clear(&mut cluster.certificate_authority);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|entry| entry.auth_info.as_mut()) {
        clear(&mut user.client_certificate);
        clear(&mut user.client_key);
        clear(&mut user.token_file);
    }
    kubeconfig
}

/// The context of a name, by default the current one.
///
/// # Errors
/// `InvalidInput` when it does not exist, with the nearest names as hint.
pub fn find_context<'a>(kubeconfig: &'a Kubeconfig, name: Option<&str>) -> Result<&'a NamedContext> {
    let current = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect();
    let Some(wanted) = name.or(current) else {
        return Err(Error::new(ErrorKind::InvalidInput, "the kubeconfig has no current context")
            .with_context("field", "current-context")
            .with_cause(lists("context", "", &names))
            .with_hint(Hint::NameContext));
    };
    let found = kubeconfig.contexts.iter().find(|named| named.name == wanted);
    found.ok_or_else(|| {
        let what = if name.is_some() { "context" } else { "the current context" };
        Error::new(ErrorKind::InvalidInput, format!("{what} {} does not exist", shown(wanted)))
            .with_context("field", if name.is_some() { "context" } else { "current-context" })
            .with_context("value", wanted)
            .with_hint(lists("context", wanted, &names))
    })
}

/// Which entries of a kubeconfig could be meant by a name that it does not have: the nearest ones, else all.
pub(super) fn lists(what: &str, wanted: &str, names: &[&str]) -> String {
    const MAX_LISTED: usize = 5;
    match did_you_mean(&nearest(wanted, names.iter().copied())) {
        Some(hint) if !wanted.is_empty() => hint,
        _ if names.is_empty() => format!("the kubeconfig has no {what}s"),
        _ if names.len() <= MAX_LISTED => {
            let names: Vec<_> = names.iter().map(|name| shown(name)).collect();
            let plural = if names.len() == 1 { "" } else { "s" };
            format!("the kubeconfig has the {what}{plural} {}", names.join(", "))
        }
        _ => format!("`kubectl config get-{what}s` lists the {} that exist", names.len()),
    }
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
    Error::new(ErrorKind::InvalidInput, operation)
        .with_cause(cause)
        .with_hint("`kubectl config view` reads the same files: mend this one, or name another")
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
    let by_plugin = exec.and_then(eks_plugin::cluster_of);
    let by_eksctl = eksctl_name(&context.cluster).or_else(|| eksctl_name(&named.name));
    let (name, region) = match (by_plugin, by_eksctl) {
        (Some((name, Some(region))), _) => (name, Some(region)),
        (Some((name, None)), Some((other, region))) if name == other => (name, Some(region)),
        (Some((name, None)), _) => (name, server.and_then(EksHost::of_endpoint).map(|host| host.region)),
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

/// Cluster and region of a name that eksctl makes: `[USER@]CLUSTER.REGION.eksctl.io`.
fn eksctl_name(name: &str) -> Option<(ClusterName, Region)> {
    let stem = name.strip_suffix(".eksctl.io")?;
    let (cluster, region) = stem.rsplit('@').next()?.split_once('.')?;
    Some((ClusterName::new(cluster).ok()?, Region::new(region).ok()?))
}

#[cfg(test)]
mod tests {
    use ::kube::config::ExecConfig;

    use super::*;

    /// As `aws eks update-kubeconfig` (once plain, once with `--alias`), eksctl, and people write it.
    const FILE: &str = r"
apiVersion: v1
kind: Config
preferences: {}
current-context: jane@demo.us-west-2.eksctl.io
clusters:
- {name: 'arn:aws:eks:us-east-1:123456789012:cluster/demo', cluster: {server: 'https://A.gr7.us-east-1.eks.amazonaws.com', certificate-authority-data: LS0t}}
- {name: 'arn:aws:eks:us-east-1:123456789012:cluster/blue', cluster: {server: 'https://B.gr7.us-east-1.eks.amazonaws.com'}}
- {name: demo.us-west-2.eksctl.io, cluster: {server: 'https://C.gr7.us-west-2.eks.amazonaws.com'}}
- {name: own, cluster: {server: 'https://D.yl4.eu-west-1.eks.amazonaws.com'}}
- {name: kind-x, cluster: {server: 'https://127.0.0.1:6443'}}
contexts:
- {name: 'arn:aws:eks:us-east-1:123456789012:cluster/demo', context: {cluster: 'arn:aws:eks:us-east-1:123456789012:cluster/demo', user: 'arn:aws:eks:us-east-1:123456789012:cluster/demo'}}
- {name: blue-alias, context: {cluster: 'arn:aws:eks:us-east-1:123456789012:cluster/blue', user: none}}
- {name: jane@demo.us-west-2.eksctl.io, context: {cluster: demo.us-west-2.eksctl.io, user: jane@demo.us-west-2.eksctl.io}}
- {name: own-authenticator, context: {cluster: own, user: authenticator}}
- {name: own-vault, context: {cluster: own, user: vault}}
- {name: own-region, context: {cluster: kind-x, user: variables}}
- {name: kind-x, context: {cluster: kind-x, user: kind}}
- {name: half}
users:
- name: arn:aws:eks:us-east-1:123456789012:cluster/demo
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: aws
      args: [--region, us-east-1, eks, get-token, --cluster-name, demo, --output, json]
      env: [{name: AWS_PROFILE, value: dev}]
- name: jane@demo.us-west-2.eksctl.io
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: aws
      args: [eks, get-token, --output, json, --cluster-name, demo, --region, us-west-2]
      env: [{name: AWS_STS_REGIONAL_ENDPOINTS, value: regional}]
      interactiveMode: IfAvailable
      provideClusterInfo: false
- name: authenticator
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: /usr/local/bin/aws-iam-authenticator, args: [token, -i, green]}
- name: vault
  user:
    exec:
      command: aws-vault
      args: [exec, dev, --, aws, eks, get-token, --cluster-name=white]
- name: variables
  user:
    exec:
      command: aws-iam-authenticator
      args: [token, --cluster-id=red, -r, 'arn:aws:iam::123456789012:role/x']
      env: [{name: AWS_STS_REGIONAL_ENDPOINTS, value: regional}, {name: AWS_DEFAULT_REGION, value: eu-north-1}]
- name: kind
  user: {client-certificate-data: LS0t, client-key-data: LS0t}
";
    const DEMO: &str = "arn:aws:eks:us-east-1:123456789012:cluster/demo";
    const EKSCTL: &str = "jane@demo.us-west-2.eksctl.io";

    fn file() -> Kubeconfig {
        Kubeconfig::from_yaml(FILE).unwrap()
    }

    fn found(context: &str) -> Option<(String, Option<String>)> {
        let found = cluster_of_context(&file(), context)?;
        Some((found.cluster.to_string(), found.region.map(String::from)))
    }

    fn context(cluster: &str, region: Option<&str>) -> Option<String> {
        let region = region.map(|region| Region::new(region).unwrap());
        context_for_cluster(&file(), &cluster.parse().unwrap(), region.as_ref())
    }

    #[test]
    fn a_context_says_which_cluster_it_belongs_to() {
        let told = |cluster: &str, region: &str| Some((cluster.to_owned(), Some(region.to_owned())));
        assert_eq!(found(DEMO), told(DEMO, "us-east-1"));
        assert_eq!(found("blue-alias"), told("arn:aws:eks:us-east-1:123456789012:cluster/blue", "us-east-1"));
        assert_eq!(found(EKSCTL), told("demo", "us-west-2"));
        // The plug-in names no region, but the endpoint does.
        assert_eq!(found("own-authenticator"), told("green", "eu-west-1"));
        assert_eq!(found("own-vault"), told("white", "eu-west-1"));
        assert_eq!(found("own-region"), told("red", "eu-north-1"));
        for other in ["kind-x", "half", "missing", ""] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn a_cluster_finds_its_context() {
        assert_eq!(context(DEMO, None).as_deref(), Some(DEMO));
        assert_eq!(context("demo", Some("us-east-1")).as_deref(), Some(DEMO));
        assert_eq!(context("demo", Some("us-west-2")).as_deref(), Some(EKSCTL));
        assert_eq!(context("demo", Some("eu-west-1")), None);
        // Both clusters have the name; the current context decides.
        assert_eq!(context("demo", None).as_deref(), Some(EKSCTL));
        assert_eq!(context("green", None).as_deref(), Some("own-authenticator"));
        // A context with another ARN is another cluster, and one that gives no account may be this one.
        assert_eq!(context("arn:aws:eks:us-east-1:999999999999:cluster/demo", None), None);
        assert_eq!(context("arn:aws:eks:us-west-2:999999999999:cluster/demo", None).as_deref(), Some(EKSCTL));
        assert_eq!(context("https://oidc.eks.us-east-1.amazonaws.com/id/A", None), None);
        assert_eq!(context("nope", None), None);
    }

    #[test]
    fn several_regions_without_a_current_one_are_no_answer() {
        let mut file = file();
        file.current_context = None;
        assert_eq!(context_for_cluster(&file, &"demo".parse().unwrap(), None), None);
        let region = Region::new("us-west-2").unwrap();
        let found = context_for_cluster(&file, &"demo".parse().unwrap(), Some(&region));
        assert_eq!(found.as_deref(), Some(EKSCTL));
    }

    #[test]
    fn an_endpoint_of_any_form_tells_the_region() {
        for (server, region) in [
            ("https://D.yl4.eu-west-1.eks.amazonaws.com", Some("eu-west-1")),
            ("https://D.eks-cluster.eu-west-1.api.aws", Some("eu-west-1")),
            ("https://D.sk1.cn-north-1.eks.amazonaws.com.cn", Some("cn-north-1")),
            ("https://D.eks-cluster.cn-north-1.api.amazonwebservices.com.cn", Some("cn-north-1")),
            ("https://tunnel.example", None),
        ] {
            let mut file = file();
            let own = file.clusters.iter_mut().find(|cluster| cluster.name == "own").unwrap();
            own.cluster.as_mut().unwrap().server = Some(server.to_owned());
            let found = cluster_of_context(&file, "own-authenticator").unwrap();
            assert_eq!(found.region.map(|region| region.to_string()).as_deref(), region, "{server}");
        }
    }

    #[test]
    fn an_endpoint_finds_its_context() {
        let at = |endpoint: &str| context_for_endpoint(&file(), endpoint);
        assert_eq!(at("https://b.gr7.us-east-1.eks.amazonaws.com/").as_deref(), Some("blue-alias"));
        assert_eq!(at("https://nowhere.example"), None);
        let described = ClusterDescription {
            arn: "arn:aws:eks:eu-west-1:123456789012:cluster/other".parse().unwrap(),
            status: "ACTIVE".to_owned(),
            issuer: None,
            endpoint: Some("https://D.yl4.eu-west-1.eks.amazonaws.com".to_owned()),
            certificate_authority: None,
            outpost: false,
        };
        assert_eq!(context_for_description(&file(), &described).as_deref(), Some("own-authenticator"));
    }

    #[test]
    fn other_programs_and_broken_arguments_say_nothing() {
        for (command, args) in [
            ("aws", &["eks", "get-token", "--cluster-name"][..]),
            ("aws", &["eks", "describe-cluster", "--cluster-name", "demo"]),
            ("aws", &["get-token", "eks", "--cluster-name", "demo"]),
            ("aws", &["eks", "get-token", "--cluster-name", "-not a name-"]),
            ("aws", &["eks", "get-token", "--cluster-id", "0f0f"]),
            ("aws-iam-authenticator", &["init", "-i", "demo"]),
            ("gke-gcloud-auth-plugin", &["token", "-i", "demo"]),
            ("sh", &["-c", "aws eks get-token --cluster-name demo"]),
        ] {
            let args = Some(args.iter().map(|arg| (*arg).to_owned()).collect());
            let exec = ExecConfig { command: Some(command.to_owned()), args, ..ExecConfig::default() };
            assert_eq!(eks_plugin::cluster_of(&exec), None, "{exec:?}");
        }
    }

    #[test]
    fn files_are_merged_and_missing_ones_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n").unwrap();
        std::fs::write(&two, "current-context: b\ncontexts: [{name: a}, {name: b}]\n").unwrap();
        let merged = read(&[folder.path().join("missing"), one, two]).unwrap();
        assert_eq!(merged.current_context.as_deref(), Some("a"));
        assert_eq!(merged.contexts.iter().map(|named| named.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(merged.contexts[0].context.is_some());
    }

    #[test]
    fn paths_are_seen_from_the_file_and_empty_ones_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let users = "users: [{name: u, user: {tokenFile: '', client-certificate: '', client-key: key}}]";
        std::fs::write(&file, format!("clusters: [{{name: c, cluster: {{certificate-authority: ''}}}}]\n{users}\n"))
            .unwrap();
        let read = read(&[&file]).unwrap();
        assert_eq!(read.clusters[0].cluster.as_ref().unwrap().certificate_authority, None);
        let user = read.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!((&user.token_file, &user.client_certificate), (&None, &None));
        assert_eq!(user.client_key.as_deref(), folder.path().join("key").to_str());
    }

    #[test]
    fn a_broken_file_is_refused_without_quoting_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        for text in
            ["users:\n- name: u\n  user: {token: s3cr3t, exec: 7}\n", "users: s3cr3t\n", "a: [s3cr3t\n", "\u{0}"]
        {
            std::fs::write(&file, text).unwrap();
            let error = read(&[&file]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let shown = format!("{error} {error:?} {:?}", error.causes());
            assert!(shown.contains("config") && !shown.contains("s3cr3t"), "{shown}");
        }
        let error = read(&[folder.path()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
