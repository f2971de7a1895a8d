//! API servers: by kubeconfig, from a pod, or through EKS itself.

use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use irsa_core::aws::EksTokenSource;
use irsa_core::backend::ClusterBackend;
use irsa_core::kube::kubeconfig::{cluster_of_context, context_for_cluster, context_for_description};
use irsa_core::kube::{KubeCluster, Proxy, token_issuer};
use irsa_core::name::{ClusterRef, Region};
use irsa_core::{Client, ConnectionLimit, Error, ErrorKind, Result};
use kube::config::Kubeconfig;

use super::Target;
use crate::environment::Environment;

/// What decides how an API server is reached.
pub(super) struct Surroundings<'a> {
    pub(super) environment: &'a Environment,
    pub(super) target: &'a Target,
    pub(super) config: &'a SdkConfig,
    /// The bound that API servers share with AWS.
    pub(super) limit: &'a ConnectionLimit,
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
        let way = match way {
            Way::Pod => from_pod(&client, around, cluster).await,
            way => spared(way, around, kubeconfig, cluster),
        };
        let server = match way {
            Way::Context(context) => by_context(around.environment, around.target, context.as_deref()).await?,
            Way::Pod => KubeCluster::in_cluster()?,
            Way::Eks => through_eks(&client, around, cluster)?,
        };
        let server = server.with_proxy(proxy(around.environment)).with_connection_limit(around.limit.clone());
        connected = connected.with_cluster(cluster.clone(), Arc::new(server));
    }
    Ok(connected)
}

/// The API server of the context that was named, else of the current one, else that of the pod we run in.
pub(super) async fn current_server(environment: &Environment, target: &Target) -> Result<Arc<dyn ClusterBackend>> {
    let kubeconfig = target.kubeconfig(environment)?;
    let has_current = kubeconfig.current_context.as_deref().is_some_and(|name| !name.is_empty());
    let server = if target.context.is_some() || has_current {
        by_context(environment, target, target.context.as_deref()).await?
    } else if environment.variable("KUBERNETES_SERVICE_HOST").is_some() {
        KubeCluster::in_cluster()?
    } else {
        return Err(Error::new(ErrorKind::InvalidInput, "there is no API server to ask")
            .with_cause("there is no kubeconfig with a current context, and we run in no pod"));
    };
    Ok(Arc::new(server.with_proxy(proxy(environment))))
}

/// The API server of a context, by default the current one.
async fn by_context(environment: &Environment, target: &Target, context: Option<&str>) -> Result<KubeCluster> {
    let kubeconfig = target.kubeconfig(environment)?.clone();
    let found = KubeCluster::from_kubeconfig(kubeconfig, context, target.kubeconfig_is_chosen()).await;
    found.map_err(|error| target.in_kubeconfig(environment, error))
}

