//! What a user asks for: devices, cases, rounds.

use super::describe::{Case, Description};
use super::report::Device;
use super::run::Lab;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "Compares forwarders: processor time, latency and memory under the same load

Usage: compare [OPTIONS]

Options:
  --devices DIR      Descriptions of devices: every .yaml of it [default: bench/devices]
  --device FILE      One more description; may be repeated
  --program NAME=P   Where a device's program is, if neither beside this one nor in the PATH
  --only NAMES       Take part, with commas between [default: all that are on this machine]
  --reference NAME   What the others are compared with [default: tailrace]
  --case CASE        PROTOCOL,COMPRESSION,SPANS,batched|unbatched[,STREAMS]; may be repeated
                     [default: fourteen, and the overload]
  --overload         Only what a backend that takes less than is offered does to a device
  --rounds N         [default: 4]
  --seconds S        Of each run [default: 2]
  --core N           The device's processor [default: 0]
  --peers-core N     Of load and sink [default: 1]
  --record DIR       Write comparison.md, .json and .svg
  --json             Print JSON instead of the table

Examples:
  compare
  compare --only tailrace,relay --case grpc,none,512,unbatched --rounds 8
  compare --device my-gateway.yaml --program otelcol=/opt/otelcol --record bench/record

Exit code: 0; 1 a device failed or lost something; 2 bad flags or descriptions.";

const CASES: [&str; 14] = [
    "grpc,none,1,batched",
    "grpc,none,10,unbatched",
    "grpc,none,10,batched",
    "grpc,none,100,unbatched",
    "grpc,none,512,unbatched",
    "grpc,none,512,unbatched,1",
    "grpc,none,512,batched",
    "grpc,none,8192,unbatched",
    "grpc,gzip,100,batched",
    "grpc,zstd,100,batched",
    "http/protobuf,none,100,unbatched",
    "http/protobuf,none,512,unbatched",
    "http/protobuf,none,512,unbatched,1",
    "http/protobuf,gzip,100,batched",
];

pub struct Options {
    pub files: Vec<PathBuf>,
    pub programs: BTreeMap<String, PathBuf>,
    pub only: Vec<String>,
    pub reference: String,
    pub cases: Vec<Case>,
    pub rounds: usize,
    pub lab: Lab,
    /// Whether devices are overloaded as well.
    pub overload: bool,
    pub record: Option<PathBuf>,
    pub json: bool,
}

/// A device that takes part.
pub struct Contender {
    pub description: Description,
    pub program: PathBuf,
}

impl Options {
    /// Errors: what is wrong with the flags, in a line.
    pub fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self {
            files: Vec::new(),
            programs: BTreeMap::new(),
            only: Vec::new(),
            reference: "tailrace".to_owned(),
            cases: Vec::new(),
            rounds: 4,
            lab: Lab {
                core: 0,
                peers_core: 1,
                duration: Duration::from_secs(2),
            },
            overload: false,
            record: None,
            json: false,
        };
        let mut folder = PathBuf::from("bench/devices");
        let mut arguments = arguments.into_iter();
        while let Some(key) = arguments.next() {
            if key == "--json" {
                options.json = true;
                continue;
            }
            if key == "--overload" {
                options.overload = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or(format!("{key} is no option, or needs a value"))?;
            let number = || {
                value
                    .parse::<usize>()
                    .map_err(|_| format!("{key}: {value} is no number"))
            };
            match key.as_str() {
                "--devices" => folder = value.into(),
                "--device" => options.files.push(value.into()),
                "--program" => {
                    let (name, path) = value.split_once('=').ok_or("--program is NAME=PATH")?;
                    options.programs.insert(name.to_owned(), path.into());
                }
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                "--reference" => options.reference = value,
                "--case" => {
                    let case = Case::parse(&value);
                    options
                        .cases
                        .push(case.ok_or(format!("{value} is no case: try --help"))?);
                }
                "--rounds" => options.rounds = number()?.max(1),
                "--seconds" => {
                    let seconds: f64 =
                        value.parse().map_err(|_| format!("{value} is no number"))?;
                    let duration = Duration::try_from_secs_f64(seconds);
                    options.lab.duration =
                        duration.map_err(|_| format!("{value} is no duration"))?;
                }
                "--core" => options.lab.core = number()?,
                "--peers-core" => options.lab.peers_core = number()?,
                "--record" => options.record = Some(value.into()),
                _ => return Err(format!("{key} is no option: try --help")),
            }
        }
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let yaml = |path: &PathBuf| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        };
        let mut files: Vec<PathBuf> = paths.filter(yaml).collect();
        files.sort();
        files.append(&mut options.files);
        options.files = files;
        if options.cases.is_empty() && !options.overload {
            options.overload = true;
            options.cases = CASES.iter().filter_map(|case| Case::parse(case)).collect();
        }
        Ok(options)
    }
}

/// Those that take part, the reference first, and what is to be said of all.
pub fn contenders(options: &Options) -> Result<(Vec<Contender>, Vec<Device>), String> {
    let (mut contenders, mut devices) = (Vec::new(), Vec::new());
    for file in &options.files {
        let source = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| format!("{source}: {error}"))?;
        let description = Description::read(&text, &source).map_err(|faults| faults.to_string())?;
        let name = description.name.clone();
        let is_asked = options.only.is_empty() || options.only.contains(&name);
        let given = options.programs.get(&name).cloned();
        let found = given
            .filter(|path| path.is_file())
            .or_else(|| description.find());
        let absent = match &found {
            _ if !is_asked => Some("not asked for".to_owned()),
            None => Some(format!(
                "no program {} on this machine",
                description.program
            )),
            Some(_) => None,
        };
        devices.push(Device {
            version: match (&absent, &found) {
                (None, Some(program)) => description.version(program),
                _ => String::new(),
            },
            about: description.about.clone(),
            name,
            absent: absent.clone(),
        });
        if let (None, Some(program)) = (absent, found) {
            contenders.push(Contender {
                description,
                program,
            });
        }
    }
    let is_reference = |contender: &Contender| contender.description.name == options.reference;
    let reference = contenders.iter().position(is_reference);
    let reference = reference.ok_or(format!("{} does not take part", options.reference))?;
    contenders[..=reference].rotate_right(1);
    for name in &options.only {
        if !devices.iter().any(|device| device.name == *name) {
            return Err(format!("no device is named {name}"));
        }
    }
    Ok((contenders, devices))
}
