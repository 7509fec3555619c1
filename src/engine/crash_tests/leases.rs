//! Tables of leases under power cuts: what was acknowledged is there, what was not is there as a whole or not at all.

use super::{
    load::{Oracles, Site},
    machine::{Machine, TestClock, region},
};
use crate::{
    base::name::{AccountId, Namespace},
    domain::table::{
        Answer, ErrorKind, Item, Request, TableError, Value,
        define::Create,
        expression::{condition::Condition, placeholders::Placeholders, update::Update},
        read::{Get, Scope, Search},
        schema::{Index, KeySchema, Shown, TableName, TablePath},
        value::Type,
        write::{Action, Returns, Write},
    },
    storage::{index::memory::MemoryDisk, io::sim::Fault},
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use std::{collections::BTreeMap, time::Duration};

const SEEDS: u64 = 60;
const LIVES: usize = 5;
const SHARDS: usize = 4;
const PAIR: [&str; 2] = ["left", "right"];

/// The lowest and the highest count that an item may have; zero: it is not there.
type Ledger = BTreeMap<String, (i64, i64)>;

fn path(name: &str) -> TablePath {
    let account = AccountId::parse("000000000000").expect("valid");
    let name = TableName::parse(name).expect("valid");
    TablePath { namespace: Namespace { account, region: region() }, name }
}

fn create(name: &str) -> Request {
    let key = |name: &str| KeySchema { hash: name.into(), range: None };
    Request::Create(Box::new(Create {
        path: path(name),
        key: key("shard"),
        attributes: [("shard".into(), Type::S), ("owner".into(), Type::S)].into(),
        indexes: vec![Index { name: "owners".into(), key: key("owner"), shown: Shown::All, throughput: None }],
        throughput: None,
        tags: [].into(),
        is_protected: false,
    }))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn number(number: i64) -> Value {
    Value::Number(number.to_string().parse().expect("a number"))
}

fn key(shard: &str) -> Item {
    [("shard".to_owned(), text(shard))].into()
}

fn values(values: &[(&str, Value)]) -> Placeholders {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Placeholders::new([].into(), values)
}

/// Counts the item up if its count is the one expected; zero: if it is not there.
fn count_up(shard: &str, expected: i64) -> Write {
    let given = values(&[(":old", number(expected)), (":new", number(expected + 1)), (":w", text("w"))]);
    let condition = if expected == 0 { "attribute_not_exists(shard)" } else { "counted = :old" };
    let update = Update::parse("SET counted = :new, owner = :w, shards.x = :new", &given);
    let condition = Condition::parse("ConditionExpression", condition, &given).expect("parses");
    let action = match expected {
        0 => Action::Put(item(shard, 1)),
        _ => Action::Update(key(shard), update.expect("parses")),
    };
    Write { table: path("leases"), action, condition: Some(condition), shows_failed: false, returns: Returns::Nothing }
}

fn item(shard: &str, count: i64) -> Item {
    let shards = Value::Map([("x".to_owned(), number(count))].into());
    let more = [("counted".to_owned(), number(count)), ("owner".to_owned(), text("w")), ("shards".to_owned(), shards)];
    key(shard).into_iter().chain(more).collect()
}

fn delete(shard: &str) -> Write {
    let (condition, returns) = (None, Returns::Nothing);
    Write { table: path("leases"), action: Action::Delete(key(shard)), condition, shows_failed: false, returns }
}

impl Site<'_> {
    async fn ask(&self, request: Request) -> Option<Result<Answer, TableError>> {
        self.unless_cut(self.engine.ask_tables(request).await)
    }

    async fn count(&self, shard: &str) -> Option<i64> {
        let get = Get { table: path("leases"), key: key(shard), projection: None };
        let Answer::Item(found) = self.ask(Request::Get(get)).await?.expect("the table is there") else { panic!() };
        let Some(found) = found else { return Some(0) };
        let Some(Value::Number(count)) = found.get("counted") else { panic!("{found:?}") };
        let count = count.to_i64().expect("whole");
        assert_eq!(found, item(shard, count), "the item is whole");
        Some(count)
    }

    /// Learns which of what is possible is so.
    async fn look(&self, ledger: &mut Ledger) -> Option<()> {
        match self.ask(create("leases")).await? {
            Ok(_) => assert!(ledger.values().all(|(least, _)| *least == 0), "the table was lost"),
            Err(error) => assert_eq!(error.kind, ErrorKind::InUse),
        }
        for (shard, (least, most)) in ledger.iter_mut() {
            let count = self.count(shard).await?;
            let fits =
                if *most == 0 || count == 0 { count == 0 && *least == 0 } else { (*least..=*most).contains(&count) };
            assert!(fits, "{shard} is at {count}, and may be at {least} to {most}");
            (*least, *most) = (count, count);
        }
        assert_eq!(ledger[PAIR[0]], ledger[PAIR[1]], "a transaction is all or nothing");
        self.look_at_index(ledger).await
    }

    async fn look_at_index(&self, ledger: &Ledger) -> Option<()> {
        let given = values(&[(":w", text("w"))]);
        let condition = Condition::parse("KeyConditionExpression", "owner = :w", &given).expect("parses");
        let search = Search {
            table: path("leases"),
            index: Some("owners".into()),
            scope: Scope::Key { condition, is_forward: true },
            filter: None,
            projection: None,
            limit: None,
            start: None,
            counts_only: true,
            is_consistent: false,
        };
        let Answer::Page(page) = self.ask(Request::Search(Box::new(search))).await?.expect("searched") else {
            panic!()
        };
        assert_eq!(page.count, ledger.values().filter(|(count, _)| *count > 0).count());
        Some(())
    }

    async fn act(&self, ledger: &mut Ledger, random: &mut SmallRng) -> Option<()> {
        let shard = format!("s{}", random.random_range(0..SHARDS));
        match random.random_range(0..10) {
            0 => {
                ledger.get_mut(&shard).expect("known").0 = 0;
                self.ask(Request::Write(Box::new(delete(&shard)))).await?.expect("deleted");
                ledger.insert(shard, (0, 0));
            }
            1..4 => {
                let count = ledger[PAIR[0]].0;
                PAIR.into_iter().for_each(|half| ledger.get_mut(half).expect("known").1 = count + 1);
                let writes = PAIR.into_iter().map(|half| count_up(half, count)).collect();
                self.ask(Request::Transact(writes)).await?.expect("done");
                PAIR.into_iter().for_each(|half| ledger.get_mut(half).expect("known").0 = count + 1);
            }
            4 => {
                // Its end takes nothing of the other table along.
                let _ = self.ask(create("passing")).await?;
                self.ask(Request::Remove(path("passing"))).await?.expect("removed");
            }
            _ => {
                let count = ledger[&shard].0;
                ledger.get_mut(&shard).expect("known").1 = count + 1;
                self.ask(Request::Write(Box::new(count_up(&shard, count)))).await?.expect("counted");
                let late = self.ask(Request::Write(Box::new(count_up(&shard, count)))).await?;
                ledger.get_mut(&shard).expect("known").0 = count + 1;
                assert_eq!(late.expect_err("somebody was first").kind, ErrorKind::ConditionFailed);
            }
        }
        Some(())
    }

    async fn live(&self, ledger: &mut Ledger, random: &mut SmallRng) -> Option<()> {
        self.look(ledger).await?;
        for _ in 0..random.random_range(1..60) {
            self.act(ledger, random).await?;
        }
        Some(())
    }
}

async fn trial(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let clock = TestClock::new(Duration::from_millis(1));
    let mut machine = Machine::new(seed, clock, MemoryDisk::rewritten_every(7));
    let oracles = Oracles::default();
    let shards = (0..SHARDS).map(|number| format!("s{number}"));
    let mut ledger: Ledger = shards.chain(PAIR.map(str::to_owned)).map(|shard| (shard, (0, 0))).collect();
    for _ in 0..LIVES {
        machine.disk.fault_at(random.random_range(5..400), Fault::Crash);
        let engine = machine.start();
        if let Some(engine) = &engine {
            let site = Site { machine: &machine, engine, oracles: &oracles };
            site.live(&mut ledger, &mut random).await;
        }
        if random.random_bool(0.3) {
            machine.kill(engine);
        } else {
            machine.cut_power(engine);
        }
        machine.harm_index(&mut random);
    }
    let engine = machine.start().expect("a sound disk opens");
    let site = Site { machine: &machine, engine: &engine, oracles: &oracles };
    site.look(&mut ledger).await.expect("no power cut");
    machine.expect_no_damage(&engine);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_lose_no_lease_and_bring_none_back() {
    for seed in 0..SEEDS {
        // Its number tells which failed.
        eprintln!("seed {seed}");
        trial(seed).await;
    }
}
