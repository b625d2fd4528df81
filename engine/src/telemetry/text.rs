//! The text format's syntax: families, samples, labels and their escapes.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>

use super::Histogram;
use std::fmt::{Display, Write};

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Opens a family. One without samples leaves no trace on the page.
    pub(super) fn family<'a>(&'a mut self, name: &str, help: &str, kind: Kind) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family {
            text: &mut self.text,
            name: name.to_owned(),
            head: Some(head),
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// One metric name with all its series.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: String,
    head: Option<String>,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, None, value);
    }

    pub(super) fn histogram<const N: usize>(
        &mut self,
        labels: &[(&str, &str)],
        histogram: &Histogram<N>,
    ) {
        for (bound, count) in histogram.cumulative() {
            self.line("_bucket", labels, Some(&bound.to_string()), count);
        }
        self.line("_bucket", labels, Some("+Inf"), histogram.count());
        self.line("_sum", labels, None, histogram.sum());
        self.line("_count", labels, None, histogram.count());
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: impl Display,
    ) {
        if let Some(head) = self.head.take() {
            self.text.push_str(&head);
        }
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.text.push(separator);
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(self.text, value);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, " {value}");
    }
}

fn push_escaped(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, as the format asks; other characters become underscores.
pub(super) fn label_name(attribute: &str) -> String {
    let digit_first = attribute.starts_with(|c: char| c.is_ascii_digit());
    let name = attribute
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    digit_first.then_some('_').into_iter().chain(name).collect()
}
