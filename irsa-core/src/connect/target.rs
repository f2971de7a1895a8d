//! The cluster, account and region that configuration, environment and kubeconfig mean together. Makes no call.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kube::config::Kubeconfig;

use super::config::{Config, contradiction};
use super::environment::Environment;
use crate::aws::check_endpoint_url;
use crate::client::Client;
use crate::cluster_identity::ClusterIdentity;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::{Hint, NEUTRAL};
use crate::kube::{Plugins, kubeconfig};
use crate::name::{AccountId, ClusterRef, EksHost, Issuer, Partition, Region};
use crate::report::Warning;
use crate::sandbox::Sandbox;

/// Where a client works: what configuration, environment and kubeconfig mean together. The kubeconfig is read at most once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The file of the sandbox, where that is used in place of AWS and clusters.
    pub sandbox: Option<PathBuf>,
    /// The cluster; nothing where only the account is looked at.
    pub cluster: Option<ClusterRef>,
    /// Issuer and account, where they are given in place of asking EKS.
    pub given: Option<(Issuer, AccountId)>,
    /// The region, where options, cluster or kubeconfig tell it.
    pub region: Option<Region>,
    /// The AWS profile.
    pub profile: Option<String>,
    /// The URL that takes all calls to AWS.
    pub endpoint_url: Option<String>,
    /// The kubeconfig file that was named.
    pub kubeconfig: Option<PathBuf>,
    /// The context that was named.
    pub context: Option<String>,
    /// The longest time for one binding.
    pub timeout: Duration,
    /// How many requests are under way at once, where it was said.
    pub max_connections: Option<NonZeroUsize>,
    read: OnceLock<Kubeconfig>,
    plugins: Plugins,
    /// What was found out while connecting.
    warnings: Arc<Mutex<Vec<Warning>>>,
}

const NO_CLUSTER: &str = "no cluster is named";
const NAME_IT: Hint = Hint::NameClusterOrTrySandbox { or_issuer: false };

/// Which cluster a target needs, and where its name may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A cluster is required: the one that the configuration, `IRSA_CLUSTER` or the current context names.
    Cluster,
    /// The one that the configuration, `IRSA_CLUSTER` or the current context of the kubeconfig names, else the account alone.
    ClusterIfKnown,
    /// The one that the configuration or `IRSA_CLUSTER` names, else the account alone.
    ClusterIfNamed,
    /// The one that the configuration or `IRSA_CLUSTER` names; otherwise the caller finds it, and never the kubeconfig.
    ClusterFromElsewhere,
}

impl Target {
    /// The target of a configuration.
    ///
    /// # Errors
    /// `InvalidInput` for settings that are malformed or contradict each other, and where nothing names a cluster that is
    /// required.
    pub fn new(config: &Config, environment: &Environment, need: Need) -> Result<Self> {
        let mut target = Self::named(config, environment)?;
        if target.context.is_some() && target.sandbox.is_none() {
            target.check_context(environment)?;
        }
        let from_kubeconfig = match need {
            _ if target.cluster.is_some() => false,
            Need::Cluster => true,
            Need::ClusterIfKnown => target.kubeconfig_is_chosen() || target.finds_cluster(environment)?,
            Need::ClusterIfNamed => target.kubeconfig_is_chosen(),
            Need::ClusterFromElsewhere => false,
        };
        if from_kubeconfig {
            target.take_from_kubeconfig(environment)?;
        }
        target.settle()?;
        Ok(target)
    }

    /// What configuration and variables name, without the kubeconfig.
    fn named(config: &Config, environment: &Environment) -> Result<Self> {
        config.check().map_err(|defect| defect.into_error(NEUTRAL))?;
        check_url(config.endpoint_url.as_deref())?;
        let given: Option<(Issuer, AccountId)> = match (&config.issuer, &config.account) {
            (Some(issuer), Some(account)) => Some((issuer.parse()?, account.parse()?)),
            _ => None,
        };
        let named = match (&config.cluster, &config.sandbox) {
            (Some(cluster), _) => Some(cluster.as_str()),
            (None, Some(_)) => Some(Sandbox::CLUSTER),
            (None, None) => environment.variable("IRSA_CLUSTER"),
        };
        Ok(Self {
            sandbox: config.sandbox.as_ref().map(|file| environment.path(file)),
            cluster: match (named, &given) {
                (Some(name), _) => Some(named_cluster(name)?),
                (None, Some((issuer, _))) => Some(ClusterRef::Issuer(issuer.clone())),
                (None, None) => None,
            },
            region: config.region.as_deref().map(Region::new).transpose()?,
            given,
            profile: config.profile.clone(),
            endpoint_url: config.endpoint_url.clone(),
            kubeconfig: config.kubeconfig.as_ref().map(|file| environment.path(file)),
            context: config.context.clone().filter(|name| !name.is_empty()),
            timeout: config.timeout.unwrap_or(Client::DEFAULT_TIMEOUT),
            max_connections: max_connections(config.max_connections)?,
            read: OnceLock::new(),
            plugins: config.plugins.clone(),
            warnings: Arc::default(),
        })
    }

