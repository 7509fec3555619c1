//! All tables: what is asked of them, and what changes them.

use super::{
    define::{Change, Create},
    error::TableError,
    event::Event,
    position::Key,
    read::{Get, Page, Search},
    schema::{Definition, TableId, TablePath},
    store::Table,
    value::Item,
    write::{Decision, Write},
};
use crate::base::{name::Namespace, time::Timestamp};
use std::{collections::BTreeMap, sync::Arc};

/// Items that end with one call.
const EXPIRED_AT_ONCE: usize = 100;

/// How far all tables together may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub tables: usize,
    pub bytes: usize,
    /// Of the items that one call writes: they become part of one frame of the log.
    pub call_bytes: usize,
    pub is_disk_full: bool,
}

#[derive(Debug, Default)]
pub struct Tables {
    by_id: BTreeMap<TableId, Table>,
    by_path: BTreeMap<TablePath, TableId>,
    next_id: u64,
    /// What all items take.
    room: usize,
}

/// All tables as a checkpoint keeps them. Items are shared with the tables, not copied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TablesImage {
    pub next_id: u64,
    pub tables: Vec<(Arc<Definition>, Vec<Arc<Item>>)>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Request {
    Create(Box<Create>),
    Describe(TablePath),
    /// Names behind `after`, in order.
    List {
        namespace: Namespace,
        after: String,
        limit: usize,
    },
    Change(TablePath, Change),
    Remove(TablePath),
    Get(Get),
    GetBatch(Vec<Get>),
    Search(Box<Search>),
    Write(Box<Write>),
    WriteBatch(Vec<Write>),
    Transact(Vec<Write>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Table(Box<Shown>),
    /// Names, and whether there are more.
    Names(Vec<String>, bool),
    Item(Option<Item>),
    Items(Vec<Option<Item>>),
    Page(Page),
    /// The item that a write was to show.
    Written(Option<Item>),
    Done,
}

/// A table and how large it and its indexes are: number of items, and bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub definition: Arc<Definition>,
    pub size: (usize, usize),
    pub index_sizes: Vec<(usize, usize)>,
}

impl Shown {
    fn of(definition: Arc<Definition>, table: Option<&Table>) -> Self {
        let size = table.map_or((0, 0), |table| (table.len(), table.bytes()));
        let index_sizes = definition.indexes.iter().map(|index| table.map_or((0, 0), |t| t.index_size(&index.name)));
        Self { size, index_sizes: index_sizes.collect(), definition }
    }
}

impl Tables {
    /// What happens, and the answer once that is durable.
    ///
    /// # Errors
    ///
    /// Nothing happens.
    pub fn ask(&self, now: Timestamp, request: &Request, limits: &Limits) -> Result<(Vec<Event>, Answer), TableError> {
        let nothing = |answer| Ok((Vec::new(), answer));
        match request {
            Request::Create(create) => self.defined(self.create(now, create, limits)?),
            Request::Change(path, change) => self.defined(self.change(path, change)?),
            Request::Describe(path) => {
                let table = self.described(path)?;
                nothing(Answer::Table(Box::new(Shown::of(table.definition.clone(), Some(table)))))
            }
            Request::List { namespace, after, limit } => {
                let own = self.by_path.keys().filter(|path| path.namespace == *namespace);
                let mut behind = own.map(|path| path.name.as_str()).filter(|name| *name > after.as_str());
                let names = behind.by_ref().take(*limit).map(ToOwned::to_owned).collect();
                nothing(Answer::Names(names, behind.next().is_some()))
            }
            Request::Remove(path) => {
                let table = self.removable(path)?;
                let definition = table.definition.clone();
                let event = Event::Removed { id: definition.id, path: path.clone() };
                Ok((vec![event], Answer::Table(Box::new(Shown::of(definition, None)))))
            }
            Request::Get(get) => nothing(Answer::Item(self.get(get)?)),
            Request::GetBatch(gets) => {
                nothing(Answer::Items(gets.iter().map(|get| self.get(get)).collect::<Result<_, _>>()?))
            }
            Request::Search(search) => nothing(Answer::Page(self.search(search)?)),
            Request::Write(write) => {
                let Decision { event, shown, .. } = self.write(write, limits)?;
                Ok((event.into_iter().collect(), Answer::Written(shown)))
            }
            Request::WriteBatch(writes) => Ok((events(self.write_batch(writes, limits)?), Answer::Done)),
            Request::Transact(writes) => Ok((events(self.transact(writes, limits)?), Answer::Done)),
        }
    }

