//! Proxies: which one leads to a URL, by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` as kubectl understands them.
//!
//! The one place that knows these rules, for API servers and AWS alike. They are those of Go's
//! `golang.org/x/net/http/httpproxy`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};
use crate::text::shown;

/// The proxies of an environment, and what is reached without one.
///
/// `HTTPS_PROXY` is for URLs that begin with `https://`, `HTTP_PROXY` for `http://`; a name in upper case wins over the
/// same name in lower case. A proxy is `[SCHEME://][USER:PASSWORD@]HOST[:PORT]` with the scheme `http` (the default),
/// `https` or `socks5`. `localhost`, loopback and link-local addresses are never reached through a proxy, nor are the
/// metadata services of EC2, ECS and EKS, which give credentials. `NO_PROXY` lists what else is not, separated by commas: `*` (everything), `example.com` (it and all hosts below it), `.example.com` (only those
/// below it), an address, a network such as `10.0.0.0/8`; a host or an address may end in `:PORT`.
///
/// Nothing in it is printed: a URL may hold a password.
#[derive(Clone, Default)]
pub struct ProxySettings {
    https: Option<Variable>,
    http: Option<Variable>,
    bypasses: Vec<Bypass>,
}

#[derive(Clone)]
struct Variable {
    name: &'static str,
    value: SecretString,
}

impl ProxySettings {
    /// The settings of an environment: `variable` gives the value of a variable. Empty values count as absent.
    ///
    /// In a CGI program (`REQUEST_METHOD` is set) `HTTP_PROXY` is ignored: there it is a header that a client has sent.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &'static str| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(Variable { name, value: value.into() })
        };
        let is_cgi = set("REQUEST_METHOD").is_some();
        let bypasses = set("NO_PROXY").or_else(|| set("no_proxy"));
        Self {
            https: set("HTTPS_PROXY").or_else(|| set("https_proxy")),
            http: set("HTTP_PROXY").or_else(|| set("http_proxy")).filter(|_| !is_cgi),
            bypasses: bypasses.map(|list| bypasses_of(list.value.expose_secret())).unwrap_or_default(),
        }
    }

    /// The proxy for a URL; nothing where it is reached directly.
    ///
    /// # Errors
    /// `InvalidInput` for a variable whose value is not the URL of a proxy.
    pub(crate) fn proxy_for(&self, url: &Uri) -> Result<Option<ProxyAddress>> {
        let (variable, default_port) = match url.scheme_str() {
            Some("https") => (&self.https, 443),
            Some("http") => (&self.http, 80),
            _ => return Ok(None),
        };
        let (Some(variable), Some(host)) = (variable, url.host()) else { return Ok(None) };
        if self.is_direct(host, url.port_u16().unwrap_or(default_port)) {
            return Ok(None);
        }
        ProxyAddress::parse(variable.value.expose_secret(), variable.name).map(Some)
    }

    /// Whether a host is reached without a proxy.
    fn is_direct(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        host == "localhost"
            || address.is_some_and(is_of_this_machine)
            || self.bypasses.iter().any(|bypass| bypass.covers(&host, address, port))
    }
}

/// Whether an address means this machine, or the services beside it that give its credentials: the answer of a proxy would
/// be about the proxy's machine.
fn is_of_this_machine(address: IpAddr) -> bool {
    /// EC2 has `fd00:ec2::254`, EKS Pod Identity `fd00:ec2::23`.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0);
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback() || is_link_local || contains(METADATA.into(), 32, address)
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |variable: &Option<Variable>| variable.as_ref().map(|variable| variable.name);
        f.debug_struct("ProxySettings")
            .field("https", &name(&self.https))
            .field("http", &name(&self.http))
            .field("bypasses", &self.bypasses)
            .finish()
    }
}

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bypass {
    Everything,
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
    Domain {
        /// With a dot in front.
        suffix: String,
        /// Whether the host without anything before the dot is meant too.
        itself: bool,
        port: Option<u16>,
    },
}

/// What can be understood of a list; the rest is ignored, as kubectl does.
fn bypasses_of(list: &str) -> Vec<Bypass> {
    list.split(',').filter_map(|entry| Bypass::parse(&entry.trim().to_ascii_lowercase())).collect()
}

