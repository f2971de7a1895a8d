//! API servers: by kubeconfig, from a pod, or through EKS itself.

use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use irsa_core::aws::EksTokenSource;
use irsa_core::backend::ClusterBackend;
use irsa_core::kube::kubeconfig::{cluster_of_context, context_for_cluster, context_for_description};
use irsa_core::kube::{KubeCluster, Proxy};
use irsa_core::name::{ClusterRef, Region};
use irsa_core::{Client, Error, ErrorKind, Result};
use kube::config::Kubeconfig;

use super::Target;
use crate::environment::Environment;

/// What decides how an API server is reached.
pub(super) struct Surroundings<'a> {
    pub(super) environment: &'a Environment,
    pub(super) target: &'a Target,
    pub(super) config: &'a SdkConfig,
    /// The region of clusters that are given by name.
    pub(super) region: Region,
}

/// The way to an API server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// A context of the kubeconfig, by default the current one.
    Context(Option<String>),
    Pod,
    Eks,
}

/// Gives the client the API servers of these clusters.
pub(super) async fn connect(client: Client, around: &Surroundings<'_>, servers: &[ClusterRef]) -> Result<Client> {
    let kubeconfig = around.target.kubeconfig(around.environment)?;
    let mut connected = client.clone();
    for cluster in servers {
        let way = match by_file(around, kubeconfig, cluster) {
            Some(way) => way,
            None => by_description(&client, around, kubeconfig, cluster).await,
        };
        let way = spared(way, around, kubeconfig, cluster);
        let server = match way {
            Way::Context(context) => {
                let chosen = around.target.kubeconfig_is_chosen();
                KubeCluster::from_kubeconfig(kubeconfig.clone(), context.as_deref(), chosen).await?
            }
            Way::Pod => KubeCluster::in_cluster()?,
            Way::Eks => through_eks(&client, around, cluster)?,
        };
        connected = connected.with_cluster(cluster.clone(), Arc::new(server.with_proxy(proxy(around.environment))));
    }
    Ok(connected)
}

/// The API server of the context that was named, else of the current one, else that of the pod we run in.
pub(super) async fn current_server(environment: &Environment, target: &Target) -> Result<Arc<dyn ClusterBackend>> {
    let kubeconfig = target.kubeconfig(environment)?;
    let server = if target.context.is_some() || current(kubeconfig).is_some() {
        let (context, chosen) = (target.context.as_deref(), target.kubeconfig_is_chosen());
        KubeCluster::from_kubeconfig(kubeconfig.clone(), context, chosen).await?
    } else if environment.variable("KUBERNETES_SERVICE_HOST").is_some() {
        KubeCluster::in_cluster()?
    } else {
        return Err(Error::new(ErrorKind::InvalidInput, "there is no API server to ask")
            .with_cause("there is no kubeconfig with a current context, and we run in no pod"));
    };
    Ok(Arc::new(server.with_proxy(proxy(environment))))
}

/// The way that options and kubeconfig tell without a call; nothing where only EKS can tell which context it is.
fn by_file(around: &Surroundings<'_>, kubeconfig: &Kubeconfig, cluster: &ClusterRef) -> Option<Way> {
    let target = around.target;
    let own = Some(cluster) == target.cluster.as_ref();
    if let (Some(context), true) = (&target.context, own) {
        return Some(Way::Context(Some(context.clone())));
    }
    if let Some(context) = context_for_cluster(kubeconfig, cluster, Some(&around.region)) {
        return Some(Way::Context(Some(context)));
    }
    let contexts = &kubeconfig.contexts;
    let silent = contexts.iter().filter(|named| cluster_of_context(kubeconfig, &named.name).is_none()).count();
    // One context that tells nothing needs no endpoint to be chosen: it is the current one, or none is.
    let one_is_current =
        silent == 1 && current(kubeconfig).is_some_and(|name| cluster_of_context(kubeconfig, name).is_none());
    let asks = target.given.is_none() || !own;
    if asks && silent > 0 && !(own && one_is_current) {
        return None;
    }
    Some(otherwise(around, kubeconfig, cluster))
}

/// EKS itself in place of a context whose credential plug-in is not installed, as `aws` often is not; a context or file
/// that the user named is taken at its word.
fn spared(way: Way, around: &Surroundings<'_>, kubeconfig: &Kubeconfig, cluster: &ClusterRef) -> Way {
    let told = around.target.context.is_some() || around.target.kubeconfig_is_chosen() || around.target.given.is_some();
    match &way {
        Way::Context(Some(context)) if !told && cluster.name().is_some() => {
            match plugin(kubeconfig, context).filter(|program| !installed(program, around.environment)) {
                Some(_) => Way::Eks,
                None => way,
            }
        }
        _ => way,
    }
}

