//! `irsa trust`: what trust policies really allow. Offline questions are answered here, the others by [`query`].

mod audit_files;
mod query;

use std::path::Path;

use irsa_core::connect::{Need, Target};
use irsa_core::name::{AccountId, Audience, EksHost, Issuer, Partition, ProviderArn, RoleArn, RoleName};
use irsa_core::trust::{
    Ignore, Surroundings, TrustDocument, WebIdentityCaller, audit, service_account_claim, subject_claim,
    trust_document_of_text, usual_audience,
};
use irsa_core::{Error, ErrorKind, Hint, Result};

use super::Context;
use super::runner::{Task, run as run_task};
use crate::answer::{Answer, AuditAnswer, AuditOptions, Outcome, Purpose, TrustCheckAnswer};
use crate::args::{AuditArgs, CheckArgs, Global, TrustCommand, WhoCanArgs};
use crate::connect::target;
use crate::console::Console;
use crate::files;
use crate::process::Process;
use crate::spelling::Spelling;

/// Question about trust policies.
#[derive(Clone, Debug)]
enum Query {
    Check(Box<Check>),
    WhoCan(Role),
    Audit { options: AuditOptions, ignores: Vec<Ignore> },
}

impl Query {
    fn purpose(&self) -> Purpose {
        match self {
            Self::Check(_) => Purpose::Decision,
            Self::Audit { options, .. } if options.fail_on.is_some() => Purpose::Gate,
            Self::Audit { .. } | Self::WhoCan(_) => Purpose::Action,
        }
    }
}

/// Whether the holder of a token can assume a role.
#[derive(Clone, Debug)]
struct Check {
    policy: Policy,
    provider: Provider,
    /// The `sub` claim.
    subject: String,
    audience: Audience,
}

/// Trust policy that a check is about.
#[derive(Clone, Debug)]
enum Policy {
    /// A document, with its role if the document names it.
    Given(TrustDocument, Option<RoleArn>),
    Of(Role),
}

/// OIDC provider of the token.
#[derive(Clone, Debug)]
enum Provider {
    /// Provider of an issuer; account and partition default to those of the role.
    OfIssuer {
        issuer: Issuer,
        account: Option<AccountId>,
        partition: Option<Partition>,
    },
    OfCluster,
}

/// Role as it was typed.
#[derive(Clone, Debug)]
enum Role {
    Named(RoleName),
    Arn(RoleArn),
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

pub(super) fn run(command: &TrustCommand, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let (query, dispatch) = match command {
        TrustCommand::Check(args) => check(args, context)?,
        TrustCommand::WhoCan(args) => who_can(args, context)?,
        TrustCommand::Audit(args) => audit_roles(args, context)?,
    };
    let target = match dispatch {
        Dispatch::Answered(answer) => return Ok(Outcome::new(query.purpose(), Ok(*answer))),
        Dispatch::Ask(target) => target,
    };
    let cluster = target.cluster.as_ref().map_or_else(|| "the account".to_owned(), ToString::to_string);
    let task = Task {
        target: &target,
        purpose: query.purpose(),
        title: format!("trust policies of {cluster}"),
        writes: false,
    };
    Ok(run_task(&task, context, console, async |_| query::answer(&query, context, &target).await))
}

/// How a query gets its answer.
enum Dispatch {
    /// From files alone.
    Answered(Box<Answer>),
    /// From AWS, and perhaps from a cluster.
    Ask(Box<Target>),
}

fn check(args: &CheckArgs, context: &Context<'_>) -> Result<(Query, Dispatch)> {
    let (global, process) = (context.global, context.process);
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
            let error = Error::new(ErrorKind::InvalidInput, "--partition requires --issuer");
            return Err(error.with_hint("for a cluster, the partition is that of its ARN"));
        }
        let target = context.target(Need::Cluster).map_err(or_issuer)?;
        return Ok((Query::Check(Box::new(check)), Dispatch::Ask(Box::new(target))));
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
        let answer = Answer::TrustCheck(Box::new(check.decide(document, provider, role.clone())));
        return Ok((Query::Check(Box::new(check)), Dispatch::Answered(Box::new(answer))));
    }
    // Apart from the region, the issuer of the token says nothing about how to reach AWS.
    let global = Global { issuer: None, account: None, ..global.clone() };
    let target = target(global.config(), process, Need::ClusterIfNamed)?.or_region_of(&issuer);
    check.provider = Provider::OfIssuer { issuer, account, partition };
    Ok((Query::Check(Box::new(check)), Dispatch::Ask(Box::new(target))))
}

