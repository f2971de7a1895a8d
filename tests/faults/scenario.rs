//! What is done in the simulation: states of the world, and the commands that are run in them.

use std::sync::Arc;

use irsa_core::name::{Audience, ClusterRef, Issuer, RoleName};
use irsa_core::sandbox::{Faults, RoleState, SandboxState, ServiceAccountState};
use irsa_core::{Client, DryRun, IrsaBinding, IrsaBindingBuilder, Report, Request, Result, Sandbox, Takeover};
use serde_json::{Value, json};

use super::{block_on, sandbox};
use crate::world::{ROLE, ec2_trust};

/// A command, run as a process of its own would: with a client that has seen nothing yet.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Request(Box<Request>),
    CreateProvider(Vec<Audience>),
    DeleteProvider,
}

impl Wish {
    pub(super) async fn run(&self, sandbox: &Sandbox) -> Result<Report> {
        let client = client(sandbox);
        let cluster: ClusterRef = "sandbox".parse().unwrap();
        match self {
            Self::Request(request) => client.run(request).await,
            Self::CreateProvider(audiences) => client.create_provider(&cluster, audiences, DryRun::No).await,
            Self::DeleteProvider => client.delete_provider(&cluster, Takeover::Refuse, DryRun::No).await,
        }
    }
}

impl From<Request> for Wish {
    fn from(request: Request) -> Self {
        Self::Request(Box::new(request))
    }
}

/// A client of all clusters of a sandbox.
pub(super) fn client(sandbox: &Sandbox) -> Client {
    let back_end = Arc::new(sandbox.clone());
    let client = Client::new(back_end.clone(), back_end);
    let clusters: Vec<ClusterRef> = ["sandbox", "blue"].map(|name| name.parse().unwrap()).into();
    clusters
        .into_iter()
        .fold(client, |client, cluster| client.with_cluster(cluster.clone(), Arc::new(sandbox.cluster(&cluster))))
}

/// A command in a state of the world.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) before: SandboxState,
    pub(super) wish: Wish,
    /// What this AWS never does, set before each run.
    pub(super) standing: fn(&Faults),
}

impl Scenario {
    fn new(name: impl Into<String>, before: SandboxState, wish: impl Into<Wish>) -> Self {
        Self { name: name.into(), before, wish: wish.into(), standing: |_| {} }
    }

    /// Runs the command, with nothing but what stands wrong.
    pub(super) async fn run(&self, sandbox: &Sandbox) -> Result<Report> {
        sandbox.faults().clear();
        (self.standing)(sandbox.faults());
        self.wish.run(sandbox).await
    }

    /// The same command after each of the writes of its run: every state that a crash between two calls leaves.
    pub(super) fn broken_off(&self) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for write in 1.. {
            let sandbox = sandbox(&self.before);
            (self.standing)(sandbox.faults());
            sandbox.faults().hang(irsa_core::sandbox::At::write(write).times(u64::MAX));
            let ended = block_on(self.wish.run(&sandbox)).is_ok();
            let before = sandbox.state().unwrap();
            if ended {
                break;
            }
            if before != self.before && found.iter().all(|known| known.before != before) {
                found.push(Self { name: format!("{} after {} writes", self.name, write - 1), before, ..self.clone() });
            }
        }
        found
    }
}

/// The binding `default/NAME`.
pub(super) fn bare(name: &str) -> IrsaBindingBuilder {
    IrsaBinding::builder("sandbox", "default", name)
}

fn document(effect: &str, action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]})
}

/// A fresh sandbox with a customer-managed policy, a second cluster with its provider, and accounts of others.
pub(super) fn world() -> SandboxState {
    let sandbox = Sandbox::new();
    sandbox.add_policy("/team/", "team").unwrap();
    let blue = sandbox.add_cluster(&"blue".parse().unwrap()).unwrap();
    sandbox.add_provider(&issuer_of(&sandbox.state().unwrap(), "blue")).unwrap();
    blue.put_service_account("default", "other", ServiceAccountState::default()).unwrap();
    sandbox.default_cluster().apply_as("helm", "default", "b", &[("team", "data")]).unwrap();
    sandbox.state().unwrap()
}

pub(super) fn issuer_of(state: &SandboxState, cluster: &str) -> Issuer {
    state.clusters[&cluster.parse::<ClusterRef>().unwrap()].issuer.clone().unwrap()
}

/// The state after a command.
pub(super) fn after(state: &SandboxState, wish: impl Into<Wish>) -> SandboxState {
    let sandbox = sandbox(state);
    block_on(wish.into().run(&sandbox)).unwrap();
    sandbox.state().unwrap()
}

/// The state after a change by hand.
pub(super) fn changed(state: &SandboxState, change: impl FnOnce(&mut SandboxState)) -> SandboxState {
    let sandbox = sandbox(state);
    let edited = sandbox.edit(|state| {
        change(state);
        Ok(())
    });
    edited.unwrap();
    sandbox.state().unwrap()
}

fn role(state: &mut SandboxState) -> &mut RoleState {
    state.roles.get_mut(ROLE).unwrap()
}

