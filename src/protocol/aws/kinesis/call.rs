//! What a handler knows of its call, and what it answers.

use super::fault::Encoding;
use crate::{
    protocol::aws::wire::value::{Members, Said},
    service::broker::{Broker, Caller},
};
use std::sync::Arc;

/// One call.
pub(super) struct Call {
    pub(super) broker: Arc<Broker>,
    pub(super) caller: Caller,
    pub(super) encoding: Encoding,
}

/// How a call went well.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There is nothing to say.
    Nothing,
    Said(Said),
}

impl From<Members> for Outcome {
    fn from(members: Members) -> Self {
        Self::Said(members.into())
    }
}
