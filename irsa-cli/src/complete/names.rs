//! Names from local files: the kubeconfig, the AWS configuration and the sandbox. Files that cannot be read have none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use irsa_core::Sandbox;
use irsa_core::connect::Environment;
use irsa_core::kube::kubeconfig::{self, ContextCluster};
use irsa_core::name::ClusterRef;
use irsa_core::sandbox::{ClusterState, SandboxState};
use kube::config::Kubeconfig;

use super::line::Line;
use crate::args::DEFAULT_SANDBOX_FILE;

/// The files that the options of a line and the environment name. Each is read when it is asked for.
#[derive(Debug)]
pub(super) struct Names<'a> {
    line: &'a Line<'a>,
    environment: &'a Environment,
}

const DEFAULT_NAMESPACE: &str = "default";

impl<'a> Names<'a> {
    pub(super) fn of(line: &'a Line<'a>, environment: &'a Environment) -> Self {
        Self { line, environment }
    }

    /// Clusters by name, then by ARN.
    pub(super) fn clusters(&self) -> Vec<String> {
        if let Some(state) = self.sandbox() {
            return state.clusters.keys().map(ToString::to_string).collect();
        }
        let known = self.kubeconfigs().iter().flat_map(clusters_of).map(|found| found.cluster).collect::<Vec<_>>();
        let names = known.iter().filter_map(|cluster| Some(cluster.name()?.to_string())).collect::<BTreeSet<_>>();
        let arns = known.iter().filter(|cluster| matches!(cluster, ClusterRef::Arn(_))).map(ToString::to_string);
        names.into_iter().chain(arns.collect::<BTreeSet<_>>()).collect()
    }

    /// The regions of profiles and clusters.
    pub(super) fn regions(&self) -> Vec<String> {
        let of_clusters =
            self.kubeconfigs().iter().flat_map(clusters_of).filter_map(|found| found.region).collect::<Vec<_>>();
        let mut regions: BTreeSet<String> = of_clusters.iter().map(ToString::to_string).collect();
        regions.extend(["AWS_REGION", "AWS_DEFAULT_REGION"].iter().filter_map(|name| self.variable(name)));
        for text in self.aws_files().into_iter().flat_map(|(_, text)| text) {
            regions.extend(text.lines().filter_map(region));
        }
        regions.into_iter().collect()
    }

    /// The profiles of the AWS configuration and of the credentials file.
    pub(super) fn profiles(&self) -> Vec<String> {
        let mut profiles = BTreeSet::new();
        for (file, text) in self.aws_files() {
            profiles.extend(text.iter().flat_map(|text| text.lines()).filter_map(|line| profile(file, line)));
        }
        profiles.into_iter().collect()
    }

