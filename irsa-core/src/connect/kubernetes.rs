//! API servers: by kubeconfig, from a pod, or through EKS itself.

use std::sync::Arc;

use aws_config::SdkConfig;
use kube::config::Kubeconfig;

use super::aws;
use super::environment::Environment;
use super::plugin::{self, Signing};
use super::target::Target;
use crate::aws::EksTokenSource;
use crate::backend::ConfigMapReader;
use crate::client::Client;
use crate::connection_limit::ConnectionLimit;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::kube::kubeconfig::{cluster_of_context, context_for_cluster, context_for_description};
use crate::kube::{KubeCluster, token_issuer};
use crate::name::{ClusterRef, Region};
use crate::report::Warning;

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
            way => way,
        };
        let server = match way {
            Way::Context(context) => {
                let signing = Some((around.config, region_of(cluster, around)));
                let (server, warning) =
                    by_context(around.environment, around.target, context.as_deref(), signing).await?;
                if let Some(warning) = warning {
                    connected = connected.with_warning(cluster.clone(), warning);
                }
                server
            }
            Way::Pod => KubeCluster::in_cluster()?,
            Way::Eks => through_eks(&client, around, cluster)?,
        };
        let server = outfitted(server, around.environment, around.target).with_connection_limit(around.limit.clone());
        connected = connected.with_cluster(cluster.clone(), Arc::new(server));
    }
    Ok(connected)
}

/// The server with the proxies and credential plug-ins of the environment.
fn outfitted(server: KubeCluster, environment: &Environment, target: &Target) -> KubeCluster {
    server.with_proxies(environment.proxies()).with_plugins(target.plugins().clone())
}

/// The region of a cluster.
fn region_of(cluster: &ClusterRef, around: &Surroundings<'_>) -> Region {
    match cluster {
        ClusterRef::Arn(arn) => arn.region().clone(),
        _ => around.region.clone(),
    }
}

/// The API server of the context that was named, else of the current one, else that of the pod we run in.
pub(super) async fn current_server(environment: &Environment, target: &Target) -> Result<Arc<dyn ConfigMapReader>> {
    let kubeconfig = target.kubeconfig(environment)?;
    let has_current = kubeconfig.current_context.as_deref().is_some_and(|name| !name.is_empty());
    let server = if target.context.is_some() || has_current {
        by_context(environment, target, target.context.as_deref(), None).await?.0
    } else if environment.variable("KUBERNETES_SERVICE_HOST").is_some() {
        KubeCluster::in_cluster()?
    } else {
        return Err(Error::new(ErrorKind::InvalidInput, "there is no API server to ask")
            .with_cause("there is no kubeconfig with a current context, and the program does not run in a pod"));
    };
    Ok(Arc::new(outfitted(server, environment, target)))
}

