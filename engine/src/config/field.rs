//! Typed reading of the tree: every key of the file has a type, a default and a doc in one place.
//!
//! [`section!`] declares a part of the file as a struct. From that one declaration come the
//! reader (which notes every fault and goes on with the default), the list of valid keys, the
//! printed effective configuration and `docs/configuration.md`, so none of them can drift.

use super::Warning;
use super::fault::{Fault, FaultKind};
use super::nearest::nearest;
use super::node::{Entry, Node, Position, Value};
use super::printed::Printed;
use super::yaml;

/// One key of a section, as documentation and error messages know it.
#[derive(Debug, Clone)]
pub struct Key {
    pub name: &'static str,
    /// Effect, unit and cost, in sentences.
    pub doc: &'static str,
    /// As YAML. Empty: left out unless given.
    pub default: &'static str,
    pub effect: Effect,
    pub shape: Shape,
}

/// What giving a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Full,
    /// Accepted for the Collector's sake; a warning says why nothing follows from it.
    NoEffect(&'static str),
    /// Known and refused.
    Refused(&'static str),
}

/// What a value looks like.
#[derive(Debug, Clone)]
pub enum Shape {
    /// In the words of an error: "a duration such as 5s".
    Scalar(&'static str),
    Choice(&'static [&'static str]),
    List(Box<Shape>),
    Map(Box<Shape>),
    Section(Vec<Key>),
    /// Not looked into.
    Any,
}

/// A type that a value of the file can be read as.
pub(super) trait Field: Sized + Clone + PartialEq {
    fn shape() -> Shape;

    /// Reads a value that is not null. `None`: a fault was noted.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// The value for the effective configuration, secrets masked.
    fn print(&self) -> Printed;

    /// The value of a key that is not there. `None`: its default. A type that has one tells a
    /// key with null from no key, and reads the null.
    fn left_out() -> Option<Self> {
        None
    }
}

/// A map with a fixed set of keys.
pub(super) trait Section: Sized + Clone + PartialEq {
    fn keys() -> Vec<Key>;
    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Self;
    fn print_fields(&self, out: &mut Vec<(String, Printed)>);
}

/// Collects what is wrong while the tree is read.
#[derive(Default)]
pub(super) struct Reader {
    pub faults: Vec<Fault>,
    pub warnings: Vec<Warning>,
    pub path: Vec<String>,
}

/// The entries of one map, each taken once.
pub(super) struct Fields<'a> {
    entries: Vec<(&'a Entry, bool)>,
    at: &'a Position,
}

impl Reader {
    pub fn fault(&mut self, kind: FaultKind) {
        self.faults.push(Fault::new(&self.path, kind));
    }

    /// Does `work` one key deeper.
    pub fn at<R>(&mut self, key: &str, work: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(key.to_owned());
        let result = work(self);
        self.path.pop();
        result
    }

    pub fn rule(&mut self, key: &str, rule: &'static str) {
        self.at(key, |reader| reader.fault(FaultKind::Rule(rule)));
    }

    pub fn warn(&mut self, why: impl Into<String>) {
        self.warnings.push(Warning {
            path: self.path.join("."),
            why: why.into(),
        });
    }

    /// Warns of a key that what stands beside it leaves without effect.
    pub fn no_effect(&mut self, key: &str, why: &str) {
        self.at(key, |reader| {
            reader.warn(format!("has no effect here: {why}"));
        });
    }

    /// "expected X, found Y". The value is shown only where it was written in the file itself and
    /// where it is a scalar: what an expansion brought may be a secret.
    pub fn wrong_type<T>(&mut self, expected: &'static str, node: &Node) -> Option<T> {
        self.fault(FaultKind::WrongType {
            expected,
            found: found(node),
        });
        None
    }
}

/// A value in the words of an error, itself included only where that tells no secret.
pub(super) fn found(node: &Node) -> String {
    match node.text() {
        Some(text) if node.original.is_none() => {
            let shown: String = text.chars().take(40).collect();
            format!("{} \"{}\"", node.kind(), shown.escape_default())
        }
        Some(_) => format!("{} from an expansion", node.kind()),
        None => node.kind().to_owned(),
    }
}

impl<'a> Fields<'a> {
    /// The entries of a map; a fault and none for anything else.
    pub fn of(node: &'a Node, reader: &mut Reader) -> Self {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.iter().map(|entry| (entry, false)).collect(),
            Value::Null => Vec::new(),
            _ => {
                reader.fault(FaultKind::WrongType {
                    expected: "a map",
                    found: node.kind().into(),
                });
                Vec::new()
            }
        };
        Self {
            entries,
            at: &node.at,
        }
    }

    /// Takes a key's value, or its default where it is left out, null or faulty.
    pub fn take<T: Field>(&mut self, key: &Key, reader: &mut Reader) -> T {
        let default = || default::<T>(key, self.at);
        let entry = self
            .entries
            .iter_mut()
            .find(|(entry, _)| &*entry.key == key.name);
        let Some((entry, taken)) = entry else {
            return T::left_out().unwrap_or_else(default);
        };
        *taken = true;
        if entry.node.is_null() && T::left_out().is_none() {
            return default();
        }
        reader.at(key.name, |reader| {
            let left_out = || T::left_out().unwrap_or_else(default);
            let value = T::read(&entry.node, reader).unwrap_or_else(left_out);
            match key.effect {
                Effect::NoEffect(why) if value != default() => {
                    reader.warn(format!("has no effect here: {why}"));
                }
                Effect::Refused(why) if value != default() => {
                    reader.fault(FaultKind::Refused(why));
                }
                _ => {}
            }
            value
        })
    }

    /// Faults for the keys that nobody took.
    pub fn finish(self, valid: &[Key], reader: &mut Reader) {
        for (entry, _) in self.entries.iter().filter(|(_, taken)| !taken) {
            let names = valid.iter().map(|key| key.name);
            let nearest = nearest(&entry.key, names.clone());
            let valid = names.map(str::to_owned).collect();
            reader.at(&entry.key, |reader| {
                let mut fault = Fault::new(&reader.path, FaultKind::UnknownKey { nearest, valid });
                fault.at = Some(entry.at.clone());
                reader.faults.push(fault);
            });
        }
    }
}