pub(super) fn create() -> Request {
    Request::create(bare("sa").with_policy("AmazonS3ReadOnlyAccess").build().unwrap())
}

/// Everything that a binding can have, in a namespace and with a provider that are not there.
fn with_everything() -> IrsaBindingBuilder {
    IrsaBinding::builder("sandbox", "jobs", "sa")
        .with_role_name(ROLE)
        .with_policy("AmazonS3ReadOnlyAccess")
        .with_policy("team")
        .with_inline_document("allow", document("Allow", "s3:GetObject"))
        .with_inline_document("deny", document("Deny", "s3:DeleteObject"))
        .with_permissions_boundary("arn:aws:iam::aws:policy/AdministratorAccess")
        .with_description("reads")
        .with_max_session_duration(7200)
        .with_tag("team", "data")
        .with_annotation("example.org/a", "1")
        .with_label("app", "reader")
        .with_token_expiration(3600)
        .with_subject("default/b")
        .with_subject("default/job-*")
}

fn create_everything() -> Scenario {
    let mut before = world();
    before.providers.remove(&issuer_of(&before, "sandbox"));
    let request = Request::create(with_everything().build().unwrap());
    Scenario::new("create everything", before, request.with_create_namespace(true).with_create_provider(true))
}

/// A role with three subjects, two policies and two documents.
pub(super) fn shared() -> SandboxState {
    let binding = bare("sa")
        .with_policy("AmazonS3ReadOnlyAccess")
        .with_policy("team")
        .with_inline_document("allow", document("Allow", "s3:GetObject"))
        .with_inline_document("deny", document("Deny", "s3:DeleteObject"))
        .with_subject("default/b")
        .with_subject("default/c");
    after(&world(), Request::create(binding.build().unwrap()))
}

/// Subjects and policies leave and come at once, and the boundary changes.
fn move_all() -> Request {
    let binding = bare("sa")
        .with_policy("ReadOnlyAccess")
        .with_permissions_boundary("arn:aws:iam::aws:policy/AdministratorAccess")
        .with_inline_document("allow", document("Allow", "s3:PutObject"))
        .with_inline_document("more", document("Deny", "ec2:*"))
        .with_description("moved")
        .with_subject("default/d");
    let request = Request::update(binding.build().unwrap());
    let request = request.removing_policy("team").unwrap().removing_policy("deny").unwrap();
    request.removing_subject("default/b").unwrap()
}

fn adopted() -> SandboxState {
    let mut role = RoleState::new(ec2_trust());
    role.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap());
    changed(&world(), |state| {
        role.id = "AROASANDBOX0000000099".to_owned();
        state.roles.insert(RoleName::new(ROLE).unwrap(), role);
    })
}

fn adopt() -> Request {
    create().with_adopt(true)
}

/// A role of another tool that trusts the service account, with the policies that the tool wrote for it.
fn of_another_tool() -> SandboxState {
    let state = world();
    let host = issuer_of(&state, "sandbox").host_path().to_owned();
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{host}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            format!("{host}:sub"): "system:serviceaccount:default:sa", format!("{host}:aud"): "sts.amazonaws.com",
        }},
    }]});
    let mut role = RoleState::new(trust);
    role.id = "AROASANDBOX0000000099".to_owned();
    for (name, action) in [("old-get", "s3:GetObject"), ("old-list", "s3:ListBucket"), ("old-volumes", "ec2:*")] {
        role.inline.insert(name.parse().unwrap(), document("Allow", action));
    }
    changed(&state, |state| drop(state.roles.insert(RoleName::new(ROLE).unwrap(), role)))
}

/// What the tool wrote is replaced: two documents by one, and one by a managed policy.
fn replace() -> Request {
    let read = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]});
    let binding = bare("sa").with_policy("team").with_inline_document("read", read).build().unwrap();
    let request = Request::create(binding).with_adopt(true);
    let replaced = [("old-get", Some("read")), ("old-list", Some("read")), ("old-volumes", None)];
    replaced.into_iter().try_fold(request, |request, (name, by)| request.replacing_policy(name, by)).unwrap()
}

/// The account is bound to a role that is named by its ARN.
fn attach(account: &str) -> Request {
    let arn: irsa_core::name::RoleArn = format!("arn:aws:iam::{account}:role/{ROLE}").parse().unwrap();
    Request::create(bare("sa").with_role_name(ROLE).build().unwrap()).with_existing_role(arn)
}

