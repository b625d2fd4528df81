//! A report as one HTML page: the summary, the chart, the phases. It loads nothing.

use super::report::{PhaseFigures, Report};
use std::fmt::Write;

const STYLE: &str = "body{font:15px sans-serif;max-width:960px;margin:2em auto;padding:0 1em}\
    pre{background:#f4f4f4;padding:1em;overflow:auto}table{border-collapse:collapse}\
    td,th{padding:.3em .8em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}";

impl Report {
    pub fn html(&self) -> String {
        let plan = &self.plan;
        let title = format!(
            "{} over {} to {}",
            plan.signal, plan.protocol, plan.endpoint
        );
        let title = escaped(&title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n"
        );
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "<p>HTTP/{}, {}, {} connections of {} streams, {} items a request, seed {}; {:.1} s</p>",
            plan.http,
            plan.compression,
            plan.connections,
            plan.streams,
            plan.items_per_request,
            plan.seed,
            self.elapsed_seconds
        );
        let _ = writeln!(page, "<pre>{}</pre>", escaped(&self.to_string()));
        page.push_str(&self.svg());
        page.push_str("\n<h2>Phases</h2>\n<table><tr><th>phase<th>s<th>acknowledged requests");
        page.push_str("<th>failed<th>p50 ms<th>p99 ms<th>p99.9 ms<th>max ms</tr>\n");
        for phase in &self.phases {
            row(&mut page, phase);
        }
        page.push_str("</table></body></html>\n");
        page
    }
}

fn row(page: &mut String, phase: &PhaseFigures) {
    let PhaseFigures {
        name,
        seconds,
        requests,
        latency_us,
        ..
    } = phase;
    let _ = write!(
        page,
        "<tr><td>{}<td>{seconds}<td>{}<td>{}",
        escaped(name),
        requests.acknowledged,
        requests.failed
    );
    for micros in [
        latency_us.p50,
        latency_us.p99,
        latency_us.p99_9,
        latency_us.max,
    ] {
        let _ = write!(page, "<td>{:.3}", micros / 1e3);
    }
    page.push_str("</tr>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
