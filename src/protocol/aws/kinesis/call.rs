//! What a handler knows of its call, and what it answers.

use super::{fault::Encoding, subscribe::Subscriptions};
use crate::{
    protocol::aws::wire::{
        body::Events,
        value::{Members, Said},
    },
    service::broker::{Broker, Caller},
};
use std::sync::Arc;

/// One call.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) broker: Arc<Broker>,
    pub(super) caller: Caller,
    pub(super) encoding: Encoding,
    pub(super) subscriptions: Arc<Subscriptions>,
}

/// How a call went well.
pub(super) enum Outcome {
    /// There is nothing to say.
    Nothing,
    Said(Said),
    /// More follows, as it happens.
    Events(Events),
}

impl From<Members> for Outcome {
    fn from(members: Members) -> Self {
        Self::Said(members.into())
    }
}