/// The way from a pod to a cluster that no kubeconfig leads to: in-cluster only where the pod is one of that cluster, as
/// far as the issuer of its token says, and has a token at all.
async fn from_pod(client: &Client, around: &Surroundings<'_>, cluster: &ClusterRef) -> Way {
    // Where the issuer is given, EKS is not asked, and the check of the cluster compares the two.
    if around.target.given.is_some() {
        return Way::Pod;
    }
    let Some(token) = around.environment.pod_token() else { return Way::Eks };
    let Some(own) = token_issuer(&token) else { return Way::Pod };
    // A failure comes again, and in better words, when the binding is read.
    let described = client.identity_backend().cluster(cluster).await.ok().flatten();
    match described.and_then(|described| described.issuer) {
        Some(issuer) if issuer.url().trim_end_matches('/') != own.trim_end_matches('/') => Way::Eks,
        _ => Way::Pod,
    }
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
        Kubeconfig::from_yaml(&text(contexts)).unwrap()
    }

    fn text(contexts: &[&str]) -> String {
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
        text
    }

    fn way(options: &str, contexts: &[&str], cluster: &str, variables: &[(&str, &str)]) -> Option<Way> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, text(contexts)).unwrap();
        let environment = environment(&[variables, &[("KUBECONFIG", file.to_str().unwrap())]].concat());
        let target = target(options, &environment).unwrap();
        let around = Surroundings {
            environment: &environment,
            target: &target,
            config: &SdkConfig::builder().build(),
            limit: &ConnectionLimit::default(),
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

    /// A pod of one cluster works on another one: the token says so, and in-cluster would lead to the wrong one.
    #[tokio::test]
    async fn from_a_pod_of_another_cluster_the_way_is_through_eks() {
        use base64::Engine;

        let sandbox = irsa_core::Sandbox::new();
        let client = Client::new(Arc::new(sandbox.clone()), Arc::new(sandbox.clone()));
        let own = sandbox.default_cluster();
        let cluster = own.name();
        let described = client.identity_backend().cluster(cluster).await.unwrap().unwrap();
        let issuer = described.issuer.unwrap().url();
        let folder = tempfile::tempdir().unwrap();
        let way = async |options: &str, token: Option<&str>| {
            let mut environment = environment(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
            environment.pod_folder = folder.path().to_owned();
            let file = folder.path().join("token");
            match token {
                Some(token) => std::fs::write(file, token).unwrap(),
                None => drop(std::fs::remove_file(file)),
            }
            let target = target(options, &environment).unwrap();
            let (config, region) = (SdkConfig::builder().build(), "us-east-1".parse().unwrap());
            let around = Surroundings {
                environment: &environment,
                target: &target,
                config: &config,
                limit: &ConnectionLimit::default(),
                region,
            };
            from_pod(&client, &around, target.cluster().unwrap()).await
        };
        let token = |issuer: &str| {
            let claims = serde_json::json!({"iss": issuer, "sub": "system:serviceaccount:a:b"}).to_string();
            format!("e30.{}.c2ln\n", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
        };
        let named = format!("--cluster {cluster}");
        assert_eq!(way(&named, Some(&token(&issuer))).await, Way::Pod);
        assert_eq!(way(&named, Some(&token(&format!("{issuer}/")))).await, Way::Pod);
        assert_eq!(way(&named, Some(&token("https://oidc.eks.us-east-1.amazonaws.com/id/OTHER"))).await, Way::Eks);
        // Without a token in-cluster leads nowhere; one that does not say its cluster is left to the check of the cluster.
        assert_eq!(way(&named, None).await, Way::Eks);
        assert_eq!(way(&named, Some("legacy")).await, Way::Pod);
        let unknown = "--cluster unknown";
        assert_eq!(way(unknown, Some(&token("https://oidc.eks.us-east-1.amazonaws.com/id/OTHER"))).await, Way::Pod);
        let given = "--cluster demo --issuer https://i.example --account 123456789012";
        assert_eq!(way(given, Some(&token(&issuer))).await, Way::Pod);
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
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("aws"), "").unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, text(&[DEMO])).unwrap();
        let way = |options: &str, path: &str| {
            let environment = environment(&[("PATH", path), ("KUBECONFIG", file.to_str().unwrap())]);
            let target = target(options, &environment).unwrap();
            let (config, region) = (SdkConfig::builder().build(), "us-east-1".parse().unwrap());
            let limit = ConnectionLimit::default();
            let around =
                Surroundings { environment: &environment, target: &target, config: &config, limit: &limit, region };
            spared(Way::Context(Some(DEMO.to_owned())), &around, &kubeconfig, target.cluster().unwrap())
        };
        let context = Way::Context(Some(DEMO.to_owned()));
        assert_eq!(way("--cluster demo", "/nowhere"), Way::Eks);
        assert_eq!(way("--cluster demo", folder.path().to_str().unwrap()), context);
        let named = format!("--cluster demo --context {DEMO}");
        assert_eq!(way(&named, "/nowhere"), context, "what the user named is taken at its word");
    }
}
