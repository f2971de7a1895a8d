//! `irsa trust`: what trust policies really allow. Questions about files are answered here, the others by a [`Job`].

mod audit_files;
mod query;

use std::path::Path;

use irsa_core::connect::{Need, Target};
use irsa_core::name::{AccountId, Audience, EksHost, Issuer, Partition, ProviderArn, RoleArn, RoleName};
use irsa_core::trust::{
    Audit, Ignore, Severity, Surroundings, TrustCheck, TrustDocument, WebIdentityCaller, WhoCan, audit,
    service_account_claim, subject_claim, trust_document_of_text, usual_audience,
};
use irsa_core::{Error, ErrorKind, Hint, Result};

pub(crate) use self::query::ask;

use crate::args::{AuditArgs, CheckArgs, Global, TrustCommand, WhoCanArgs};
use crate::commands::operation::{Job, Work};
use crate::connect::{Connect, target};
use crate::exit::{Exit, Purpose};
use crate::printer::Printer;
use crate::process::Process;
use crate::source_map::Document;
use crate::spelling::Spelling;
use crate::{files, output};

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Check(Box<Check>),
    WhoCan(Role),
    Audit(Wishes),
}

impl Question {
    /// A check says yes or no; so does an audit that is to fail on findings.
    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Self::Check(_) => Purpose::Question,
            Self::Audit(wishes) if wishes.fail_on.is_some() => Purpose::Question,
            Self::Audit(_) | Self::WhoCan(_) => Purpose::Work,
        }
    }
}

/// Whether a caller may assume a role.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    policy: Policy,
    provider: Provider,
    /// The `sub` claim.
    subject: String,
    audience: Audience,
}

/// The trust policy that is asked about.
#[derive(Clone, Debug)]
enum Policy {
    /// With the role that the document says it is of.
    Given(TrustDocument, Option<RoleArn>),
    Of(Role),
}

/// The OIDC provider of the caller.
#[derive(Clone, Debug)]
enum Provider {
    /// In the account and the partition of the role, where they are not given.
    Of {
        issuer: Issuer,
        account: Option<AccountId>,
        partition: Option<Partition>,
    },
    OfCluster,
}

/// A role as it was typed.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    Named(RoleName),
    Arn(RoleArn),
}

/// How an audit is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) fail_on: Option<Severity>,
    pub(crate) show_fixes: bool,
    ignores: Vec<Ignore>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Checked(Box<Checked>),
    WhoCan(Box<WhoCan>),
    /// With the texts, and why some of the files could not be audited.
    Audit(Audit, Vec<Document>, Option<Error>),
}

/// A decision, and what it was about.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) caller: WebIdentityCaller,
    /// The provider as trust policies name it.
    pub(crate) provider: String,
    pub(crate) role: Option<RoleArn>,
    pub(crate) check: TrustCheck,
}

impl Role {
    fn parse(text: &str) -> Result<Self> {
        Ok(if text.starts_with("arn:") { Self::Arn(text.parse()?) } else { Self::Named(RoleName::new(text)?) })
    }

    fn name(&self) -> &RoleName {
        match self {
            Self::Named(name) => name,
            Self::Arn(arn) => arn.name(),
        }
    }
}

/// Runs one of the commands.
pub(crate) fn run(
    command: &TrustCommand,
    global: &Global,
    process: &Process,
    connect: &dyn Connect,
    printer: &mut Printer<'_>,
) -> Exit {
    let asked = match command {
        TrustCommand::Check(args) => check(args, global, process),
        TrustCommand::WhoCan(args) => who_can(args, global, process),
        TrustCommand::Audit(args) => audited(args, global, process),
    };
    match asked {
        Ok((question, Way::Answered(told))) => output::trusted(&question, &told, global, printer),
        Ok((question, Way::Ask(target))) => {
            let job = Job { target: *target, work: Work::Trust(question), dry_run: Default::default() };
            job.run(global, process, connect, printer)
        }
        Err(error) => output::refused(&error, global, printer),
    }
}

