//! The decisions that change items.

use super::{
    error::{ErrorKind, TableError},
    event::Event,
    expression::{condition::Condition, projection::Projection, update::Update},
    position::{Key, Place},
    schema::{Definition, TablePath},
    store::Table,
    tables::{Limits, Tables},
    value::{Item, check_depth, item_size},
};
use std::{collections::BTreeSet, sync::Arc};

pub const ITEM_BYTES_MAX: usize = 400 << 10;

/// A change of one item, if its condition holds.
#[derive(Clone, Debug)]
pub struct Write {
    pub table: TablePath,
    pub action: Action,
    pub condition: Option<Condition>,
    /// A condition that fails shows the item it failed on.
    pub shows_failed: bool,
    pub returns: Returns,
}

#[derive(Clone, Debug)]
pub enum Action {
    Put(Item),
    /// The key, and what to do to the item.
    Update(Item, Update),
    Delete(Item),
    /// Changes nothing: only the condition counts.
    Check(Item),
}

/// What the answer shows of the item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Returns {
    #[default]
    Nothing,
    AllOld,
    AllNew,
    UpdatedOld,
    UpdatedNew,
}

/// A write that may be done.
pub(super) struct Decision {
    pub(super) event: Option<Event>,
    pub(super) shown: Option<Item>,
    key: Key,
    /// Bytes before and after.
    sizes: (usize, usize),
    is_new: bool,
}

impl Tables {
    /// What one write does.
    ///
    /// # Errors
    ///
    /// As DynamoDB refuses it, or there is no room.
    pub(super) fn write(&self, write: &Write, limits: &Limits) -> Result<Decision, TableError> {
        let decision = self.decide(write)?;
        self.check_room(std::slice::from_ref(&decision), limits)?;
        Ok(decision)
    }

    /// Puts and deletions without conditions, of different items.
    pub(super) fn write_batch(&self, writes: &[Write], limits: &Limits) -> Result<Vec<Decision>, TableError> {
        let decisions = writes.iter().map(|write| self.decide(write)).collect::<Result<Vec<_>, _>>()?;
        if has_duplicates(writes, &decisions) {
            return Err(TableError::invalid("Provided list of item keys contains duplicates"));
        }
        self.check_room(&decisions, limits)?;
        Ok(decisions)
    }

    /// All of the writes or none.
    pub(super) fn transact(&self, writes: &[Write], limits: &Limits) -> Result<Vec<Decision>, TableError> {
        let mut decisions = Vec::with_capacity(writes.len());
        let mut reasons = Vec::with_capacity(writes.len());
        for write in writes {
            match self.decide(write) {
                Ok(decision) => {
                    decisions.push(decision);
                    reasons.push(None);
                }
                Err(error) if error.kind == ErrorKind::NotFound => return Err(error),
                Err(error) => reasons.push(Some(Box::new(error))),
            }
        }
        if reasons.iter().any(Option::is_some) {
            return Err(TableError::canceled(reasons));
        }
        if has_duplicates(writes, &decisions) {
            return Err(TableError::invalid("Transaction request cannot include multiple operations on one item"));
        }
        self.check_room(&decisions, limits)?;
        Ok(decisions)
    }

    fn decide(&self, write: &Write) -> Result<Decision, TableError> {
        let table = self.table(&write.table)?;
        let definition = &table.definition;
        let key = match &write.action {
            Action::Put(item) => Key::of_item(definition, item)?,
            Action::Update(key, _) | Action::Delete(key) | Action::Check(key) => Key::of_attributes(definition, key)?,
        };
        let before = table.get(&key);
        let nothing = Item::new();
        if let Some(condition) = &write.condition
            && !condition.holds(before.map_or(&nothing, |item| item))
        {
            return Err(TableError::condition_failed(before.filter(|_| write.shows_failed).cloned()));
        }
        let after = after(table, write, &key, before)?;
        let shown = shown(write, before, after.as_ref());
        let size = |item: Option<&Arc<Item>>| item.map_or(0, |item| item_size(item));
        let sizes = (size(before), size(after.as_ref()));
        let is_new = before.is_none() && after.is_some();
        let id = definition.id;
        let event = match (before, after) {
            (Some(before), Some(after)) if *before == after => None,
            (_, Some(item)) => Some(Event::Written { table: id, item }),
            (Some(_), None) => Some(Event::Deleted { table: id, key: key.clone() }),
            (None, None) => None,
        };
        Ok(Decision { event, shown, key, sizes, is_new })
    }

