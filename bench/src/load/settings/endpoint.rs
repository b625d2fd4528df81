//! An endpoint as users write it: `host:port`, `http://host:port/path`, `unix:/path`.

use crate::load::plan::{Protocol, Target};
use std::fmt;
use std::net::ToSocketAddrs;
use tailrace_engine::exchange::Address;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointError {
    /// There is no TLS here.
    Tls { endpoint: String },
    /// Not a host, or not a port.
    Malformed { endpoint: String },
    /// No address for the name.
    Unresolved { host: String },
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { endpoint } => {
                write!(
                    f,
                    "{endpoint}: TLS is not supported, only http:// and host:port"
                )
            }
            Self::Malformed { endpoint } => {
                write!(f, "\"{endpoint}\" is no endpoint such as 127.0.0.1:4317")
            }
            Self::Unresolved { host } => write!(f, "{host} has no address"),
        }
    }
}

/// Finds the address. A port that is left out is the protocol's.
pub(super) fn resolve(endpoint: &str, protocol: Protocol) -> Result<Target, EndpointError> {
    let malformed = || EndpointError::Malformed {
        endpoint: endpoint.to_owned(),
    };
    if endpoint.starts_with("https://") {
        return Err(EndpointError::Tls {
            endpoint: endpoint.to_owned(),
        });
    }
    if let Some(path) = endpoint.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(malformed());
        }
        return Ok(Target::new(Address::Unix(path.into())));
    }
    let rest = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = with_port(authority, protocol).ok_or_else(malformed)?;
    let unresolved = || EndpointError::Unresolved {
        host: authority.clone(),
    };
    let mut addresses = authority.to_socket_addrs().map_err(|_| unresolved())?;
    let address = addresses.next().ok_or_else(unresolved)?;
    Ok(Target {
        address: Address::Tcp(address),
        path: path.trim_end_matches('/').to_owned(),
        authority,
    })
}

/// `None`: there is no host, or what follows it is no port.
fn with_port(authority: &str, protocol: Protocol) -> Option<String> {
    // The colons of an IPv6 address stand within brackets.
    let after_host = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after_host..].rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_host + colon);
            (host, port[1..].parse::<u16>().ok()?)
        }
        None => (authority, protocol.port()),
    };
    let valid = !host.is_empty() && !host.contains([' ', '@', '?', '#']);
    valid.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(endpoint: &str) -> Result<(String, String), EndpointError> {
        let target = resolve(endpoint, Protocol::HttpJson)?;
        let address = match target.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => path.display().to_string(),
        };
        Ok((address, target.path))
    }

    #[test]
    fn endpoints_as_users_write_them() {
        for (endpoint, address, path) in [
            ("127.0.0.1:4317", "127.0.0.1:4317", ""),
            ("127.0.0.1", "127.0.0.1:4318", ""),
            ("http://127.0.0.1:80/otlp/", "127.0.0.1:80", "/otlp"),
            ("[::1]:4317", "[::1]:4317", ""),
            ("[::1]", "[::1]:4318", ""),
            ("unix:///run/otlp.sock", "/run/otlp.sock", ""),
        ] {
            let expected = (address.to_owned(), path.to_owned());
            assert_eq!(parts(endpoint), Ok(expected), "{endpoint}");
        }
        assert!(matches!(
            parts("https://a:1"),
            Err(EndpointError::Tls { .. })
        ));
        for endpoint in [
            "",
            ":4317",
            "host:port",
            "unix:",
            "127.0.0.1:99999",
            "a b:1",
        ] {
            let error = parts(endpoint);
            assert!(
                matches!(error, Err(EndpointError::Malformed { .. })),
                "{endpoint}: {error:?}"
            );
        }
    }
}