/// How a question gets its answer.
enum Way {
    Answered(Told),
    Ask(Box<Target>),
}

fn check(args: &CheckArgs, global: &Global, process: &Process) -> Result<(Question, Way)> {
    let partition: Option<Partition> = args.partition.as_deref().map(str::parse).transpose()?;
    let policy = match (&args.document, &args.role) {
        (Some(file), _) => {
            let (role, document) = document(process, file)?;
            Policy::Given(document, role)
        }
        (None, role) => Policy::Of(Role::parse(role.as_deref().unwrap_or_default())?),
    };
    let issuer: Option<Issuer> = global.issuer.as_deref().map(str::parse).transpose()?;
    let audience = args.audience.as_deref().map(Audience::new).transpose()?;
    let mut check = Check {
        policy,
        provider: Provider::OfCluster,
        subject: subject(&args.subject, issuer.as_ref())?,
        audience: audience.unwrap_or_else(|| issuer.as_ref().map_or_else(Audience::sts, usual_audience)),
    };
    let Some(issuer) = issuer else {
        if partition.is_some() {
            let error = Error::new(ErrorKind::InvalidInput, "--partition needs --issuer");
            return Err(error.with_hint("the partition of a cluster is that of its ARN"));
        }
        let target = target(global.config(), process, Need::Cluster).map_err(or_issuer)?;
        return Ok((Question::Check(Box::new(check)), Way::Ask(Box::new(target))));
    };
    global.config().check_sandbox().map_err(|defect| defect.into_error(&Spelling::default()))?;
    let account: Option<AccountId> = global.account.as_deref().map(str::parse).transpose()?;
    if let Policy::Given(document, role) = &check.policy {
        let provider = match role {
            // STS looks for the provider in the account of the role.
            Some(role) => ProviderArn::new(
                partition.unwrap_or_else(|| role.partition().clone()),
                account.unwrap_or_else(|| role.account().clone()),
                issuer,
            ),
            None => provider_in(document, issuer, account, partition)?,
        };
        let told = Told::Checked(Box::new(check.decide(document, provider, role.clone())));
        return Ok((Question::Check(Box::new(check)), Way::Answered(told)));
    }
    // The issuer says whose tokens they are, and nothing of how AWS is reached but for the region.
    let around = Global { issuer: None, account: None, ..global.clone() };
    let target = target(around.config(), process, Need::ClusterIfNamed)?.or_region_of(&issuer);
    check.provider = Provider::Of { issuer, account, partition };
    Ok((Question::Check(Box::new(check)), Way::Ask(Box::new(target))))
}

/// Here an issuer will do as well.
fn or_issuer(error: Error) -> Error {
    match error.hint() {
        Some(Hint::NameClusterOrTrySandbox { .. }) => {
            error.with_hint(Hint::NameClusterOrTrySandbox { or_issuer: true })
        }
        _ => error,
    }
}

/// A trust policy, and the role that it is of where the file says so.
fn document(process: &Process, file: &Path) -> Result<(Option<RoleArn>, TrustDocument)> {
    trust_document_of_text(&files::shown(file), &files::document(process, file, audit_files::LONGEST)?)
}

/// The `sub` claim that is meant: of a service account, or of whatever the issuer signs tokens for.
fn subject(text: &str, issuer: Option<&Issuer>) -> Result<String> {
    match issuer {
        Some(issuer) => subject_claim(issuer, text),
        None => service_account_claim(text).map_err(|error| match text.contains(':') {
            true => error.with_hint("for a subject of another issuer, such as GitHub Actions, give --issuer"),
            false => error,
        }),
    }
}

