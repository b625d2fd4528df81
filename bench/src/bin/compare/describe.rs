//! Devices as files describe them: what to start, with what configuration, for which cases.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tailrace_bench::load::Protocol;
use tailrace_codec::compress::Encoding;
use tailrace_engine::config::{Faults, Map, document};

/// A forwarder that can be compared.
#[derive(Debug, Clone, Default)]
pub struct Description {
    pub name: String,
    pub about: String,
    /// A path, or a name to look for in the PATH.
    pub program: String,
    /// Prints the version.
    version: Vec<String>,
    arguments: Vec<String>,
    batched_arguments: Vec<String>,
    unbatched_arguments: Vec<String>,
    /// A template.
    config: String,
    /// The one with a limit of memory, `{limit_mib}`.
    limited_config: String,
    /// What stands for `{batching}` in it.
    batched: String,
    unbatched: String,
    protocols: Vec<Protocol>,
    compressions: Vec<Encoding>,
    batching: Vec<bool>,
    /// Whether what arrives twice is within what it promises: it sends again what was not answered
    /// in a time of its own.
    pub may_resend: bool,
}

/// What is sent, and what is done with it on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub protocol: Protocol,
    /// In and out.
    pub compression: Encoding,
    pub spans: usize,
    pub batched: bool,
    /// In flight: on one connection over gRPC, each on its own over HTTP.
    pub streams: usize,
    /// Of memory, where the device has such a setting.
    pub limit_mib: Option<u32>,
}

/// What a template is filled with.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    pub listen: SocketAddr,
    pub backend: SocketAddr,
    pub directory: &'a Path,
}

const PROTOCOLS: [(&str, Protocol); 2] = [
    ("grpc", Protocol::Grpc),
    ("http/protobuf", Protocol::HttpProtobuf),
];
const COMPRESSIONS: [(&str, Encoding); 3] = [
    ("none", Encoding::Identity),
    ("gzip", Encoding::Gzip),
    ("zstd", Encoding::Zstd),
];
const BATCHING: [(&str, bool); 2] = [("batched", true), ("unbatched", false)];

impl Description {
    /// Errors: every fault of the file, with its path and place.
    pub fn read(text: &str, source: &str) -> Result<Self, Faults> {
        document(text, source, describe)
    }

    /// Where the program is: beside this one, as `tailrace` is, or in the PATH. `None` if it is
    /// not on this machine.
    pub fn find(&self) -> Option<PathBuf> {
        if self.program.contains('/') {
            let path = PathBuf::from(&self.program);
            return path.is_file().then_some(path);
        }
        let here = std::env::current_exe().ok();
        let here = here.and_then(|path| Some(path.parent()?.to_owned()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = here.into_iter().chain(std::env::split_paths(&path));
        let mut paths = folders.map(|folder| folder.join(&self.program));
        paths.find(|path| path.is_file())
    }

    /// The first line that the program says of its version; nothing where it has no flag for that.
    pub fn version(&self, program: &Path) -> String {
        if self.version.is_empty() {
            return String::new();
        }
        let output = Command::new(program)
            .args(&self.version)
            .stdin(Stdio::null())
            .output();
        let Ok(output) = output else {
            return String::new();
        };
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.next().unwrap_or_default().to_owned()
    }

    pub fn takes(&self, case: &Case) -> bool {
        self.protocols.contains(&case.protocol)
            && self.compressions.contains(&case.compression)
            && self.batching.contains(&case.batched)
    }

    /// Whether it has a setting for the memory it may take.
    pub fn can_be_limited(&self) -> bool {
        !self.limited_config.is_empty()
    }

    /// The command for a case; its configuration is written into the directory.
    pub fn command(
        &self,
        program: &Path,
        case: &Case,
        places: &Places<'_>,
    ) -> std::io::Result<Command> {
        let config = places.directory.join("config");
        let template = match case.limit_mib {
            Some(_) if self.can_be_limited() => &self.limited_config,
            _ => &self.config,
        };
        if !template.is_empty() {
            std::fs::write(&config, self.fill(template, case, places))?;
        }
        let more = match case.batched {
            true => &self.batched_arguments,
            false => &self.unbatched_arguments,
        };
        let arguments = self.arguments.iter().chain(more);
        let mut command = Command::new(program);
        command
            .args(arguments.map(|argument| self.fill(argument, case, places)))
            .current_dir(places.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(places.directory.join("log"))?);
        Ok(command)
    }

    fn fill(&self, template: &str, case: &Case, places: &Places<'_>) -> String {
        let batching = match case.batched {
            true => &self.batched,
            false => &self.unbatched,
        };
        let path = |path: &Path| path.display().to_string();
        let transport = match case.protocol {
            Protocol::Grpc => "grpc",
            Protocol::HttpProtobuf | Protocol::HttpJson => "http",
        };
        let mut text = template.replace("{batching}", batching);
        for (place, value) in [
            ("{listen}", places.listen.to_string()),
            ("{backend}", places.backend.to_string()),
            ("{directory}", path(places.directory)),
            ("{config}", path(&places.directory.join("config"))),
            ("{transport}", transport.to_owned()),
            ("{compression}", compression(case.compression).to_owned()),
            ("{limit_mib}", case.limit_mib.unwrap_or(0).to_string()),
        ] {
            text = text.replace(place, &value);
        }
        text
    }
}

impl Case {
    /// `grpc,gzip,512,batched`, and `,1` for another number of streams than 64.
    pub fn parse(text: &str) -> Option<Self> {
        fn named<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
            let found = names.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        }
        let mut parts = text.split(',');
        let case = Self {
            protocol: named(&PROTOCOLS, parts.next()?)?,
            compression: named(&COMPRESSIONS, parts.next()?)?,
            spans: parts
                .next()?
                .parse()
                .ok()
                .filter(|spans| (1..=8192).contains(spans))?,
            batched: named(&BATCHING, parts.next()?)?,
            streams: match parts.next() {
                None => 64,
                Some(streams) => streams.parse().ok().filter(|n| (1..=256).contains(n))?,
            },
            limit_mib: None,
        };
        parts.next().is_none().then_some(case)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batched = if self.batched { "batched" } else { "unbatched" };
        write!(
            f,
            "{}, {}, {} span{}, {batched}",
            self.protocol.name(),
            compression(self.compression),
            self.spans,
            if self.spans == 1 { "" } else { "s" },
        )?;
        match self.streams {
            64 => Ok(()),
            streams => write!(f, ", {streams} in flight"),
        }
    }
}

fn compression(encoding: Encoding) -> &'static str {
    let named = COMPRESSIONS.iter().find(|(_, known)| *known == encoding);
    named.map_or("none", |(name, _)| name)
}

