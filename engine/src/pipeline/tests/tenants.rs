//! Quotas of tenants, what who is over one hears, and that nobody else does.

use super::world::{World, code, lane, never, ok};
use crate::batch::Sizer;
use crate::classify::{QuotaRule, TenantSettings, TenantSource};
use crate::config::Overflow;
use crate::egress::lane::{LaneSettings, QueueLimit};
use crate::exchange::Reply;
use crate::flow::fair::FairRule;
use crate::flow::{Rate, RateRule};
use crate::telemetry::{Quota, TenantCounters};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use std::time::Duration;
use tailrace_codec::grpc::Code;

fn fair() -> LaneSettings {
    LaneSettings {
        slots: 1,
        fair: Some(FairRule::default()),
        ..lane()
    }
}

/// So many items a second, and a burst of as many.
fn items(per_second: f64) -> QuotaRule {
    QuotaRule {
        rate: RateRule {
            items: Some(Rate {
                per_second,
                burst: Duration::from_secs(1),
            }),
            ..RateRule::default()
        },
        ..QuotaRule::default()
    }
}

fn counted(world: &World, tenant: &str) -> TenantCounters {
    let tenants = world.pipeline.counters(world.now).tenants;
    tenants.get(tenant).copied().unwrap_or_default()
}

#[test]
fn who_is_over_its_quota_is_refused_and_told_when_and_nobody_else_is() {
    let mut world = World::with_tenants(vec![fair()], items(2.0), Vec::new());
    for (tenant, names, expected) in [
        ("a", ["1", "2"], Code::Ok),
        ("a", ["3", "4"], Code::Unavailable),
        ("b", ["5", "6"], Code::Ok),
    ] {
        let (_, reply) = world.tenant_request(tenant, &names);
        assert_eq!(code(reply.as_ref()), Some(expected), "{tenant}");
        if expected == Code::Unavailable {
            let Some(Reply::Grpc(reply)) = reply else {
                panic!("an answer over gRPC");
            };
            assert_eq!(reply.message, "items_per_second of tenant \"a\" is spent");
            assert!(!reply.details.is_empty(), "it says when to come again");
        }
    }
    let a = counted(&world, "a");
    assert_eq!((a.accepted_items, a.refused_requests), (2, [0, 1, 0, 0]));
    world.pass(Duration::from_secs(1));
    let (_, reply) = world.tenant_request("a", &["7"]);
    assert_eq!(code(reply.as_ref()), Some(Code::Ok), "it has been paid for");
}

#[test]
fn a_tenant_with_a_name_has_its_own_quota() {
    let named = vec![("big".into(), items(100.0))];
    let mut world = World::with_tenants(vec![fair()], items(1.0), named);
    for _ in 0..20 {
        let (_, reply) = world.tenant_request("big", &["1"]);
        assert_eq!(code(reply.as_ref()), Some(Code::Ok));
    }
}

#[test]
fn no_tenant_fills_more_of_a_queue_than_its_share() {
    let quarter = QuotaRule {
        queue_share: 0.25,
        ..QuotaRule::default()
    };
    let queue = LaneSettings {
        queue: QueueLimit {
            sizer: Sizer::Requests,
            max: 8,
            bytes_max: u64::MAX,
            overflow: Overflow::Reject,
        },
        ..fair()
    };
    let mut world = World::with_tenants(vec![queue], quarter, Vec::new());
    world.script = never();
    let mut accepted = |tenant: &str| {
        let replies = (0..5).map(|_| world.tenant_request(tenant, &["1"]).1);
        replies
            .filter(|reply| code(reply.as_ref()) == Some(Code::Ok))
            .count()
    };
    assert_eq!([accepted("a"), accepted("b")], [2, 2]);
    let refused = counted(&world, "a").refused_requests;
    assert_eq!(refused[Quota::QueueShare as usize], 3);
}

