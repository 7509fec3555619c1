//! One table's items and indexes.

use super::{
    position::{Key, Place},
    schema::{Definition, Index},
    value::{Item, Value, item_size},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What each item takes besides its names and values, about.
const ITEM_OVERHEAD_BYTES: usize = 100;

/// The second at which an item ends, if its table has an attribute for that and the item a number in it.
fn end_of(definition: &Definition, item: &Item) -> Option<i64> {
    let Value::Number(number) = item.get(definition.expiry.as_ref()?)? else { return None };
    number.to_i64()
}

#[derive(Debug)]
pub struct Table {
    pub definition: Arc<Definition>,
    items: BTreeMap<Key, Arc<Item>>,
    /// By the name of the index. Places of items whose attributes are no key of it are missing.
    indexes: BTreeMap<String, BTreeSet<Place>>,
    /// The seconds at which items end, in their order.
    ends: BTreeSet<(i64, Key)>,
    /// Of names and values.
    bytes: usize,
}

impl Table {
    pub(super) fn new(definition: Arc<Definition>) -> Self {
        let (items, ends) = (BTreeMap::new(), BTreeSet::new());
        let mut table = Self { definition, items, indexes: BTreeMap::new(), ends, bytes: 0 };
        table.rebuild();
        table
    }

    /// Takes a changed definition over. Indexes that it adds find the items that are there.
    pub(super) fn redefine(&mut self, definition: Arc<Definition>) {
        let known = &self.definition;
        let is_same = definition.indexes == known.indexes && definition.expiry == known.expiry;
        self.definition = definition;
        if !is_same {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let definition = &self.definition;
        let places = |index: &Index| {
            // An item from before the index may have another type there: it is not in the index.
            let place = |(key, item): (&Key, &Arc<Item>)| Place::of(definition, index, key, item).ok().flatten();
            (index.name.clone(), self.items.iter().filter_map(place).collect())
        };
        self.indexes = definition.indexes.iter().map(places).collect();
        let end = |(key, item): (&Key, &Arc<Item>)| Some((end_of(definition, item)?, key.clone()));
        self.ends = self.items.iter().filter_map(end).collect();
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Item>> {
        self.items.get(key)
    }

    pub(super) fn insert(&mut self, key: Key, item: Arc<Item>) {
        self.remove(&key);
        self.bytes += item_size(&item);
        for index in &self.definition.indexes {
            if let (Ok(Some(place)), Some(places)) =
                (Place::of(&self.definition, index, &key, &item), self.indexes.get_mut(&index.name))
            {
                places.insert(place);
            }
        }
        self.ends.extend(end_of(&self.definition, &item).map(|end| (end, key.clone())));
        self.items.insert(key, item);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let Some(item) = self.items.remove(key) else { return };
        self.bytes -= item_size(&item);
        if let Some(end) = end_of(&self.definition, &item) {
            self.ends.remove(&(end, key.clone()));
        }
        for index in &self.definition.indexes {
            if let (Ok(Some(place)), Some(places)) =
                (Place::of(&self.definition, index, key, &item), self.indexes.get_mut(&index.name))
            {
                places.remove(&place);
            }
        }
    }

    /// The items that have ended by this second, those that ended first in front.
    pub(super) fn ended(&self, second: i64) -> impl Iterator<Item = &Key> {
        self.ends.iter().take_while(move |(end, _)| *end < second).map(|(_, key)| key)
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it takes of the room that all tables share.
    pub(super) fn room(&self) -> usize {
        self.bytes + self.items.len() * ITEM_OVERHEAD_BYTES
    }

    pub(super) fn items(&self) -> impl Iterator<Item = (&Key, &Arc<Item>)> {
        self.items.iter()
    }

    /// How many items an index has, and their bytes.
    pub fn index_size(&self, name: &str) -> (usize, usize) {
        let Some(places) = self.indexes.get(name) else { return (0, 0) };
        let items = places.iter().filter_map(|place| self.items.get(place.own.as_ref()?));
        (places.len(), items.map(|item| item_size(item)).sum())
    }

    pub(super) fn items_from(&self, from: Key) -> impl DoubleEndedIterator<Item = (&Key, &Arc<Item>)> {
        self.items.range(from..)
    }

    pub(super) fn places(&self, index: &str) -> Option<&BTreeSet<Place>> {
        self.indexes.get(index)
    }
}
