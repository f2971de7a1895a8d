//! Service accounts, namespaces and config maps: reads, writes with their preconditions, rights.

use irsa_core::backend::{
    AccessReview, ClusterNamespace, DryRun, FIELD_MANAGER, NewServiceAccount, Precondition, ServiceAccount, Takeover,
};
use irsa_core::name::Namespace;
use irsa_core::{ConflictReason, ErrorKind};

use super::{World, account_name, annotated, managers_of, map};

async fn apply(world: &World, account: &NewServiceAccount) -> ServiceAccount {
    world.cluster.apply_service_account(account, DryRun::No, Takeover::Refuse).await.unwrap()
}

async fn read(world: &World, namespace: &Namespace) -> Option<ServiceAccount> {
    world.cluster.service_account(namespace, &account_name()).await.unwrap()
}

pub(super) async fn what_is_not_there_is_none_and_no_list(world: &World) {
    let cluster = &world.cluster;
    let missing = Namespace::new(world.unique("no")).unwrap();
    assert_eq!(read(world, &missing).await, None);
    assert_eq!(cluster.service_accounts_in(&missing).await.unwrap(), []);
    assert_eq!(cluster.namespace(&missing).await.unwrap(), None);
    let namespace = world.namespace().await;
    assert_eq!(read(world, &namespace).await, None);
    assert_eq!(cluster.service_accounts_in(&namespace).await.unwrap(), []);
}

pub(super) async fn a_namespace_is_made_once(world: &World) {
    let namespace = world.namespace().await;
    let active = |name: &str| ClusterNamespace { name: name.to_owned(), terminating: false };
    assert_eq!(world.cluster.namespace(&namespace).await.unwrap(), Some(active(namespace.as_str())));
    let all = world.cluster.namespaces().await.unwrap();
    for name in [namespace.as_str(), "default", "kube-system"] {
        assert!(all.contains(&active(name)), "{name}: {all:?}");
    }
    let error = world.cluster.create_namespace(&namespace).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::AlreadyExists, Some("AlreadyExists")));
    assert_eq!(error.causes(), [format!("namespaces {:?} already exists", namespace.as_str())]);
}

pub(super) async fn a_namespace_that_is_being_deleted_says_so(world: &World) {
    let namespace = world.namespace().await;
    let there = apply(world, &annotated(&namespace, &[("a", "1")])).await;
    world.hands.end_namespace(&namespace).await;
    let terminating = ClusterNamespace { name: namespace.to_string(), terminating: true };
    assert_eq!(world.cluster.namespace(&namespace).await.unwrap(), Some(terminating.clone()));
    assert!(world.cluster.namespaces().await.unwrap().contains(&terminating));
    for dry_run in [DryRun::Yes, DryRun::No] {
        let account = NewServiceAccount { name: "new".parse().unwrap(), ..annotated(&namespace, &[("a", "1")]) };
        let error = world.cluster.apply_service_account(&account, dry_run, Takeover::Refuse).await.unwrap_err();
        assert_eq!(error.conflict_reason(), Some(ConflictReason::NamespaceTerminating), "{error:?}");
        assert!(error.causes().concat().contains("being terminated"), "{:?}", error.causes());
    }
    // What is there can be changed, and goes with the namespace.
    let changed = apply(world, &annotated(&namespace, &[("a", "2")])).await;
    assert_eq!((&changed.uid, &changed.annotations), (&there.uid, &map(&[("a", "2")])));
}

pub(super) async fn an_account_is_made_by_applying_it(world: &World) {
    let namespace = world.namespace().await;
    let new = NewServiceAccount { labels: map(&[("team", "data")]), ..annotated(&namespace, &[("a", "1")]) };
    let made = apply(world, &new).await;
    assert_eq!((&made.namespace, &made.name), (&namespace, &new.name));
    assert_eq!((&made.labels, &made.annotations), (&new.labels, &new.annotations));
    assert!(!made.uid.is_empty() && !made.resource_version.is_empty());
    assert_eq!(managers_of(&made, "a"), [FIELD_MANAGER]);
    let own = made.owners.iter().find(|owner| owner.manager == FIELD_MANAGER).unwrap();
    assert!(own.apply && own.labels.contains("team") && !own.other_fields, "{own:?}");
    assert_eq!(read(world, &namespace).await.as_ref(), Some(&made));
    assert_eq!(apply(world, &new).await, made, "applied twice, nothing changes");
    let changed = apply(world, &annotated(&namespace, &[("a", "2")])).await;
    assert_eq!(changed.uid, made.uid);
    assert_ne!(changed.resource_version, made.resource_version);
}

