//! A context of a kubeconfig as a configuration: every field is checked here, so that an error names it and no dependency
//! panics on it.

use std::path::Path;

use ::kube::Config;
use ::kube::config::{AuthInfo, AuthProviderConfig, Cluster, ExecAuthCluster, Kubeconfig, NamedContext};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};

use super::defect::Defect;
use super::kubeconfig::{find_context, lists};
use super::pem::{self, Content, Field};
use super::token;
use crate::error::Result;
use crate::text::shown;
use crate::url;

/// The configuration of a context, by default the current one. Reads the files that it names; runs nothing.
pub(super) fn configuration(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<Config> {
    let named = find_context(kubeconfig, context)?;
    checked(kubeconfig, named).map_err(|defect| defect.in_context(&named.name))
}

fn checked(kubeconfig: &Kubeconfig, named: &NamedContext) -> Result<Config, Defect> {
    let context = named.context.clone().unwrap_or_default();
    let (cluster, url) = checked_cluster(cluster_of(kubeconfig, &context.cluster)?, &context.cluster)?;
    let user = user_of(kubeconfig, context.user.as_deref(), &url)?;
    let mut user = checked_user(user, context.user.as_deref().unwrap_or_default())?;
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        let told = ExecAuthCluster::try_from(&cluster);
        exec.cluster = Some(told.map_err(|error| Defect::of_field("provideClusterInfo", error.to_string()))?);
    }
    let authorities = cluster.certificate_authority_data.as_deref().map(|data| STANDARD.decode(data));
    let mut config = Config::new(url);
    config.root_cert = authorities.map(|pem| pem::certificates(&pem.unwrap_or_default()));
    config.default_namespace = set(context.namespace).unwrap_or(config.default_namespace);
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.disable_compression = cluster.disable_compression.unwrap_or_default();
    config.proxy_url = cluster.proxy_url.and_then(|url| url.parse().ok());
    config.tls_server_name = cluster.tls_server_name;
    config.auth_info = user;
    Ok(config)
}

fn cluster_of(kubeconfig: &Kubeconfig, name: &str) -> Result<Cluster, Defect> {
    if name.is_empty() {
        return Err(Defect::of_field("cluster", "it names no cluster"));
    }
    let found = kubeconfig.clusters.iter().find(|entry| entry.name == name);
    let names = kubeconfig.clusters.iter().map(|entry| entry.name.as_str());
    found.map(|entry| entry.cluster.clone().unwrap_or_default()).ok_or_else(|| missing("cluster", name, names))
}

/// The user of a context. A server that is reached without TLS, as that of `kubectl proxy`, needs none.
fn user_of(kubeconfig: &Kubeconfig, name: Option<&str>, server: &Uri) -> Result<AuthInfo, Defect> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return match server.scheme_str() {
            Some("http") => Ok(AuthInfo::default()),
            _ => Err(Defect::of_field("user", "it names no user").with_hint(
                "without credentials every request is made as system:anonymous: \
                 `kubectl config set-context NAME --user USER` adds the user",
            )),
        };
    };
    let found = kubeconfig.auth_infos.iter().find(|entry| entry.name == name);
    let names = kubeconfig.auth_infos.iter().map(|entry| entry.name.as_str());
    found.map(|entry| entry.auth_info.clone().unwrap_or_default()).ok_or_else(|| missing("user", name, names))
}

fn missing<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> Defect {
    let cause = format!("it names {what} {name:?}, which does not exist");
    let hint = lists(what, name, &known.collect::<Vec<_>>());
    Defect { field: what, cause, value: Some(name.to_owned()), hint: Some(hint) }
}

/// A cluster with its URL, the authority as data.
fn checked_cluster(mut cluster: Cluster, name: &str) -> Result<(Cluster, Uri), Defect> {
    let owner = format!("cluster {name:?}");
    let Some(server) = set(cluster.server.take()) else {
        return Err(Defect::of_field("server", format!("{owner} has no server")));
    };
    let url = url::parse_server(&server).map_err(|why| {
        let defect = Defect::of_value("server", &url::redacted(&server), &owner, why);
        let whole = format!("https://{server}");
        match server.contains("://") || url::parse_server(&whole).is_err() {
            true => defect,
            false => defect.with_hint(format!("write {}", shown(&whole))),
        }
    })?;
    cluster.server = Some(url.to_string());
    cluster.tls_server_name = set(cluster.tls_server_name);
    if let Some(name) = &cluster.tls_server_name
        && ServerName::try_from(name.as_str()).is_err()
    {
        return Err(Defect::of_value("tls-server-name", name, &owner, "is not a host name or an address"));
    }
    cluster.proxy_url = set(cluster.proxy_url);
    if let Some(Err(error)) = cluster.proxy_url.as_deref().map(str::parse::<Uri>) {
        let url = url::redacted(cluster.proxy_url.as_deref().unwrap_or_default());
        return Err(Defect::of_value("proxy-url", &url, &owner, format!("is not a URL: {error}")));
    }
    let authority = Field {
        names: ["certificate-authority", "certificate-authority-data"],
        owner: &owner,
        file: cluster.certificate_authority.as_deref(),
        data: cluster.certificate_authority_data.as_deref(),
        content: Content::Authorities,
    };
    cluster.certificate_authority_data = authority.load()?.map(|pem| STANDARD.encode(pem));
    cluster.certificate_authority = None;
    Ok((cluster, url))
}

