//! Streams and groups on the command line: what a script would do, and what it would see.

use crate::{
    broker::{TestBroker, start},
    cli::{Ran, run, run_with},
    grpc_streams::{self, Member},
};
use serde_json::Value;

/// A stream of two shards with records of ten keys, `k0` to `k9`, one each.
async fn filled(broker: &TestBroker) {
    run(broker, &["stream", "create", "events", "--shards", "2"]).await.row();
    let lines: String = (0..10).map(|line| format!("k{line}:value {line}\n")).collect();
    let put = run_with(broker, &lines, &["stream", "put", "events", "-", "--lines", "--key-delimiter", ":"]).await;
    assert_eq!((put.code, put.rows().len()), (0, 10), "{}", put.err);
}

fn refused(ran: &Ran, code: i32, why: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{}", ran.err);
    assert!(ran.err.contains(why), "{why}: {}", ran.err);
}

/// A member of a value, of each row.
fn all(ran: &Ran, member: &str) -> Vec<String> {
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.rows().iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_created_changed_shown_and_deleted() {
    let broker = start().await;
    let create = ["stream", "create", "events", "--shards", "2", "--retention", "2d", "--tag", "team=a"];
    let created = run(&broker, &create).await.row();
    assert_eq!((&created["open_shards"], &created["retention"]), (&2.into(), &"2d".into()));
    assert_eq!((&created["tags"]["team"], &created["state"]), (&"a".into(), &"active".into()));
    let other = run(&broker, &["stream", "create", "events"]).await;
    refused(&other, 1, "error: STREAM_EXISTS: ");
    assert!(other.err.contains("hint: forebay errors explain STREAM_EXISTS"), "{}", other.err);
    let same = run(&broker, &["stream", "create", "events", "--idempotent"]).await;
    assert!(same.err.contains("nothing was changed"), "{}", same.err);
    assert_eq!(same.row()["open_shards"], 2);
    let set = ["stream", "set", "events", "--retention", "3d", "--max-record-bytes", "2MiB", "--tag", "stage=x"];
    let changed = run(&broker, &[&set[..], &["--remove-tag", "team"]].concat()).await.row();
    assert_eq!((&changed["retention"], &changed["max_record_bytes"]), (&"3d".into(), &(2 << 20).into()));
    assert_eq!((&changed["tags"], &changed["state"]), (&serde_json::json!({ "stage": "x" }), &"active".into()));
    let stale = created["etag"].as_str().unwrap();
    refused(
        &run(&broker, &["stream", "set", "events", "--retention", "4d", "--etag", stale]).await,
        1,
        "ETAG_MISMATCH",
    );
    refused(&run(&broker, &["stream", "set", "events", "--retention", "1h"]).await, 2, "retention");
    refused(&run(&broker, &["stream", "set", "events"]).await, 2, "no setting is named");
    let row = run(&broker, &["stream", "list", "--prefix", "ev"]).await.row();
    assert_eq!((&row["name"], &row["stored_records"]), (&"events".into(), &0.into()));
    let table = run(&broker, &["stream", "list", "-o", "table"]).await.out;
    assert!(table.starts_with("NAME ") && table.contains("events  active  provisioned  2"), "{table}");
    let table = run(&broker, &["stream", "get", "events", "-o", "table"]).await.out;
    assert!(
        table.contains("max record size       2MiB\n") && table.contains("tags                  stage=x\n"),
        "{table}"
    );
    refused(&run(&broker, &["stream", "delete", "events"]).await, 2, "say --yes");
    let deleted = run(&broker, &["stream", "delete", "events", "nothing", "--yes"]).await;
    refused(&deleted, 3, "1 of 2 streams were not deleted");
    refused(&run(&broker, &["stream", "delete", "nothing", "--yes"]).await, 4, "STREAM_NOT_FOUND");
    assert_eq!(run(&broker, &["stream", "delete", "nothing", "--yes", "--idempotent"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_demand_and_its_policy_are_set_and_unset() {
    let broker = start().await;
    let create = ["stream", "create", "live", "--mode", "on-demand", "--warm-throughput", "8"];
    let created = run(&broker, &create).await.row();
    assert_eq!((&created["mode"], &created["warm_throughput"]), (&"on-demand".into(), &8.into()));
    assert_eq!(created["open_shards"], 8);
    let policy = broker.dir.path().join("policy.json");
    let principal = serde_json::json!({ "AWS": "111111111111" });
    let statement = serde_json::json!({
        "Effect": "Allow", "Principal": principal, "Action": "kinesis:GetRecords",
        "Resource": created["arn"],
    });
    let document = serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] });
    std::fs::write(&policy, document.to_string()).unwrap();
    let set = run(&broker, &["stream", "set", "live", "--policy", policy.to_str().unwrap()]).await.row();
    assert!(set["policy"].as_str().unwrap().contains("GetRecords"), "{set}");
    assert_eq!(run(&broker, &["stream", "set", "live", "--no-policy"]).await.row()["policy"], Value::Null);
    refused(&run(&broker, &["stream", "set", "live", "--policy", "/not/there"]).await, 1, "/not/there: No such file");
    refused(
        &run(&broker, &["stream", "create", "x", "--warm-throughput", "8"]).await,
        2,
        "stream.warm_throughput is 8",
    );
    refused(&run(&broker, &["stream", "create", "x", "--shards", "0"]).await, 2, "--shards is 0");
    refused(&run(&broker, &["stream", "create", "a b"]).await, 2, "1 to 128 letters");
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_split_merged_and_counted() {
    let broker = start().await;
    filled(&broker).await;
    let split = run(&broker, &["stream", "split", "events", "0"]).await;
    assert!(split.err.contains("2 shards are new, 3 are open"), "{}", split.err);
    assert_eq!(all(&split, "parent_shard_id"), ["shardId-000000000000"; 2]);
    // No wait is needed between one change and the next.
    let merge = ["stream", "merge", "events", "shardId-000000000002", "shardId-000000000003"];
    let merged = run(&broker, &merge).await.row();
    assert_eq!(
        (&merged["shard_id"], &merged["adjacent_parent_shard_id"]),
        (&"shardId-000000000004".into(), &"shardId-000000000003".into())
    );
    let all_of_them = run(&broker, &["stream", "shards", "events", "--all"]).await;
    assert_eq!(all(&all_of_them, "state"), ["closed", "open", "closed", "closed", "open"]);
    let table = run(&broker, &["stream", "shards", "events", "-o", "table"]).await.out;
    assert!(
        table.starts_with("SHARD ") && table.contains("0.0% to 50.0%") && table.contains("50.0% to 100.0%"),
        "{table}"
    );
    assert!(table.contains("shardId-000000000002, shardId-000000000003"), "{table}");
    let resharded = run(&broker, &["stream", "reshard", "events", "4"]).await;
    assert_eq!((resharded.code, resharded.rows().len()), (0, 4), "{}", resharded.err);
    let same = run(&broker, &["stream", "reshard", "events", "4", "-o", "table"]).await;
    assert_eq!((same.code, same.out.as_str()), (0, ""), "{}", same.err);
    assert!(same.err.contains("nothing was changed: 4 shards are open"), "{}", same.err);
    let stream = |args: &[&'static str]| [&["stream"], args].concat();
    for (args, code, why) in [
        (&["split", "events", "99"][..], 4, "SHARD_NOT_FOUND"),
        (&["split", "events", "x"], 2, "split.shard_id is \"x\""),
        (&["split", "events", "0"], 1, "STREAM_STATE_FORBIDS"),
        (&["split", "events", "5", "--at", "0"], 2, "INVALID_ARGUMENT"),
        (&["merge", "events", "5", "8"], 2, "INVALID_ARGUMENT"),
        (&["reshard", "events", "0"], 2, "INVALID_ARGUMENT"),
        (&["shards", "nothing"], 4, "STREAM_NOT_FOUND"),
    ] {
        refused(&run(&broker, &stream(args)).await, code, why);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_read_from_every_place_to_every_other() {
    let broker = start().await;
    filled(&broker).await;
    let read = async |args: &[&str]| run(&broker, &[&["stream", "read", "events"], args].concat()).await;
    let mut data = all(&read(&[]).await, "data");
    data.sort();
    assert_eq!(data, (0..10).map(|line| format!("value {line}")).collect::<Vec<_>>());
    assert_eq!(read(&["--from", "end"]).await.out, "");
    assert_eq!(all(&read(&["-n", "3"]).await, "data").len(), 3);
    assert_eq!(all(&read(&["--until", "4 records"]).await, "data").len(), 4);
    assert_eq!(all(&read(&["--from", "@-1h"]).await, "data").len(), 10);
    assert_eq!(all(&read(&["--until", "@-1h"]).await, "data").len(), 0);
    for count in ["1", "7", "10", "1000"] {
        let from = format!("-{count}");
        assert_eq!(read(&["--from", &from]).await.rows().len(), count.parse::<usize>().unwrap().min(10));
    }
    let one = read(&["--shard", "1"]).await;
    let (numbers, data) = (all(&one, "sequence_number"), all(&one, "data"));
    assert!(numbers.len() > 2 && all(&one, "shard_id").iter().all(|shard| shard == "shardId-000000000001"));
    let after = format!("after:{}", numbers[0]);
    assert_eq!(all(&read(&["--shard", "1", "--from", &numbers[1]]).await, "data"), data[1..]);
    assert_eq!(all(&read(&["--shard", "1", "--from", &after]).await, "data"), data[1..]);
    assert_eq!(all(&read(&["--shard", "1", "--until", &numbers[1]]).await, "data"), data[..2]);
    assert_eq!(all(&read(&["--shard", "1", "--from", "-2"]).await, "data"), data[data.len() - 2..]);
    let lone = read(&["--from", &numbers[0]]).await;
    refused(&lone, 2, "a sequence number is of one shard, and events has 2");
    assert!(lone.err.contains("hint: name the shard with --shard"), "{}", lone.err);
    refused(&read(&["--shard", "0", "--from", &numbers[0]]).await, 2, "not of shardId-000000000000");
    refused(&read(&["--shard", "9"]).await, 4, "SHARD_NOT_FOUND");
    refused(&read(&["--shard", "x"]).await, 2, "shardId-000000000000 or 0");
    refused(&read(&["--from", "yesterday"]).await, 2, "allowed is start, end, -COUNT");
    refused(&read(&["--from", "@+1h"]).await, 2, "lies in the future");
    refused(&read(&["--until", "10"]).await, 2, "\"records\"");
    refused(&read(&["-n", "0"]).await, 2, "0 is not in 1..");
    refused(&run(&broker, &["stream", "read", "nothing"]).await, 4, "STREAM_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_number_of_a_stream_with_one_shard_needs_no_shard() {
    let broker = start().await;
    run(&broker, &["stream", "create", "one"]).await.row();
    let put = run_with(&broker, "a\nb\nc\n", &["stream", "put", "one", "-", "--lines", "--key", "k"]).await;
    let numbers = all(&put, "sequence_number");
    let read = ["stream", "read", "one", "--raw", "--from", &numbers[1]];
    assert_eq!(run(&broker, &read).await.out, "b\nc\n");
    assert_eq!(run(&broker, &[&read[..], &["--until", &numbers[1]]].concat()).await.out, "b\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_printed_for_people_for_programs_and_as_told() {
    let broker = start().await;
    run(&broker, &["stream", "create", "one"]).await.row();
    assert_eq!(run(&broker, &["stream", "read", "one", "-o", "json"]).await.out, "[]\n");
    run(&broker, &["stream", "put", "one", "first\nline", "--key", "k"]).await.row();
    let file = broker.dir.path().join("data");
    std::fs::write(&file, [0xff, 0x00]).unwrap();
    let table = run(&broker, &["stream", "put", "one", "-f", file.to_str().unwrap(), "-k", "k", "-o", "table"]).await;
    assert!(table.out.starts_with("shard     shardId-000000000000\nsequence  4"), "{}", table.out);
    let read = async |args: &[&str]| run(&broker, &[&["stream", "read", "one"], args].concat()).await;
    let rows: Vec<Value> = serde_json::from_str(&read(&["-o", "json"]).await.out).unwrap();
    assert_eq!((rows.len(), &rows[0]["data"], &rows[1]["data_base64"]), (2, &"first\nline".into(), &"/wA=".into()));
    let table = read(&["-o", "table"]).await.out;
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].ends_with("  shardId-000000000000  k                 first\\nline"), "{table}");
    assert!(lines[1].ends_with("base64:/wA="), "{table}");
    assert_eq!(read(&["--raw", "-n", "1"]).await.out, "first\nline\n");
    let formatted = read(&["--format", "%k|%p|%v{hex}\\n", "--from", "-1"]).await.out;
    assert_eq!(formatted, "k|shardId-000000000000|ff00\n");
    refused(&read(&["--format", "%x"]).await, 2, "%x is not %s, %p, %t, %k, %v or %%");
    refused(&read(&["--format", "%s", "--raw"]).await, 2, "cannot be used with");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_record_is_told_with_its_line() {
    let broker = start().await;
    run(&broker, &["stream", "create", "one"]).await.row();
    let put = async |input: &str, args: &[&str]| {
        run_with(&broker, input, &[&["stream", "put", "one", "-"], args].concat()).await
    };
    let partly = put("a=1\n=2\nb=3\n", &["--lines", "--key-delimiter", "=", "-o", "json"]).await;
    assert_eq!(partly.code, 3, "{}", partly.err);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&partly.out).unwrap().len(), 2);
    assert!(partly.err.contains("line 2: INVALID_ARGUMENT: a partition key of 0 characters"), "{}", partly.err);
    assert!(partly.err.contains("1 of 3 records failed"), "{}", partly.err);
    refused(&put("a 1\n", &["--lines", "--key-delimiter", "="]).await, 2, "line 1 has no \"=\" between a key and data");
    refused(&put("x", &["--key", ""]).await, 2, "a partition key of 0 characters");
    refused(&put("x", &["--hash-key", "much"]).await, 2, "INVALID_ARGUMENT");
    refused(&put("x", &["--key-delimiter", "="]).await, 2, "--lines");
    refused(&run(&broker, &["stream", "put", "nothing", "x"]).await, 4, "STREAM_NOT_FOUND");
    refused(&run(&broker, &["stream", "put", "one"]).await, 2, "required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_its_shard_has_no_room_for_is_put_again() {
    let broker = start().await;
    run(&broker, &["stream", "create", "one"]).await.row();
    // Together more than a shard takes at once, whatever time it is.
    let two = format!("{}\n{}\n", "a".repeat(600_000), "b".repeat(600_000));
    let put = ["stream", "put", "one", "-", "--lines", "--key", "k"];
    let once = run_with(&broker, &two, &[&put[..], &["--retry", "0s"]].concat()).await;
    assert_eq!((once.code, once.rows().len()), (3, 1), "{}", once.err);
    assert!(once.err.contains("line 2: SHARD_THROUGHPUT_EXCEEDED"), "{}", once.err);
    let again = run_with(&broker, &two, &put).await;
    assert_eq!((again.code, again.rows().len()), (0, 2), "{}", again.err);
    let read = run(&broker, &["stream", "read", "one", "--format", "%v\\n"]).await;
    let letters: String = read.out.lines().map(|line| line.chars().next().unwrap()).collect();
    assert_eq!(letters, "aab");
}

/// What the group shows once nobody is in it.
async fn left_alone(broker: &TestBroker) -> Value {
    loop {
        let group = run(broker, &["group", "get", "events", "workers"]).await.row();
        if group["members"].as_array().unwrap().is_empty() {
            return group;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_shown_moved_and_deleted() {
    let broker = start().await;
    filled(&broker).await;
    let group = async |args: &[&str]| run(&broker, &[&["group"], args].concat()).await;
    assert_eq!(group(&["list", "events"]).await.out, "");
    let mut client = grpc_streams::client(&broker).await;
    let mut member = Member::join(&mut client, "workers").await;
    assert_eq!(member.take(10).await.len(), 10);
    let row = group(&["list", "events"]).await.row();
    assert_eq!((&row["group"], &row["members"], &row["shards"]), (&"workers".into(), &1.into(), &2.into()));
    let table = group(&["get", "events", "workers", "-o", "table"]).await.out;
    assert!(table.contains("lag      0 records\n") && table.contains("\nSHARD "), "{table}");
    assert!(table.contains("test-member"), "{table}");
    let seek = ["seek", "events", "workers", "--to"];
    refused(&group(&[&seek[..], &["start"]].concat()).await, 1, "STREAM_STATE_FORBIDS");
    refused(&group(&["delete", "events", "workers", "--yes"]).await, 1, "STREAM_STATE_FORBIDS");
    drop(member);
    left_alone(&broker).await;

    let preview = group(&[&seek[..], &["start", "--dry-run"]].concat()).await;
    assert!(preview.err.contains("nothing was changed"), "{}", preview.err);
    let sum = |ran: &Ran, member: &str| ran.rows().iter().map(|row| row[member].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum(&preview, "repeated_records"), sum(&preview, "skipped_records")), (10, 0));
    assert_eq!(left_alone(&broker).await["lag_records"], 0, "a preview moves nothing");
    let moved = group(&[&seek[..], &["start", "-o", "table"]].concat()).await;
    assert!(moved.out.starts_with("SHARD ") && moved.out.contains("COME AGAIN"), "{}", moved.out);
    assert_eq!(left_alone(&broker).await["lag_records"], 10);
    let report = run(&broker, &["stream", "report"]).await.row();
    assert_eq!((&report["slowest_group"], &report["slowest_group_lag_records"]), (&"workers".into(), &10.into()));
    let table = run(&broker, &["stream", "report", "events", "-o", "table"]).await.out;
    assert!(table.starts_with("NAME ") && table.contains("workers (10 records)"), "{table}");
    assert_eq!(sum(&group(&[&seek[..], &["@-1h"]].concat()).await, "repeated_records"), 0, "it is there already");
    let one = group(&[&seek[..], &["end", "--shard", "0"]].concat()).await;
    assert_eq!(all(&one, "shard_id"), ["shardId-000000000000"]);
    let last =
        all(&run(&broker, &["stream", "read", "events", "--shard", "1"]).await, "sequence_number").pop().unwrap();
    let to_last = group(&[&seek[..], &[&last]].concat()).await;
    assert_eq!(all(&to_last, "shard_id"), ["shardId-000000000001"]);
    assert_eq!(left_alone(&broker).await["lag_records"], 1, "the last record of one shard comes again");

    refused(&group(&[&seek[..], &["-5"]].concat()).await, 2, "a group moves to start, end");
    refused(&group(&[&seek[..], &["end", "--shard", "99"]].concat()).await, 4, "SHARD_NOT_FOUND");
    refused(&group(&["get", "events", "nobody"]).await, 4, "STREAM_PART_NOT_FOUND");
    refused(&group(&["list", "nothing"]).await, 4, "STREAM_NOT_FOUND");
    refused(&run(&broker, &["stream", "delete", "events", "--yes"]).await, 1, "with force they go with it");
    refused(&group(&["delete", "events", "workers"]).await, 2, "say --yes");
    assert_eq!(group(&["delete", "events", "workers", "--yes"]).await.code, 0);
    refused(&group(&["delete", "events", "workers", "--yes"]).await, 4, "STREAM_PART_NOT_FOUND");
    assert_eq!(run(&broker, &["stream", "delete", "events", "--yes"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_benchmark_finds_every_record_again_and_leaves_no_stream() {
    let broker = start().await;
    for mode in [
        &["--mode", "put"][..],
        &["--mode", "put", "--batch", "10", "--ceiling"],
        &["--mode", "produce"],
        &["--mode", "tail", "--rate", "200"],
        &["--mode", "read", "--records", "500"],
        &["--mode", "subscribe", "--records", "500", "--shards", "3"],
    ] {
        let common = ["bench", "stream", "--json", "--clients", "4", "--duration", "300ms", "--warmup", "100ms"];
        let ran = run(&broker, &[&common[..], mode].concat()).await;
        assert_eq!(ran.code, 0, "{mode:?}: {} {}", ran.out, ran.err);
        let verdict = &ran.row()["rounds"][0]["verdict"];
        assert!(verdict["received"].as_u64().unwrap() > 0, "{mode:?}: {verdict}");
        let wrong = ["lost", "twice", "out_of_order", "changed"].map(|what| verdict[what].as_u64().unwrap());
        assert_eq!(wrong, [0; 4], "{mode:?}");
        assert_eq!(ran.row()["ratio"].is_f64(), mode.contains(&"--ceiling"), "{mode:?}");
    }
    let limited = ["bench", "stream", "--mode", "read", "--shards", "1", "--size", "100KiB", "--records", "100"];
    refused(&run(&broker, &limited).await, 1, "SHARD_THROUGHPUT_EXCEEDED: the stream cannot be filled");
    refused(&run(&broker, &["bench", "stream", "--size", "15B"]).await, 2, "--size must be at least 16B");
    // Deleted streams go a moment later.
    while !run(&broker, &["stream", "list"]).await.out.is_empty() {}
}