/// Of a tenant that has a little left not any number may wait; what is turned away costs nothing.
#[test]
fn who_waits_for_room_has_spent_its_quota_until_it_is_turned_away() {
    let queue = LaneSettings {
        queue: QueueLimit {
            sizer: Sizer::Requests,
            max: 2,
            bytes_max: u64::MAX,
            overflow: Overflow::Block,
        },
        ..fair()
    };
    let mut world = World::with_tenants(vec![queue], items(3.0), Vec::new());
    world.script = never();
    for name in ["1", "2"] {
        assert!(
            world.tenant_request("b", &[name]).1.is_some(),
            "there is room"
        );
        world.turn();
    }
    let (waiting, reply) = world.tenant_request("a", &["3", "4", "5"]);
    assert!(reply.is_none(), "it waits");
    let (_, reply) = world.tenant_request("a", &["6"]);
    assert_eq!(code(reply.as_ref()), Some(Code::Unavailable));
    assert_eq!(counted(&world, "a").accepted_items, 0);

    world.pipeline.handle_abandoned(waiting.expect("it waits"));
    let (_, reply) = world.tenant_request("a", &["7"]);
    assert!(reply.is_none(), "it waits in its place");
    world.answer(ok());
    world.turn();
    assert_eq!(counted(&world, "a").accepted_items, 1);
}

