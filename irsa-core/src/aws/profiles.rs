//! The profiles of the AWS configuration files.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use aws_config::profile::{self, Profile, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};

use super::error::chain;
use crate::error::{Error, ErrorKind, Result};
use crate::text::{did_you_mean, nearest};

/// The variable that names the profile where nothing else does.
const AWS_PROFILE: &str = "AWS_PROFILE";

/// The profiles of the AWS configuration files, one of which is selected.
#[derive(Clone, Debug)]
pub struct Profiles {
    set: ProfileSet,
    is_explicit: bool,
}

impl Profiles {
    /// Reads the files that `variables` name (`AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`), else those in `~/.aws`,
    /// and selects `profile`, else that of `AWS_PROFILE`, else `default`. Files that do not exist are empty.
    ///
    /// # Errors
    /// `InvalidInput` for a file that is malformed, and for a profile that is named and does not exist, with the nearest
    /// names.
    pub async fn read(variables: &BTreeMap<String, String>, profile: Option<&str>) -> Result<Self> {
        let named = variables.get(AWS_PROFILE).map(String::as_str).filter(|name| !name.is_empty());
        // An empty variable is as good as none, as for the aws CLI.
        let known: HashMap<_, _> = variables.clone().into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let selected = profile.map(|name| Cow::Owned(name.to_owned()));
        let set = profile::load(&Fs::real(), &Env::from(known), &Default::default(), selected).await;
        let set = set.map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "cannot read the AWS configuration").with_cause(chain(&error))
        })?;
        match profile.or(named) {
            Some(name) if set.get_profile(name).is_none() && !(name == "default" && profile.is_none()) => {
                Err(missing(name, &set, profile.is_none()))
            }
            _ => Ok(Self { set, is_explicit: profile.is_some() }),
        }
    }

    /// The name of the selected profile.
    pub fn selected(&self) -> &str {
        self.set.selected_profile()
    }

    /// A property of the selected profile.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.set.get(key).filter(|value| !value.is_empty())
    }

    /// The file of certificates that the selected profile trusts (`ca_bundle`).
    pub fn ca_bundle(&self) -> Option<PathBuf> {
        self.get("ca_bundle").map(PathBuf::from)
    }

    /// Whether the profile was selected by the caller, and not by the environment or by default.
    pub(super) fn is_explicit(&self) -> bool {
        self.is_explicit
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Profile> {
        self.set.get_profile(name)
    }

    /// Whether there is an `[sso-session]` section of this name.
    pub(super) fn has_sso_session(&self, name: &str) -> bool {
        self.set.sso_session(name).is_some()
    }

    /// A property of an `[sso-session]` section.
    pub(super) fn of_sso_session(&self, name: &str, key: &str) -> Option<&str> {
        self.set.sso_session(name)?.get(key).filter(|value| !value.is_empty())
    }

    /// The hint for a profile that does not exist: the nearest names, else all if they are few.
    pub(super) fn similar(&self, name: &str) -> String {
        similar(name, &self.set)
    }
}

fn missing(name: &str, set: &ProfileSet, by_variable: bool) -> Error {
    let source = if by_variable { format!(" ({AWS_PROFILE})") } else { String::new() };
    Error::new(ErrorKind::InvalidInput, format!("profile {name:?}{source} does not exist"))
        .with_context("field", "profile")
        .with_context("value", name)
        .with_cause("the AWS configuration files have no such profile")
        .with_hint(similar(name, set))
}

fn similar(name: &str, set: &ProfileSet) -> String {
    did_you_mean(&nearest(name, set.profiles()))
        .unwrap_or_else(|| "`aws configure list-profiles` lists the existing profiles".to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// The variables of somebody whose configuration file has this content; the folder must be kept.
    pub(in crate::aws) fn variables(config: &str, more: &[(&str, &str)]) -> (TempDir, BTreeMap<String, String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, config).unwrap();
        let own = [("AWS_CONFIG_FILE", file.to_str().unwrap()), ("HOME", folder.path().to_str().unwrap())];
        let variables = own.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        (folder, variables)
    }

    const FILE: &str =
        "[default]\nregion = us-east-1\n[profile dev]\nca_bundle = /ca.pem\n[profile devops]\nregion=x\n";

    async fn read(config: &str, more: &[(&str, &str)], profile: Option<&str>) -> Result<Profiles> {
        let (_folder, variables) = variables(config, more);
        Profiles::read(&variables, profile).await
    }

    #[tokio::test]
    async fn the_profile_is_that_of_the_caller_else_of_the_variable_else_the_default() {
        for (variable, profile, selected) in
            [("", None, "default"), ("dev", None, "dev"), ("dev", Some("devops"), "devops"), ("", Some("dev"), "dev")]
        {
            let found = read(FILE, &[("AWS_PROFILE", variable)], profile).await.unwrap();
            assert_eq!(found.selected(), selected);
        }
        assert_eq!(read(FILE, &[], Some("dev")).await.unwrap().ca_bundle(), Some(PathBuf::from("/ca.pem")));
        // Nobody named it.
        assert_eq!(read("", &[], None).await.unwrap().selected(), "default");
    }

    #[tokio::test]
    async fn a_profile_that_does_not_exist_is_refused_with_the_nearest_names() {
        for (variable, profile, what, hint) in [
            ("", Some("dve"), "profile \"dve\" does not exist", "did you mean dev?"),
            ("dve", None, "profile \"dve\" (AWS_PROFILE) does not exist", "did you mean dev?"),
            ("", Some("production"), "profile \"production\" does not exist", "`aws configure list-profiles` lists"),
        ] {
            let error = read(FILE, &[("AWS_PROFILE", variable)], profile).await.unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, what));
            assert!(error.hint().unwrap().to_string().starts_with(hint), "{error:?}");
        }
        let error = read("", &[], Some("default")).await.unwrap_err();
        assert_eq!(error.to_string(), "profile \"default\" does not exist");
    }

    #[tokio::test]
    async fn a_malformed_file_is_refused_with_its_place() {
        let error = read("[profile dev\nregion = x\n", &[], None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.causes()[0].contains("/config") && error.causes()[0].contains('1'), "{error:?}");
    }
}
