//! Export: what exists as manifests that plan to no change, whoever made it, and what a manifest cannot say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Place, annotation, place_of, sure, trusted};
use crate::backend::{DryRun, LISTING_ROLES, RoleDetail, ServiceAccount};
use crate::batch::Snapshot;
use crate::binding::{
    AUDIENCE_ANNOTATION, IrsaBinding, OWN_PREFIX, STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
use crate::client::Client;
use crate::document::check_trust_statement;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Manifest, Metadata, Spec, SubjectSpec};
use crate::name::{ClusterRef, Namespace, RoleArn, ServiceAccountRef, SubjectName};
use crate::observe::{Backends, ObservedRole, in_bulk};
use crate::ownership::Member;
use crate::plan::Plan;
use crate::request::Request;
use crate::trust::{OwnKind, WebIdentity, own_kind};

/// The bindings of a cluster as manifests.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Export {
    /// One for each role, in the order of their service accounts.
    pub manifests: Vec<Manifest>,
    /// What exists and a manifest cannot say, or says otherwise: it stays as it is when the manifests are applied.
    pub left_out: Vec<String>,
}

impl Client {
    /// The bindings of a cluster, or of one namespace, as manifests that plan to no change.
    ///
    /// # Errors
    /// `AccessDenied` where roles or service accounts may not be listed.
    pub async fn export(&self, cluster: &ClusterRef, namespace: Option<&Namespace>) -> Result<Export> {
        let (backends, mut read) = self.reading_whole(cluster)?;
        let exported = self.in_time("reading the bindings", export(&backends, cluster, namespace)).await?;
        let (mut export, roles) = exported;
        read.roles = Some(roles);
        self.leave_out_what_changes(cluster, &read, &mut export).await;
        Ok(export)
    }

    /// Plans what was written, and leaves out what would change something, such as the trust policy that irsa would write in
    /// another form.
    async fn leave_out_what_changes(&self, cluster: &ClusterRef, read: &Snapshot, export: &mut Export) {
        let no_file = |path: &str| Err(Error::invalid("file", path, "is not read"));
        let manifests = std::mem::take(&mut export.manifests);
        let (mut kept, mut requests) = (Vec::new(), Vec::new());
        for manifest in manifests {
            match manifest.binding(Some(cluster), &no_file) {
                Ok(binding) => {
                    requests.push(Request::create(binding).with_dry_run(DryRun::Yes));
                    kept.push(manifest);
                }
                Err(error) => {
                    let role = manifest.spec.role_name.as_deref().unwrap_or_default();
                    export.left_out.push(format!("role {role} cannot be declared: {}", why(&error)));
                }
            }
        }
        let plans = match self.plan_from_reading(read, &requests).await {
            Ok(plans) => plans,
            Err(error) => {
                export.left_out.push(format!("that the bindings plan to no change could not be seen: {error}"));
                export.manifests = kept;
                return;
            }
        };
        // What somebody else made is refused because it would be changed: by what, only an adoption tells.
        let refused = |plan: &Result<Plan>| plan.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotOwned);
        let adopting = requests.iter().zip(&plans).filter(|(_, plan)| refused(plan));
        let adopting: Vec<Request> = adopting.map(|(request, _)| request.clone().with_adopt(true)).collect();
        let mut adopted = self.plan_from_reading(read, &adopting).await.unwrap_or_default().into_iter();
        for (manifest, plan) in kept.into_iter().zip(plans) {
            let plan = if refused(&plan) { adopted.next().unwrap_or(plan) } else { plan };
            let why = match plan {
                Ok(plan) if plan.is_empty() => {
                    export.manifests.push(manifest);
                    continue;
                }
                Ok(plan) => {
                    let steps = plan.report().steps;
                    // Tags come with every adoption.
                    let actions: BTreeSet<String> = steps
                        .iter()
                        .map(|step| step.action.as_str().replace('_', " "))
                        .filter(|action| action != "tag role" || steps.len() == 1)
                        .collect();
                    format!("to declare it would {}", actions.into_iter().collect::<Vec<_>>().join(", "))
                }
                Err(error) => why(&error),
            };
            let Metadata { namespace, name, .. } = &manifest.metadata;
            let role = manifest.spec.role_name.as_deref().unwrap_or_default();
            export.left_out.push(format!("binding {namespace}/{name} of role {role} stays as it is: {why}"));
        }
    }
}

