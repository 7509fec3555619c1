//! Endpoints for people and tools that come from emulators: health, and reading a queue without receiving from it.

use super::{
    access,
    call::{Call, Place},
    detect,
    errors::Service,
    face::{Answer, AwsFace, Received, faulty, kind_of},
    fault::{Fault, common},
    sqs::peek,
    table,
    wire::{
        form,
        input::Input,
        json::Json,
        writer::{Form, Writer},
    },
};
use crate::protocol::port::connections::Connection;
use bytes::Bytes;
use http::{Method, StatusCode, request::Parts};

const HEALTH: &str = "/health";
const LOCALSTACK_HEALTH: &str = "/_localstack/health";
const MESSAGES: &str = "/_aws/sqs/messages";

/// Whether the request is for one of these.
pub(super) fn is_one(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let is_read = parts.method == Method::GET || parts.method == Method::HEAD;
    (is_read && matches!(path, HEALTH | LOCALSTACK_HEALTH)) || is_messages(path)
}

fn is_messages(path: &str) -> bool {
    path.strip_prefix(MESSAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) async fn answer(
    face: &AwsFace,
    parts: &Parts,
    body: &Received,
    connection: Option<&Connection>,
    request_id: &str,
) -> Answer {
    if !is_messages(parts.uri.path()) {
        return health(face, parts.uri.path() == LOCALSTACK_HEALTH);
    }
    let asked = detect::detect(parts, body.content());
    let form = asked.form;
    match messages(face, parts, body, asked, connection, request_id).await {
        Ok(body) => Answer { status: StatusCode::OK, kind: kind_of(form), body, query_error: None, is_summed: false },
        Err(fault) => faulty(&fault, form, Service::Sqs, request_id),
    }
}

fn health(face: &AwsFace, is_localstack: bool) -> Answer {
    let is_draining = face.broker.draining().is_cancelled();
    let mut writer = Writer::new(Form::Json);
    writer.structure(|w| {
        if is_localstack {
            w.part("services", |w| {
                let state = if is_draining { "stopping" } else { "running" };
                w.plain("sqs", state);
                w.plain("sts", state);
            });
            w.plain("edition", "forebay");
        } else {
            w.plain("status", if is_draining { "draining" } else { "ok" });
        }
        w.plain("version", env!("CARGO_PKG_VERSION"));
    });
    let status = if is_draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Answer { status, kind: "application/json", body: writer.finish().into(), query_error: None, is_summed: false }
}

/// The messages of a queue, as an answer to ReceiveMessage. An SDK may ask by that very operation.
async fn messages(
    face: &AwsFace,
    parts: &Parts,
    body: &Received,
    asked: detect::Asked<'_>,
    connection: Option<&Connection>,
    request_id: &str,
) -> Result<Bytes, Fault> {
    let receive = table::find(Service::Sqs, "ReceiveMessage").ok_or_else(|| Fault::new(&common::INTERNAL, ""))?;
    let is_other = asked.operation.as_ref().is_ok_and(|operation| operation.name != receive.name);
    if is_other || (asked.form == Form::Json && asked.operation.is_err()) {
        return Err(common::invalid("This endpoint only accepts ReceiveMessage calls"));
    }
    let caller = access::caller(face, parts, body, Service::Sqs, connection)?;
    let json;
    let input = match asked.form {
        Form::Json | Form::Cbor => {
            json = Json::parse(body.content()).map_err(|error| common::malformed(error.to_string()))?;
            Input::Json(&json)
        }
        Form::Xml | Form::QueryJson => Input::Form(asked.parameters),
    };
    let mut call = Call {
        broker: face.broker.clone(),
        place: Place::of(parts),
        caller,
        operation: receive,
        form: asked.form,
        request_id: request_id.to_owned(),
        body: body.content().clone(),
        trace: None,
    };
    let path = form::decode(parts.uri.path().as_bytes()).into_owned();
    let rest = path.get(MESSAGES.len()..).unwrap_or_default();
    let queue = peek::queue(&call, &input, rest)?;
    call.caller = access::within(face, call.caller, &queue.account);
    peek::peek(&call, &input, &queue).await.map(|reply| reply.0.into())
}