    /// The contexts of the kubeconfig.
    pub(super) fn contexts(&self) -> Vec<String> {
        let files = self.kubeconfigs();
        let contexts = files.iter().flat_map(|file| &file.contexts).map(|context| context.name.clone());
        contexts.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The namespaces of the sandbox's cluster, else those that contexts name.
    pub(super) fn namespaces(&self) -> Vec<String> {
        if let Some(state) = self.sandbox() {
            let cluster = self.sandbox_cluster(&state);
            return cluster
                .into_iter()
                .flat_map(|cluster| cluster.namespaces.keys().map(ToString::to_string))
                .collect();
        }
        let files = self.kubeconfigs();
        let contexts = files.iter().flat_map(|file| &file.contexts).filter_map(|named| named.context.as_ref());
        let named = contexts.filter_map(|context| context.namespace.clone()).filter(|name| !name.is_empty());
        named.chain([DEFAULT_NAMESPACE.to_owned()]).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Service accounts of the sandbox as `[NAMESPACE/]NAME`. Of a real cluster only the namespaces are known here.
    pub(super) fn service_accounts(&self, typed: &str) -> Vec<String> {
        let namespace = self.line.value("namespace");
        if let (Some(namespace), false) = (namespace, typed.contains('/')) {
            return self.within(namespace);
        }
        let mut names = if typed.contains('/') { Vec::new() } else { self.within(DEFAULT_NAMESPACE) };
        let subjects = self.subjects();
        names.extend(subjects.into_iter().filter(|subject| {
            typed.contains('/') || subject.ends_with('/') || !subject.starts_with(&format!("{DEFAULT_NAMESPACE}/"))
        }));
        names
    }

    /// Service accounts as `NAMESPACE/NAME`; a namespace without any as `NAMESPACE/`.
    pub(super) fn subjects(&self) -> Vec<String> {
        let mut subjects = Vec::new();
        for namespace in self.namespaces() {
            let names = self.within(&namespace);
            if names.is_empty() {
                subjects.push(format!("{namespace}/"));
            }
            subjects.extend(names.iter().map(|name| format!("{namespace}/{name}")));
        }
        subjects
    }

    /// The service accounts of the namespace that gen3's script would look at.
    pub(super) fn gen3_service_accounts(&self) -> Vec<String> {
        let variable = self.variable("KUBECTL_NAMESPACE");
        self.within(self.line.value("namespace").or(variable.as_deref()).unwrap_or(DEFAULT_NAMESPACE))
    }

    /// The roles of the sandbox.
    pub(super) fn roles(&self) -> Vec<String> {
        self.sandbox().iter().flat_map(|state| state.roles.keys()).map(ToString::to_string).collect()
    }

    fn within(&self, namespace: &str) -> Vec<String> {
        let Some(state) = self.sandbox() else { return Vec::new() };
        let namespaces = self.sandbox_cluster(&state).into_iter().flat_map(|cluster| &cluster.namespaces);
        let found = namespaces.filter(|(name, _)| name.as_str() == namespace);
        found.flat_map(|(_, state)| state.service_accounts.keys()).map(ToString::to_string).collect()
    }

    /// The sandbox, if the line asks for one.
    fn sandbox(&self) -> Option<SandboxState> {
        let file = match self.line.value("sandbox")? {
            "" => DEFAULT_SANDBOX_FILE,
            file => file,
        };
        Sandbox::open(self.path(file)).and_then(|sandbox| sandbox.state()).ok()
    }

    fn sandbox_cluster<'s>(&self, state: &'s SandboxState) -> Option<&'s ClusterState> {
        let wanted = self.line.value("cluster").unwrap_or(Sandbox::CLUSTER);
        state.clusters.iter().find(|(cluster, _)| cluster.to_string() == wanted).map(|(_, state)| state)
    }

    /// Each file by itself, so that a broken one hides no other.
    fn kubeconfigs(&self) -> Vec<Kubeconfig> {
        let files = match self.line.value("kubeconfig") {
            Some(file) => vec![self.path(file)],
            None => self.environment.kubeconfigs(),
        };
        let regular = files.iter().filter(|file| file.is_file());
        regular.filter_map(|file| kubeconfig::read(&[file]).ok()).collect()
    }

    /// The text of the AWS configuration and of the credentials file, where there is one.
    fn aws_files(&self) -> [(AwsFile, Option<String>); 2] {
        let text = |variable: &str, name: &str| {
            let path = match self.variable(variable) {
                Some(path) => self.path(&path),
                None => self.home()?.join(".aws").join(name),
            };
            path.is_file().then(|| std::fs::read_to_string(path).ok()).flatten()
        };
        [
            (AwsFile::Config, text("AWS_CONFIG_FILE", "config")),
            (AwsFile::Credentials, text("AWS_SHARED_CREDENTIALS_FILE", "credentials")),
        ]
    }

    /// A path as typed, before the shell expands it.
    fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.environment.path(Path::new(text)),
        }
    }

    fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(PathBuf::from)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name).map(str::to_owned)
    }
}

fn clusters_of(file: &Kubeconfig) -> Vec<ContextCluster> {
    file.contexts.iter().filter_map(|context| kubeconfig::cluster_of_context(file, &context.name)).collect()
}

/// Which of the two files of the AWS CLI; their sections differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AwsFile {
    Config,
    Credentials,
}