fn describe(map: &mut Map<'_>) -> Description {
    let words = |map: &mut Map<'_>, key| {
        let words = map.text(key).unwrap_or_default();
        words.split_whitespace().map(str::to_owned).collect()
    };
    let text = |map: &mut Map<'_>, key| map.text(key).unwrap_or_default();
    for key in ["name", "program"] {
        if !map.has(key) {
            map.rule("a device has a name and a program");
        }
    }
    Description {
        name: text(map, "name"),
        about: text(map, "about"),
        program: text(map, "program"),
        version: words(map, "version"),
        arguments: words(map, "arguments"),
        batched_arguments: words(map, "batched_arguments"),
        unbatched_arguments: words(map, "unbatched_arguments"),
        config: text(map, "config"),
        limited_config: text(map, "limited_config"),
        batched: text(map, "batched"),
        unbatched: text(map, "unbatched"),
        protocols: choices(map, "protocols", &PROTOCOLS),
        compressions: choices(map, "compressions", &COMPRESSIONS),
        batching: choices(map, "batching", &BATCHING),
        may_resend: map.boolean("may_resend").unwrap_or(false),
    }
}

/// Names with blanks between; all where the key is left out.
fn choices<T: Copy>(map: &mut Map<'_>, key: &'static str, names: &[(&str, T)]) -> Vec<T> {
    let all = || names.iter().map(|(_, value)| *value).collect();
    if !map.has(key) {
        map.text(key);
        return all();
    }
    let read = |text: &str| {
        let value = |word| names.iter().find(|(name, _)| *name == word);
        let words = text.split_whitespace();
        words
            .map(|word| value(word).map(|(_, value)| *value))
            .collect()
    };
    let expected = match key {
        "protocols" => "some of grpc and http/protobuf",
        "compressions" => "some of none, gzip and zstd",
        _ => "some of batched and unbatched",
    };
    map.parsed(key, expected, read).unwrap_or_else(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_of_this_repository_are_described() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("devices");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).expect("devices") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a file");
            let device = Description::read(&text, &path.display().to_string());
            let device = device.unwrap_or_else(|faults| panic!("{faults}"));
            let case = Case::parse("grpc,none,10,batched").expect("a case");
            let places = Places {
                listen: ([127, 0, 0, 1], 1).into(),
                backend: ([127, 0, 0, 1], 2).into(),
                directory: Path::new("/d"),
            };
            let filled = device.fill(&device.config, &case, &places);
            let limited = device.fill(&device.limited_config, &case, &places);
            assert!(
                !limited.contains('{') || !limited.contains("_mib}"),
                "{limited}"
            );
            assert_eq!(limited.contains("127.0.0.1:2"), device.can_be_limited());
            let all = format!("{filled} {}", device.arguments.join(" "));
            for place in ["{listen}", "{backend}", "{batching}", "{compression}"] {
                assert!(!filled.contains(place), "{}: {place}", device.name);
            }
            assert!(
                device.config.is_empty() || filled.contains("127.0.0.1:2"),
                "{all}"
            );
            names.push(device.name);
        }
        assert!(names.contains(&"tailrace".to_owned()) && names.contains(&"relay".to_owned()));
    }

    #[test]
    fn cases_are_read_as_they_are_written() {
        let case = Case::parse("http/protobuf,gzip,512,batched,1").expect("a case");
        assert_eq!(
            case.to_string(),
            "http/protobuf, gzip, 512 spans, batched, 1 in flight"
        );
        for wrong in [
            "grpc",
            "grpc,none,0,batched",
            "grpc,none,1,batched,64,1",
            "udp,none,1,batched",
        ] {
            assert_eq!(Case::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        let faults = Description::read("name: x\nprogram: y\nprotocol: grpc", "x.yaml");
        let faults = faults.expect_err("a misspelt key").to_string();
        assert!(faults.contains("did you mean \"protocols\""), "{faults}");
    }
}
