use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::connect::{self, Surroundings};
use super::*;
use crate::error::{Error, ErrorKind};

const CA: &str = include_str!("../testdata/ca.pem");
const CERTIFICATE: &str = include_str!("../testdata/client.pem");
const KEY: &str = include_str!("../testdata/client.key");
const KEY_SEC1: &str = include_str!("../testdata/client-sec1.key");
const KEY_ENCRYPTED: &str = include_str!("../testdata/client-encrypted.key");
const OTHER_KEY: &str = include_str!("../testdata/other.key");

/// A kubeconfig of one context `c`, cluster `cl` and user `u`, with these fields.
fn kubeconfig(cluster: &Value, user: &Value) -> Kubeconfig {
    let file = json!({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "cl", "user": "u"}}],
        "clusters": [{"name": "cl", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    });
    serde_json::from_value(file).unwrap()
}

fn read(cluster: &Value, user: &Value) -> Result<Config, Error> {
    configuration(&kubeconfig(cluster, user), None)
}

fn with_server(fields: &Value) -> Value {
    let mut cluster = json!({"server": "https://127.0.0.1:6443"});
    cluster.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    cluster
}

fn of_cluster(fields: &Value) -> Result<Config, Error> {
    read(&with_server(fields), &json!({"token": "t"}))
}

fn of_user(user: &Value) -> Result<Config, Error> {
    read(&with_server(&json!({})), user)
}

/// What is said of a refusal: cause and hint. Context and field must be named.
#[track_caller]
fn refused(result: Result<Config, Error>, field: &str) -> String {
    let error = result.err().unwrap();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, "cannot use context \"c\""));
    assert!(error.context().contains(&("context", "c".to_owned())), "{error:?}");
    assert!(error.context().contains(&("field", field.to_owned())), "{field}: {error:?}");
    let hint = error.hint().map(ToString::to_string);
    [error.causes().join(": ")].into_iter().chain(hint).collect::<Vec<_>>().join(" | ")
}

/// In lines, as `base64 -w` makes them.
fn base64_lines(text: &str, width: usize, end: &str) -> String {
    let encoded = STANDARD.encode(text);
    let lines = encoded.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned());
    lines.map(|line| line + end).collect()
}

