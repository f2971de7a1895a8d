//! One call of an action of AWS, by whatever client: what its refusals and its answers mean. For the SDK's clients and for
//! others, so that both tell the same.

use std::fmt::Display;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use super::code::{hint_of_code, is_access_denied, kind_of_code, kind_of_status};
use super::denial;
use super::{ClusterDescription, ROLE_UNFINISHED};
#[cfg(feature = "aws")]
use crate::connection_limit::ConnectionLimit;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClusterRef, RoleArn};

/// The most pages of one list. Quotas end far below (10,000 roles); IAM may answer with fewer entries than it was asked
/// for (IAM API reference, `MaxItems`).
pub const MAX_PAGES: usize = 500;

/// What IAM takes for the longest session of a role that names none, in seconds (IAM API reference, `Role`,
/// `MaxSessionDuration`).
const DEFAULT_SESSION: i32 = 3600;

/// A call of an action of AWS, and what it is for.
#[derive(Debug)]
pub struct AwsCall<'a> {
    pub(crate) service: &'static str,
    pub(crate) action: &'static str,
    /// What an error says was being done: "cannot read role r".
    pub(crate) doing: String,
    /// Sent as the proof of who is calling, in place of a signature; never to be seen in a message.
    pub(crate) token: Option<&'a SecretString>,
    /// Where set, the call waits for its turn.
    #[cfg(feature = "aws")]
    pub(crate) limit: Option<&'a ConnectionLimit>,
}

impl<'a> AwsCall<'a> {
    /// A call of IAM. `doing` is what an error says was being done: "cannot read role r".
    pub fn iam(action: &'static str, doing: impl Into<String>) -> Self {
        Self::of("IAM", action, doing.into())
    }

    /// A call of EKS.
    pub fn eks(action: &'static str, doing: impl Into<String>) -> Self {
        Self::of("EKS", action, doing.into())
    }

    /// A call of STS.
    pub fn sts(action: &'static str, doing: impl Into<String>) -> Self {
        Self::of("STS", action, doing.into())
    }

    /// A call of single sign-on, for credentials.
    #[cfg(feature = "aws")]
    pub(crate) fn sso(action: &'static str, doing: impl Into<String>) -> Self {
        Self::of("SSO", action, doing.into())
    }

    fn of(service: &'static str, action: &'static str, doing: String) -> Self {
        Self {
            service,
            action,
            doing,
            token: None,
            #[cfg(feature = "aws")]
            limit: None,
        }
    }

