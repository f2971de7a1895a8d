//! How many customers of a service a pattern of subjects covers.

use super::{TenantPart, TokenService};
use crate::trust::evaluate::budget::Work;
use crate::trust::evaluate::glob::{Glob, WILDCARD};

/// How many customers of a service a pattern covers, the most first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::trust) enum Coverage {
    /// Every subject.
    Everybody,
    /// Subjects of a kind that every customer can have.
    AnyTenant,
    /// Subjects of all tenants whose name begins like this.
    Tenants(String),
    /// Whatever this one tenant has.
    OneTenant(String),
    /// Part of what one tenant has.
    Narrow,
}

/// The name of a tenant in a pattern.
enum TenantName<'a> {
    /// Written in full, with what follows it.
    Whole(&'a str, &'a str),
    /// The beginning of a name.
    Begun(&'a str),
    Open,
}

impl TokenService {
    /// How many customers a pattern of subjects covers.
    pub(in crate::trust) fn coverage(&self, subjects: &Glob) -> Coverage {
        let text = subjects.marked();
        let wild = text.contains(WILDCARD);
        let mut begun = None;
        for part in self.tenant_parts {
            for name in part.names(&text) {
                match part.read(name) {
                    TenantName::Whole(tenant, rest) if part.is_open(rest) => {
                        return Coverage::OneTenant(tenant.to_owned());
                    }
                    TenantName::Whole(..) => return Coverage::Narrow,
                    TenantName::Begun(name) => begun = begun.or(Some(name)),
                    TenantName::Open => {}
                }
            }
        }
        if let Some(name) = begun {
            return Coverage::Tenants(name.to_owned());
        }
        if wild && self.is_everybody(subjects) {
            return Coverage::Everybody;
        }
        if self.tenant_parts.is_empty() {
            return Coverage::Narrow;
        }
        let usual = || Glob::wild(self.everybody).intersect(subjects, &Work::new()).is_none_or(|met| !met.is_empty());
        let shared = self.shared_parts.iter().any(|part| text.starts_with(part));
        if shared || (wild && usual()) { Coverage::AnyTenant } else { Coverage::Narrow }
    }

    /// Whether a pattern covers every subject.
    fn is_everybody(&self, subjects: &Glob) -> bool {
        let usual = !self.everybody.is_empty() && subjects.covers(&Glob::wild(self.everybody));
        usual || subjects.covers(&Glob::wild("?*"))
    }

    /// The example of a subject, of another tenant.
    pub(in crate::trust) fn example_of(&self, tenant: &str) -> Option<String> {
        self.tenant_parts.iter().find_map(|part| {
            let name = part.names(self.example).next()?;
            let TenantName::Whole(own, _) = part.read(name) else { return None };
            let head = self.example.strip_suffix(name)?;
            Some(format!("{head}{tenant}{}", name.strip_prefix(own)?))
        })
    }

    /// The patterns that cover what a pattern for several tenants covers of the one whose name it writes; nothing where it
    /// writes none.
    pub(in crate::trust) fn closed(&self, pattern: &str) -> Option<Vec<String>> {
        self.tenant_parts.iter().find_map(|part| part.closed(pattern))
    }
}

