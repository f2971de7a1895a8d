//! The kinds of findings: one table of ids, severities and what they mean.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::{did_you_mean, nearest};
use crate::trust::Severity;

macro_rules! finding_ids {
    ($($name:ident = $id:literal, $severity:ident, $title:literal, $description:literal;)*) => {
        /// What kind of finding it is; the ids are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum FindingId {
            $(
                #[doc = concat!($title, ".")]
                #[serde(rename = $id)]
                $name,
            )*
        }

        impl FindingId {
            /// Every id, in the order in which a person would want to know.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The id in kebab case, as it stands in JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// What it is, in a few words.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// What it means and what to do, in a few sentences.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $description,)*
                }
            }

            /// How bad it is where nothing makes it better or worse.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

finding_ids! {
    AnyPrincipal = "any-principal", High, "Anybody may assume the role",
        "The principal is a wildcard, which covers callers of every AWS account or of every identity provider of the account. \
         Name the principals that are meant.";
    AnySubject = "any-subject", High, "Any token of the issuer can assume the role",
        "Nothing that a token says about its subject is tested, so everybody with a token of the issuer can assume the role: \
         whatever runs in a cluster, or all customers of a service such as GitHub Actions. Test `sub` with `StringEquals`.";
    OtherProviderCondition = "other-provider-condition", High, "The conditions test the tokens of another provider",
        "The condition keys belong to another provider than the principal. Its tokens do not have these keys, and negated \
         operators, `IfExists` and `ForAllValues` hold for a key that is absent, so every token of the principal will do. \
         Test the keys of the principal's own issuer.";
    SeveralProviders = "several-providers", High, "The conditions test one of several providers only",
        "The statement names several providers and tests the keys of one of them with operators that hold for a key that is \
         absent, so every token of the others will do. Give each provider a statement of its own.";
    EveryoneBut = "everyone-but", High, "Everybody but some may assume the role",
        "The subject is tested by a negated operator only, which lets in whatever was not thought of. Name those who are \
         meant with `StringEquals`.";
    AnyNamespace = "any-namespace", High, "A service account of any namespace may assume the role",
        "The pattern leaves the namespace open, so whoever can create a service account of a fitting name, in whatever \
         namespace, gets in. Name the namespace.";
    // High: it takes an account of the service, which is free for everybody.
    AnyTenant = "any-tenant", High, "Subjects of every customer of a service can assume the role",
        "The pattern does not say whose subjects are meant: `repo:*/infra:*` covers a repository of that name of anybody on \
         GitHub, and a subject that every customer can choose covers them all. Name the organization, group or account.";
    // High: whoever registers such a name has the role.
    TenantPattern = "tenant-pattern", High, "A pattern covers customers of a service that are not meant",
        "A pattern that ends within the name of an organization, group or account also covers names that others can take: \
         `repo:my-org*` covers `my-org-evil/app`. Write the name in full, with what ends it: `repo:my-org/*`.";
    PowerfulRole = "powerful-role", High, "A powerful role is open to more than single subjects",
        "The role can administer the account, or assume any other role, and its trust policy trusts more than subjects that \
         are named one by one. Name them, or take permissions away.";
    OpenEnd = "open-end", Medium, "A pattern runs on into the next part of the subject",
        "`*` stands for any characters, `:` too, so a pattern without its last part covers every service account of every \
         namespace that begins like it. Write namespace and name in full, with a `:` between them.";
    NamespacePattern = "namespace-pattern", Medium, "A pattern covers namespaces that are not meant",
        "A pattern for the namespace also covers those that others may make: `prod*` covers `prod-evil`. Name the \
         namespaces.";
    NoAudience = "no-audience", Medium, "Tokens for any audience will do",
        "The audience of the token is not tested, so tokens that were made for another service, if the provider takes its \
         audience, are good for this role too. Test `aud`.";
    DefaultServiceAccount = "default-service-account", Medium, "The service account `default` may assume the role",
        "Every pod that names no service account runs as `default` of its namespace, and gets in. Use a service account of \
         its own.";
    Unreadable = "unreadable", High, "The trust policy cannot be read",
        "The document is not a trust policy, so nothing can be said of who gets in.";
    AnyName = "any-name", Low, "Any service account of a namespace may assume the role",
        "Whoever can create a pod in the namespace gets in. It is worse in `kube-system` and `default`, where many have \
         reason to.";
    // Low: only members of the organization, as with any name of one namespace.
    AnyProject = "any-project", Low, "Everything of one customer of a service can assume the role",
        "Whoever can create or change a repository, project or workspace of that organization, group or account can assume the \
         role. Name those that are meant.";
    // Low: other tests of the statement may keep strangers out; info where every token has the claim.
    ForAllValues = "for-all-values", Low, "A test holds for tokens without the claim",
        "`ForAllValues` holds where the token does not have the claim, so whoever gets a token without it passes the test. The \
         claims of a token have single values: use the operator without `ForAllValues`.";
    OtherAccount = "other-account", Low, "Principals of another AWS account may assume the role",
        "Besides holders of tokens, the role trusts principals of another account, whose administrators decide who that is.";
    StaleProvider = "stale-provider", Low, "The OIDC provider does not exist",
        "The role trusts a provider that the account does not have, as after a cluster was deleted. Whoever can create a \
         provider of that issuer opens the role again. Take the principal out.";
    StaleSubject = "stale-subject", Low, "A service account that does not exist may assume the role",
        "Whoever can create a service account of that name gets in. Take the subject out, or create the account.";
    Undecided = "undecided", Low, "Whether somebody may assume the role depends on something else",
        "The conditions test what a token does not say, such as addresses or tags, or use what is not known here, so that \
         neither yes nor no is certain.";
    NamePattern = "name-pattern", Info, "Service accounts of a namespace may assume the role by a pattern",
        "Whoever can create a service account of a fitting name in the namespace gets in.";
    MixedTrust = "mixed-trust", Info, "A service of AWS and holders of tokens may assume the role",
        "The role is used from two sides, which can hardly need the same permissions. Make two roles.";
    ProviderElsewhere = "provider-elsewhere", Info, "The OIDC provider is of another account than the role",
        "STS looks for the provider in the account of the role only, so this principal never gets in.";
    Placeholder = "placeholder", Info, "The document has yet to be filled in",
        "A part of the statement is a placeholder, as in a template. The rest is judged as if it were filled in; IAM would \
         refuse the document as it stands, or nobody could assume the role by it.";
    // Info: it is a mistake, and keeps everybody out.
    AdmitsNobody = "admits-nobody", Info, "A statement lets nobody in",
        "The statement looks as if somebody could assume the role by it, but no token can meet its conditions, or its principals \
         cannot use its action.";
    RefusedByIam = "refused-by-iam", Info, "IAM would not store the document",
        "The document is evaluated all the same, but IAM would refuse it as it stands.";
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FindingId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|id| id.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.iter().map(|id| id.as_str());
            let error = Error::invalid("finding", text, "is not the id of a finding");
            match did_you_mean(&nearest(text, known.clone())) {
                Some(hint) => error.with_hint(hint),
                None => error.with_hint(format!("the ids are {}", known.collect::<Vec<_>>().join(", "))),
            }
        })
    }
}