fn in_file(folder: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

#[test]
fn data_is_read_however_its_base64_is_wrapped() {
    let user = json!({
        "client-certificate-data": base64_lines(CERTIFICATE, 64, "\n"),
        "client-key-data": base64_lines(KEY_SEC1, 64, "\r\n"),
    });
    for (width, end) in [(usize::MAX, ""), (64, "\n"), (64, "\r\n"), (76, " "), (60, "\n    ")] {
        let cluster = with_server(&json!({"certificate-authority-data": base64_lines(CA, width, end)}));
        let config = read(&cluster, &user).unwrap();
        assert_eq!(config.root_cert, Some(vec![der(CA)]));
        let certificate = STANDARD.decode(config.auth_info.client_certificate_data.unwrap()).unwrap();
        assert_eq!(pem::certificates(&certificate), [der(CERTIFICATE)]);
    }
}

#[test]
fn files_hold_what_data_holds() {
    let folder = tempfile::tempdir().unwrap();
    // As openssl writes them: text before and between the sections, lines that end in CR LF.
    let bundle = format!("Bag Attributes\nsubject=CN = test\n{CA}\n{CERTIFICATE}").replace('\n', "\r\n");
    let cluster = with_server(&json!({"certificate-authority": in_file(&folder, "ca", bundle)}));
    let user = json!({
        "client-certificate": in_file(&folder, "crt", CERTIFICATE),
        "client-key": in_file(&folder, "key", KEY_SEC1),
    });
    let config = read(&cluster, &user).unwrap();
    assert_eq!(config.root_cert.unwrap().len(), 2);
    let key = config.auth_info.client_key_data.unwrap();
    let key = String::from_utf8(STANDARD.decode(key.expose_secret()).unwrap()).unwrap();
    assert!(key.starts_with("-----BEGIN EC PRIVATE KEY-----"), "{key}");
}

#[test]
fn data_that_is_not_pem_says_what_it_is() {
    let once = STANDARD.encode(CA);
    for (data, why) in [
        (
            STANDARD.encode(&once),
            "certificate-authority-data of cluster \"cl\" is encoded in base64 twice | decode it once: base64 -d FILE",
        ),
        (
            STANDARD.encode(der(CA)),
            "certificate-authority-data of cluster \"cl\" is DER, not PEM | \
             convert it: openssl x509 -inform der -in FILE -out NEW_FILE",
        ),
        (
            CA.to_owned(),
            "certificate-authority-data of cluster \"cl\" is PEM that is not encoded in base64 | \
             encode it: base64 -w0 FILE",
        ),
        (
            "<no value>".to_owned(),
            "certificate-authority-data of cluster \"cl\" is not base64 | the field holds PEM that is encoded in base64",
        ),
        (STANDARD.encode("\n"), "certificate-authority-data of cluster \"cl\" is empty"),
        (
            STANDARD.encode("hello"),
            "certificate-authority-data of cluster \"cl\" is not PEM | PEM is text that begins with -----BEGIN and a label",
        ),
        (STANDARD.encode(KEY), "certificate-authority-data of cluster \"cl\" is PEM, but holds no valid certificate"),
        (
            STANDARD.encode(pem::encode("CERTIFICATE", b"not DER")),
            "certificate-authority-data of cluster \"cl\" holds no valid certificate: \
             invalid peer certificate: BadEncoding",
        ),
    ] {
        assert_eq!(
            refused(of_cluster(&json!({"certificate-authority-data": data})), "certificate-authority-data"),
            why
        );
    }
}

#[test]
fn files_that_are_not_pem_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, why) in [
        (STANDARD.encode(CA).into_bytes(), "is base64, not PEM | decode it: base64 -d FILE"),
        (der(CA), "is DER, not PEM | convert it: openssl x509 -inform der -in FILE -out NEW_FILE"),
        (Vec::new(), "is empty"),
        (vec![b' '; 2 << 20], "cannot be read: it is larger than 1048576 bytes"),
    ] {
        let path = in_file(&folder, "ca", bytes);
        let said = refused(of_cluster(&json!({"certificate-authority": path})), "certificate-authority");
        assert_eq!(said, format!("certificate-authority {path:?} of cluster \"cl\" {why}"));
    }
    let missing = folder.path().join("missing");
    let said = refused(of_cluster(&json!({"certificate-authority": missing})), "certificate-authority");
    assert!(said.contains("missing\" of cluster \"cl\" cannot be read: No such file"), "{said}");
}

#[test]
fn client_certificates_that_cannot_be_used_are_named() {
    let data = |certificate: &str, key: &str| json!({"client-certificate-data": STANDARD.encode(certificate), "client-key-data": STANDARD.encode(key)});
    for (user, field, why) in [
        (
            data(CERTIFICATE, KEY_ENCRYPTED),
            "client-key-data",
            "client-key-data of user \"u\" is encrypted with a passphrase | \
             decrypt it: openssl pkey -in FILE -out NEW_FILE",
        ),
        (
            data(CERTIFICATE, CERTIFICATE),
            "client-key-data",
            "client-key-data of user \"u\" is PEM, but holds no valid private key",
        ),
        (
            data(KEY, KEY),
            "client-certificate-data",
            "client-certificate-data of user \"u\" is PEM, but holds no valid certificate",
        ),
        (
            data(CERTIFICATE, OTHER_KEY),
            "client-key",
            "client certificate and key of user \"u\" cannot be used: the key is not that of the certificate",
        ),
        (
            data(CERTIFICATE, &STANDARD.encode(KEY)),
            "client-key-data",
            "client-key-data of user \"u\" is encoded in base64 twice | decode it once: base64 -d FILE",
        ),
        (
            json!({"client-certificate-data": STANDARD.encode(CERTIFICATE)}),
            "client-key",
            "user \"u\" has a client certificate but no client key",
        ),
        (
            json!({"client-key-data": STANDARD.encode(KEY)}),
            "client-certificate",
            "user \"u\" has a client key but no client certificate",
        ),
    ] {
        let said = refused(of_user(&user), field);
        assert_eq!(said, why);
    }
}

#[test]
fn servers_that_are_not_urls_are_named() {
    let refused = |server: &str| refused(read(&json!({"server": server}), &json!({"token": "t"})), "server");
    assert_eq!(
        refused("127.0.0.1:6443"),
        "server \"127.0.0.1:6443\" of cluster \"cl\" has no scheme | \
         write \"https://127.0.0.1:6443\""
    );
    assert_eq!(refused("*"), "server \"*\" of cluster \"cl\" has no scheme | write \"https://*\"");
    assert_eq!(
        refused("https://u:s3cr3t@x"),
        "server \"https://***@x\" of cluster \"cl\" holds a user name or password"
    );
    assert_eq!(refused(""), "cluster \"cl\" has no server");
}

