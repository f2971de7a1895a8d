//! URLs of API servers and of AWS: checked here, since HTTP clients panic on some that parse, and tell of others only that
//! they could not connect.

use http::Uri;

/// An absolute URL of a server. Says what is wrong, to be read after the value: "has no scheme".
pub(crate) fn parse_server(text: &str) -> Result<Uri, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("has no scheme".to_owned());
    };
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "https" | "http") {
        return Err("does not begin with https:// or http://".to_owned());
    }
    let invalid = |error: http::uri::InvalidUri| format!("is not a URL: {error}");
    let url: Uri = format!("{scheme}://{rest}").parse().map_err(invalid)?;
    let authority = url.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err("holds a user name or password".to_owned());
    }
    let host = url.host().unwrap_or_default();
    if matches!(host, "" | "[]") {
        return Err("names no host".to_owned());
    }
    let port = authority.strip_prefix(host).unwrap_or_default();
    // A port that is out of range would be taken for none at all.
    if !port.strip_prefix(':').unwrap_or(port).is_empty() && url.port_u16().is_none_or(|port| port == 0) {
        return Err("has a port that is not between 1 and 65535".to_owned());
    }
    Ok(url)
}

/// A URL without the user name and password that it may hold.
pub(crate) fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        None => text.to_owned(),
        Some((secret, _)) => {
            let separator = if scheme.is_empty() { "" } else { "://" };
            format!("{scheme}{separator}***{}", &rest[secret.len()..])
        }
    }
}

#[cfg(all(test, feature = "kube"))]
mod tests {
    use ::kube::client::middleware::BaseUriLayer;
    use futures::FutureExt;
    use proptest::prelude::*;
    use tower::{Layer, Service};

    use super::*;

    #[test]
    fn servers_are_absolute_urls() {
        for (given, taken) in [
            ("https://127.0.0.1:6443", "https://127.0.0.1:6443/"),
            ("HTTPS://Example.COM", "https://Example.COM/"),
            ("http://localhost:8001", "http://localhost:8001/"),
            ("https://rancher.example/k8s/clusters/c-1", "https://rancher.example/k8s/clusters/c-1"),
            ("https://[::1]:6443/", "https://[::1]:6443/"),
            ("https://example.com:", "https://example.com:/"),
        ] {
            assert_eq!(parse_server(given).map(|url| url.to_string()).as_deref(), Ok(taken), "{given}");
        }
        for (given, why) in [
            ("127.0.0.1:6443", "has no scheme"),
            ("localhost", "has no scheme"),
            ("", "has no scheme"),
            ("*", "has no scheme"),
            ("/api", "has no scheme"),
            ("ftp://x", "does not begin with https"),
            ("://x", "does not begin with https"),
            ("https://", "is not a URL"),
            ("https://a b", "is not a URL"),
            ("https://[::1", "is not a URL"),
            ("https://:6443", "names no host"),
            ("https:///api", "is not a URL"),
            ("https://u:p@x", "holds a user name"),
            ("https://x:65536", "has a port"),
            ("https://x:0", "has a port"),
        ] {
            let said = parse_server(given).err().unwrap_or_default();
            assert!(said.starts_with(why), "{given}: {said}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("https://u:p@x:1/a@b", "https://***@x:1/a@b"),
            ("u:p@x", "***@x"),
            ("https://x/@", "https://x/@"),
            ("http://a@b@c", "http://***@c"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }

    /// What the HTTP client does to the URL of each request, which panics on URLs that are not absolute.
    fn join(server: &Uri) -> Option<Uri> {
        let echo = tower::service_fn(async |request: http::Request<()>| Ok::<_, ()>(request.uri().clone()));
        let mut service = BaseUriLayer::new(server.clone()).layer(echo);
        let request = http::Request::get("/api/v1/namespaces?limit=1").body(()).ok()?;
        service.call(request).now_or_never()?.ok()
    }

    proptest! {
        #[test]
        fn every_url_that_is_taken_can_be_called(
            text in prop_oneof![
                ".{0,40}",
                "[a-z]{0,6}:?/{0,3}[a-z0-9.@:%*\\[\\]_-]{0,20}(:[0-9]{0,6})?[/?#a-z *%]{0,8}",
            ]
        ) {
            let _ = redacted(&text);
            if let Ok(url) = parse_server(&text) {
                let called = join(&url).unwrap();
                prop_assert!(called.host().is_some_and(|host| !host.is_empty()), "{}", called);
                prop_assert!(matches!(called.scheme_str(), Some("http" | "https")), "{}", called);
                // The Host header is made of it, with an `expect`.
                prop_assert!(http::HeaderValue::from_str(called.host().unwrap()).is_ok());
            }
        }
    }
}