#[test]
fn what_is_refused_is_asked_for_of_the_tenant_and_of_all_together() {
    let tenants = TenantSettings {
        source: Some(TenantSource::Metadata("x-tenant".into())),
        all: items(2.0).rate,
        default: items(2.0),
        tenants_max: 10,
        share: 1.0,
        ..TenantSettings::default()
    };
    let mut world = World::with_classifier(vec![fair()], tenants);
    assert!(world.tenant_request("a", &["1", "2"]).1.is_some());
    let asked = |world: &mut World| {
        let asked = world.pipeline.asked_of_tenants().into_iter();
        asked
            .map(|(name, asked)| (name.map_or(String::new(), |name| name.to_string()), asked))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    asked(&mut world);
    let (_, reply) = world.tenant_request("a", &["3", "4"]);
    assert_eq!(code(reply.as_ref()), Some(Code::Unavailable));
    let asked = asked(&mut world);
    assert!(asked[""] > 0.0 && asked["a"] > 0.0, "{asked:?}");
}

#[test]
fn tenants_take_turns_and_never_share_a_batch() {
    let batched = LaneSettings {
        batching: Some(crate::batch::Batching {
            min: 2,
            max: 2,
            sizer: Sizer::Items,
            flush_timeout: Duration::from_millis(100),
        }),
        ..fair()
    };
    let mut world = World::with_tenants(vec![batched], QuotaRule::default(), Vec::new());
    world.script = never();
    world.tenant_request("a", &["a", "a"]);
    world.turn();
    for _ in 0..50 {
        world.tenant_request("a", &["a", "a"]);
    }
    world.tenant_request("b", &["b"]);
    world.tenant_request("b", &["b"]);
    world.script = Box::new(|_, _| Some(ok()));
    world.answer(ok());
    for _ in 0..60 {
        world.turn();
    }
    let batches: Vec<_> = world.sent.iter().map(|(_, names)| names.join("")).collect();
    assert!(
        batches.iter().all(|batch| batch == "aa" || batch == "bb"),
        "{batches:?}"
    );
    assert_eq!(batches.len(), 52);
}

#[test]
fn tenants_beyond_the_most_are_one() {
    let mut world = World::with_tenants(vec![fair()], items(1.0), Vec::new());
    let mut accepted = 0;
    for tenant in 0..100 {
        let (_, reply) = world.tenant_request(&tenant.to_string(), &["1"]);
        accepted += usize::from(code(reply.as_ref()) == Some(Code::Ok));
    }
    // Ten that are told apart, and one of all the others.
    assert_eq!(accepted, 11);
    assert_eq!(counted(&world, "(others)").accepted_items, 1);
    // Once they have been quiet others take their places.
    world.pass(Duration::from_secs(700));
    world.tenant_request("0", &["1"]);
    world.pass(Duration::from_secs(2));
    let (_, reply) = world.tenant_request("new", &["1"]);
    assert_eq!(code(reply.as_ref()), Some(Code::Ok));
    assert_eq!(counted(&world, "new").accepted_items, 1);
}

/// A request of several tenants, one span for each name.
fn gateway(tenants: &[(&str, &[&str])]) -> Vec<u8> {
    let entry = |(tenant, names): &(&str, &[&str])| {
        let span = |name: &&str| Span {
            name: (*name).to_owned(),
            ..Span::default()
        };
        ResourceSpans {
            resource: Some(Resource {
                attributes: vec![KeyValue {
                    key: "tenant".into(),
                    value: Some(AnyValue {
                        value: Some(Value::StringValue((*tenant).into())),
                    }),
                    ..KeyValue::default()
                }],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: names.iter().map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }
    };
    let resource_spans = tenants.iter().map(entry).collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn by_resource(lanes: Vec<LaneSettings>, rule: QuotaRule) -> World {
    World::with_classifier(
        lanes,
        TenantSettings {
            source: Some(TenantSource::Resource("tenant".into())),
            default: rule,
            tenants_max: 10,
            share: 1.0,
            ..TenantSettings::default()
        },
    )
}

/// The items that a partial success says were rejected, and why.
fn partial(reply: Option<&Reply>) -> Option<(i64, String)> {
    let Some(Reply::Grpc(reply)) = reply else {
        panic!("an answer over gRPC: {reply:?}");
    };
    assert_eq!(reply.code, Code::Ok);
    let response = ExportTraceServiceResponse::decode(&reply.body[5..]).expect("a response");
    let partial = response.partial_success?;
    Some((partial.rejected_spans, partial.error_message))
}

#[test]
fn of_a_request_of_several_tenants_only_the_spent_ones_are_rejected() {
    let mut world = by_resource(vec![fair()], items(2.0));
    let (_, reply) = world.body(&gateway(&[("a", &["1", "2", "3"]), ("b", &["4"])]));
    assert_eq!(partial(reply.as_ref()), None, "both had something left");
    let mixed = gateway(&[("a", &["5", "6"]), ("b", &["7"])]);
    let (_, reply) = world.body(&mixed);
    let message = "items_per_second of tenant \"a\" is spent".to_owned();
    assert_eq!(partial(reply.as_ref()), Some((2, message)));
    for _ in 0..6 {
        world.turn();
    }
    let mut names = world.names(0);
    names.sort();
    assert_eq!(names, ["1", "2", "3", "4", "7"]);
    let a = counted(&world, "a");
    assert_eq!((a.accepted_items, a.rejected_items), (3, [0, 2, 0, 0]));
    let receiver = &world.pipeline.counters(world.now).receivers[0];
    assert_eq!((receiver.accepted[0], receiver.refused[0]), (5, 2));
    // Where nobody of it has anything left the sender may keep it all.
    let (_, reply) = world.body(&gateway(&[("a", &["8"]), ("c", &["9", "10"])]));
    assert_eq!(
        partial(reply.as_ref()).map(|(items, _)| items),
        Some(1),
        "c had all of its own left"
    );
    let (_, reply) = world.body(&mixed);
    assert_eq!(code(reply.as_ref()), Some(Code::Unavailable));
}

#[test]
fn a_sender_that_waits_hears_of_what_was_rejected_as_well() {
    let waits = LaneSettings {
        waits: true,
        ..fair()
    };
    let mut world = by_resource(vec![waits], items(1.0));
    world.body(&gateway(&[("a", &["1"])]));
    world.turn();
    assert!(
        world
            .body(&gateway(&[("a", &["2"]), ("b", &["3"])]))
            .1
            .is_none()
    );
    for _ in 0..4 {
        world.turn();
    }
    let (_, reply) = world.replies.last().expect("it was delivered");
    assert_eq!(partial(Some(reply)).map(|(items, _)| items), Some(1));
}