/// What is not to be reported: an id, of every role or of one. Written `ID[:ROLE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// The id.
    pub id: FindingId,
    /// The role, by name or ARN, or the file of a document that does not say whose it is; `*` and `?` are wildcards. Nothing
    /// means every role.
    pub role: Option<String>,
}

impl FromStr for Ignore {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (id, role) = match text.split_once(':') {
            Some((_, "")) => return Err(Error::invalid("ignored finding", text, "must have the form ID[:ROLE]")),
            Some((id, role)) => (id, Some(role.to_owned())),
            None => (text, None),
        };
        Ok(Self { id: id.parse()?, role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_spelt_the_same_everywhere() {
        for id in FindingId::ALL {
            assert_eq!(serde_json::to_value(id).ok(), Some(serde_json::Value::from(id.as_str())));
            assert_eq!(id.as_str().parse::<FindingId>().ok(), Some(*id));
            assert!(id.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{id}");
            assert!(!id.title().ends_with('.') && id.description().ends_with('.'), "{id}");
        }
    }

    #[test]
    fn a_misspelt_id_is_told() {
        let hint = |text: &str| text.parse::<FindingId>().unwrap_err().hint().unwrap().to_string();
        assert_eq!(hint("any-subjekt"), "did you mean any-subject?");
        assert!(hint("frobnicated").contains("any-subject, "));
    }

    #[test]
    fn ignored_findings_name_an_id_and_perhaps_a_role() {
        let read = |text: &str| text.parse::<Ignore>().map(|ignore| (ignore.id, ignore.role)).ok();
        assert_eq!(read("any-name"), Some((FindingId::AnyName, None)));
        assert_eq!(read("any-name:r"), Some((FindingId::AnyName, Some("r".to_owned()))));
        let arn = "arn:aws:iam::123456789012:role/r";
        assert_eq!(read(&format!("no-audience:{arn}")), Some((FindingId::NoAudience, Some(arn.to_owned()))));
        assert_eq!((read("any-name:"), read("nonsense:r")), (None, None));
    }
}
