//! Roles that gen3's script made, known again by what it wrote: they are taken over, not adopted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ObservedRole;
use crate::cluster_identity::ClusterId;
use crate::name::{Audience, ProviderArn, RolePath};
use crate::naming::Convention;
use crate::ownership::{Member, Origin, Ownership};
use crate::trust::TrustPolicy;

impl ObservedRole {
    /// The role as the convention sees it: one that gen3's script made for this subject counts as made by irsa, before a
    /// tag says so. The script made it for the subject alone and never deleted one, so a delete has to.
    pub(super) fn by_convention(
        mut self,
        convention: &Convention,
        member: &Member,
        providers: &BTreeMap<ClusterId, ProviderArn>,
    ) -> Self {
        let provider = providers.get(&member.cluster).filter(|_| *convention != Convention::Irsa);
        if provider.is_some_and(|provider| self.is_of_script(member, provider)) {
            self.ownership = Ownership::of_one(member, Origin::Created);
        }
        self
    }

    /// Whether it counts as owned although no tag says so yet.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.ownership.is_owned() && !Ownership::from_tags(&self.role.tags).is_owned()
    }

    /// No tag, the path of roles that name none, and exactly the trust policy of the script, its empty Sid included.
    fn is_of_script(&self, member: &Member, provider: &ProviderArn) -> bool {
        let empty_sid = |sid: Option<&Value>| sid.and_then(Value::as_str) == Some("");
        self.role.tags.is_empty()
            && *self.role.arn.path() == RolePath::default()
            && self.trust.statements().all(|statement| empty_sid(statement.get("Sid")))
            && self.trust == TrustPolicy::from(trust_of_script(member, provider))
    }
}

/// What the script wrote (gen3/bin/iam-serviceaccount.sh, `create_assume_role_policy`).
fn trust_of_script(member: &Member, provider: &ProviderArn) -> Value {
    let issuer = provider.issuer().host_path();
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "",
        "Effect": "Allow",
        "Principal": {"Federated": provider.to_string()},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            format!("{issuer}:aud"): Audience::sts().as_str(),
            format!("{issuer}:sub"): member.sub(),
        }},
    }]})
}
