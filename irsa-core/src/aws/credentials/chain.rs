//! From a profile to the credentials that it begins with, and the roles that are assumed from there.
//!
//! The rules are those of the SDK (aws-config, `profile/credentials/repr.rs`), and its order within a profile.

use aws_config::profile::Profile;
use aws_credential_types::Credentials;

use super::source::{self, Role, Source, Sso, WebIdentity};
use super::{Profiles, shell_word};
use crate::error::{Error, ErrorKind, Result};

/// The credentials that the selected profile begins with, and the roles to assume, in order; nothing where it has none.
pub(super) fn resolve<'v>(
    profiles: &Profiles,
    variable: impl Fn(&str) -> Option<&'v str>,
) -> Result<Option<(Source, Vec<Role>)>> {
    let mut name = profiles.selected();
    let Some(mut profile) = profiles.profile(name) else { return Ok(None) };
    let (mut visited, mut roles) = (Vec::new(), Vec::new());
    let source = loop {
        visited.push(name);
        // The keys of a source profile come before whatever else it has.
        let keys = if visited.len() > 1 { static_keys(profile)? } else { None };
        if let Some(keys) = keys {
            break Source::Keys(keys);
        }
        let Some((role, next)) = role_of(profile)? else {
            match base(profiles, profile, &variable)? {
                Some(source) => break source,
                None if visited.len() == 1 => return Ok(None),
                None => return Err(refused(profile, "it is the source_profile of another and has no credentials")),
            }
        };
        roles.push(role);
        // A profile that is its own source has its own credentials.
        if next == name {
            match base(profiles, profile, &variable)? {
                Some(source) => break source,
                None => return Err(refused(profile, "it has a role_arn, and no credentials to assume the role with")),
            }
        }
        if visited.contains(&next) {
            let circle = [&visited[..], &[next]].concat().join(" -> ");
            return Err(refused(profile, format!("source_profile leads in a circle: {circle}")));
        }
        let Some(source) = profiles.profile(next) else {
            let error = refused(profile, format!("its source_profile {next:?} does not exist"));
            return Err(error.with_hint(profiles.similar(next)));
        };
        (name, profile) = (next, source);
    };
    roles.reverse();
    Ok(Some((source, roles)))
}

/// A property that is set.
fn property<'a>(profile: &'a Profile, key: &str) -> Option<&'a str> {
    profile.get(key).filter(|value| !value.is_empty())
}

/// A profile that cannot be used as it is.
fn refused(profile: &Profile, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("cannot use profile {:?}", profile.name())).with_cause(why)
}

/// The role of a profile, and the profile whose credentials assume it: itself with `credential_source`.
fn role_of(profile: &Profile) -> Result<Option<(Role, &str)>> {
    // A role that is assumed by a token needs no credentials.
    let Some(arn) = property(profile, "role_arn").filter(|_| property(profile, "web_identity_token_file").is_none())
    else {
        return Ok(None);
    };
    if let Some(device) = property(profile, "mfa_serial") {
        return Err(needs_the_aws_cli(profile, format!("role {arn} needs a code of MFA device {device}")));
    }
    let next = match (property(profile, "source_profile"), property(profile, "credential_source")) {
        (Some(name), None) => name,
        (None, Some(_)) => profile.name(),
        (Some(_), Some(_)) => return Err(refused(profile, "it has both source_profile and credential_source")),
        (None, None) => {
            return Err(refused(profile, "it has a role_arn, and neither source_profile nor credential_source"));
        }
    };
    let duration = property(profile, "duration_seconds").map(|text| {
        text.parse().map_err(|_| refused(profile, format!("duration_seconds {text:?} is not a number of seconds")))
    });
    let role = Role {
        profile: profile.name().to_owned(),
        arn: arn.to_owned(),
        external_id: property(profile, "external_id").map(str::to_owned),
        session_name: property(profile, "role_session_name").map(str::to_owned),
        duration: duration.transpose()?,
    };
    Ok(Some((role, next)))
}

/// What only the aws CLI can do, and how its credentials get here.
fn needs_the_aws_cli(profile: &Profile, why: String) -> Error {
    let name = shell_word(profile.name());
    Error::new(ErrorKind::AccessDenied, format!("cannot use profile {:?}", profile.name()))
        .with_cause(format!("{why}, which the aws CLI asks for"))
        .with_hint(format!(
            "run `eval \"$(aws configure export-credentials --profile {name} --format env)\"`, then name no profile"
        ))
}

