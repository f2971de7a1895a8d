//! Issuers of OIDC tokens: clusters, services that are known by name, and all others.
//!
//! Who can get a token of an issuer decides how much an untested claim matters. The issuer of a cluster, or of one customer of a
//! service, is private. An issuer that all customers of a service share says nothing about who the caller is.
//!
//! Source: IAM user guide, "Identity-provider controls for shared OIDC providers" and "Available keys for AWS OIDC federation".

mod coverage;
mod services;

pub(in crate::trust) use self::coverage::Coverage;
use self::services::SERVICES;
use crate::name::{Audience, EksHost, Issuer, SUBJECT_PREFIX};

/// What is behind an issuer.
#[derive(Clone, Copy, Debug)]
pub(in crate::trust) enum IssuerKind {
    /// A Kubernetes cluster: subjects are service accounts.
    Cluster,
    /// A known service, by one of its issuers.
    Service(&'static TokenService, &'static IssuerForm),
    /// Nothing is known about it.
    Unknown,
}

/// A service that signs OIDC tokens for its customers.
#[derive(Debug)]
pub(in crate::trust) struct TokenService {
    /// Its name in messages.
    pub(in crate::trust) name: &'static str,
    /// Its issuers. The first one that fits counts.
    pub(in crate::trust) issuers: &'static [IssuerForm],
    /// The issuer of an installation of one's own, whose host can be any: it is known by its subjects.
    own_host: Option<&'static IssuerForm>,
    /// Who holds a token: `any workflow of any repository`.
    pub(in crate::trust) holders: &'static str,
    /// What its customers are: `owner`, `organization`.
    pub(in crate::trust) tenant: &'static str,
    /// The form of `sub`, with placeholders in upper case; empty where there is no such form.
    pub(in crate::trust) subject: &'static str,
    /// A `sub` as a token has it; empty where there is no form.
    pub(in crate::trust) example: &'static str,
    /// The usual subjects as a pattern: one that covers it covers everybody.
    pub(in crate::trust) everybody: &'static str,
    /// Where `sub` names the tenant.
    pub(in crate::trust) tenant_parts: &'static [TenantPart],
    /// What a `sub` can begin with that every customer can have in common, since customers choose what theirs is made of.
    pub(in crate::trust) shared_parts: &'static [&'static str],
    pub(in crate::trust) audience: TokenAudience,
    /// The claims beside `sub` and `aud` that AWS documents condition keys for.
    pub(in crate::trust) claims: &'static [Claim],
}

/// An issuer of a service, without its scheme; each `*` is one part between two `/`, or some of it.
#[derive(Debug)]
pub(in crate::trust) struct IssuerForm {
    pattern: &'static str,
    /// Whose issuer it is: `enterprise`, `workspace`; nothing where all customers share it.
    pub(in crate::trust) owner: Option<&'static str>,
    /// Whether AWS knows it without a provider in the account: the principal is the name itself.
    built_in: bool,
}

/// A word in `sub` with the name of a tenant behind it.
#[derive(Debug)]
pub(in crate::trust) struct TenantPart {
    /// `repo:`, at the beginning of the subject or behind a `:`.
    before: &'static str,
    /// What ends the name, the usual first.
    ends: &'static [char],
    /// What makes `before`, a name and this cover everything of that tenant, and nothing of another one.
    all: &'static [&'static str],
    /// The same where the pattern goes on with what ends the name.
    through: &'static [&'static str],
}

