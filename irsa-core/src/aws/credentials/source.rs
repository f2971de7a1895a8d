//! Where credentials come from, each source with the calls that it takes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sso::SsoTokenProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::token::ProvideToken;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::types::Credentials as StsCredentials;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::super::call::Call;
use super::super::checked::endpoint_url;
use super::super::error::chain;
use super::{process, shell_word};
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::text::shown;
use crate::url::{parse_server, redacted};

/// A role that a profile assumes.
#[derive(Clone)]
pub(super) struct Role {
    /// The profile, for messages.
    pub(super) profile: String,
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) session_name: Option<String>,
    /// In seconds; STS has a default.
    pub(super) duration: Option<i32>,
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (profile {:?})", self.arn, self.profile)
    }
}

/// What single sign-on takes.
#[derive(Clone, Debug)]
pub(super) struct Sso {
    pub(super) profile: String,
    pub(super) account: String,
    pub(super) role_name: String,
    pub(super) region: String,
    pub(super) start_url: String,
    pub(super) session_name: Option<String>,
}

/// Where credentials come from.
#[derive(Clone)]
pub(super) enum Source {
    /// Keys that are known, from variables or a profile.
    Keys(Credentials),
    /// A program that prints them.
    Process { profile: String, command: String, account: Option<String> },
    /// A token that STS takes.
    WebIdentity(WebIdentity),
    /// Single sign-on.
    Sso(Sso),
    /// The agent of a container.
    Container,
    /// The metadata service of an EC2 instance.
    Instance,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A command may have secrets among its arguments.
        f.write_str(match self {
            Self::Keys(_) => "Keys",
            Self::Process { .. } => "Process",
            Self::WebIdentity(_) => "WebIdentity",
            Self::Sso(_) => "Sso",
            Self::Container => "Container",
            Self::Instance => "Instance",
        })
    }
}

/// A role that STS gives for a token, as in a pod of EKS.
#[derive(Clone, Debug)]
pub(super) struct WebIdentity {
    pub(super) role_arn: String,
    pub(super) token_file: PathBuf,
    pub(super) session_name: Option<String>,
}

/// The keys in the variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
pub(super) fn from_variables<'v>(variable: impl Fn(&str) -> Option<&'v str>) -> Result<Option<Credentials>> {
    let Some(id) = variable("AWS_ACCESS_KEY_ID") else { return Ok(None) };
    let Some(secret) = variable("AWS_SECRET_ACCESS_KEY") else {
        return Err(Error::new(ErrorKind::InvalidInput, "cannot use the credentials of the environment variables")
            .with_cause("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"));
    };
    let mut keys = Credentials::builder().access_key_id(id).secret_access_key(secret).provider_name("Environment");
    keys.set_session_token(variable("AWS_SESSION_TOKEN").map(str::to_owned));
    keys.set_account_id(variable("AWS_ACCOUNT_ID").map(Into::into));
    Ok(Some(keys.build()))
}

/// What a machine gives those who run on it, where neither variables nor profile have credentials.
pub(super) fn of_machine<'v>(variable: impl Fn(&str) -> Option<&'v str>) -> Result<Source> {
    if let Some(file) = variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
        let Some(role) = variable("AWS_ROLE_ARN") else {
            return Err(Error::new(ErrorKind::InvalidInput, "cannot use the web identity token of the environment")
                .with_cause("AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not"));
        };
        return Ok(Source::WebIdentity(WebIdentity {
            role_arn: role.to_owned(),
            token_file: file.into(),
            session_name: variable("AWS_ROLE_SESSION_NAME").map(str::to_owned),
        }));
    }
    if [RELATIVE_URI, FULL_URI].into_iter().any(|name| variable(name).is_some()) {
        return of_container(variable);
    }
    match variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        true => Err(nothing_found("the environment variables and the profile have none")),
        false => Ok(Source::Instance),
    }
}

