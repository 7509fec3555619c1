//! What every call carries: who asks, over which connection, under which request id.

use super::errors;
use crate::{
    base::reason::Refusal,
    protocol::port::{
        connections::{Connection, Connections, OpenCall},
        drain::DrainControl,
    },
    service::broker::{Broker, Caller, Via},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
};

/// The header that names a call, echoed in the answer.
pub(super) const REQUEST_ID: &str = "x-request-id";

const AUTHORIZATION: &str = "authorization";

/// What the services of one listener share.
pub(super) struct Shared {
    pub(super) broker: Arc<Broker>,
    pub(super) connections: Arc<Connections>,
    pub(super) drain: DrainControl,
    /// The first half of the request ids made here.
    instance: u64,
    next_id: AtomicU64,
}

impl Shared {
    pub(super) fn new(broker: Arc<Broker>, connections: Arc<Connections>, drain: DrainControl) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = broker.random();
        let instance = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Self { broker, connections, drain, instance, next_id: AtomicU64::new(1) }
    }

    /// Takes a request apart, when it comes from somebody who is known.
    pub(super) fn begin<T>(self: &Arc<Self>, request: Request<T>) -> Result<(Call, T), Status> {
        let request_id = request.metadata().get(REQUEST_ID).cloned();
        let connection = request.extensions().get::<Arc<Connection>>();
        let said = request.metadata().get(AUTHORIZATION).map(|value| value.as_bytes());
        let caller = match self.broker.bearer(said, via(connection.map(|connection| &**connection))) {
            Ok(caller) => caller,
            Err(refusal) => return Err(self.status(request_id.as_ref(), refusal)),
        };
        if let Some(connection) = connection {
            connection.note_user(&caller.principal, caller.identity.key_id.as_deref());
        }
        let open = connection.cloned().map(OpenCall::new);
        let call = Call { shared: self.clone(), caller, request_id, _open: open };
        Ok((call, request.into_inner()))
    }

    /// The status of a refusal, which always has a request id to quote.
    pub(super) fn status(&self, request_id: Option<&MetadataValue<Ascii>>, refusal: Refusal) -> Status {
        let said = request_id.and_then(|id| id.to_str().ok());
        let id = said.map_or_else(|| self.new_id(), ToOwned::to_owned);
        tracing::debug!(request_id = %id, reason = refusal.reason.as_str(), "{refusal}");
        let mut status = errors::status(refusal, &id);
        if let Ok(value) = MetadataValue::try_from(&id) {
            status.metadata_mut().insert(REQUEST_ID, value);
        }
        status
    }

    fn new_id(&self) -> String {
        format!("{:016x}{:016x}", self.instance, self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}

/// One call while it lives.
pub(super) struct Call {
    shared: Arc<Shared>,
    caller: Caller,
    request_id: Option<MetadataValue<Ascii>>,
    _open: Option<OpenCall>,
}

impl Call {
    pub(super) fn broker(&self) -> &Arc<Broker> {
        &self.shared.broker
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The answer to the call.
    pub(super) fn reply<T>(&self, result: Result<T, Refusal>) -> Result<Response<T>, Status> {
        result.map(|message| self.response(message)).map_err(|refusal| self.status(refusal))
    }

    pub(super) fn response<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        if let Some(id) = &self.request_id {
            response.metadata_mut().insert(REQUEST_ID, id.clone());
        }
        response
    }

    /// The status of a refusal, which always has a request id to quote.
    pub(super) fn status(&self, refusal: Refusal) -> Status {
        self.shared.status(self.request_id.as_ref(), refusal)
    }
}

/// How a call came.
fn via(connection: Option<&Connection>) -> Via {
    let source_ip = connection.and_then(|connection| connection.peer).map(|peer| peer.ip());
    Via { source_ip, secure: connection.is_some_and(|connection| connection.secure) }
}
