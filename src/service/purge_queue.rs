//! Deletes every message of a queue, those in flight and delayed too.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
};
use crate::base::reason::Refusal;

impl Broker {
    /// Returns how many messages were deleted.
    pub async fn purge_queue(&self, caller: &Caller, name: &str) -> Result<u64, Refusal> {
        let queue = self.queue_for(caller, Action::PurgeQueue, "name", name)?;
        self.engine.purge(&queue).await
    }
}
