//! Tables of leases as the services see them.

use super::{
    client::{Engine, closing},
    command::Command,
};
use crate::{
    base::{id::PartitionId, limits, reason::Refusal},
    domain::table::{Answer, Limits, Request, TableError, value::item_size, write::Action},
};
use tokio::sync::oneshot;

impl Engine {
    /// Asks partition 0, which has all tables. What the answer tells is durable.
    ///
    /// # Errors
    ///
    /// The outer refusal is the broker's, the inner one that of the tables.
    pub async fn ask_tables(&self, request: Request) -> Result<Result<Answer, TableError>, Refusal> {
        let limits = Limits {
            tables: limits::TABLES_MAX,
            bytes: limits::TABLE_BYTES_MAX,
            // Encoded an item takes up to four times its size, beside what is in the frame already.
            call_bytes: self.0.log.frame_bytes_max() / 8,
            is_disk_full: self.0.refuse_growth_when_full().is_err(),
        };
        let bytes = weight(&request);
        let (answer, result) = oneshot::channel();
        self.0.inbox(PartitionId(0))?.push(Command::Tables { request, limits, answer }, bytes)?;
        result.await.map_err(|_| closing())?
    }
}

/// Bytes of the items that a request carries.
fn weight(request: &Request) -> usize {
    let writes = match request {
        Request::Write(write) => std::slice::from_ref(&**write),
        Request::WriteBatch(writes) | Request::Transact(writes) => writes,
        Request::Create(_)
        | Request::Describe(_)
        | Request::List { .. }
        | Request::Change(..)
        | Request::Remove(_)
        | Request::Get(_)
        | Request::GetBatch(_)
        | Request::Search(_) => return 0,
    };
    let bytes = writes.iter().map(|write| match &write.action {
        Action::Put(item) | Action::Update(item, _) | Action::Delete(item) | Action::Check(item) => item_size(item),
    });
    bytes.sum()
}
