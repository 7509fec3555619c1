//! One request of Kinesis: its checks in the order in which AWS makes them, and its answer.

use super::{
    call::{Call, Outcome},
    cbor,
    convert::convert,
    fault::{self, Encoding},
    put, shape,
    table::{self, Operation},
    validate::validate,
};
use crate::protocol::{
    aws::{
        access, detect,
        errors::Service,
        face::{AwsFace, Received},
        fault::Fault,
        wire::{
            body::{AwsBody, Events},
            json::Json,
            value::Value,
        },
    },
    port::connections::Connection,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use sha2::{Digest, Sha256};

const PREFIX: &str = "Kinesis_20131202.";
/// Opaque, and different for every answer: people send it to the support of AWS.
const ID_2: &str = "x-amz-id-2";

/// Whether the request is one of Kinesis, well-formed or not.
pub(in crate::protocol::aws) fn is_for(parts: &Parts) -> bool {
    match target(parts) {
        Some(target) => target.starts_with(PREFIX),
        None => {
            let kind = content_type(parts);
            let speaks = Written::of(&kind).is_some_and(|written| matches!(written, Written::In(_)));
            speaks || detect::scope(parts).is_some_and(|scope| scope == "kinesis")
        }
    }
}

fn target(parts: &Parts) -> Option<&str> {
    parts.headers.get(detect::TARGET).map(|target| target.to_str().unwrap_or_default())
}

/// Without its parameters, in small letters.
fn content_type(parts: &Parts) -> String {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What the content type says of the body.
#[derive(Clone, Copy)]
enum Written {
    In(Encoding),
    /// Which AWS reads, and never answers with success.
    PlainJson,
}

impl Written {
    fn of(content_type: &str) -> Option<Self> {
        [Encoding::Json, Encoding::Cbor]
            .into_iter()
            .find(|encoding| encoding.content_type() == content_type)
            .map(Self::In)
            .or((content_type == "application/json").then_some(Self::PlainJson))
    }
}

type Answer = Response<AwsBody>;

pub(in crate::protocol::aws) async fn answer(
    face: &AwsFace,
    parts: &Parts,
    body: Incoming,
    connection: Option<&Connection>,
    request_id: &str,
) -> Answer {
    let received = face.received(parts, body).await;
    let mut answer = match (Written::of(&content_type(parts)), &parts.method) {
        (_, method) if *method != Method::POST => nothing_to_authorise(),
        (None, _) if target(parts).is_some() => unknown_kind(),
        (None, _) => nothing_to_authorise(),
        (Some(Written::PlainJson), _) => dead_end(received),
        (Some(Written::In(encoding)), _) => {
            let asked = Asked { face, parts, encoding, connection, request_id };
            match asked.handle(received).await {
                Ok(outcome) => success(outcome, encoding),
                Err(fault) => failure(&fault, encoding, request_id),
            }
        }
    };
    let id = BASE64.encode(Sha256::digest(request_id.as_bytes()));
    if let Ok(id) = HeaderValue::try_from(id) {
        answer.headers_mut().insert(ID_2, id);
    }
    answer
}

/// A request whose body can be read.
struct Asked<'a> {
    face: &'a AwsFace,
    parts: &'a Parts,
    encoding: Encoding,
    connection: Option<&'a Connection>,
    request_id: &'a str,
}

impl Asked<'_> {
    async fn handle(&self, received: Result<Received, Fault>) -> Result<Outcome, Fault> {
        let received = received.map_err(fault::translated)?;
        let name = target(self.parts).and_then(|target| target.strip_prefix(PREFIX));
        let found = name.and_then(|name| Some((table::find(name)?, shape::of_operation(name)?)));
        let unknown = || Fault::new(&fault::UNKNOWN_OPERATION, "");
        let body = received.content();
        if body.is_empty() {
            return Err(if found.is_some() { fault::serialization("") } else { unknown() });
        }
        let input = self.parse(body)?;
        let (operation, shape) = found.ok_or_else(unknown)?;
        let caller = access::caller(self.face, self.parts, &received, Service::Kinesis, self.connection);
        let call = self.call(operation, caller.map_err(fault::translated)?);
        let input = convert(input, shape, self.encoding)?;
        validate(&input, shape, put::keys(&call, operation.name, &input))?;
        (operation.handler)(&call, &input).await
    }

    fn parse<'b>(&self, body: &'b Bytes) -> Result<Value<'b>, Fault> {
        let parsed = match self.encoding {
            Encoding::Json => Json::parse(body).map(Value::from).ok(),
            Encoding::Cbor => cbor::parse(body).ok(),
        };
        parsed.ok_or_else(|| fault::serialization(""))
    }

    fn call(&self, operation: &'static Operation, caller: crate::service::broker::Caller) -> Call {
        let broker = self.face.broker.clone();
        tracing::trace!(request_id = self.request_id, operation = operation.name);
        let subscriptions = self.face.subscriptions.clone();
        Call { broker, caller, encoding: self.encoding, subscriptions }
    }
}

fn success(outcome: Outcome, encoding: Encoding) -> Answer {
    let body = match outcome {
        Outcome::Nothing => Vec::new(),
        Outcome::Said(said) => encoding.write(&said),
        Outcome::Events(events) => return streamed(events),
    };
    whole(StatusCode::OK, encoding.content_type(), body)
}

fn streamed(events: Events) -> Answer {
    let mut answer = Response::new(AwsBody::from(events));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.amazon.eventstream"));
    answer
}

fn failure(fault: &Fault, encoding: Encoding, request_id: &str) -> Answer {
    tracing::debug!(request_id, code = fault.kind.query_code, "{}", fault.message);
    let status = StatusCode::from_u16(fault.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    whole(status, encoding.content_type(), encoding.write(&fault::body(fault)))
}

fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AwsBody::from(Full::new(body.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// What AWS says when it cannot tell which operation is meant.
fn nothing_to_authorise() -> Answer {
    const BODY: &str = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be \
                        authorized</Message>\n</AccessDeniedException>\n";
    whole(StatusCode::FORBIDDEN, "text/xml", BODY)
}

fn unknown_kind() -> Answer {
    whole(StatusCode::NOT_FOUND, "text/xml", "<UnknownOperationException/>\n")
}

/// Plain JSON has no operations.
fn dead_end(received: Result<Received, Fault>) -> Answer {
    let parses =
        received.is_ok_and(|received| !received.content().is_empty() && Json::parse(received.content()).is_ok());
    let (status, name) = match parses {
        true => (StatusCode::NOT_FOUND, "UnknownOperationException"),
        false => (StatusCode::BAD_REQUEST, "SerializationException"),
    };
    let body = format!("{{\"Output\":{{\"__type\":\"com.amazon.coral.service#{name}\"}},\"Version\":\"1.0\"}}");
    whole(status, "application/json", body)
}