/// The provider of an issuer; without an account, the only one that the document names.
fn provider_in(
    document: &TrustDocument,
    issuer: Issuer,
    account: Option<AccountId>,
    partition: Option<Partition>,
) -> Result<ProviderArn> {
    let of_issuer = || EksHost::of_issuer(&issuer).map(|host| host.partition);
    let partition = partition.or_else(of_issuer).map_or_else(|| "aws".parse(), Ok)?;
    // Those that are built in are in no account.
    let nobody = || document.built_in_issuers().contains(&issuer).then(|| "000000000000".parse().ok()).flatten();
    if let Some(account) = account.or_else(nobody) {
        return Ok(ProviderArn::new(partition, account, issuer));
    }
    let of_issuer: Vec<ProviderArn> =
        document.providers().into_iter().filter(|provider| *provider.issuer() == issuer).collect();
    let here: Vec<&ProviderArn> = of_issuer.iter().filter(|provider| *provider.partition() == partition).collect();
    if let [one] = here[..] {
        return Ok(one.clone());
    }
    let named = match &of_issuer[..] {
        [] => match document.incomplete_providers(&issuer).first() {
            Some(open) => format!("the document names {open}, which is not the ARN of an OIDC provider"),
            None => "the document names no provider of this issuer".to_owned(),
        },
        all => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("the document names {}", all.join(", "))
        }
    };
    let error = Error::new(ErrorKind::InvalidInput, format!("the account of issuer {} is not known", issuer.url()));
    let hint = match here.is_empty() && !of_issuer.is_empty() {
        true => "give --account, or --partition where it is not aws",
        false => "give the account of the role with --account",
    };
    Err(error.with_cause(named).with_hint(hint))
}

fn who_can(args: &WhoCanArgs, global: &Global, process: &Process) -> Result<(Question, Way)> {
    let role = Role::parse(&args.role)?;
    let target = target(global.config(), process, Need::ClusterIfKnown)?;
    Ok((Question::WhoCan(role), Way::Ask(Box::new(target))))
}

fn audited(args: &AuditArgs, global: &Global, process: &Process) -> Result<(Question, Way)> {
    let ignores = args.ignores.iter().map(|text| text.parse()).collect::<Result<Vec<Ignore>>>()?;
    let wishes = Wishes { fail_on: args.fail_on, show_fixes: args.show_fixes, ignores };
    if args.files.is_empty() {
        let target = target(global.config(), process, Need::ClusterIfNamed)?;
        return Ok((Question::Audit(wishes), Way::Ask(Box::new(target))));
    }
    if let Some(cluster) = &global.cluster {
        let error = Error::new(ErrorKind::InvalidInput, format!("--cluster {cluster} contradicts --file"));
        return Err(error.with_hint("files are audited without asking anybody; leave one of them out"));
    }
    let (option, given) =
        (global.sandbox.is_some().then_some("--sandbox"), global.account.is_some().then_some("--account"));
    if let Some(option) = option.or(given) {
        let error = Error::new(ErrorKind::InvalidInput, format!("{option} contradicts --file"));
        return Err(error.with_hint("files are audited without asking anybody; leave one of them out"));
    }
    let audit_files::Files { roles, documents, unread, warning } = audit_files::read(process, &args.files)?;
    let mut audit = audit(roles, &Surroundings::default(), &wishes.ignores);
    audit.warnings.extend(warning);
    let told = Told::Audit(audit, documents, unread);
    Ok((Question::Audit(wishes), Way::Answered(told)))
}

