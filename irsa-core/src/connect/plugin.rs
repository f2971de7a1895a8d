//! Tokens in place of a credential plug-in that is not installed: signed as the plug-in would have signed them.

use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use kube::config::Kubeconfig;

use super::environment::Environment;
use super::target::Target;
use crate::aws::{EksTokenSource, Profiles, credentials_provider};
use crate::error::Result;
use crate::kube::BearerSource;
use crate::kube::kubeconfig::{ContextPlugin, EksTokenRequest, PluginCredentials, plugin_of_context};
use crate::name::Region;
use crate::report::{Warning, WarningId};

/// What is needed to make tokens.
pub(super) struct Signing<'a> {
    pub(super) environment: &'a Environment,
    pub(super) target: &'a Target,
    /// With the AWS credentials that everything else is done with.
    pub(super) config: &'a SdkConfig,
    /// The region of the cluster, where the plug-in is given none.
    pub(super) region: Region,
}

/// The plug-in of a context, where it is not installed and its tokens can be made in its place.
pub(super) fn missing(
    kubeconfig: &Kubeconfig,
    context: &str,
    environment: &Environment,
) -> Option<(String, EksTokenRequest)> {
    let ContextPlugin { command, token, .. } = plugin_of_context(kubeconfig, context)?;
    if is_installed(&command, environment) {
        return None;
    }
    match token {
        Ok(request) => Some((command, request)),
        Err(why) => {
            // Running it will say that it is not installed.
            tracing::info!(
                command,
                context,
                "the credential plug-in is not installed and cannot be replaced: it {why}"
            );
            None
        }
    }
}

fn is_installed(program: &str, environment: &Environment) -> bool {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return path.exists();
    }
    std::env::split_paths(environment.variable("PATH").unwrap_or_default()).any(|folder| folder.join(path).exists())
}

/// A source of the tokens that the plug-in would have made, and the warning that says so.
pub(super) async fn in_its_place(
    (command, request): &(String, EksTokenRequest),
    context: &str,
    signing: &Signing<'_>,
) -> Result<(Arc<dyn BearerSource>, Warning)> {
    let (environment, target) = (signing.environment, signing.target);
    let region = request.region.clone().unwrap_or_else(|| signing.region.clone());
    let has_keys =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].iter().all(|name| environment.variable(name).is_some());
    let (credentials, with) = match &request.credentials {
        PluginCredentials::Profile(profile) => {
            let profiles = Profiles::read(&environment.variables, Some(profile)).await?;
            let credentials = credentials_provider(signing.config, &environment.variables, &profiles)?;
            (Some(credentials), format!("the credentials of profile {profile}"))
        }
        PluginCredentials::ProfileUnlessKeys(profile) => {
            let mut variables = environment.variables.clone();
            variables.insert("AWS_PROFILE".to_owned(), profile.clone());
            let profiles = Profiles::read(&variables, None).await?;
            let with = match has_keys {
                true => "the access keys of the environment".to_owned(),
                false => format!("the credentials of profile {profile}"),
            };
            (Some(credentials_provider(signing.config, &variables, &profiles)?), with)
        }
        PluginCredentials::Keys { id, secret, session_token } => {
            use secrecy::ExposeSecret;
            let session_token = session_token.as_ref().map(|token| token.expose_secret().to_owned());
            let keys = Credentials::new(id, secret.expose_secret(), session_token, None, "kubeconfig");
            (Some(SharedCredentialsProvider::new(keys)), "the access keys of the kubeconfig".to_owned())
        }
        _ => {
            let with = match &target.profile {
                Some(profile) => format!("the credentials of profile {profile}, which irsa uses for everything"),
                None => "the AWS credentials that irsa uses for everything".to_owned(),
            };
            (signing.config.credentials_provider(), with)
        }
    };
    let mut config = signing.config.to_builder();
    config.set_credentials_provider(credentials);
    let mut config = config.build();
    let mut with = with;
    if let Some(role) = &request.role {
        let base = config.to_builder().region(aws_config::Region::new(region.to_string())).build();
        let mut assumed =
            AssumeRoleProvider::builder(role.arn.to_string()).configure(&base).session_name(role.session_name.clone());
        if let Some(id) = &role.external_id {
            assumed = assumed.external_id(id);
        }
        let assumed = SharedCredentialsProvider::new(assumed.build().await);
        config = config.to_builder().credentials_provider(assumed).build();
        with = format!("role {}, assumed with {with}", role.arn);
    }
    let tokens = EksTokenSource::new(&config, request.cluster.clone(), region)?;
    let message = format!(
        "credential plug-in {command:?} of context {context:?} is not installed: irsa makes its tokens, with {with}"
    );
    tracing::warn!("{message}");
    Ok((Arc::new(tokens), Warning::new(WarningId::PluginReplaced, message)))
}
