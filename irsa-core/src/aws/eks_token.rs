//! The token that an EKS API server takes: a presigned `GetCallerIdentity`, made in process.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_types::SdkConfig;
use aws_types::sdk_config::SharedTimeSource;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::checked::CheckedCredentials;
use super::error::no_credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClusterName, Partition, Region};

/// aws-iam-authenticator, `pkg/token/token.go`: `v1Prefix`, `clusterIDHeader`, `maxTokenLenBytes`.
const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
const MAX_LENGTH: usize = 4096;

/// awscli, `eks/get_token.py`: `URL_TIMEOUT`. The server goes by the date of the signature, not by this.
const URL_EXPIRES: Duration = Duration::from_secs(60);

/// awscli, `eks/get_token.py`: `TOKEN_EXPIRATION_MINS`. The server takes a token for 15 minutes; one is for wrong clocks.
const VALID: Duration = Duration::from_secs(14 * 60);

/// So long before its end a token is no longer handed out.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// All that RFC 3986 does not call unreserved.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Makes tokens for the API server of an EKS cluster, as `aws eks get-token` does, and renews them before they end.
///
/// An endpoint URL of the configuration has no effect here: the API server takes only URLs of STS's own hosts.
pub struct EksTokenSource {
    cluster: ClusterName,
    region: Region,
    credentials: SharedCredentialsProvider,
    time: SharedTimeSource,
    made: Mutex<Option<Made>>,
}

#[derive(Clone)]
struct Made {
    token: SecretString,
    expires: SystemTime,
}

impl EksTokenSource {
    /// A source of tokens for a cluster, with the credentials provider and the time source of the configuration.
    ///
    /// # Errors
    /// `AccessDenied` when the configuration has no credentials provider.
    pub fn new(config: &SdkConfig, cluster: ClusterName, region: Region) -> Result<Self> {
        let Some(credentials) = config.credentials_provider() else {
            return Err(Error::new(ErrorKind::AccessDenied, doing(&cluster))
                .with_cause("the AWS configuration has no credentials")
                .with_hint("log in, or name a profile that has credentials"));
        };
        let time = config.time_source().unwrap_or_default();
        let credentials = CheckedCredentials::shared(credentials);
        Ok(Self { cluster, region, credentials, time, made: Mutex::new(None) })
    }

    /// A token and when it ends. No call is made to AWS but what the credentials take.
    ///
    /// # Errors
    /// `AccessDenied` or `Timeout` when no credentials can be had, `Unexpected` when they make a token that the API server
    /// would find too long.
    pub async fn token(&self) -> Result<(SecretString, SystemTime)> {
        // Held while a token is made, so that callers at the same time wait for one.
        let mut made = self.made.lock().await;
        let now = self.time.now();
        if let Some(made) = made.as_ref().filter(|made| now + RENEW_BEFORE < made.expires) {
            return Ok((made.token.clone(), made.expires));
        }
        let credentials = self.credentials.provide_credentials().await;
        let credentials = credentials.map_err(|error| no_credentials(&doing(&self.cluster), Box::new(error)))?;
        // STS refuses the signature once the session that signed it has ended.
        let expires = credentials.expiry().map_or(now + VALID, |end| end.min(now + VALID));
        let token = self.presigned(credentials, now)?;
        let new = made.insert(Made { token, expires });
        Ok((new.token.clone(), new.expires))
    }

    fn presigned(&self, credentials: Credentials, now: SystemTime) -> Result<SecretString> {
        let url = presigned_url(&self.cluster, &self.region, credentials, now)?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(url));
        if token.len() > MAX_LENGTH {
            return Err(Error::new(ErrorKind::Unexpected, doing(&self.cluster))
                .with_cause(format!("it has {} characters, and the API server takes {MAX_LENGTH}", token.len()))
                .with_hint("the session token of the AWS credentials is too long: use a session with fewer tags"));
        }
        Ok(token.into())
    }
}

impl fmt::Debug for EksTokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EksTokenSource")
            .field("cluster", &self.cluster)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

fn doing(cluster: &ClusterName) -> String {
    format!("cannot make a token for cluster {cluster}")
}