/// What the audience of a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trust) enum TokenAudience {
    /// The receiver. Tokens for AWS usually have this one.
    Usual(&'static str),
    /// The receiver, chosen by whoever asks for the token.
    Chosen,
    /// What belongs to one tenant: this.
    Tenant(&'static str),
    /// Nothing: AWS has no such key for these tokens.
    None,
}

/// A claim that has a condition key.
#[derive(Debug)]
pub(in crate::trust) struct Claim {
    pub(in crate::trust) name: &'static str,
    /// Whether its value belongs to one tenant.
    tenant: bool,
    /// What ends the name of the tenant in a longer value: `/` in `OWNER/REPO`.
    ends: Option<char>,
    /// Whether every token has it.
    pub(in crate::trust) always: bool,
}

/// Issuers of clusters whose form is known, besides those of EKS.
const CLUSTERS: [&str; 6] = [
    "container.googleapis.com/v1/projects/*/locations/*/clusters/*",
    "*.oic.prod-aks.azure.com/*/*",
    "*.oic.prod-aks.azure.us/*/*",
    "oidc.prod-aks.azure.com/*",
    "oidc.op1.openshiftapps.com/*",
    "rh-oidc.s3.us-east-1.amazonaws.com/*",
];

impl IssuerKind {
    /// What is known from the form of an issuer alone.
    pub(in crate::trust) fn of(issuer: &Issuer) -> Self {
        let host = issuer.host_path().trim_end_matches('/');
        if EksHost::of_issuer(issuer).is_some() || CLUSTERS.iter().any(|pattern| fits(pattern, host)) {
            return Self::Cluster;
        }
        service_of(host).map_or(Self::Unknown, |(service, form)| Self::Service(service, form))
    }

    /// What is behind an issuer whose form says nothing, given a subject that a trust policy expects of it.
    pub(in crate::trust) fn by_subject(subject: &str) -> Self {
        if is_of_a_cluster(subject) {
            return Self::Cluster;
        }
        let begins =
            |service: &TokenService| service.tenant_parts.first().is_some_and(|part| subject.starts_with(part.before));
        let own = SERVICES.iter().filter_map(|service| Some((service, service.own_host?)));
        let mut fitting = own.filter(|(service, _)| begins(service));
        fitting.next().map_or(Self::Unknown, |(service, form)| Self::Service(service, form))
    }

    pub(in crate::trust) fn is_cluster(self) -> bool {
        matches!(self, Self::Cluster)
    }

    /// The service, where it is one that is known.
    pub(in crate::trust) fn service(self) -> Option<&'static TokenService> {
        match self {
            Self::Service(service, _) => Some(service),
            Self::Cluster | Self::Unknown => None,
        }
    }

    /// Whose issuer it is, where it belongs to one customer of a known service.
    pub(in crate::trust) fn owner(self) -> Option<&'static str> {
        match self {
            Self::Service(_, form) => form.owner,
            Self::Cluster | Self::Unknown => None,
        }
    }

    /// Whether all customers of a service share the issuer.
    pub(in crate::trust) fn is_shared(self) -> bool {
        self.service().is_some() && self.owner().is_none()
    }

    /// An issuer that is not a cluster, in messages.
    pub(in crate::trust) fn shown(self, issuer: &Issuer) -> String {
        match self {
            Self::Service(service, form) if form.owner.is_none() => service.name.to_owned(),
            Self::Service(service, _) => format!("{} (issuer {})", service.name, issuer.url()),
            Self::Cluster | Self::Unknown => format!("issuer {}", issuer.url()),
        }
    }
}

impl TokenService {
    /// A claim by its name; nothing for one that AWS documents no condition key for.
    pub(in crate::trust) fn claim(&self, name: &str) -> Option<&'static Claim> {
        self.claims.iter().find(|claim| claim.name.eq_ignore_ascii_case(name))
    }

    /// What the audience names, where that belongs to one tenant.
    pub(in crate::trust) fn audience_of_tenant(&self) -> Option<&'static str> {
        match self.audience {
            TokenAudience::Tenant(what) => Some(what),
            TokenAudience::Usual(_) | TokenAudience::Chosen | TokenAudience::None => None,
        }
    }

    /// The claims that name the tenant.
    pub(in crate::trust) fn tenant_claims(&self) -> impl Iterator<Item = &'static str> {
        self.claims.iter().filter(|claim| claim.tenant).map(|claim| claim.name)
    }
}

