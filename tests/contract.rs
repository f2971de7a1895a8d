//! The contract of the three back-end traits, as one suite that runs over every implementation.
//!
//! Each case is one function over `&World`: back ends, a prefix of its own for all that it makes, and hands for what the
//! traits cannot do. It runs on the sandbox, in memory and in a file; and, where the environment variable `IRSA_TESTBED`
//! names the state of a test bed (`tests/run up`), on AWS as moto has it and on a real API server. To put another
//! implementation under the suite, add a [`World`] in [`worlds`].
//!
//! moto takes what AWS refuses (names, documents, quotas), and lacks an action or two: the cases in the lists
//! `sandbox_only` need a back end as strict as AWS.

mod accounts;
mod admission;
mod fields;
mod hands;
mod identity;
mod providers;
mod roles;
mod strict;

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt;
use irsa_core::Sandbox;
use irsa_core::backend::{
    ClusterBackend, ConfigMapReader, IamBackend, IdentityBackend, NewRole, ServiceAccount, TokenExchanger,
};
use irsa_core::name::{ClusterArn, ClusterRef, Issuer, Namespace, RoleArn, RoleName, ServiceAccountName};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::hands::{BedHands, Hands, SandboxHands};

/// Everything that EKS and STS are asked.
trait Identity: IdentityBackend + TokenExchanger {}

impl<T: IdentityBackend + TokenExchanger> Identity for T {}

/// Everything that an API server is asked.
trait Server: ClusterBackend + ConfigMapReader {}

impl<T: ClusterBackend + ConfigMapReader> Server for T {}

/// One implementation of each trait, and what a case must know of the account and the cluster that they speak for.
struct World {
    label: &'static str,
    identity: Arc<dyn Identity>,
    iam: Arc<dyn IamBackend>,
    cluster: Arc<dyn Server>,
    /// The same cluster for a user who may do nothing.
    weak: Arc<dyn Server>,
    hands: Arc<dyn Hands>,
    /// The cluster: its name, which is one of the region, and its ARN.
    name: ClusterRef,
    arn: ClusterArn,
    issuer: Issuer,
    /// What the names of all that a case makes begin with.
    prefix: String,
    /// The sandbox, where it is one: for cases that only a strict back end passes.
    sandbox: Option<Sandbox>,
    /// Where the sandbox has its file.
    #[allow(dead_code, reason = "it is removed with the world")]
    folder: Option<TempDir>,
}

/// Everything that the suite runs over, for one case.
async fn worlds() -> Vec<World> {
    let mut worlds = vec![sandbox("sandbox", Sandbox::new())];
    let folder = tempfile::tempdir().unwrap();
    let kept = Sandbox::open(folder.path().join("state.json")).unwrap();
    worlds.push(World { folder: Some(folder), ..sandbox("sandbox in a file", kept) });
    #[allow(clippy::disallowed_methods, reason = "a test is told by its environment what to run over")]
    if let Some(path) = std::env::var_os("IRSA_TESTBED") {
        let state = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        worlds.push(test_bed(&state).await);
    }
    worlds
}

fn sandbox(label: &'static str, sandbox: Sandbox) -> World {
    let state = sandbox.state().unwrap();
    let name: ClusterRef = "sandbox".parse().unwrap();
    let weak = Sandbox::from_state(state.clone()).unwrap().default_cluster();
    for resource in ["serviceaccounts", "namespaces", "configmaps"] {
        weak.deny("*", resource).unwrap();
    }
    weak.set_fingerprint(Some(Default::default())).unwrap();
    World {
        label,
        identity: Arc::new(sandbox.clone()),
        iam: Arc::new(sandbox.clone()),
        cluster: Arc::new(sandbox.default_cluster()),
        weak: Arc::new(weak),
        hands: Arc::new(SandboxHands(sandbox.clone())),
        arn: format!("arn:aws:eks:{}:{}:cluster/sandbox", state.region, state.account).parse().unwrap(),
        issuer: state.clusters[&name].issuer.clone().unwrap(),
        name,
        prefix: prefix(),
        sandbox: Some(sandbox),
        folder: None,
    }
}

