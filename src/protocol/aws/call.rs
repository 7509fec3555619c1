//! What a handler knows of its call, and how it answers.

use super::{
    errors::{self, Service},
    fault::Fault,
    table::Operation,
    wire::{
        cbor,
        writer::{Form, Writer},
    },
};
use crate::{
    base::reason::Refusal,
    service::broker::{Broker, Caller},
};
use bytes::Bytes;
use http::{HeaderValue, Uri, header::HOST, request::Parts};
use std::{borrow::Cow, sync::Arc};

/// The XML namespace of a service's answers.
pub(super) fn namespace(service: Service) -> &'static str {
    match service {
        Service::Sqs => "http://queue.amazonaws.com/doc/2012-11-05/",
        Service::Kinesis => "http://kinesis.amazonaws.com/doc/2013-12-02/",
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        Service::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        // Speaks JSON only.
        Service::DynamoDb => "",
    }
}

/// One call.
pub(super) struct Call {
    pub(super) broker: Arc<Broker>,
    pub(super) caller: Caller,
    pub(super) operation: &'static Operation,
    pub(super) form: Form,
    pub(super) request_id: String,
    pub(super) place: Place,
    pub(super) body: Bytes,
    /// The tracing header of the request.
    pub(super) trace: Option<HeaderValue>,
}

/// Where a request was sent to. Nothing of it is copied.
pub(super) struct Place {
    uri: Uri,
    host: Option<HeaderValue>,
}

impl Place {
    pub(super) fn of(parts: &Parts) -> Self {
        Self { uri: parts.uri.clone(), host: parts.headers.get(HOST).cloned() }
    }

    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }
}

/// The body of an answer that went well.
pub(super) struct Reply(pub(super) Vec<u8>);

impl Call {
    /// What the URLs of queues begin with, without a slash at the end: the public URL that was configured, else the host
    /// that the client used.
    pub(super) fn base_url(&self) -> Cow<'_, str> {
        let public = self.broker.public_url();
        if !public.is_empty() {
            return Cow::Borrowed(public);
        }
        let host = self.place.host.as_ref().and_then(|host| host.to_str().ok());
        let host = host.or_else(|| self.place.uri.authority().map(|authority| authority.as_str()));
        let scheme = if self.caller.via.secure { "https" } else { "http" };
        Cow::Owned(format!("{scheme}://{}", host.unwrap_or("localhost")))
    }

    /// An answer with members; `bytes` is about how long it gets.
    pub(super) fn reply(&self, bytes: usize, members: impl FnOnce(&mut Writer)) -> Reply {
        let mut writer = Writer::with_capacity(self.form, bytes + 64);
        let name = self.operation.name;
        match self.form {
            Form::Json | Form::Cbor => writer.structure(members),
            Form::Xml => {
                self.open(&mut writer);
                writer.raw(&format!("<{name}Result>"));
                members(&mut writer);
                writer.raw(&format!("</{name}Result>"));
                self.close(&mut writer);
            }
            Form::QueryJson => writer.structure(|writer| {
                writer.part(&format!("{name}Response"), |writer| {
                    writer.part(&format!("{name}Result"), members);
                    self.metadata(writer);
                });
            }),
        }
        Reply(writer.finish())
    }

    /// The answer of an operation that has nothing to say.
    pub(super) fn done(&self) -> Reply {
        let mut writer = Writer::new(self.form);
        match self.form {
            Form::Json => {}
            Form::Cbor => return Reply(cbor::texts(&[])),
            Form::Xml => {
                self.open(&mut writer);
                self.close(&mut writer);
            }
            Form::QueryJson => writer.structure(|writer| {
                writer.part(&format!("{}Response", self.operation.name), |writer| self.metadata(writer));
            }),
        }
        Reply(writer.finish())
    }

    fn open(&self, writer: &mut Writer) {
        let (name, namespace) = (self.operation.name, namespace(self.operation.service));
        writer.raw(&format!("<?xml version=\"1.0\"?><{name}Response xmlns=\"{namespace}\">"));
    }

    fn close(&self, writer: &mut Writer) {
        self.metadata(writer);
        writer.raw(&format!("</{}Response>", self.operation.name));
    }

    fn metadata(&self, writer: &mut Writer) {
        writer.part("ResponseMetadata", |writer| writer.plain("RequestId", &self.request_id));
    }

    /// A refusal without words of AWS of its own.
    pub(super) fn fault(&self, refusal: Refusal) -> Fault {
        errors::fault(self.operation.service, refusal)
    }

    /// The text as bytes: a part of the request's body when it stands there as it is, else a copy.
    pub(super) fn bytes_of(&self, text: Cow<'_, str>) -> Bytes {
        match text {
            Cow::Owned(text) => text.into(),
            Cow::Borrowed(text) => {
                let (whole, part) = (self.body.as_ptr_range(), text.as_bytes().as_ptr_range());
                if whole.start <= part.start && part.end <= whole.end {
                    return self.body.slice_ref(text.as_bytes());
                }
                Bytes::copy_from_slice(text.as_bytes())
            }
        }
    }
}
