//! Tables that tests ask, and short words for what they ask.

use crate::{
    base::{
        name::{AccountId, Namespace, Region},
        time::Timestamp,
    },
    domain::table::{
        Answer, Item, Limits, Request, TableError, Tables, Value,
        define::Create,
        event::Event,
        expression::{condition::Condition, placeholders::Placeholders, update::Update},
        read::{Page, Scope, Search},
        schema::{Index, KeySchema, Shown, TableName, TablePath},
        value::Type,
        write::{Action, Returns, Write},
    },
};

pub(super) const NOW: Timestamp = Timestamp(1_700_000_000_000);
pub(super) const OWNERS: &str = "owners";

pub(super) struct World {
    pub(super) tables: Tables,
    pub(super) limits: Limits,
    pub(super) log: Vec<Event>,
}

pub(super) fn namespace(account: &str) -> Namespace {
    let region = Region::parse("us-east-1").expect("valid");
    Namespace { account: AccountId::parse(account).expect("valid"), region }
}

pub(super) fn path(name: &str) -> TablePath {
    TablePath { namespace: namespace("000000000000"), name: TableName::parse(name).expect("valid") }
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub(super) fn number(number: i64) -> Value {
    Value::Number(number.to_string().parse().expect("a number"))
}

pub(super) fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A table of leases by `shard`, with an index by `owner`.
pub(super) fn leases(name: &str) -> Create {
    let key = |hash: &str, range: Option<&str>| KeySchema { hash: hash.into(), range: range.map(Into::into) };
    Create {
        path: path(name),
        key: key("shard", None),
        attributes: [("shard".into(), Type::S), ("owner".into(), Type::S)].into(),
        indexes: vec![Index {
            name: OWNERS.into(),
            key: key("owner", Some("shard")),
            shown: Shown::Include(vec!["count".into()]),
            throughput: None,
        }],
        throughput: None,
        tags: [].into(),
        is_protected: false,
    }
}

/// A table by a text and a number.
pub(super) fn ranged(name: &str) -> Create {
    Create {
        key: KeySchema { hash: "group".into(), range: Some("at".into()) },
        attributes: [("group".into(), Type::S), ("at".into(), Type::N)].into(),
        indexes: Vec::new(),
        ..leases(name)
    }
}

impl World {
    pub(super) fn new() -> Self {
        let limits = Limits { tables: 3, bytes: 1 << 20, call_bytes: 1 << 20, is_disk_full: false };
        Self { tables: Tables::default(), limits, log: Vec::new() }
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<Answer, TableError> {
        let (events, answer) = self.tables.ask(NOW, &request, &self.limits)?;
        for event in events {
            self.tables.apply(&event);
            self.log.push(event);
        }
        Ok(answer)
    }

    pub(super) fn create(&mut self, create: Create) {
        self.ask(Request::Create(Box::new(create))).expect("created");
    }

    pub(super) fn write(&mut self, write: Write) -> Result<Option<Item>, TableError> {
        let found = self.ask(Request::Write(Box::new(write)))?;
        let Answer::Written(shown) = found else { panic!("{found:?}") };
        Ok(shown)
    }

    pub(super) fn put(&mut self, table: &str, item: Item) -> Result<Option<Item>, TableError> {
        self.write(write(table, Action::Put(item)))
    }

    pub(super) fn search(&mut self, search: Search) -> Result<Page, TableError> {
        let found = self.ask(Request::Search(Box::new(search)))?;
        let Answer::Page(page) = found else { panic!("{found:?}") };
        Ok(page)
    }
}

pub(super) fn write(table: &str, action: Action) -> Write {
    Write { table: path(table), action, condition: None, shows_failed: false, returns: Returns::Nothing }
}

pub(super) fn condition(text: &str, values: &[(&str, Value)]) -> Condition {
    Condition::parse("ConditionExpression", text, &placeholders(values)).expect("a condition")
}

pub(super) fn update(text: &str, values: &[(&str, Value)]) -> Update {
    Update::parse(text, &placeholders(values)).expect("an update")
}

fn placeholders(values: &[(&str, Value)]) -> Placeholders {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Placeholders::new([].into(), values)
}

pub(super) fn scan(table: &str) -> Search {
    Search {
        table: path(table),
        index: None,
        scope: Scope::All { segment: 0, of: 1 },
        filter: None,
        projection: None,
        limit: None,
        start: None,
        counts_only: false,
        is_consistent: false,
    }
}

pub(super) fn query(table: &str, text: &str, values: &[(&str, Value)]) -> Search {
    let condition = condition(text, values);
    Search { scope: Scope::Key { condition, is_forward: true }, ..scan(table) }
}
