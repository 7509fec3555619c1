//! Operation → handler. An operation that is not here is unknown.

use super::{
    call::{Call, Outcome},
    channels,
};
use crate::protocol::aws::{fault::Fault, wire::value::Value};
use std::{future::Future, pin::Pin};

pub(super) type Handling<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send + 'a>>;
type Handler = for<'a> fn(&'a Call, &'a Value<'a>) -> Handling<'a>;

pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) handler: Handler,
}

macro_rules! operations {
    ($($name:literal => $handler:path;)+) => {
        /// In the order of names.
        const OPERATIONS: &[Operation] =
            &[$(Operation { name: $name, handler: |call, input| Box::pin($handler(call, input)) },)+];
    };
}

operations! {
    "CreateChannel" => channels::create;
    "DeleteChannel" => channels::of_none;
    "DescribeChannel" => channels::of_none;
    "ListChannels" => channels::list;
    "UpdateChannel" => channels::of_none;
}

pub(super) fn find(name: &str) -> Option<&'static Operation> {
    let at = OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    OPERATIONS.get(at)
}