/// The URL that the API server will open to learn who signed it.
fn presigned_url(cluster: &ClusterName, region: &Region, credentials: Credentials, now: SystemTime) -> Result<String> {
    let host = format!("sts.{region}.{}", Partition::of_region(region.as_str()).dns_suffix());
    let url = format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(URL_EXPIRES);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name("sts")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| Error::new(ErrorKind::Unexpected, doing(cluster)).with_source(error))?
        .into();
    let headers = [("host", host.as_str()), (CLUSTER_HEADER, cluster.as_str())];
    let signed = SignableRequest::new("GET", &url, headers.into_iter(), SignableBody::Bytes(&[]))
        .and_then(|request| sign(request, &params))
        .map_err(|error| Error::new(ErrorKind::Unexpected, doing(cluster)).with_source(error))?;
    let (_, mut query) = signed.into_parts().0.into_parts();
    // The order has no meaning; the signature is last in what every client makes.
    query.sort_by_key(|(name, _)| *name == "X-Amz-Signature");
    Ok(query
        .into_iter()
        .fold(url, |url, (name, value)| format!("{url}&{name}={}", utf8_percent_encode(&value, &RESERVED))))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, LazyLock};
    use std::time::UNIX_EPOCH;

    use aws_types::sdk_config::TimeSource;

    use secrecy::ExposeSecret;

    use super::*;

    /// 2026-11-24T12:34:56Z
    static NOW: LazyLock<SystemTime> = LazyLock::new(|| UNIX_EPOCH + Duration::from_secs(1_795_523_696));

    /// The key pair of AWS' documentation.
    fn credentials(token: Option<&str>, expires: Option<SystemTime>) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), expires, "test")
    }

    fn url(region: &str, cluster: &str, token: Option<&str>) -> String {
        let (cluster, region) = (ClusterName::new(cluster).unwrap(), Region::new(region).unwrap());
        presigned_url(&cluster, &region, credentials(token, None), *NOW).unwrap()
    }

    /// Made by awscli 1.46.3: `TokenGenerator(STSClientFactory(session).get_sts_client(region)).get_token(cluster)` of
    /// `awscli.customizations.eks.get_token`, with this key pair in the environment and
    /// `botocore.auth.get_current_datetime` returning the time above; decoded from base64.
    #[test]
    fn the_url_is_the_one_that_the_aws_cli_makes() {
        assert_eq!(
            url("us-east-1", "demo", None),
            "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20261124%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20261124T123456Z\
             &X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
             &X-Amz-Signature=79a1722bd8ac0262500a08e92e1ac7a0424c3f13cfe7be6d4fd58863f6fa5676"
        );
        assert_eq!(
            url("cn-north-1", "my_Cluster-1", Some("token/with+chars==")),
            "https://sts.cn-north-1.amazonaws.com.cn/?Action=GetCallerIdentity&Version=2011-06-15\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20261124%2Fcn-north-1%2Fsts%2Faws4_request&X-Amz-Date=20261124T123456Z\
             &X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Security-Token=token%2Fwith%2Bchars%3D%3D\
             &X-Amz-Signature=e09c042ce38f465a99e9b468b329c102379c140ef93782d33f1a1373f85b572c"
        );
    }

    /// Hosts and signatures by the same program.
    #[test]
    fn every_partition_has_its_host() {
        for (region, host, signature) in [
            ("us-gov-west-1", "amazonaws.com", "2188b37f0934f4a9894850aacf9bc5ca9b33b0c0d6ee26102c36a91988e8ba8b"),
            ("us-iso-east-1", "c2s.ic.gov", "41e267894464fcfedf3c77ff8d554ec5528f88f67dfb4b4db5c68419ff1edef3"),
            ("us-isob-east-1", "sc2s.sgov.gov", "c609fb2ef62af42ec07c273bdc8c1a9cb75b3427cbaa45c51fd640a12aef0bc9"),
            ("eu-isoe-west-1", "cloud.adc-e.uk", "f5b9fc70b7a58013796873d2a598ad576e984a43802b4da3cb470f7aafedf97f"),
            ("us-isof-south-1", "csp.hci.ic.gov", "635767813081401b42faa9a980666cc66d0605d6c51d94b84099ba49a602aed1"),
            ("eusc-de-east-1", "amazonaws.eu", "6b0e6ad2259eed03b5a1dfcea4c082f2720143bfb6b5e28ca6f15fee6ec605a3"),
        ] {
            let url = url(region, "demo", None);
            assert!(url.starts_with(&format!("https://sts.{region}.{host}/?Action=")), "{url}");
            assert!(url.ends_with(&format!("&X-Amz-Signature={signature}")), "{url}");
        }
    }

    /// A clock that a test moves.
    #[derive(Clone, Debug, Default)]
    struct Clock(Arc<AtomicU64>);

    impl TimeSource for Clock {
        fn now(&self) -> SystemTime {
            *NOW + Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    fn source(credentials: Credentials) -> (EksTokenSource, Clock) {
        let clock = Clock::default();
        let config = SdkConfig::builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .time_source(clock.clone())
            .endpoint_url("http://localhost:1")
            .build();
        let (cluster, region) = (ClusterName::new("demo").unwrap(), Region::new("us-east-1").unwrap());
        (EksTokenSource::new(&config, cluster, region).unwrap(), clock)
    }

    #[tokio::test]
    async fn a_token_is_kept_until_a_minute_before_its_end() {
        let (source, clock) = source(credentials(None, None));
        let (first, expires) = source.token().await.unwrap();
        assert_eq!(expires, *NOW + Duration::from_secs(840));
        let body = first.expose_secret().strip_prefix("k8s-aws-v1.").unwrap();
        let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
        assert_eq!(decoded, url("us-east-1", "demo", None), "an endpoint URL changes nothing");

        clock.0.store(779, Ordering::Relaxed);
        let (kept, _) = source.token().await.unwrap();
        assert_eq!(kept.expose_secret(), first.expose_secret());

        clock.0.store(780, Ordering::Relaxed);
        let (renewed, expires) = source.token().await.unwrap();
        assert_ne!(renewed.expose_secret(), first.expose_secret());
        assert_eq!(expires, *NOW + Duration::from_secs(780 + 840));
    }

    #[tokio::test]
    async fn a_token_ends_with_the_session_that_signed_it() {
        let end = *NOW + Duration::from_secs(300);
        let (source, _) = source(credentials(Some("t"), Some(end)));
        assert_eq!(source.token().await.unwrap().1, end);
    }

    #[tokio::test]
    async fn a_token_that_is_too_long_and_missing_credentials_are_errors() {
        let (long, _) = source(credentials(Some(&"x".repeat(4000)), None));
        let error = long.token().await.unwrap_err();
        assert!(error.causes()[0].contains("4096"), "{error:?}");

        let (cluster, region) = (ClusterName::new("demo").unwrap(), Region::new("us-east-1").unwrap());
        let error = EksTokenSource::new(&SdkConfig::builder().build(), cluster, region).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
    }

    #[tokio::test]
    async fn nothing_secret_is_printed() {
        let (source, _) = source(credentials(Some("sessiontoken"), None));
        let (token, _) = source.token().await.unwrap();
        let printed = format!("{source:?} {token:?}");
        assert!(!printed.contains("AKID") && !printed.contains("sessiontoken") && !printed.contains("k8s-aws-v1"));
    }
}