async fn test_bed(state: &Value) -> World {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let cluster = &state["clusters"]["demo"];
    let hands = BedHands::new(&text(&state["moto"]), &text(&state["kubeconfig"]["direct"])).await;
    let aws = Arc::new(hands.aws());
    World {
        label: "test bed",
        identity: aws.clone(),
        iam: aws,
        cluster: Arc::new(hands::kube(&text(&state["kubeconfig"]["direct"])).await),
        weak: Arc::new(hands::kube(&text(&state["kubeconfig"]["weak"])).await),
        hands: Arc::new(hands),
        name: text(&cluster["name"]).parse().unwrap(),
        arn: text(&cluster["arn"]).parse().unwrap(),
        issuer: text(&cluster["issuer"]).parse().unwrap(),
        prefix: prefix(),
        sandbox: None,
        folder: None,
    }
}

fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("ct-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl World {
    /// A name that only this case uses.
    fn unique(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    fn role_name(&self, what: &str) -> RoleName {
        self.unique(what).parse().unwrap()
    }

    fn role_arn(&self, path: &str, what: &str) -> RoleArn {
        format!("arn:aws:iam::{}:role{path}{}", self.arn.account(), self.unique(what)).parse().unwrap()
    }

    /// A role that lets in one account, to be made.
    fn new_role(&self, what: &str) -> NewRole {
        NewRole {
            arn: self.role_arn("/", what),
            trust_policy: self.trust("system:serviceaccount:ns:a").to_string(),
            description: None,
            max_session_duration: None,
            permissions_boundary: None,
            tags: Default::default(),
        }
    }

    /// A role that was made.
    async fn role(&self, what: &str) -> RoleName {
        self.iam.create_role(&self.new_role(what)).await.unwrap();
        self.role_name(what)
    }

    /// A trust policy that lets one subject of the cluster in.
    fn trust(&self, subject: &str) -> Value {
        let issuer = self.issuer.host_path();
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::{}:oidc-provider/{issuer}", self.arn.account())},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{issuer}:sub"): subject, format!("{issuer}:aud"): "sts.amazonaws.com"}},
        }]})
    }

    /// A namespace that was made.
    async fn namespace(&self) -> Namespace {
        let namespace = Namespace::new(self.prefix.as_str()).unwrap();
        self.cluster.create_namespace(&namespace).await.unwrap();
        namespace
    }

    /// Removes what the case made, also where it failed.
    async fn clean_up(&self) {
        for detail in self.iam.roles().await.unwrap() {
            let name = detail.role.arn.name();
            if !name.as_str().starts_with(&format!("{}-", self.prefix)) {
                continue;
            }
            for profile in &detail.instance_profiles {
                self.hands.remove_instance_profile(profile, name).await;
            }
            for policy in &detail.attached {
                self.iam.detach_policy(name, policy).await.unwrap();
            }
            for policy in &detail.inline {
                self.iam.delete_inline_policy(name, &policy.name).await.unwrap();
            }
            self.iam.delete_role(name).await.unwrap();
        }
        for provider in self.iam.providers().await.unwrap() {
            if provider.issuer().host_path().starts_with(&format!("{}.", self.prefix)) {
                self.iam.delete_provider(&provider).await.unwrap();
            }
        }
        self.hands.remove_policies(&self.prefix).await;
        self.hands.remove_admission(&self.prefix).await;
        self.hands.remove_namespace(&self.prefix).await;
    }
}

type Case = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Runs a case over every world, or over the strict ones, and cleans up after it.
async fn run(strict: bool, case: Case) {
    for world in worlds().await {
        if strict && world.sandbox.is_none() {
            continue;
        }
        let outcome = AssertUnwindSafe(case(&world)).catch_unwind().await;
        let cleaned = AssertUnwindSafe(world.clean_up()).catch_unwind().await;
        if let Err(panic) = outcome.and(cleaned) {
            #[allow(clippy::print_stderr, reason = "the same case runs over several worlds")]
            {
                eprintln!("the case failed on: {}", world.label);
            }
            resume_unwind(panic);
        }
    }
}

/// A test for each case: `cases!(module, everywhere: [...], sandbox_only: [...])`.
macro_rules! cases {
    ($module:ident, everywhere: [$($case:ident),* $(,)?], sandbox_only: [$($strict:ident),* $(,)?] $(,)?) => {
        mod $module {
            $(#[tokio::test]
            async fn $case() {
                super::super::run(false, |world| Box::pin(super::super::$module::$case(world))).await;
            })*
            $(#[tokio::test]
            async fn $strict() {
                super::super::run(true, |world| Box::pin(super::super::$module::$strict(world))).await;
            })*
        }
    };
}