impl Bypass {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, length)) = entry.split_once('/')
            && let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u8>())
        {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            return (length <= longest).then_some(Self::Network(address, length));
        }
        let (host, port) = host_and_port(entry)?;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let (suffix, itself) = match host {
            "" | "." => return None,
            host if host.starts_with('.') => (host.to_owned(), false),
            host => (format!(".{host}"), true),
        };
        Some(Self::Domain { suffix, itself, port })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let at = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::Everything => true,
            Self::Network(network, length) => address.is_some_and(|address| contains(*network, *length, address)),
            Self::Address(wanted, port) => address == Some(*wanted) && at(port),
            Self::Domain { suffix, itself, port } => {
                (host.ends_with(suffix.as_str()) || (*itself && host == &suffix[1..])) && at(port)
            }
        }
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address. Nothing where the port is not a number.
fn host_and_port(entry: &str) -> Option<(&str, Option<u16>)> {
    let port = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
    if let Some(rest) = entry.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(text) => Some((host, port(text)?)),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match entry.split_once(':') {
        Some((host, text)) if !text.contains(':') => Some((host, port(text)?)),
        _ => Some((entry, None)),
    }
}

/// Whether an address begins with the same bits as a network.
fn contains(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let same = |one: u128, other: u128, bits: u32| {
        let shift = bits - u32::from(length).min(bits);
        one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    };
    match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => same(one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyScheme {
    /// `CONNECT` over plain TCP.
    Http,
    /// `CONNECT` over TLS.
    Https,
    /// SOCKS version 5; host names are resolved by the proxy.
    Socks5,
}

impl ProxyScheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }
}

/// Where a proxy is, and how to log in there. `Display` and `Debug` show no credentials.
#[derive(Clone)]
pub(crate) struct ProxyAddress {
    /// What names it: a variable, or `proxy-url`.
    pub(crate) setting: &'static str,
    pub(crate) scheme: ProxyScheme,
    /// An IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The user, and the password, which may be empty.
    pub(crate) credentials: Option<(String, SecretString)>,
}

impl ProxyAddress {
    /// Reads `[SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/]`. `setting` is what names it: a variable, or `proxy-url`.
    ///
    /// # Errors
    /// `InvalidInput`, without the credentials of the URL.
    pub(crate) fn parse(text: &str, setting: &'static str) -> Result<Self> {
        let refused = |rule: &str| {
            let operation = format!("{setting} {}: {rule}", shown(&without_credentials(text)));
            Error::new(ErrorKind::InvalidInput, operation).with_context("field", setting).with_hint(
                "a proxy is http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT; NO_PROXY lists the hosts that are \
                 reached without one",
            )
        };
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyScheme::Http, 80),
            "https" => (ProxyScheme::Https, 443),
            "socks5" | "socks5h" => (ProxyScheme::Socks5, 1080),
            _ => return Err(refused("proxies of this scheme are not supported")),
        };
        // A password may hold an `@`.
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, rest),
        };
        let place = place.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = host_and_port(place).ok_or_else(|| refused("must be the URL of a proxy"))?;
        let address = Self {
            setting,
            scheme,
            host: host.to_owned(),
            port: port.unwrap_or(default_port),
            credentials: credentials.map(decoded),
        };
        let is_too_long = |text: &str| scheme == ProxyScheme::Socks5 && text.len() > 255;
        match &address.credentials {
            Some((user, password)) if is_too_long(user) || is_too_long(password.expose_secret()) => {
                Err(refused("user and password of a socks5 proxy have at most 255 bytes"))
            }
            _ if host.is_empty() || format!("http://{}/", address.place()).parse::<Uri>().is_err() => {
                Err(refused("must be the URL of a proxy"))
            }
            _ => Ok(address),
        }
    }

    /// `HOST:PORT`, with brackets around an IPv6 address.
    pub(crate) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether requests for a server are given to the proxy itself: those without TLS, where it speaks HTTP.
    pub(crate) fn forwards(&self, server: &Uri) -> bool {
        self.scheme != ProxyScheme::Socks5 && server.scheme_str() == Some("http")
    }

    /// The value of `Proxy-Authorization`, where there are credentials.
    pub(crate) fn basic_auth(&self) -> Option<HeaderValue> {
        use base64::Engine;
        let (user, password) = self.credentials.as_ref()?;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose_secret()));
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.place())
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyAddress({self})")
    }
}