/// The API server of a context, by default the current one. Where its credential plug-in is not installed, tokens are made
/// in its place, with the configuration of AWS and the region of the cluster if these are known already; a warning says so.
async fn by_context(
    environment: &Environment,
    target: &Target,
    context: Option<&str>,
    known: Option<(&SdkConfig, Region)>,
) -> Result<(KubeCluster, Option<Warning>)> {
    let kubeconfig = target.kubeconfig(environment)?;
    let server = KubeCluster::from_kubeconfig(kubeconfig.clone(), context).await;
    let server = server.map_err(|error| target.in_kubeconfig(environment, error))?;
    let server = if target.kubeconfig_is_chosen() { server.chosen() } else { server };
    let name = context.or(kubeconfig.current_context.as_deref()).unwrap_or_default();
    let Some(missing) = plugin::missing(kubeconfig, name, environment) else { return Ok((server, None)) };
    let (config, region) = match known {
        Some((config, region)) => (config.clone(), region),
        None => aws::located_configuration(environment, target).await?,
    };
    let signing = Signing { environment, target, config: &config, region };
    let (tokens, warning) = plugin::in_its_place(&missing, name, &signing).await?;
    target.warn(warning.clone());
    Ok((server.with_bearer(tokens), Some(warning)))
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
            .with_hint(Hint::NameKubeconfigOrContext));
    };
    let tokens = EksTokenSource::new(around.config, name.clone(), region_of(cluster, around))?;
    Ok(KubeCluster::from_eks(client.identity_backend(), cluster.clone(), Arc::new(tokens)))
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
        assert_eq!(way("cluster=demo", &["kind", DEMO], "demo", &[]), context(DEMO));
        // A context that was named wins, even where it says otherwise: the check of the cluster refuses it then.
        assert_eq!(way("cluster=demo context=kind", &["kind", DEMO], "demo", &[]), context("kind"));
        // The only context that tells nothing is the current one.
        assert_eq!(way("cluster=demo", &["kind"], "demo", &[]), Some(Way::Context(None)));
        // Of several that tell nothing, the endpoint decides: EKS must be asked.
        assert_eq!(way("cluster=demo", &["kind", "mini"], "demo", &[]), None);
        // A context of another cluster cannot be right.
        assert_eq!(way("cluster=demo", &[&blue], "demo", &[]), Some(Way::Eks));
        let pod = [("KUBERNETES_SERVICE_HOST", "10.0.0.1")];
        assert_eq!(way("cluster=demo", &[], "demo", &pod), Some(Way::Pod));
        assert_eq!(way("cluster=demo", &[], "demo", &[]), Some(Way::Eks));
        // Clusters of further subjects: a context of theirs, else EKS.
        assert_eq!(way("cluster=demo", &[DEMO, &blue], "blue", &pod), context(&blue));
        assert_eq!(way("cluster=demo", &[DEMO], "blue", &pod), Some(Way::Eks));
        // Where the issuer is given, EKS is not asked.
        let given = "cluster=demo issuer=https://i.example account=123456789012";
        assert_eq!(way(given, &["kind", "mini"], "demo", &[]), Some(Way::Context(None)));
        let issuer = "issuer=https://i.example account=123456789012";
        assert_eq!(way(issuer, &[DEMO], "https://i.example", &[]), Some(Way::Context(None)));
    }

    /// A pod of one cluster works on another one: the token says so, and in-cluster would lead to the wrong one.
    #[tokio::test]
    async fn from_a_pod_of_another_cluster_the_way_is_through_eks() {
        use base64::Engine;

        let sandbox = crate::sandbox::Sandbox::new();
        let client = Client::new(Arc::new(sandbox.clone()), Arc::new(sandbox.clone()));
        let own = sandbox.default_cluster();
        let cluster = own.name();
        let described = client.identity_backend().cluster(cluster).await.unwrap().unwrap();
        let issuer = described.issuer.unwrap().url();
        let folder = tempfile::tempdir().unwrap();
        let way = async |options: &str, token: Option<&str>| {
            let mut environment = environment(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
            environment.pod_directory = folder.path().to_owned();
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
        let named = format!("cluster={cluster}");
        assert_eq!(way(&named, Some(&token(&issuer))).await, Way::Pod);
        assert_eq!(way(&named, Some(&token(&format!("{issuer}/")))).await, Way::Pod);
        assert_eq!(way(&named, Some(&token("https://oidc.eks.us-east-1.amazonaws.com/id/OTHER"))).await, Way::Eks);
        // Without a token in-cluster leads nowhere; one that does not say its cluster is left to the check of the cluster.
        assert_eq!(way(&named, None).await, Way::Eks);
        assert_eq!(way(&named, Some("legacy")).await, Way::Pod);
        let unknown = "cluster=unknown";
        assert_eq!(way(unknown, Some(&token("https://oidc.eks.us-east-1.amazonaws.com/id/OTHER"))).await, Way::Pod);
        let given = "cluster=demo issuer=https://i.example account=123456789012";
        assert_eq!(way(given, Some(&token(&issuer))).await, Way::Pod);
    }

    /// The script of gen3 forced the proxy of its own network on everybody (B27).
    #[test]
    fn b27_the_only_proxy_is_that_of_the_environment() {
        let none = format!("{:?}", crate::proxy::ProxySettings::default());
        let shown = |variables: &[(&str, &str)]| format!("{:?}", environment(variables).proxies());
        for variables in [&[][..], &[("vpc_name", "demo")], &[("GEN3_HOME", "/cloud-automation")]] {
            assert_eq!(shown(variables), none);
        }
        assert!(shown(&[("https_proxy", "http://own:3128")]).contains("https: Some(\"https_proxy\")"));
    }

    /// A kubeconfig whose only context runs a program with arguments.
    fn with_plugin(command: &str, args: &[&str], env: &[(&str, &str)]) -> Kubeconfig {
        let env: Vec<_> = env.iter().map(|(name, value)| serde_json::json!({"name": name, "value": value})).collect();
        let mut kubeconfig = kubeconfig(&[DEMO]);
        kubeconfig.auth_infos = serde_json::from_value(serde_json::json!([{"name": "u", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": args, "env": env}}}]))
        .unwrap();
        kubeconfig
    }

    const GET_TOKEN: [&str; 4] = ["eks", "get-token", "--cluster-name", "demo"];
    const ROLE: &str = "arn:aws:iam::123456789012:role/admin";

    #[test]
    fn a_plugin_is_replaced_only_where_it_is_not_installed_and_its_identity_is_known() {
        let folder = std::env::temp_dir().join(format!("irsa-plugin-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("aws"), "").unwrap();
        let is_replaced = |command: &str, args: &[&str], path: &str| {
            plugin::missing(&with_plugin(command, args, &[]), DEMO, &environment(&[("PATH", path)])).is_some()
        };
        assert!(is_replaced("aws", &GET_TOKEN, "/nowhere"));
        assert!(is_replaced("/nowhere/aws", &GET_TOKEN, folder.to_str().unwrap()));
        assert!(!is_replaced("aws", &GET_TOKEN, folder.to_str().unwrap()));
        // Who decides itself which credentials are used cannot be stood in for.
        let wrapped: Vec<&str> = ["exec", "dev", "--", "aws"].into_iter().chain(GET_TOKEN).collect();
        assert!(!is_replaced("aws-vault", &wrapped, "/nowhere"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_replaced_plugin_is_told_with_the_identity_that_it_would_have_had() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, "[profile dev]\naws_access_key_id = A\naws_secret_access_key = s3cr3t\n").unwrap();
        let file = ("AWS_CONFIG_FILE", file.to_str().unwrap());
        let said = async |args: &[&str], env: &[(&str, &str)], variables: &[(&str, &str)], options: &str| {
            let variables: Vec<(&str, &str)> = variables.iter().copied().chain([file]).collect();
            let environment = environment(&variables);
            let target = target(&format!("cluster=demo region=us-east-1 {options}"), &environment).unwrap();
            let keys = aws_credential_types::Credentials::new("AKID", "s3cr3t", None, None, "test");
            let config = crate::aws::config_loader().region("us-east-1").credentials_provider(keys).load().await;
            let all: Vec<&str> = GET_TOKEN.into_iter().chain(args.iter().copied()).collect();
            let kubeconfig = with_plugin("aws", &all, env);
            let missing = plugin::missing(&kubeconfig, DEMO, &environment).unwrap();
            let region = "us-east-1".parse().unwrap();
            let signing = Signing { environment: &environment, target: &target, config: &config, region };
            let (_, warning) = plugin::in_its_place(&missing, "c", &signing).await.unwrap();
            assert_eq!(warning.id.as_str(), "plugin-replaced");
            let begin = "credential plug-in \"aws\" of context \"c\" is not installed: irsa makes its tokens, with ";
            assert!(!warning.message.contains("s3cr3t"), "{}", warning.message);
            warning.message.strip_prefix(begin).unwrap().to_owned()
        };
        let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t")];
        let profile = [("AWS_PROFILE", "dev")];
        assert_eq!(said(&[], &[], &[], "").await, "the AWS credentials that irsa uses for everything");
        let own = "the credentials of profile p, which irsa uses for everything";
        assert_eq!(said(&[], &[], &[], "profile=p").await, own);
        assert_eq!(said(&["--profile", "dev"], &[], &keys, "profile=p").await, "the credentials of profile dev");
        assert_eq!(said(&[], &profile, &[], "profile=p").await, "the credentials of profile dev");
        assert_eq!(said(&[], &profile, &keys, "").await, "the access keys of the environment");
        assert_eq!(said(&[], &keys, &[], "").await, "the access keys of the kubeconfig");
        let assumed = format!("role {ROLE}, assumed with the credentials of profile dev");
        assert_eq!(said(&["--role-arn", ROLE], &profile, &[], "").await, assumed);
    }
}
