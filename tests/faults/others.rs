//! What other actors do while a command runs: people, controllers, other tools, other runs of irsa.

use std::time::Duration;

use irsa_core::name::{ClusterRef, PolicyArn, RoleName};
use irsa_core::sandbox::{ClusterState, Denial, RoleState, SandboxState, ServiceAccountState};
use irsa_core::{IrsaBinding, ROLE_ARN_ANNOTATION, Request, Sandbox};
use serde_json::json;

use super::scenario::{Wish, bare, create, issuer_of};
use crate::world::{ROLE, ec2_trust};

/// One deed of another actor. It does nothing where what it is about is not there.
#[derive(Clone, Copy)]
pub(super) struct Other {
    name: &'static str,
    deed: Deed,
    tampers: bool,
}

#[derive(Clone, Copy)]
enum Deed {
    Edit(fn(&mut SandboxState)),
    Role(fn(&mut RoleState)),
    Cluster(fn(&mut ClusterState)),
    By(fn(&Sandbox)),
    Command(fn() -> Request),
}

impl Other {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it writes trust, tags or the role itself without irsa's record.
    pub(super) fn tampers(&self) -> bool {
        self.tampers
    }

    /// Whether it depends on more than it changes.
    pub(super) fn looks_around(&self) -> bool {
        matches!(self.deed, Deed::Command(_))
    }

    pub(super) fn act(&self, sandbox: &Sandbox) {
        let edit = |change: &dyn Fn(&mut SandboxState)| {
            let edited = sandbox.edit(|state| {
                change(state);
                Ok(())
            });
            edited.unwrap();
        };
        match self.deed {
            Deed::Edit(change) => edit(&change),
            Deed::Role(change) => edit(&|state| state.roles.get_mut(ROLE).into_iter().for_each(change)),
            Deed::Cluster(change) => {
                let cluster: ClusterRef = "sandbox".parse().unwrap();
                edit(&|state| state.clusters.get_mut(&cluster).into_iter().for_each(change));
            }
            Deed::By(act) => act(sandbox),
            Deed::Command(request) => by_another_run(sandbox, &request().into()),
        }
    }
}

/// How long another run lasts at most: one that waits until a delete is over does nothing in the middle of it.
const MAX_DURATION: Duration = Duration::from_secs(3);

/// A whole command by another process, with a clock of its own.
fn by_another_run(sandbox: &Sandbox, wish: &Wish) {
    let copy = super::sandbox(&sandbox.state().unwrap());
    let run = || super::block_on(async { tokio::time::timeout(MAX_DURATION, wish.run(&copy)).await.is_ok() });
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap();
    let after = copy.state().unwrap();
    let edited = sandbox.edit(|state| {
        *state = after;
        Ok(())
    });
    edited.unwrap();
}

fn read_only() -> PolicyArn {
    "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess".parse().unwrap()
}

fn account(cluster: &mut ClusterState, change: impl Fn(&mut ServiceAccountState)) {
    for held in cluster.namespaces.values_mut() {
        held.service_accounts.get_mut("sa").into_iter().for_each(&change);
    }
}

/// Whether the account is there: other managers change it, they do not make it.
fn has_account(sandbox: &Sandbox) -> bool {
    let cluster: ClusterRef = "sandbox".parse().unwrap();
    sandbox.state().unwrap().clusters[&cluster]
        .namespaces
        .get("default")
        .is_some_and(|held| held.service_accounts.contains_key("sa"))
}

