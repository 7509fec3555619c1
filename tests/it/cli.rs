//! The command line against a broker: what a script would do, and what it would see.

use crate::broker::{KEY_ID, SECRET, TestBroker, start};
use assert_cmd::Command;
use forebay::proto::admin::v1 as admin;
use serde_json::Value;
use std::{fs, time::Duration};

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// One JSON object a line.
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn row(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        self.rows().into_iter().next().unwrap()
    }
}

/// Runs one command line against the broker, with this on standard input.
pub(crate) async fn run_with(broker: &TestBroker, input: &str, args: &[&str]) -> Ran {
    let mut command = Command::cargo_bin("forebay").unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").env("FOREBAY_SERVER", format!("http://{}", broker.address));
    command.env("FOREBAY_ACCESS_KEY_ID", KEY_ID).env("FOREBAY_SECRET_ACCESS_KEY", SECRET);
    command.args(args).write_stdin(input.to_owned());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) async fn run(broker: &TestBroker, args: &[&str]) -> Ran {
    run_with(broker, "", args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_created_changed_shown_and_deleted() {
    let broker = start().await;
    let created =
        run(&broker, &["queue", "create", "orders", "--visibility-timeout", "45s", "--tag", "team=a"]).await.row();
    assert_eq!((&created["visibility_timeout"], &created["tags"]["team"]), (&"45s".into(), &"a".into()));
    assert_eq!(
        run(&broker, &["queue", "create", "orders", "--visibility-timeout", "45s", "--tag", "team=a"]).await.code,
        0
    );
    let other = run(&broker, &["queue", "create", "orders", "--visibility-timeout", "50s"]).await;
    assert_eq!(other.code, 1);
    assert!(other.err.contains("error: QUEUE_EXISTS_DIFFERENTLY: "), "{}", other.err);
    assert!(other.err.contains("hint: forebay errors explain QUEUE_EXISTS_DIFFERENTLY"), "{}", other.err);
    assert_eq!(
        run(&broker, &["queue", "create", "orders", "--delay", "50s", "--idempotent"]).await.row()["delay"],
        "0s"
    );
    let set = ["queue", "set", "orders", "--retention", "2h", "--tag", "stage=x", "--remove-tag", "team"];
    let changed = run(&broker, &set).await.row();
    assert_eq!((&changed["retention"], &changed["visibility_timeout"]), (&"2h".into(), &"45s".into()));
    assert_eq!(changed["tags"], serde_json::json!({ "stage": "x" }));
    let refused = run(&broker, &["queue", "set", "orders", "--retention", "1s"]).await;
    assert!(refused.code == 2 && refused.err.contains("retention"), "{}", refused.err);
    assert_eq!(run(&broker, &["queue", "list", "--prefix", "ord"]).await.row()["name"], "orders");
    let table = run(&broker, &["queue", "list", "-o", "table"]).await.out;
    assert!(table.starts_with("NAME ") && table.contains("orders"), "{table}");
    assert_eq!(run(&broker, &["queue", "delete", "orders", "--yes"]).await.code, 0);
    assert_eq!(run(&broker, &["queue", "get", "orders"]).await.code, 4);
    assert_eq!(run(&broker, &["queue", "delete", "orders", "--yes"]).await.code, 4);
    assert_eq!(run(&broker, &["queue", "delete", "orders", "--yes", "--idempotent"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_in_and_come_out() {
    let broker = start().await;
    run(&broker, &["queue", "create", "q"]).await.row();
    let sent = run(&broker, &["queue", "send", "q", "hello", "-a", "color=red", "-a", "n:Number=5"]).await.row();
    assert!(sent["message_id"].is_string());
    let peeked = run(&broker, &["queue", "peek", "q"]).await.row();
    assert_eq!((&peeked["state"], &peeked["body"]), (&"visible".into(), &"hello".into()));
    let received = run(&broker, &["queue", "receive", "q"]).await.row();
    assert_eq!(received["attributes"]["n"], serde_json::json!({ "type": "Number", "value": "5" }));
    let handle = received["receipt_handle"].as_str().unwrap().to_owned();
    assert_eq!(run(&broker, &["queue", "receive", "q"]).await.out, "");
    assert_eq!(run(&broker, &["queue", "settle", "nack", "q", &handle]).await.code, 0);
    let again = run(&broker, &["queue", "receive", "q", "--raw", "--ack"]).await;
    assert_eq!((again.code, again.out.as_str()), (0, "hello\n"), "{}", again.err);
    assert_eq!(run(&broker, &["queue", "peek", "q"]).await.out, "");
    let wrong = run(&broker, &["queue", "settle", "ack", "q", "nonsense"]).await;
    assert!(wrong.code == 1 && wrong.err.contains("RECEIPT_HANDLE_INVALID"), "{}: {}", wrong.code, wrong.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_one_document_whatever_the_number_of_results() {
    let broker = start().await;
    run(&broker, &["queue", "create", "q", "--max-message-bytes", "1KiB"]).await.row();
    let count = |ran: &Ran| serde_json::from_str::<Vec<Value>>(&ran.out).map(|rows| rows.len()).unwrap();
    for command in ["receive", "peek"] {
        assert_eq!(count(&run(&broker, &["queue", command, "q", "-o", "json"]).await), 0, "{command}");
    }
    let sent = run_with(&broker, "a\nb\nc\n", &["queue", "send", "q", "-", "--lines", "-o", "json"]).await;
    assert_eq!(count(&sent), 3);
    assert_eq!(count(&run(&broker, &["queue", "peek", "q", "-o", "json"]).await), 3);
    assert_eq!(count(&run(&broker, &["queue", "receive", "q", "-o", "json"]).await), 1);
    assert_eq!(count(&run(&broker, &["queue", "consume", "q", "-n", "2", "-o", "json"]).await), 2);
    let large = format!("small\n{}\n", "x".repeat(2000));
    let partly = run_with(&broker, &large, &["queue", "send", "q", "-", "--lines", "-o", "json"]).await;
    assert_eq!((partly.code, count(&partly)), (3, 1), "{}", partly.err);
    let table = run_with(&broker, "a\n", &["queue", "send", "q", "-", "--lines", "-o", "table"]).await.out;
    assert_eq!(table.trim_end(), table.trim_end_matches('\n'), "no spaces at the end of a row");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_standard_input_are_messages() {
    let broker = start().await;
    run(&broker, &["queue", "create", "q"]).await.row();
    let lines: String = (0..250).map(|line| format!("line {line}\n")).collect();
    let sent = run_with(&broker, &lines, &["queue", "send", "q", "-", "--lines"]).await;
    assert_eq!((sent.code, sent.rows().len()), (0, 250), "{}", sent.err);
    let consumed = run(&broker, &["queue", "consume", "q", "--raw", "--count", "200"]).await;
    assert_eq!((consumed.code, consumed.out.lines().count()), (0, 200), "{}", consumed.err);
    // What the first had in flight beyond its count comes back when its call has ended.
    let rest = run(&broker, &["queue", "consume", "q", "--raw", "--count", "50"]).await;
    assert_eq!((rest.code, rest.out.lines().count()), (0, 50), "{}", rest.err);
    let stats = run(&broker, &["queue", "get", "q"]).await.row();
    assert_eq!((&stats["stats"]["visible_messages"], &stats["stats"]["in_flight_messages"]), (&0.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_gives_its_message_back() {
    let broker = start().await;
    run(&broker, &["queue", "create", "dead"]).await.row();
    run(&broker, &["queue", "create", "q", "--dead-letter-queue", "dead", "--max-receive-count", "2"]).await.row();
    for body in ["good", "bad", "fine"] {
        run(&broker, &["queue", "send", "q", body]).await.row();
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let exec = format!("read -r body; echo \"$body $FOREBAY_RECEIVE_COUNT\" >> {}; [ $body != bad ]", log.display());
    let consumed = run(&broker, &["queue", "consume", "q", "--exec", &exec, "--idle-exit", "1s"]).await;
    assert_eq!(consumed.code, 3, "{}", consumed.err);
    assert!(consumed.err.contains("error: 2 of 4 commands failed"), "{}", consumed.err);
    let mut runs: Vec<_> = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    runs.sort();
    assert_eq!(runs, ["bad 1", "bad 2", "fine 1", "good 1"]);
    assert_eq!(run(&broker, &["queue", "peek", "dead"]).await.row()["body"], "bad");
    let moved = run(&broker, &["queue", "redrive", "start", "dead"]).await.row();
    assert_eq!(run(&broker, &["queue", "redrive", "list", "dead"]).await.row()["name"], moved["name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn consuming_ends_with_1_when_every_command_failed() {
    let broker = start().await;
    run(&broker, &["queue", "create", "q"]).await.row();
    run(&broker, &["queue", "send", "q", "bad"]).await.row();
    let consume = |command: &'static str| ["queue", "consume", "q", "--exec", command, "--count", "1"];
    let failed = run(&broker, &consume("false")).await;
    assert_eq!(failed.code, 1, "{}", failed.err);
    assert!(failed.err.contains("error: 1 of 1 commands failed"), "{}", failed.err);
    let fine = run(&broker, &consume("true")).await;
    assert_eq!(fine.code, 0, "{}", fine.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_keeps_order_for_commands_that_run_side_by_side() {
    let broker = start().await;
    run(&broker, &["queue", "create", "q.fifo", "--content-based-deduplication"]).await.row();
    for group in ["a", "b"] {
        let lines: String = (0..10).map(|line| format!("{group}{line}\n")).collect();
        let sent = run_with(&broker, &lines, &["queue", "send", "q.fifo", "-", "--lines", "--group", group]).await;
        assert_eq!(sent.code, 0, "{}", sent.err);
    }
    let again = run(&broker, &["queue", "send", "q.fifo", "a0", "--group", "a"]).await.row();
    assert_eq!(again["deduplicated"], true);
    let dir = tempfile::tempdir().unwrap();
    let exec = format!("cat >> {}/$FOREBAY_GROUP_ID; echo >> {0}/$FOREBAY_GROUP_ID", dir.path().display());
    let args =
        ["queue", "consume", "q.fifo", "--exec", &exec, "--jobs", "4", "--max-outstanding", "20", "--count", "20"];
    let consumed = run(&broker, &args).await;
    assert_eq!(consumed.code, 0, "{}", consumed.err);
    for group in ["a", "b"] {
        let expected: String = (0..10).map(|line| format!("{group}{line}\n")).collect();
        assert_eq!(fs::read_to_string(dir.path().join(group)).unwrap(), expected);
    }
}

/// Breaks the connections of every command that runs.
async fn break_commands(broker: &TestBroker) {
    let mut admin = broker.admin().await;
    let listed = admin.list_connections(admin::ListConnectionsRequest::default()).await.unwrap().into_inner();
    let (client, mut closed) = (concat!("forebay-cli/", env!("CARGO_PKG_VERSION")), 0);
    for connection in listed.connections.into_iter().filter(|connection| connection.client == client) {
        admin.close_connection(admin::CloseConnectionRequest { id: connection.id }).await.unwrap();
        closed += 1;
    }
    assert!(closed > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_connection_breaks_keeps_what_it_works_on() {
    let broker = start().await;
    run(&broker, &["queue", "create", "q"]).await.row();
    run(&broker, &["queue", "send", "q", "long"]).await.row();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    let exec = format!("echo >> {path}/begun; until [ -e {path}/go ]; do sleep 0.02; done");
    let args = ["queue", "consume", "q", "--exec", &exec, "--count", "1"];
    let consumer = run(&broker, &args);
    let breaker = async {
        while !dir.path().join("begun").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        break_commands(&broker).await;
        fs::write(dir.path().join("go"), "").unwrap();
    };
    let (consumed, ()) = tokio::join!(consumer, breaker);
    assert_eq!(consumed.code, 0, "{}", consumed.err);
    assert!(consumed.err.contains("trying again"), "{}", consumed.err);
    assert_eq!(fs::read_to_string(dir.path().join("begun")).unwrap(), "\n", "the command ran once");
    assert_eq!(run(&broker, &["queue", "peek", "q"]).await.out, "");
    let ran = run(&broker, &["queue", "consume", "q", "--reconnect", "0s", "--idle-exit", "10ms"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_how_it_is_and_drains() {
    let broker = start().await;
    assert_eq!(run(&broker, &["check", "server"]).await.code, 0);
    assert_eq!(run(&broker, &["server", "info"]).await.row()["account_id"], "000000000000");
    assert_eq!(run(&broker, &["server", "status"]).await.row()["ready"], true);
    assert_eq!(
        run(&broker, &["server", "connections"]).await.row()["client"],
        concat!("forebay-cli/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(run(&broker, &["server", "log", "debug"]).await.code, 0);
    assert_eq!(run(&broker, &["server", "log", "!"]).await.code, 2);
    assert_eq!(run(&broker, &["server", "drain", "--yes", "--grace", "1s"]).await.code, 0);
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_benchmark_finds_every_message_again_and_leaves_no_queue() {
    let broker = start().await;
    for mode in [
        &["--mode", "send"][..],
        &["--mode", "send", "--batch", "10", "--fifo", "--queues", "3"],
        &["--mode", "produce"],
        &["--mode", "receive", "--messages", "500"],
        &["--mode", "consume", "--messages", "500", "--fifo"],
    ] {
        let common = ["bench", "queue", "--json", "--clients", "4", "--duration", "300ms", "--warmup", "100ms"];
        let ran = run(&broker, &[&common[..], mode].concat()).await;
        assert_eq!(ran.code, 0, "{mode:?}: {} {}", ran.out, ran.err);
        let verdict = &ran.row()["rounds"][0]["verdict"];
        assert!(verdict["received"].as_u64().unwrap() > 0, "{mode:?}: {verdict}");
        assert_eq!((&verdict["lost"], &verdict["changed"]), (&0.into(), &0.into()), "{mode:?}");
    }
    assert_eq!(run(&broker, &["queue", "list"]).await.out, "");
}