/// What can be declared, and the roles that it was read from.
async fn export(
    backends: &Backends,
    cluster: &ClusterRef,
    namespace: Option<&Namespace>,
) -> Result<(Export, Vec<RoleDetail>)> {
    let backend = backends.cluster(cluster)?;
    let located = async {
        let located = place_of(backends, cluster).await?;
        sure(backends, cluster, &located.identity).await?;
        Ok::<_, Error>(located)
    };
    let (located, accounts, roles) = futures::join!(located, backend.service_accounts(), backends.iam.roles());
    let located = located?;
    let needs = |error: Error, rights: &str| error.during("cannot tell which bindings there are").granting(rights);
    let accounts = accounts.map_err(|error| needs(error, "the right to list service accounts of all namespaces"))?;
    let details = roles.map_err(|error| needs(error, LISTING_ROLES))?;
    let mut accounts_of: BTreeMap<String, Vec<&ServiceAccount>> = BTreeMap::new();
    for account in &accounts {
        if let Some(role) = annotation(account) {
            accounts_of.entry(role.to_owned()).or_default().push(account);
        }
    }
    let mut writer =
        Writer { cluster, located: &located, namespace, bound: BTreeSet::new(), export: Export::default() };
    let mut roles = Vec::new();
    for detail in &details {
        let arn = &detail.role.arn;
        match in_bulk(detail.clone()) {
            Ok(role) => roles.push(role),
            Err(error) if accounts_of.contains_key(&arn.to_string()) => {
                writer.leave_out(format!("role {} cannot be read: {error}", arn.name()));
            }
            Err(_) => {}
        }
    }
    // A role that accounts are annotated with comes before one that only lets them in.
    roles.sort_by_key(|role| (!accounts_of.contains_key(&role.role.arn.to_string()), role.role.arn.to_string()));
    for role in &roles {
        let annotated = accounts_of.remove(&role.role.arn.to_string()).unwrap_or_default();
        writer.add(role, &annotated);
    }
    for (arn, accounts) in accounts_of {
        let why = match arn.parse::<RoleArn>() {
            Err(_) => "is no ARN of a role",
            Ok(arn) if *arn.account() != located.identity.account => "is in another account",
            Ok(_) => "does not exist",
        };
        for account in accounts {
            if !writer.is_asked_for(&account.namespace) {
                continue;
            }
            let service_account = ServiceAccountRef::new(&account.namespace, &account.name);
            writer.leave_out(format!("service account {service_account} is annotated with {arn}, which {why}"));
        }
    }
    writer
        .export
        .manifests
        .sort_by(|a, b| (&a.metadata.namespace, &a.metadata.name).cmp(&(&b.metadata.namespace, &b.metadata.name)));
    Ok((writer.export, details))
}

fn why(error: &Error) -> String {
    std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ")
}

/// The `automountServiceAccountToken` that all accounts have.
fn common_setting(bound: &BTreeMap<Member, &ServiceAccount>) -> Option<bool> {
    let mut values = bound.values().map(|account| account.automount_token);
    let value = values.next().flatten()?;
    values.all(|other| other == Some(value)).then_some(value)
}

struct Writer<'a> {
    cluster: &'a ClusterRef,
    located: &'a Place,
    namespace: Option<&'a Namespace>,
    /// The first subjects of the manifests so far: no two can have the same one.
    bound: BTreeSet<Member>,
    export: Export,
}

