//! Who may do what: every use case asks here before it does anything, and nowhere else is it decided.
//!
//! Absent yet: access keys and policies. Until they are built a caller may do everything in its own namespace and
//! nothing in another.

use super::broker::Caller;
use crate::base::{
    name::{AccountId, QueuePath},
    reason::{Reason, Refusal},
};

macro_rules! actions {
    ($($name:ident = $text:literal,)+) => {
        /// Everything a caller can ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($name,)+ }

        impl Action {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name that policies and logs use.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

actions! {
    CreateQueue = "queue.create",
    GetQueue = "queue.get",
    ListQueues = "queue.list",
    UpdateQueue = "queue.update",
    DeleteQueue = "queue.delete",
    PurgeQueue = "queue.purge",
    Send = "queue.send",
    Receive = "queue.receive",
    Settle = "queue.settle",
    Peek = "queue.peek",
    StartRedrive = "queue.redrive.start",
    ListRedrives = "queue.redrive.list",
    CancelRedrive = "queue.redrive.cancel",
    GetServerInfo = "server.info",
    GetStatus = "server.status",
    GetConfig = "server.config",
    SetLogFilter = "server.log_filter",
    ListConnections = "server.connections.list",
    CloseConnection = "server.connections.close",
    Drain = "server.drain",
}

/// What an action is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    Queue(&'a QueuePath),
    Namespace(&'a AccountId),
    Server,
}

/// Refuses with `ACCESS_DENIED` what the caller may not do.
pub fn authorise(caller: &Caller, action: Action, resource: Resource<'_>) -> Result<(), Refusal> {
    let namespace = match resource {
        Resource::Queue(path) => &path.account,
        Resource::Namespace(account) => account,
        Resource::Server => return Ok(()),
    };
    if *namespace == caller.account {
        return Ok(());
    }
    let message = format!("{} of namespace {namespace} may not {} in {}", caller.principal, action.as_str(), namespace);
    Err(Refusal::new(Reason::AccessDenied, message).with("action", action.as_str()).with("namespace", namespace))
}