impl Claim {
    /// Whether only tokens of one tenant fit a value of a test; `wild` tells whether `*` and `?` are wildcards.
    pub(in crate::trust) fn is_of_one_tenant(&self, value: &str, wild: bool) -> bool {
        let Some(at) = value.find(['*', '?']).filter(|_| wild) else { return self.tenant };
        let named = self.ends.and_then(|end| value.find(end)).is_some_and(|end| 0 < end && end < at);
        self.tenant && named
    }
}

/// The service with this issuer, given without its scheme.
fn service_of(host_path: &str) -> Option<(&'static TokenService, &'static IssuerForm)> {
    let host = host_path.trim_end_matches('/');
    let mut forms = SERVICES.iter().flat_map(|service| service.issuers.iter().map(move |form| (service, form)));
    forms.find(|(_, form)| fits(form.pattern, host))
}

/// Whether a principal names an identity provider that AWS knows without a provider in the account.
///
/// Source: IAM user guide, "AWS JSON policy elements: Principal", "OIDC federated principals".
pub(in crate::trust) fn is_built_in(principal: &str) -> bool {
    let forms = || SERVICES.iter().flat_map(|service| service.issuers).filter(|form| form.built_in);
    !principal.starts_with("arn:") && forms().any(|form| fits(form.pattern, principal))
}

/// Whether AWS documents the condition key of a claim; nothing for keys of issuers whose claims are not known.
pub(in crate::trust) fn is_documented(key: &str) -> Option<bool> {
    let (issuer, claim) = key.rsplit_once(':')?;
    let (service, _) = service_of(issuer)?;
    let usual = ["sub", "aud", "amr", "email", "oaud"].iter().any(|usual| usual.eq_ignore_ascii_case(claim));
    Some(usual || service.claim(claim).is_some())
}

/// The audience that tokens of an issuer usually have where they are made for AWS; that of STS where nothing else is known.
pub fn usual_audience(issuer: &Issuer) -> Audience {
    let usual = IssuerKind::of(issuer).service().and_then(|service| match service.audience {
        TokenAudience::Usual(audience) => Audience::new(audience).ok(),
        TokenAudience::Chosen | TokenAudience::Tenant(_) | TokenAudience::None => None,
    });
    usual.unwrap_or_else(Audience::sts)
}

/// Whether a text fits a pattern; `*` is at least one character other than `/`.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, behind)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    let longest = rest.find('/').unwrap_or(rest.len());
    (1..=longest).any(|at| rest.get(at..).is_some_and(|rest| fits(behind, rest)))
}

