//! The service account of a subject: what is applied to it, and what is taken away when it leaves. Pure functions.

use std::collections::BTreeMap;

use crate::backend::{FIELD_MANAGER, FieldOwner, NewServiceAccount, Precondition, ServiceAccount};
use crate::binding::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, IrsaBinding, ROLE_ARN_ANNOTATION, STS_REGIONAL_ENDPOINTS_ANNOTATION,
    TOKEN_EXPIRATION_ANNOTATION,
};
use crate::error::{ConflictReason, Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::invariants::Invariant;
use crate::name::{Namespace, RoleArn, ServiceAccountName, ServiceAccountRef};

/// What must be applied so that an account is as the binding wants it; nothing when it is already.
///
/// `audience` is the one that the role's trust policy demands, where the binding declares none and it is not that of STS.
/// What irsa owns already is sent along, since server-side apply takes away what a manager no longer sends.
///
/// # Errors
/// `Conflict` when the annotation names another role and `force` is not given.
pub(crate) fn wanted(
    binding: &IrsaBinding,
    role: &RoleArn,
    (namespace, name): (&Namespace, &ServiceAccountName),
    existing: Option<&ServiceAccount>,
    (force, audience): (bool, Option<&str>),
) -> Result<Option<NewServiceAccount>> {
    let mut new = NewServiceAccount {
        namespace: namespace.clone(),
        name: name.clone(),
        labels: binding.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        annotations: declared_annotations(binding, role, audience),
        automount_token: binding.automount_token,
        precondition: Precondition::Absent,
    };
    match existing {
        Some(account) => onto(new, role, account, force),
        None => {
            new.annotations.insert(CREATED_ANNOTATION.to_owned(), "true".to_owned());
            Ok(Some(new))
        }
    }
}

/// What must be applied to an account that is there, so that it has what a new one would have; nothing when it has.
///
/// # Errors
/// `Conflict` when the annotation names another role and `force` is not given ([`is_of_another_role`]), and when the account
/// is being deleted.
pub(crate) fn onto(
    mut new: NewServiceAccount,
    role: &RoleArn,
    account: &ServiceAccount,
    force: bool,
) -> Result<Option<NewServiceAccount>> {
    check_staying(account)?;
    if !force {
        check_annotation(account, role)?;
    }
    // Whoever made it, it was not made here.
    new.annotations.remove(CREATED_ANNOTATION);
    let holds = |wanted: &BTreeMap<String, String>, there: &BTreeMap<String, String>| {
        wanted.iter().all(|(key, value)| there.get(key) == Some(value))
    };
    let automounts = new.automount_token.is_none_or(|wanted| account.automount_token == Some(wanted));
    if automounts && holds(&new.annotations, &account.annotations) && holds(&new.labels, &account.labels) {
        return Ok(None);
    }
    for owner in account.owners.iter().filter(|owner| owner.manager == FIELD_MANAGER && owner.apply) {
        keep(&mut new.annotations, &owner.annotations, &account.annotations);
        keep(&mut new.labels, &owner.labels, &account.labels);
        if owner.automount_token {
            new.automount_token = new.automount_token.or(account.automount_token);
        }
    }
    Ok(Some(NewServiceAccount { precondition: Precondition::unchanged(account), ..new }))
}

fn declared_annotations(binding: &IrsaBinding, role: &RoleArn, audience: Option<&str>) -> BTreeMap<String, String> {
    let settings = [
        (ROLE_ARN_ANNOTATION, Some(role.to_string())),
        (AUDIENCE_ANNOTATION, binding.audience.as_ref().map(ToString::to_string).or(audience.map(str::to_owned))),
        (TOKEN_EXPIRATION_ANNOTATION, binding.token_expiration.map(|seconds| seconds.seconds().to_string())),
        (STS_REGIONAL_ENDPOINTS_ANNOTATION, binding.sts_regional_endpoints.map(|regional| regional.to_string())),
    ];
    let settings = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let custom = binding.annotations.iter().map(|(key, value)| (key.to_string(), value.clone()));
    settings.chain(custom).collect()
}

fn keep(
    wanted: &mut BTreeMap<String, String>,
    owned: &std::collections::BTreeSet<String>,
    there: &BTreeMap<String, String>,
) {
    for key in owned {
        if let Some(value) = there.get(key) {
            wanted.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// What is written to an account that goes is lost with it.
fn check_staying(account: &ServiceAccount) -> Result<()> {
    if !account.deleting {
        return Ok(());
    }
    let service_account = ServiceAccountRef::new(&account.namespace, &account.name);
    Err(Error::new(ErrorKind::Conflict, format!("service account {service_account} is being deleted"))
        .with_cause("its finalizers are not done yet; what would be written to it would go with it")
        .with_hint("run the same command again when it is gone: it makes the account anew"))
}

/// An annotation with another role's ARN, whoever owns the field, is not taken over unasked.
fn check_annotation(account: &ServiceAccount, role: &RoleArn) -> Result<()> {
    let Some(other) = other_role(account, Some(role)).filter(|_| Invariant::ForeignAnnotation.is_enforced()) else {
        return Ok(());
    };
    let service_account = ServiceAccountRef::new(&account.namespace, &account.name);
    let manager = account.annotation_owner(ROLE_ARN_ANNOTATION);
    let owner = manager.map(|manager| format!(", set by {manager}")).unwrap_or_default();
    Err(Error::new(ErrorKind::Conflict, format!("service account {service_account} cannot be bound to {role}"))
        .with_cause(format!("its annotation {ROLE_ARN_ANNOTATION} names {}: {other}{owner}", difference(other, role)))
        .with_conflict_reason(ConflictReason::OtherRole)
        .with_context("annotation", other.to_owned())
        .with_hint(Hint::ReplaceAnnotation {
            role_name: usable(other, role),
            manager: manager.filter(|manager| *manager != FIELD_MANAGER).map(str::to_owned),
        }))
}

/// How the role that an annotation names differs from `role`.
fn difference(annotated: &str, role: &RoleArn) -> &'static str {
    let Ok(other) = annotated.parse::<RoleArn>() else { return "another role" };
    let same_name = other.name().as_str().eq_ignore_ascii_case(role.name().as_str());
    if other.account() != role.account() || other.partition() != role.partition() {
        "a role of another account"
    } else if same_name {
        "the role without its path, or in another one"
    } else {
        "another role"
    }
}

/// The name of the role that an annotation names, where a binding to `role` could name it instead.
fn usable(annotated: &str, role: &RoleArn) -> Option<String> {
    let other: RoleArn = annotated.parse().ok()?;
    let reachable = other.account() == role.account() && other.partition() == role.partition();
    (reachable && !other.name().as_str().eq_ignore_ascii_case(role.name().as_str())).then(|| other.name().to_string())
}

/// The other role that an account is annotated with. What is not an ARN names no role, such as the `null` that gen3's script
/// left.
fn other_role<'a>(account: &'a ServiceAccount, role: Option<&RoleArn>) -> Option<&'a str> {
    let value = account.annotations.get(ROLE_ARN_ANNOTATION)?;
    (value.starts_with("arn:") && role.is_none_or(|role| *value != role.to_string())).then_some(value)
}

/// What becomes of the account of a subject that leaves a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// It is not annotated with the role, or goes anyway.
    Nothing,
    /// These annotations are taken away; the account stays, since somebody else made it or uses it.
    Unannotate(BTreeMap<String, String>),
    /// irsa made it and nobody else has a field in it.
    Delete,
}

