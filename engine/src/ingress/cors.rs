//! Requests from browsers: the Collector's `cors` keys, with the behaviour of its library.
//!
//! Source: <https://github.com/rs/cors> v1.11 with `AllowCredentials`, as `config/confighttp` of
//! the Collector sets it up. It allows the methods GET, POST and HEAD.

use ::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method};

const PREFLIGHT_VARY: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);

/// The keys of `cors` as they stand in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsRule {
    /// `*` alone for any; one `*` within an origin stands for any characters.
    pub allowed_origins: Vec<String>,
    /// `*` for any. None: accept, content-type, x-requested-with.
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<HeaderName>,
    /// How long a browser may remember a preflight, in seconds. 0: left to the browser.
    pub max_age: i64,
}

/// A [`CorsRule`] ready for use.
#[derive(Debug, Clone)]
pub struct Cors {
    origins: Allowed<Vec<Pattern>>,
    headers: Allowed<Vec<String>>,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

#[derive(Debug, Clone)]
enum Allowed<T> {
    Any,
    Only(T),
}

/// An origin in lower case, parted at its `*` if it has one.
#[derive(Debug, Clone)]
struct Pattern {
    start: String,
    end: Option<String>,
}

impl Cors {
    /// `None` where no origin is allowed: the Collector then ignores the other keys.
    pub fn new(rule: &CorsRule) -> Option<Self> {
        if rule.allowed_origins.is_empty() {
            return None;
        }
        let origins = if rule.allowed_origins.iter().any(|origin| origin == "*") {
            Allowed::Any
        } else {
            Allowed::Only(
                rule.allowed_origins
                    .iter()
                    .map(|origin| Pattern::new(origin))
                    .collect(),
            )
        };
        let headers = if rule.allowed_headers.iter().any(|name| name == "*") {
            Allowed::Any
        } else if rule.allowed_headers.is_empty() {
            Allowed::Only(
                ["accept", "content-type", "x-requested-with"]
                    .map(String::from)
                    .into(),
            )
        } else {
            let lower = rule
                .allowed_headers
                .iter()
                .map(|name| name.trim().to_ascii_lowercase());
            Allowed::Only(lower.collect())
        };
        let exposed: Vec<&str> = rule
            .exposed_headers
            .iter()
            .map(HeaderName::as_str)
            .collect();
        Some(Self {
            origins,
            headers,
            // Header names joined by commas are always a legal value.
            expose: (!exposed.is_empty())
                .then(|| HeaderValue::from_str(&exposed.join(", ")).ok())
                .flatten(),
            max_age: (rule.max_age != 0).then(|| HeaderValue::from(rule.max_age.max(0))),
        })
    }

    /// Whether the browser asks if it may send, rather than sending.
    pub(super) fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
        method == Method::OPTIONS && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Adds the answer to a preflight. What is not allowed is left out, and the browser refuses.
    pub(super) fn preflight(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(VARY, PREFLIGHT_VARY);
        let Some(origin) = self.allowed_origin(request) else {
            return;
        };
        let Some(method) = request.get(ACCESS_CONTROL_REQUEST_METHOD) else {
            return;
        };
        let methods: [&[u8]; 4] = [b"GET", b"POST", b"HEAD", b"OPTIONS"];
        if !methods.contains(&method.as_bytes()) {
            return;
        }
        let headers = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
        if headers.is_some_and(|names| !self.allows_headers(names.as_bytes())) {
            return;
        }
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if let Some(names) = headers.filter(|names| !names.is_empty()) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        answer.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        if let Some(max_age) = &self.max_age {
            answer.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
    }

    /// Adds what an answer to a real request needs so that the page may read it.
    pub(super) fn actual(&self, method: &Method, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed_origin(request) else {
            return;
        };
        if ![Method::GET, Method::POST, Method::HEAD, Method::OPTIONS].contains(method) {
            return;
        }
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if let Some(expose) = &self.expose {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        answer.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }

    /// The value for `access-control-allow-origin`, if the request has an origin that may.
    fn allowed_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN).filter(|origin| !origin.is_empty())?;
        match &self.origins {
            Allowed::Any => Some(HeaderValue::from_static("*")),
            Allowed::Only(patterns) => {
                let lower = origin.as_bytes().to_ascii_lowercase();
                patterns
                    .iter()
                    .any(|pattern| pattern.matches(&lower))
                    .then(|| origin.clone())
            }
        }
    }

