//! What a configuration may hold that the SDK takes without a check and panics on at the first call.

use std::panic::AssertUnwindSafe;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use futures::FutureExt;
use http::HeaderValue;

use crate::error::{Error, ErrorKind, Result};
use crate::text::shown;
use crate::url;

/// Checks a URL that is called in place of AWS: absolute, `https` or `http`, with a host.
///
/// # Errors
/// What is wrong with it, to be read after the value: "has no scheme".
pub fn check_endpoint_url(url: &str) -> Result<(), String> {
    url::parse_server(url).map(|_| ())
}

/// The URL of a service, if the configuration sets one; an empty one counts as none, as for botocore.
///
/// As the SDK does it: one given in code is for all services, and otherwise one of the service itself comes first.
///
/// # Errors
/// `InvalidInput` for one that is not a URL.
pub(super) fn endpoint_url(config: &SdkConfig, service: &'static str) -> Result<Option<String>> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = match (config.get_origin("endpoint_url").is_client_config(), key) {
        (false, Ok(key)) => config.service_config().and_then(|config| config.load_config(key)),
        _ => None,
    };
    let set = |url: &String| !url.is_empty();
    let Some(url) = own.filter(set).or_else(|| config.endpoint_url().map(str::to_owned).filter(set)) else {
        return Ok(None);
    };
    check_endpoint_url(&url).map_err(|why| {
        Error::new(ErrorKind::InvalidInput, format!("the endpoint URL of {service} cannot be used"))
            .with_cause(format!("{} {why}", shown(&url)))
            .with_context("field", "endpoint_url")
            .with_context("value", url.as_str())
            .with_hint("correct it where it is set: AWS_ENDPOINT_URL, or endpoint_url of the profile")
    })?;
    Ok(Some(url))
}

/// Credentials that can be sent: the SDK puts access key and session token into headers, with an `unwrap`.
#[derive(Debug)]
pub(super) struct CheckedCredentials(SharedCredentialsProvider);

impl CheckedCredentials {
    pub(super) fn shared(provider: SharedCredentialsProvider) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self(provider))
    }

    async fn provided(&self) -> Result<Credentials, CredentialsError> {
        // A provider may panic on what it reads, as that of the SDK for containers does on a URL without a scheme.
        let provided = AssertUnwindSafe(async { self.0.provide_credentials().await }).catch_unwind().await;
        let credentials = provided
            .map_err(|_| CredentialsError::invalid_configuration("the provider broke down on its configuration"))??;
        let sent =
            [("access key id", Some(credentials.access_key_id())), ("session token", credentials.session_token())];
        for (what, value) in sent {
            if value.is_some_and(|value| HeaderValue::from_str(value).is_err()) {
                let why = format!("the {what} has characters that cannot be sent, such as a line break");
                return Err(CredentialsError::invalid_configuration(why));
            }
        }
        Ok(credentials)
    }
}

impl ProvideCredentials for CheckedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provided())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use aws_types::origin::Origin;
    use aws_types::service_config::LoadServiceConfig;
    use proptest::prelude::*;

    use super::super::AwsBackend;
    use super::*;
    use crate::backend::IamBackend;
    use crate::name::RoleName;

    /// The settings of one service.
    #[derive(Debug)]
    struct OfIam(&'static str);

    impl LoadServiceConfig for OfIam {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == "IAM").then(|| self.0.to_owned())
        }
    }

    fn config(url: Option<&str>) -> aws_types::sdk_config::Builder {
        let mut config = SdkConfig::builder().region(aws_types::region::Region::new("us-east-1"));
        config.set_endpoint_url(url.map(str::to_owned));
        config
    }

    #[test]
    fn an_empty_url_counts_as_none_and_the_one_of_a_service_comes_first() {
        let with = |own: &'static str, origin: Option<Origin>| {
            let mut config = config(Some("http://all"));
            config.set_service_config(Some(OfIam(own)));
            if let Some(origin) = origin {
                config.insert_origin("endpoint_url", origin);
            }
            config.build()
        };
        let of = |config: &SdkConfig, service| endpoint_url(config, service).unwrap();
        assert_eq!(of(&config(None).build(), "IAM"), None);
        assert_eq!(of(&config(Some("")).build(), "IAM"), None);
        assert_eq!(of(&with("http://iam", None), "IAM").as_deref(), Some("http://iam"));
        assert_eq!(of(&with("http://iam", None), "EKS").as_deref(), Some("http://all"));
        assert_eq!(of(&with("", None), "IAM").as_deref(), Some("http://all"));
        let in_code = with("http://iam", Some(Origin::shared_config()));
        assert_eq!(of(&in_code, "IAM").as_deref(), Some("http://all"));
    }

    #[test]
    fn a_url_that_is_none_is_refused_with_its_value() {
        for url in ["127.0.0.1:5000", "localhost", "http://", "*", "http://a b"] {
            let error = AwsBackend::new(&config(Some(url)).build()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(error.causes()[0].starts_with(&format!("{url:?} ")), "{error:?}");
        }
    }

    /// One call to a port where nothing listens.
    async fn called(credentials: impl ProvideCredentials + 'static) -> Error {
        let shared = SharedCredentialsProvider::new(credentials);
        let retry = aws_smithy_types::retry::RetryConfig::disabled();
        let config = config(Some("http://127.0.0.1:1")).credentials_provider(shared).retry_config(retry).build();
        let role: RoleName = "r".parse().unwrap();
        AwsBackend::new(&config).unwrap().role(&role).await.unwrap_err()
    }

    #[tokio::test]
    async fn credentials_that_cannot_be_sent_are_refused_without_being_shown() {
        for (key, token, what) in [
            ("AKID\n", None, "access key id"),
            ("AKID\0", None, "access key id"),
            ("AKID", Some("s3cr3t\u{1}"), "session token"),
        ] {
            let error = called(Credentials::new(key, "secret", token.map(str::to_owned), None, "test")).await;
            assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error:?}");
            let causes = error.causes().join(" ");
            assert!(causes.contains(&format!("the {what} has characters")) && !causes.contains("s3cr3t"), "{error:?}");
        }
        assert_eq!(called(Credentials::new("AKID", "s", None, None, "test")).await.kind(), ErrorKind::Unavailable);
    }

    #[derive(Debug)]
    struct Breaking;

    impl ProvideCredentials for Breaking {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            std::panic::resume_unwind(Box::new("the URL has no scheme"))
        }
    }

    #[tokio::test]
    async fn a_provider_that_panics_is_an_error() {
        let error = called(Breaking).await;
        assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error:?}");
        assert!(error.causes().join(" ").contains("broke down"), "{error:?}");
    }

    proptest! {
        #[test]
        fn no_endpoint_url_makes_the_sdk_panic(url in prop_oneof![".{0,30}", "https?://[a-z0-9.:@*\\[\\]/?#%-]{0,20}"]) {
            let _ = AwsBackend::new(&config(Some(&url)).build());
        }
    }
}
