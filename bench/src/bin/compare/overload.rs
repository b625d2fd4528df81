//! More than the backend takes: what becomes of a device's memory, and of who is turned away.

use super::describe::Case;
use super::options::{Contender, Options};
use super::run::{Lab, Rig};
use serde::Serialize;
use std::io;
use tailrace_bench::load::{Protocol, ReplyCode};
use tailrace_bench::sink::script::Script;
use tailrace_codec::compress::Encoding;

/// What the backend takes, in spans a second: so little that every device and the load reach ten
/// times as much.
const CAPACITY: usize = 20_000;

/// Offered, as multiples of that.
const FACTORS: [usize; 3] = [1, 4, 10];

/// How much longer than another run it is: in 6 s ten times the capacity fill the limit six times.
const LONGER: u32 = 3;

const LIMIT_MIB: u32 = 64;

/// Batched, so that requests are taken before the backend has answered.
const CASE: Case = Case {
    protocol: Protocol::Grpc,
    compression: Encoding::Identity,
    spans: 100,
    batched: true,
    streams: 64,
    limit_mib: Some(LIMIT_MIB),
};

/// Every device under load that its backend does not take.
#[derive(Debug, Serialize)]
pub struct Overload {
    pub case: String,
    pub capacity_items_per_second: usize,
    pub seconds: f64,
    pub limit_bytes: u64,
    pub rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    pub device: String,
    pub failed: Option<String>,
    /// Whether the device was told the limit: not every one has such a setting.
    pub is_limited: bool,
    /// One for each multiple of the capacity.
    pub offered: Vec<Offered>,
}

/// What became of a load.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Offered {
    /// Of the backend's capacity.
    pub factor: usize,
    pub requests: u64,
    pub refused_requests: u64,
    /// Neither taken nor refused with a status.
    pub unanswered_requests: u64,
    /// Due, and not sent: the device left no stream free.
    pub unsent_requests: u64,
    pub peak_bytes: u64,
}

/// Runs every contender that takes the case.
pub fn overload(options: &Options, contenders: &[Contender]) -> Overload {
    let taking = contenders
        .iter()
        .filter(|contender| contender.description.takes(&CASE));
    Overload {
        case: CASE.to_string(),
        capacity_items_per_second: CAPACITY,
        seconds: (options.lab.duration * LONGER).as_secs_f64(),
        limit_bytes: u64::from(LIMIT_MIB) << 20,
        rows: taking
            .map(|contender| row(&options.lab, contender))
            .collect(),
    }
}

fn row(lab: &Lab, contender: &Contender) -> Row {
    let mut row = Row {
        device: contender.description.name.clone(),
        failed: None,
        is_limited: contender.description.can_be_limited(),
        offered: Vec::new(),
    };
    for factor in FACTORS {
        match offer(lab, contender, factor) {
            Ok(offered) => row.offered.push(offered),
            Err(error) => row.failed = Some(error.to_string()),
        }
    }
    eprintln!("overload: {} done", row.device);
    row
}

fn offer(lab: &Lab, contender: &Contender, factor: usize) -> io::Result<Offered> {
    let script = format!("phases: [{{items_per_second: {CAPACITY}}}]");
    let script = Script::read(&script, "overload");
    let script = script.map_err(|faults| io::Error::other(faults.to_string()))?;
    let device = (&contender.description, &contender.program);
    let mut rig = Rig::start(lab, CASE, Some(device), script)?;
    let rate = (factor * CAPACITY) as f64 / CASE.spans as f64;
    let lab = Lab {
        duration: lab.duration * LONGER,
        ..lab.clone()
    };
    let sent = rig.send(&lab, Some(rate))?;
    let requests = &sent.statistics.total.requests;
    let codes = sent.statistics.codes.iter();
    let unanswered = codes.filter(|(code, _)| matches!(code, ReplyCode::Failed(_)));
    Ok(Offered {
        factor,
        requests: requests.sent,
        refused_requests: requests.failed,
        unanswered_requests: unanswered.map(|(_, count)| count.answers).sum(),
        unsent_requests: requests.unsent,
        peak_bytes: rig.peak_bytes(),
    })
}