/// The credential plug-in that a context runs.
fn plugin<'a>(kubeconfig: &'a Kubeconfig, context: &str) -> Option<&'a str> {
    let user = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?.user.as_ref()?;
    let auth = kubeconfig.auth_infos.iter().find(|named| named.name == *user)?.auth_info.as_ref()?;
    auth.exec.as_ref()?.command.as_deref()
}

fn installed(program: &str, environment: &Environment) -> bool {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return path.exists();
    }
    std::env::split_paths(environment.variable("PATH").unwrap_or_default()).any(|folder| folder.join(path).exists())
}

/// The context with the endpoint that EKS tells.
async fn by_description(
    client: &Client,
    around: &Surroundings<'_>,
    kubeconfig: &Kubeconfig,
    cluster: &ClusterRef,
) -> Way {
    // A failure comes again, and in better words, when the binding is read.
    let described = client.identity_backend().cluster(cluster).await.ok().flatten();
    match described.and_then(|described| context_for_description(kubeconfig, &described)) {
        Some(context) => Way::Context(Some(context)),
        None => otherwise(around, kubeconfig, cluster),
    }
}

/// The way where no context is known to be that of the cluster. For clusters of further subjects that is EKS alone.
fn otherwise(around: &Surroundings<'_>, kubeconfig: &Kubeconfig, cluster: &ClusterRef) -> Way {
    let chosen = around.target.kubeconfig_is_chosen();
    // A context that says that it is another cluster cannot be right; an issuer is told by the API server alone.
    let by_issuer = matches!(cluster, ClusterRef::Issuer(_));
    let may_be = current(kubeconfig).is_some_and(|name| by_issuer || cluster_of_context(kubeconfig, name).is_none());
    match Some(cluster) == around.target.cluster.as_ref() {
        true if chosen || may_be => Way::Context(None),
        true if around.environment.variable("KUBERNETES_SERVICE_HOST").is_some() => Way::Pod,
        _ => Way::Eks,
    }
}

fn current(kubeconfig: &Kubeconfig) -> Option<&str> {
    let name = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty())?;
    kubeconfig.contexts.iter().any(|named| named.name == name).then_some(name)
}

fn through_eks(client: &Client, around: &Surroundings<'_>, cluster: &ClusterRef) -> Result<KubeCluster> {
    let known = around.target.given.is_none() || Some(cluster) != around.target.cluster.as_ref();
    let (Some(name), true) = (cluster.name(), known) else {
        let operation = format!("cannot tell how to reach the API server of cluster {cluster}");
        return Err(Error::new(ErrorKind::InvalidInput, operation)
            .with_cause("EKS is not asked where the issuer is given, and no kubeconfig leads there")
            .with_hint(
                "name a kubeconfig or a context (--kubeconfig, --context), or make the role alone (--role-only)",
            ));
    };
    let region = match cluster {
        ClusterRef::Arn(arn) => arn.region().clone(),
        _ => around.region.clone(),
    };
    let tokens = EksTokenSource::new(around.config, name.clone(), region)?;
    Ok(KubeCluster::from_eks(client.identity_backend(), cluster.clone(), Arc::new(tokens)))
}

