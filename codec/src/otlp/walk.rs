//! The way through a request: which messages hold the items, and what else they hold.
//!
//! A request is a tree of at most five levels above its items; each message on the way has its
//! own fields (a resource, a scope, a name, unknown ones) and children. [`walk`] shows each item
//! with the messages around it. What the tree means is [`super::fields`]'s affair.

use super::Signal;
use super::fields::{
    DATA_POINTS, ENTRY_RESOURCE, ENTRY_SCOPES, LOG_ATTRIBUTES, METRIC_DATA, REQUEST_RESOURCES,
    SCOPE_ENTRY_ITEMS, SCOPE_ENTRY_SCOPE, SPAN_ATTRIBUTES, point_attributes,
};
use super::runs::{Gathering, Runs};
use super::scan::{metric_points, profile_samples};
use crate::Rope;
use crate::field::{Field, Fields, Malformed, WireType, read_tag};
use crate::rope::Cursor;
use bytes::Bytes;
use std::ops::{ControlFlow, Range};

/// How far in a message lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Request,
    Resource,
    Scope,
    Metric,
    Data,
}

/// More levels there are not.
pub const LEVELS_MAX: usize = 5;

impl Level {
    /// Whether a field of a message at this level is one of its children.
    pub fn is_child(self, number: u32) -> bool {
        match self.only_child() {
            Some(child) => number == child,
            None => METRIC_DATA.contains(&number),
        }
    }

    /// The number of the children, where they all have the same.
    const fn only_child(self) -> Option<u32> {
        match self {
            Self::Request => Some(REQUEST_RESOURCES),
            Self::Resource => Some(ENTRY_SCOPES),
            Self::Scope => Some(SCOPE_ENTRY_ITEMS),
            Self::Metric => None,
            Self::Data => Some(DATA_POINTS),
        }
    }

    /// The level of the children, or `None` where they are units.
    const fn inner(self, signal: Signal) -> Option<Self> {
        match (self, signal) {
            (Self::Request, _) => Some(Self::Resource),
            (Self::Resource, _) => Some(Self::Scope),
            (Self::Scope, Signal::Metrics) => Some(Self::Metric),
            (Self::Metric, _) => Some(Self::Data),
            (Self::Scope | Self::Data, _) => None,
        }
    }

    /// The field that says what a message of this level is about.
    const fn subject(self) -> Option<u32> {
        match self {
            Self::Resource => Some(ENTRY_RESOURCE),
            Self::Scope => Some(SCOPE_ENTRY_SCOPE),
            Self::Request | Self::Metric | Self::Data => None,
        }
    }
}

/// A message around items. Ranges are of the whole request.
#[derive(Debug)]
pub struct Container<'a> {
    pub level: Level,
    pub number: u32,
    pub whole: Range<usize>,
    /// Where its length stands; `whole.start..length_at` is its tag.
    pub length_at: usize,
    pub payload: Cursor<'a>,
    /// Its own fields before the first child: always one run.
    pub head: Range<usize>,
    /// Its own fields after the first child.
    pub tail: Runs,
    /// Its children, at least one.
    pub children: usize,
    /// The content of its resource or scope; of several, one after the other, which is how
    /// protobuf merges them.
    pub subject: Rope,
}

/// What is never cut: a span, a log record, a data point, a profile, or a message without items.
#[derive(Debug, Clone)]
pub struct Unit<'a> {
    pub whole: Range<usize>,
    pub payload: Cursor<'a>,
    /// How many items it counts for: a profile for its samples, an empty message for none.
    pub items: u64,
    pub kind: UnitKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// A span, a log record or a data point, with its attributes in this field.
    Item { attributes: u32 },
    /// A profile: its attributes are indices into the dictionary.
    Profile,
    /// A metric without data, or with more than one, which only the last of is meant.
    Metric,
    /// A resource or scope entry without children.
    Empty,
}

/// What is done with a unit: go on, stop, or fail.
pub type Step = Result<ControlFlow<()>, Malformed>;

/// Shows each unit in order, with the messages around it: the request first.
///
/// Errors: [`Malformed`] with its offset, in the framing down to the units.
/// Cost: two passes over the tags of each message on the way, one over those of a profile.
pub fn walk<'a>(
    signal: Signal,
    request: &'a Rope,
    visit: impl FnMut(&[Container<'a>], &Unit<'a>) -> Step,
) -> Result<(), Malformed> {
    let request = request.cursor();
    let bare = Container {
        level: Level::Request,
        number: 0,
        whole: 0..request.end(),
        length_at: 0,
        payload: request,
        head: 0..0,
        tail: Runs::default(),
        children: 0,
        subject: Rope::new(),
    };
    let container = bare.read()?;
    if container.children == 0 {
        return Ok(());
    }
    let mut walk = Walk {
        signal,
        path: Vec::with_capacity(LEVELS_MAX),
        visit,
    };
    // Whether the visitor stopped it or the end was reached is the visitor's to know.
    walk.inside(container).map(drop)
}

