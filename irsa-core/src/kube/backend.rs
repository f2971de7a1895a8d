//! The trait of the seam, call by call.

use std::collections::BTreeMap;

use ::kube::Resource;
use ::kube::core::params::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use ::kube::core::request::{Error as Unbuildable, Request};
use async_trait::async_trait;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::{List, ListableResource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::call::{Connection, Failure, ONE_OBJECT, ONE_PAGE};
use super::{KubeCluster, Source, account, refusal};
use crate::backend::{
    AccessReview, ApiServerFingerprint, ClusterBackend, ClusterNamespace, ConfigMapReader, DryRun, FIELD_MANAGER,
    NewServiceAccount, ServiceAccount, Takeover,
};
use crate::error::{ConflictReason, Error, ErrorKind, Result};
use crate::name::{Namespace, ServiceAccountName};

/// The size of a page: what kubectl asks for.
const PAGE: u32 = 500;
/// The most pages of one list: a million objects.
pub(super) const MAX_PAGES: usize = 2_000;

type HttpRequest = http::Request<Vec<u8>>;

#[async_trait]
impl ClusterBackend for KubeCluster {
    fn through_eks(&self) -> bool {
        matches!(self.source, Source::Eks(_))
    }

    async fn fingerprint(&self) -> Result<ApiServerFingerprint> {
        if self.through_eks() {
            return Ok(ApiServerFingerprint { chosen: self.chosen, ..ApiServerFingerprint::default() });
        }
        let connection = self.connection().await?;
        let issuer = self.issuer.get_or_try_init(|| discovered_issuer(&connection)).await?;
        Ok(ApiServerFingerprint {
            chosen: self.chosen,
            issuer: issuer.clone(),
            token_issuer: connection.token_issuer.clone(),
            endpoint: connection.endpoint.clone(),
            certificate_authority: connection.certificate_authority.clone(),
        })
    }

    async fn service_account(
        &self,
        namespace: &Namespace,
        name: &ServiceAccountName,
    ) -> Result<Option<ServiceAccount>> {
        let operation = format!("cannot read service account {namespace}/{name}");
        let request = accounts(Some(namespace)).get(name.as_str(), &GetParams::default());
        let found: Option<core::ServiceAccount> = self.object(&operation, request).await?;
        found.map(|found| understood(&operation, found)).transpose()
    }

    async fn service_accounts(&self) -> Result<Vec<ServiceAccount>> {
        let operation = "cannot list the service accounts of the cluster";
        let found = self.list(operation, &accounts(None)).await?;
        found.into_iter().map(|found| understood(operation, found)).collect()
    }

    async fn service_accounts_in(&self, namespace: &Namespace) -> Result<Vec<ServiceAccount>> {
        let operation = format!("cannot list the service accounts of namespace {namespace}");
        let found = self.list(&operation, &accounts(Some(namespace))).await?;
        found.into_iter().map(|found| understood(&operation, found)).collect()
    }

    async fn namespace(&self, namespace: &Namespace) -> Result<Option<ClusterNamespace>> {
        let operation = format!("cannot read namespace {namespace}");
        let request = namespaces().get(namespace.as_str(), &GetParams::default());
        let found: Option<core::Namespace> = self.object(&operation, request).await?;
        Ok(found.map(described))
    }

    async fn namespaces(&self) -> Result<Vec<ClusterNamespace>> {
        let found = self.list("cannot list the namespaces of the cluster", &namespaces()).await?;
        Ok(found.into_iter().map(described).collect())
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        let operation = format!("cannot create namespace {namespace}");
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let request = buildable(&operation, namespaces().create(&params, body.to_string().into_bytes()))?;
        self.connection().await?.send(&operation, request, ONE_OBJECT).await.map_err(Failure::into_error)?;
        Ok(())
    }

    fn config_maps(&self) -> Option<&dyn ConfigMapReader> {
        Some(self)
    }

    async fn allowed(&self, review: &AccessReview) -> Result<bool> {
        let place = review.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let operation = format!("cannot ask whether we may {} {}{place}", review.verb, review.resource);
        let mut asked = json!({"verb": review.verb, "group": "", "resource": review.resource});
        if let Some(namespace) = &review.namespace {
            asked["namespace"] = json!(namespace);
        }
        let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked}});
        let path = Request::new(SelfSubjectAccessReview::url_path(&(), None));
        let request = buildable(&operation, path.create(&PostParams::default(), body.to_string().into_bytes()))?;
        let answer: SelfSubjectAccessReview =
            self.connection().await?.read(&operation, request, ONE_OBJECT).await.map_err(Failure::into_error)?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    async fn apply_service_account(
        &self,
        account: &NewServiceAccount,
        dry_run: DryRun,
        takeover: Takeover,
    ) -> Result<ServiceAccount> {
        let (namespace, name) = (&account.namespace, &account.name);
        let operation = match dry_run {
            DryRun::Yes => format!("the API server would not take service account {namespace}/{name}"),
            DryRun::No => format!("cannot write service account {namespace}/{name}"),
        };
        let (dry_run, force) = (dry_run == DryRun::Yes, takeover == Takeover::Force);
        let params = PatchParams { dry_run, force, ..PatchParams::apply(FIELD_MANAGER) };
        let patch = Patch::Apply(account::configuration(account));
        let request = buildable(&operation, accounts(Some(namespace)).patch(name.as_str(), &params, &patch))?;
        let written =
            self.connection().await?.read(&operation, request, ONE_OBJECT).await.map_err(Failure::into_error)?;
        understood(&operation, written)
    }

    async fn remove_annotations(
        &self,
        account: &ServiceAccount,
        keys: &BTreeMap<String, String>,
    ) -> Result<ServiceAccount> {
        let (namespace, name) = (&account.namespace, &account.name);
        let operation = format!("cannot take annotations from service account {namespace}/{name}");
        let path = core::ServiceAccount::url_path(&(), Some(namespace.as_str()));
        let patch: Value = account::removal(&account.resource_version, keys.iter());
        let request = http::Request::patch(format!("{path}/{name}?fieldManager={FIELD_MANAGER}"))
            .header(http::header::CONTENT_TYPE, "application/json-patch+json")
            .body(patch.to_string().into_bytes());
        let request = buildable(&operation, request.map_err(Unbuildable::BuildRequest))?;
        match self.connection().await?.read(&operation, request, ONE_OBJECT).await {
            Ok(written) => understood(&operation, written),
            Err(Failure::Refused { error, .. }) if refusal::no_longer_fits(&error) => Err(changed(operation)),
            Err(failure) => Err(failure.into_error()),
        }
    }

    async fn delete_service_account(&self, account: &ServiceAccount) -> Result<()> {
        let operation = format!("cannot delete service account {}/{}", account.namespace, account.name);
        let preconditions =
            Preconditions { uid: Some(account.uid.clone()), resource_version: Some(account.resource_version.clone()) };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let request = accounts(Some(&account.namespace)).delete(account.name.as_str(), &params);
        let request = buildable(&operation, request)?;
        self.connection().await?.send(&operation, request, ONE_OBJECT).await.map_err(Failure::into_error)?;
        Ok(())
    }
}

