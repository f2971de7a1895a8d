//! Credentials as the aws CLI picks them, where every call that they take goes to the endpoints of the configuration.
//!
//! The SDK's own chain sends `AssumeRole`, and the calls of single sign-on, to AWS itself whatever endpoint URL its
//! configuration has, with the credentials of the source profile.

mod chain;
mod process;
mod source;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::SdkConfig;
use tokio::sync::Mutex;

use self::chain::resolve;
use self::source::{Role, Source, assume};
use super::{Profiles, completed};
use crate::error::{Error, ErrorKind, Result};

/// Credentials that end sooner are fetched anew.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// The credentials of an environment: those of its variables, of the selected profile, of a web identity token, of a
/// container, of the EC2 instance, the first that there are. A profile that the caller selected is the only source.
///
/// `config` says where STS and the services of single sign-on are reached, and how; its own credentials are not used.
/// Nothing is called before the first use.
///
/// # Errors
/// `InvalidInput` where variables or profile are incomplete or contradict each other; `AccessDenied` for a profile that
/// has no credentials, or needs what only the aws CLI can ask for, such as the code of an MFA device.
pub fn credentials_provider(
    config: &SdkConfig,
    variables: &BTreeMap<String, String>,
    profiles: &Profiles,
) -> Result<SharedCredentialsProvider> {
    let variable = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let environment = source::from_variables(variable);
    let (source, roles) = match environment {
        // A profile that was named wins over the variables, as for the aws CLI.
        environment if profiles.is_explicit() => match resolve(profiles, variable)? {
            Some(chain) => chain,
            None => return Err(without_credentials(profiles.selected(), environment.is_ok_and(|keys| keys.is_some()))),
        },
        environment => match environment? {
            Some(keys) => (Source::Keys(keys), Vec::new()),
            None => match resolve(profiles, variable)? {
                Some(chain) => chain,
                None => (source::of_machine(variable)?, Vec::new()),
            },
        },
    };
    let chain = Chain { config: completed(config), source, roles, fetched: Mutex::new(None) };
    Ok(SharedCredentialsProvider::new(Provider(Arc::new(chain))))
}

fn without_credentials(profile: &str, environment_has_some: bool) -> Error {
    let error = Error::new(ErrorKind::AccessDenied, format!("profile {profile:?} has no credentials"))
        .with_context("field", "profile")
        .with_cause(
            "it has no access key, role_arn, sso_session, credential_process or web_identity_token_file of its own",
        );
    match environment_has_some {
        true => error.with_hint(
            "name no profile to use the credentials of the environment variables, or add some to the profile with \
             `aws configure`",
        ),
        false => error.with_hint(format!("add some with `aws configure --profile {}`", shell_word(profile))),
    }
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@+=,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")).into(),
    }
}

/// What leads to credentials, and those that were fetched last.
struct Chain {
    config: SdkConfig,
    source: Source,
    roles: Vec<Role>,
    fetched: Mutex<Option<Credentials>>,
}

impl Chain {
    async fn credentials(&self) -> Result<Credentials> {
        // Held while they are fetched, so that callers at the same time wait for the same ones.
        let mut fetched = self.fetched.lock().await;
        let now = SystemTime::now();
        if let Some(known) = fetched.as_ref().filter(|known| known.expiry().is_none_or(|end| now + RENEW_BEFORE < end))
        {
            return Ok(known.clone());
        }
        let mut credentials = self.source.credentials(&self.config).await?;
        for role in &self.roles {
            credentials = assume(&self.config, role, credentials).await?;
        }
        Ok(fetched.insert(credentials).clone())
    }
}