    /// The ends of items whose time is over; of very many only the first.
    pub fn expire(&self, now: Timestamp) -> Vec<Event> {
        let second = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
        let of_table = |table: &'_ Table| {
            let id = table.definition.id;
            let ended = table.ended(second).take(EXPIRED_AT_ONCE);
            ended.map(move |key| Event::Deleted { table: id, key: key.clone() }).collect::<Vec<_>>()
        };
        self.by_id.values().flat_map(of_table).take(EXPIRED_AT_ONCE).collect()
    }

    fn defined(&self, definition: Definition) -> Result<(Vec<Event>, Answer), TableError> {
        let definition = Arc::new(definition);
        let table = self.by_id.get(&definition.id);
        let shown = Shown::of(definition.clone(), table);
        if table.is_some_and(|table| table.definition == definition) {
            return Ok((Vec::new(), Answer::Table(Box::new(shown))));
        }
        Ok((vec![Event::Defined(definition)], Answer::Table(Box::new(shown))))
    }

    /// For calls about items.
    pub(super) fn table(&self, path: &TablePath) -> Result<&Table, TableError> {
        self.find(path).ok_or_else(TableError::not_found)
    }

    /// For calls about tables.
    pub(super) fn described(&self, path: &TablePath) -> Result<&Table, TableError> {
        self.find(path).ok_or_else(|| TableError::no_table(path.name.as_str()))
    }

    pub(super) fn find(&self, path: &TablePath) -> Option<&Table> {
        self.by_id.get(self.by_path.get(path)?)
    }

    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn next_id(&self) -> TableId {
        TableId(self.next_id.max(1))
    }

    pub(super) fn room(&self) -> usize {
        self.room
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Defined(definition) => self.define(definition),
            Event::Removed { id, path } => {
                if let Some(table) = self.by_id.remove(id) {
                    self.room -= table.room();
                }
                if self.by_path.get(path) == Some(id) {
                    self.by_path.remove(path);
                }
            }
            Event::Written { table, item } => self.change_table(*table, |table| {
                if let Ok(key) = Key::of_item(&table.definition, item) {
                    table.insert(key, item.clone());
                }
            }),
            Event::Deleted { table, key } => self.change_table(*table, |table| table.remove(key)),
        }
    }

    /// A table was created or changed. An older state of a known table is passed over.
    fn define(&mut self, definition: &Arc<Definition>) {
        self.next_id = self.next_id.max(definition.id.0 + 1);
        match self.by_id.get_mut(&definition.id) {
            Some(table) if table.definition.revision > definition.revision => return,
            Some(table) => table.redefine(definition.clone()),
            None => {
                self.by_id.insert(definition.id, Table::new(definition.clone()));
            }
        }
        self.by_path.insert(definition.path.clone(), definition.id);
    }

    /// Changes a table that is still there: one that is gone needs no items any more.
    fn change_table(&mut self, id: TableId, change: impl FnOnce(&mut Table)) {
        let Some(table) = self.by_id.get_mut(&id) else { return };
        let before = table.room();
        change(table);
        self.room = self.room + table.room() - before;
    }

    pub fn image(&self) -> TablesImage {
        let tables = self.by_id.values().map(|table| {
            let items = table.items().map(|(_, item)| item.clone()).collect();
            (table.definition.clone(), items)
        });
        TablesImage { next_id: self.next_id, tables: tables.collect() }
    }

    pub fn from_image(image: TablesImage) -> Self {
        let mut tables = Self { next_id: image.next_id, ..Self::default() };
        for (definition, items) in image.tables {
            tables.define(&definition);
            for item in items {
                tables.apply(&Event::Written { table: definition.id, item });
            }
        }
        tables
    }
}

fn events(decisions: Vec<Decision>) -> Vec<Event> {
    decisions.into_iter().filter_map(|decision| decision.event).collect()
}
