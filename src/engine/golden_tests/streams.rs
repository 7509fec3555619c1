//! The fixture's stream and its table of leases: what is put into them, and what must be there.

use crate::{
    base::name::{AccountId, Namespace, Region},
    domain::table::{
        Answer, Item, Request, Value,
        define::Create,
        read::Get,
        schema::{KeySchema, TableName, TablePath},
        value::Type,
        write::{Action, Returns, Write},
    },
    engine::{
        client::Engine,
        stream_tests::support::{change, created, follow, put, record, stream_path},
        streams::handle::StreamHandle,
    },
    storage::{io::SysIo, shard},
};
use std::{collections::BTreeMap, ops::Range, path::Path, sync::Arc, time::Duration};

const NAME: &str = "readings";
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// Those of the first life are in segments of the stream, those of the last one only in the log.
const FIRST: Range<u32> = 0..60;
const LAST: Range<u32> = 60..66;

fn stream(engine: &Engine) -> Arc<StreamHandle> {
    engine.find_stream(&stream_path(NAME)).expect("made")
}

fn text(number: u32) -> (String, String) {
    (format!("k{}", number % 5), format!("reading {number:04} {}", "=".repeat(80)))
}

fn texts(numbers: Range<u32>) -> BTreeMap<String, Vec<String>> {
    let mut texts = BTreeMap::<String, Vec<String>>::new();
    numbers.map(text).for_each(|(key, text)| texts.entry(key).or_default().push(text));
    texts
}

async fn put_all(engine: &Engine, numbers: Range<u32>) {
    for number in numbers {
        let (key, text) = text(number);
        put(engine, &stream(engine), vec![record(&key, &text)]).await;
    }
}

fn table() -> TablePath {
    let account = AccountId::parse("000000000000").expect("valid");
    let namespace = Namespace { account, region: Region::parse("us-east-1").expect("valid") };
    TablePath { namespace, name: TableName::parse("leases").expect("valid") }
}

fn item(shard: &str, owner: &str) -> Item {
    [("shard", shard), ("owner", owner)].map(|(name, value)| (name.to_owned(), Value::Text(value.into()))).into()
}

async fn ask(engine: &Engine, request: Request) -> Answer {
    engine.ask_tables(request).await.expect("asked").expect("done")
}

async fn lease(engine: &Engine, shard: &str, owner: &str) {
    let action = Action::Put(item(shard, owner));
    let write = Write { table: table(), action, condition: None, shows_failed: false, returns: Returns::Nothing };
    ask(engine, Request::Write(Box::new(write))).await;
}

async fn owner(engine: &Engine, shard: &str) -> Option<String> {
    let key = [("shard".to_owned(), Value::Text(shard.into()))].into();
    let get = Get { table: table(), key, projection: None };
    let Answer::Item(found) = ask(engine, Request::Get(get)).await else { panic!("an item") };
    match found?.remove("owner") {
        Some(Value::Text(owner)) => Some(owner.to_string()),
        other => panic!("{other:?}"),
    }
}

/// In the first life.
pub(super) async fn make(engine: &Engine) {
    let made = engine.create_stream(stream_path(NAME), created(2, YEAR)).await.expect("asked").expect("created");
    put_all(engine, FIRST.start..30).await;
    let split = change(engine, &made, |view| {
        let first = view.stream.shards().next().map(|shard| shard.id).unwrap_or_default();
        Ok(vec![view.stream.split(view.now, first, None)?])
    });
    split.await.expect("asked").expect("split");
    put_all(engine, 30..FIRST.end).await;
    let create = Create {
        path: table(),
        key: KeySchema { hash: "shard".into(), range: None },
        attributes: [("shard".into(), Type::S)].into(),
        indexes: Vec::new(),
        throughput: None,
        tags: [].into(),
        is_protected: false,
    };
    ask(engine, Request::Create(Box::new(create))).await;
    lease(engine, "one", "worker 1").await;
}

/// In the last life, which is killed.
pub(super) async fn go_on(engine: &Engine) {
    put_all(engine, LAST).await;
    lease(engine, "two", "worker 2").await;
}

/// What a store has whose backup was made before the last life.
pub(super) async fn check_backup(engine: &Engine) {
    assert_eq!(follow(engine, &stream(engine)).await, Some(texts(FIRST)));
    assert_eq!((owner(engine, "one").await.as_deref(), owner(engine, "two").await), (Some("worker 1"), None));
}

pub(super) async fn check_killed(engine: &Engine) {
    assert_eq!(follow(engine, &stream(engine)).await, Some(texts(FIRST.start..LAST.end)));
    let owners = (owner(engine, "one").await, owner(engine, "two").await);
    assert_eq!(owners, (Some("worker 1".to_owned()), Some("worker 2".to_owned())));
}

/// Files of the stream that nothing was written to any more, and others.
pub(super) fn segments(dir: &Path) -> (usize, usize) {
    let paths = shard::segments(&SysIo, dir).expect("listed");
    let sealed = paths.iter().filter(|path| shard::seal(&SysIo, &dir.join(path)).expect("read").is_some()).count();
    (sealed, paths.len() - sealed)
}