const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/// Where the agent of a container may listen without TLS, beside loopback: ECS, and EKS Pod Identity.
const AGENTS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// The agent of the container, whose URL the SDK would panic on, or tell of in terms of its own, if it is none.
///
/// # Errors
/// `InvalidInput`, with the variable and its value.
pub(super) fn of_container<'v>(variable: impl Fn(&str) -> Option<&'v str>) -> Result<Source> {
    let refused = |name: &'static str, value: &str, why: &str| {
        let value = redacted(value);
        Error::new(ErrorKind::InvalidInput, "cannot use the credentials of the container")
            .with_cause(format!("{name} {} {why}", shown(&value)))
            .with_context("field", name)
            .with_context("value", value)
            .with_hint(format!("correct {name}, or unset it where the program does not run in a container"))
    };
    match (variable(RELATIVE_URI), variable(FULL_URI)) {
        (Some(path), _) if !path.starts_with('/') => Err(refused(RELATIVE_URI, path, "does not begin with /")),
        (Some(path), _) => match parse_server(&format!("http://{}{path}", AGENTS[0])) {
            Ok(_) => Ok(Source::Container),
            Err(why) => Err(refused(RELATIVE_URI, path, &why)),
        },
        (None, Some(full)) => {
            let url = parse_server(full).map_err(|why| refused(FULL_URI, full, &why))?;
            let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
            // A name is looked up by the SDK, and held to the same rule.
            let may_listen = host.parse::<IpAddr>().map_or(true, |ip| ip.is_loopback() || AGENTS.contains(&ip));
            if url.scheme_str() == Some("http") && !may_listen {
                let why =
                    "must begin with https://: only loopback and the agents of ECS and EKS may be called without TLS";
                return Err(refused(FULL_URI, full, why));
            }
            Ok(Source::Container)
        }
        (None, None) => Err(Error::new(ErrorKind::InvalidInput, "cannot use the credentials of the container")
            .with_cause(format!("neither {RELATIVE_URI} nor {FULL_URI} is set"))),
    }
}

/// There are no credentials anywhere.
fn nothing_found(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::AccessDenied, "no AWS credentials were found")
        .with_cause(why)
        .with_hint("log in, or name a profile that has some; `aws configure list` shows what the aws CLI finds")
}

impl Source {
    /// Gets them. `config` says where services are reached.
    pub(super) async fn credentials(&self, config: &SdkConfig) -> Result<Credentials> {
        match self {
            Self::Keys(keys) => Ok(keys.clone()),
            Self::Process { profile, command, account } => {
                process::credentials(profile, command, account.as_deref()).await
            }
            Self::WebIdentity(identity) => with_token(config, identity).await,
            Self::Sso(sso) => signed_on(config, sso).await,
            Self::Container => {
                let provider = EcsCredentialsProvider::builder().configure(&metadata(config)).build();
                let doing = "cannot get the credentials of the container";
                provider
                    .provide_credentials()
                    .await
                    .map_err(|error| Error::new(ErrorKind::AccessDenied, doing).with_cause(chain(&error)))
            }
            Self::Instance => {
                let provider = ImdsCredentialsProvider::builder().configure(&metadata(config)).build();
                provider.provide_credentials().await.map_err(|error| match error {
                    CredentialsError::CredentialsNotLoaded(_) => nothing_found(
                        "the environment variables and the profile have none, and this is not an EC2 instance",
                    ),
                    error => Error::new(ErrorKind::AccessDenied, "cannot get the credentials of the EC2 instance")
                        .with_cause(chain(&error)),
                })
            }
        }
    }
}

/// How the metadata services of a machine are reached: they are no services of AWS, and have no endpoint URL.
fn metadata(config: &SdkConfig) -> ProviderConfig {
    let metadata = ProviderConfig::without_region().with_region(config.region().cloned());
    match config.http_client() {
        Some(client) => metadata.with_http_client(client),
        None => metadata,
    }
}

/// A configuration for calls with these credentials, or with none.
fn as_caller(config: &SdkConfig, credentials: Option<Credentials>) -> SdkConfig {
    let mut own = config.to_builder().identity_cache(IdentityCache::no_cache());
    own.set_credentials_provider(credentials.map(SharedCredentialsProvider::new));
    own.build()
}

fn sts(config: &SdkConfig) -> Result<aws_sdk_sts::Client> {
    let mut own = aws_sdk_sts::config::Builder::from(config);
    own.set_endpoint_url(endpoint_url(config, "STS")?);
    Ok(aws_sdk_sts::Client::from_conf(own.build()))
}

/// Assumes a role.
pub(super) async fn assume(config: &SdkConfig, role: &Role, credentials: Credentials) -> Result<Credentials> {
    let sts = sts(&as_caller(config, Some(credentials)))?;
    let call = Call::sts("AssumeRole", format!("cannot assume role {} of profile {:?}", role.arn, role.profile));
    let request = sts
        .assume_role()
        .role_arn(&role.arn)
        .set_external_id(role.external_id.clone())
        .set_duration_seconds(role.duration)
        .role_session_name(role.session_name.clone().unwrap_or_else(session_name));
    let assumed = call.send(request.send()).await.map_err(|error| match error.code() {
        Some("AccessDenied") => error.with_hint(
            "the trust policy of the role must name the caller, and the caller needs sts:AssumeRole; check external_id",
        ),
        _ => error,
    })?;
    temporary(&call, assumed.credentials, "AssumeRole")
}

