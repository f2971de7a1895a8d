//! Bindings and requests made from the arguments, with every check that needs no call.

use std::path::Path;

use irsa_core::connect::Environment;
use irsa_core::name::{ClusterRef, Namespace, RoleName, ServiceAccountName};
use irsa_core::{Error, ErrorKind, IrsaBinding, IrsaBindingBuilder, Request, Result};

use crate::args::{CreateArgs, DeleteArgs, DryRunArgs, GetArgs, ServiceAccountArgs, SettingArgs, UpdateArgs};
use crate::files;
use crate::process::Process;

/// Policy as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyInput<'a> {
    /// An ARN or a name.
    Managed(&'a str),
    /// A file with a document.
    File(&'a str),
}

impl<'a> PolicyInput<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        if text.starts_with("arn:") {
            return Self::Managed(text);
        }
        if let Some(path) = text.strip_prefix("file://") {
            return Self::File(path);
        }
        let file = ["./", "../", "/"].iter().any(|start| text.starts_with(start)) || text.ends_with(".json");
        if file { Self::File(text) } else { Self::Managed(text) }
    }
}

/// The name of the inline policy that a file becomes: its last component without `.json`, in IAM's alphabet.
pub(crate) fn inline_name(path: &str) -> String {
    let file = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = file.strip_suffix(".json").unwrap_or(&file);
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' }).collect()
}

impl ServiceAccountArgs {
    /// Namespace and name, each as it was typed.
    fn split(&self) -> Result<(&str, &str)> {
        let (inside, name) = match self.service_account.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, self.service_account.as_str()),
        };
        match (inside, self.namespace.as_deref()) {
            (Some(one), Some(other)) if one != other => Err(conflicting_options(
                &format!("--namespace {other}"),
                &format!("the namespace of {}", self.service_account),
            )),
            (one, other) => Ok((one.or(other).unwrap_or("default"), name)),
        }
    }

    /// Namespace and name, parsed.
    pub(crate) fn names(&self) -> Result<(Namespace, ServiceAccountName)> {
        let (namespace, name) = self.split()?;
        Ok((Namespace::new(namespace)?, ServiceAccountName::new(name)?))
    }

    fn builder(&self, cluster: &ClusterRef) -> Result<IrsaBindingBuilder> {
        let (namespace, name) = self.split()?;
        Ok(IrsaBinding::builder(cluster.to_string(), namespace, name))
    }
}

pub(crate) fn conflicting_options(one: &str, other: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{one} conflicts with {other}")).with_hint("use only one of them")
}

/// The request of `irsa create`.
pub(crate) fn create(process: &Process, args: &CreateArgs, cluster: &ClusterRef) -> Result<Request> {
    let builder = args.account.builder(cluster)?;
    let builder = with_settings(process, builder, &args.policies, &args.subjects, &args.settings)?;
    Ok(with_switches(Request::create(builder.build()?), &args.settings, args.dry_run))
}

/// The request of `irsa update`.
pub(crate) fn update(process: &Process, args: &UpdateArgs, cluster: &ClusterRef) -> Result<Request> {
    let builder = args.account.builder(cluster)?;
    let builder = with_settings(process, builder, &args.policies, &args.subjects, &args.settings)?;
    let mut request = with_switches(Request::update(builder.build()?), &args.settings, args.dry_run);
    for policy in &args.remove_policies {
        request = request.removing_policy(policy)?;
    }
    for subject in &args.remove_subjects {
        request = request.removing_subject(subject)?;
    }
    Ok(request)
}

/// The request of `irsa delete`.
pub(crate) fn delete(args: &DeleteArgs, cluster: &ClusterRef) -> Result<Request> {
    let mut builder = args.account.builder(cluster)?.with_role_only(args.role_only);
    if let Some(name) = &args.role_name {
        builder = builder.with_role_name(name);
    }
    Ok(Request::delete(builder.build()?)
        .with_keep_role(args.keep_role)
        .with_force(args.force)
        .with_dry_run(args.dry_run.mode().dry_run()))
}

/// The binding of `irsa get --role-only`.
pub(crate) fn role_only(args: &GetArgs, cluster: &ClusterRef) -> Result<IrsaBinding> {
    let mut builder = args.account.builder(cluster)?.with_role_only(true);
    if let Some(name) = &args.role_name {
        builder = builder.with_role_name(name);
    }
    builder.build()
}

/// The name of a role, parsed.
pub(crate) fn role_name(name: Option<&str>) -> Result<Option<RoleName>> {
    Ok(name.map(RoleName::new).transpose()?)
}

/// Adds the settings that are of the request and not of the binding.
pub(crate) fn with_switches(request: Request, settings: &SettingArgs, dry_run: DryRunArgs) -> Request {
    request
        .with_adopt(settings.adopt)
        .with_force(settings.force)
        .with_create_namespace(settings.create_namespace)
        .with_create_provider(settings.create_provider)
        .with_dry_run(dry_run.mode().dry_run())
}

