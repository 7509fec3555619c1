//! `forebay stream tail` as a process that goes on while shards and servers come and go.

use super::serve::{Consumer, Server};

const TAIL: [&str; 6] = ["stream", "tail", "events", "--format", "%p %v\\n", "--from"];

fn create(server: &Server) {
    let created = server.client(&["stream", "create", "events"]);
    assert_eq!(created.code, 0, "{}", created.err);
}

fn put(server: &Server, key: &str, data: &str) {
    let put = server.client(&["stream", "put", "events", data, "--key", key]);
    assert_eq!(put.code, 0, "{}", put.err);
}

fn tail(server: &Server, args: &[&str]) -> Consumer {
    Consumer::run(server, &[&TAIL[..], args].concat())
}

#[test]
fn a_tail_follows_through_a_split_and_a_merge() {
    let server = Server::start(&["--dev"]);
    create(&server);
    put(&server, "a", "whole");
    let mut follower = tail(&server, &["start"]);
    assert_eq!(follower.lines.next().as_deref(), Some("shardId-000000000000 whole"));
    assert_eq!(server.client(&["stream", "split", "events", "0"]).code, 0);
    // The keys of `a` begin with 0c, those of `b` with 92: each is in one half.
    put(&server, "a", "lower half");
    assert_eq!(follower.lines.next().as_deref(), Some("shardId-000000000001 lower half"));
    put(&server, "b", "upper half");
    assert_eq!(follower.lines.next().as_deref(), Some("shardId-000000000002 upper half"));
    assert_eq!(server.client(&["stream", "merge", "events", "1", "2"]).code, 0);
    put(&server, "b", "whole again");
    assert_eq!(follower.lines.next().as_deref(), Some("shardId-000000000003 whole again"));
    assert_eq!(follower.interrupt(), 0);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_tail_of_one_shard_ends_with_it_and_says_where_its_keys_are() {
    let server = Server::start(&["--dev"]);
    create(&server);
    put(&server, "a", "whole");
    assert_eq!(server.client(&["stream", "split", "events", "0"]).code, 0);
    put(&server, "a", "lower half");
    let ran = server.client(&[&TAIL[..], &["start", "--shard", "0"]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (0, "shardId-000000000000 whole\n"), "{}", ran.err);
    assert!(ran.err.contains("its keys go on in shardId-000000000001, shardId-000000000002"), "{}", ran.err);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_tail_goes_on_when_its_server_comes_back_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let server = Server::on(dir.path());
    let address = server.address();
    create(&server);
    put(&server, "a", "before");
    let mut follower = tail(&server, &["-1"]);
    assert_eq!(follower.lines.next().as_deref(), Some("shardId-000000000000 before"));
    assert_eq!(server.end(), 0, "a drain does not wait for a reader");
    let server = Server::start_at(&address, &["--data-dir", path]);
    put(&server, "a", "after a drain");
    assert_eq!(follower.lines.next().as_deref(), Some("shardId-000000000000 after a drain"));
    drop(server);
    let server = Server::start_at(&address, &["--data-dir", path]);
    put(&server, "a", "after a kill");
    assert_eq!(follower.lines.next().as_deref(), Some("shardId-000000000000 after a kill"));
    assert_eq!(follower.interrupt(), 0);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_tail_ends_after_its_count_after_a_while_without_records_and_with_its_server() {
    let server = Server::start(&["--dev"]);
    create(&server);
    for data in ["one", "two", "three"] {
        put(&server, "a", data);
    }
    let counted = server.client(&[&TAIL[..], &["start", "-n", "2"]].concat());
    assert_eq!((counted.code, counted.out.lines().count()), (0, 2), "{}", counted.err);
    let idle = server.client(&[&TAIL[..], &["start", "--idle-exit", "100ms"]].concat());
    assert_eq!((idle.code, idle.out.lines().count()), (0, 3), "{}", idle.err);
    let nothing = server.client(&[&TAIL[..], &["end", "--idle-exit", "100ms"]].concat());
    assert_eq!((nothing.code, nothing.out.as_str(), nothing.err.as_str()), (0, "", "waiting for records\n"));
    let quiet = server.client(&[&TAIL[..], &["end", "--idle-exit", "100ms", "--quiet"]].concat());
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (0, "", ""));
    let mut follower = tail(&server, &["start", "--reconnect", "0s"]);
    assert_eq!(follower.lines.nth(2).as_deref(), Some("shardId-000000000000 three"));
    assert_eq!(server.end(), 0);
    assert_eq!(follower.wait(), 6, "its server is gone");
}
