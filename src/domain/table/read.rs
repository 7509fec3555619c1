//! Reading items: one by its key, or many in the order of a table or an index.

use super::{
    error::TableError,
    expression::{condition::Condition, key::KeyCondition, projection::Projection},
    position::{Key, Part, Place},
    schema::{Definition, Index, KeySchema, Shown, TablePath},
    store::Table,
    tables::Tables,
    value::{Item, item_size},
};
use std::{borrow::Cow, sync::Arc};

/// What one page looks at, at most.
const PAGE_BYTES: usize = 1 << 20;

#[derive(Clone, Debug)]
pub struct Get {
    pub table: TablePath,
    pub key: Item,
    pub projection: Option<Projection>,
}

/// A scan or a query.
#[derive(Clone, Debug)]
pub struct Search {
    pub table: TablePath,
    pub index: Option<String>,
    pub scope: Scope,
    pub filter: Option<Condition>,
    pub projection: Option<Projection>,
    /// How many items to look at.
    pub limit: Option<usize>,
    /// Behind the item of this key.
    pub start: Option<Item>,
    /// The number of items is enough.
    pub counts_only: bool,
    pub is_consistent: bool,
}

#[derive(Clone, Debug)]
pub enum Scope {
    /// One part of the whole, counted from zero, and how many parts there are.
    All {
        segment: u64,
        of: u64,
    },
    Key {
        condition: Condition,
        is_forward: bool,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub items: Vec<Item>,
    pub count: usize,
    pub scanned: usize,
    /// Where to go on.
    pub last: Option<Item>,
    /// What was looked at.
    pub bytes: usize,
}

/// One item on the way of a search, and its place in the index that is searched.
type Step<'t> = (&'t Key, Option<&'t Place>, &'t Arc<Item>);

impl Tables {
    pub(super) fn get(&self, get: &Get) -> Result<Option<Item>, TableError> {
        let table = self.table(&get.table)?;
        let key = Key::of_attributes(&table.definition, &get.key)?;
        let item = table.get(&key);
        Ok(item.map(|item| get.projection.as_ref().map_or_else(|| Item::clone(item), |part| part.of(item))))
    }

    pub(super) fn search(&self, search: &Search) -> Result<Page, TableError> {
        let table = self.table(&search.table)?;
        let definition = &table.definition;
        let index = search.index.as_ref().map(|name| definition.index(name)).transpose()?;
        if index.is_some() && search.is_consistent {
            return Err(TableError::invalid("Consistent reads are not supported on global secondary indexes"));
        }
        let start = search.start.as_ref().map(|start| start_of(definition, index, start)).transpose()?;
        let steps = match &search.scope {
            Scope::All { segment, of } => scanned(table, index, start.as_ref(), (*segment, *of)),
            Scope::Key { condition, is_forward } => {
                let condition = KeyCondition::of(condition, index.map_or(&definition.key, |index| &index.key))?;
                queried(table, index, start.as_ref(), &condition, *is_forward)?
            }
        };
        Ok(page(search, definition, index, steps))
    }
}

/// Where a page begins: behind this place.
enum Start {
    Own(Key),
    Index(Place),
}

fn start_of(definition: &Definition, index: Option<&Index>, start: &Item) -> Result<Start, TableError> {
    let wrong = || TableError::invalid("The provided starting key is invalid");
    let own: Item = definition.key.names().filter_map(|name| start.get_key_value(name)).map(owned).collect();
    let key = Key::of_attributes(definition, &own).map_err(|_| wrong())?;
    let Some(index) = index else {
        return if own.len() == start.len() { Ok(Start::Own(key)) } else { Err(wrong()) };
    };
    Place::of(definition, index, &key, start).ok().flatten().map(Start::Index).ok_or_else(wrong)
}

fn owned((name, value): (&String, &super::value::Value)) -> (String, super::value::Value) {
    (name.clone(), value.clone())
}

fn scanned<'t>(
    table: &'t Table,
    index: Option<&Index>,
    start: Option<&'t Start>,
    (segment, of): (u64, u64),
) -> Box<dyn Iterator<Item = Step<'t>> + 't> {
    // A start before the segment is none.
    let from = start.map(|start| start.key().clone());
    let first = from.map_or_else(|| Key::first_of(segment, of), |from| from.max(Key::first_of(segment, of)));
    let in_order: Box<dyn Iterator<Item = Step<'t>>> = match index {
        None => Box::new(table.items_from(first).map(|(key, item)| (key, None, item))),
        Some(index) => steps_of_index(table, index, first),
    };
    let here = in_order.take_while(move |step| order_key(step).is_in_segment(segment, of));
    Box::new(here.skip_while(move |step| start.is_some_and(|start| !start.is_before(step))))
}