#[async_trait]
impl ConfigMapReader for KubeCluster {
    async fn config_value(&self, namespace: &Namespace, map: &str, key: &str) -> Result<Option<String>> {
        let operation = format!("cannot read config map {namespace}/{map}");
        let path = Request::new(core::ConfigMap::url_path(&(), Some(namespace.as_str())));
        let found: Option<core::ConfigMap> = self.object(&operation, path.get(map, &GetParams::default())).await?;
        Ok(found.and_then(|found| found.data?.remove(key)))
    }
}

impl KubeCluster {
    /// One object, or nothing when the API server says that there is no object of that name.
    async fn object<T: DeserializeOwned>(
        &self,
        operation: &str,
        request: Result<HttpRequest, Unbuildable>,
    ) -> Result<Option<T>> {
        let request = buildable(operation, request)?;
        match self.connection().await?.read(operation, request, ONE_OBJECT).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Refused { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// All objects below a path, page by page.
    async fn list<T>(&self, operation: &str, path: &Request) -> Result<Vec<T>>
    where
        T: DeserializeOwned + ListableResource,
    {
        let connection = self.connection().await?;
        let (mut items, mut token, mut begun_again) = (Vec::new(), None, false);
        for _ in 0..MAX_PAGES {
            let params = ListParams { limit: Some(PAGE), continue_token: token.take(), ..ListParams::default() };
            let request = buildable(operation, path.list(&params))?;
            match connection.read::<List<T>>(operation, request, ONE_PAGE).await {
                Ok(page) => {
                    items.extend(page.items);
                    token = page.metadata.continue_.filter(|token| !token.is_empty());
                    if token.is_none() {
                        return Ok(items);
                    }
                }
                // The server keeps a list for 5 minutes; what was read of it is of no use any more.
                Err(Failure::Refused { error, .. }) if error.code() == Some("Expired") && !begun_again => {
                    begun_again = true;
                    items.clear();
                }
                Err(failure) => return Err(failure.into_error()),
            }
        }
        let cause = format!("the list has not ended after {MAX_PAGES} pages");
        Err(Error::new(ErrorKind::Unexpected, operation.to_owned()).with_cause(cause))
    }
}

/// The issuer in the API server's discovery document; nothing where the server says that it may not be read or is not
/// served. Credentials that it does not accept are an error, since it will not accept them for any other call.
async fn discovered_issuer(connection: &Connection) -> Result<Option<String>> {
    let operation = "cannot read the issuer of the API server";
    let request = http::Request::get("/.well-known/openid-configuration").body(Vec::new());
    let request = buildable(operation, request.map_err(Unbuildable::BuildRequest))?;
    match connection.send(operation, request, ONE_OBJECT).await {
        // A proxy before the API server may answer anything at all here.
        Ok(document) => {
            let document: Value = serde_json::from_slice(&document).unwrap_or_default();
            Ok(document.get("issuer").and_then(Value::as_str).map(str::to_owned))
        }
        Err(Failure::Refused { error, unauthenticated: false, .. })
            if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::NotFound | ErrorKind::Unexpected) =>
        {
            tracing::debug!(causes = ?error.causes(), "the discovery document may not be read");
            Ok(None)
        }
        Err(failure) => Err(failure.into_error()),
    }
}

fn accounts(namespace: Option<&Namespace>) -> Request {
    Request::new(core::ServiceAccount::url_path(&(), namespace.map(Namespace::as_str)))
}

fn namespaces() -> Request {
    Request::new(core::Namespace::url_path(&(), None))
}

fn described(namespace: core::Namespace) -> ClusterNamespace {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    let terminating = namespace.metadata.deletion_timestamp.is_some() || phase == Some("Terminating");
    ClusterNamespace { name: namespace.metadata.name.unwrap_or_default(), terminating }
}

fn understood(operation: &str, found: core::ServiceAccount) -> Result<ServiceAccount> {
    account::read(found).map_err(|error| Error::new(ErrorKind::Unexpected, operation.to_owned()).with_source(error))
}

/// The account is not the one any more that the write was meant for.
fn changed(operation: String) -> Error {
    Error::new(ErrorKind::Conflict, operation)
        .with_conflict_reason(ConflictReason::Stale)
        .with_code("Conflict")
        .with_cause("somebody changed the account, or made it anew, since it was read")
        .with_hint(refusal::SEE_AGAIN)
}

fn buildable(operation: &str, request: Result<HttpRequest, Unbuildable>) -> Result<HttpRequest> {
    request.map_err(|error| {
        Error::new(ErrorKind::Unexpected, operation.to_owned()).with_cause(format!("the request is not valid: {error}"))
    })
}