/// The credentials that a profile has itself.
fn base<'v>(
    profiles: &Profiles,
    profile: &Profile,
    variable: impl Fn(&str) -> Option<&'v str>,
) -> Result<Option<Source>> {
    if let Some(name) = property(profile, "credential_source") {
        return match name {
            "Environment" => match source::from_variables(variable)? {
                Some(keys) => Ok(Some(Source::Keys(keys))),
                None => Err(refused(profile, "its credential_source is Environment, which has no credentials")),
            },
            "Ec2InstanceMetadata" => Ok(Some(Source::Instance)),
            "EcsContainer" => source::of_container(variable).map(Some),
            other => {
                let forms = "must be Environment, Ec2InstanceMetadata or EcsContainer";
                Err(refused(profile, format!("credential_source {other:?} {forms}")))
            }
        };
    }
    if let Some(file) = property(profile, "web_identity_token_file") {
        let Some(role) = property(profile, "role_arn") else {
            return Err(refused(profile, "it has a web_identity_token_file, and no role_arn"));
        };
        return Ok(Some(Source::WebIdentity(WebIdentity {
            role_arn: role.to_owned(),
            token_file: file.into(),
            session_name: property(profile, "role_session_name").map(str::to_owned),
        })));
    }
    if let Some(sso) = sso(profiles, profile)? {
        return Ok(Some(Source::Sso(sso)));
    }
    if property(profile, "login_session").is_some() {
        return Err(needs_the_aws_cli(profile, "it has a login_session".to_owned()));
    }
    if let Some(command) = property(profile, "credential_process") {
        let account = property(profile, "aws_account_id").map(str::to_owned);
        return Ok(Some(Source::Process { profile: profile.name().to_owned(), command: command.to_owned(), account }));
    }
    Ok(static_keys(profile)?.map(Source::Keys))
}

/// The keys in a profile.
fn static_keys(profile: &Profile) -> Result<Option<Credentials>> {
    let token = property(profile, "aws_session_token");
    let (id, secret) = match (property(profile, "aws_access_key_id"), property(profile, "aws_secret_access_key"), token)
    {
        (None, None, None) => return Ok(None),
        (Some(id), Some(secret), _) => (id, secret),
        (None, ..) => return Err(refused(profile, "it has no aws_access_key_id beside its other keys")),
        (Some(_), None, _) => {
            return Err(refused(profile, "it has an aws_access_key_id, and no aws_secret_access_key"));
        }
    };
    let mut keys = Credentials::builder().access_key_id(id).secret_access_key(secret).provider_name("Profile");
    keys.set_session_token(token.map(str::to_owned));
    keys.set_account_id(property(profile, "aws_account_id").map(Into::into));
    Ok(Some(keys.build()))
}

/// What a profile says of single sign-on: all itself, or with a session that several profiles share.
fn sso(profiles: &Profiles, profile: &Profile) -> Result<Option<Sso>> {
    let own = |key: &str| property(profile, key).map(str::to_owned);
    let (account, role_name, session_name) = (own("sso_account_id"), own("sso_role_name"), own("sso_session"));
    let (mut region, mut start_url) = (own("sso_region"), own("sso_start_url"));
    if [&account, &role_name, &session_name, &region, &start_url].into_iter().all(Option::is_none) {
        return Ok(None);
    }
    if let Some(name) = &session_name {
        if region.is_some() || start_url.is_some() {
            return Err(refused(profile, "it has an sso_session, which sso_region and sso_start_url belong in"));
        }
        if !profiles.has_sso_session(name) {
            return Err(refused(profile, format!("its sso_session {name:?} does not exist")));
        }
        let shared = |key: &str| profiles.of_sso_session(name, key).map(str::to_owned);
        (region, start_url) = (shared("sso_region"), shared("sso_start_url"));
    }
    let needed = |value: Option<String>, key: &str| {
        value.ok_or_else(|| refused(profile, format!("single sign-on needs {key}, which is not set")))
    };
    Ok(Some(Sso {
        profile: profile.name().to_owned(),
        account: needed(account, "sso_account_id")?,
        role_name: needed(role_name, "sso_role_name")?,
        region: needed(region, "sso_region")?,
        start_url: needed(start_url, "sso_start_url")?,
        session_name,
    }))
}