/// A user whose credentials can be sent, certificate and key as data.
fn checked_user(mut user: AuthInfo, name: &str) -> Result<AuthInfo, Defect> {
    let owner = format!("user {name:?}");
    provider_token(&mut user, &owner)?;
    user.username = set(user.username);
    if user.username.is_some() {
        user.password.get_or_insert_default();
    }
    user.token = user.token.filter(|token| !token.expose_secret().is_empty());
    if let Some(token) = &user.token {
        let checked = token::checked(token.expose_secret());
        user.token = Some(checked.map_err(|why| Defect::of_field("token", format!("token of {owner} {why}")))?);
    }
    user.token_file = set(user.token_file);
    if let (Some(file), None) = (&user.token_file, &user.token) {
        token::read(Path::new(file)).map_err(|why| Defect::of_value("tokenFile", file, &owner, why))?;
    }
    check_client_certificate(&mut user, &owner)?;
    check_impersonation(&mut user, &owner)?;
    Ok(user)
}

/// The token that the provider `oidc` keeps in the kubeconfig; kubectl has no other provider since 1.26.
fn provider_token(user: &mut AuthInfo, owner: &str) -> Result<(), Defect> {
    let Some(AuthProviderConfig { name, mut config, .. }) = user.auth_provider.take() else { return Ok(()) };
    let defect = match (name.as_str(), config.remove("id-token").filter(|token| !token.is_empty())) {
        ("oidc", Some(token)) => {
            let checked = token::checked(&token).map_err(|why| {
                Defect::of_field("auth-provider", format!("id-token of auth-provider \"oidc\" of {owner} {why}"))
            })?;
            user.token = Some(checked);
            return Ok(());
        }
        ("oidc", None) => Defect::of_value("auth-provider", &name, owner, "has no id-token").with_hint("log in again"),
        _ => Defect::of_value("auth-provider", &name, owner, "is not supported, as in kubectl since 1.26")
            .with_hint("use the exec plug-in that replaces it"),
    };
    Err(defect)
}

fn check_client_certificate(user: &mut AuthInfo, owner: &str) -> Result<(), Defect> {
    let certificate = Field {
        names: ["client-certificate", "client-certificate-data"],
        owner,
        file: user.client_certificate.as_deref(),
        data: user.client_certificate_data.as_deref(),
        content: Content::ClientCertificate,
    };
    let key = Field {
        names: ["client-key", "client-key-data"],
        owner,
        file: user.client_key.as_deref(),
        data: user.client_key_data.as_ref().map(|key| key.expose_secret()),
        content: Content::PrivateKey,
    };
    let (certificate, key) = (certificate.load()?, key.load()?);
    match (&certificate, &key) {
        (Some(_), None) => {
            return Err(Defect::of_field("client-key", format!("{owner} has a client certificate but no client key")));
        }
        (None, Some(_)) => {
            let cause = format!("{owner} has a client key but no client certificate");
            return Err(Defect::of_field("client-certificate", cause));
        }
        (Some(certificate), Some(key)) => pem::check_pair(certificate, key).map_err(|why| {
            Defect::of_field("client-key", format!("client certificate and key of {owner} cannot be used: {why}"))
        })?,
        (None, None) => {}
    }
    (user.client_certificate, user.client_key) = (None, None);
    user.client_certificate_data = certificate.map(|pem| STANDARD.encode(pem));
    user.client_key_data = key.map(|pem| SecretString::from(STANDARD.encode(pem)));
    Ok(())
}

/// Who is impersonated goes into headers.
fn check_impersonation(user: &mut AuthInfo, owner: &str) -> Result<(), Defect> {
    user.impersonate = set(user.impersonate.take());
    user.impersonate_uid = set(user.impersonate_uid.take());
    let groups = user.impersonate_groups.iter().flatten().map(|group| ("as-groups", group));
    let extra = user.impersonate_user_extra.iter().flatten();
    let extra = extra.flat_map(|(_, values)| values).map(|value| ("as-user-extra", value));
    let uid = user.impersonate_uid.iter().map(|uid| ("as-uid", uid));
    let mut others = uid.chain(groups).chain(extra).peekable();
    if let (None, Some((field, _))) = (&user.impersonate, others.peek()) {
        // The API server refuses it as well, and less clearly.
        return Err(Defect::of_field(field, format!("{owner} sets {field} without as")));
    }
    let name = user.impersonate.iter().map(|name| ("as", name));
    for (field, value) in name.chain(others) {
        if HeaderValue::from_str(value).is_err() {
            let why = "has characters that a header cannot hold";
            return Err(Defect::of_value(field, value, owner, why));
        }
    }
    Ok(())
}

/// A value that is set: in a kubeconfig an empty one is none.
fn set(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
