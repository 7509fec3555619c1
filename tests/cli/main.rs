//! The binary as a script sees it: exit codes, standard output, standard error.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod serve;
mod streams;
mod tls;

use assert_cmd::Command;
use std::{fs, net::TcpListener, path::Path};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// Runs the binary without any of our variables in its environment.
fn forebay(args: &[&str]) -> Ran {
    run(&mut command(args))
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("forebay").unwrap();
    command.args(args).env_clear();
    command
}

fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn write(dir: &Path, text: &str) -> String {
    let path = dir.join("forebay.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_command_line_that_cannot_be_read_is_a_usage_error() {
    for args in [
        &["fly"][..],
        &[],
        &["queue", "create"],
        &["queue", "list", "--timeout", "5"],
        &["stream", "put", "events"],
        &["stream", "read", "events", "--from", "yesterday"],
        &["group", "seek", "events", "workers"],
        &["config", "check", "--set", "x"],
    ] {
        let ran = forebay(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}: {}", ran.err);
    }
    assert!(forebay(&["queue", "list", "--timeout", "5"]).err.contains("\"5s\""));
}

#[test]
fn help_and_version_go_to_standard_output() {
    for args in
        [&["--help"][..], &["queue", "send", "--help"], &["stream", "tail", "--help"], &["version"], &["--version"]]
    {
        let ran = forebay(args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        assert!(ran.out.contains("forebay"), "{args:?}");
    }
    let version: serde_json::Value = serde_json::from_str(&forebay(&["version", "--json"]).out).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_broken_file_is_refused_with_line_and_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    let table = [
        ("[server]\ndata_dri = \"x\"\n", ":2: unknown key \"server.data_dri\"; did you mean \"server.data_dir\"?"),
        ("[storage]\nsegment_size = \"64MB\"\n", ":2: storage.segment_size: \"64MB\": \"MB\" is not a unit of size"),
        (
            "[listen.api]\naddress = \"0.0.0.0:9400\"\n",
            ":2: listen.api.address: 0.0.0.0:9400 can be reached from other machines",
        ),
        ("[server\n", ":1: not TOML"),
    ];
    for (text, expected) in table {
        let path = write(dir.path(), text);
        let ran = forebay(&["config", "check", "--config", &path]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{text}");
        assert!(ran.err.contains(&format!("{path}{expected}")), "{text}: {}", ran.err);
    }
}

#[test]
fn a_good_file_is_accepted_and_shown_with_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "[server]\nregion = \"eu-north-1\"\n");
    assert_eq!(forebay(&["config", "check", "--quiet", "--config", &path]).code, 0);
    let args = ["config", "show", "--origin", "--config", &path, "--set", "log.filter=warn"];
    let ran = run(command(&args).env("FOREBAY__SERVER__DRAIN_TIMEOUT", "5s"));
    let rows: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row =
        |key: &str| rows.iter().find(|row| row["key"] == key).map(|row| (row["value"].clone(), row["origin"].clone()));
    assert_eq!(row("server.region"), Some(("eu-north-1".into(), format!("{path}:2").into())));
    assert_eq!(row("server.drain_timeout"), Some(("5s".into(), "FOREBAY__SERVER__DRAIN_TIMEOUT".into())));
    assert_eq!(row("log.filter"), Some(("warn".into(), "--set log.filter=warn".into())));
    assert_eq!(row("server.data_dir"), Some(("./forebay-data".into(), "default".into())));
}

#[test]
fn what_init_prints_is_a_file_that_check_accepts() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["config", "init"][..], &["config", "init", "--full"]] {
        let path = write(dir.path(), &forebay(args).out);
        let ran = forebay(&["config", "check", "--config", &path]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    // A port that was free a moment ago, and that nobody listens on now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("http://127.0.0.1:{port}");
    for args in [
        &["queue", "list"][..],
        &["queue", "send", "orders", "hello"],
        &["stream", "tail", "events"],
        &["group", "list", "events"],
        &["server", "status"],
    ] {
        let ran = run(command(args).env("FOREBAY_SERVER", &server));
        assert_eq!(ran.code, 6, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(&format!("cannot reach {server}")) && ran.err.contains("hint: "), "{}", ran.err);
    }
    assert_eq!(run(command(&["check", "server"]).env("FOREBAY_SERVER", &server)).code, 2);
}

#[test]
fn destruction_asks_and_without_a_terminal_needs_yes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for delete in
        [&["queue", "delete", "orders"][..], &["stream", "delete", "events"], &["group", "delete", "events", "workers"]]
    {
        let ran = forebay(&[delete, &["--server", &server]].concat());
        assert_eq!(ran.code, 2, "{delete:?}: {}", ran.err);
        assert!(ran.err.contains("--yes"), "{}", ran.err);
    }
}

#[test]
fn reasons_are_listed_and_explained() {
    let ran = forebay(&["errors", "explain", "queue-not-found"]);
    assert!(ran.code == 0 && ran.out.starts_with("QUEUE_NOT_FOUND\n"), "{}", ran.out);
    let ran = forebay(&["errors", "explain", "QUEUE_NOT_FUND"]);
    assert!(ran.code == 4 && ran.err.contains("did you mean QUEUE_NOT_FOUND?"), "{}", ran.err);
    let reasons = forebay(&["errors", "list"]).out;
    for line in reasons.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(forebay(&["errors", "explain", row["reason"].as_str().unwrap()]).code, 0);
    }
    assert!(reasons.lines().count() > 20);
}

#[test]
fn completions_and_manual_pages_cover_the_tree() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = forebay(&["generate", "completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("dead-letter") && ran.out.contains("reshard"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    let ran = forebay(&["generate", "man", dir.path().to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for page in [
        "forebay.1",
        "forebay-queue.1",
        "forebay-queue-settle-dead-letter.1",
        "forebay-stream-tail.1",
        "forebay-group-seek.1",
        "forebay-config-show.1",
    ] {
        let text = fs::read_to_string(dir.path().join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS") || text.contains(".SH NAME"), "{page}");
    }
}

#[test]
fn a_directory_without_a_store_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    for action in [&["inspect"][..], &["verify"], &["dump"], &["repair", "--yes"]] {
        let ran = run(command(&["storage", "--data-dir", path]).args(action));
        assert_eq!((ran.code, ran.out.as_str()), (4, ""), "{action:?}: {}", ran.err);
        assert!(ran.err.contains("is not a data directory"), "{}", ran.err);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
