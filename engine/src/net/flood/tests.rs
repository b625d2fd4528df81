use super::*;
use proptest::prelude::*;
use std::time::Duration;

const START: Instant = Instant(7);

fn frame(kind: Kind, len: u32) -> FrameHead {
    FrameHead {
        kind,
        flags: 0,
        len,
    }
}

fn spend(meter: &mut FloodMeter, kind: Kind, frames: usize) -> Result<(), Flood> {
    (0..frames).try_for_each(|_| meter.handle_frame(&frame(kind, 0)))
}

/// Control frames of each class with nothing else are let through up to the burst, no further.
#[test]
fn each_class_has_an_end() {
    let kinds = [
        (Kind::Ping, Class::Ping),
        (Kind::Settings, Class::Settings),
        (Kind::Priority, Class::Priority),
        (Kind::WindowUpdate, Class::WindowUpdate),
        (Kind::RstStream, Class::RstStream),
        (Kind::Continuation, Class::Continuation),
        (Kind::Data, Class::EmptyData),
        (Kind::GoAway, Class::Other),
        (Kind::PushPromise, Class::Other),
        (Kind::Unknown, Class::Other),
    ];
    for (kind, class) in kinds {
        let burst = class.allowance().burst as usize;
        let mut meter = FloodMeter::new(Peer::Client, START);
        assert_eq!(spend(&mut meter, kind, burst), Ok(()), "{kind:?}");
        assert_eq!(spend(&mut meter, kind, 1), Err(Flood { class }));
        // Another class has its own allowance, and time gives this one back.
        let other = if class == Class::Ping {
            Kind::Settings
        } else {
            Kind::Ping
        };
        assert_eq!(spend(&mut meter, other, 10), Ok(()));
        meter.handle_time(START + Duration::from_secs(1));
        let second = class.allowance().per_second as usize;
        assert_eq!(spend(&mut meter, kind, second), Ok(()));
        assert_eq!(spend(&mut meter, kind, 1), Err(Flood { class }));
    }
}

/// A hundred thousand requests in no time at all, with the frames that gRPC clients send along.
#[test]
fn a_busy_sender_is_not_a_flood() {
    let mut meter = FloodMeter::new(Peer::Client, START);
    for _ in 0..100_000 {
        meter.handle_frame(&frame(Kind::Headers, 20)).unwrap();
        meter.handle_frame(&frame(Kind::Data, 3_700)).unwrap();
        meter.handle_sent(60);
        spend(&mut meter, Kind::WindowUpdate, 3).unwrap();
        spend(&mut meter, Kind::Ping, 1).unwrap();
    }
}

/// A server that receives an upload of a gigabyte, with an update of both windows for each frame
/// of 16 KiB and a bandwidth probe for every fourth.
#[test]
fn a_server_that_receives_much_is_not_a_flood() {
    let mut meter = FloodMeter::new(Peer::Server, START);
    for n in 0..(1 << 30) / (16 << 10) {
        meter.handle_sent((16 << 10) + 9);
        spend(&mut meter, Kind::WindowUpdate, 2).unwrap();
        spend(&mut meter, Kind::Ping, usize::from(n % 4 == 0)).unwrap();
    }
}

#[test]
fn a_server_may_reset_what_it_refuses_but_a_client_not_what_it_opens() {
    for (peer, passes) in [(Peer::Server, true), (Peer::Client, false)] {
        let mut meter = FloodMeter::new(peer, START);
        let mut reset = || {
            meter.handle_frame(&frame(Kind::Headers, 20))?;
            spend(&mut meter, Kind::RstStream, 1)
        };
        assert_eq!((0..100_000).try_for_each(|_| reset()).is_ok(), passes);
    }
}

#[test]
fn the_end_of_a_stream_may_be_an_empty_frame() {
    let mut meter = FloodMeter::new(Peer::Client, START);
    let last = FrameHead {
        flags: END_STREAM,
        ..frame(Kind::Data, 0)
    };
    assert!((0..100_000).all(|_| meter.handle_frame(&last).is_ok()));
}

proptest! {
    /// Nothing saves up more than the burst, whatever came before.
    #[test]
    fn a_pause_earns_no_more_than_the_burst(
        steps in prop::collection::vec((0..5_u8, 0..u64::MAX / 4), 0..50),
    ) {
        let mut meter = FloodMeter::new(Peer::Client, START);
        let mut now = START;
        for (step, amount) in steps {
            match step {
                0 => now = Instant(now.0.saturating_add(amount)),
                1 => meter.handle_frame(&frame(Kind::Headers, 1)).unwrap_or_default(),
                2 => meter.handle_frame(&frame(Kind::Data, amount as u32 & 0xff_ffff)).unwrap_or_default(),
                3 => meter.handle_frame(&frame(Kind::Ping, 8)).unwrap_or_default(),
                _ => meter.handle_sent(amount as usize & 0xff_ffff),
            }
            meter.handle_time(now);
        }
        let burst = Class::Ping.allowance().burst as usize;
        prop_assert!(spend(&mut meter, Kind::Ping, burst + 1).is_err());
    }
}
