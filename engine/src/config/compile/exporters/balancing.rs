//! Several endpoints instead of one.

use super::super::Exporter;
use crate::config::endpoint::{self, Wrong};
use crate::config::field::Reader;
use crate::config::raw::balancing::{LoadBalancing, OutlierDetection};
use crate::config::raw::exporters::{OtlpGrpcExporter, OtlpHttpExporter};
use crate::config::types::Endpoint;
use crate::config::{EndpointConfig, LoadBalancingConfig, OutlierConfig};
use tailrace_codec::Signal;

const ENDPOINTS_MAX: usize = 64;

/// Notes every rule that is broken. `one`: whether `endpoint` is given as well.
pub(super) fn check(
    ours: &LoadBalancing,
    one: bool,
    valid: impl Fn(&str) -> Result<(), Wrong>,
    reader: &mut Reader,
) {
    reader
        .path
        .extend(["tailrace".into(), "load_balancing".into()]);
    let levels = &ours.priority_levels;
    if one {
        reader.rule(
            "endpoints",
            "stand in place of `endpoint`: give one of the two",
        );
    }
    match (ours.endpoints.is_empty(), levels.is_empty()) {
        (true, true) => reader.rule("endpoints", "at least one endpoint must be specified"),
        (false, false) => reader.rule(
            "priority_levels",
            "stand in place of `endpoints`: give one of the two",
        ),
        _ => {}
    }
    if levels.iter().any(Vec::is_empty) {
        reader.rule("priority_levels", "a level must have an endpoint");
    }
    let all: Vec<_> = ours
        .endpoints
        .iter()
        .chain(levels.iter().flatten())
        .collect();
    if all.len() > ENDPOINTS_MAX {
        reader.rule("endpoints", "at most 64 endpoints");
    }
    let key = if levels.is_empty() {
        "endpoints"
    } else {
        "priority_levels"
    };
    for (index, endpoint) in all.iter().enumerate() {
        if let Err(wrong) = valid(&endpoint.0) {
            reader.rule(key, wrong);
        }
        if all[..index].contains(endpoint) {
            reader.rule(key, "an endpoint stands there twice");
        }
    }
    if (1..100).contains(&ours.hash_balance_factor) {
        let says = "must be 100 or more, or 0: the mean is what all have";
        reader.rule("hash_balance_factor", says);
    }
    if let Some(outlier) = &ours.outlier_detection.0 {
        reader.at("outlier_detection", |reader| check_outlier(outlier, reader));
    }
    reader.path.truncate(reader.path.len() - 2);
}

fn check_outlier(outlier: &OutlierDetection, reader: &mut Reader) {
    for (key, is_zero) in [
        ("consecutive_failures", outlier.consecutive_failures == 0),
        ("interval", outlier.interval.is_zero()),
        ("min_requests", outlier.min_requests == 0),
        ("base_ejection_time", outlier.base_ejection_time.is_zero()),
        ("max_ejection_time", outlier.max_ejection_time.is_zero()),
    ] {
        if is_zero {
            reader.rule(key, "must be positive");
        }
    }
    if !(outlier.failure_ratio > 0.0 && outlier.failure_ratio <= 1.0) {
        reader.rule("failure_ratio", "must be over 0 and at most 1");
    }
    if outlier.max_ejection_percent > 100 {
        reader.rule("max_ejection_percent", "must be at most 100");
    }
}

/// The first endpoint, for what is known of an exporter with one.
pub(super) fn first(ours: &LoadBalancing) -> Option<&Endpoint> {
    let levels = ours.priority_levels.iter().flatten();
    ours.endpoints.iter().chain(levels).next()
}

/// `None`: there is one endpoint alone, or what is wrong with them is noted already.
pub(super) fn config(exporter: &Exporter, signal: Signal) -> Option<LoadBalancingConfig> {
    type Read<'a> = &'a dyn Fn(&Endpoint) -> Option<EndpointConfig>;
    let (ours, read): (_, Read<'_>) = match exporter {
        Exporter::OtlpGrpc(exporter) => (&exporter.tailrace, &|endpoint| grpc(endpoint, exporter)),
        Exporter::OtlpHttp(exporter) => (&exporter.tailrace.connections, &move |endpoint| {
            http(endpoint, exporter, signal)
        }),
        Exporter::Debug(_) | Exporter::File(_) | Exporter::Nop(_) => return None,
    };
    let ours = ours.load_balancing.0.as_ref()?;
    let first = std::slice::from_ref(&ours.endpoints);
    let levels = if ours.priority_levels.is_empty() {
        first
    } else {
        &ours.priority_levels
    };
    let mut endpoints = Vec::new();
    for (level, listed) in levels.iter().enumerate() {
        for endpoint in listed {
            let endpoint = read(endpoint)?;
            endpoints.push(EndpointConfig { level, ..endpoint });
        }
    }
    Some(LoadBalancingConfig {
        endpoints,
        policy: ours.policy,
        hash_key: ours.hash_key,
        hash_balance: match ours.hash_balance_factor {
            0 => f64::INFINITY,
            percent => f64::from(percent) / 100.0,
        },
        outlier: ours.outlier_detection.0.as_ref().map(outlier),
        failback_after: ours.failback_after,
    })
}

fn outlier(ours: &OutlierDetection) -> OutlierConfig {
    OutlierConfig {
        consecutive_failures: ours.consecutive_failures,
        failure_ratio: ours.failure_ratio,
        interval: ours.interval,
        min_requests: ours.min_requests,
        base_ejection_time: ours.base_ejection_time,
        max_ejection_time: ours.max_ejection_time,
        max_ejection_ratio: f64::from(ours.max_ejection_percent) / 100.0,
    }
}

fn grpc(endpoint: &Endpoint, exporter: &OtlpGrpcExporter) -> Option<EndpointConfig> {
    let target = endpoint::grpc(&endpoint.0).ok()?;
    Some(EndpointConfig {
        name: endpoint.masked(),
        level: 0,
        target: target.target,
        authority: match exporter.authority.as_str() {
            "" => target.authority,
            authority => authority.to_owned(),
        },
        path: String::new(),
        query: None,
    })
}

fn http(
    endpoint: &Endpoint,
    exporter: &OtlpHttpExporter,
    signal: Signal,
) -> Option<EndpointConfig> {
    let url = super::url_of(&endpoint.0, signal);
    let target = endpoint::http(&url).ok()?;
    let mut headers = exporter.headers.0.iter();
    let host = headers.find(|(name, _)| name.eq_ignore_ascii_case("host"));
    Some(EndpointConfig {
        name: endpoint.masked(),
        level: 0,
        target: target.target,
        authority: host.map_or(target.authority, |(_, host)| host.reveal().to_owned()),
        path: target.path,
        query: target.query,
    })
}