    /// With the region of an issuer, where no other is known.
    #[must_use]
    pub fn or_region_of(mut self, issuer: &Issuer) -> Self {
        self.region = self.region.or_else(|| EksHost::of_issuer(issuer).map(|host| host.region));
        self
    }

    /// The cluster.
    ///
    /// # Errors
    /// `InvalidInput` where only the account is looked at.
    pub fn cluster(&self) -> Result<&ClusterRef> {
        self.cluster.as_ref().ok_or_else(|| Error::new(ErrorKind::InvalidInput, NO_CLUSTER).with_hint(NAME_IT))
    }

    /// The identity of the cluster, where it is given in place of asking EKS. `partition` is taken where neither ARN nor
    /// issuer tells it.
    pub fn identity(&self, partition: Partition) -> Option<ClusterIdentity> {
        let (cluster, (issuer, account)) = self.cluster.as_ref().zip(self.given.clone())?;
        let partition = match cluster {
            ClusterRef::Arn(arn) => arn.partition().clone(),
            _ => EksHost::of_issuer(&issuer).map_or(partition, |host| host.partition),
        };
        Some(ClusterIdentity::given(cluster, issuer, account, partition, self.region.clone()))
    }

    /// The kubeconfig: the file that was named, else those that kubectl would read; empty where there is none.
    ///
    /// # Errors
    /// `InvalidInput` for a file that was named and is not there, and for one that cannot be read.
    pub fn kubeconfig(&self, environment: &Environment) -> Result<&Kubeconfig> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let files = match &self.kubeconfig {
            Some(file) if !file.exists() => {
                let operation = format!("cannot read the kubeconfig {}", file.display());
                return Err(Error::new(ErrorKind::InvalidInput, operation)
                    .with_cause("there is no such file")
                    .with_hint(Hint::NameKubeconfig));
            }
            _ => self.kubeconfig_files(environment),
        };
        let read = kubeconfig::read(&files)?;
        Ok(self.read.get_or_init(|| read))
    }

    /// The namespace of the context that was named, else of the current one; nothing where it names none. A sandbox has
    /// no contexts.
    ///
    /// # Errors
    /// Those of [`kubeconfig`](Self::kubeconfig).
    pub fn context_namespace(&self, environment: &Environment) -> Result<Option<String>> {
        if self.sandbox.is_some() {
            return Ok(None);
        }
        let kubeconfig = self.kubeconfig(environment)?;
        let name = self.context_of(kubeconfig);
        let named = kubeconfig.contexts.iter().find(|named| named.name == name);
        let namespace = named.and_then(|named| named.context.as_ref()?.namespace.clone());
        Ok(namespace.filter(|namespace| !namespace.is_empty()))
    }

    /// Checks that the context that was named, else the current one, exists.
    fn check_context(&self, environment: &Environment) -> Result<()> {
        let found = kubeconfig::find_context(self.kubeconfig(environment)?, self.context.as_deref());
        found.map(|_| ()).map_err(|error| self.in_kubeconfig(environment, error))
    }

    /// An error of the kubeconfig, with the place of its files.
    pub(super) fn in_kubeconfig(&self, environment: &Environment, error: Error) -> Error {
        let files = self.kubeconfig_files(environment);
        let shown = |files: &[&PathBuf]| files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        let existing: Vec<&PathBuf> = files.iter().filter(|file| file.exists()).collect();
        match existing.as_slice() {
            [] => {
                let looked_for = shown(&files.iter().collect::<Vec<_>>()).join(", ");
                error.during("cannot use the kubeconfig").with_hint(match looked_for.as_str() {
                    "" => "there is no kubeconfig: name the file, or set KUBECONFIG".to_owned(),
                    files => format!("there is no kubeconfig at {files}: name the file, or set KUBECONFIG"),
                })
            }
            existing => {
                let files = shown(existing).join(", ");
                error.during(format!("cannot use the kubeconfig {files}")).with_context("file", files)
            }
        }
    }

    /// The files of the kubeconfig, whether they exist or not.
    fn kubeconfig_files(&self, environment: &Environment) -> Vec<PathBuf> {
        match &self.kubeconfig {
            Some(file) => vec![file.clone()],
            None => environment.kubeconfigs(),
        }
    }

    /// Runs the credential plug-ins of kubeconfigs: each once, however often this target is connected to.
    pub(super) fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// The same for a forked process, with plug-ins of its own: a run that the old process waits for never ends in the new
    /// one.
    #[must_use]
    pub fn after_fork(mut self, plugins: Plugins) -> Self {
        self.plugins = plugins;
        self.warnings = Arc::default();
        self
    }

    /// Adds a warning that came up while connecting, once.
    pub(super) fn warn(&self, warning: Warning) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// The warnings that came up while connecting.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the user said which kubeconfig or context to use.
    pub fn kubeconfig_is_chosen(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    fn context_of<'a>(&'a self, kubeconfig: &'a Kubeconfig) -> &'a str {
        self.context.as_deref().or(kubeconfig.current_context.as_deref()).unwrap_or_default()
    }

    /// Whether the kubeconfig names a cluster, in the region that was named if one was.
    fn finds_cluster(&self, environment: &Environment) -> Result<bool> {
        let kubeconfig = self.kubeconfig(environment)?;
        let found = kubeconfig::cluster_of_context(kubeconfig, self.context_of(kubeconfig));
        Ok(found.is_some_and(|found| self.region.is_none() || found.region.is_none() || found.region == self.region))
    }

    /// Takes cluster and region from the context that was named, else the current one, if it is that of an EKS cluster.
    fn take_from_kubeconfig(&mut self, environment: &Environment) -> Result<()> {
        let kubeconfig = self.kubeconfig(environment)?;
        let context = self.context_of(kubeconfig);
        if !context.is_empty() {
            self.check_context(environment)?;
        }
        let Some(found) = kubeconfig::cluster_of_context(kubeconfig, context) else {
            let cause = match context {
                "" => "there is no kubeconfig with a current context".to_owned(),
                context => {
                    format!("context {context:?} of the kubeconfig does not say that it is that of an EKS cluster")
                }
            };
            return Err(Error::new(ErrorKind::InvalidInput, NO_CLUSTER).with_cause(cause).with_hint(NAME_IT));
        };
        if let (Some(told), Some(wanted)) = (&found.region, &self.region)
            && told != wanted
        {
            let context = format!("context {context:?}, whose cluster is in {told}");
            return Err(contradiction(&format!("region {wanted}"), &context).with_hint(NAME_IT));
        }
        self.region = self.region.take().or(found.region);
        self.cluster = Some(found.cluster);
        Ok(())
    }

    /// What the cluster's ARN or issuer says of region and account must fit what was said.
    fn settle(&mut self) -> Result<()> {
        if let Some(ClusterRef::Arn(arn)) = &self.cluster {
            match &self.region {
                Some(region) if region != arn.region() => {
                    return Err(contradiction(&format!("region {region}"), &format!("the cluster's ARN {arn}")));
                }
                _ => self.region = Some(arn.region().clone()),
            }
            if let Some((_, account)) = &self.given
                && account != arn.account()
            {
                return Err(contradiction(&format!("account {account}"), &format!("the cluster's ARN {arn}")));
            }
        }
        if let (None, Some((issuer, _))) = (&self.region, &self.given) {
            self.region = EksHost::of_issuer(issuer).map(|host| host.region);
        }
        Ok(())
    }
}