/// User and password, percent-decoded.
fn decoded(text: &str) -> (String, SecretString) {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    (plain(user), plain(password).into())
}

/// A URL without all that may be user and password.
fn without_credentials(text: &str) -> String {
    let Some((head, place)) = text.rsplit_once('@') else { return text.to_owned() };
    let scheme = head.find("://").map_or("", |at| &head[..at + 3]);
    format!("{scheme}***@{place}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> ProxySettings {
        ProxySettings::from_variables(|name| {
            variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn via(variables: &[(&str, &str)], url: &str) -> Option<String> {
        settings(variables).proxy_for(&url.parse().unwrap()).unwrap().map(|proxy| proxy.to_string())
    }

    /// Whether `NO_PROXY` leaves the proxy for a host; the table of golang.org/x/net/http/httpproxy's own test and more.
    #[test]
    fn no_proxy_means_what_it_means_to_kubectl() {
        let list = "foobar.com, .barbaz.net, *.wild.org, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, \
                    2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2002:db8:a::45]:80, fe80::/16, ported.com:8443, UPPER.com,\
                    http://ignored.com, :80, nonsense:port,,/8";
        for (host, direct) in [
            ("localhost", true),
            ("LOCALHOST:8443", true),
            ("127.0.0.1", true),
            ("127.0.0.2:6443", true),
            ("[::1]", true),
            ("[::1]:6443", true),
            ("[::ffff:127.0.0.1]", true),
            ("[::2]", false),
            ("169.254.169.254:80", true),
            ("[fd00:ec2::254]", true),
            ("[fd00:ec3::254]", false),
            ("192.168.1.1", true),
            ("192.168.1.1:8443", true),
            ("192.168.1.2:80", false),
            ("192.168.1.2:81", true),
            ("192.168.1.3", false),
            ("192.168.1.3:80", true),
            ("192.168.1.4", false),
            ("10.0.0.2", true),
            ("10.0.0.4", false),
            ("[2001:db8::52:0:1]", true),
            ("[2001:db8::52:0:2]", true),
            ("[2001:db8::52:0:2]:444", false),
            ("[2002:db8:a::45]", false),
            ("[2002:db8:a::45]:80", true),
            ("[fe80::424b:c8be:1643:a1b6]", true),
            ("[fea0::1]", true),
            ("[fec0::1]", false),
            ("foobar.com", true),
            ("www.foobar.com", true),
            ("foofoobar.com", false),
            ("barbaz.net", false),
            ("www.barbaz.net", true),
            ("wild.org", false),
            ("a.b.wild.org", true),
            ("ported.com", false),
            ("ported.com:8443", true),
            ("upper.com", true),
            ("Sub.Upper.Com", true),
            ("localhost.net", false),
            ("local.localhost", false),
            ("ignored.com", false),
        ] {
            let found = via(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", list)], &format!("https://{host}/"));
            assert_eq!(found.is_none(), direct, "{host}: {found:?}");
        }
        for list in ["*", "a.example, *", " * "] {
            assert_eq!(via(&[("HTTPS_PROXY", "proxy"), ("NO_PROXY", list)], "https://x.example"), None, "{list:?}");
        }
    }

    #[test]
    fn variables_are_read_in_the_order_of_go() {
        let both = [("HTTPS_PROXY", "upper:1"), ("https_proxy", "lower:2"), ("HTTP_PROXY", "plain:3")];
        assert_eq!(via(&both, "https://x").as_deref(), Some("http://upper:1"));
        assert_eq!(via(&both[1..], "https://x").as_deref(), Some("http://lower:2"));
        assert_eq!(via(&both, "http://x").as_deref(), Some("http://plain:3"));
        assert_eq!(via(&both[..2], "http://x"), None);
        assert_eq!(
            via(&[("HTTPS_PROXY", ""), ("https_proxy", "lower:2")], "https://x").as_deref(),
            Some("http://lower:2")
        );
        assert_eq!(via(&[("http_proxy", "lower:3")], "http://x").as_deref(), Some("http://lower:3"));
        // Go knows no ALL_PROXY; a CGI program must not take HTTP_PROXY from its client.
        assert_eq!(via(&[("ALL_PROXY", "all:4")], "https://x"), None);
        assert_eq!(via(&[("HTTP_PROXY", "plain:3"), ("REQUEST_METHOD", "GET")], "http://x"), None);
        let lists = |first: &'static str, second: &'static str| {
            [("HTTPS_PROXY", "upper:1"), ("NO_PROXY", first), ("no_proxy", second)]
        };
        assert_eq!(via(&lists("y", "x"), "https://x").as_deref(), Some("http://upper:1"));
        assert_eq!(via(&lists("", "x"), "https://x"), None);
    }

    #[test]
    fn a_proxy_is_read_with_its_credentials() {
        for (text, shown, credentials) in [
            ("proxy", "http://proxy:80", None),
            ("proxy:3128", "http://proxy:3128", None),
            ("http://proxy:3128/", "http://proxy:3128", None),
            ("HTTPS://proxy", "https://proxy:443", None),
            ("socks5://10.0.0.1", "socks5://10.0.0.1:1080", None),
            ("socks5h://[fd00::1]:9", "socks5://[fd00::1]:9", None),
            ("http://user:pass@proxy", "http://proxy:80", Some(("user", "pass"))),
            ("user:p@ss@proxy:1", "http://proxy:1", Some(("user", "p@ss"))),
            ("http://us%40er:p%3A%2Fss@proxy", "http://proxy:80", Some(("us@er", "p:/ss"))),
            ("http://user@proxy", "http://proxy:80", Some(("user", ""))),
        ] {
            let proxy = ProxyAddress::parse(text, "HTTPS_PROXY").unwrap();
            assert_eq!(proxy.to_string(), shown);
            let found = proxy.credentials.as_ref().map(|(user, password)| (user.as_str(), password.expose_secret()));
            assert_eq!(found, credentials, "{text}");
        }
        let proxy = ProxyAddress::parse("Aladdin:opensesame@proxy", "HTTPS_PROXY").unwrap();
        assert_eq!(proxy.basic_auth().unwrap(), "Basic QWxhZGRpbjpvcGVuc2VzYW1l");
    }

    #[test]
    fn what_is_not_a_proxy_is_refused_without_its_password() {
        let long = format!("socks5://u:p4ss{}@proxy", "x".repeat(255));
        for (text, rule) in [
            ("socks4://u:p4ss@proxy", "not supported"),
            ("ftp://proxy", "not supported"),
            ("http://", "must be the URL"),
            ("http://u:p4ss@", "must be the URL"),
            ("http://u:p4ss@pro xy", "must be the URL"),
            ("http://u:p4ss@proxy:port", "must be the URL"),
            ("http://u:p4ss@proxy:99999", "must be the URL"),
            ("http://[::1", "must be the URL"),
            (long.as_str(), "at most 255"),
        ] {
            let error = ProxyAddress::parse(text, "HTTPS_PROXY").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().starts_with("HTTPS_PROXY \"") && error.to_string().contains(rule), "{error}");
            assert!(!format!("{error:?}").contains("p4ss") && error.hint().is_some(), "{error:?}");
        }
        let held = settings(&[("HTTPS_PROXY", "http://u:p4ss@proxy"), ("HTTP_PROXY", "u:p4ss@proxy")]);
        let proxy = held.proxy_for(&Uri::from_static("https://x")).unwrap().unwrap();
        assert!(!format!("{held:?} {proxy:?} {proxy}").contains("p4ss"));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_no_password_is_shown(
            before in "[a-z0-9+]{0,6}(://)?[^@]{0,8}", after in "\\PC{0,20}", list in "\\PC{0,40}", host in "[a-z.]{1,20}",
        ) {
            let text = format!("{before}:s3cr3t@{after}");
            let shown = match ProxyAddress::parse(&text, "HTTPS_PROXY") {
                Ok(proxy) => format!("{proxy} {proxy:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("s3cr3t"), "{}", shown);
            let bypasses = bypasses_of(&list);
            prop_assert!(bypasses.len() <= list.split(',').count());
            let alone = ProxySettings { bypasses: bypasses_of(&host), ..ProxySettings::default() };
            if !host.starts_with('.') && !host.ends_with('.') {
                let (below, beside) = (format!("sub.{host}"), format!("sub{host}"));
                prop_assert!(alone.is_direct(&host, 443) && alone.is_direct(&below, 443));
                prop_assert!(!alone.is_direct(&beside, 443));
            }
        }
    }
}