pub(super) async fn what_the_api_server_does_not_take_is_invalid(world: &World) {
    let namespace = world.namespace().await;
    let bad = annotated(&namespace, &[("a b", "1")]);
    let worse = NewServiceAccount { labels: map(&[("a", "b c")]), ..annotated(&namespace, &[]) };
    let long = annotated(&namespace, &[("a", &"x".repeat(262_144))]);
    for account in [bad, worse, long] {
        for dry_run in [DryRun::Yes, DryRun::No] {
            let error = world.cluster.apply_service_account(&account, dry_run, Takeover::Refuse).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("Invalid")));
            assert!(error.causes().concat().starts_with("ServiceAccount \"app\" is invalid: metadata."), "{error:?}");
        }
    }
    assert_eq!(read(world, &namespace).await, None);
}

pub(super) async fn an_account_needs_its_namespace(world: &World) {
    let missing = Namespace::new(world.unique("no")).unwrap();
    for dry_run in [DryRun::Yes, DryRun::No] {
        let account = annotated(&missing, &[("a", "1")]);
        let error = world.cluster.apply_service_account(&account, dry_run, Takeover::Refuse).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NotFound")));
        assert_eq!(error.causes(), [format!("namespaces {:?} not found", missing.as_str())]);
    }
}

pub(super) async fn a_dry_run_keeps_nothing(world: &World) {
    let namespace = world.namespace().await;
    let dry = async |annotations: &[(&str, &str)]| {
        let account = annotated(&namespace, annotations);
        world.cluster.apply_service_account(&account, DryRun::Yes, Takeover::Refuse).await
    };
    let would_be = dry(&[("a", "1")]).await.unwrap();
    assert_eq!(would_be.annotations, map(&[("a", "1")]));
    assert_eq!(read(world, &namespace).await, None);

    let kept = apply(world, &annotated(&namespace, &[("a", "1")])).await;
    assert_eq!(dry(&[("a", "2")]).await.unwrap().annotations, map(&[("a", "2")]));
    assert_eq!(read(world, &namespace).await, Some(kept));

    world.hands.update_as("helm", &namespace, "app", &[("b", Some("1"))]).await;
    assert_eq!(dry(&[("b", "2")]).await.unwrap_err().kind(), ErrorKind::Conflict);
}

pub(super) async fn an_expected_version_must_hold(world: &World) {
    let namespace = world.namespace().await;
    let write = async |expected: &ServiceAccount, value: &str| {
        let precondition = Precondition::unchanged(expected);
        let account = NewServiceAccount { precondition, ..annotated(&namespace, &[("a", value)]) };
        let written = world.cluster.apply_service_account(&account, DryRun::No, Takeover::Refuse).await;
        written.map_err(|error| error.kind())
    };
    let first = apply(world, &annotated(&namespace, &[("a", "1")])).await;
    let second = write(&first, "2").await.unwrap();
    assert_eq!(second.annotations, map(&[("a", "2")]));
    assert_eq!(write(&first, "3").await, Err(ErrorKind::Conflict), "it changed");
    world.cluster.delete_service_account(&second).await.unwrap();
    assert_eq!(write(&second, "3").await, Err(ErrorKind::Conflict), "it is gone");
    let anew = apply(world, &annotated(&namespace, &[("a", "1")])).await;
    let other_uid = ServiceAccount { uid: first.uid.clone(), ..anew.clone() };
    assert_eq!(write(&other_uid, "3").await, Err(ErrorKind::Conflict), "it is another");
    assert_eq!(read(world, &namespace).await, Some(anew));
}

