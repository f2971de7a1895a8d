//! Trust policies: what they really let in.

use irsa_core::name::{EksHost, Issuer, Partition, ProviderArn};
use irsa_core::trust::{Decision, WebIdentityCaller, trust_document_of_text, usual_audience};
use pyo3::prelude::*;

use crate::argument::{Given, named};
use crate::audit::document_of;
use crate::data::{as_text, data};

as_text!(Decision);

data! {
    /// The answer to "may this caller assume the role?".
    TrustCheck(irsa_core::trust::TrustCheck) {
        /// `"allow"`, `"deny"`, or `"unknown"` where it depends on what is not known.
        decision,
        |
        /// What led to it, statement by statement, in words.
        reasons,
        /// What an unknown decision depends on, in words; empty for the others.
        conditions,
        /// Why IAM itself would refuse to store the document, in words.
        notes,
    }
}

/// Says whether a trust policy allows the holder of a token, such as a service account, to assume the role. Pure:
/// calls nothing, reads no environment.
///
/// The trust policy alone is decided on: that the OIDC provider exists and takes the audience is presumed.
///
/// Args:
///     document: the trust policy, as a str of JSON or as a dict; also URL-encoded, or what `get_role` of boto3 or the aws
///         CLI answers.
///     issuer: the issuer of the token, such as `https://oidc.eks.us-east-1.amazonaws.com/id/...` of a cluster, or
///         `https://token.actions.githubusercontent.com`.
///     account: the AWS account of the role and of the provider, 12 digits.
///     partition: `aws`, `aws-cn`, `aws-us-gov`, ...; by default that of the issuer if it is one of EKS, else `aws`.
///     subject: of a cluster the service account, `NAMESPACE/NAME` or `system:serviceaccount:NAMESPACE:NAME`; of
///         another issuer the `sub` claim, such as `repo:my-org/my-repo:ref:refs/heads/main`.
///     audience: the audience of the token; by default `sts.amazonaws.com`, or what the issuer's tokens usually have.
///
/// Raises:
///     InvalidInputError: the document is not a trust policy (with its place), or another argument is malformed.
///     TypeError: the document is neither str nor dict, or holds what JSON does not have.
#[pyfunction]
#[pyo3(signature = (document, *, issuer, account, partition = None, subject, audience = None))]
#[pyo3(text_signature = "(document, *, issuer, account, partition=None, subject, audience=None)")]
pub(crate) fn check_trust(
    document: &Bound<'_, PyAny>,
    issuer: Given<'_, String>,
    account: Given<'_, String>,
    partition: Option<Given<'_, String>>,
    subject: Given<'_, String>,
    audience: Option<Given<'_, String>>,
) -> PyResult<TrustCheck> {
    named!(issuer, account, partition, subject, audience);
    let text = document_of("document", document)?.into_text();
    let checked = document.py().detach(|| {
        let issuer: Issuer = issuer.parse()?;
        let of_issuer = || EksHost::of_issuer(&issuer).map(|host| host.partition);
        let partition: Option<Partition> = partition.as_deref().map(str::parse).transpose()?.or_else(of_issuer);
        let partition = partition.map_or_else(|| "aws".parse(), Ok)?;
        let provider = ProviderArn::new(partition, account.parse()?, issuer);
        let audience = audience.unwrap_or_else(|| usual_audience(provider.issuer()).to_string());
        let caller = WebIdentityCaller::of_subject(provider, &subject, audience)?;
        let (_, document) = trust_document_of_text("document", &text)?;
        Ok::<_, irsa_core::Error>(document.check(&caller))
    });
    Ok(TrustCheck(checked.map_err(crate::error::Failure::from)?))
}