/// The keys of a section whose values are not their defaults, in its order.
pub(super) fn changed<T: Section>(section: &T) -> Vec<String> {
    let at = Position {
        source: "".into(),
        line: 1,
        column: 1,
    };
    let empty = Node::new(Value::Null, at);
    let mut reader = Reader::default();
    let default = T::read_fields(&mut Fields::of(&empty, &mut reader), &mut reader);
    let (mut found, mut defaults) = (Vec::new(), Vec::new());
    section.print_fields(&mut found);
    default.print_fields(&mut defaults);
    let pairs = found.into_iter().zip(defaults);
    pairs
        .filter(|(found, default)| found.1 != default.1)
        .map(|((key, _), _)| key)
        .collect()
}

/// The default of a key, read from its text like any other value.
fn default<T: Field>(key: &Key, at: &Position) -> T {
    let mut reader = Reader::default();
    let node = yaml::parse(key.default, &at.source).ok();
    node.and_then(|node| T::read(&node, &mut reader))
        .expect("every default is a valid value: a test reads them all")
}

impl<T: Section> Field for T {
    fn shape() -> Shape {
        Shape::Section(T::keys())
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut fields = Fields::of(node, reader);
        let section = T::read_fields(&mut fields, reader);
        fields.finish(&T::keys(), reader);
        Some(section)
    }

    fn print(&self) -> Printed {
        let mut out = Vec::new();
        self.print_fields(&mut out);
        Printed::Map(out)
    }
}

/// Declares a part of the file.
///
/// ```text
/// section! {
///     /// What the section is for.
///     Name {
///         /// Effect, unit, cost.
///         key: Type = "default as YAML",
///         /// Accepted without effect.
///         other: Type = "0" => NoEffect("why"),
///         /// A key that is no Rust name.
///         dashed("with/slash"): Type = "",
///         ..shared: Section of keys that stand beside these,
///     }
/// }
/// ```
macro_rules! section {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@effect) => { $crate::config::field::Effect::Full };
    (@effect $effect:ident $why:literal) => { $crate::config::field::Effect::$effect($why) };
    (
        $(#[doc = $about:literal])*
        $section:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(($name:literal))?: $type:ty = $default:literal
                    $(=> $effect:ident($why:literal))?
            ),* $(,)?
            $(; ..$flat:ident: $flat_type:ty)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        pub(in crate::config) struct $section {
            $($(#[doc = $doc])+ pub $field: $type,)*
            $(pub $flat: $flat_type,)*
        }

        impl $crate::config::field::Section for $section {
            fn keys() -> Vec<$crate::config::field::Key> {
                let keys = vec![$($crate::config::field::Key {
                    name: $crate::config::field::section!(@name $field $($name)?),
                    doc: concat!($($doc, "\n"),+),
                    default: $default,
                    effect: $crate::config::field::section!(@effect $($effect $why)?),
                    shape: <$type as $crate::config::field::Field>::shape(),
                }),*];
                keys.into_iter()
                    $(.chain(<$flat_type as $crate::config::field::Section>::keys()))*
                    .collect()
            }

            fn read_fields(
                fields: &mut $crate::config::field::Fields<'_>,
                reader: &mut $crate::config::field::Reader,
            ) -> Self {
                $(let $field = fields.take(
                    &$crate::config::field::Key {
                        name: $crate::config::field::section!(@name $field $($name)?),
                        doc: "",
                        default: $default,
                        effect: $crate::config::field::section!(@effect $($effect $why)?),
                        shape: $crate::config::field::Shape::Any,
                    },
                    reader,
                );)*
                $(let $flat = <$flat_type as $crate::config::field::Section>::read_fields(
                    fields, reader,
                );)*
                Self { $($field,)* $($flat,)* }
            }

            fn print_fields(&self, out: &mut Vec<(String, $crate::config::printed::Printed)>) {
                $(out.push((
                    $crate::config::field::section!(@name $field $($name)?).to_owned(),
                    $crate::config::field::Field::print(&self.$field),
                ));)*
                $($crate::config::field::Section::print_fields(&self.$flat, out);)*
            }
        }
    };
}

/// Gives an enum its names in the file. The first name of a value is the one that is printed.
macro_rules! choice {
    ($type:ty { $($name:literal => $value:expr),+ $(,)? }) => {
        impl $crate::config::field::Field for $type {
            fn shape() -> $crate::config::field::Shape {
                $crate::config::field::Shape::Choice(&[$($name),+])
            }

            fn read(
                node: &$crate::config::node::Node,
                reader: &mut $crate::config::field::Reader,
            ) -> Option<Self> {
                let text = node.text().map(|text| text.to_lowercase());
                match text.as_deref() {
                    $(Some($name) => Some($value),)+
                    _ => {
                        reader.fault($crate::config::fault::FaultKind::NotOneOf {
                            valid: vec![$($name),+],
                            found: $crate::config::field::found(node),
                        });
                        None
                    }
                }
            }

            fn print(&self) -> $crate::config::printed::Printed {
                let names = [$(($name, $value)),+];
                let name = names.iter().find(|(_, value)| value == self).map(|(name, _)| *name);
                $crate::config::printed::Printed::Word(name.unwrap_or_default().to_owned())
            }
        }
    };
}

pub(super) use {choice, section};