pub(super) async fn an_account_is_made_only_where_there_is_none(world: &World) {
    let namespace = world.namespace().await;
    let make = async |dry_run: DryRun, value: &str| {
        let account =
            NewServiceAccount { precondition: Precondition::Absent, ..annotated(&namespace, &[("a", value)]) };
        world.cluster.apply_service_account(&account, dry_run, Takeover::Force).await.map_err(|error| error.kind())
    };
    assert_eq!(make(DryRun::Yes, "1").await.unwrap().annotations, map(&[("a", "1")]));
    let made = make(DryRun::No, "1").await.unwrap();
    assert_eq!(made.annotations, map(&[("a", "1")]));
    assert_eq!(managers_of(&made, "a"), [FIELD_MANAGER]);
    assert_eq!(read(world, &namespace).await.as_ref(), Some(&made));
    for (dry_run, value) in [(DryRun::Yes, "2"), (DryRun::No, "2"), (DryRun::No, "1")] {
        assert_eq!(make(dry_run, value).await, Err(ErrorKind::Conflict), "also by the same manager, forced");
    }
    assert_eq!(read(world, &namespace).await.as_ref(), Some(&made));
    world.cluster.delete_service_account(&made).await.unwrap();
    let (one, two) = futures::join!(make(DryRun::No, "1"), make(DryRun::No, "2"));
    assert_eq!([&one, &two].iter().filter(|made| made.is_ok()).count(), 1, "{one:?} {two:?}");
    let kept = read(world, &namespace).await;
    assert_eq!(kept, one.or(two).ok());
}

pub(super) async fn annotations_are_removed_only_as_they_were_read(world: &World) {
    let namespace = world.namespace().await;
    let cluster = &world.cluster;
    let first = apply(world, &annotated(&namespace, &[("a", "1"), ("x.example/b", "~2/"), ("c", "3")])).await;
    let kind = async |account: &ServiceAccount, keys: &[(&str, &str)]| {
        cluster.remove_annotations(account, &map(keys)).await.unwrap_err().kind()
    };
    assert_eq!(kind(&first, &[("a", "2")]).await, ErrorKind::Conflict, "another value");
    assert_eq!(kind(&first, &[("a", "1"), ("z", "1")]).await, ErrorKind::Conflict, "not there");
    assert_eq!(read(world, &namespace).await.as_ref(), Some(&first));
    let gone = map(&[("a", "1"), ("x.example/b", "~2/")]);
    let second = cluster.remove_annotations(&first, &gone).await.unwrap();
    assert_eq!(second.annotations, map(&[("c", "3")]));
    assert_eq!((&second.uid, second.resource_version == first.resource_version), (&first.uid, false));
    assert_eq!(read(world, &namespace).await.as_ref(), Some(&second));
    assert_eq!(kind(&first, &[("a", "1")]).await, ErrorKind::Conflict, "twice");
    world.hands.update_as("helm", &namespace, "app", &[("d", Some("1"))]).await;
    assert_eq!(kind(&second, &[("c", "3")]).await, ErrorKind::Conflict, "the account changed");
    let third = read(world, &namespace).await.unwrap();
    cluster.delete_service_account(&third).await.unwrap();
    assert_eq!(kind(&third, &[("c", "3")]).await, ErrorKind::NotFound);
}

pub(super) async fn an_account_is_deleted_only_as_it_was_read(world: &World) {
    let namespace = world.namespace().await;
    let cluster = &world.cluster;
    let first = apply(world, &annotated(&namespace, &[("a", "1")])).await;
    let second = apply(world, &annotated(&namespace, &[("a", "2")])).await;
    let kind = async |account: &ServiceAccount| cluster.delete_service_account(account).await.unwrap_err().kind();
    assert_eq!(kind(&first).await, ErrorKind::Conflict, "it changed");
    let other = ServiceAccount { uid: "00000000-0000-4000-8000-ffffffffffff".to_owned(), ..second.clone() };
    assert_eq!(kind(&other).await, ErrorKind::Conflict, "it is another");
    assert_eq!(read(world, &namespace).await.as_ref(), Some(&second));
    cluster.delete_service_account(&second).await.unwrap();
    assert_eq!(read(world, &namespace).await, None);
    assert_eq!(kind(&second).await, ErrorKind::NotFound);
    let anew = apply(world, &annotated(&namespace, &[("a", "2")])).await;
    assert_ne!(anew.uid, second.uid);
}

pub(super) async fn an_account_that_is_being_deleted_says_so(world: &World) {
    let namespace = world.namespace().await;
    let made = apply(world, &annotated(&namespace, &[("a", "1")])).await;
    assert!(!made.deleting && !read(world, &namespace).await.unwrap().deleting);
    world.hands.end_account(&namespace, "app").await;
    let going = read(world, &namespace).await.unwrap();
    assert!(going.deleting && going.uid == made.uid, "{going:?}");
    assert!(world.cluster.service_accounts_in(&namespace).await.unwrap()[0].deleting);
    world.cluster.delete_service_account(&going).await.unwrap();
    assert!(read(world, &namespace).await.is_some_and(|account| account.deleting), "the finalizer keeps it");
}

