//! A proxy that did not lead to a server: told with its name, and without its password.

use std::error::Error as StdError;
use std::fmt;

use http::Uri;

use crate::error::{Error, ErrorKind, UNTRUSTED_CERTIFICATE};
use crate::proxy::ProxyAddress;

/// A proxy that did not open the way to a server.
#[derive(Debug)]
pub(crate) struct ProxyFailure {
    pub(crate) proxy: ProxyAddress,
    /// The server that the way was to lead to.
    pub(crate) server: Uri,
    /// To be read after the name of the proxy.
    pub(crate) why: String,
    pub(crate) reason: ProxyFailureReason,
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyFailureReason {
    /// The proxy cannot be reached, or broke off.
    Network,
    /// It gave no answer in time.
    Timeout,
    /// It wants other credentials, or any.
    Unauthorized,
    /// Its certificate is not trusted.
    Untrusted,
    /// It does not connect to this server, or is no proxy.
    Refused,
}

impl ProxyFailure {
    /// A proxy that wants other credentials, or any (HTTP 407).
    pub(crate) fn unauthorized(proxy: &ProxyAddress, server: &Uri) -> Self {
        let what = if proxy.credentials.is_some() { "other credentials" } else { "credentials" };
        let why = format!("wants {what} (HTTP 407)");
        Self { proxy: proxy.clone(), server: server.clone(), why, reason: ProxyFailureReason::Unauthorized }
    }

    /// The error for the request that wanted to go this way.
    pub(crate) fn error(&self, operation: &str) -> Error {
        let kind = match self.reason {
            ProxyFailureReason::Timeout => ErrorKind::Timeout,
            _ => ErrorKind::Unavailable,
        };
        let setting = self.proxy.setting;
        let error = Error::new(kind, operation.to_owned()).with_cause(self.to_string());
        match self.reason {
            ProxyFailureReason::Unauthorized => {
                error.with_hint(format!("give the user and the password in {setting}: http://USER:PASSWORD@HOST:PORT"))
            }
            ProxyFailureReason::Untrusted => error.with_code(UNTRUSTED_CERTIFICATE).with_hint(
                "add the certificate of its authority to those that this machine trusts (SSL_CERT_FILE names others)",
            ),
            _ if setting == "proxy-url" => {
                error.with_hint("the kubeconfig names this proxy as proxy-url of the cluster")
            }
            _ => match self.server.host() {
                Some(host) => error.with_hint(format!(
                    "{setting} names this proxy; if {host} is reached without one, add it to NO_PROXY"
                )),
                None => error.with_hint(format!("{setting} names this proxy")),
            },
        }
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {} {}", self.proxy, self.why)
    }
}

impl StdError for ProxyFailure {}
