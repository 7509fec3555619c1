//! `forebay serve` as a process: what it refuses, what it leaves behind, and what the offline commands make of that.

use super::{Ran, command, forebay, run};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

/// A running server; killed when the test fails before it ends.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Waits until the log says which port it is.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"));
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--set",
            "storage.min_free=0%",
            "--set",
            "storage.segment_size=8MiB",
        ]);
        let child = command.args(args).env_clear().stderr(Stdio::piped()).spawn().unwrap();
        // From here on it is ended with the value, also when the test panics.
        let mut server = Self { child, url: String::new() };
        let lines = BufReader::new(server.child.stderr.take().unwrap()).lines();
        let mut log = Vec::new();
        for line in lines.map_while(Result::ok) {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "ready" {
                server.url = format!("http://{}", event["address"].as_str().unwrap());
                return server;
            }
            log.push(line);
        }
        panic!("the server did not start: {log:?}");
    }

    fn on(dir: &Path) -> Self {
        Self::start(&["--data-dir", dir.to_str().unwrap()])
    }

    pub(crate) fn client(&self, args: &[&str]) -> Ran {
        run(command(args).env("FOREBAY_SERVER", &self.url))
    }

    /// Asks it to look at its files.
    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already in a test that went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_address_that_others_reach_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let ran = forebay(&["serve", "--data-dir", data, "--listen", "0.0.0.0:0"]);
    assert!(ran.code == 2 && ran.err.contains("listen.api.insecure = true"), "{}", ran.err);
    let ran = forebay(&["serve", "--dev", "--listen", "0.0.0.0:0", "--set", "listen.api.insecure=true"]);
    assert!(ran.code == 2 && ran.err.contains("--dev listens on loopback only"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_in_use_is_refused_to_everybody_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path());
    let path = dir.path().to_str().unwrap();
    let second = forebay(&["serve", "--listen", "127.0.0.1:0", "--data-dir", path]);
    assert_eq!(second.code, 1, "{}", second.err);
    let offline = forebay(&["storage", "inspect", "--data-dir", path]);
    assert!(offline.code == 1 && offline.err.contains("stop the broker first"), "{}", offline.err);
    assert_eq!(server.end(), 0);
    assert_eq!(forebay(&["storage", "inspect", "--data-dir", path]).code, 0);
}

#[test]
fn what_was_sent_is_there_after_a_restart_and_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "create", "orders"]).code, 0);
    assert_eq!(server.client(&["queue", "send", "orders", "from before"]).code, 0);
    assert_eq!(server.end(), 0);

    let verified = forebay(&["storage", "verify", "--data-dir", path]);
    assert_eq!((verified.code, verified.out.as_str()), (0, ""), "{}", verified.err);
    assert!(verified.err.contains("after a clean shutdown: 0 problems"), "{}", verified.err);
    let facts: serde_json::Value =
        serde_json::from_str(&forebay(&["storage", "inspect", "--data-dir", path]).out).unwrap();
    assert!(facts["entries"].as_u64().unwrap() >= 2 && facts["bad_frames"] == 0, "{facts}");
    let segments = forebay(&["storage", "inspect", "--segments", "--data-dir", path]).out;
    assert!(segments.lines().count() > 0);
    let dumped = forebay(&["storage", "dump", "--bodies", "--data-dir", path]).out;
    let entry = |kind: &str| {
        let rows = dumped.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.into_iter().find(|row| row["kind"] == kind)
    };
    assert!(entry("QUEUE_DEFINED").unwrap()["header"].as_str().unwrap().contains("orders"), "{dumped}");
    assert_eq!(entry("SENT").unwrap()["body"], "from before", "{dumped}");
    let repaired = forebay(&["storage", "repair", "--data-dir", path]);
    assert!(repaired.code == 0 && repaired.err.contains("nothing to repair"), "{}", repaired.err);

    let server = Server::on(dir.path());
    assert_eq!(server.client(&["queue", "receive", "orders", "--raw", "--ack"]).out, "from before\n");
    assert_eq!(server.end(), 0);
}

#[test]
fn trying_out_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.args(["serve", "--dev", "--listen", "not an address"]).env_clear().env("TMPDIR", temporary.path());
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