/// Whether a subject is one of a service account, by its beginning.
pub(in crate::trust) fn is_of_a_cluster(subject: &str) -> bool {
    subject.get(..SUBJECT_PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(SUBJECT_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(host: &str) -> IssuerKind {
        IssuerKind::of(&Issuer::from_host_path(host).unwrap())
    }

    #[test]
    fn issuers_are_known_by_their_form() {
        for (host, name, owner) in [
            ("token.actions.githubusercontent.com", "GitHub Actions", None),
            ("token.actions.githubusercontent.com/octo", "GitHub Actions", Some("enterprise")),
            ("token.actions.octocorp.ghe.com", "GitHub Actions", Some("enterprise")),
            ("token.actions.octocorp.ghe.com/octocorp", "GitHub Actions", Some("enterprise")),
            ("github.example.com/_services/token", "GitHub Actions", Some("server")),
            ("gitlab.com", "GitLab", None),
            ("gitlab.example.com", "GitLab", Some("instance")),
            ("app.terraform.io", "HCP Terraform", None),
            ("agent.buildkite.com", "Buildkite", None),
            (
                "api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",
                "Bitbucket Pipelines",
                Some("workspace"),
            ),
            ("oidc.circleci.com/org/6b376885-8f20-45b2-ba2f-c27c0919bc6d", "CircleCI", Some("organization")),
            ("accounts.google.com", "Google", None),
            ("cognito-identity.amazonaws.com", "Amazon Cognito", None),
            ("cognito-idp.us-east-1.amazonaws.com/us-east-1_abc", "Amazon Cognito user pools", Some("user pool")),
            ("sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d/", "Microsoft Sentinel", None),
            ("sts.windows.net/00000000-0000-0000-0000-000000000000/", "Microsoft Entra ID", Some("tenant")),
            ("login.microsoftonline.com/t/v2.0", "Microsoft Entra ID", Some("tenant")),
            ("demo.app.spacelift.io", "Spacelift", Some("account")),
            ("oidc.vercel.com", "Vercel", None),
            ("oidc.vercel.com/acme", "Vercel", Some("team")),
            ("oidc.fly.io/acme", "Fly.io", Some("organization")),
        ] {
            let IssuerKind::Service(service, form) = kind(host) else { panic!("{host}: {:?}", kind(host)) };
            assert_eq!((service.name, form.owner), (name, owner), "{host}");
        }
        for host in [
            "oidc.eks.us-east-1.amazonaws.com/id/A",
            "oidc-eks.us-east-1.api.aws/id/A",
            "oidc.eks.cn-north-1.amazonaws.com.cn/id/A",
            "container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c",
            "eastus.oic.prod-aks.azure.com/t/i/",
            "oidc.op1.openshiftapps.com/1abc",
        ] {
            assert!(kind(host).is_cluster(), "{host}");
        }
        for host in ["oidc.example.com/id/A", "notgitlab.com", "xgitlab.com", "evil.example/app.terraform.io"] {
            assert!(matches!(kind(host), IssuerKind::Unknown), "{host}: {:?}", kind(host));
        }
    }

    #[test]
    fn only_what_aws_knows_without_a_provider_is_built_in() {
        for name in [
            "cognito-identity.amazonaws.com",
            "cognito-identity.cn-north-1.amazonaws.com.cn",
            "accounts.google.com",
            "graph.facebook.com",
            "www.amazon.com",
        ] {
            assert!(is_built_in(name), "{name}");
        }
        for name in [
            "*",
            "token.actions.githubusercontent.com",
            "cognito-idp.us-east-1.amazonaws.com/x",
            "arn:aws:iam::1:saml-provider/x",
        ] {
            assert!(!is_built_in(name), "{name}");
        }
    }

    #[test]
    fn documented_claims_are_told_from_others() {
        let github = "token.actions.githubusercontent.com";
        for claim in ["sub", "aud", "repository_id", "REPOSITORY_OWNER_ID", "job_workflow_ref", "environment"] {
            assert_eq!(is_documented(&format!("{github}:{claim}")), Some(true), "{claim}");
        }
        assert_eq!(is_documented(&format!("{github}:repository_owner")), Some(false));
        assert_eq!(is_documented("oidc.circleci.com/org/x:oidc.circleci.com/project-id"), Some(true));
        assert_eq!(is_documented("accounts.google.com:google/organization_number"), Some(true));
        assert_eq!(is_documented("oidc.eks.us-east-1.amazonaws.com/id/A:sub"), None);
        assert_eq!(is_documented("aws:SourceIp"), None);
    }

    #[test]
    fn every_service_of_the_table_is_whole() {
        for service in SERVICES {
            assert!(!service.issuers.is_empty() && !service.name.is_empty() && service.holders.starts_with("any "));
            assert_eq!(service.subject.is_empty(), service.example.is_empty(), "{}", service.name);
            assert!(!service.example.contains(['*', '?']) && !is_of_a_cluster(service.example), "{}", service.name);
            for form in service.issuers {
                let host = form.pattern.replace('*', "x");
                let IssuerKind::Service(found, _) = kind(&host) else { panic!("{host}") };
                assert_eq!(found.name, service.name, "{host} is hidden by another entry");
            }
            if let TokenAudience::Usual(audience) = service.audience {
                assert_eq!(
                    usual_audience(&Issuer::from_host_path(&service.issuers[0].pattern.replace('*', "x")).unwrap())
                        .as_str(),
                    audience
                );
            }
        }
        assert_eq!(usual_audience(&Issuer::from_host_path("oidc.example.com").unwrap()), Audience::sts());
    }
}
