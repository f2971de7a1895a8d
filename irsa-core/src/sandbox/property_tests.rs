//! What holds after any calls whatever: nothing panics, a sandbox in a file is one in memory, its state can be read back.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::file::print;
use super::{Sandbox, SandboxState};
use crate::backend::{
    ClusterBackend, DryRun, IamBackend, NewRole, NewServiceAccount, OidcProvider, Precondition, RoleSettings,
    ServiceAccount,
};
use crate::error::{Error, Result};
use crate::name::{ClusterRef, InlinePolicyName, Namespace, PolicyArn, ProviderArn, RoleName, ServiceAccountName};

/// A call: which one, and four small numbers that choose what it is about.
type Call = (u8, usize, usize, usize, bool);

const POLICIES: [&str; 4] =
    ["aws:policy/ReadOnlyAccess", "aws:policy/Unknown", "123456789012:policy/own", "aws:policy/PowerUserAccess"];
const NAMES: [&str; 3] = ["role", "ROLE", "other"];
const KEYS: [&str; 4] = ["a", "A", "eks.amazonaws.com/role-arn", "not a key!"];
const VALUES: [&str; 3] = ["1", "2", "<>"];
const DOCUMENTS: [&str; 4] = [
    r#"{"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}"#,
    r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#,
    "{",
    "[]",
];
const NAMESPACES: [&str; 3] = ["default", "new", "ending"];
const MANAGERS: [&str; 3] = ["helm", "irsa", "kubectl-annotate"];

fn role(n: usize) -> RoleName {
    NAMES[n].parse().unwrap()
}

fn policy(n: usize) -> PolicyArn {
    format!("arn:aws:iam::{}", POLICIES[n]).parse().unwrap()
}

fn inline(n: usize) -> InlinePolicyName {
    NAMES[n].parse().unwrap()
}

fn provider(n: usize) -> ProviderArn {
    format!("arn:aws:iam::{}:oidc-provider/issuer.example/{n}", ["123456789012", "210987654321"][n % 2])
        .parse()
        .unwrap()
}

fn pair(key: usize, value: usize) -> std::collections::BTreeMap<String, String> {
    [(KEYS[key].to_owned(), VALUES[value].to_owned())].into()
}

/// A sandbox with quotas that are soon reached, a second cluster and a namespace that is being deleted.
fn narrow(sandbox: &Sandbox) {
    sandbox
        .edit(|state| {
            state.quotas.roles_per_account = 2;
            state.quotas.attached_policies_per_role = 2;
            state.quotas.tags_per_role = 2;
            state.quotas.inline_policy_size = 120;
            Ok(())
        })
        .unwrap();
    sandbox.add_policy("/", "own").unwrap();
    sandbox.add_cluster(&"blue".parse().unwrap()).unwrap();
    let ending = |cluster: &mut super::ClusterState| {
        cluster.namespaces.entry("ending".parse()?).or_default().terminating = true;
        Ok(())
    };
    sandbox.default_cluster().edit(ending).unwrap();
}

