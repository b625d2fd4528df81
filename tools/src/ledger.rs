//! `tailrace ledger check`: what became of the items of a run.

use crate::exit::Failure;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use tailrace_bench::ledger::{CheckError, Finding, check};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LedgerArgs {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LedgerCommand {
    /// Compare what was acknowledged with what arrived
    ///
    /// Exit 0: everything acknowledged arrived whole. Exit 1: items were lost or altered. Exit 3:
    /// too few items to prove anything, or fewer faults than asked for. Exit 65: a file is cut off
    /// or damaged, or the files are of different runs.
    Check(CheckArgs),
}

const EXAMPLES: &str = "Examples:
  tailrace ledger check sent.ledger received.ledger
  tailrace ledger check sent.ledger received.ledger --faults-min 1 --no-duplicates --json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct CheckArgs {
    /// What the load wrote: each item after the answer that acknowledged it
    sent: PathBuf,
    /// What the sink wrote: each item that arrived
    received: PathBuf,
    /// Acknowledged items below which a run proves nothing
    #[arg(long, default_value_t = 1000, value_name = "N")]
    items_min: u64,
    /// Faults (refusals, lost connections, misbehaviours) below which a run proves nothing
    #[arg(long, default_value_t = 0, value_name = "N")]
    faults_min: u64,
    /// Items that arrived twice fail the check as well
    #[arg(long)]
    no_duplicates: bool,
    /// Take files that were cut off, as far as they are whole
    #[arg(long)]
    unfinished: bool,
    /// Print the figures as JSON, and nothing else
    #[arg(long)]
    json: bool,
}

pub fn ledger(args: &LedgerArgs) -> Result<(), Failure> {
    let LedgerCommand::Check(args) = &args.command;
    let (sent, received) = (open(&args.sent)?, open(&args.received)?);
    let finding = check(sent, received, args.items_min, args.unfinished);
    let finding = finding.map_err(|error| Failure::ledger(explain(args, &error)))?;
    let mut out = std::io::stdout().lock();
    let text = match args.json {
        true => json(&finding).to_string(),
        false => table(&finding),
    };
    writeln!(out, "{text}").map_err(Failure::system)?;
    judge(args, &finding)
}

fn judge(args: &CheckArgs, finding: &Finding) -> Result<(), Failure> {
    if !finding.holds() {
        let Finding { lost, corrupt, .. } = finding;
        let what = format!("{lost} items lost, {corrupt} corrupt");
        return Err(Failure::lost(what));
    }
    if args.no_duplicates && finding.duplicate > 0 {
        return Err(Failure::lost(format!("{} duplicates", finding.duplicate)));
    }
    if finding.acknowledged < args.items_min {
        let what = format!(
            "proves nothing: {} items were acknowledged, fewer than {}",
            finding.acknowledged, args.items_min
        );
        return Err(Failure::proves_nothing(what));
    }
    if finding.faults < args.faults_min {
        let what = format!(
            "proves nothing: {} faults fired, fewer than {}",
            finding.faults, args.faults_min
        );
        return Err(Failure::proves_nothing(what));
    }
    Ok(())
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    match File::open(path) {
        Ok(file) => Ok(BufReader::with_capacity(1 << 20, file)),
        Err(error) => Err(Failure::ledger(format!("{}: {error}", path.display()))),
    }
}

/// The error with the file it is of in front.
fn explain(args: &CheckArgs, error: &CheckError) -> String {
    match error {
        CheckError::Sent(error) => format!("{}: {error}", args.sent.display()),
        CheckError::Received(error) => format!("{}: {error}", args.received.display()),
        other => other.to_string(),
    }
}

fn json(finding: &Finding) -> serde_json::Value {
    let doubts: Vec<_> = finding.doubts.iter().map(ToString::to_string).collect();
    json!({
        "run": format!("{:016x}", finding.run),
        "acknowledged_items": finding.acknowledged,
        "delivered_items": finding.delivered,
        "lost_items": finding.lost,
        "duplicate_items": finding.duplicate,
        "ghost_items": finding.ghost,
        "corrupt_items": finding.corrupt,
        "foreign_items": finding.foreign,
        "faults": finding.faults,
        "lost_examples": finding.lost_examples,
        "doubts": doubts,
        "holds": finding.holds(),
    })
}

fn table(finding: &Finding) -> String {
    let mut text = format!("run           {:016x}", finding.run);
    let lines = [
        ("acknowledged", finding.acknowledged, ""),
        ("delivered", finding.delivered, ""),
        ("lost", finding.lost, "acknowledged, and never arrived"),
        ("duplicate", finding.duplicate, "arrivals beyond the first"),
        ("ghost", finding.ghost, "arrived, and never acknowledged"),
        ("corrupt", finding.corrupt, "arrived altered"),
        ("foreign", finding.foreign, "of another run, or of no load"),
        (
            "faults",
            finding.faults,
            "refusals, lost connections, misbehaviours",
        ),
    ];
    for (name, value, meaning) in lines {
        let line = format!("\n{name:<12} {value:>12}   {meaning}");
        text.push_str(line.trim_end());
    }
    if !finding.lost_examples.is_empty() {
        text.push_str(&format!(
            "\nlost, the first of them: {:?}",
            finding.lost_examples
        ));
    }
    for doubt in &finding.doubts {
        text.push_str(&format!("\nproves little: {doubt}"));
    }
    text
}
