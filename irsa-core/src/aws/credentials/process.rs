//! Credentials that a program prints (`credential_process`).

use std::process::Stdio;

use aws_credential_types::Credentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;
use tokio::process::Command;

use crate::error::{Error, ErrorKind, Result};
use crate::text::shown;

/// Runs the command of a profile in a shell, as the SDKs do.
pub(super) async fn credentials(profile: &str, command: &str, account: Option<&str>) -> Result<Credentials> {
    let failed = |cause: String| {
        Error::new(
            ErrorKind::AccessDenied,
            format!("cannot get credentials from the credential_process of profile {profile:?}"),
        )
        .with_cause(cause)
        .with_hint("run the command by hand: it must print credentials as JSON, without asking for anything")
    };
    let mut shell = shell(command);
    // It may ask for nothing; and where nobody waits for it any more, it is ended.
    shell.stdin(Stdio::null()).kill_on_drop(true);
    let output = shell.output().await.map_err(|error| failed(format!("it cannot be started: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let last = last.map(|line| format!(": {}", shown(line))).unwrap_or_default();
        return Err(failed(format!("it failed with {}{last}", output.status)));
    }
    read(&output.stdout, account).map_err(|why| failed(format!("it printed something else than credentials: {why}")))
}

/// The credentials in what the program printed, of which nothing is ever quoted: it holds the keys.
///
/// Source: AWS SDKs and Tools reference guide, "Process credential provider".
fn read(printed: &[u8], account: Option<&str>) -> Result<Credentials, String> {
    let printed: Value = serde_json::from_slice(printed).map_err(|error| match printed.trim_ascii() {
        [] => "nothing".to_owned(),
        _ => format!("it is not JSON (line {}, column {})", error.line(), error.column()),
    })?;
    if printed["Version"] != 1 {
        return Err("its Version is not 1".to_owned());
    }
    let text = |field: &str| printed[field].as_str().filter(|text| !text.is_empty());
    let required = |field: &str| text(field).ok_or_else(|| format!("it has no {field}"));
    let expiry = text("Expiration").map(|text| {
        let end = DateTime::from_str(text, Format::DateTimeWithOffset).ok().and_then(|end| end.try_into().ok());
        end.ok_or("its Expiration is not a time in RFC 3339")
    });
    let mut keys = Credentials::builder()
        .access_key_id(required("AccessKeyId")?)
        .secret_access_key(required("SecretAccessKey")?)
        .provider_name("CredentialProcess");
    keys.set_session_token(text("SessionToken").map(str::to_owned));
    keys.set_expiry(expiry.transpose()?);
    keys.set_account_id(text("AccountId").or(account).map(Into::into));
    Ok(keys.build())
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd.exe");
    // cmd.exe takes the rest of the line as it is, in one more pair of quotes.
    shell.arg("/C").raw_arg(format!("\"{command}\""));
    shell
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(command: &str) -> Result<Credentials> {
        credentials("p", command, Some("123456789012")).await
    }

    #[tokio::test]
    async fn what_the_program_prints_is_read() {
        let json = r#"{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2099-01-01T00:00:00+00:00", "Other": 1}"#;
        let keys = run(&format!("echo '{json}'")).await.unwrap();
        assert_eq!(
            (keys.access_key_id(), keys.secret_access_key(), keys.session_token()),
            ("AKIDEXAMPLE", "s", Some("t"))
        );
        assert_eq!(keys.expiry(), Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_070_908_800)));
        assert_eq!(keys.account_id().map(|id| id.as_str()), Some("123456789012"));
    }

    #[tokio::test]
    async fn a_failure_is_told_without_the_keys() {
        for (command, cause) in [
            (
                "echo one >&2; echo 'please log in' >&2; echo >&2; exit 3",
                "it failed with exit status: 3: \"please log in\"",
            ),
            ("exit 1", "it failed with exit status: 1"),
            ("irsa-no-such-program 2>/dev/null", "it failed with exit status: 127"),
            ("true", "it printed something else than credentials: nothing"),
            ("echo secret", "it printed something else than credentials: it is not JSON (line 1, column 1)"),
            ("echo '{\"Version\": 1, \"SecretAccessKey\": \"secret\"}'", "it has no AccessKeyId"),
            (
                "echo '{\"Version\": 2, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"secret\"}'",
                "its Version is not 1",
            ),
            (
                "echo '{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"secret\", \"Expiration\": \"soon\"}'",
                "its Expiration is not a time in RFC 3339",
            ),
            ("echo '{\"Version\": \"secret\"}'", "its Version is not 1"),
            ("echo '{\"Version\": 1, \"AccessKeyId\": {\"secret\": 1}}'", "it has no AccessKeyId"),
            ("echo '[\"secret\"]'", "its Version is not 1"),
            ("cat >/dev/null; echo 'no terminal' >&2; exit 1", "no terminal"),
        ] {
            let error = run(command).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error:?}");
            assert_eq!(error.to_string(), "cannot get credentials from the credential_process of profile \"p\"");
            assert!(error.causes()[0].contains(cause), "{command}: {error:?}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