fn max_connections(max: Option<usize>) -> Result<Option<NonZeroUsize>> {
    let refused = || Error::invalid("max_connections", "0", "must be at least 1");
    max.map(|max| NonZeroUsize::new(max).ok_or_else(refused)).transpose()
}

fn check_url(url: Option<&str>) -> Result<()> {
    let Some(url) = url else { return Ok(()) };
    let rule = |why| format!("must be a URL that begins with https:// or http://, and it {why}");
    check_endpoint_url(url).map_err(|why| Error::invalid("endpoint URL", url, rule(why)))
}

/// A cluster by name or ARN.
///
/// # Errors
/// `InvalidInput` for anything else.
pub fn named_cluster(text: &str) -> Result<ClusterRef> {
    match text.parse()? {
        ClusterRef::Issuer(_) => {
            Err(Error::invalid("cluster", text, "must be a name or an ARN").with_hint(Hint::GiveIssuer))
        }
        cluster => Ok(cluster),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;

    pub(crate) fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().copied()).with_directory("/nowhere")
    }

    /// A configuration of settings such as `cluster=demo`.
    fn config(settings: &str) -> Config {
        let mut config = Config::new();
        for setting in settings.split_whitespace() {
            let (name, value) = setting.split_once('=').unwrap();
            let text = Some(value.to_owned());
            match name {
                "cluster" => config.cluster = text,
                "region" => config.region = text,
                "profile" => config.profile = text,
                "endpoint_url" => config.endpoint_url = text,
                "context" => config.context = text,
                "issuer" => config.issuer = text,
                "account" => config.account = text,
                "sandbox" => config.sandbox = text.map(PathBuf::from),
                _ => panic!("{name}"),
            }
        }
        config
    }

    pub(crate) fn target(settings: &str, environment: &Environment) -> Result<Target> {
        Target::new(&config(settings), environment, Need::Cluster)
    }

    fn refusal(options: &str, variables: &[(&str, &str)]) -> String {
        let error = target(options, &environment(variables)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        format!("{error} {}", error.causes().join(" "))
    }

    const ARN: &str = "arn:aws:eks:eu-west-1:123456789012:cluster/demo";

    #[test]
    fn the_cluster_is_named_by_configuration_variable_or_sandbox() {
        let cluster = |options: &str, variables: &[(&str, &str)]| {
            target(options, &environment(variables)).unwrap().cluster.unwrap().to_string()
        };
        let variable = [("IRSA_CLUSTER", "blue")];
        assert_eq!(cluster("cluster=demo", &variable), "demo");
        assert_eq!(cluster("", &variable), "blue");
        // What is set for real work must not lead the sandbox astray.
        assert_eq!(cluster("sandbox=s.json", &variable), "sandbox");
        assert_eq!(cluster("sandbox=s.json cluster=other", &variable), "other");
        let issuer = "issuer=https://oidc.eks.eu-west-1.amazonaws.com/id/A account=123456789012";
        assert_eq!(cluster(issuer, &[]), "https://oidc.eks.eu-west-1.amazonaws.com/id/A");
        assert_eq!(cluster(issuer, &variable), "blue");
    }

    #[test]
    fn the_file_of_the_sandbox_is_relative_to_the_directory_of_the_environment() {
        let file = |options: &str| target(options, &environment(&[])).unwrap().sandbox.unwrap();
        assert_eq!(file("sandbox=s.json"), Path::new("/nowhere/s.json"));
        assert_eq!(file("sandbox=x/y.json"), Path::new("/nowhere/x/y.json"));
    }

    #[test]
    fn the_region_comes_with_the_cluster() {
        let region = |options: &str| target(options, &environment(&[])).unwrap().region.map(|r| r.to_string());
        assert_eq!(region(&format!("cluster={ARN}")).as_deref(), Some("eu-west-1"));
        assert_eq!(region("cluster=demo"), None);
        assert_eq!(region("cluster=demo region=cn-north-1").as_deref(), Some("cn-north-1"));
        let issuer = "issuer=https://oidc.eks.cn-north-1.amazonaws.com.cn/id/A account=123456789012";
        assert_eq!(region(issuer).as_deref(), Some("cn-north-1"));
        let dual_stack = "issuer=https://oidc-eks.us-gov-west-1.api.aws/id/A account=123456789012";
        assert_eq!(region(dual_stack).as_deref(), Some("us-gov-west-1"));
    }

    #[test]
    fn the_partition_is_that_of_the_arn_or_the_issuer() {
        let partition = |options: &str| {
            let target = target(options, &environment(&[])).unwrap();
            target.identity(Partition::of_region("eusc-de-east-1")).unwrap().partition.to_string()
        };
        let account = "account=123456789012";
        for issuer in ["oidc.eks.cn-north-1.amazonaws.com.cn", "oidc-eks.cn-north-1.api.amazonwebservices.com.cn"] {
            let named = format!("cluster=demo issuer=https://{issuer}/id/A {account}");
            assert_eq!(partition(&named), "aws-cn", "{issuer}");
            assert_eq!(partition(&format!("issuer=https://{issuer}/id/A {account} region=us-east-1")), "aws-cn");
        }
        assert_eq!(partition(&format!("issuer=https://self.example {account}")), "aws-eusc");
        assert_eq!(partition(&format!("cluster={ARN} issuer=https://self.example {account}")), "aws");
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for (options, words) in [
            ("", "no cluster is named there is no kubeconfig"),
            ("sandbox=s.json profile=p", "`profile` contradicts `sandbox`"),
            ("sandbox=s.json endpoint_url=http://x", "`endpoint_url` contradicts `sandbox`"),
            ("cluster=demo issuer=https://i.example", "`issuer` needs `account`"),
            ("cluster=demo account=123456789012", "`account` needs `issuer`"),
            ("cluster=demo issuer=http://i.example account=123456789012", "https://"),
            ("cluster=demo issuer=https://i.example account=1", "account id \"1\": must be 12 digits"),
            ("cluster=https://i.example", "must be a name or an ARN"),
            ("cluster=-x", "cluster name"),
            ("cluster=demo endpoint_url=localhost", "endpoint URL \"localhost\": must be a URL"),
            ("cluster=demo region=Mars", "region"),
        ] {
            let text = refusal(options, &[]);
            assert!(text.contains(words), "{options}: {text}");
        }
        assert!(
            refusal(&format!("cluster={ARN} region=us-east-1"), &[])
                .contains("region us-east-1 contradicts the cluster's ARN")
        );
        let given = format!("cluster={ARN} issuer=https://i.example account=999999999999");
        assert!(refusal(&given, &[]).contains("account 999999999999 contradicts"));
    }
}