/// What becomes of an account when its subject leaves a role; without a role, what is left of a binding whose role is gone.
///
/// The annotation may be gone, by hand or by a webhook: then what irsa made or wrote goes all the same. Where it names another
/// role, the account belongs to that one ([`left_with`]).
pub(crate) fn release(account: &ServiceAccount, role: Option<&RoleArn>) -> Release {
    if account.deleting || other_role(account, role).is_some() {
        return Release::Nothing;
    }
    if is_made_here(account) && is_only_ours(account) {
        return Release::Delete;
    }
    let bound = role.is_some_and(|role| account.annotations.get(ROLE_ARN_ANNOTATION) == Some(&role.to_string()));
    let owned = account.owners.iter().filter(|owner| owner.manager == FIELD_MANAGER && owner.apply);
    let keys = owned.flat_map(|owner| owner.annotations.iter().map(String::as_str));
    let keys = keys.chain(bound.then_some(ROLE_ARN_ANNOTATION));
    let keys = keys.filter_map(|key| account.annotations.get(key).map(|value| (key.to_owned(), value.clone())));
    let keys: BTreeMap<String, String> = keys.collect();
    if keys.is_empty() { Release::Nothing } else { Release::Unannotate(keys) }
}

/// The other role that an account keeps when its subject leaves a role, where irsa made the account or wrote to it.
pub(crate) fn left_with<'a>(account: &'a ServiceAccount, role: &RoleArn) -> Option<&'a str> {
    let touched = is_made_here(account) || account.owners.iter().any(|owner| owner.manager == FIELD_MANAGER);
    other_role(account, Some(role)).filter(|_| touched && !account.deleting)
}

