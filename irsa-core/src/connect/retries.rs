//! How often calls to AWS are tried: settings on which the SDK itself would panic.

use aws_config::retry::{RetryConfig, RetryMode};

use super::environment::Environment;
use crate::aws::Profiles;
use crate::error::{Error, Result};

/// The retries that environment and profile ask for, where the SDK does not understand what they say: botocore's mode
/// `legacy`, and variables that are set and empty. Nothing where it does.
///
/// # Errors
/// `InvalidInput` for a mode or a number that is none.
pub(super) fn retries(environment: &Environment, profiles: Option<&Profiles>) -> Result<Option<RetryConfig>> {
    let mut config = RetryConfig::standard();
    let mode = Setting::of(environment, profiles, "AWS_RETRY_MODE", "retry_mode");
    let attempts = Setting::of(environment, profiles, "AWS_MAX_ATTEMPTS", "max_attempts");
    let mut own = mode.empty || attempts.empty;
    if let Some((field, value)) = mode.value {
        match value.trim().to_ascii_lowercase().as_str() {
            "standard" => {}
            "adaptive" => config = config.with_retry_mode(RetryMode::Adaptive),
            "legacy" => own = true,
            _ => return Err(Error::invalid(field, value, "must be standard, adaptive or legacy")),
        }
    }
    if let Some((field, value)) = attempts.value {
        match value.parse::<u32>() {
            Ok(number) if number > 0 => config = config.with_max_attempts(number),
            _ => return Err(Error::invalid(field, value, "must be a number of at least 1")),
        }
    }
    Ok(own.then_some(config))
}

/// A setting with the name of the place that holds it.
struct Setting<'a> {
    value: Option<(&'static str, &'a str)>,
    /// Whether the variable is set to nothing, which hides the profile from the SDK.
    empty: bool,
}

impl<'a> Setting<'a> {
    fn of(
        environment: &'a Environment,
        profiles: Option<&'a Profiles>,
        variable: &'static str,
        key: &'static str,
    ) -> Self {
        let given = environment.variable(variable).map(|value| (variable, value));
        let value = given.or_else(|| Some((key, profiles?.get(key)?)));
        Self { value, empty: environment.variables.get(variable).is_some_and(String::is_empty) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::tests::environment;
    use super::*;
    use crate::error::ErrorKind;

    fn found(variables: &[(&str, &str)]) -> Result<Option<RetryConfig>> {
        retries(&environment(variables), None)
    }

    #[test]
    fn what_the_sdk_understands_is_left_to_it() {
        for variables in
            [&[][..], &[("AWS_RETRY_MODE", "standard")], &[("AWS_RETRY_MODE", "Adaptive"), ("AWS_MAX_ATTEMPTS", "7")]]
        {
            assert_eq!(found(variables).unwrap(), None);
        }
    }

    #[test]
    fn botocores_legacy_mode_and_empty_variables_are_understood() {
        let legacy = found(&[("AWS_RETRY_MODE", "legacy"), ("AWS_MAX_ATTEMPTS", "7")]).unwrap().unwrap();
        assert_eq!((legacy.mode(), legacy.max_attempts()), (RetryMode::Standard, 7));
        let empty = found(&[("AWS_RETRY_MODE", ""), ("AWS_MAX_ATTEMPTS", "")]).unwrap();
        assert_eq!(empty, Some(RetryConfig::standard()));
        let half = found(&[("AWS_RETRY_MODE", "adaptive"), ("AWS_MAX_ATTEMPTS", "")]).unwrap().unwrap();
        assert_eq!(half.mode(), RetryMode::Adaptive);
    }

    #[test]
    fn values_that_the_sdk_panics_on_are_refused_by_name() {
        for (variable, value) in [
            ("AWS_RETRY_MODE", "fast"),
            ("AWS_MAX_ATTEMPTS", "0"),
            ("AWS_MAX_ATTEMPTS", "many"),
            ("AWS_MAX_ATTEMPTS", "-1"),
            ("AWS_MAX_ATTEMPTS", "4294967296"),
        ] {
            let error = found(&[(variable, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().starts_with(&format!("{variable} {value:?}: must be")), "{error}");
        }
    }
}