impl Check {
    fn decide(&self, document: &TrustDocument, provider: ProviderArn, role: Option<RoleArn>) -> Checked {
        let built_in = document.built_in_issuers().contains(provider.issuer());
        let name = if built_in { provider.issuer().host_path().to_owned() } else { provider.to_string() };
        let caller = WebIdentityCaller::new(provider, &self.subject, self.audience.to_string());
        let check = document.check(&caller);
        Checked { caller, provider: name, role, check }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": [
            "arn:aws:iam::123456789012:oidc-provider/one.example",
            "arn:aws:iam::123456789012:oidc-provider/two.example",
            "arn:aws:iam::210987654321:oidc-provider/two.example",
            "arn:aws-cn:iam::123456789012:oidc-provider/cn.example",
            "arn:aws:iam::ACCOUNT_ID:oidc-provider/open.example"]}}]}"#;

    fn provider(issuer: &str, account: Option<&str>, partition: Option<&str>) -> Result<String> {
        let account = account.map(str::parse).transpose()?;
        let partition = partition.map(str::parse).transpose()?;
        let document = TrustDocument::parse(DOCUMENT)?;
        provider_in(&document, issuer.parse()?, account, partition).map(|provider| provider.to_string())
    }

    #[test]
    fn the_account_is_that_of_the_document_where_it_names_one() {
        let one = "arn:aws:iam::123456789012:oidc-provider/one.example";
        assert_eq!(provider("https://one.example", None, None).unwrap(), one);
        let other = provider("https://one.example", Some("999999999999"), None).unwrap();
        assert_eq!(other, "arn:aws:iam::999999999999:oidc-provider/one.example");
        let cn = provider("https://cn.example", None, Some("aws-cn")).unwrap();
        assert_eq!(cn, "arn:aws-cn:iam::123456789012:oidc-provider/cn.example");
        // An issuer of EKS tells its partition.
        let china = "oidc-eks.cn-north-1.api.amazonwebservices.com.cn/id/A";
        let arn = format!("arn:aws-cn:iam::999999999999:oidc-provider/{china}");
        assert_eq!(provider(&format!("https://{china}"), Some("999999999999"), None).unwrap(), arn);
        for (issuer, words) in [
            ("https://two.example", "give the account of the role with --account"),
            ("https://none.example", "names no provider of this issuer"),
            ("https://open.example", "names arn:aws:iam::ACCOUNT_ID:oidc-provider/open.example, which is not the ARN"),
            ("https://cn.example", "--partition where it is not aws"),
        ] {
            let error = provider(issuer, None, None).unwrap_err();
            let text = format!(
                "{error} {} {}",
                error.causes().join(" "),
                error.hint().map(ToString::to_string).unwrap_or_default()
            );
            assert!(error.kind() == ErrorKind::InvalidInput && text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_subject_is_a_service_account_or_its_claim() {
        let claim = "system:serviceaccount:jobs:a.b";
        let of_cluster = |text: &str| subject(text, None);
        assert_eq!((of_cluster("jobs/a.b").unwrap().as_str(), of_cluster(claim).unwrap().as_str()), (claim, claim));
        for text in ["a", "", "a/b/c", "Jobs/a", "system:serviceaccount:a", "system:serviceaccount:a:b:c", "jobs/*"] {
            assert_eq!(of_cluster(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
        let github = "repo:octo-org/octo-repo:ref:refs/heads/main";
        assert!(of_cluster(github).unwrap_err().hint().unwrap().to_string().contains("--issuer"));
        let issuer = "https://token.actions.githubusercontent.com".parse().unwrap();
        assert_eq!(subject(github, Some(&issuer)).unwrap(), github);
    }

    #[test]
    fn a_built_in_issuer_needs_no_account() {
        let text = r#"{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"}}]}"#;
        let document = TrustDocument::parse(text).unwrap();
        let issuer: Issuer = "https://cognito-identity.amazonaws.com".parse().unwrap();
        let provider = provider_in(&document, issuer, None, None).unwrap();
        assert_eq!(provider.issuer().host_path(), "cognito-identity.amazonaws.com");
        assert!(provider_in(&document, "https://accounts.google.com".parse().unwrap(), None, None).is_err());
    }

    #[test]
    fn a_role_is_a_name_or_an_arn() {
        let arn = "arn:aws:iam::123456789012:role/p/r";
        let role = Role::parse(arn).unwrap();
        assert_eq!(role.name().as_str(), "r");
        assert!(role.check(arn).is_ok());
        assert_eq!(role.check("arn:aws:iam::123456789012:role/r").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(Role::parse("r").unwrap().check(arn).is_ok());
        assert!(Role::parse("a/b").is_err() && Role::parse("arn:aws:iam::123456789012:policy/p").is_err());
    }
}