/// For the SDK.
#[derive(Clone)]
struct Provider(Arc<Chain>);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.0.credentials().await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => CredentialsError::not_loaded(error),
                _ => CredentialsError::provider_error(error),
            })
        })
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("source", &self.0.source).field("roles", &self.0.roles).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::fake::{Answer, Endpoint};
    use super::super::profiles::tests::variables;
    use super::super::{AwsBackend, fake};
    use super::*;
    use crate::backend::IdentityBackend;

    /// An endpoint of all services: gives each role credentials whose access key is the name of the role.
    fn sts() -> Endpoint {
        Endpoint::new(|request| {
            let action = |name: &str| request.contains(&format!("Action={name}&"));
            match request {
                _ if action("AssumeRole") || action("AssumeRoleWithWebIdentity") => {
                    let name = request.split("role%2F").nth(1).unwrap().split(['&', '\r']).next().unwrap();
                    let action = if action("AssumeRole") { "AssumeRole" } else { "AssumeRoleWithWebIdentity" };
                    Answer::xml(format!(
                        "<{action}Response><{action}Result><Credentials><AccessKeyId>KEYOF{name}</AccessKeyId>\
                         <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
                    ))
                }
                _ => Answer::xml(
                    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>\
                     <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
                ),
            }
        })
    }

    async fn provider(
        config: &SdkConfig,
        file: &str,
        more: &[(&str, &str)],
        profile: Option<&str>,
    ) -> Result<SharedCredentialsProvider> {
        let (_folder, variables) = variables(file, more);
        let profiles = Profiles::read(&variables, profile).await?;
        credentials_provider(config, &variables, &profiles)
    }

    /// What a call of STS with the credentials asks of the endpoint: action and access key of each request.
    async fn asked(file: &str, more: &[(&str, &str)], profile: Option<&str>) -> Result<Vec<String>> {
        let endpoint = sts();
        let provider = provider(&endpoint.config(), file, more, profile).await?;
        let config = endpoint.config().to_builder().credentials_provider(provider).build();
        AwsBackend::new(&config)?.caller_identity().await?;
        let requests = endpoint.requests.lock().unwrap();
        let shown = requests.iter().map(|request| {
            let between = |before: &str, after: &[char]| {
                request.split(before).nth(1).and_then(|rest| rest.split(after).next()).unwrap_or("-").to_owned()
            };
            format!("{} {}", between("Action=", &['&']), between("Credential=", &['/']))
        });
        Ok(shown.collect())
    }

    const FILE: &str = "