/// The proxy that kubectl would take.
fn proxy(environment: &Environment) -> Proxy {
    let either = |upper: &str, lower: &str| {
        environment.variable(upper).or_else(|| environment.variable(lower)).map(str::to_owned)
    };
    Proxy { url: either("HTTPS_PROXY", "https_proxy"), except: either("NO_PROXY", "no_proxy") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::target::tests::{environment, target};

    const DEMO: &str = "arn:aws:eks:us-east-1:123456789012:cluster/demo";

    /// A kubeconfig of contexts, each of the cluster of its name; the first one is current.
    fn kubeconfig(contexts: &[&str]) -> Kubeconfig {
        let mut text = "apiVersion: v1\nkind: Config\n".to_owned();
        if let Some(current) = contexts.first() {
            text += &format!("current-context: '{current}'\n");
        }
        let list = |entry: &dyn Fn(&str) -> String| contexts.iter().map(|name| entry(name)).collect::<String>();
        text += &format!(
            "contexts:\n{}",
            list(&|name| format!("- {{name: '{name}', context: {{cluster: '{name}', user: u}}}}\n"))
        );
        text += &format!(
            "clusters:\n{}",
            list(&|name| format!("- {{name: '{name}', cluster: {{server: 'https://127.0.0.1'}}}}\n"))
        );
        Kubeconfig::from_yaml(&text).unwrap()
    }

    fn way(options: &str, contexts: &[&str], cluster: &str, variables: &[(&str, &str)]) -> Option<Way> {
        let environment = environment(variables);
        let target = target(options, &environment).unwrap();
        let around = Surroundings {
            environment: &environment,
            target: &target,
            config: &SdkConfig::builder().build(),
            region: "us-east-1".parse().unwrap(),
        };
        by_file(&around, &kubeconfig(contexts), &cluster.parse().unwrap())
    }

    #[test]
    fn the_way_to_a_server_is_the_first_that_can_be_right() {
        let context = |name: &str| Some(Way::Context(Some(name.to_owned())));
        let blue = DEMO.replace("demo", "blue");
        // The context that belongs to the cluster, whichever is current.
        assert_eq!(way("--cluster demo", &["kind", DEMO], "demo", &[]), context(DEMO));
        // A context that was named wins, even where it says otherwise: the check of the cluster refuses it then.
        assert_eq!(way("--cluster demo --context kind", &["kind", DEMO], "demo", &[]), context("kind"));
        // The only context that tells nothing is the current one.
        assert_eq!(way("--cluster demo", &["kind"], "demo", &[]), Some(Way::Context(None)));
        // Of several that tell nothing, the endpoint decides: EKS must be asked.
        assert_eq!(way("--cluster demo", &["kind", "mini"], "demo", &[]), None);
        // A context of another cluster cannot be right.
        assert_eq!(way("--cluster demo", &[&blue], "demo", &[]), Some(Way::Eks));
        let pod = [("KUBERNETES_SERVICE_HOST", "10.0.0.1")];
        assert_eq!(way("--cluster demo", &[], "demo", &pod), Some(Way::Pod));
        assert_eq!(way("--cluster demo", &[], "demo", &[]), Some(Way::Eks));
        // Clusters of further subjects: a context of theirs, else EKS.
        assert_eq!(way("--cluster demo", &[DEMO, &blue], "blue", &pod), context(&blue));
        assert_eq!(way("--cluster demo", &[DEMO], "blue", &pod), Some(Way::Eks));
        // Where the issuer is given, EKS is not asked.
        let given = "--cluster demo --issuer https://i.example --account 123456789012";
        assert_eq!(way(given, &["kind", "mini"], "demo", &[]), Some(Way::Context(None)));
        let issuer = "--issuer https://i.example --account 123456789012";
        assert_eq!(way(issuer, &[DEMO], "https://i.example", &[]), Some(Way::Context(None)));
    }

    /// The script of gen3 forced the proxy of its own network on everybody (B27).
    #[test]
    fn b27_the_only_proxy_is_that_of_the_environment() {
        let shown = |variables: &[(&str, &str)]| proxy(&environment(variables));
        for variables in [&[][..], &[("vpc_name", "demo")], &[("GEN3_HOME", "/cloud-automation")]] {
            assert_eq!(shown(variables).url, None);
        }
        assert_eq!(shown(&[("https_proxy", "http://own:3128")]).url.as_deref(), Some("http://own:3128"));
    }

    #[test]
    fn a_plug_in_that_is_not_installed_is_done_without() {
        let mut kubeconfig = kubeconfig(&[DEMO]);
        kubeconfig.auth_infos = serde_json::from_value(serde_json::json!([
            {"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws"}}}]))
        .unwrap();
        let folder = std::env::temp_dir().join(format!("irsa-plugin-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("aws"), "").unwrap();
        let way = |options: &str, path: &str| {
            let environment = environment(&[("PATH", path)]);
            let target = target(options, &environment).unwrap();
            let (config, region) = (SdkConfig::builder().build(), "us-east-1".parse().unwrap());
            let around = Surroundings { environment: &environment, target: &target, config: &config, region };
            spared(Way::Context(Some(DEMO.to_owned())), &around, &kubeconfig, target.cluster().unwrap())
        };
        let context = Way::Context(Some(DEMO.to_owned()));
        assert_eq!(way("--cluster demo", "/nowhere"), Way::Eks);
        assert_eq!(way("--cluster demo", folder.to_str().unwrap()), context);
        assert_eq!(way("--cluster demo --context x", "/nowhere"), context, "what the user named is taken at its word");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