/// Adds to the hint that a check works without a cluster too.
fn or_issuer(error: Error) -> Error {
    match error.hint() {
        Some(Hint::NameClusterOrTrySandbox { .. }) => {
            error.with_hint(Hint::NameClusterOrTrySandbox { or_issuer: true })
        }
        _ => error,
    }
}

/// Trust policy of a file, with its role if the file names it.
fn document(process: &Process, file: &Path) -> Result<(Option<RoleArn>, TrustDocument)> {
    trust_document_of_text(&files::shown(file), &files::document(process, file, audit_files::MAX_BYTES)?)
}

/// The `sub` claim of a service account, or of whatever the issuer signs tokens for.
fn subject(text: &str, issuer: Option<&Issuer>) -> Result<String> {
    match issuer {
        Some(issuer) => subject_claim(issuer, text),
        None => service_account_claim(text).map_err(|error| match text.contains(':') {
            true => error.with_hint("for a subject of another issuer, such as GitHub Actions, use --issuer"),
            false => error,
        }),
    }
}

/// Provider of an issuer; without an account, the only one that the document names.
fn provider_in(
    document: &TrustDocument,
    issuer: Issuer,
    account: Option<AccountId>,
    partition: Option<Partition>,
) -> Result<ProviderArn> {
    let of_issuer = || EksHost::of_issuer(&issuer).map(|host| host.partition);
    let partition = partition.or_else(of_issuer).map_or_else(|| "aws".parse(), Ok)?;
    // Built-in providers belong to no account.
    let no_account = || document.built_in_issuers().contains(&issuer).then(|| "000000000000".parse().ok()).flatten();
    if let Some(account) = account.or_else(no_account) {
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
            None => "the document names no provider for this issuer".to_owned(),
        },
        all => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("the document names {}", all.join(", "))
        }
    };
    let error = Error::new(ErrorKind::InvalidInput, format!("cannot tell the account of issuer {}", issuer.url()));
    let hint = match here.is_empty() && !of_issuer.is_empty() {
        true => "use --account, and --partition if it is not aws",
        false => "name the account of the role with --account",
    };
    Err(error.with_cause(named).with_hint(hint))
}

fn who_can(args: &WhoCanArgs, context: &Context<'_>) -> Result<(Query, Dispatch)> {
    let role = Role::parse(&args.role)?;
    let target = context.target(Need::ClusterIfKnown)?;
    Ok((Query::WhoCan(role), Dispatch::Ask(Box::new(target))))
}

fn audit_roles(args: &AuditArgs, context: &Context<'_>) -> Result<(Query, Dispatch)> {
    let global = context.global;
    let ignores = args.ignores.iter().map(|text| text.parse()).collect::<Result<Vec<Ignore>>>()?;
    let options = AuditOptions { fail_on: args.fail_on, show_fixes: args.show_fixes };
    if args.files.is_empty() {
        let target = context.target(Need::ClusterIfNamed)?;
        return Ok((Query::Audit { options, ignores }, Dispatch::Ask(Box::new(target))));
    }
    let given = [
        ("--cluster", global.cluster.is_some()),
        ("--sandbox", global.sandbox.is_some()),
        ("--account", global.account.is_some()),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
        let error = Error::new(ErrorKind::InvalidInput, format!("{option} cannot be used with --file"));
        return Err(error.with_hint("files are audited offline; omit one of the two options"));
    }
    let audit_files::Files { roles, files, unread, warning } = audit_files::read(context.process, &args.files)?;
    let mut audit = audit(roles, &Surroundings::default(), &ignores);
    audit.warnings.extend(warning);
    let answer = Answer::Audit(Box::new(AuditAnswer { audit, files, unread, options }));
    Ok((Query::Audit { options, ignores }, Dispatch::Answered(Box::new(answer))))
}

impl Check {
    fn decide(&self, document: &TrustDocument, provider: ProviderArn, role: Option<RoleArn>) -> TrustCheckAnswer {
        let built_in = document.built_in_issuers().contains(provider.issuer());
        let name = if built_in { provider.issuer().host_path().to_owned() } else { provider.to_string() };
        let caller = WebIdentityCaller::new(provider, &self.subject, self.audience.to_string());
        let check = document.check(&caller);
        TrustCheckAnswer { caller, provider: name, role, check }
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
            ("https://two.example", "name the account of the role with --account"),
            ("https://none.example", "names no provider for this issuer"),
            ("https://open.example", "names arn:aws:iam::ACCOUNT_ID:oidc-provider/open.example, which is not the ARN"),
            ("https://cn.example", "--partition if it is not aws"),
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
