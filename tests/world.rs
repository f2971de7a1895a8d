//! What the tests of the whole flow share: a sandbox with a client, requests in a line, and what is read back.

use std::sync::Arc;

use irsa_core::backend::ServiceAccount;
use irsa_core::name::{ClusterRef, Namespace, RoleName, ServiceAccountName};
use irsa_core::sandbox::{Access, ClusterState, RoleState, ServiceAccountState};
use irsa_core::{
    Client, Error, IrsaBinding, IrsaBindingBuilder, ROLE_ARN_ANNOTATION, Report, Request, Result, Sandbox, Warning,
    WarningId,
};
use serde_json::{Value, json};

/// The default name of the role of `default/sa`.
pub(crate) const ROLE: &str = "sandbox-default-sa";

/// A sandbox and a client of it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
}

impl World {
    /// A fresh sandbox, its cluster `sandbox` reached as by a kubeconfig.
    pub(crate) fn new() -> Self {
        Self::of(Sandbox::new())
    }

    /// A client of a sandbox, its cluster `sandbox` reached as by a kubeconfig.
    pub(crate) fn of(sandbox: Sandbox) -> Self {
        let back_end = Arc::new(sandbox.clone());
        let cluster = Arc::new(sandbox.default_cluster());
        let client = Client::new(back_end.clone(), back_end).with_cluster("sandbox".parse().unwrap(), cluster);
        Self { sandbox, client }
    }

    /// The same with a second cluster `blue` and its provider.
    pub(crate) fn with_blue() -> Self {
        let mut world = Self::new();
        let blue: ClusterRef = "blue".parse().unwrap();
        let cluster = world.sandbox.add_cluster(&blue).unwrap();
        let issuer = world.sandbox.state().unwrap().clusters[&blue].issuer.clone().unwrap();
        world.sandbox.add_provider(&issuer).unwrap();
        world.client = world.client.with_cluster(blue, Arc::new(cluster));
        world
    }

    /// `default/sa` with one policy: the binding of most tests.
    pub(crate) fn binding() -> IrsaBindingBuilder {
        Self::bare().with_policy("AmazonS3ReadOnlyAccess")
    }

    /// `default/sa` with nothing said about it.
    pub(crate) fn bare() -> IrsaBindingBuilder {
        IrsaBinding::builder("sandbox", "default", "sa")
    }

    pub(crate) async fn create(&self, binding: IrsaBindingBuilder) -> Result<Report> {
        self.client.run(&Request::create(binding.build()?)).await
    }

    pub(crate) async fn update(&self, binding: IrsaBindingBuilder) -> Result<Report> {
        self.client.run(&Request::update(binding.build()?)).await
    }

    pub(crate) async fn delete(&self, binding: IrsaBindingBuilder) -> Result<Report> {
        self.client.run(&Request::delete(binding.build()?)).await
    }

    pub(crate) fn role(&self, name: &str) -> Option<RoleState> {
        self.sandbox.state().unwrap().roles.get(&RoleName::new(name).unwrap()).cloned()
    }

    pub(crate) fn edit_role(&self, name: &str, change: impl FnOnce(&mut RoleState)) {
        self.sandbox
            .edit(|state| {
                change(state.roles.get_mut(&RoleName::new(name)?).unwrap());
                Ok(())
            })
            .unwrap();
    }

    pub(crate) fn edit_cluster(&self, change: impl FnOnce(&mut ClusterState)) {
        self.sandbox
            .default_cluster()
            .edit(|cluster| {
                change(cluster);
                Ok(())
            })
            .unwrap();
    }

    /// An account on a cluster, as `NAMESPACE/NAME`.
    pub(crate) async fn account_on(&self, cluster: &str, place: &str) -> Option<ServiceAccount> {
        use irsa_core::backend::ClusterBackend;
        let (namespace, name) = place.split_once('/').unwrap();
        let (namespace, name) = (Namespace::new(namespace).unwrap(), ServiceAccountName::new(name).unwrap());
        self.sandbox.cluster(&cluster.parse().unwrap()).service_account(&namespace, &name).await.unwrap()
    }

    pub(crate) async fn annotation(&self, place: &str) -> Option<String> {
        self.account_on("sandbox", place).await?.annotations.get(ROLE_ARN_ANNOTATION).cloned()
    }

    /// What STS says to a token of the account: whether the binding works. Asked of a copy, which gets the account where
    /// it is missing.
    pub(crate) async fn can_assume(&self, cluster: &str, place: &str, role: &str) -> bool {
        use irsa_core::backend::{TokenExchange, TokenExchanger};
        let (namespace, name) = place.split_once('/').unwrap();
        let Some(state) = self.role(role) else { return false };
        let copy = Sandbox::from_state(self.sandbox.state().unwrap()).unwrap();
        let cluster = copy.cluster(&cluster.parse().unwrap());
        cluster.put_service_account(namespace, name, ServiceAccountState::default()).unwrap();
        let (namespace, name) = (Namespace::new(namespace).unwrap(), ServiceAccountName::new(name).unwrap());
        let token = cluster.token(&namespace, &name, "sts.amazonaws.com").unwrap();
        let role = format!("arn:aws:iam::123456789012:role{}{role}", state.path).parse().unwrap();
        copy.exchange(&TokenExchange { role, session_name: "test".to_owned(), token }).await.is_ok()
    }

    /// The names of the writes since the record was last cleared.
    pub(crate) fn writes(&self) -> Vec<&'static str> {
        self.sandbox.calls().iter().filter(|call| call.access == Access::Write).map(|call| call.method).collect()
    }
}

/// The actions of a report, with their targets left out.
pub(crate) fn actions(report: &Report) -> Vec<&str> {
    report.steps.iter().map(|step| step.action.as_str()).collect()
}

pub(crate) fn warned(report: &Report, id: WarningId) -> Option<&Warning> {
    report.warnings.iter().find(|warning| warning.id == id)
}

/// The error with its whole chain, for looking for words.
pub(crate) fn text(error: &Error) -> String {
    format!("{error}: {}; {}", error.causes().join(": "), error.hint().map(ToString::to_string).unwrap_or_default())
}

/// A trust policy for EC2, such as people make by hand.
pub(crate) fn ec2_trust() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
}