mod over {
    cases!(
        identity,
        everywhere: [
            a_cluster_is_described_by_name_and_by_arn,
            a_cluster_that_is_not_there_is_none,
            a_cluster_named_by_its_issuer_is_not_asked_for,
            an_arn_of_another_account_is_the_wrong_cluster,
            the_caller_is_told,
            a_token_of_a_subject_that_is_let_in_is_exchanged,
        ],
        sandbox_only: [tokens_are_refused_as_sts_refuses_them, a_cluster_in_the_making_has_no_issuer],
    );
    cases!(
        roles,
        everywhere: [
            what_is_not_there_is_none,
            a_role_is_read_as_it_was_made,
            a_role_is_made_once,
            writes_to_a_role_that_is_gone_are_not_found,
            the_trust_policy_is_replaced,
            settings_that_are_not_named_stay,
            the_boundary_is_replaced,
            tags_are_merged_and_taken_away,
            policies_are_attached_and_detached,
            inline_policies_are_written_replaced_and_deleted,
            a_role_with_something_on_it_is_not_deleted,
            bulk_reads_equal_point_reads,
            policies_are_found_by_name_in_any_path,
            the_document_in_effect_can_be_read,
            quotas_are_told,
        ],
        sandbox_only: [],
    );
    cases!(
        strict,
        everywhere: [],
        sandbox_only: [
            names_are_the_same_whatever_their_case,
            documents_are_checked,
            arns_in_documents_are_checked,
            quotas_hold,
            tags_are_bounded_and_the_same_whatever_their_case,
            settings_are_checked,
            unknown_policies_and_boundaries_are_refused,
            roles_of_aws_are_not_modified,
            providers_are_bounded,
        ],
    );
    cases!(
        providers,
        everywhere: [a_provider_is_made_read_and_deleted],
        sandbox_only: [audiences_are_added_once],
    );
    cases!(
        accounts,
        everywhere: [
            what_is_not_there_is_none_and_no_list,
            a_namespace_is_made_once,
            a_namespace_that_is_being_deleted_says_so,
            an_account_is_made_by_applying_it,
            what_the_api_server_does_not_take_is_invalid,
            an_account_needs_its_namespace,
            a_dry_run_keeps_nothing,
            an_expected_version_must_hold,
            an_account_is_made_only_where_there_is_none,
            annotations_are_removed_only_as_they_were_read,
            an_account_is_deleted_only_as_it_was_read,
            an_account_that_is_being_deleted_says_so,
            lists_equal_point_reads,
            who_may_do_nothing_is_denied,
            the_anchor_names_the_issuer,
            an_entry_of_a_config_map_is_read,
        ],
        sandbox_only: [],
    );
    cases!(
        admission,
        everywhere: [
            what_admission_changes_is_in_the_answer,
            what_admission_takes_away_is_not_in_the_answer,
            an_annotation_that_admission_puts_back_is_in_the_answer,
            what_a_policy_denies_is_a_conflict_whoever_asks,
            a_policy_that_demands_no_automount_takes_an_account_without,
            a_resource_quota_is_a_quota,
            warnings_of_the_api_server_come_with_the_plan_and_the_report,
        ],
        sandbox_only: [],
    );
    cases!(
        fields,
        everywhere: [
            fields_of_others_stay,
            a_field_of_another_manager_is_a_conflict,
            force_takes_a_field_over,
            an_equal_value_is_shared,
            a_key_that_is_no_longer_sent_is_removed,
            a_value_that_another_changed_is_not_taken_back_silently,
            the_automount_setting_is_a_field_as_any_other,
        ],
        sandbox_only: [],
    );
}

fn account_name() -> ServiceAccountName {
    "app".parse().unwrap()
}

/// An account with these annotations, to be applied.
fn annotated(namespace: &Namespace, annotations: &[(&str, &str)]) -> irsa_core::backend::NewServiceAccount {
    irsa_core::backend::NewServiceAccount {
        namespace: namespace.clone(),
        name: account_name(),
        labels: Default::default(),
        annotations: map(annotations),
        automount_token: None,
        precondition: Default::default(),
    }
}

fn map(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The managers that own an annotation, in order.
fn managers_of(account: &ServiceAccount, key: &str) -> Vec<String> {
    let owners = account.owners.iter().filter(|owner| owner.annotations.contains(key));
    let mut managers: Vec<_> = owners.map(|owner| owner.manager.clone()).collect();
    managers.sort();
    managers
}