impl TenantPart {
    /// What follows this part, wherever it is in a subject.
    fn names<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let before = self.before;
        let begins = move |(at, _): &(usize, &str)| *at == 0 || text.get(..*at).is_some_and(|head| head.ends_with(':'));
        text.match_indices(before).filter(begins).filter_map(move |(at, _)| text.get(at + before.len()..))
    }

    fn read<'a>(&self, name: &'a str) -> TenantName<'a> {
        let Some(at) = name.find(|c: char| c == WILDCARD || self.ends.contains(&c)) else {
            return TenantName::Whole(name, "");
        };
        let (tenant, rest) = name.split_at(at);
        match (rest.starts_with(WILDCARD), tenant.is_empty()) {
            (true, true) => TenantName::Open,
            (true, false) => TenantName::Begun(tenant),
            (false, _) => TenantName::Whole(tenant, self.behind(rest)),
        }
    }

    /// What is behind the name and what ends it.
    fn behind<'a>(&self, rest: &'a str) -> &'a str {
        let end = self.ends.first().and_then(|end| rest.split_once(*end));
        end.map_or_else(|| rest.trim_start_matches(|c| self.ends.contains(&c)), |(_, behind)| behind)
    }

    /// Whether a pattern leaves open which project of the tenant it is, given what follows the name.
    fn is_open(&self, rest: &str) -> bool {
        // `organization:ORG:project:*`: the word is fixed, the name is not.
        let word = if self.ends.first() == Some(&':') { rest.split_once(':') } else { None };
        rest.starts_with(WILDCARD) || word.is_some_and(|(_, name)| name.starts_with(WILDCARD))
    }

    fn closed(&self, pattern: &str) -> Option<Vec<String>> {
        let name = self.names(pattern).next()?;
        let at = name.find(|c: char| matches!(c, '*' | '?') || self.ends.contains(&c))?;
        let (tenant, rest) = name.split_at(at);
        let head = pattern.strip_suffix(rest)?;
        let rest = rest.strip_prefix('*')?.trim_start_matches('*');
        // `my-org-*` is not the beginning of a list of names with `my-org-` among them.
        if !tenant.ends_with(|c: char| c.is_ascii_alphanumeric()) || rest.starts_with('?') {
            return None;
        }
        let forms = if self.ends.first().is_some_and(|end| rest.starts_with(*end)) { self.through } else { self.all };
        let closed: Vec<String> = forms.iter().map(|form| format!("{head}{form}{rest}")).collect();
        (!closed.is_empty()).then_some(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::issuers::SERVICES;

    fn service(name: &str) -> &'static TokenService {
        SERVICES.iter().find(|service| service.name == name).unwrap()
    }

    fn coverage(name: &str, pattern: &str) -> Coverage {
        service(name).coverage(&Glob::wild(pattern))
    }

    #[test]
    fn a_pattern_covers_tenants_by_what_is_written_of_their_name() {
        let tenants = |name: &str| Coverage::Tenants(name.to_owned());
        let one = |name: &str| Coverage::OneTenant(name.to_owned());
        for (name, pattern, expected) in [
            ("GitHub Actions", "*", Coverage::Everybody),
            ("GitHub Actions", "re*", Coverage::Everybody),
            ("GitHub Actions", "repo:*", Coverage::Everybody),
            ("GitHub Actions", "repo:*/*", Coverage::Everybody),
            ("GitHub Actions", "repo:*/*:*", Coverage::Everybody),
            ("GitHub Actions", "repo:*:ref:refs/heads/main", Coverage::AnyTenant),
            ("GitHub Actions", "repo:*/infra:*", Coverage::AnyTenant),
            ("GitHub Actions", "*:ref:refs/heads/main", Coverage::AnyTenant),
            ("GitHub Actions", "*my-org/*", Coverage::AnyTenant),
            ("GitHub Actions", "environment:production", Coverage::AnyTenant),
            ("GitHub Actions", "ref:refs/heads/*", Coverage::AnyTenant),
            ("GitHub Actions", "repo:my-org*", tenants("my-org")),
            ("GitHub Actions", "repo:my-org*/app:*", tenants("my-org")),
            ("GitHub Actions", "repo:my-or?/app:*", tenants("my-or")),
            ("GitHub Actions", "repository_owner:my-org*", tenants("my-org")),
            ("GitHub Actions", "repo:my-org/*", one("my-org")),
            ("GitHub Actions", "repo:my-org/*:ref:refs/heads/main", one("my-org")),
            ("GitHub Actions", "repo:my-org@123456/*", one("my-org")),
            ("GitHub Actions", "repo:my-org@*", one("my-org")),
            ("GitHub Actions", "repo:my-org/app*", Coverage::Narrow),
            ("GitHub Actions", "repo:my-org/app:*", Coverage::Narrow),
            ("GitHub Actions", "repo:my-org@1/app@2:*", Coverage::Narrow),
            ("GitHub Actions", "repo:*:job_workflow_ref:my-org/app/.github/workflows/x.yml@*", Coverage::Narrow),
            ("GitHub Actions", "environment:production:repository_owner:my-org", Coverage::Narrow),
            ("GitHub Actions", "repo:my-org/app:environment:production", Coverage::Narrow),
            ("GitLab", "project_path:*", Coverage::Everybody),
            ("GitLab", "project_path:*:ref_type:branch:ref:main", Coverage::AnyTenant),
            ("GitLab", "project_path:my-group*", tenants("my-group")),
            ("GitLab", "project_path:my-group/*:ref_type:branch:ref:main", one("my-group")),
            ("GitLab", "project_path:my-group/app:*", Coverage::Narrow),
            ("HCP Terraform", "organization:*", Coverage::Everybody),
            ("HCP Terraform", "organization:*:workspace:prod:run_phase:apply", Coverage::AnyTenant),
            ("HCP Terraform", "organization:my-org*", tenants("my-org")),
            ("HCP Terraform", "organization:my-org:*", one("my-org")),
            ("HCP Terraform", "organization:my-org:project:*:workspace:prod:run_phase:*", one("my-org")),
            ("HCP Terraform", "organization:my-org:project:p:workspace:*:run_phase:*", Coverage::Narrow),
            ("Pulumi Cloud", "pulumi:deploy:org:my-org:*", one("my-org")),
            ("Pulumi Cloud", "pulumi:deploy:org:*", Coverage::AnyTenant),
            ("Upbound", "mcp:my-org/*", one("my-org")),
            ("Spacelift", "*:stack:my-stack:*", Coverage::Narrow),
            ("Spacelift", "*", Coverage::Everybody),
            ("Google", "1089*", Coverage::Narrow),
            ("Google", "*", Coverage::Everybody),
        ] {
            assert_eq!(coverage(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn the_example_of_a_service_is_one_subject_of_one_tenant() {
        for service in SERVICES.iter().filter(|service| !service.example.is_empty()) {
            assert_eq!(service.coverage(&Glob::wild(service.example)), Coverage::Narrow, "{}", service.name);
            if !service.everybody.is_empty() {
                assert!(Glob::wild(service.everybody).matches(service.example), "{}", service.name);
            }
        }
    }

    #[test]
    fn a_closed_pattern_keeps_the_tenant_and_leaves_the_others_out() {
        for service in SERVICES.iter().filter(|service| !service.example.is_empty()) {
            for part in service.tenant_parts.iter().filter(|part| service.example.contains(part.before)) {
                let name = part.names(service.example).next().unwrap();
                let TenantName::Whole(tenant, _) = part.read(name) else { panic!("{}", service.example) };
                let (head, rest) = service.example.split_once(tenant).unwrap();
                let other = format!("{head}{tenant}-evil{rest}");
                for pattern in [format!("{head}{tenant}*"), format!("{head}{tenant}*{rest}")] {
                    assert_eq!(
                        service.coverage(&Glob::wild(&pattern)),
                        Coverage::Tenants(tenant.to_owned()),
                        "{pattern}"
                    );
                    assert!(Glob::wild(&pattern).matches(&other), "{pattern} {other}");
                    let Some(closed) = service.closed(&pattern) else {
                        assert!(part.all.is_empty(), "{pattern} is not closed");
                        continue;
                    };
                    let matches = |text: &str| closed.iter().any(|pattern| Glob::wild(pattern).matches(text));
                    assert!(matches(service.example), "{closed:?} locks {} out", service.example);
                    assert!(!matches(&other), "{closed:?} covers {other}");
                    assert!(
                        closed.iter().all(|closed| Glob::wild(&pattern).covers(&Glob::wild(closed))),
                        "{closed:?} is more than {pattern}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_example_is_made_for_any_tenant() {
        let example = |name: &str| service(name).example_of("acme");
        assert_eq!(example("GitHub Actions").as_deref(), Some("repo:acme/octo-repo:ref:refs/heads/main"));
        assert_eq!(example("GitHub audit log streaming").as_deref(), Some("https://github.com/acme"));
        assert!(example("Pulumi Cloud").unwrap().starts_with("pulumi:deploy:org:acme:project:"));
        assert_eq!(example("Google"), None);
    }

    #[test]
    fn what_names_no_tenant_is_not_closed() {
        let github = service("GitHub Actions");
        for pattern in ["*", "repo:*", "repo:*/app:*", "repo:my-org/*", "repo:my-org-*", "repo:my-or?*", "x:my-org*"] {
            assert_eq!(github.closed(pattern), None, "{pattern}");
        }
        let both = github.closed("repo:my-org*").unwrap();
        assert_eq!(both, ["repo:my-org/*", "repo:my-org@*/*"], "also the subjects with immutable ids");
    }
}