    /// The call waits until fewer than the limit are under way.
    #[cfg(feature = "aws")]
    pub(crate) fn within(mut self, limit: &'a ConnectionLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The call is not signed: this token is what it is judged by. It is kept out of messages.
    #[must_use]
    pub fn with_token(mut self, token: &'a SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// What an error says was being done.
    pub fn doing(&self) -> &str {
        &self.doing
    }

    /// The service refused: `code` and `message` are its own, `status` is that of HTTP where there is one.
    pub fn refused(&self, code: &str, message: Option<&str>, status: Option<u16>) -> Error {
        self.placed(self.refusal(code, message, status))
    }

    pub(crate) fn refusal(&self, code: &str, message: Option<&str>, status: Option<u16>) -> Error {
        let kind = match (kind_of_code(code), status) {
            (ErrorKind::Unexpected, Some(status)) => kind_of_status(status),
            (kind, _) => kind,
        };
        let cause = match (message.filter(|message| !message.is_empty()), status) {
            (Some(message), _) => format!("{code}: {}", shortened(&self.without_token(message))),
            (None, Some(status)) => format!("{code} (HTTP {status})"),
            (None, None) => code.to_owned(),
        };
        let error = Error::new(kind, self.doing.clone()).with_cause(cause).with_code(code);
        // Without a signature it is the token that was refused, not the credentials.
        if self.token.is_some() {
            return error;
        }
        match hint_of_code(code) {
            Some(hint) => error.with_hint(hint),
            None if is_access_denied(code) => error.with_hint(denial::hint(message.unwrap_or_default())),
            None => error,
        }
    }

    /// The service answered something that makes no sense.
    pub fn malformed(&self, why: impl Display) -> Error {
        let cause = format!("the answer of {} cannot be understood: {why}", self.service);
        self.placed(Error::new(ErrorKind::Unexpected, self.doing.clone()).with_cause(cause))
    }

    /// An error with the place where it came up.
    pub fn placed(&self, error: Error) -> Error {
        error.with_context("service", self.service).with_context("action", self.action)
    }

    /// A name or an ARN that must be in the answer and be one.
    pub fn parsed<T>(&self, what: &str, text: Option<&str>) -> Result<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = text.ok_or_else(|| self.malformed(format!("it names no {what}")))?;
        text.parse().map_err(|error| self.malformed(error))
    }

    /// The ARN of a role; `Unavailable` with the code [`ROLE_UNFINISHED`] where it has none yet.
    pub fn role_arn(&self, name: &str, arn: &str) -> Result<RoleArn> {
        if is_finished(arn) {
            return self.parsed("role ARN", Some(arn));
        }
        Err(Error::new(ErrorKind::Unavailable, self.doing.clone())
            .with_code(ROLE_UNFINISHED)
            .with_cause(format!("IAM has not finished making role {name}: it has no ARN yet"))
            .with_hint("try again in a few seconds"))
    }

    /// A document of IAM: URL-encoded by RFC 3986, so that `+` is a plus (IAM API reference, `GetRole`).
    pub fn document(&self, text: &str) -> Result<String> {
        // Encoded it begins with %7B; some emulators answer plain JSON.
        if text.trim_start().starts_with('{') {
            return Ok(text.to_owned());
        }
        match percent_decode_str(text).decode_utf8() {
            Ok(document) => Ok(document.into_owned()),
            Err(error) => Err(self.malformed(format!("the document is not UTF-8: {error}"))),
        }
    }

    /// The longest session of a role, in seconds.
    pub fn session(&self, seconds: Option<i32>) -> Result<u32> {
        let seconds = seconds.unwrap_or(DEFAULT_SESSION);
        u32::try_from(seconds).map_err(|_| self.malformed(format!("a session of {seconds} seconds")))
    }

    /// What EKS describes, if it is the cluster that was asked for.
    ///
    /// # Errors
    /// `WrongCluster` when the cluster of this name has another ARN.
    pub fn described(&self, cluster: &ClusterRef, description: ClusterDescription) -> Result<ClusterDescription> {
        match cluster {
            ClusterRef::Arn(arn) if *arn != description.arn => {
                Err(Error::new(ErrorKind::WrongCluster, self.doing.clone())
                    .with_cause(format!("EKS describes {} to these credentials", description.arn))
                    .with_hint(format!("use credentials of account {}", arn.account())))
            }
            ClusterRef::Name(name) if name != description.arn.name() => {
                let cause = format!("EKS was asked for {name} and describes {}", description.arn);
                Err(Error::new(ErrorKind::WrongCluster, self.doing.clone()).with_cause(cause))
            }
            _ => Ok(description),
        }
    }

    /// A message with the token of the call taken out: STS quotes values that it refuses.
    pub fn without_token(&self, message: &str) -> String {
        match self.token.map(|token| token.expose_secret()) {
            Some(token) if !token.is_empty() => message.replace(token, "[the token]"),
            _ => message.to_owned(),
        }
    }
}

/// For seconds after its making, a role may have its unique id in place of its ARN (seen by terraform-provider-aws,
/// `waitRoleARNIsNotUniqueID`).
pub fn is_finished(arn: &str) -> bool {
    !arn.starts_with("AROA")
}

/// A message that quotes a value of any length, such as a document, without its middle: the rule stands at the end.
fn shortened(message: &str) -> String {
    const HEAD: usize = 400;
    const TAIL: usize = 200;
    let length = message.chars().count();
    if length <= HEAD + TAIL {
        return message.to_owned();
    }
    let head: String = message.chars().take(HEAD).collect();
    let tail: String = message.chars().skip(length - TAIL).collect();
    format!("{head} … {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::PolicyArn;

    fn call() -> AwsCall<'static> {
        AwsCall::iam("GetRole", "cannot read role r")
    }

    #[test]
    fn documents_are_percent_decoded_and_a_plus_is_a_plus() {
        let encoded = "%7B%22Action%22%3A%22s3%3AGet%2B%2541%22%2C%22a%22%3A%22b+c%20d%C3%A9%22%7D";
        assert_eq!(call().document(encoded).unwrap(), r#"{"Action":"s3:Get+%41","a":"b+c dé"}"#);
        let plain = r#"{"a":"100%25 +"}"#;
        assert_eq!(call().document(plain).unwrap(), plain);
        assert_eq!(call().document("%7B%FF").unwrap_err().kind(), ErrorKind::Unexpected);
    }

    #[test]
    fn a_role_that_is_still_being_made_is_unavailable() {
        let error = call().role_arn("r", "AROAEXAMPLE").unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some(ROLE_UNFINISHED)));
    }

    #[test]
    fn names_that_break_the_rules_of_the_service_are_its_fault_not_the_users() {
        for text in [None, Some(""), Some("arn:aws:s3:::b")] {
            assert_eq!(call().parsed::<PolicyArn>("policy ARN", text).unwrap_err().kind(), ErrorKind::Unexpected);
        }
        assert_eq!(call().session(Some(-1)).unwrap_err().kind(), ErrorKind::Unexpected);
        assert_eq!(call().session(None).unwrap(), 3600);
    }

    #[test]
    fn a_refusal_goes_by_its_code_and_then_by_its_status() {
        let kind = |code: &str, status| call().refused(code, Some("m"), status).kind();
        assert_eq!(kind("NoSuchEntity", Some(500)), ErrorKind::NotFound);
        assert_eq!((kind("New", Some(503)), kind("New", None)), (ErrorKind::Unavailable, ErrorKind::Unexpected));
        let silent = call().refused("New", None, None);
        assert_eq!((silent.code(), silent.causes()), (Some("New"), vec!["New".to_owned()]));
    }

    #[test]
    fn missing_rights_name_the_action_and_a_refused_token_does_not() {
        let message = "User: u is not authorized to perform: iam:CreateRole on resource: r because no permissions boundary \
                       allows the iam:CreateRole action";
        for code in ["AccessDenied", "AccessDeniedException"] {
            let hint = call().refused(code, Some(message), Some(403)).hint().unwrap().to_string();
            assert!(hint.contains("permissions boundary of the caller, which does not allow iam:CreateRole"), "{hint}");
        }
        let token = SecretString::from("t");
        let exchange = AwsCall::sts("AssumeRoleWithWebIdentity", "cannot exchange").with_token(&token);
        assert_eq!(exchange.refused("AccessDenied", Some(message), Some(403)).hint(), None);
        assert_eq!(call().refused("UnmodifiableEntity", Some(message), Some(400)).hint(), None);
    }

    #[test]
    fn long_messages_keep_their_ends() {
        let message = format!("1 validation error: Value '{}' must have length at most 50", "x".repeat(5000));
        let short = shortened(&message);
        assert!(short.len() < 650 && short.starts_with("1 validation") && short.ends_with("at most 50"), "{short}");
        assert_eq!(shortened("short"), "short");
    }
}
