//! Plug-ins that are shell scripts.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::*;

/// A plug-in that is a shell script, and the folder that it is in.
struct Script {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Script {
    /// Each run appends a line to the file `runs`; then it does what `body` says.
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("plugin");
        let runs = folder.path().join("runs");
        std::fs::write(&program, format!("#!/bin/sh\necho >> '{}'\n{body}\n", runs.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, program }
    }

    fn exec(&self, more: serde_json::Value) -> ExecConfig {
        let mut exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": self.program});
        exec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(exec).unwrap()
    }

    fn plugin(&self) -> Arc<Plugin> {
        Plugins::new().plugin(&self.exec(json!({})))
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default().lines().count()
    }
}

/// Prints a token that names the run.
const TOKEN: &str = r#"echo "{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"run-$(wc -l < "$(dirname "$0")/runs" | tr -d ' ')\"}}""#;

fn token(credential: &Credential) -> &str {
    credential.token.as_ref().unwrap().expose_secret()
}

fn is_alive(id: &Path) -> bool {
    let id = std::fs::read_to_string(id).unwrap();
    // A zombie is a process that has ended.
    let status = std::fs::read_to_string(format!("/proc/{}/status", id.trim())).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within 5 s");
}

#[tokio::test]
async fn all_who_wait_share_one_run() {
    let script = Script::new(&format!("sleep 0.1; {TOKEN}"));
    let plugins = Plugins::new();
    let clusters = [plugins.plugin(&script.exec(json!({}))), plugins.clone().plugin(&script.exec(json!({})))];
    let all = futures::future::join_all((0..6).map(|at| clusters[at % 2].credential())).await;
    assert!(all.iter().all(|credential| token(credential.as_ref().unwrap()) == "run-1"));
    assert_eq!(script.runs(), 1);
    // Another configuration is another plug-in.
    let other = plugins.plugin(&script.exec(json!({"env": [{"name": "A", "value": "b"}]})));
    assert_eq!(token(&other.credential().await.unwrap()), "run-2");
}

#[tokio::test]
async fn a_failure_is_shared_and_kept_for_a_while() {
    let script = Script::new("echo 'the session of profile dev has expired' >&2; echo 'log in again' >&2; exit 3");
    let plugin = script.plugin();
    let all = futures::future::join_all((0..3).map(|_| plugin.credential())).await;
    let again = plugin.credential().await;
    for failed in all.into_iter().chain([again]) {
        let error = failed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
        let said = "failed with exit status: 3: the session of profile dev has expired\nlog in again";
        assert!(error.causes()[0].ends_with(said), "{error:?}");
    }
    assert_eq!(script.runs(), 1);
    // As long as others go on asking it is kept, but not for ever.
    let ask = async |after: Duration| {
        tokio::time::pause();
        tokio::time::advance(after).await;
        tokio::time::resume();
        assert!(plugin.credential().await.is_err());
        script.runs()
    };
    let (some, most) = (FAILURE_TTL / 2, MAX_FAILURE_TTL.as_secs() / (FAILURE_TTL / 2).as_secs());
    for _ in 1..most {
        assert_eq!(ask(some).await, 1);
    }
    assert_eq!(ask(some).await, 2);
    assert_eq!(ask(FAILURE_TTL).await, 3);
}

#[tokio::test]
async fn a_refused_credential_is_replaced_once_unless_it_is_new() {
    let script = Script::new(TOKEN);
    let plugin = script.plugin();
    let first = plugin.credential().await.unwrap();
    assert!(plugin.in_place_of(&first).await.unwrap().is_none(), "a new one would be no better");
    let old = Arc::new(Credential::read(br#"{"status": {"token": "old"}}"#, SystemTime::UNIX_EPOCH).unwrap());
    plugin.state.lock().await.credential = Some(Arc::clone(&old));
    assert!(plugin.is_current(&old) && !plugin.is_current(&first));
    let both = futures::join!(plugin.in_place_of(&old), plugin.in_place_of(&old));
    for replaced in [both.0, both.1] {
        assert_eq!(token(&replaced.unwrap().unwrap()), "run-2");
    }
    assert_eq!(script.runs(), 2);
}

#[tokio::test]
async fn what_it_prints_reaches_errors_within_bounds_and_without_secrets() {
    let jwt = format!("eyJ{}", "x".repeat(60));
    let body = format!(
        r#"i=0; while [ $i -lt 2000 ]; do echo "line $i" >&2; i=$((i+1)); done
        echo "sent {jwt} with $AWS_SECRET_ACCESS_KEY as $AWS_PROFILE" >&2
        echo '{{"kind": "ExecCredential", "status": {{"token": "s3cr3t-s3cr3t-s3cr3t"}}, ' ; echo s3cr3t-s3cr3t-s3cr3t >&2; exit 1"#
    );
    let script = Script::new(&body);
    let env = [("AWS_SECRET_ACCESS_KEY", "hunter22"), ("AWS_PROFILE", "profile-of-dev")]
        .map(|(name, value)| json!({"name": name, "value": value}));
    let error = Plugins::new().plugin(&script.exec(json!({ "env": env }))).credential().await.unwrap_err();
    let cause = &error.causes()[0];
    assert!(cause.len() < 9000 && cause.contains("bytes left out] ") && cause.contains("\nline 1999\n"), "{cause}");
    assert!(cause.ends_with("\nsent *** with *** as profile-of-dev\n***"), "{cause}");

    let chatty = Script::new("echo 'Opening the page of s3cr3t'; echo 'no such profile' >&2");
    let error = chatty.plugin().credential().await.unwrap_err();
    let cause = &error.causes()[0];
    assert!(cause.ends_with("printed something that is not an ExecCredential: no such profile"), "{cause}");
    let endless = Script::new("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done");
    let error = endless.plugin().credential().await.unwrap_err();
    assert!(error.causes()[0].ends_with("printed more than a credential can have"), "{error:?}");
}

#[tokio::test]
async fn one_that_hangs_is_named_and_ended_with_its_children() {
    let script = Script::new(
        r#"cd "$(dirname "$0")"; echo $$ > parent; sleep 60 & echo $! > child; echo 'open https://login.example' >&2; wait"#,
    );
    let (plugin, waiting) = (script.plugin(), waiting::Waiting::default());
    let mut run = Box::pin(waiting.collect(async { futures::join!(plugin.credential(), plugin.credential()) }));
    let of = |name: &str| script.folder.path().join(name);
    let begun = until(|| of("child").exists() && waiting.descriptions().iter().any(|wait| wait.contains("login")));
    let first = futures::future::select(&mut run, Box::pin(begun)).await;
    assert!(matches!(first, futures::future::Either::Right(_)), "it has not ended");
    drop(first);
    let named = format!("{}, which has written: open https://login.example", plugin.name());
    assert_eq!(waiting.descriptions(), [named]);
    assert!(is_alive(&of("parent")) && is_alive(&of("child")));
    drop(run);
    until(|| !is_alive(&of("parent")) && !is_alive(&of("child"))).await;
    assert!(waiting.descriptions().is_empty());
}

#[tokio::test]
async fn a_helper_that_outlives_it_is_not_waited_for() {
    let script = Script::new(&format!("sleep 60 & {TOKEN}"));
    let begun = std::time::Instant::now();
    assert_eq!(token(&script.plugin().credential().await.unwrap()), "run-1");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn it_is_told_what_client_go_tells() {
    let script = Script::new(&format!(
        r#"cd "$(dirname "$0")"; printf %s "$KUBERNETES_EXEC_INFO" > info; printf '%s,' "$@" "$A" > rest; cat > stdin; {}"#,
        r#"echo "status: {token: t}""#
    ));
    let mut exec =
        script.exec(json!({"args": ["x", "y z"], "env": [{"name": "A", "value": "1"}], "provideClusterInfo": true}));
    exec.cluster = serde_json::from_value(json!({"server": "https://api.example", "config": {"k": 1}})).unwrap();
    assert_eq!(token(&Plugins::new().plugin(&exec).credential().await.unwrap()), "t");
    let wrote = |name: &str| std::fs::read_to_string(script.folder.path().join(name)).unwrap();
    let info: serde_json::Value = serde_json::from_str(&wrote("info")).unwrap();
    let cluster = json!({"server": "https://api.example", "config": {"k": 1}});
    let spec = json!({"interactive": false, "cluster": cluster});
    let version = "client.authentication.k8s.io/v1";
    assert_eq!(info, json!({"kind": "ExecCredential", "apiVersion": version, "spec": spec}));
    assert_eq!((wrote("rest").as_str(), wrote("stdin").as_str()), ("x,y z,1,", ""));
    exec.provide_cluster_info = false;
    Plugins::new().plugin(&exec).credential().await.unwrap();
    assert!(!wrote("info").contains("cluster"));
}

#[tokio::test]
async fn one_that_must_ask_needs_a_terminal() {
    let script = Script::new(TOKEN);
    let exec = script.exec(json!({"interactiveMode": "Always"}));
    let error = Plugins::new().plugin(&exec).credential().await.unwrap_err();
    assert_eq!((error.kind(), script.runs()), (ErrorKind::InvalidInput, 0));
    assert!(error.causes()[0].ends_with("asks its user, and standard input is not a terminal"), "{error:?}");
    for (mode, interactive) in [("Never", false), ("IfAvailable", true), ("Always", true)] {
        let plugin = Plugins::new().with_terminal().plugin(&script.exec(json!({ "interactiveMode": mode })));
        let info = plugin.command().unwrap();
        let info = info.as_std().get_envs().find(|(name, _)| *name == "KUBERNETES_EXEC_INFO").unwrap().1.unwrap();
        let info: serde_json::Value = serde_json::from_str(info.to_str().unwrap()).unwrap();
        assert_eq!(info["spec"]["interactive"], json!(interactive), "{mode}");
    }
}

#[tokio::test]
async fn one_that_is_not_installed_comes_with_the_hint_of_the_kubeconfig() {
    let exec =
        |hint: &str| serde_json::from_value(json!({"command": "irsa-no-such-program", "installHint": hint})).unwrap();
    for (given, hint) in [
        ("", "install the program that the kubeconfig names, or choose another context"),
        ("\nbrew install x\n", "the kubeconfig says how to install it: brew install x"),
    ] {
        let error = Plugins::new().plugin(&exec(given)).credential().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some(PLUGIN_MISSING)));
        assert!(error.causes()[0].starts_with("credential plug-in \"irsa-no-such-program\" cannot be started"));
        assert_eq!(error.hint().map(ToString::to_string).as_deref(), Some(hint));
    }
    let none = Plugins::new().plugin(&ExecConfig::default()).credential().await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn its_standard_error_is_passed_on_as_it_comes() {
    let script = Script::new(&format!("echo 'code ABCD-EFGH' >&2; {TOKEN}"));
    let seen = Arc::new(StdMutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let plugins = Plugins::new().with_stderr(move |bytes| sink.lock().unwrap().extend_from_slice(bytes));
    plugins.plugin(&script.exec(json!({}))).credential().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), b"code ABCD-EFGH\n");
}