    fn check_room(&self, decisions: &[Decision], limits: &Limits) -> Result<(), TableError> {
        if limits.is_disk_full && decisions.iter().any(|decision| decision.is_new) {
            return Err(TableError::new(ErrorKind::Full, "the disk is nearly full: no new item is accepted"));
        }
        let sum = |size: fn(&Decision) -> usize| decisions.iter().map(size).sum::<usize>();
        let (before, after) = (sum(|decision| decision.sizes.0), sum(|decision| decision.sizes.1));
        if after > limits.call_bytes {
            let most = limits.call_bytes;
            return Err(TableError::invalid(format!("The items that one call writes may take {most} bytes together")));
        }
        if after > before && self.room() + after - before > limits.bytes {
            let mib = limits.bytes >> 20;
            return Err(TableError::new(
                ErrorKind::LimitExceeded,
                format!("The items of all tables may take {mib} MiB together: these tables are for leases only"),
            ));
        }
        Ok(())
    }
}

fn has_duplicates(writes: &[Write], decisions: &[Decision]) -> bool {
    let mut seen = BTreeSet::new();
    !writes.iter().zip(decisions).all(|(write, decision)| seen.insert((&write.table, &decision.key)))
}

/// The item as the write leaves it.
fn after(table: &Table, write: &Write, key: &Key, before: Option<&Arc<Item>>) -> Result<Option<Arc<Item>>, TableError> {
    let definition = &table.definition;
    match &write.action {
        Action::Check(_) => Ok(before.cloned()),
        Action::Delete(_) => Ok(None),
        Action::Put(item) => {
            check_item(definition, key, item, "Item size has exceeded the maximum allowed size")?;
            Ok(Some(Arc::new(item.clone())))
        }
        Action::Update(attributes, update) => {
            if let Some(path) = update.paths().find(|path| definition.key.names().any(|name| *name == path.name)) {
                return Err(TableError::invalid_value(format!(
                    "Cannot update attribute {}. This attribute is part of the key",
                    path.name
                )));
            }
            let takes_only = update.sets.is_empty() && update.adds.is_empty() && update.paths().next().is_some();
            if before.is_none() && takes_only {
                // There is nothing to take away from, and nothing to make an item of.
                update.apply(attributes)?;
                return Ok(None);
            }
            let item = update.apply(before.map_or(attributes, |item| item))?;
            check_item(definition, key, &item, "Item size to update has exceeded the maximum allowed size")?;
            Ok(Some(Arc::new(item)))
        }
    }
}

fn check_item(definition: &Definition, key: &Key, item: &Item, too_large: &str) -> Result<(), TableError> {
    for index in &definition.indexes {
        Place::of(definition, index, key, item)?;
    }
    if item_size(item) > ITEM_BYTES_MAX {
        return Err(TableError::invalid(too_large));
    }
    check_depth(item)
}

fn shown(write: &Write, before: Option<&Arc<Item>>, after: Option<&Arc<Item>>) -> Option<Item> {
    let updated = |item: &Item| match &write.action {
        Action::Update(_, update) => Projection(update.paths().cloned().collect()).of(item),
        Action::Put(_) | Action::Delete(_) | Action::Check(_) => item.clone(),
    };
    let shown = match write.returns {
        Returns::Nothing => None,
        Returns::AllOld => before.map(|item| Item::clone(item)),
        Returns::AllNew => after.map(|item| Item::clone(item)),
        Returns::UpdatedOld => before.map(|item| updated(item)),
        Returns::UpdatedNew => after.map(|item| updated(item)),
    };
    shown.filter(|item| !item.is_empty())
}