pub(crate) fn with_settings(
    process: &Process,
    mut builder: IrsaBindingBuilder,
    policies: &[String],
    subjects: &[String],
    settings: &SettingArgs,
) -> Result<IrsaBindingBuilder> {
    if settings.role_only && settings.create_namespace {
        return Err(conflicting_options("--create-namespace", "--role-only"));
    }
    builder = builder.with_role_only(settings.role_only).with_exact(settings.exact);
    builder = with_policies(&process.environment, builder, policies, &settings.inline_policies)?;
    builder = with_subjects(builder, subjects, &settings.subject_patterns)?;
    for path in &settings.trust_statements {
        builder = builder.with_trust_statement(files::trust_statement(process, path)?);
    }
    for (option, pairs) in
        [("--tag", &settings.tags), ("--label", &settings.labels), ("--annotation", &settings.annotations)]
    {
        for pair in pairs {
            let (key, value) = split(option, pair, "KEY=VALUE")?;
            builder = match option {
                "--tag" => builder.with_tag(key, value),
                "--label" => builder.with_label(key, value),
                _ => builder.with_annotation(key, value),
            };
        }
    }
    if let Some(name) = &settings.role_name {
        builder = builder.with_role_name(name);
    }
    if let Some(path) = &settings.role_path {
        builder = builder.with_role_path(path);
    }
    if let Some(description) = &settings.description {
        builder = builder.with_description(description);
    }
    if let Some(arn) = &settings.permissions_boundary {
        builder = builder.with_permissions_boundary(arn);
    }
    if let Some(seconds) = settings.max_session_duration {
        builder = builder.with_max_session_duration(seconds);
    }
    if let Some(audience) = &settings.audience {
        builder = builder.with_audience(audience);
    }
    if let Some(seconds) = settings.token_expiration {
        builder = builder.with_token_expiration(seconds);
    }
    if let Some(regional) = settings.sts_regional_endpoints {
        builder = builder.with_sts_regional_endpoints(regional);
    }
    if let Some(automount) = settings.automount_token {
        builder = builder.with_automount_token(automount);
    }
    Ok(builder)
}

fn with_policies(
    environment: &Environment,
    mut builder: IrsaBindingBuilder,
    policies: &[String],
    inline: &[String],
) -> Result<IrsaBindingBuilder> {
    let mut files: Vec<(String, &str)> = Vec::new();
    for policy in policies {
        match PolicyInput::of(policy) {
            PolicyInput::Managed(policy) => {
                check_no_file(environment, policy)?;
                builder = builder.with_policy(policy);
            }
            PolicyInput::File(path) => files.push((inline_name(path), path)),
        }
    }
    for pair in inline {
        let (name, path) = split("--inline-policy", pair, "NAME=FILE")?;
        files.push((name.to_owned(), path));
    }
    for (at, (name, path)) in files.iter().enumerate() {
        if let Some((_, other)) = files[..at].iter().find(|(known, _)| known == name) {
            let error = Error::invalid("inline policy name", name, format!("is used for both {other} and {path}"));
            return Err(error.with_hint("rename one of them with --inline-policy NAME=FILE"));
        }
    }
    for (name, path) in &files {
        builder = builder.with_inline_document(name, files::policy(environment, Path::new(path))?.as_value().clone());
    }
    Ok(builder)
}

/// Refuses a policy name that is also the name of a file here: the file was probably meant.
fn check_no_file(environment: &Environment, policy: &str) -> Result<()> {
    if policy.starts_with("arn:") || !policy.contains(['.', '/']) || !environment.path(Path::new(policy)).is_file() {
        return Ok(());
    }
    let is_yaml = [".yaml", ".yml"].iter().any(|end| policy.to_ascii_lowercase().ends_with(end));
    Err(match is_yaml {
        true => Error::invalid("policy", policy, "is a YAML file, but policy documents are JSON")
            .with_hint(format!("convert it to a .json file, for example with `yq -o json {policy}`")),
        false => {
            Error::invalid("policy", policy, "is ambiguous: it is a policy name, but a file with that name exists")
                .with_hint(format!("use ./{policy} for the file, or the ARN for the policy"))
        }
    })
}

fn with_subjects(
    mut builder: IrsaBindingBuilder,
    subjects: &[String],
    patterns: &[String],
) -> Result<IrsaBindingBuilder> {
    let has_wildcard = |text: &str| text.contains(['*', '?']);
    for subject in subjects {
        if has_wildcard(subject) {
            let error = Error::invalid("subject", subject, "must name one service account, without * or ?");
            return Err(error.with_hint(
                "use --subject-pattern to trust all service accounts that match, including ones created later",
            ));
        }
        builder = builder.with_subject(subject);
    }
    for pattern in patterns {
        if !has_wildcard(pattern) {
            let error = Error::invalid("subject pattern", pattern, "must contain * or ?");
            return Err(error.with_hint("use --subject for a single service account"));
        }
        builder = builder.with_subject(pattern);
    }
    Ok(builder)
}