/// States that other people leave, which a create repairs.
fn drifted() -> Vec<Scenario> {
    let whole = after(&world(), create_shared());
    let scenario = |name: &str, change: fn(&mut SandboxState)| {
        Scenario::new(format!("repair: {name}"), changed(&whole, change), create_shared())
    };
    vec![
        scenario("no policies", |state| {
            role(state).attached.clear();
            role(state).inline.clear();
        }),
        scenario("a trust policy of others", |state| role(state).trust_policy = ec2_trust()),
        scenario("an intruder in our own statement", |state| {
            let text = role(state).trust_policy.to_string().replace("default:c\"", "default:c\",\"system:x\"");
            role(state).trust_policy = serde_json::from_str(&text).unwrap();
        }),
        scenario("no subject tags", |state| role(state).tags.retain(|key, _| !key.contains("/subject."))),
        scenario("no role", |state| drop(state.roles.remove(ROLE))),
        scenario("no accounts", |state| {
            for cluster in state.clusters.values_mut() {
                cluster.namespaces.values_mut().for_each(|held| held.service_accounts.clear());
            }
        }),
        scenario("no annotations", |state| {
            for cluster in state.clusters.values_mut() {
                let held = cluster.namespaces.values_mut().flat_map(|held| held.service_accounts.values_mut());
                held.for_each(|account| *account = ServiceAccountState::default());
            }
        }),
    ]
}

fn create_shared() -> Request {
    let binding = bare("sa")
        .with_policy("AmazonS3ReadOnlyAccess")
        .with_inline_document("allow", document("Allow", "s3:GetObject"))
        .with_subject("default/b")
        .with_subject("default/c");
    Request::create(binding.build().unwrap())
}

/// The scenarios proper.
pub(super) fn scenarios() -> Vec<Scenario> {
    let everything = create_everything();
    let made = after(&everything.before, everything.wish.clone());
    let whole = after(&world(), create());
    let delete = |name: &str| Request::delete(bare(name).build().unwrap());
    let two_clusters = bare("sa").with_policy("AmazonS3ReadOnlyAccess").with_subject("blue:default/other");
    let two_clusters = two_clusters.with_subject("blue:default/new").build().unwrap();
    let of_two = after(&world(), Request::create(two_clusters.clone()));
    let exact = bare("sa").with_policy("ReadOnlyAccess").with_subject("default/d").with_exact(true).build().unwrap();
    let delete_everything = IrsaBinding::builder("sandbox", "jobs", "sa").build().unwrap();
    let with = |name: &str, other: &str| bare(name).with_subject(format!("default/{other}"));
    let delete_all = Request::delete(with("sa", "b").with_subject("default/c").build().unwrap());
    let no_account = changed(&shared(), |state| {
        let cluster = state.clusters.get_mut(&"sandbox".parse::<ClusterRef>().unwrap()).unwrap();
        cluster.namespaces.get_mut("default").unwrap().service_accounts.remove("sa");
    });
    let delete_two = Request::delete(with("sa", "c").build().unwrap());
    let no_provider = changed(&world(), |state| {
        let issuer = issuer_of(state, "sandbox");
        state.providers.remove(&issuer);
    });
    let mut found = vec![
        Scenario::new("create", world(), create()),
        everything,
        Scenario::new("create again", whole.clone(), create()),
        Scenario::new("move subjects and policies", shared(), move_all()),
        Scenario::new("make exact", shared(), Request::create(exact)),
        Scenario::new("adopt", adopted(), adopt()),
        Scenario::new("delete", whole, delete("sa")),
        Scenario::new("delete everything", made, Request::delete(delete_everything)),
        Scenario::new("delete the owner of several", shared(), delete("sa")),
        Scenario::new("delete one of several", shared(), delete("c")),
        Scenario::new("delete all of several", shared(), delete_all),
        Scenario::new("delete the owner and another of several", shared(), delete_two.clone()),
        Scenario::new("delete the owner, who has no account, and another of several", no_account, delete_two),
        Scenario::new("delete an adopted one", after(&adopted(), adopt()), delete("sa")),
        Scenario::new("replace what another tool wrote", of_another_tool(), replace()),
        Scenario::new("attach", of_another_tool(), attach("123456789012")),
        Scenario::new("attach a role of another account", world(), attach("999999999999")),
        Scenario::new("delete an attached one", after(&of_another_tool(), attach("123456789012")), delete("sa")),
        Scenario::new(
            "delete one attached to a role of another account",
            after(&world(), attach("999999999999")),
            delete("sa"),
        ),
        Scenario::new("create on two clusters", world(), Request::create(two_clusters)),
        Scenario::new(
            "leave one of two clusters",
            of_two,
            Request::update(bare("sa").build().unwrap()).removing_subject("blue:default/new").unwrap(),
        ),
        Scenario::new("create a provider", no_provider.clone(), Wish::CreateProvider(vec![])),
        Scenario::new(
            "add audiences",
            world(),
            Wish::CreateProvider(["one", "two"].map(|name| name.parse().unwrap()).into()),
        ),
        Scenario::new("delete a provider", world(), Wish::DeleteProvider),
        without_tags(),
    ];
    found.extend(drifted());
    found
}

/// A partition that refuses tags on creation: the role is made first and tagged after.
fn without_tags() -> Scenario {
    let sandbox = Sandbox::in_account("123456789012".parse().unwrap(), "cn-north-1".parse().unwrap());
    let mut scenario = Scenario::new("create where tags are refused", sandbox.state().unwrap(), create());
    scenario.standing = |faults| {
        faults.fail_before(("create_role", 1), ("InvalidParameterValue", "tags are not supported"));
    };
    scenario
}
