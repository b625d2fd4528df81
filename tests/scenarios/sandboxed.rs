//! Where io_uring is forbidden: said in one line, with the remedy; epoll does the work.

use super::TAILRACE;
use std::process::Command;
use tailrace_tests::forwarder::end_of;
use tailrace_tests::sandbox::{Without, forbid_io_uring};
use tailrace_tests::{Backend, Config, Forwarder, Protocol, Sender, Signal, generate};

fn command(without: Without, runtime: &str) -> Command {
    let mut command = Command::new(TAILRACE);
    command.args(["run", "--runtime", runtime]);
    forbid_io_uring(&mut command, without);
    command
}

#[test]
fn auto_says_what_is_in_the_way_and_forwards_on_epoll() {
    for (without, reason) in [
        (Without::Permission, "seccomp"),
        (Without::Support, "this kernel or sandbox has no io_uring"),
    ] {
        let backend = Backend::start();
        let config = Config::to_grpc(backend.address());
        let forwarder = Forwarder::spawn(command(without, "auto"), &config);
        let sent = generate::request(Signal::Traces, 1..11);
        Sender::new(Protocol::Grpc, forwarder.grpc()).send_accepted(&sent);
        backend.wait_for_items(10).assert_exactly(&[sent]);
        let log = forwarder.stop();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
        assert!(
            matches!(lines[..], [line] if line.contains(reason) && line.contains("running on epoll")),
            "{log}"
        );
        assert!(log.contains("runtime=\"epoll\""), "{log}");
    }
}

#[test]
fn asked_for_by_name_it_is_an_error() {
    for without in [Without::Permission, Without::Support] {
        let config = Config::to_grpc(([127, 0, 0, 1], 4317).into()).to_yaml();
        let ended = end_of(command(without, "uring"), &config);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert!(
            matches!(lines[..], [line] if line.contains("io_uring") && line.contains("--runtime epoll")),
            "{ended:?}"
        );
    }
}
