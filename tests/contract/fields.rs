//! Field managers: whose annotations they are, and what server-side apply does about it.

use irsa_core::backend::{DryRun, FIELD_MANAGER, NewServiceAccount, ServiceAccount, Takeover};
use irsa_core::name::Namespace;
use irsa_core::{ConflictReason, ErrorKind, Hint};

use super::{World, account_name, annotated, managers_of, map};

const KEY: &str = "eks.amazonaws.com/role-arn";

async fn apply(world: &World, namespace: &Namespace, annotations: &[(&str, &str)]) -> ServiceAccount {
    let account = annotated(namespace, annotations);
    world.cluster.apply_service_account(&account, DryRun::No, Takeover::Refuse).await.unwrap()
}

async fn update(world: &World, namespace: &Namespace, key: &str, value: Option<&str>) {
    world.hands.update_as("helm", namespace, "app", &[(key, value)]).await;
}

pub(super) async fn fields_of_others_stay(world: &World) {
    let namespace = world.namespace().await;
    update(world, &namespace, "theirs", Some("1")).await;
    let account = apply(world, &namespace, &[(KEY, "arn")]).await;
    assert_eq!(account.annotations, map(&[(KEY, "arn"), ("theirs", "1")]));
    assert_eq!(managers_of(&account, "theirs"), ["helm"]);
    assert_eq!((account.annotation_owner("theirs"), account.annotation_owner(KEY)), (Some("helm"), None));
    let helm = account.owners.iter().find(|owner| owner.manager == "helm").unwrap();
    assert!(!helm.apply, "it did not apply: {helm:?}");
}

pub(super) async fn a_field_of_another_manager_is_a_conflict(world: &World) {
    let namespace = world.namespace().await;
    update(world, &namespace, KEY, Some("theirs")).await;
    let before = world.cluster.service_account(&namespace, &account_name()).await.unwrap();
    for dry_run in [DryRun::Yes, DryRun::No] {
        let account = annotated(&namespace, &[(KEY, "ours"), ("a", "1")]);
        let error = world.cluster.apply_service_account(&account, dry_run, Takeover::Refuse).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("Conflict")));
        let cause = error.causes().concat();
        // The API server also says when.
        assert!(cause.starts_with(r#"Apply failed with 1 conflict: conflict with "helm" using v1"#), "{cause}");
        assert!(cause.ends_with(": .metadata.annotations.eks.amazonaws.com/role-arn"), "{cause}");
        let facts = [("manager", "helm"), ("field", ".metadata.annotations.eks.amazonaws.com/role-arn")];
        assert_eq!(error.context(), facts.map(|(key, value)| (key, value.to_owned())));
        assert!(
            error.hint().is_some_and(
                |hint| matches!(hint, Hint::TakeOverFields { owned: Some((manager, _)) } if manager == "helm")
            ),
            "{error:?}"
        );
    }
    assert_eq!(world.cluster.service_account(&namespace, &account_name()).await.unwrap(), before);
}

pub(super) async fn force_takes_a_field_over(world: &World) {
    let namespace = world.namespace().await;
    world.hands.update_as("helm", &namespace, "app", &[(KEY, Some("theirs")), ("b", Some("1"))]).await;
    let account = annotated(&namespace, &[(KEY, "ours")]);
    let forced = world.cluster.apply_service_account(&account, DryRun::No, Takeover::Force).await.unwrap();
    assert_eq!(forced.annotations, map(&[(KEY, "ours"), ("b", "1")]));
    assert_eq!(
        (managers_of(&forced, KEY), managers_of(&forced, "b")),
        (vec![FIELD_MANAGER.into()], vec!["helm".into()])
    );
}

pub(super) async fn an_equal_value_is_shared(world: &World) {
    let namespace = world.namespace().await;
    update(world, &namespace, KEY, Some("same")).await;
    let shared = apply(world, &namespace, &[(KEY, "same")]).await;
    assert_eq!(managers_of(&shared, KEY), ["helm", FIELD_MANAGER]);
    assert_eq!(apply(world, &namespace, &[(KEY, "same")]).await, shared, "owning it twice changes nothing");
    let left = apply(world, &namespace, &[]).await;
    assert_eq!(
        (left.annotations.get(KEY).map(String::as_str), managers_of(&left, KEY)),
        (Some("same"), vec!["helm".into()])
    );
}

pub(super) async fn a_key_that_is_no_longer_sent_is_removed(world: &World) {
    let namespace = world.namespace().await;
    apply(world, &namespace, &[(KEY, "arn"), ("a", "1")]).await;
    update(world, &namespace, "theirs", Some("1")).await;
    let account = apply(world, &namespace, &[(KEY, "arn")]).await;
    assert_eq!(account.annotations, map(&[(KEY, "arn"), ("theirs", "1")]));
    let account = apply(world, &namespace, &[]).await;
    assert_eq!(account.annotations, map(&[("theirs", "1")]));
}

pub(super) async fn a_value_that_another_changed_is_not_taken_back_silently(world: &World) {
    let namespace = world.namespace().await;
    apply(world, &namespace, &[(KEY, "ours")]).await;
    update(world, &namespace, KEY, Some("theirs")).await;
    let account = annotated(&namespace, &[(KEY, "ours")]);
    let error = world.cluster.apply_service_account(&account, DryRun::No, Takeover::Refuse).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    update(world, &namespace, KEY, None).await;
    let ours = apply(world, &namespace, &[(KEY, "ours")]).await;
    assert_eq!(managers_of(&ours, KEY), [FIELD_MANAGER]);
}

pub(super) async fn the_automount_setting_is_a_field_as_any_other(world: &World) {
    let namespace = world.namespace().await;
    let apply = async |automount_token, takeover| {
        let account = NewServiceAccount { automount_token, ..annotated(&namespace, &[("a", "1")]) };
        world.cluster.apply_service_account(&account, DryRun::No, takeover).await
    };
    let owners = |account: &ServiceAccount| -> Vec<String> {
        let owners = account.owners.iter().filter(|owner| owner.automount_token);
        owners.map(|owner| owner.manager.clone()).collect()
    };
    let unset = apply(None, Takeover::Refuse).await.unwrap();
    assert_eq!((unset.automount_token, owners(&unset).len()), (None, 0));
    let set = apply(Some(false), Takeover::Refuse).await.unwrap();
    assert_eq!((set.automount_token, owners(&set)), (Some(false), vec![FIELD_MANAGER.to_owned()]));
    assert!(set.owners.iter().all(|owner| !owner.other_fields), "{set:?}");
    let left_out = apply(None, Takeover::Refuse).await.unwrap();
    assert_eq!(left_out.automount_token, None, "what irsa no longer sends is taken away");
    world.hands.set_automount_as("helm", &namespace, "app", true).await;
    let error = apply(Some(false), Takeover::Refuse).await.unwrap_err();
    assert_eq!(error.conflict_reason(), Some(ConflictReason::FieldManager));
    assert!(error.causes().concat().ends_with(": .automountServiceAccountToken"), "{error:?}");
    assert_eq!(apply(None, Takeover::Refuse).await.unwrap().automount_token, Some(true), "what is not sent stays");
    let forced = apply(Some(false), Takeover::Force).await.unwrap();
    assert_eq!((forced.automount_token, owners(&forced)), (Some(false), vec![FIELD_MANAGER.to_owned()]));
}
