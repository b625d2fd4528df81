//! Addresses as the Collector and gRPC write them.
//!
//! Source: <https://pkg.go.dev/net#SplitHostPort> and
//! <https://github.com/grpc/grpc/blob/master/doc/naming.md>.

use super::raw::shared::Transport;
use super::{ListenAddress, Secret, Target};
use http::Uri;
use std::net::{IpAddr, SocketAddr};

/// What is wrong with an address. None of the texts shows it: it may hold credentials.
pub(super) type Wrong = &'static str;

/// Where a gRPC exporter sends.
#[derive(Debug)]
pub(super) struct GrpcTarget {
    pub target: Target,
    /// `:authority`.
    pub authority: String,
    /// The scheme itself says that the connection is in the clear.
    pub plaintext: bool,
}

/// Where an HTTP exporter sends one signal.
#[derive(Debug)]
pub(super) struct HttpTarget {
    pub target: Target,
    pub authority: String,
    pub path: String,
    pub query: Option<Secret>,
}

pub(super) const TLS_WRONG: Wrong =
    "https is not supported in this build: there is no TLS yet; use http:// to send in the clear";
const USERINFO_WRONG: Wrong =
    "user and password in an address are not supported; use an authorization header";

/// `host:port` or a path to listen on.
pub(super) fn listen(text: &str, transport: Transport) -> Result<ListenAddress, Wrong> {
    let path = text
        .strip_prefix("unix://")
        .or_else(|| text.strip_prefix("unix:"));
    match (transport, path) {
        (Transport::Unix, None) => socket_path(text).map(ListenAddress::Unix),
        (_, Some(path)) => socket_path(path).map(ListenAddress::Unix),
        (Transport::Tcp, None) => {
            let (host, port) = host_port(text)?;
            Ok(ListenAddress::Tcp { host, port })
        }
    }
}

/// The `endpoint` of a gRPC exporter.
pub(super) fn grpc(text: &str) -> Result<GrpcTarget, Wrong> {
    if text.is_empty() {
        return Err("requires a non-empty \"endpoint\"");
    }
    if text.starts_with("https://") {
        return Err(TLS_WRONG);
    }
    if let Some(path) = text
        .strip_prefix("unix://")
        .or_else(|| text.strip_prefix("unix:"))
    {
        let target = Target::Unix(socket_path(path)?);
        return Ok(GrpcTarget {
            target,
            authority: "localhost".into(),
            plaintext: true,
        });
    }
    let (rest, plaintext) = match text.strip_prefix("http://") {
        Some(rest) => (rest, true),
        None => (grpc_scheme(text)?, false),
    };
    let (host, port) = host_port(rest)?;
    Ok(GrpcTarget {
        authority: rest.to_owned(),
        target: target(host, port),
        plaintext,
    })
}

/// The address without a gRPC naming scheme.
fn grpc_scheme(text: &str) -> Result<&str, Wrong> {
    if let Some(rest) = text.strip_prefix("dns://") {
        return match rest.split_once('/') {
            Some(("", name)) => Ok(name),
            Some(_) => Err("a DNS server of its own is not supported; write dns:///host:port"),
            None => Ok(rest),
        };
    }
    for scheme in ["dns:", "passthrough:///", "passthrough:", "ipv4:", "ipv6:"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return Ok(rest);
        }
    }
    match text.split_once("://") {
        Some(_) => Err("this scheme is not supported; use host:port, http://, dns:/// or unix://"),
        None => Ok(text),
    }
}

/// The whole URL for one signal.
pub(super) fn http(text: &str) -> Result<HttpTarget, Wrong> {
    if text.starts_with("https://") {
        return Err(TLS_WRONG);
    }
    let uri: Uri = text.parse().map_err(|_| "is not a URL")?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(_) => return Err("only http:// is supported in this build"),
        None => return Err("must begin with http://"),
    }
    let authority = uri.authority().ok_or("has no host")?;
    if authority.as_str().contains('@') {
        return Err(USERINFO_WRONG);
    }
    if authority.host().is_empty() {
        return Err("has no host");
    }
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match authority.port_u16() {
        Some(port) => port,
        None if has_port => return Err("has no valid port"),
        None => 80,
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok(HttpTarget {
        target: target(host, port),
        authority: authority.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().map(Secret::new),
    })
}

fn target(host: String, port: u16) -> Target {
    match host.parse::<IpAddr>() {
        Ok(address) => Target::Address(SocketAddr::new(address, port)),
        Err(_) => Target::Name { host, port },
    }
}

fn socket_path(path: &str) -> Result<std::path::PathBuf, Wrong> {
    // 108 bytes with the final zero: unix(7).
    match path.len() {
        0 => Err("has no path"),
        1..108 => Ok(path.into()),
        _ => Err("the path of a Unix socket has at most 107 bytes"),
    }
}

