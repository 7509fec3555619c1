//! One request from its first byte to its answer's last: read, told apart, authenticated, handled, answered.

use super::{
    access,
    call::{Call, Place, Reply, namespace},
    detect::{self, Asked},
    emulator,
    errors::Service,
    fault::{Fault, common},
    kinesis,
    sigv4::Verifier,
    wire::{
        body, cbor,
        chunked::{self, Chunked},
        gzip::{self, GzipError},
        input::Input,
        json::Json,
        writer::Form,
    },
};
use crate::{
    base::reason::Refusal,
    protocol::port::connections::{Connection, OpenCall},
    service::broker::Broker,
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, ORIGIN, RETRY_AFTER,
    },
    request::Parts,
};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

const REQUEST_ID: &str = "x-amzn-requestid";
const QUERY_ERROR: &str = "x-amzn-query-error";
const CRC32: &str = "x-amz-crc32";
const SMITHY: &str = "smithy-protocol";
const CBOR: &str = "application/cbor";
const TRACE_ID: &str = "x-amzn-trace-id";
const EXPOSED: &str = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-query-error,x-amz-request-id,x-amz-id-2,Date";
/// How long a body may take.
const BODY_MAX: Duration = Duration::from_secs(60);
/// Odd, so that multiplying by it tells every number apart: ids of calls that follow each other look different.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// How long a browser may remember what a preflight said.
const PREFLIGHT_SECONDS: &str = "172800";

/// The body of an answer.
pub type AwsBody = body::AwsBody;

/// Everything of the AWS protocols that a port answers.
pub struct AwsFace {
    pub(super) broker: Arc<Broker>,
    pub(super) verifier: Verifier,
    pub(super) subscriptions: Arc<kinesis::subscribe::Subscriptions>,
    max_request_bytes: usize,
    /// The first half of the request ids made here.
    instance: u64,
    next_id: AtomicU64,
}

/// The body of a request, as it came.
pub(super) enum Received {
    Whole(Bytes),
    /// Packed by the client. What was signed is what was sent.
    Packed {
        sent: Bytes,
        content: Bytes,
    },
    Chunked(Chunked),
}

impl Received {
    /// What the client had to say.
    pub(super) fn content(&self) -> &Bytes {
        match self {
            Self::Whole(body) | Self::Packed { content: body, .. } => body,
            Self::Chunked(body) => &body.content,
        }
    }
}

/// A body and what it is.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) body: Bytes,
    pub(super) query_error: Option<HeaderValue>,
    /// Its CRC goes along.
    pub(super) is_summed: bool,
}

impl Answer {
    fn into_response(self) -> Response<Full<Bytes>> {
        let sum = self.is_summed.then(|| crc32fast::hash(&self.body));
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if self.kind == CBOR {
            headers.insert(SMITHY, HeaderValue::from_static("rpc-v2-cbor"));
        }
        if let Some(sum) = sum {
            headers.insert(CRC32, HeaderValue::from(sum));
        }
        if let Some(code) = self.query_error {
            headers.insert(QUERY_ERROR, code);
        }
        response
    }
}