/// The profile whose section begins on this line. The configuration has `[default]`, `[profile NAME]` and sections of
/// other kinds, the credentials file `[NAME]` (AWS SDKs and Tools Reference Guide, "Using shared config and credentials
/// files").
fn profile(file: AwsFile, line: &str) -> Option<String> {
    let section = line.trim_start().strip_prefix('[')?.split(']').next()?.trim();
    let name = match (file, section.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t', '"', '\'']))) {
        (AwsFile::Config, Some(name)) => name,
        (AwsFile::Config, None) if section == "default" => section,
        (AwsFile::Config, None) => return None,
        (AwsFile::Credentials, _) => section,
    };
    let name = name.trim().trim_matches(['"', '\'']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The region that this line of an AWS configuration sets.
fn region(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let value = value.split([' ', '\t', '#', ';']).find(|word| !word.is_empty())?;
    (key.trim() == "region").then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Candidates, candidates};
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;
    use tempfile::TempDir;

    const KUBECONFIG: &str = "
current-context: dev
clusters:
- {name: c1, cluster: {server: 'https://a.example'}}
contexts:
- {name: dev, context: {cluster: c1, user: u, namespace: jobs}}
- {name: 'arn:aws:eks:eu-west-1:123456789012:cluster/demo', context: {cluster: 'arn:aws:eks:eu-west-1:123456789012:cluster/demo', user: u}}
- {name: \"two\\nlines\", context: {cluster: c1, user: u}}
- {name: me@blue.us-west-2.eksctl.io, context: {cluster: blue.us-west-2.eksctl.io, user: u, namespace: web}}
";
    const CONFIG: &str = "
# [profile commented]
[default]
region = us-east-1
[profile dev]
region=eu-central-1 ; of the office
[ profile \"two words\" ] # quoted
[sso-session corp]
sso_region = us-west-1
[services local]
[profiled]
[profile ]
";
    const CREDENTIALS: &str = "[default]\naws_access_key_id = A\n[ci]\n[profile-x]\n";
    const SANDBOX: &str = r#"{"roles": {"demo-role": {"trust_policy": {"Statement": []}}}, "clusters": {
        "sandbox": {"namespaces": {"default": {"service_accounts": {"a": {}, "b": {}}},
            "jobs": {"service_accounts": {"worker": {}}}, "empty": {}}},
        "blue": {"namespaces": {"web": {"service_accounts": {"front": {}}}}}}}"#;

    fn home() -> (TempDir, Environment) {
        let home = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".kube/config", KUBECONFIG);
        write(".aws/config", CONFIG);
        write(".aws/credentials", CREDENTIALS);
        write("sb.json", SANDBOX);
        let environment = Environment::new([("HOME", home.path())]).with_directory(home.path());
        (home, environment)
    }

    fn words(environment: &Environment, line: &str) -> Vec<String> {
        let mut command = Cli::command();
        command.build();
        let words = line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        match candidates(&Line::of(&command, &words), environment) {
            Candidates::Words(candidates) => candidates.into_iter().map(|candidate| candidate.word).collect(),
            Candidates::Files(before) => vec![format!("FILES {before}")],
        }
    }

    #[test]
    fn names_come_from_kubeconfig_and_aws_configuration() {
        let (_home, environment) = home();
        let arn = "arn:aws:eks:eu-west-1:123456789012:cluster/demo";
        for (line, expected) in [
            ("list --cluster ", &["blue", "demo", arn][..]),
            ("list --cluster d", &["demo"]),
            ("list --cluster=arn:aws:eks:", &["--cluster=arn:aws:eks:eu-west-1:123456789012:cluster/demo"]),
            ("list --context ", &[arn, "dev", "me@blue.us-west-2.eksctl.io"]),
            ("list --profile ", &["ci", "default", "dev", "profile-x", "two words"]),
            ("list --region ", &["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"]),
            ("list -n ", &["default", "jobs", "web"]),
            ("list -nj", &["-njobs"]),
            ("create ", &["default/", "jobs/", "web/"]),
            ("create w", &["web/"]),
            ("trust who-can x", &[]),
        ] {
            assert_eq!(words(&environment, line), expected, "{line:?}");
        }
    }

    #[test]
    fn names_come_from_the_sandbox_of_the_line() {
        let (_home, environment) = home();
        for (line, expected) in [
            ("--sandbox=sb.json get ", &["a", "b", "empty/", "jobs/worker"][..]),
            ("--sandbox=~/sb.json get default/", &["default/a", "default/b"]),
            ("--sandbox=sb.json get -n jobs ", &["worker"]),
            ("--sandbox=sb.json get --cluster blue ", &["web/front"]),
            ("--sandbox=sb.json create x --subject j", &["jobs/worker"]),
            ("list --sandbox=sb.json --namespace ", &["default", "empty", "jobs"]),
            ("list --sandbox=sb.json --cluster ", &["blue", "sandbox"]),
            ("trust who-can --sandbox=sb.json ", &["demo-role"]),
            ("iam-serviceaccount --sandbox=sb.json -n jobs -l ", &["worker"]),
            ("--sandbox create d", &["default/"]),
        ] {
            let found = words(&environment, line);
            let found = found.iter().filter(|word| !word.starts_with("kube-system")).collect::<Vec<_>>();
            assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{line:?}");
        }
    }

    #[test]
    fn variables_and_options_name_the_files() {
        let (home, mut environment) = home();
        let other = "contexts: [{name: other, context: {cluster: c, user: u}}]";
        std::fs::write(home.path().join("other"), other).unwrap();
        std::fs::write(home.path().join("broken"), "contexts: 7\n").unwrap();
        assert_eq!(words(&environment, "list --kubeconfig other --context "), ["other"]);
        let mut set = |name: &str, value: &str| environment.variables.insert(name.to_owned(), value.to_owned());
        set("KUBECONFIG", "broken:other:absent:.kube");
        set("AWS_CONFIG_FILE", "absent");
        set("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
        set("AWS_REGION", "sa-east-1");
        assert_eq!(words(&environment, "list --context "), ["other"]);
        assert_eq!(words(&environment, "list --profile "), ["ci", "default", "profile-x"]);
        assert_eq!(words(&environment, "list --region "), ["sa-east-1"]);
    }

    #[test]
    fn without_files_there_are_no_names() {
        for line in ["list --cluster ", "list --profile ", "list --context ", "--sandbox=absent/x get "] {
            assert!(words(&Environment::default(), line).iter().all(|word| word == "default/"), "{line:?}");
        }
    }

    #[test]
    fn values_and_files_need_no_names() {
        let none = Environment::default();
        for (line, expected) in [
            ("list --color ", &["auto", "always", "never"][..]),
            ("--color=a", &["--color=auto", "--color=always"]),
            ("list -o ", &["text", "json"]),
            ("-o ", &["text", "json", "yaml", "sarif"]),
            ("export -o", &["-o"]),
            ("export -oy", &["-oyaml"]),
            ("trust audit -o s", &["sarif"]),
            ("trust audit --fail-on ", &["info", "low", "medium", "high"]),
            ("completions ", &["bash", "elvish", "fish", "powershell", "zsh"]),
            ("create a --sts-regional-endpoints ", &["true", "false"]),
            ("permissions trust ", &["check", "who-can", "audit"]),
            ("iam-serviceaccount -a ", &["a", "u", "d"]),
            ("provider ", &["create", "show", "delete", "help"]),
            ("trust c", &["check"]),
            ("--sand", &["--sandbox", "--sandbox="]),
            ("--sandbox cr", &["create"]),
            ("--sandbox --sand", &[]),
            ("schema --colo", &["--color"]),
            ("create a --inline-policy x", &[]),
            ("create a --inline-policy x=./", &["FILES x="]),
            ("create a --inline-policy=x=./", &["FILES --inline-policy=x="]),
            ("--sandbox=", &["FILES --sandbox="]),
            ("apply -f ", &["FILES "]),
            ("trust audit -f", &["-f"]),
            ("trust check --document ", &["FILES "]),
            ("create a -p ", &["FILES "]),
            ("nonsense c", &[]),
        ] {
            assert_eq!(words(&none, line), expected, "{line:?}");
        }
        let options = words(&none, "list ");
        assert!(options.contains(&"--namespace".to_owned()) && options.contains(&"--color".to_owned()), "{options:?}");
    }
}