fn is_made_here(account: &ServiceAccount) -> bool {
    account.annotations.get(CREATED_ANNOTATION).is_some_and(|value| value == "true")
}

/// Whether nobody else owns a field of an account.
pub(crate) fn is_only_ours(account: &ServiceAccount) -> bool {
    account.owners.iter().all(|owner| owner.manager == FIELD_MANAGER && !owner.other_fields)
}

/// Whether an account still has the annotation that irsa gave it for a role. Where the role does not let it in any more,
/// that is what is left of a run that broke off.
pub(crate) fn is_bound_by_us(account: &ServiceAccount, role: &RoleArn) -> bool {
    let ours = |owner: &FieldOwner| owner.manager == FIELD_MANAGER && owner.annotations.contains(ROLE_ARN_ANNOTATION);
    account.annotations.get(ROLE_ARN_ANNOTATION) == Some(&role.to_string()) && account.owners.iter().any(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn role(name: &str) -> RoleArn {
        format!("arn:aws:iam::123456789012:role/{name}").parse().unwrap()
    }

    fn account(annotations: &[(&str, &str)], owners: Vec<FieldOwner>) -> ServiceAccount {
        ServiceAccount {
            namespace: Namespace::new("default").unwrap(),
            name: ServiceAccountName::new("sa").unwrap(),
            uid: "u1".into(),
            resource_version: "7".into(),
            labels: BTreeMap::new(),
            annotations: annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            automount_token: None,
            owners,
            deleting: false,
        }
    }

    fn owner(manager: &str, apply: bool, keys: &[&str]) -> FieldOwner {
        let annotations: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        FieldOwner { manager: manager.into(), apply, annotations, ..FieldOwner::default() }
    }

    fn apply(
        binding: &IrsaBinding,
        existing: Option<&ServiceAccount>,
        force: bool,
    ) -> Result<Option<NewServiceAccount>> {
        let name = (&binding.namespace, &binding.service_account);
        wanted(binding, &role("r"), name, existing, (force, None))
    }

    fn binding() -> IrsaBinding {
        IrsaBinding::builder("demo", "default", "sa").build().unwrap()
    }

    #[test]
    fn a_new_account_is_marked_as_ours() {
        let made = apply(&binding(), None, false).unwrap().unwrap();
        assert_eq!(made.annotations.get(CREATED_ANNOTATION).map(String::as_str), Some("true"));
        assert_eq!(made.annotations.get(ROLE_ARN_ANNOTATION), Some(&role("r").to_string()));
        assert!(made.labels.is_empty());
        assert_eq!(made.precondition, Precondition::Absent);
    }

    #[test]
    fn an_account_that_came_in_between_is_not_made_here() {
        let made = apply(&binding(), None, false).unwrap().unwrap();
        let by_helm = account(&[("team", "data")], vec![owner("helm", true, &["team"])]);
        let sent = onto(made.clone(), &role("r"), &by_helm, false).unwrap().unwrap();
        assert_eq!(sent.annotations.keys().collect::<Vec<_>>(), [ROLE_ARN_ANNOTATION]);
        assert_eq!(sent.precondition, Precondition::unchanged(&by_helm));
        let same = made.annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
        assert_eq!(onto(made.clone(), &role("r"), &account(&same, vec![]), false).unwrap(), None);
        let error = onto(made.clone(), &role("other"), &account(&same, vec![]), false).unwrap_err();
        assert_eq!(error.conflict_reason(), Some(ConflictReason::OtherRole));
    }

    #[test]
    fn an_account_that_is_as_wanted_needs_no_write_whoever_wrote_it() {
        let there = account(
            &[(ROLE_ARN_ANNOTATION, &role("r").to_string())],
            vec![owner("helm", false, &[ROLE_ARN_ANNOTATION])],
        );
        assert_eq!(apply(&binding(), Some(&there), false).unwrap(), None);
    }

    #[test]
    fn what_irsa_owns_is_sent_along() {
        let arn = role("r").to_string();
        let there = account(
            &[(ROLE_ARN_ANNOTATION, &arn), (CREATED_ANNOTATION, "true"), ("team", "data")],
            vec![
                owner(FIELD_MANAGER, true, &[ROLE_ARN_ANNOTATION, CREATED_ANNOTATION]),
                owner("kubectl", false, &["team"]),
            ],
        );
        let binding = IrsaBinding::builder("demo", "default", "sa").with_token_expiration(3600).build().unwrap();
        let sent = apply(&binding, Some(&there), false).unwrap().unwrap();
        let keys: Vec<&str> = sent.annotations.keys().map(String::as_str).collect();
        assert_eq!(keys, [ROLE_ARN_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION, CREATED_ANNOTATION]);
        assert_eq!(sent.precondition, Precondition::unchanged(&there));
    }

    #[test]
    fn another_roles_annotation_is_a_conflict_unless_forced() {
        let there = account(
            &[(ROLE_ARN_ANNOTATION, "arn:aws:iam::123456789012:role/other")],
            vec![owner("helm", false, &[ROLE_ARN_ANNOTATION])],
        );
        let error = apply(&binding(), Some(&there), false).unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && error.causes()[0].contains("role/other, set by helm"));
        assert!(apply(&binding(), Some(&there), true).unwrap().is_some());
        for nothing in ["", "null"] {
            let nothing = account(&[(ROLE_ARN_ANNOTATION, nothing)], vec![]);
            assert!(apply(&binding(), Some(&nothing), false).unwrap().is_some());
        }
    }

    #[test]
    fn hints_for_an_annotation_do_not_name_what_was_asked_for_already() {
        let asked: RoleArn = "arn:aws:iam::123456789012:role/team/r".parse().unwrap();
        for (annotated, difference, role_name) in [
            ("arn:aws:iam::999999999999:role/team/r", "a role of another account", None),
            ("arn:aws-cn:iam::123456789012:role/team/r", "a role of another account", None),
            ("arn:aws:iam::123456789012:role/r", "the role without its path, or in another one", None),
            ("arn:aws:iam::123456789012:role/other", "another role", Some("other")),
            ("arn:aws:iam::123456789012:oidc-provider/x", "another role", None),
        ] {
            let there =
                account(&[(ROLE_ARN_ANNOTATION, annotated)], vec![owner("argocd", true, &[ROLE_ARN_ANNOTATION])]);
            let error = check_annotation(&there, &asked).unwrap_err();
            assert!(error.causes()[0].contains(difference), "{error:?}");
            let (role_name, manager) = (role_name.map(str::to_owned), Some("argocd".to_owned()));
            assert_eq!(error.hint(), Some(&Hint::ReplaceAnnotation { role_name, manager }));
        }
    }

    #[test]
    fn only_an_account_of_ours_alone_is_deleted() {
        let arn = role("r").to_string();
        let marked = [(ROLE_ARN_ANNOTATION, arn.as_str()), (CREATED_ANNOTATION, "true")];
        let ours = owner(FIELD_MANAGER, true, &[ROLE_ARN_ANNOTATION, CREATED_ANNOTATION]);
        assert_eq!(release(&account(&marked, vec![ours.clone()]), Some(&role("r"))), Release::Delete);
        let shared = account(&marked, vec![ours, owner("helm", false, &["x"])]);
        assert!(matches!(release(&shared, Some(&role("r"))), Release::Unannotate(keys) if keys.len() == 2));
        let adopted = account(&marked[..1], vec![owner("kubectl", false, &[ROLE_ARN_ANNOTATION])]);
        assert!(matches!(release(&adopted, Some(&role("r"))), Release::Unannotate(keys) if keys.len() == 1));
        assert_eq!(release(&adopted, Some(&role("other"))), Release::Nothing);
    }

    #[test]
    fn an_account_whose_annotation_is_gone_is_not_left_behind() {
        let ours = owner(FIELD_MANAGER, true, &[ROLE_ARN_ANNOTATION, CREATED_ANNOTATION, AUDIENCE_ANNOTATION]);
        let stripped = account(&[(CREATED_ANNOTATION, "true")], vec![ours.clone()]);
        assert_eq!(release(&stripped, Some(&role("r"))), Release::Delete);
        // No field of it has an owner: irsa made it and a webhook took all of ours away.
        assert_eq!(release(&account(&[(CREATED_ANNOTATION, "true")], vec![]), Some(&role("r"))), Release::Delete);
        let of_helm =
            account(&[(AUDIENCE_ANNOTATION, "a"), ("x", "y")], vec![ours.clone(), owner("helm", true, &["x"])]);
        let keys = BTreeMap::from([(AUDIENCE_ANNOTATION.to_owned(), "a".to_owned())]);
        assert_eq!(release(&of_helm, Some(&role("r"))), Release::Unannotate(keys));
        assert_eq!(
            release(&account(&[("x", "y")], vec![owner("helm", true, &["x"])]), Some(&role("r"))),
            Release::Nothing
        );

        let other = role("other").to_string();
        let elsewhere = account(&[(ROLE_ARN_ANNOTATION, &other), (CREATED_ANNOTATION, "true")], vec![ours]);
        assert_eq!(release(&elsewhere, Some(&role("r"))), Release::Nothing);
        assert_eq!(left_with(&elsewhere, &role("r")), Some(other.as_str()));
        assert_eq!(left_with(&elsewhere, &role("other")), None);
        let of_helm = account(&[(ROLE_ARN_ANNOTATION, &other)], vec![owner("helm", true, &[ROLE_ARN_ANNOTATION])]);
        assert_eq!(left_with(&of_helm, &role("r")), None);
    }

    #[test]
    fn what_is_left_of_a_binding_without_a_role_goes_too() {
        let ours = owner(FIELD_MANAGER, true, &[ROLE_ARN_ANNOTATION, CREATED_ANNOTATION]);
        assert_eq!(release(&account(&[(CREATED_ANNOTATION, "true")], vec![ours.clone()]), None), Release::Delete);
        let arn = role("r").to_string();
        let bound = account(&[(ROLE_ARN_ANNOTATION, &arn), (CREATED_ANNOTATION, "true")], vec![ours]);
        assert_eq!(release(&bound, None), Release::Nothing);
        assert_eq!(release(&account(&[("x", "y")], vec![owner("helm", true, &["x"])]), None), Release::Nothing);
    }

    #[test]
    fn the_automount_setting_is_sent_where_it_differs_or_is_ours() {
        let wanted = |automount| {
            let builder = IrsaBinding::builder("demo", "default", "sa");
            match automount {
                Some(automount) => builder.with_automount_token(automount).build().unwrap(),
                None => builder.build().unwrap(),
            }
        };
        let arn = role("r").to_string();
        let there = |automount_token, owner| {
            let known = account(&[(ROLE_ARN_ANNOTATION, &arn)], vec![owner]);
            ServiceAccount { automount_token, ..known }
        };
        let ours = || FieldOwner { automount_token: true, ..owner(FIELD_MANAGER, true, &[ROLE_ARN_ANNOTATION]) };
        let sent = |automount, there: &ServiceAccount| apply(&wanted(automount), Some(there), false).unwrap();
        assert_eq!(sent(Some(false), &there(Some(false), ours())), None);
        assert_eq!(sent(None, &there(Some(true), owner("helm", true, &[]))), None, "what is not named stays");
        assert_eq!(sent(Some(false), &there(None, ours())).unwrap().automount_token, Some(false));
        // What irsa owns is sent along with other changes.
        let changed = ServiceAccount { annotations: BTreeMap::new(), ..there(Some(false), ours()) };
        assert_eq!(sent(None, &changed).unwrap().automount_token, Some(false));
        let of_helm = FieldOwner { automount_token: true, ..owner("helm", true, &[]) };
        let changed = ServiceAccount { annotations: BTreeMap::new(), ..there(Some(false), of_helm) };
        assert_eq!(sent(None, &changed).unwrap().automount_token, None);
        // irsa's own setting does not make the account somebody else's.
        let marked = [(ROLE_ARN_ANNOTATION, arn.as_str()), (CREATED_ANNOTATION, "true")];
        assert_eq!(release(&account(&marked, vec![ours()]), Some(&role("r"))), Release::Delete);
    }

    #[test]
    fn an_account_that_goes_is_neither_bound_nor_let_go() {
        let arn = role("r").to_string();
        let going = ServiceAccount { deleting: true, ..account(&[(ROLE_ARN_ANNOTATION, &arn)], vec![]) };
        let error = apply(&binding(), Some(&going), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(release(&going, Some(&role("r"))), Release::Nothing);
    }

    #[test]
    fn an_annotation_of_ours_is_told_by_its_manager() {
        let arn = role("r").to_string();
        let by =
            |manager: &str| account(&[(ROLE_ARN_ANNOTATION, &arn)], vec![owner(manager, true, &[ROLE_ARN_ANNOTATION])]);
        assert!(is_bound_by_us(&by(FIELD_MANAGER), &role("r")));
        assert!(!is_bound_by_us(&by(FIELD_MANAGER), &role("other")) && !is_bound_by_us(&by("helm"), &role("r")));
    }
}