[default]
aws_access_key_id = DEFAULTKEY
aws_secret_access_key = s
[profile base]
aws_access_key_id = BASEKEY
aws_secret_access_key = s
[profile one]
role_arn = arn:aws:iam::123456789012:role/ONE
source_profile = base
duration_seconds = 900
external_id = ext
[profile two]
role_arn = arn:aws:iam::123456789012:role/TWO
source_profile = one
[profile own]
role_arn = arn:aws:iam::123456789012:role/OWN
source_profile = own
aws_access_key_id = OWNKEY
aws_secret_access_key = s
[profile environment]
role_arn = arn:aws:iam::123456789012:role/ENV
credential_source = Environment
[profile process]
credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"PROCESSKEY\", \"SecretAccessKey\": \"s\"}'
[profile role-of-process]
role_arn = arn:aws:iam::123456789012:role/RP
source_profile = process
[profile region-only]
region = eu-west-1
";
    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENVKEY"), ("AWS_SECRET_ACCESS_KEY", "s")];

    #[tokio::test]
    async fn every_call_for_credentials_goes_to_the_endpoint_of_the_configuration() {
        let last = |key: &str| format!("GetCallerIdentity {key}");
        for (profile, calls) in [
            (None, vec![last("ENVKEY")]),
            (Some("base"), vec![last("BASEKEY")]),
            (Some("one"), vec!["AssumeRole BASEKEY".to_owned(), last("KEYOFONE")]),
            (Some("two"), vec!["AssumeRole BASEKEY".to_owned(), "AssumeRole KEYOFONE".to_owned(), last("KEYOFTWO")]),
            (Some("own"), vec!["AssumeRole OWNKEY".to_owned(), last("KEYOFOWN")]),
            (Some("environment"), vec!["AssumeRole ENVKEY".to_owned(), last("KEYOFENV")]),
            (Some("process"), vec![last("PROCESSKEY")]),
            (Some("role-of-process"), vec!["AssumeRole PROCESSKEY".to_owned(), last("KEYOFRP")]),
        ] {
            assert_eq!(asked(FILE, &KEYS, profile).await.unwrap(), calls, "{profile:?}");
        }
    }

    #[tokio::test]
    async fn without_a_name_the_first_source_counts() {
        assert_eq!(asked(FILE, &[], None).await.unwrap(), ["GetCallerIdentity DEFAULTKEY"]);
        let one = asked(FILE, &[("AWS_PROFILE", "one")], None).await.unwrap();
        assert_eq!(one, ["AssumeRole BASEKEY", "GetCallerIdentity KEYOFONE"]);
        let variable = [KEYS[0], KEYS[1], ("AWS_PROFILE", "one")];
        assert_eq!(asked(FILE, &variable, None).await.unwrap(), ["GetCallerIdentity ENVKEY"]);
        let off = ("AWS_EC2_METADATA_DISABLED", "true");
        let error = asked("", &[off], None).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::AccessDenied, "no AWS credentials were found")
        );
    }

    #[tokio::test]
    async fn the_url_of_a_container_that_is_none_is_refused_with_its_variable_and_value() {
        const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
        let config = fake::config("http://127.0.0.1:1");
        for (name, value, why) in [
            (FULL, "169.254.170.23/v1/credentials", "has no scheme"),
            (FULL, "localhost", "has no scheme"),
            (FULL, "/v1/credentials", "has no scheme"),
            (FULL, "http://", "is not a URL"),
            (FULL, "http://a b/", "is not a URL"),
            (FULL, "ftp://localhost/", "does not begin with https:// or http://"),
            (FULL, "http://10.0.0.1/v1", "must begin with https://: only loopback"),
            (FULL, "http://[fd00:ec2::24]/v1", "must begin with https://: only loopback"),
            (RELATIVE, "v2/credentials", "does not begin with /"),
            (RELATIVE, "http://10.0.0.1/", "does not begin with /"),
            (RELATIVE, "/a b", "is not a URL"),
        ] {
            let error = provider(&config, "", &[(name, value)], None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
            assert!(error.causes()[0].starts_with(&format!("{name} {value:?} {why}")), "{error:?}");
            assert_eq!(error.context()[..2], [("field", name.to_owned()), ("value", value.to_owned())]);
        }
        let secret = provider(&config, "", &[(FULL, "http://u:s3cr3t@127.0.0.1/")], None).await.unwrap_err();
        assert!(!format!("{secret:?}").contains("s3cr3t"), "{secret:?}");
        for (name, value) in [
            (FULL, "http://169.254.170.23/v1/credentials"),
            (FULL, "http://[fd00:ec2::23]/v1"),
            (FULL, "http://localhost:8080/x?y"),
            (FULL, "https://10.0.0.1/"),
            (RELATIVE, "/v2/credentials/x"),
        ] {
            provider(&config, "", &[(name, value)], None).await.unwrap();
        }
        let role = "[profile p]\nrole_arn=arn:aws:iam::123456789012:role/R\ncredential_source=EcsContainer\n";
        let error = provider(&config, role, &[], Some("p")).await.unwrap_err();
        assert!(error.causes()[0].starts_with("neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor"), "{error:?}");
    }

    #[tokio::test]
    async fn a_web_identity_token_is_exchanged_unsigned() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, "eyJ.secret.token\n").unwrap();
        let token = token.to_str().unwrap();
        let of_pod = [("AWS_WEB_IDENTITY_TOKEN_FILE", token), ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/POD")];
        let expected = ["AssumeRoleWithWebIdentity -", "GetCallerIdentity KEYOFPOD"];
        assert_eq!(asked("", &of_pod, None).await.unwrap(), expected);
        let file = format!(
            "[profile pod]\nrole_arn = arn:aws:iam::123456789012:role/POD\nweb_identity_token_file = {token}\n"
        );
        assert_eq!(asked(&file, &KEYS, Some("pod")).await.unwrap(), expected);
        let gone = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent"), of_pod[1]];
        let error = asked("", &gone, None).await.unwrap_err();
        assert!(error.causes().join(" ").contains("cannot read the token \"/nonexistent\""), "{error:?}");
    }

    #[tokio::test]
    async fn credentials_are_fetched_once_for_all_who_ask() {
        let endpoint = sts();
        let provider = provider(&endpoint.config(), FILE, &[], Some("one")).await.unwrap();
        let all = futures::future::join_all((0..5).map(|_| provider.provide_credentials())).await;
        assert!(all.iter().all(|found| found.as_ref().is_ok_and(|keys| keys.access_key_id() == "KEYOFONE")));
        let requests = endpoint.requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].contains("DurationSeconds=900") && requests[0].contains("ExternalId=ext"), "{requests:?}");
        assert!(!format!("{provider:?}").contains("BASEKEY"), "{provider:?}");
    }

    #[tokio::test]
    async fn a_refused_role_says_so_in_plain_words() {
        let endpoint = Endpoint::new(|_| {
            let message = "User: arn:aws:iam::123456789012:user/u is not authorized to perform: sts:AssumeRole on resource: \
                           arn:aws:iam::123456789012:role/ONE";
            Answer::error(403, "AccessDenied", message)
        });
        let provider = provider(&endpoint.config(), FILE, &[], Some("one")).await.unwrap();
        let config = endpoint.config().to_builder().credentials_provider(provider).build();
        let error = AwsBackend::new(&config).unwrap().caller_identity().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("AccessDenied")));
        let causes = error.causes();
        assert_eq!(causes[0], "cannot assume role arn:aws:iam::123456789012:role/ONE of profile \"one\"");
        assert!(causes.len() == 2 && causes[1].starts_with("AccessDenied: User: arn:aws:iam"), "{causes:?}");
        assert!(error.hint().unwrap().to_string().contains("trust policy of the role"), "{error:?}");
    }

    #[tokio::test]
    async fn a_profile_that_cannot_be_used_says_why_and_what_helps() {
        let role = "role_arn = arn:aws:iam::123456789012:role/R";
        let export =
            "run `eval \"$(aws configure export-credentials --profile p --format env)\"`, then name no profile";
        let config = fake::config("http://127.0.0.1:1");
        for (profile, kind, why, hint) in [
            (
                format!("{role}\nsource_profile=base\nmfa_serial=arn:aws:iam::1:mfa/me"),
                ErrorKind::AccessDenied,
                "needs a code of MFA device arn:aws:iam::1:mfa/me",
                export,
            ),
            ("login_session = arn:aws:iam::1:user/me".to_owned(), ErrorKind::AccessDenied, "login_session", export),
            (
                "region = eu-west-1".to_owned(),
                ErrorKind::AccessDenied,
                "profile \"p\" has no credentials",
                "add some with `aws configure --profile p`",
            ),
            (
                format!("{role}\nsource_profile=bsae"),
                ErrorKind::InvalidInput,
                "its source_profile \"bsae\" does not exist",
                "did you mean base?",
            ),
            (
                format!("{role}\nsource_profile=q\n[profile q]\n{role}\nsource_profile=p"),
                ErrorKind::InvalidInput,
                "in a circle: p -> q -> p",
                "",
            ),
            (
                format!("{role}\nsource_profile=q\n[profile q]\nregion=x"),
                ErrorKind::InvalidInput,
                "is the source_profile of another and has no credentials",
                "",
            ),
            (
                format!("{role}\nsource_profile=base\ncredential_source=Environment"),
                ErrorKind::InvalidInput,
                "both source_profile and credential_source",
                "",
            ),
            (role.to_owned(), ErrorKind::InvalidInput, "neither source_profile nor credential_source", ""),
            (
                format!("{role}\nsource_profile=p"),
                ErrorKind::InvalidInput,
                "no credentials to assume the role with",
                "",
            ),
            (
                format!("{role}\ncredential_source=Environment"),
                ErrorKind::InvalidInput,
                "Environment, which has no credentials",
                "",
            ),
            (
                format!("{role}\ncredential_source=Mars"),
                ErrorKind::InvalidInput,
                "credential_source \"Mars\" must be",
                "",
            ),
            (
                format!("{role}\nsource_profile=base\nduration_seconds=1h"),
                ErrorKind::InvalidInput,
                "duration_seconds \"1h\"",
                "",
            ),
            ("web_identity_token_file=/t".to_owned(), ErrorKind::InvalidInput, "no role_arn", ""),
            ("aws_access_key_id=A".to_owned(), ErrorKind::InvalidInput, "no aws_secret_access_key", ""),
            ("aws_secret_access_key=A".to_owned(), ErrorKind::InvalidInput, "no aws_access_key_id", ""),
            (
                "sso_session=s\nsso_account_id=1\nsso_role_name=r".to_owned(),
                ErrorKind::InvalidInput,
                "its sso_session \"s\" does not exist",
                "",
            ),
            (
                "sso_start_url=https://x\nsso_region=us-east-1\nsso_account_id=1".to_owned(),
                ErrorKind::InvalidInput,
                "needs sso_role_name",
                "",
            ),
            (
                "sso_session=s\nsso_region=us-east-1\n[sso-session s]\nsso_region=us-east-1".to_owned(),
                ErrorKind::InvalidInput,
                "which sso_region and sso_start_url belong in",
                "",
            ),
        ] {
            let file =
                format!("[profile base]\naws_access_key_id=B\naws_secret_access_key=s\n[profile p]\n{profile}\n");
            let error = provider(&config, &file, &[], Some("p")).await.unwrap_err();
            let text = format!("{error} {}", error.causes().join(" "));
            assert_eq!(error.kind(), kind, "{profile}: {error:?}");
            assert!(text.contains(why), "{profile}: {text}");
            assert_eq!(error.hint().map(ToString::to_string).unwrap_or_default(), hint, "{profile}");
        }
        let error = provider(&config, FILE, &KEYS, Some("region-only")).await.unwrap_err();
        assert!(
            error.hint().unwrap().to_string().starts_with("name no profile to use the credentials of the environment")
        );
        let half = provider(&config, "", &KEYS[..1], None).await.unwrap_err();
        assert_eq!(half.causes(), ["AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"]);
        assert_eq!((shell_word("dev"), shell_word("my dev's")), ("dev".into(), r"'my dev'\''s'".into()));
    }
}