/// The items of an index from a key on.
fn steps_of_index<'t>(table: &'t Table, index: &Index, first: Key) -> Box<dyn Iterator<Item = Step<'t>> + 't> {
    let Some(places) = table.places(&index.name) else { return Box::new(std::iter::empty()) };
    let step = |place: &'t Place| {
        let own = place.own.as_ref()?;
        Some((own, Some(place), table.get(own)?))
    };
    Box::new(places.range(Place { key: first, own: None }..).filter_map(step))
}

/// The key that the order of the search is by.
fn order_key<'t>(step: &Step<'t>) -> &'t Key {
    step.1.map_or(step.0, |place| &place.key)
}

fn queried<'t>(
    table: &'t Table,
    index: Option<&Index>,
    start: Option<&'t Start>,
    condition: &KeyCondition,
    is_forward: bool,
) -> Result<Box<dyn Iterator<Item = Step<'t>> + 't>, TableError> {
    let schema = index.map_or(&table.definition.key, |index| &index.key);
    let wanted = table.definition.type_of(&schema.hash);
    let part = Part::of(&condition.hash).filter(|_| wanted == Some(condition.hash.kind()));
    let hash = part.ok_or_else(|| TableError::invalid_value("Condition parameter type does not match schema type"))?;
    if start.is_some_and(|start| start.key().hash != hash) {
        return Err(TableError::invalid(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    let first = Key::first_with(hash.clone());
    let in_order: Box<dyn Iterator<Item = Step<'t>>> = match index {
        None => Box::new(table.items_from(first).map(|(key, item)| (key, None, item))),
        Some(index) => steps_of_index(table, index, first),
    };
    let mut steps: Vec<Step<'t>> = in_order.take_while(|step| order_key(step).hash == hash).collect();
    steps.retain(|(.., item)| condition.fits(item));
    if !is_forward {
        steps.reverse();
    }
    let is_behind = move |step: &Step<'t>| {
        start.is_none_or(|start| if is_forward { start.is_before(step) } else { start.is_after(step) })
    };
    Ok(Box::new(steps.into_iter().filter(is_behind)))
}

impl Start {
    fn is_before(&self, step: &Step<'_>) -> bool {
        match self {
            Self::Own(key) => key < step.0,
            Self::Index(place) => Some(place) < step.1,
        }
    }

    fn is_after(&self, step: &Step<'_>) -> bool {
        match self {
            Self::Own(key) => key > step.0,
            Self::Index(place) => Some(place) > step.1,
        }
    }

    /// What the order of the search is by.
    fn key(&self) -> &Key {
        match self {
            Self::Own(key) => key,
            Self::Index(place) => &place.key,
        }
    }
}

/// Looks at items until the limit or a page's bytes are reached.
fn page<'t>(
    search: &Search,
    definition: &Definition,
    index: Option<&Index>,
    steps: impl Iterator<Item = Step<'t>>,
) -> Page {
    let mut page = Page::default();
    for step in steps {
        let (key, place, item) = step;
        let item = index.map_or(Cow::Borrowed(&**item), |index| shown(definition, index, item));
        page.scanned += 1;
        page.bytes += item_size(&item);
        if search.filter.as_ref().is_none_or(|filter| filter.holds(&item)) {
            page.count += 1;
            if !search.counts_only {
                let part = search.projection.as_ref().map(|projection| projection.of(&item));
                page.items.push(part.unwrap_or_else(|| item.into_owned()));
            }
        }
        if Some(page.scanned) == search.limit || page.bytes >= PAGE_BYTES {
            page.last = Some(last(&definition.key, key, index.zip(place)));
            break;
        }
    }
    page
}

fn last(schema: &KeySchema, key: &Key, place: Option<(&Index, &Place)>) -> Item {
    let mut last = key.attributes(schema);
    if let Some((index, place)) = place {
        last.extend(place.key.attributes(&index.key));
    }
    last
}

/// What an index shows of an item.
fn shown<'i>(definition: &Definition, index: &Index, item: &'i Item) -> Cow<'i, Item> {
    let included = match &index.shown {
        Shown::All => return Cow::Borrowed(item),
        Shown::Keys => &[][..],
        Shown::Include(names) => names,
    };
    let names = definition.key.names().chain(index.key.names()).chain(included);
    Cow::Owned(names.filter_map(|name| item.get_key_value(name)).map(owned).collect())
}