/// Go's `SplitHostPort`, with a numeric port.
fn host_port(text: &str) -> Result<(String, u16), Wrong> {
    if text.contains('@') {
        return Err(USERINFO_WRONG);
    }
    if text.contains('/') {
        return Err("must be host:port, without a path");
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("missing ']' in address")?;
            (
                host,
                rest.strip_prefix(':').ok_or("missing port in address")?,
            )
        }
        None => {
            let (host, port) = text.rsplit_once(':').ok_or("missing port in address")?;
            if host.contains(':') {
                return Err("too many colons in address; an IPv6 address stands in brackets");
            }
            (host, port)
        }
    };
    if host.contains(|c: char| c.is_whitespace() || c == '[' || c == ']') {
        return Err("is not a host name or an address");
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits => Ok((host.to_owned(), port)),
        _ => Err("invalid port: a number from 0 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tcp(host: &str, port: u16) -> Result<ListenAddress, Wrong> {
        Ok(ListenAddress::Tcp {
            host: host.into(),
            port,
        })
    }

    #[test]
    fn what_a_receiver_listens_on() {
        let listen = |text| listen(text, Transport::Tcp);
        assert_eq!(listen("localhost:4317"), tcp("localhost", 4317));
        assert_eq!(listen("0.0.0.0:0"), tcp("0.0.0.0", 0));
        assert_eq!(listen(":4317"), tcp("", 4317));
        assert_eq!(listen("[::1]:4317"), tcp("::1", 4317));
        assert_eq!(
            listen("unix:///run/t.sock"),
            Ok(ListenAddress::Unix("/run/t.sock".into()))
        );
        assert_eq!(listen("localhost"), Err("missing port in address"));
        assert_eq!(
            listen("localhost:grpc"),
            Err("invalid port: a number from 0 to 65535")
        );
        assert_eq!(
            listen("localhost:65536"),
            Err("invalid port: a number from 0 to 65535")
        );
        assert_eq!(
            listen("localhost:+1"),
            Err("invalid port: a number from 0 to 65535")
        );
        assert!(listen("::1:4317").is_err_and(|wrong| wrong.starts_with("too many colons")));
        let unix = super::listen("/run/t.sock", Transport::Unix);
        assert_eq!(unix, Ok(ListenAddress::Unix("/run/t.sock".into())));
    }

    #[test]
    fn where_a_grpc_exporter_sends() {
        let name = |host: &str| Target::Name {
            host: host.into(),
            port: 4317,
        };
        for (text, target, authority, plaintext) in [
            ("gw:4317", name("gw"), "gw:4317", false),
            ("http://gw:4317", name("gw"), "gw:4317", true),
            ("dns:///gw:4317", name("gw"), "gw:4317", false),
            ("dns://gw:4317", name("gw"), "gw:4317", false),
            ("passthrough:///gw:4317", name("gw"), "gw:4317", false),
            (
                "unix:///run/t.sock",
                Target::Unix("/run/t.sock".into()),
                "localhost",
                true,
            ),
            (
                "127.0.0.1:4317",
                Target::Address("127.0.0.1:4317".parse().expect("address")),
                "127.0.0.1:4317",
                false,
            ),
        ] {
            let found = grpc(text).expect(text);
            assert_eq!(
                (found.target, &*found.authority),
                (target, authority),
                "{text}"
            );
            assert_eq!(found.plaintext, plaintext, "{text}");
        }
        assert_eq!(grpc("https://gw:4317").err(), Some(TLS_WRONG));
        assert_eq!(grpc("").err(), Some("requires a non-empty \"endpoint\""));
        assert_eq!(grpc("http://gw").err(), Some("missing port in address"));
        assert!(grpc("dns://8.8.8.8/gw:1").is_err());
        assert!(grpc("xds:///gw:1").is_err());
        assert_eq!(grpc("http://u:p@gw:1").err(), Some(USERINFO_WRONG));
    }

    #[test]
    fn where_an_http_exporter_sends() {
        let found = http("http://gw:4318/base/v1/traces?key=k").expect("valid");
        assert_eq!(
            found.target,
            Target::Name {
                host: "gw".into(),
                port: 4318
            }
        );
        assert_eq!(
            (&*found.authority, &*found.path),
            ("gw:4318", "/base/v1/traces")
        );
        assert_eq!(found.query, Some(Secret::new("key=k")));
        let found = http("http://[::1]/v1/logs").expect("valid");
        assert_eq!(
            found.target,
            Target::Address("[::1]:80".parse().expect("address"))
        );
        assert_eq!(http("https://gw/").err(), Some(TLS_WRONG));
        assert_eq!(http("gw:4318/v1/traces").err(), Some("is not a URL"));
        assert_eq!(http("http://gw:99999/").err(), Some("has no valid port"));
        assert_eq!(http("http://u:p@gw/").err(), Some(USERINFO_WRONG));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(http://|dns:///|unix:|\\[)?\\PC{0,24}") {
            let _ = (listen(&text, Transport::Tcp), grpc(&text).err(), http(&text).err());
        }
    }
}
