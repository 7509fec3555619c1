//! Deletes a queue and its messages.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    update_queue::expected_revision,
};
use crate::base::reason::Refusal;

#[derive(Clone, Debug, Default)]
pub struct DeleteQueue {
    pub name: String,
    /// Empty: whatever is there.
    pub etag: String,
}

impl Broker {
    pub async fn delete_queue(&self, caller: &Caller, request: DeleteQueue) -> Result<(), Refusal> {
        let queue = self.queue_for(caller, Action::DeleteQueue, "name", &request.name)?;
        let revision = expected_revision(self.region(), &queue, &request.etag, "etag")?;
        self.engine.delete_queue(queue.id, revision).await
    }
}