/// Makes a call; what it answers, as text.
async fn make(sandbox: &Sandbox, (which, a, b, c, flag): Call) -> String {
    fn shown<T: std::fmt::Debug>(result: Result<T>) -> String {
        format!("{:?}", result.map_err(|error: Error| (error.kind(), error.to_string(), error.causes())))
    }
    let cluster: ClusterRef = ["sandbox", "blue", "gone"][c % 3].parse().unwrap();
    let server = sandbox.cluster(&cluster);
    let (namespace, name): (Namespace, ServiceAccountName) = (NAMESPACES[a].parse().unwrap(), "app".parse().unwrap());
    let read = async || server.service_account(&namespace, &name).await.ok().flatten();
    let nobody = ServiceAccount {
        namespace: namespace.clone(),
        name: name.clone(),
        uid: String::new(),
        resource_version: String::new(),
        labels: Default::default(),
        annotations: Default::default(),
        automount_token: None,
        owners: Vec::new(),
        deleting: false,
    };
    match which {
        0 => {
            let role = NewRole {
                arn: format!("arn:aws:iam::123456789012:role/{}", NAMES[a]).parse().unwrap(),
                trust_policy: DOCUMENTS[b % 2 * c].to_owned(),
                description: flag.then(|| VALUES[c].to_owned()),
                max_session_duration: flag.then_some(3600 * b as u32),
                permissions_boundary: flag.then(|| policy(b)),
                tags: pair(b, c),
            };
            shown(sandbox.create_role(&role).await)
        }
        1 => shown(sandbox.update_trust_policy(&role(a), DOCUMENTS[b]).await),
        2 => {
            let settings = RoleSettings { description: flag.then(|| "x".repeat(400 * b)), max_session_duration: None };
            shown(sandbox.update_role(&role(a), &settings).await)
        }
        3 => shown(sandbox.put_permissions_boundary(&role(a), &policy(b)).await),
        4 => shown(sandbox.tag_role(&role(a), &pair(b, c)).await),
        5 => shown(sandbox.untag_role(&role(a), &[KEYS[b].to_owned()].into()).await),
        6 => shown(sandbox.attach_policy(&role(a), &policy(b)).await),
        7 => shown(sandbox.detach_policy(&role(a), &policy(b)).await),
        8 => shown(sandbox.put_inline_policy(&role(a), &inline(c), DOCUMENTS[b]).await),
        9 => shown(sandbox.delete_inline_policy(&role(a), &inline(c)).await),
        10 => shown(sandbox.delete_role(&role(a)).await),
        11 => {
            let new = OidcProvider { arn: provider(a), audiences: vec![VALUES[c].to_owned()], tags: pair(b, c) };
            shown(sandbox.create_provider(&new).await)
        }
        12 => shown(sandbox.add_audience(&provider(a), &VALUES[c].parse().unwrap()).await),
        13 => shown(sandbox.delete_provider(&provider(a)).await),
        14 => shown(server.create_namespace(&namespace).await),
        15 | 16 => {
            let known = read().await;
            let precondition = match (known, c) {
                (Some(known), 2) => Precondition::unchanged(&known),
                (_, 1) => Precondition::Absent,
                _ => Precondition::Anything,
            };
            let new = NewServiceAccount {
                namespace: namespace.clone(),
                name: name.clone(),
                labels: if flag { pair(b, c) } else { Default::default() },
                annotations: pair(b, c),
                automount_token: (b == 3).then_some(flag),
                precondition,
            };
            let dry_run = if which == 15 { DryRun::No } else { DryRun::Yes };
            shown(server.apply_service_account(&new, dry_run, flag.into()).await)
        }
        17 => shown(server.remove_annotations(&read().await.unwrap_or(nobody), &pair(b, c)).await),
        18 => shown(server.delete_service_account(&read().await.unwrap_or(nobody)).await),
        19 => {
            let value = flag.then_some(VALUES[c]);
            shown(server.update_as(MANAGERS[a], NAMESPACES[b % 3], "app", &[(KEYS[b % 3], value)]))
        }
        _ => format!("{:?} {:?}", sandbox.roles().await.ok(), server.service_accounts().await.ok()),
    }
}

/// What no state may break.
fn check(state: &SandboxState) {
    let names: BTreeSet<String> = state.roles.keys().map(|name| name.as_str().to_lowercase()).collect();
    assert_eq!(names.len(), state.roles.len());
    let ids: BTreeSet<&str> = state.roles.values().map(|role| role.id.as_str()).collect();
    assert_eq!(ids.len(), state.roles.len());
    for role in state.roles.values() {
        assert!(role.attached.len() <= 2 && role.tags.len() <= 2);
        assert!(role.attached.iter().all(|arn| state.policy_exists(arn)));
    }
    for cluster in state.clusters.values() {
        for account in cluster.namespaces.values().flat_map(|held| held.service_accounts.values()) {
            assert!((1..=cluster.revision).contains(&account.resource_version) && !account.uid.is_empty());
            for owner in &account.owners {
                assert!(owner.annotations.iter().all(|key| account.annotations.contains_key(key)), "{account:?}");
                assert!(owner.labels.iter().all(|key| account.labels.contains_key(key)), "{account:?}");
            }
            for key in account.annotations.keys() {
                assert!(account.owners.iter().any(|owner| owner.annotations.contains(key)), "{account:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sandbox_in_a_file_is_one_in_memory(
        calls in proptest::collection::vec((0u8..21, 0usize..3, 0usize..4, 0usize..3, any::<bool>()), 1..40)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let memory = Sandbox::new();
        narrow(&memory);
        narrow(&Sandbox::open(&path).unwrap());
        for call in calls {
            let before = memory.state().unwrap();
            // A handle of its own for each call: as if each were another process.
            let file = Sandbox::open(&path).unwrap();
            let (one, other) = (runtime.block_on(make(&memory, call)), runtime.block_on(make(&file, call)));
            prop_assert_eq!(&one, &other);
            let state = memory.state().unwrap();
            if one.starts_with("Err") || call.0 == 16 {
                prop_assert_eq!(&before, &state, "what is refused changes nothing: {}", one);
            }
            check(&state);
            prop_assert_eq!(&file.state().unwrap(), &state);
            prop_assert_eq!(&serde_json::from_str::<SandboxState>(&print(&state).unwrap()).unwrap(), &state);
        }
    }

    #[test]
    fn a_file_with_anything_in_it_is_taken_or_refused(
        key in "roles|clusters|quotas|providers|account|region|policies|x", value in "[\\[\\]{}\",:a-z0-9 ]{0,12}"
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let text = format!("{{{}: {value}}}", json!(key));
        std::fs::write(&path, &text).unwrap();
        if let Err(error) = Sandbox::open(&path) {
            prop_assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
        }
        prop_assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
