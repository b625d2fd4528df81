//! The rooms of the engine import as `ARCHITECTURE.md` says: from those above them, never from one
//! below or beside. Only code that is built without `test` counts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a room stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    /// Imports from what has a smaller number.
    Deciding(u8),
    /// A room of the network half: knows the other one, and [`SHARED`].
    Network,
}

use Rank::{Deciding, Network};

/// As in `ARCHITECTURE.md`, "Rooms of the engine". `lib.rs` is the public face and sees all.
const ROOMS: [(&str, Rank); 19] = [
    ("units", Deciding(0)),
    ("time", Deciding(0)),
    ("exchange", Deciding(1)),
    ("config", Deciding(1)),
    ("flow", Deciding(1)),
    ("memory", Deciding(1)),
    ("telemetry", Deciding(1)),
    ("batch", Deciding(2)),
    ("classify", Deciding(2)),
    ("ingress", Deciding(2)),
    ("delivery", Deciding(2)),
    ("egress", Deciding(3)),
    ("pipeline", Deciding(4)),
    ("runtime", Network),
    ("net", Network),
    ("assembly", Deciding(5)),
    ("shard", Deciding(6)),
    ("control", Deciding(7)),
    ("embed", Deciding(8)),
];

/// What the network half may know of the other.
const SHARED: [&str; 3] = ["units", "time", "exchange"];

/// The rooms from which both halves are seen, `shard` and above.
const SHELL: u8 = 6;

/// Imports that the ranks do not explain; the text under "Rooms of the engine" and "Where the walls
/// stand" does.
const EXCEPTIONS: [(&str, &str); 2] = [("exchange", "net"), ("assembly", "net")];

/// What the ranks would let pass: only `pipeline` knows both.
const ABSENT: [(&str, &str); 1] = [("egress", "ingress")];

#[test]
fn rooms_import_from_above() {
    let mut wrong = Vec::new();
    for file in files(&sources()) {
        let room = room_of(&file);
        if room == "lib" {
            continue;
        }
        let Some(from) = rank(&room) else {
            wrong.push(format!("{}: `{room}` has no rank", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).expect("a source file");
        for (line, named) in imports(&text) {
            let at = format!("{}:{line}: `{room}`", file.display());
            match rank(named) {
                None => wrong.push(format!("{at} imports `{named}`, which has no rank")),
                Some(to) if may_import((&room, from), (named, to)) => {}
                Some(to) => wrong.push(format!("{at} ({from:?}) imports `{named}` ({to:?})")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a new arrow is a change of ARCHITECTURE.md, and of the table in this test:\n{}",
        wrong.join("\n")
    );
}

/// The table above is that of the document.
#[test]
fn the_document_has_the_same_ranks() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the document");
    let mut told = BTreeSet::new();
    for line in document.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, rank, rooms, _, _] = cells[..] else {
            continue;
        };
        let rank = match rank {
            "r" => Network,
            number => match number.parse() {
                Ok(number) => Deciding(number),
                Err(_) => continue,
            },
        };
        let rooms = rooms.split(", ").map(|room| room.trim_matches('`'));
        told.extend(rooms.map(|room| format!("{room}: {rank:?}")));
    }
    let here = ROOMS.map(|(room, rank)| format!("{room}: {rank:?}"));
    assert_eq!(told, BTreeSet::from(here));
}

/// Half of a check is that it finds something.
#[test]
fn an_arrow_that_points_up_is_seen() {
    let text = "use crate::time::Instant;\nfn f() -> crate::shard::Shard {}\n\
                // crate::control\n#[cfg(test)]\nmod tests { use crate::net::Mailbox; }\n";
    let found: Vec<_> = imports(text).collect();
    assert_eq!(found, [(1, "time"), (2, "shard")]);
    let may = |from, to| {
        let ranked = |room| (room, rank(room).expect("a room"));
        may_import(ranked(from), ranked(to))
    };
    assert!(may("egress", "delivery") && may("pipeline", "ingress") && may("net", "runtime"));
    assert!(!may("egress", "ingress") && !may("ingress", "egress"));
    assert!(!may("batch", "pipeline") && !may("batch", "ingress"));
    assert!(!may("pipeline", "net") && !may("net", "config") && !may("net", "shard"));
    assert!(may("shard", "net") && may("control", "runtime") && !may("assembly", "runtime"));
}

fn may_import(from: (&str, Rank), to: (&str, Rank)) -> bool {
    if from.0 == to.0 || EXCEPTIONS.contains(&(from.0, to.0)) {
        return true;
    }
    if ABSENT.contains(&(from.0, to.0)) {
        return false;
    }
    match (from.1, to.1) {
        (Deciding(from), Deciding(to)) => to < from,
        (Deciding(from), Network) => from >= SHELL,
        (Network, Deciding(_)) => SHARED.contains(&to.0),
        (Network, Network) => true,
    }
}

fn rank(room: &str) -> Option<Rank> {
    let found = ROOMS.iter().find(|(name, _)| *name == room);
    found.map(|(_, rank)| *rank)
}

/// The rooms that `text` names after `crate::`, with their lines, up to its tests: those stand last.
/// A room is named where an import begins: `use crate::{a, b}` is not written here.
fn imports(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let lines = (1..).zip(code.lines());
    let lines = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.flat_map(|(number, line)| {
        let named = line.split("crate::").skip(1);
        named.map(move |rest| {
            let end = rest.find(|next: char| !next.is_ascii_lowercase() && next != '_');
            (number, &rest[..end.unwrap_or(rest.len())])
        })
    })
}

/// Every source file below `folder` that is built without `test`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("a folder of sources").path();
        let name = path.file_stem().and_then(|name| name.to_str());
        // Modules that are declared under `#[cfg(test)]`.
        if matches!(name, Some("tests" | "rig" | "rpc_status")) {
            continue;
        }
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix(sources()).expect("a file of the engine");
    let first = inside.components().next().expect("a file has a name");
    let first = first.as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn sources() -> PathBuf {
    root().join("engine/src")
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the repository").to_owned()
}