#[test]
fn fields_that_make_no_header_or_name_are_named() {
    let cluster = |fields: Value| of_cluster(&fields);
    let user = |fields: Value| of_user(&fields);
    let folder = tempfile::tempdir().unwrap();
    let blank = in_file(&folder, "blank", " \n");
    let binary = in_file(&folder, "binary", [0xff, 0, 1]);
    for (result, field, why) in [
        (
            cluster(json!({"tls-server-name": "a b"})),
            "tls-server-name",
            "tls-server-name \"a b\" of cluster \"cl\" is not a host name or an address".to_owned(),
        ),
        (
            cluster(json!({"proxy-url": "http://u:p@a b"})),
            "proxy-url",
            "proxy-url \"http://***@a b\" of cluster \"cl\" is not a URL: invalid uri character".to_owned(),
        ),
        (
            user(json!({"token": "s3cr3t\nline"})),
            "token",
            "token of user \"u\" holds characters that no token has".to_owned(),
        ),
        (user(json!({"token": " \n"})), "token", "token of user \"u\" is empty".to_owned()),
        (user(json!({"tokenFile": blank})), "tokenFile", format!("tokenFile {blank:?} of user \"u\" is empty")),
        (
            user(json!({"tokenFile": binary})),
            "tokenFile",
            format!("tokenFile {binary:?} of user \"u\" holds characters that no token has"),
        ),
        (
            user(json!({"tokenFile": "/nonexistent/token"})),
            "tokenFile",
            "tokenFile \"/nonexistent/token\" of user \"u\" cannot be read: No such file or directory (os error 2)"
                .to_owned(),
        ),
        (
            user(json!({"token": "t", "as": "a\nb"})),
            "as",
            "as \"a\\nb\" of user \"u\" has characters that a header cannot hold".to_owned(),
        ),
        (
            user(json!({"token": "t", "as": "a", "as-groups": ["fine", "a\u{0}b"]})),
            "as-groups",
            "as-groups \"a\\0b\" of user \"u\" has characters that a header cannot hold".to_owned(),
        ),
        (
            user(json!({"token": "t", "as": "a", "as-user-extra": {"k\n": ["\n"]}})),
            "as-user-extra",
            "as-user-extra \"\\n\" of user \"u\" has characters that a header cannot hold".to_owned(),
        ),
        (
            user(json!({"token": "t", "as-groups": ["g"]})),
            "as-groups",
            "user \"u\" sets as-groups without as".to_owned(),
        ),
        (
            user(json!({"auth-provider": {"name": "gcp", "config": {"cmd-path": "echo", "cmd-args": "t"}}})),
            "auth-provider",
            "auth-provider \"gcp\" of user \"u\" is not supported, as in kubectl since 1.26 | \
             use the exec plug-in that replaces it"
                .to_owned(),
        ),
        (
            user(json!({"auth-provider": {"name": "oidc", "config": {"id-token": "a\nb"}}})),
            "auth-provider",
            "id-token of auth-provider \"oidc\" of user \"u\" holds characters that no token has".to_owned(),
        ),
    ] {
        assert_eq!(refused(result, field), why);
    }
}

#[test]
fn entries_that_do_not_exist_are_named_with_the_nearest() {
    let file = |context: Value| {
        let file = json!({
            "current-context": "c",
            "contexts": [{"name": "c", "context": context}],
            "clusters": [{"name": "cluster", "cluster": {"server": "https://x"}},
                {"name": "proxy", "cluster": {"server": "http://localhost:8001"}}],
            "users": [{"name": "jane", "user": {"token": "t"}}, {"name": "empty"}],
        });
        serde_json::from_value::<Kubeconfig>(file).unwrap()
    };
    let said = |context: Value, field: &str| refused(configuration(&file(context), None), field);
    assert_eq!(
        said(json!({"cluster": "clutser", "user": "jane"}), "cluster"),
        "it names cluster \"clutser\", which does not exist | did you mean cluster?"
    );
    assert_eq!(
        said(json!({"cluster": "cluster", "user": "somebody-else"}), "user"),
        "it names user \"somebody-else\", which does not exist | the kubeconfig has the users \"jane\", \"empty\""
    );
    assert_eq!(said(json!({"cluster": "", "user": "jane"}), "cluster"), "it names no cluster");
    for nobody in [json!({"cluster": "cluster"}), json!({"cluster": "cluster", "user": ""})] {
        assert!(said(nobody, "user").starts_with("it names no user | without credentials every request"));
    }
    // `kubectl proxy` adds credentials itself, and an empty user is a choice of one's own.
    for anonymous in [json!({"cluster": "proxy"}), json!({"cluster": "cluster", "user": "empty"})] {
        assert!(configuration(&file(anonymous), None).is_ok());
    }
    let mut no_users = file(json!({"cluster": "cluster", "user": "jane"}));
    no_users.auth_infos.clear();
    let error = refused(configuration(&no_users, None), "user");
    assert_eq!(error, "it names user \"jane\", which does not exist | the kubeconfig has no users");
}