    fn allows_headers(&self, names: &[u8]) -> bool {
        let Allowed::Only(allowed) = &self.headers else {
            return true;
        };
        names
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
            .all(|name| {
                name.is_empty()
                    || allowed
                        .iter()
                        .any(|a| name.eq_ignore_ascii_case(a.as_bytes()))
            })
    }
}

impl Pattern {
    fn new(origin: &str) -> Self {
        let origin = origin.to_ascii_lowercase();
        match origin.split_once('*') {
            Some((start, end)) => Self {
                start: start.into(),
                end: Some(end.into()),
            },
            None => Self {
                start: origin,
                end: None,
            },
        }
    }

    fn matches(&self, origin: &[u8]) -> bool {
        let Some(end) = &self.end else {
            return origin == self.start.as_bytes();
        };
        origin.len() >= self.start.len() + end.len()
            && origin.starts_with(self.start.as_bytes())
            && origin.ends_with(end.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], headers: &[&str]) -> CorsRule {
        CorsRule {
            allowed_origins: origins.iter().map(ToString::to_string).collect(),
            allowed_headers: headers.iter().map(ToString::to_string).collect(),
            ..CorsRule::default()
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn preflight(rule: &CorsRule, pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut answer = HeaderMap::new();
        Cors::new(rule)
            .unwrap()
            .preflight(&headers(pairs), &mut answer);
        answer
    }

    const VARY_ALL: (&str, &str) = (
        "vary",
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    );

    #[test]
    fn an_allowed_preflight_is_granted_what_it_asks() {
        let rule = CorsRule {
            max_age: 600,
            ..rule(&["https://*.example.com"], &["X-Tenant"])
        };
        let answer = preflight(
            &rule,
            &[
                ("origin", "https://App.example.com"),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "x-tenant"),
            ],
        );
        let expected = [
            VARY_ALL,
            ("access-control-allow-origin", "https://App.example.com"),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "x-tenant"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "600"),
        ];
        assert_eq!(answer, headers(&expected));
    }

    #[test]
    fn a_preflight_for_what_is_not_allowed_gets_vary_alone() {
        let rule = rule(&["https://a.example", "https://*.b.example"], &[]);
        let post = ("access-control-request-method", "POST");
        let good = ("origin", "https://a.example");
        for pairs in [
            &[post][..],
            &[("origin", "https://evil.example"), post],
            &[("origin", "https://a.example.evil.example"), post],
            &[("origin", "https://.b.exampl"), post],
            &[good, ("access-control-request-method", "DELETE")],
            &[
                good,
                post,
                ("access-control-request-headers", "content-type,x-tenant"),
            ],
        ] {
            assert_eq!(preflight(&rule, pairs), headers(&[VARY_ALL]), "{pairs:?}");
        }
        assert_eq!(preflight(&rule, &[good, post]).len(), 4);
    }

    #[test]
    fn any_origin_is_written_as_a_star() {
        let mut answer = HeaderMap::new();
        let rule = CorsRule {
            exposed_headers: vec![
                HeaderName::from_static("x-a"),
                HeaderName::from_static("x-b"),
            ],
            ..rule(&["*"], &[])
        };
        let request = headers(&[("origin", "null")]);
        Cors::new(&rule)
            .unwrap()
            .actual(&Method::POST, &request, &mut answer);
        let expected = [
            ("vary", "Origin"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "x-a, x-b"),
            ("access-control-allow-credentials", "true"),
        ];
        assert_eq!(answer, headers(&expected));
    }

    #[test]
    fn answers_to_others_vary_but_grant_nothing() {
        let cors = Cors::new(&rule(&["https://a.example"], &[])).unwrap();
        for pairs in [&[][..], &[("origin", "https://b.example")]] {
            let mut answer = HeaderMap::new();
            cors.actual(&Method::POST, &headers(pairs), &mut answer);
            assert_eq!(answer, headers(&[("vary", "Origin")]));
        }
    }

    #[test]
    fn without_origins_there_is_no_cors() {
        assert!(Cors::new(&rule(&[], &["*"])).is_none());
    }
}