struct Walk<'a, V> {
    signal: Signal,
    path: Vec<Container<'a>>,
    visit: V,
}

impl<'a, V: FnMut(&[Container<'a>], &Unit<'a>) -> Step> Walk<'a, V> {
    /// Visits what a container holds. Calls itself once a level, so at most [`LEVELS_MAX`] deep.
    fn inside(&mut self, container: Container<'a>) -> Step {
        let (level, number, payload) = (container.level, container.number, container.payload);
        self.path.push(container);
        for field in Fields::new(payload) {
            let field = field?;
            if !level.is_child(field.number) {
                continue;
            }
            let step = match level.inner(self.signal) {
                None => self.unit(level, number, &field)?,
                Some(inner) => self.message(inner, &field)?,
            };
            if step.is_break() {
                return Ok(step);
            }
        }
        self.path.pop();
        Ok(ControlFlow::Continue(()))
    }

    /// A message that is a container, or a unit where it holds nothing to cut at.
    fn message(&mut self, level: Level, field: &Field<'a>) -> Step {
        let container = Container::of(level, field)?;
        let is_metric = level == Level::Metric;
        let cut_here = match level {
            // The data of a metric is a oneof: cut inside it only where there is one.
            Level::Metric => container.children == 1,
            _ => container.children > 0,
        };
        if cut_here {
            return self.inside(container);
        }
        let (kind, items) = if is_metric {
            (UnitKind::Metric, metric_points(field.payload())?)
        } else {
            (UnitKind::Empty, 0)
        };
        self.show(field, kind, items)
    }

    fn unit(&mut self, level: Level, data: u32, field: &Field<'a>) -> Step {
        field.content()?;
        let attributes = match (level, self.signal) {
            (_, Signal::Profiles) => {
                let samples = profile_samples(field.payload())?;
                return self.show(field, UnitKind::Profile, samples);
            }
            (Level::Data, _) => point_attributes(data),
            (_, Signal::Traces) => SPAN_ATTRIBUTES,
            (_, Signal::Logs | Signal::Metrics) => LOG_ATTRIBUTES,
        };
        self.show(field, UnitKind::Item { attributes }, 1)
    }

    fn show(&mut self, field: &Field<'a>, kind: UnitKind, items: u64) -> Step {
        let unit = Unit {
            whole: field.whole.offset()..field.whole.end(),
            payload: field.payload(),
            items,
            kind,
        };
        (self.visit)(&self.path, &unit)
    }
}

impl<'a> Container<'a> {
    /// The message that a field holds, its own fields told from its children.
    fn of(level: Level, field: &Field<'a>) -> Result<Self, Malformed> {
        let payload = field.content()?;
        let mut prefix = field.whole;
        read_tag(&mut prefix)?;
        let bare = Self {
            level,
            number: field.number,
            whole: field.whole.offset()..field.whole.end(),
            length_at: prefix.offset(),
            payload,
            head: payload.offset()..payload.offset(),
            tail: Runs::default(),
            children: 0,
            subject: Rope::new(),
        };
        bare.read()
    }

    /// Reads the fields of `payload`, of which nothing is known yet.
    fn read(mut self) -> Result<Self, Malformed> {
        let mut more_subject = Vec::new();
        let mut tail = Gathering::default();
        let mut fields = Fields::new(self.payload);
        loop {
            if let Some(number) = self.level.only_child() {
                self.children += fields.skip_run(number);
            }
            let Some(field) = fields.next() else {
                break;
            };
            let field = field?;
            if self.level.is_child(field.number) {
                field.content()?;
                self.children += 1;
                continue;
            }
            if self.level.subject() == Some(field.number) && field.wire_type == WireType::Len {
                if self.subject.is_empty() {
                    field.payload().append_to(&mut self.subject);
                } else {
                    // COPY: a second resource or scope in one entry, which no known sender writes.
                    field.payload().copy_to(&mut more_subject);
                }
            }
            if self.children == 0 {
                self.head.end = field.whole.end();
            } else {
                tail.push(field.whole);
            }
        }
        self.subject.push(Bytes::from(more_subject));
        self.tail = tail.finish();
        Ok(self)
    }
}