pub(super) async fn lists_equal_point_reads(world: &World) {
    let namespace = world.namespace().await;
    let cluster = &world.cluster;
    for name in ["a", "b.c"] {
        let new = annotated(&namespace, &[("a", name)]);
        apply(world, &NewServiceAccount { name: name.parse().unwrap(), ..new }).await;
    }
    let mut listed = cluster.service_accounts_in(&namespace).await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(listed.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["a", "b.c"]);
    let mut all = cluster.service_accounts().await.unwrap();
    all.retain(|account| account.namespace == namespace);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(all, listed);
    for account in listed {
        assert_eq!(cluster.service_account(&namespace, &account.name).await.unwrap(), Some(account));
    }
}

pub(super) async fn who_may_do_nothing_is_denied(world: &World) {
    let namespace = Namespace::new("default").unwrap();
    let (weak, account) = (&world.weak, annotated(&namespace, &[("a", "1")]));
    let denied = |error: irsa_core::Error, verb: &str, resource: &str| {
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("Forbidden")));
        let cause = error.causes().concat();
        let words = format!("cannot {verb} resource {resource:?} in API group \"\"");
        assert!(cause.contains(" is forbidden: User ") && cause.contains(&words), "{cause}");
    };
    denied(weak.service_account(&namespace, &account.name).await.unwrap_err(), "get", "serviceaccounts");
    denied(weak.service_accounts().await.unwrap_err(), "list", "serviceaccounts");
    denied(weak.service_accounts_in(&namespace).await.unwrap_err(), "list", "serviceaccounts");
    denied(weak.namespace(&namespace).await.unwrap_err(), "get", "namespaces");
    denied(weak.namespaces().await.unwrap_err(), "list", "namespaces");
    denied(weak.create_namespace(&"x".parse().unwrap()).await.unwrap_err(), "create", "namespaces");
    for dry_run in [DryRun::Yes, DryRun::No] {
        denied(
            weak.apply_service_account(&account, dry_run, Takeover::Refuse).await.unwrap_err(),
            "patch",
            "serviceaccounts",
        );
    }
    for (verb, resource) in [("get", "namespaces"), ("create", "serviceaccounts"), ("patch", "serviceaccounts")] {
        for namespace in [None, Some(namespace.clone())] {
            let review = AccessReview { verb, resource, namespace };
            assert!(!weak.allowed(&review).await.unwrap(), "{review:?}");
            assert!(world.cluster.allowed(&review).await.unwrap(), "{review:?}");
        }
    }
    assert_eq!(weak.fingerprint().await.unwrap().issuer, None, "a refused discovery is no error");
}

pub(super) async fn the_anchor_names_the_issuer(world: &World) {
    let fingerprint = world.cluster.fingerprint().await.unwrap();
    assert_eq!(fingerprint.issuer, Some(world.issuer.url()));
    assert!(!world.cluster.through_eks());
}

pub(super) async fn an_entry_of_a_config_map_is_read(world: &World) {
    let namespace = world.namespace().await;
    let read = async |namespace: &Namespace, key: &str| world.cluster.config_value(namespace, "global", key).await;
    assert_eq!(read(&namespace, "environment").await.unwrap(), None);
    world.hands.put_config_map(&namespace, "global", &[("environment", "demo"), ("empty", "")]).await;
    assert_eq!(read(&namespace, "environment").await.unwrap().as_deref(), Some("demo"));
    assert_eq!(read(&namespace, "empty").await.unwrap().as_deref(), Some(""));
    assert_eq!(read(&namespace, "other").await.unwrap(), None);
    let missing = Namespace::new(world.unique("no")).unwrap();
    assert_eq!(read(&missing, "environment").await.unwrap(), None);
    let denied = world.weak.config_value(&namespace, "global", "environment").await.unwrap_err();
    assert_eq!((denied.kind(), denied.code()), (ErrorKind::AccessDenied, Some("Forbidden")));
    assert_eq!(denied.to_string(), format!("cannot read config map {namespace}/global"));
}