/// Exchanges a token for the credentials of a role.
async fn with_token(config: &SdkConfig, identity: &WebIdentity) -> Result<Credentials> {
    let doing = format!("cannot assume role {} with a web identity token", identity.role_arn);
    let token = tokio::fs::read_to_string(&identity.token_file).await.map_err(|error| {
        let cause = format!("cannot read the token {:?}: {error}", identity.token_file.display().to_string());
        Error::new(ErrorKind::AccessDenied, doing.clone()).with_cause(cause)
    })?;
    let token = token.trim().to_owned().into();
    let sts = sts(&as_caller(config, None))?;
    let call = Call::sts("AssumeRoleWithWebIdentity", doing).with_token(&token);
    let request = sts
        .assume_role_with_web_identity()
        .role_arn(&identity.role_arn)
        .role_session_name(identity.session_name.clone().unwrap_or_else(session_name))
        .web_identity_token(secrecy::ExposeSecret::expose_secret(&token));
    let assumed = call.send(request.send()).await?;
    temporary(&call, assumed.credentials, "WebIdentityToken")
}

/// Gets the credentials of a role from single sign-on, with the token that `aws sso login` left.
async fn signed_on(config: &SdkConfig, sso: &Sso) -> Result<Credentials> {
    let doing = format!("cannot get the credentials of profile {:?} by single sign-on", sso.profile);
    let log_in = || Hint::from(format!("log in with `aws sso login --profile {}`", shell_word(&sso.profile)));
    let config = as_caller(config, None).into_builder().region(Region::new(sso.region.clone())).build();
    // Without a session the token is kept under the start URL.
    let tokens = SsoTokenProvider::builder()
        .configure(&config)
        .region(Region::new(sso.region.clone()))
        .start_url(&sso.start_url)
        .session_name(sso.session_name.as_ref().unwrap_or(&sso.start_url))
        .build()
        .await;
    let token = tokens.provide_token().await.map_err(|error| {
        Error::new(ErrorKind::AccessDenied, doing.clone()).with_cause(chain(&error)).with_hint(log_in())
    })?;
    let client = aws_sdk_sso::Client::new(&config);
    let call = Call::sso("GetRoleCredentials", doing);
    let request =
        client.get_role_credentials().access_token(token.token()).account_id(&sso.account).role_name(&sso.role_name);
    let found = call.send(request.send()).await.map_err(|error| match error.code() {
        Some("UnauthorizedException") => error.with_hint(log_in()),
        Some("ForbiddenException") => {
            let (role, account) = (&sso.role_name, &sso.account);
            error.with_hint(format!("check that you are assigned {role} in account {account}, or {}", log_in()))
        }
        _ => error,
    })?;
    let keys = found.role_credentials.ok_or_else(|| call.malformed("it has no credentials"))?;
    let text = |value: Option<String>, what: &str| value.ok_or_else(|| call.malformed(format!("it has no {what}")));
    let end = u64::try_from(keys.expiration).map_err(|_| call.malformed("it expires before 1970"))?;
    let mut built = Credentials::builder()
        .access_key_id(text(keys.access_key_id, "access key")?)
        .secret_access_key(text(keys.secret_access_key, "secret key")?)
        .account_id(sso.account.as_str())
        .expiry(UNIX_EPOCH + std::time::Duration::from_millis(end))
        .provider_name("SSO");
    built.set_session_token(keys.session_token);
    Ok(built.build())
}

/// The credentials in an answer of STS.
fn temporary(call: &Call<'_>, keys: Option<StsCredentials>, provider: &'static str) -> Result<Credentials> {
    let keys = keys.ok_or_else(|| call.malformed("it has no credentials"))?;
    let end = SystemTime::try_from(keys.expiration).map_err(|error| call.malformed(error))?;
    Ok(Credentials::builder()
        .access_key_id(keys.access_key_id)
        .secret_access_key(keys.secret_access_key)
        .session_token(keys.session_token)
        .expiry(end)
        .provider_name(provider)
        .build())
}

/// The name of a session that no profile names: who sees it in CloudTrail knows the program and the time.
fn session_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("irsa-{}", now.as_millis())
}
