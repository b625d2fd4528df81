//! Holds one ledger against the other.

use super::pages::{Mark, Pages};
use super::{Entry, ReadError, Reader, Record, Side, Totals};
use std::fmt;
use std::io::Read;

/// Numbers of lost items that are told, so that they can be looked for in logs.
const EXAMPLES_MAX: usize = 10;

/// Why two ledgers cannot be compared.
#[derive(Debug)]
pub enum CheckError {
    Sent(ReadError),
    Received(ReadError),
    /// A file is of the other side.
    Swapped {
        expected: Side,
    },
    /// The sent ledger holds items of two runs, or a run was not named.
    Runs(usize),
    /// What was received is of other runs.
    Mismatched {
        sent: u64,
        received: u64,
    },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(error) => write!(f, "the sent ledger: {error}"),
            Self::Received(error) => write!(f, "the received ledger: {error}"),
            Self::Swapped { expected } => write!(
                f,
                "the {expected} ledger is the other one: the order is sent, received"
            ),
            Self::Runs(runs) => write!(f, "the sent ledger is of {runs} runs, and not of one"),
            Self::Mismatched { sent, received } => write!(
                f,
                "the ledgers are of different runs: sent {sent:016x}, received {received:016x}"
            ),
        }
    }
}

impl std::error::Error for CheckError {}

/// Why a run that lost nothing shows little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    TooFewItems {
        acknowledged: u64,
        min: u64,
    },
    NoFault,
    /// A file was cut off; what follows the cut is not known.
    Unfinished(Side),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewItems { acknowledged, min } => {
                write!(
                    f,
                    "{acknowledged} items were acknowledged, fewer than {min}"
                )
            }
            Self::NoFault => f.write_str("no fault fired: nothing had to be sent twice"),
            Self::Unfinished(side) => write!(f, "the {side} ledger was cut off"),
        }
    }
}

/// What became of the items of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    pub run: u64,
    /// Distinct items that were acknowledged.
    pub acknowledged: u64,
    /// Of those, the ones that arrived.
    pub delivered: u64,
    /// Acknowledged, and never arrived.
    pub lost: u64,
    /// Arrivals of an item beyond its first.
    pub duplicate: u64,
    /// Distinct items that arrived and were not acknowledged: their answer was lost, or they are
    /// nobody's.
    pub ghost: u64,
    /// Distinct items that arrived altered, at least once.
    pub corrupt: u64,
    /// Arrivals of other runs, and of items that carry no number.
    pub foreign: u64,
    /// By both sides: refusals, lost connections, misbehaviours.
    pub faults: u64,
    /// The smallest numbers of lost items.
    pub lost_examples: Vec<u64>,
    pub doubts: Vec<Doubt>,
}

impl Finding {
    /// Whether all that was acknowledged arrived, whole.
    pub const fn holds(&self) -> bool {
        self.lost == 0 && self.corrupt == 0
    }
}

/// Compares what was sent with what arrived.
///
/// A file that was cut off is an error, unless `unfinished`: its whole blocks count then. With
/// fewer than `items_min` acknowledged items the finding is doubted.
/// Cost: one pass over each file, and 5 bytes of memory for an item.
pub fn check(
    sent: impl Read,
    received: impl Read,
    items_min: u64,
    unfinished: bool,
) -> Result<Finding, CheckError> {
    let mut tally = Tally::default();
    let sent = open(sent, Side::Sent, CheckError::Sent)?;
    let received = open(received, Side::Received, CheckError::Received)?;
    let mut runs = Vec::new();
    let sent = sent.read(|record| match record {
        Record::Run(run) if !runs.contains(&run) => runs.push(run),
        Record::Run(_) => {}
        Record::Entry(entry) => tally.sent(entry),
    });
    let sent = tally
        .end(sent, Side::Sent, unfinished)
        .map_err(CheckError::Sent)?;
    let run = match runs[..] {
        [run] => run,
        _ => return Err(CheckError::Runs(runs.len())),
    };
    let (mut current, mut other) = (None, None);
    let mut of_run = false;
    let received = received.read(|record| match record {
        Record::Run(named) => {
            current = Some(named);
            of_run |= named == run;
            other = other.or((named != run).then_some(named));
        }
        Record::Entry(entry) if current == Some(run) => tally.received(entry),
        Record::Entry(_) => tally.finding.foreign += 1,
    });
    let received = tally
        .end(received, Side::Received, unfinished)
        .map_err(CheckError::Received)?;
    if let (false, Some(other)) = (of_run, other) {
        return Err(CheckError::Mismatched {
            sent: run,
            received: other,
        });
    }
    tally.finding.run = run;
    tally.finding.faults = sent.faults + received.faults;
    tally.finding.foreign += received.foreign;
    Ok(tally.finish(items_min))
}

/// Opens a ledger that should be of `side`.
fn open<R: Read>(
    input: R,
    side: Side,
    wrap: fn(ReadError) -> CheckError,
) -> Result<Reader<R>, CheckError> {
    let reader = Reader::new(input).map_err(wrap)?;
    match reader.side() == side {
        true => Ok(reader),
        false => Err(CheckError::Swapped { expected: side }),
    }
}

#[derive(Debug, Default)]
struct Tally {
    pages: Pages,
    finding: Finding,
}

impl Tally {
    fn sent(&mut self, entry: Entry) {
        let (check, mark) = self.pages.slot(entry.id);
        *check = entry.check;
        mark.add(Mark::SENT);
    }

    fn received(&mut self, entry: Entry) {
        let (check, mark) = self.pages.slot(entry.id);
        self.finding.duplicate += u64::from(mark.has(Mark::RECEIVED));
        if entry.damaged || (mark.has(Mark::SENT) && *check != entry.check) {
            mark.add(Mark::CORRUPT);
        }
        mark.add(Mark::RECEIVED);
    }

    fn end(
        &mut self,
        totals: Result<Totals, ReadError>,
        side: Side,
        unfinished: bool,
    ) -> Result<Totals, ReadError> {
        match totals {
            Err(ReadError::CutOff { .. }) if unfinished => {
                self.finding.doubts.push(Doubt::Unfinished(side));
                Ok(Totals::default())
            }
            totals => totals,
        }
    }

    fn finish(self, items_min: u64) -> Finding {
        let mut finding = self.finding;
        let mut lost = Vec::new();
        for (id, mark) in self.pages.each() {
            let (sent, received) = (mark.has(Mark::SENT), mark.has(Mark::RECEIVED));
            finding.acknowledged += u64::from(sent);
            finding.delivered += u64::from(sent && received);
            finding.ghost += u64::from(!sent && received);
            finding.corrupt += u64::from(mark.has(Mark::CORRUPT));
            if sent && !received {
                finding.lost += 1;
                note_smallest(&mut lost, id);
            }
        }
        finding.lost_examples = lost;
        if finding.acknowledged < items_min {
            finding.doubts.push(Doubt::TooFewItems {
                acknowledged: finding.acknowledged,
                min: items_min,
            });
        }
        if finding.faults == 0 {
            finding.doubts.push(Doubt::NoFault);
        }
        finding
    }
}

/// Keeps the smallest numbers, in order.
fn note_smallest(numbers: &mut Vec<u64>, id: u64) {
    let at = numbers.partition_point(|number| *number < id);
    if at < EXAMPLES_MAX {
        numbers.insert(at, id);
        numbers.truncate(EXAMPLES_MAX);
    }
}
