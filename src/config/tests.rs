//! The loader under tables of files, variables and flags.

use super::*;
use crate::base::limits;
use std::{fs, path::PathBuf};

/// A file of this text, gone when the test ends.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("forebay.toml");
    fs::write(&path, text).expect("a file in it");
    (dir, path)
}

/// What is wrong with a file, without its directory.
fn problems_of(text: &str) -> Vec<String> {
    let (dir, path) = file(text);
    let sources = Sources { file: Some(path), ..Sources::default() };
    let prefix = format!("{}/", dir.path().display());
    match sources.load() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect(),
    }
}

#[test]
fn every_default_is_a_value_of_its_key() {
    for key in KEYS.iter() {
        assert_eq!(key.check(key.default), Ok(()), "{}", key.name);
    }
    Config::default();
}

#[test]
fn defaults_are_the_limits_by_name() {
    let config = Config::default();
    assert_eq!(config.api.max_request_bytes, limits::REQUEST_BYTES as u64);
    assert_eq!(config.limits.in_flight_per_queue, limits::IN_FLIGHT_MAX);
    assert_eq!(config.limits.inbox_bytes, limits::INBOX_BYTES as u64);
    assert_eq!(config.limits.consume_outstanding_messages, limits::CONSUME_MESSAGES_MAX);
    assert_eq!(config.limits.produce_outstanding_bytes, limits::PRODUCE_OUTSTANDING_BYTES);
    assert_eq!(config.queue_defaults.visibility_timeout, limits::VISIBILITY_TIMEOUT_DEFAULT);
    assert_eq!(config.queue_defaults.retention, limits::RETENTION_DEFAULT);
    assert_eq!(config.consume.max_outstanding_messages, limits::CONSUME_MESSAGES_DEFAULT);
    assert_eq!(config.consume.max_outstanding_bytes, limits::CONSUME_BYTES_DEFAULT);
    assert_eq!(config.consume.max_lease, limits::MAX_LEASE_DEFAULT);
}

#[test]
fn the_ranges_are_the_limits_by_name() {
    let range = |name| Key::find(name).and_then(|key| key.range);
    let high = |name| range(name).map(|(_, high)| unit::duration(high).expect("a duration"));
    let low = |name| range(name).map(|(low, _)| unit::duration(low).expect("a duration"));
    assert_eq!(high("queues.defaults.visibility_timeout"), Some(limits::VISIBILITY_TIMEOUT_MAX));
    assert_eq!(low("queues.defaults.retention"), Some(limits::RETENTION_MIN));
    assert_eq!(high("queues.defaults.retention"), Some(limits::RETENTION_MAX));
    assert_eq!(high("queues.defaults.receive_wait"), Some(limits::RECEIVE_WAIT_MAX));
    assert_eq!(high("consume.defaults.max_lease"), Some(limits::VISIBILITY_TIMEOUT_MAX));
}

#[test]
fn the_annotated_file_is_what_init_prints_and_says_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/forebay.toml");
    let shipped = fs::read_to_string(path).expect("config/forebay.toml");
    assert_eq!(shipped, full(), "write it anew: forebay config init --full > config/forebay.toml");
    let loaded = Sources { file: Some(path.into()), ..Sources::default() }.load().expect("a valid file");
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.values().all(|value| matches!(value.origin, Origin::File { .. })), "a key is missing in the file");
}

#[test]
fn the_short_file_is_valid_too() {
    assert_eq!(problems_of(&common()), Vec::<String>::new());
    assert!(common().len() < full().len() / 2);
}

#[test]
fn a_later_layer_wins_and_is_named_as_the_origin() {
    let (_dir, path) = file("[server]\nregion = \"file\"\ndrain_timeout = \"1s\"\n[log]\nfilter = \"warn\"\n");
    let mut sources = Sources { file: Some(path.clone()), ..Sources::default() };
    sources.environment = vec![
        ("FOREBAY__SERVER__REGION".into(), "environment".into()),
        ("FOREBAY__LOG__FILTER".into(), "debug".into()),
        ("FOREBAY_SERVER".into(), "not one of ours".into()),
    ];
    sources.flag("server.region", "named".to_owned(), "--region");
    sources.set("server.region=flag").expect("an assignment");
    let loaded = sources.load().expect("valid");
    assert_eq!(loaded.config.server.region.as_str(), "flag");
    assert_eq!(loaded.config.log.filter, "debug");
    assert_eq!(loaded.config.server.drain_timeout.as_secs(), 1);
    let origin = |key| loaded.origin(key).map(ToString::to_string);
    assert_eq!(origin("server.region").as_deref(), Some("--set server.region=flag"));
    assert_eq!(origin("log.filter").as_deref(), Some("FOREBAY__LOG__FILTER"));
    assert_eq!(origin("server.drain_timeout"), Some(format!("{}:3", path.display())));
    assert_eq!(origin("server.data_dir").as_deref(), Some("default"));
}