impl Writer<'_> {
    fn leave_out(&mut self, what: String) {
        self.export.left_out.push(what);
    }

    fn is_asked_for(&self, namespace: &Namespace) -> bool {
        self.namespace.is_none_or(|wanted| wanted == namespace)
    }

    fn member(&self, account: &ServiceAccount) -> Member {
        let (namespace, name) = (account.namespace.clone(), SubjectName::Exact(account.name.clone()));
        Member { cluster: self.located.id().clone(), namespace, name }
    }

    fn add(&mut self, role: &ObservedRole, annotated: &[&ServiceAccount]) {
        let name = role.role.arn.name().to_string();
        let let_in = trusted(self.located, role);
        let own = role.ownership.members();
        let mut members: BTreeSet<Member> = let_in.members;
        members.extend(own.into_iter().filter(|member| member.cluster != *self.located.id()));
        // Who gets in by a wider statement of others may be named without a change.
        let provider = self.located.arn.clone();
        let admits = |member: &Member| {
            let wide = provider.as_ref().filter(|_| !role.ownership.is_owned());
            wide.is_some_and(|provider| role.trust.admits(provider, &member.sub(), "sts.amazonaws.com"))
        };
        let mut bound = BTreeMap::new();
        for account in annotated {
            let member = self.member(account);
            if members.contains(&member) || admits(&member) {
                bound.insert(member, *account);
            } else if self.is_asked_for(&account.namespace) {
                let service_account = ServiceAccountRef::new(&account.namespace, &account.name);
                self.leave_out(format!(
                    "service account {service_account} is annotated with role {name}, which does not let it in"
                ));
            }
        }
        members.extend(bound.keys().cloned());
        if self.namespace.is_none() {
            for wider in let_in.wider {
                self.leave_out(format!("role {name} lets in {wider}, which is more than names of one namespace"));
            }
        }
        let home = |member: &&Member| member.cluster == *self.located.id();
        let exact = |member: &&Member| matches!(member.name, SubjectName::Exact(_));
        let role_only = bound.is_empty();
        let candidates: Vec<&Member> = members
            .iter()
            .filter(home)
            .filter(exact)
            .filter(|member| self.is_asked_for(&member.namespace) && (role_only || bound.contains_key(*member)))
            .collect();
        let owner = candidates.iter().find(|member| role.ownership.is_owner(member));
        let Some(first) = owner.or(candidates.first()).map(|member| (*member).clone()) else {
            if members.iter().filter(home).any(|member| self.is_asked_for(&member.namespace)) && role_only {
                self.leave_out(format!("role {name} lets in patterns only: a binding needs a service account"));
            }
            return;
        };
        if self.bound.contains(&first) {
            let place = first.shown(self.located.id());
            self.leave_out(format!("role {name} lets {place} in, which is bound to another role"));
            return;
        }
        let spec = self.spec(role, &members, &first, &bound);
        let metadata = Metadata {
            name: first.name.as_str().to_owned(),
            namespace: first.namespace.to_string(),
            ..Metadata::default()
        };
        self.bound.insert(first);
        let spec = Spec { role_only, ..spec };
        self.export.manifests.push(Manifest { metadata, spec, ..Manifest::default() });
    }

    fn spec(
        &mut self,
        role: &ObservedRole,
        members: &BTreeSet<Member>,
        first: &Member,
        bound: &BTreeMap<Member, &ServiceAccount>,
    ) -> Spec {
        let there = &role.role;
        let name = there.arn.name().to_string();
        let tags: BTreeMap<String, String> = there
            .tags
            .iter()
            .filter(|(key, _)| !key.starts_with(OWN_PREFIX) && !key.starts_with("aws:"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut inline = BTreeMap::new();
        for (policy, document) in &role.inline {
            if let Some(document) = document {
                inline.insert(policy.to_string(), document.as_value().clone());
            }
        }
        let subjects = members.iter().filter(|member| *member != first).filter_map(|member| {
            let elsewhere = member.cluster != *self.located.id();
            if elsewhere && member.cluster.as_str().parse::<ClusterRef>().is_err() {
                return None;
            }
            let exact = matches!(member.name, SubjectName::Exact(_));
            let text = member.name.as_str().to_owned();
            Some(SubjectSpec {
                cluster: elsewhere.then(|| member.cluster.to_string()),
                namespace: member.namespace.to_string(),
                service_account: exact.then(|| text.clone()),
                service_account_pattern: (!exact).then_some(text),
                trust_only: exact && (elsewhere || (!bound.is_empty() && !bound.contains_key(member))),
            })
        });
        let subjects: Vec<SubjectSpec> = subjects.collect();
        let trust_statements = self.statements(role, &name);
        let common = |key: &str| {
            let mut values = bound.values().map(|account| account.annotations.get(key));
            let value = values.next().flatten()?;
            values.all(|other| other == Some(value)).then(|| value.clone())
        };
        Spec {
            cluster: Some(self.cluster.to_string()),
            role_name: Some(name),
            role_path: Some(there.arn.path().to_string()).filter(|path| path != "/"),
            description: there.description.clone().filter(|description| !description.is_empty()),
            max_session_duration: Some(there.max_session_duration).filter(|seconds| *seconds != 3600),
            permissions_boundary: there.permissions_boundary.clone(),
            tags,
            policies: role.attached.iter().map(ToString::to_string).collect(),
            inline_policies: inline,
            subjects,
            trust_statements,
            audience: common(AUDIENCE_ANNOTATION),
            token_expiration: common(TOKEN_EXPIRATION_ANNOTATION).and_then(|seconds| seconds.parse().ok()),
            sts_regional_endpoints: common(STS_REGIONAL_ENDPOINTS_ANNOTATION).and_then(|value| value.parse().ok()),
            automount_service_account_token: common_setting(bound),
            role_only: false,
            exact: false,
        }
    }

    /// The statements that let in others than service accounts, such as machines.
    fn statements(&mut self, role: &ObservedRole, name: &str) -> Vec<Value> {
        let mut statements = Vec::new();
        for statement in role.trust.statements() {
            let value = Value::Object(statement.clone());
            let takes = |value: &Value| {
                let binding = IrsaBinding::builder("any", "any", "any").with_trust_statement_value(value.clone());
                check_trust_statement(value).is_ok() && binding.build().is_ok()
            };
            match (own_kind(statement), WebIdentity::read(statement)) {
                (Some(OwnKind::Extra), _) | (None, None) if takes(&value) => statements.push(value),
                (Some(OwnKind::Subjects | OwnKind::Nobody), _) => {}
                (None, Some(web)) if self.located.arn.as_ref().is_some_and(|provider| web.trusts(provider)) => {}
                _ => {
                    let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
                    let which = sid.unwrap_or("without a Sid");
                    self.leave_out(format!("statement {which} of the trust policy of role {name} stays as it is"));
                }
            }
        }
        statements
    }
}