/// The two parts of `KEY=VALUE`; a value may hold further `=`.
fn split<'a>(option: &'static str, pair: &'a str, form: &str) -> Result<(&'a str, &'a str)> {
    let parts = pair.split_once('=').filter(|(key, _)| !key.is_empty());
    parts.ok_or_else(|| Error::invalid(option, pair, format!("must have the form {form}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Command {
        Cli::try_parse_from(std::iter::once("irsa").chain(line.split_whitespace())).unwrap().command
    }

    fn request(line: &str) -> Result<Request> {
        let (process, cluster) = (Process::default(), "demo".parse()?);
        match parsed(line) {
            Command::Create(args) => create(&process, &args, &cluster),
            Command::Update(args) => update(&process, &args, &cluster),
            Command::Delete(args) => delete(&args, &cluster),
            other => panic!("{other:?}"),
        }
    }

    fn refusal(line: &str) -> String {
        let error = request(line).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        format!("{error} {}", error.hint().map(ToString::to_string).unwrap_or_default())
    }

    #[test]
    fn policies_and_files_are_distinguished() {
        use PolicyInput::{File, Managed};
        for (text, input) in [
            ("arn:aws:iam::aws:policy/X", Managed("arn:aws:iam::aws:policy/X")),
            ("arn:aws:iam::123456789012:policy/x.json", Managed("arn:aws:iam::123456789012:policy/x.json")),
            ("AmazonS3ReadOnlyAccess", Managed("AmazonS3ReadOnlyAccess")),
            ("service-role/AmazonEBSCSIDriverPolicy", Managed("service-role/AmazonEBSCSIDriverPolicy")),
            ("file://p", File("p")),
            ("file:///etc/p.json", File("/etc/p.json")),
            ("./p", File("./p")),
            ("../p", File("../p")),
            ("/p", File("/p")),
            ("p.json", File("p.json")),
        ] {
            assert_eq!(PolicyInput::of(text), input, "{text}");
        }
    }

    #[test]
    fn a_file_names_its_inline_policy() {
        for (path, name) in [
            ("./bucket.json", "bucket"),
            ("/a/b/my policy.v2.json", "my-policy.v2"),
            ("../p", "p"),
            ("é.json", "-"),
            ("a.json.json", "a.json"),
        ] {
            assert_eq!(inline_name(path), name, "{path}");
        }
    }

    #[test]
    fn forms_of_a_service_account() {
        for (line, binding) in [
            ("delete a", "default/a"),
            ("delete jobs/a", "jobs/a"),
            ("delete a -n jobs", "jobs/a"),
            ("delete jobs/a -n jobs", "jobs/a"),
        ] {
            assert_eq!(request(line).unwrap().binding.to_string(), binding, "{line}");
        }
        assert_eq!(
            refusal("delete jobs/a -n other"),
            "--namespace other conflicts with the namespace of jobs/a use only one of them"
        );
        assert!(refusal("delete a/b/c").contains("service account name \"b/c\""));
    }

    #[test]
    fn settings_reach_the_binding() {
        let line = "create a --tag k=v=w --label l= --annotation x/y=z --role-name r --role-path /p/ --description d \
            --max-session-duration 7200 --audience aud --token-expiration 600 --sts-regional-endpoints false \
            --automount-token false --subject b/c --subject-pattern blue:d/e-* --exact --adopt --force --create-namespace --check";
        let request = request(line).unwrap();
        let binding = &request.binding;
        assert_eq!(serde_json::to_value(&binding.tags).unwrap(), serde_json::json!({"k": "v=w"}));
        assert_eq!(serde_json::to_value(&binding.labels).unwrap(), serde_json::json!({"l": ""}));
        assert_eq!(binding.role_name.as_ref().map(RoleName::as_str), Some("r"));
        assert_eq!(binding.subjects.len(), 2);
        assert_eq!((binding.sts_regional_endpoints, binding.automount_token), (Some(false), Some(false)));
        assert!(binding.exact && request.adopt && request.force && request.create_namespace);
        assert_eq!(request.dry_run(), irsa_core::DryRun::Yes);
        assert!(!request.create_provider);
    }

    #[test]
    fn conflicting_settings_are_refused() {
        for (line, words) in [
            ("create a --tag k", "--tag \"k\": must have the form KEY=VALUE"),
            ("create a --label =v", "--label \"=v\": must have the form KEY=VALUE"),
            ("create a --inline-policy x", "--inline-policy \"x\": must have the form NAME=FILE"),
            ("create a --subject b/*", "--subject-pattern"),
            ("create a --subject-pattern b/c", "--subject"),
            ("create a --role-only --create-namespace", "--create-namespace conflicts with --role-only"),
            ("create a -p ./x.json --inline-policy x=y.json", "is used for both ./x.json and y.json"),
            ("create a -p ./x.json", "cannot read ./x.json there is no such file"),
            ("update a -p P --remove-policy P", "added and removed at once"),
            ("update a --remove-subject default/a", "named by"),
        ] {
            let error = request(line).unwrap_err();
            let text = format!(
                "{error} {} {}",
                error.causes().join(" "),
                error.hint().map(ToString::to_string).unwrap_or_default()
            );
            assert!(text.contains(words), "{line}: {text}");
        }
    }
}
