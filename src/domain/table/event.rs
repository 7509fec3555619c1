//! What happens to tables. Applied to a newer state, or again, an event does no harm.

use super::{
    position::Key,
    schema::{Definition, TableId, TablePath},
    value::Item,
};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A table was created or changed.
    Defined(Arc<Definition>),
    Removed {
        id: TableId,
        path: TablePath,
    },
    /// The whole item as it is now.
    Written {
        table: TableId,
        item: Arc<Item>,
    },
    Deleted {
        table: TableId,
        key: Key,
    },
}