#[test]
fn a_broken_file_is_refused_with_line_and_suggestion() {
    let table: [(&str, &[&str]); 12] = [
        (
            "[server]\nregio = \"x\"\n",
            &["forebay.toml:2: unknown key \"server.regio\"; did you mean \"server.region\"?"],
        ),
        (
            "[storage]\ncache = \"1MiB\"\n",
            &["forebay.toml:2: unknown key \"storage.cache\"; did you mean \"storage.index.cache\"?"],
        ),
        (
            "[storge]\nsegment_size = \"1MiB\"\n",
            &["forebay.toml:1: unknown section [storge]; did you mean \"storage\"?"],
        ),
        ("\n[zzz]\n", &["forebay.toml:2: unknown section [zzz]"]),
        (
            "[server]\n\ndrain_timeout = \"30\"\n",
            &[
                "forebay.toml:3: server.drain_timeout: \"30\" has no unit; write it as \"30s\", \"30m\", \"30h\" or \"30d\"",
            ],
        ),
        (
            "[server]\ndrain_timeout = 30\n",
            &[
                "forebay.toml:2: server.drain_timeout must be a text in quotes, not the number 30; for example: drain_timeout = \"30s\"",
            ],
        ),
        (
            "[storage]\nsegment_size = \"64MB\"\n",
            &[
                "forebay.toml:2: storage.segment_size: \"64MB\": \"MB\" is not a unit of size; use B, KiB, MiB, GiB or TiB",
            ],
        ),
        (
            "[limits]\nqueues = \"5\"\n",
            &[
                "forebay.toml:2: limits.queues must be a whole number without quotes, not the text \"5\"; for example: queues = 100_000",
            ],
        ),
        (
            "[queues.defaults]\nretention = \"15d\"\n",
            &["forebay.toml:2: queues.defaults.retention: \"15d\" is outside 60s to 14d"],
        ),
        ("[server\n", &["forebay.toml:1: not TOML: unclosed table, expected `]`"]),
        ("[log]\nfilter = \"\"\n", &["forebay.toml:2: log.filter: the log filter is empty; write \"off\" for no log"]),
        (
            "[server]\naccount_id = \"12\"\nregion = 5\n",
            &[
                "forebay.toml:2: server.account_id: namespace \"12\" is not valid: 12 digits",
                "forebay.toml:3: server.region must be a text in quotes, not the number 5; for example: region = \"us-east-1\"",
            ],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(problems_of(text), expected, "{text}");
    }
}

#[test]
fn an_open_address_is_refused_until_it_is_called_insecure() {
    let open = "[listen.api]\naddress = \"0.0.0.0:9400\"\n";
    let problems = problems_of(open);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("forebay.toml:2: listen.api.address: 0.0.0.0:9400 can be reached"), "{problems:?}");
    assert!(
        problems[0].contains("there is no TLS") && problems[0].contains("listen.api.insecure = true"),
        "{problems:?}"
    );
    assert_eq!(problems_of(&format!("{open}insecure = true\n")), Vec::<String>::new());
    assert_eq!(problems_of("[listen.api]\naddress = \"[::1]:9400\"\n"), Vec::<String>::new());
}

#[test]
fn values_that_are_impossible_together_are_refused() {
    let problems = problems_of("[limits]\ninbox_bytes = \"8MiB\"\nconsume_outstanding_messages = 10\n");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("forebay.toml:2: limits.inbox_bytes is smaller"), "{problems:?}");
    assert!(problems[1].starts_with("default: consume.defaults.max_outstanding_messages is larger"), "{problems:?}");
}

#[test]
fn a_wrong_variable_or_flag_is_named() {
    let environment = vec![("FOREBAY__SERVER__DATADIR".into(), "x".into())];
    let mut sources = Sources { environment, ..Sources::default() };
    sources.set("server.drain_timeout=1x").expect("an assignment");
    let error = sources.load().expect_err("both are wrong").to_string();
    assert_eq!(
        error,
        "FOREBAY__SERVER__DATADIR: unknown key \"server.datadir\"; did you mean \"server.data_dir\"?\n\
         --set server.drain_timeout=1x: server.drain_timeout: \"1x\": \"x\" is not a unit of time; use d, h, m, s or ms"
    );
    assert!(sources.set("server.region").is_err());
}

#[test]
fn a_file_that_was_named_must_exist() {
    let sources = Sources { file: Some("/nonexistent/forebay.toml".into()), ..Sources::default() };
    let error = sources.load().expect_err("there is no such file").to_string();
    assert!(error.starts_with("/nonexistent/forebay.toml: cannot be read: "), "{error}");
}

#[test]
fn a_second_reading_says_what_needs_a_restart() {
    let old = Sources::default().load().expect("valid");
    let mut sources = Sources::default();
    sources.set("log.filter=debug").expect("an assignment");
    sources.set("server.region=eu-north-1").expect("an assignment");
    let changes = old.changes(&sources.load().expect("valid"));
    assert_eq!(changes, Changes { reloadable: vec!["log.filter"], need_restart: vec!["server.region"] });
}
