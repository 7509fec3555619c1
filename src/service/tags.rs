//! Tags of a queue: set some, remove some, read all. Tags that a call does not name stay, whoever changes them meanwhile.

use super::{
    authorise::Action,
    broker::{Broker, Caller},
    settings::check_tags,
    words::{QueueDefinition, QueueOptions},
};
use crate::{
    base::reason::{Reason, Refusal},
    domain::policy::request::Tags,
};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug, Default)]
pub struct TagQueue {
    pub name: String,
    pub tags: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default)]
pub struct UntagQueue {
    pub name: String,
    pub keys: Vec<String>,
}

impl Broker {
    pub async fn tag_queue(&self, caller: &Caller, request: TagQueue) -> Result<(), Refusal> {
        let tags = request.tags.iter().cloned().collect();
        let queue = self.queue_with(caller, Action::TagQueue, "name", &request.name, Tags::Pairs(&tags))?;
        self.change_tags(queue, |tags| tags.extend(request.tags.iter().cloned())).await
    }

    pub async fn untag_queue(&self, caller: &Caller, request: UntagQueue) -> Result<(), Refusal> {
        let queue = self.queue_with(caller, Action::UntagQueue, "name", &request.name, Tags::Names(&request.keys))?;
        self.change_tags(queue, |tags| tags.retain(|key, _| !request.keys.contains(key))).await
    }

    pub fn list_queue_tags(&self, caller: &Caller, name: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let queue = self.queue_for(caller, Action::ListTags, "name", name)?;
        Ok(queue.options.tags.clone())
    }

    async fn change_tags(
        &self,
        mut queue: Arc<QueueDefinition>,
        change: impl Fn(&mut BTreeMap<String, String>),
    ) -> Result<(), Refusal> {
        loop {
            let mut tags = queue.options.tags.clone();
            change(&mut tags);
            if tags == queue.options.tags {
                return Ok(());
            }
            check_tags(&tags)?;
            let options = QueueOptions { tags, ..queue.options.clone() };
            match self.engine.update_queue(queue.id, Some(queue.revision), options).await {
                Err(refusal) if refusal.reason == Reason::EtagMismatch => {
                    let fresh = self.engine.find_queue(&queue.path)?;
                    if fresh.id != queue.id || fresh.revision == queue.revision {
                        return Err(refusal);
                    }
                    queue = fresh;
                }
                result => return result.map(drop),
            }
        }
    }
}
