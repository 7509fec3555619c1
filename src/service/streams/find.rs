//! Which stream a call is about, and whether the caller may.

use crate::{
    base::{
        name::{NameError, Namespace},
        reason::Refusal,
        stream_name::StreamPath,
    },
    domain::policy::request::Tags,
    service::{
        authorise::{Action, Resource},
        broker::{Broker, Caller},
        words::StreamHandle,
    },
};
use std::sync::Arc;

impl Broker {
    /// Reads the stream's name in `field`, asks whether the caller may, and finds the stream.
    pub fn stream_for(
        &self,
        caller: &Caller,
        action: Action,
        field: &'static str,
        name: &str,
    ) -> Result<Arc<StreamHandle>, Refusal> {
        self.stream_at(caller, action, &parse_path(caller, field, name)?)
    }

    /// Asks whether the caller may, and finds the stream.
    pub fn stream_at(&self, caller: &Caller, action: Action, path: &StreamPath) -> Result<Arc<StreamHandle>, Refusal> {
        self.stream_with(caller, action, path, Tags::None)
    }

    /// Like `stream_at`, for a call that brings tags.
    pub fn stream_with(
        &self,
        caller: &Caller,
        action: Action,
        path: &StreamPath,
        tags: Tags<'_>,
    ) -> Result<Arc<StreamHandle>, Refusal> {
        let found = self.engine.find_stream(path);
        let notes = found.as_ref().ok().map(|stream| stream.notes());
        self.authorise_with(caller, action, Resource::Stream(path, notes.as_deref()), tags)?;
        found
    }

    /// Asks again for a call that goes on: policies may have changed since it began, and the stream may be gone.
    pub fn stream_still(&self, caller: &Caller, action: Action, stream: &StreamHandle) -> Result<(), Refusal> {
        self.stream_at(caller, action, stream.path()).map(|_| ())
    }

    /// Whether the caller may do that in its account.
    ///
    /// # Errors
    ///
    /// `ACCESS_DENIED`.
    pub fn authorise_account(&self, caller: &Caller, action: Action) -> Result<(), Refusal> {
        self.namespace_for(caller, action, "").map(|_| ())
    }

    /// Whether the caller may do that to a channel, which there is none of; its ARN ends with `resource`.
    ///
    /// # Errors
    ///
    /// `ACCESS_DENIED`.
    pub fn authorise_channel(
        &self,
        caller: &Caller,
        action: Action,
        namespace: &Namespace,
        resource: &str,
    ) -> Result<(), Refusal> {
        self.authorise(caller, action, Resource::Part("kinesis", namespace, resource))
    }

    /// Streams of a namespace whose names start with `prefix`, by name, behind `after`.
    pub fn list_streams(
        &self,
        caller: &Caller,
        parent: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<StreamHandle>>, Refusal> {
        let namespace = self.namespace_for(caller, Action::ListStreams, parent)?;
        Ok(self.engine.list_streams(&namespace, prefix, after, limit))
    }
}

/// A bare id is one of the caller's namespace.
pub(super) fn parse_path(caller: &Caller, field: &'static str, name: &str) -> Result<StreamPath, Refusal> {
    let invalid = |error: NameError| Refusal::invalid(field, error.to_string()).with("limit", error.rule);
    StreamPath::parse(name, caller.namespace()).map_err(invalid)
}
