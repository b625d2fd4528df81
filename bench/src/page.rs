//! A page of metrics: fetched over HTTP, read as Prometheus' text format.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long each step of the fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest page that is read: that of some ten thousand exporters.
const BYTES_MAX: u64 = 64 << 20;

/// Where a page is: `http://HOST:PORT/PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageUrl {
    authority: String,
    path: String,
}

impl PageUrl {
    /// The port is 80 where none is given, and the path `/metrics`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err("expected http://HOST:PORT/metrics".to_owned()),
            None => text,
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, "/metrics".to_owned()),
        };
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || c == '@';
        if authority.is_empty() || text.contains(forbidden) {
            return Err("expected http://HOST:PORT/metrics".to_owned());
        }
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = if has_port { "" } else { ":80" };
        Ok(Self {
            authority: format!("{authority}{port}"),
            path,
        })
    }

    /// Where a process of ours has its metrics.
    pub fn of(address: SocketAddr) -> Self {
        Self {
            authority: address.to_string(),
            path: "/metrics".to_owned(),
        }
    }

    /// Errors: nobody answers, or with anything but 200.
    pub fn fetch(&self) -> io::Result<String> {
        let answer = self.exchange()?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| io::Error::other("not an HTTP answer"))?;
        let status = head.lines().next().unwrap_or_default();
        match status.split(' ').nth(1) {
            Some("200") => Ok(body.to_owned()),
            _ => Err(io::Error::other(status.to_owned())),
        }
    }

    /// As HTTP/1.0: the answer is not in chunks, and ends with its connection.
    fn exchange(&self) -> io::Result<String> {
        let Self { authority, path } = self;
        let mut failed = io::Error::other("no such host");
        for address in authority.to_socket_addrs()? {
            let mut stream = match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => stream,
                Err(error) => {
                    failed = error;
                    continue;
                }
            };
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let head = format!("GET {path} HTTP/1.0\r\nhost: {authority}\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            let mut answer = String::new();
            stream.take(BYTES_MAX).read_to_string(&mut answer)?;
            return Ok(answer);
        }
        Err(failed)
    }
}

impl fmt::Display for PageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// One line: `name{label="value"} 1`.
#[derive(Debug, PartialEq)]
pub struct Sample<'a> {
    pub name: &'a str,
    labels: Vec<(&'a str, String)>,
    pub value: f64,
}

impl<'a> Sample<'a> {
    /// `None`: a comment, or not of the format.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (name, mut rest) = line.split_at(line.find(['{', ' '])?);
        if name.is_empty() || name.starts_with('#') {
            return None;
        }
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                rest = rest.trim_start_matches([',', ' ']);
                if let Some(after) = rest.strip_prefix('}') {
                    rest = after;
                    break;
                }
                let (label, quoted) = rest.split_once("=\"")?;
                let (value, after) = unquote(quoted)?;
                labels.push((label, value));
                rest = after;
            }
        }
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self {
            name,
            labels,
            value,
        })
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels
            .find(|(label, _)| *label == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What stands before the closing quote, its escapes undone, and what stands after.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_labels_and_a_value() {
        let sample = Sample::parse(r#"a_b{c="d",e="f\"}\\, \n"} 1.5 1700000000"#).expect("a line");
        assert_eq!((sample.name, sample.value), ("a_b", 1.5));
        assert_eq!(sample.label("c"), Some("d"));
        assert_eq!(sample.label("e"), Some("f\"}\\, \n"));
        assert_eq!(sample.label("g"), None);
        assert_eq!(
            Sample::parse("up +Inf").expect("a line").value,
            f64::INFINITY
        );
        for line in [
            "# HELP a b",
            "",
            "a",
            "a{",
            "a{b} 1",
            "a{b=\"",
            "a{b=\"c\\",
            "a{} x",
        ] {
            assert_eq!(Sample::parse(line), None, "{line}");
        }
    }

    #[test]
    fn port_and_path_have_defaults() {
        let url = |authority: &str, path: &str| PageUrl {
            authority: authority.to_owned(),
            path: path.to_owned(),
        };
        assert_eq!(
            PageUrl::parse("http://[::1]:8888/x?y"),
            Ok(url("[::1]:8888", "/x?y"))
        );
        assert_eq!(PageUrl::parse("host"), Ok(url("host:80", "/metrics")));
        assert_eq!(PageUrl::parse("[::1]"), Ok(url("[::1]:80", "/metrics")));
        for wrong in [
            "https://host/",
            "http://",
            "a b",
            "http://me@host/",
            "h/\r\n",
        ] {
            assert!(PageUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