pub(super) fn others() -> Vec<Other> {
    let of = |name, deed| Other { name, deed, tampers: false };
    let tampering = |name, deed| Other { name, deed, tampers: true };
    vec![
        of("the role is deleted", Deed::Edit(|state| drop(state.roles.remove(ROLE)))),
        tampering(
            "the role is made by hand",
            Deed::By(|sandbox| {
                if !sandbox.state().unwrap().roles.contains_key(ROLE) {
                    sandbox.put_role(&RoleName::new(ROLE).unwrap(), RoleState::new(ec2_trust())).unwrap();
                }
            }),
        ),
        tampering(
            "the role is made anew by hand",
            Deed::By(|sandbox| {
                if sandbox.state().unwrap().roles.contains_key(ROLE) {
                    sandbox.put_role(&RoleName::new(ROLE).unwrap(), RoleState::new(ec2_trust())).unwrap();
                }
            }),
        ),
        tampering("the trust policy is replaced", Deed::Role(|role| role.trust_policy = ec2_trust())),
        tampering(
            "a statement is added",
            Deed::Role(|role| {
                let statement = ec2_trust()["Statement"][0].clone();
                role.trust_policy["Statement"].as_array_mut().unwrap().push(statement);
            }),
        ),
        tampering(
            "an intruder is let in",
            Deed::Role(|role| {
                let text = role.trust_policy.to_string().replace("default:sa\"", "default:intruder\"");
                role.trust_policy = serde_json::from_str(&text).unwrap();
            }),
        ),
        of("a policy is attached", Deed::Role(|role| role.attached.extend([read_only()]))),
        of("all policies are detached", Deed::Role(|role| role.attached.clear())),
        of(
            "an inline policy is added",
            Deed::Role(|role| {
                let document = json!({"Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]});
                role.inline.insert("theirs".parse().unwrap(), document);
            }),
        ),
        of("the inline policies are deleted", Deed::Role(|role| role.inline.clear())),
        of(
            "an inline policy is replaced",
            Deed::Role(|role| {
                for document in role.inline.values_mut() {
                    *document = json!({"Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]});
                }
            }),
        ),
        of("a tag is added", Deed::Role(|role| drop(role.tags.insert("cost".to_owned(), "7".to_owned())))),
        tampering("all tags are taken away", Deed::Role(|role| role.tags.clear())),
        tampering("the owner tag is taken away", Deed::Role(|role| drop(role.tags.remove("irsa.gen3.org/owner")))),
        tampering(
            "the role gets another owner",
            Deed::Role(|role| {
                role.tags.entry("irsa.gen3.org/owner".to_owned()).and_modify(|owner| {
                    *owner = "arn:aws:eks:us-east-1:123456789012:cluster/sandbox/default/theirs".to_owned();
                });
            }),
        ),
        tampering(
            "the subject tags are taken away",
            Deed::Role(|role| role.tags.retain(|key, _| !key.contains("/subject."))),
        ),
        of("the boundary changes", Deed::Role(|role| role.permissions_boundary = Some(read_only()))),
        of("the boundary is taken away", Deed::Role(|role| role.permissions_boundary = None)),
        of(
            "the settings change",
            Deed::Role(|role| {
                role.description = Some("theirs".to_owned());
                role.max_session_duration = 43_200;
            }),
        ),
        of(
            "an instance profile takes the role",
            Deed::Edit(|state| {
                if state.roles.contains_key(ROLE) {
                    state.instance_profiles.insert("nodes".to_owned(), RoleName::new(ROLE).unwrap());
                }
            }),
        ),
        of(
            "the customer policy is deleted",
            Deed::By(|sandbox| {
                sandbox.remove_policy(&"arn:aws:iam::123456789012:policy/team/team".parse().unwrap()).unwrap();
            }),
        ),
        of(
            "the provider is deleted",
            Deed::Edit(|state| {
                let issuer = issuer_of(state, "sandbox");
                state.providers.remove(&issuer);
            }),
        ),
        of(
            "the provider is made",
            Deed::By(|sandbox| {
                let issuer = issuer_of(&sandbox.state().unwrap(), "sandbox");
                sandbox.add_provider(&issuer).unwrap();
            }),
        ),
        of(
            "the audience is taken away",
            Deed::Edit(|state| {
                let issuer = issuer_of(state, "sandbox");
                state.providers.get_mut(&issuer).into_iter().for_each(|provider| provider.audiences.clear());
            }),
        ),
        of(
            "the account reaches its quota of roles",
            Deed::Edit(|state| {
                state.quotas.roles_per_account = state.roles.len() as u64;
            }),
        ),
        of("the trust policy may not grow", Deed::Edit(|state| state.quotas.trust_policy_size = 400)),
        of("no policy may be attached", Deed::Edit(|state| state.quotas.attached_policies_per_role = 0)),
        of(
            "the service account is deleted",
            Deed::Cluster(|cluster| {
                cluster.namespaces.values_mut().for_each(|held| drop(held.service_accounts.remove("sa")));
            }),
        ),
        of(
            "the service account is made",
            Deed::By(|sandbox| {
                if !has_account(sandbox) {
                    sandbox.default_cluster().apply_as("helm", "default", "sa", &[("team", "data")]).unwrap();
                }
            }),
        ),
        of(
            "the service account is made anew",
            Deed::Cluster(|cluster| {
                account(cluster, |account| *account = ServiceAccountState::default());
            }),
        ),
        of(
            "the annotation goes to another role",
            Deed::By(|sandbox| {
                let arn = "arn:aws:iam::123456789012:role/theirs";
                sandbox
                    .default_cluster()
                    .update_as("helm", "default", "sa", &[(ROLE_ARN_ANNOTATION, Some(arn))])
                    .unwrap();
            }),
        ),
        of(
            "the annotation is taken away",
            Deed::By(|sandbox| {
                if has_account(sandbox) {
                    sandbox
                        .default_cluster()
                        .update_as("kubectl", "default", "sa", &[(ROLE_ARN_ANNOTATION, None)])
                        .unwrap();
                }
            }),
        ),
        of(
            "another annotation is added",
            Deed::By(|sandbox| {
                if has_account(sandbox) {
                    sandbox.default_cluster().update_as("kubectl", "default", "sa", &[("note", Some("x"))]).unwrap();
                }
            }),
        ),
        of(
            "the namespace is deleted",
            Deed::By(|sandbox| {
                sandbox.default_cluster().remove_namespace("default").unwrap();
                sandbox.default_cluster().remove_namespace("jobs").unwrap();
            }),
        ),
        of(
            "the namespace is being deleted",
            Deed::Cluster(|cluster| {
                cluster.namespaces.values_mut().for_each(|held| held.terminating = true);
            }),
        ),
        of("the namespace is made", Deed::By(|sandbox| sandbox.default_cluster().add_namespace("jobs").unwrap())),
        of(
            "service accounts may not be written",
            Deed::Cluster(|cluster| {
                let of = |verb: &str| Denial {
                    verb: verb.to_owned(),
                    resource: "serviceaccounts".to_owned(),
                    namespace: None,
                };
                cluster.denied.extend(["create", "patch", "delete"].map(of));
            }),
        ),
        of("the cluster is deleted", Deed::By(|sandbox| sandbox.default_cluster().remove().unwrap())),
        of("another run makes the same", Deed::Command(create)),
        of(
            "another run adds a subject",
            Deed::Command(|| Request::update(bare("sa").with_subject("default/e").build().unwrap())),
        ),
        of(
            "another run takes a subject away",
            Deed::Command(|| Request::update(bare("sa").build().unwrap()).removing_subject("default/c").unwrap()),
        ),
        of("another run deletes the binding", Deed::Command(|| Request::delete(bare("sa").build().unwrap()))),
        of(
            "another run deletes a subject",
            Deed::Command(|| {
                Request::delete(IrsaBinding::builder("sandbox", "default", "c").with_role_name(ROLE).build().unwrap())
            }),
        ),
    ]
}