#[test]
fn empty_fields_count_as_missing() {
    let cluster = json!({"server": "https://x", "certificate-authority-data": "", "certificate-authority": "",
        "proxy-url": "", "tls-server-name": ""});
    let user = json!({"token": "", "tokenFile": "", "client-certificate-data": "", "client-key-data": "",
        "client-certificate": "", "client-key": "", "username": "", "password": "", "as": "", "as-uid": ""});
    let config = read(&cluster, &user).unwrap();
    assert!(config.root_cert.is_none() && config.proxy_url.is_none() && config.tls_server_name.is_none());
    assert!(config.auth_info.token.is_none() && config.auth_info.impersonate.is_none());
    assert_eq!(config.default_namespace, "default");
}

/// Text of the kind that people paste into a field, and some that nobody does.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,30}",
        "[ -~]{0,30}",
        Just(STANDARD.encode(CA)),
        Just(STANDARD.encode(CERTIFICATE)),
        Just(STANDARD.encode(KEY)),
        Just(CA.to_owned()),
        "(https?://)?[a-z0-9.:@*-]{0,12}(:[0-9]{1,6})?/?",
        Just("-----BEGIN CERTIFICATE-----\n".to_owned()),
    ]
}

fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::collection::vec(proptest::option::of(any_text()), names.len()).prop_map(move |values| {
        let set = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), json!(value?))));
        Value::Object(set.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the fields hold, they are refused by name, or a client can be built and send a request.
    #[test]
    fn no_field_makes_a_dependency_panic(
        cluster in fields(&["server", "tls-server-name", "proxy-url", "certificate-authority-data", "certificate-authority"]),
        user in fields(&["token", "tokenFile", "username", "password", "client-certificate-data", "client-key-data",
            "client-certificate", "client-key", "as", "as-uid"]),
        groups in proptest::collection::vec(any_text(), 0..2),
        (extra_key, extra) in (any_text(), proptest::collection::vec(any_text(), 0..2)),
        (provider, id_token) in (proptest::option::weighted(0.2, "oidc|gcp|x"), any_text()),
        valid_server in any::<bool>(),
    ) {
        let (mut cluster, mut user) = (cluster, user);
        if valid_server {
            cluster["server"] = json!("https://127.0.0.1:1");
        }
        for secret in ["token", "password"] {
            if let Some(text) = user[secret].as_str().filter(|text| !text.is_empty()) {
                user[secret] = json!(format!("s3cr3t{text}"));
            }
        }
        user["as-groups"] = json!(groups);
        user["as-user-extra"] = json!({extra_key: extra});
        if let Some(name) = provider {
            user["auth-provider"] = json!({"name": name, "config": {"id-token": id_token, "access-token": id_token}});
        }
        match read(&cluster, &user) {
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
                prop_assert!(error.context().iter().any(|(key, _)| *key == "field"), "{:?}", error);
                let shown = format!("{error:?}");
                prop_assert!(!shown.contains("s3cr3t"), "{}", shown);
            }
            Ok(config) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let url = config.cluster_url.clone();
                let built = runtime.block_on(connect::connect(config, &Surroundings::default()));
                // Nothing answers there; where a URL leads elsewhere, nothing is sent.
                if let Ok(connection) = built
                    && url.host() == Some("127.0.0.1")
                {
                    let request = http::Request::get("/version").body(Vec::new()).unwrap();
                    let sent = runtime.block_on(connection.send("cannot ask", request, 10));
                    prop_assert!(sent.is_err());
                }
            }
        }
    }
}