impl AwsFace {
    pub fn new(broker: Arc<Broker>, max_request_bytes: usize) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = broker.random();
        let instance = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let public_host = broker.public_url().split_once("://").and_then(|(_, rest)| rest.split('/').next());
        let verifier = match public_host {
            Some(host) => Verifier::default().with_public_host(host),
            None => Verifier::default(),
        };
        let subscriptions = Arc::default();
        Self { broker, verifier, subscriptions, max_request_bytes, instance, next_id: AtomicU64::new(1) }
    }

    pub async fn answer(&self, request: Request<Incoming>) -> Response<AwsBody> {
        let (parts, body) = request.into_parts();
        let connection = parts.extensions.get::<Arc<Connection>>().cloned();
        if let Some(connection) = &connection {
            connection.note_client(&parts.headers);
            connection.note_language("aws");
        }
        let _open = connection.clone().map(OpenCall::new);
        let request_id = self.new_id();
        let mut response = if parts.method == Method::OPTIONS {
            preflight(&parts.headers).map(AwsBody::from)
        } else if kinesis::face::is_for(&parts) {
            kinesis::face::answer(self, &parts, body, connection.as_deref(), &request_id).await
        } else {
            self.respond(&parts, body, connection.as_deref(), &request_id).await.into_response().map(AwsBody::from)
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if parts.headers.contains_key(ORIGIN) {
            // A signature proves who calls; which page it is proves nothing.
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        response
    }

    /// The answer to a request that nobody looks at: SDKs repeat what a server could not take.
    pub fn refuse_connection<B>(&self, request: Request<B>, refusal: &Refusal) -> Response<Full<Bytes>> {
        Self::refuse_early(request, refusal, &self.new_id())
    }

    /// The same while there is no broker yet.
    pub fn refuse_early<B>(request: Request<B>, refusal: &Refusal, request_id: &str) -> Response<Full<Bytes>> {
        let (parts, _) = request.into_parts();
        let form = detect::detect(&parts, b"").form;
        let fault = Fault::new(&common::UNAVAILABLE, refusal.message.clone());
        let mut response = faulty(&fault, form, Service::Sqs, request_id).into_response();
        if let Some(wait) = refusal.retry_delay() {
            response.headers_mut().insert(RETRY_AFTER, wait.as_secs().into());
        }
        response
    }

    /// A UUID whose halves are this face's and the call's.
    fn new_id(&self) -> String {
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        let halves = u128::from(self.instance) << 64 | u128::from(number.wrapping_mul(SPREAD));
        uuid::Builder::from_random_bytes(halves.to_be_bytes()).into_uuid().to_string()
    }

    async fn respond(
        &self,
        parts: &Parts,
        body: Incoming,
        connection: Option<&Connection>,
        request_id: &str,
    ) -> Answer {
        let body = match self.received(parts, body).await {
            Ok(body) => body,
            Err(fault) => {
                let form = detect::detect(parts, b"").form;
                return faulty(&fault, form, Service::Sqs, request_id);
            }
        };
        if emulator::is_one(parts) {
            return emulator::answer(self, parts, &body, connection, request_id).await;
        }
        let asked = detect::detect(parts, body.content());
        let (form, service) = (asked.form, asked.service());
        match self.handle(parts, &body, asked, connection, request_id).await {
            Ok(Reply(body)) => {
                let is_summed = service == Service::DynamoDb;
                Answer { status: StatusCode::OK, kind: kind_of(form), body: body.into(), query_error: None, is_summed }
            }
            Err(fault) => faulty(&fault, form, service, request_id),
        }
    }

    async fn handle(
        &self,
        parts: &Parts,
        body: &Received,
        asked: Asked<'_>,
        connection: Option<&Connection>,
        request_id: &str,
    ) -> Result<Reply, Fault> {
        let operation = asked.operation?;
        let caller = access::caller(self, parts, body, operation.service, connection)?;
        let call = Call {
            broker: self.broker.clone(),
            caller,
            operation,
            form: asked.form,
            request_id: request_id.to_owned(),
            place: Place::of(parts),
            body: body.content().clone(),
            trace: parts.headers.get(TRACE_ID).cloned(),
        };
        let json;
        let input = match asked.form {
            Form::Json => {
                json = Json::parse(body.content()).map_err(|error| common::malformed(error.to_string()))?;
                Input::Json(&json)
            }
            Form::Cbor => {
                json = cbor::parse(body.content()).map_err(|error| common::malformed(error.to_string()))?;
                Input::Json(&json)
            }
            Form::Xml | Form::QueryJson => Input::Form(asked.parameters),
        };
        (operation.handler)(&call, &input).await
    }

    /// The body, without the chunks it may have come in.
    pub(super) async fn received(&self, parts: &Parts, body: Incoming) -> Result<Received, Fault> {
        let slow = || Fault::new(&common::REQUEST_TIMEOUT, "The request's body took too long.");
        let body = timeout(BODY_MAX, self.read(body)).await.unwrap_or_else(|_| Err(slow()));
        body.and_then(|body| unpacked(&parts.headers, body, self.max_request_bytes))
    }

    async fn read(&self, mut body: Incoming) -> Result<Bytes, Fault> {
        let most = self.max_request_bytes;
        let too_large = || Fault::new(&common::TOO_LARGE, format!("The request is larger than {most} bytes."));
        let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if said > most {
            return Err(too_large());
        }
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Fault::new(&common::REQUEST_TIMEOUT, "The request's body ended too early."))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.len() + rest.len() + data.len() > most {
                return Err(too_large());
            }
            match (first.is_empty(), rest.is_empty()) {
                (true, true) => first = data,
                (_, is_second) => {
                    if is_second {
                        rest.reserve(said.max(first.len() + data.len()));
                        rest.extend_from_slice(&std::mem::take(&mut first));
                    }
                    rest.extend_from_slice(&data);
                }
            }
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    }
}

fn unpacked(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Received, Fault> {
    match gzip::unpack(headers, &body, most) {
        Ok(Some(content)) => return Ok(Received::Packed { sent: body, content }),
        Ok(None) => {}
        Err(GzipError::Malformed) => return Err(common::malformed("The request's body is not gzip.")),
        Err(GzipError::TooLarge) => {
            return Err(Fault::new(&common::TOO_LARGE, format!("The request is larger than {most} bytes.")));
        }
    }
    match chunked::unpack(headers, &body) {
        Ok(Some(chunked)) => Ok(Received::Chunked(chunked)),
        Ok(None) => Ok(Received::Whole(body)),
        Err(error) => Err(common::malformed(error.to_string())),
    }
}

pub(super) fn kind_of(form: Form) -> &'static str {
    match form {
        Form::Json => "application/x-amz-json-1.0",
        Form::Xml => "text/xml",
        Form::QueryJson => "application/json",
        Form::Cbor => CBOR,
    }
}

/// The answer of a call that failed.
pub(super) fn faulty(fault: &Fault, form: Form, service: Service, request_id: &str) -> Answer {
    tracing::debug!(request_id, code = fault.kind.query_code, "{}", fault.message);
    let code = format!("{};{}", fault.kind.query_code, fault.kind.party());
    // For clients of services that spoke Query before.
    let is_compatible = matches!(form, Form::Json | Form::Cbor) && service != Service::DynamoDb;
    Answer {
        status: StatusCode::from_u16(fault.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        kind: kind_of(form),
        body: fault.body(form, namespace(service), request_id).into(),
        is_summed: service == Service::DynamoDb,
        query_error: is_compatible.then(|| HeaderValue::try_from(code).ok()).flatten(),
    }
}

/// What a browser asks before it sends what no form could.
fn preflight(asked: &HeaderMap) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    let headers = response.headers_mut();
    let any = HeaderValue::from_static("*");
    let echo = |name| asked.get(name).cloned().unwrap_or_else(|| any.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, echo(ACCESS_CONTROL_REQUEST_HEADERS));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, echo(ACCESS_CONTROL_REQUEST_METHOD));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    response
}
