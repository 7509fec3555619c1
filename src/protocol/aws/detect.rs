//! Which service and operation a request means, and in which form: told by the request, never by the port.

use super::{
    errors::Service,
    fault::{Fault, common},
    table::{self, Operation},
    wire::{form, form::Form, writer},
};
use http::{
    HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
    request::Parts,
};

pub(super) const TARGET: &str = "x-amz-target";
const SMITHY: &str = "smithy-protocol";
const SQS_VERSION: &str = "2012-11-05";
const STS_VERSION: &str = "2011-06-15";
const CLOUDWATCH_VERSION: &str = "2010-08-01";
/// What the targets of each service begin with.
const TARGETS: [(&str, Service); 3] = [
    ("AmazonSQS", Service::Sqs),
    ("DynamoDB_20120810", Service::DynamoDb),
    ("GraniteServiceVersion20100801", Service::CloudWatch),
];
/// Far more than any operation has. Each takes memory before anybody knows who calls.
const PARAMETERS_MAX: usize = 10_000;

/// A request that says which form it has.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) form: writer::Form,
    pub(super) parameters: Form<'a>,
    pub(super) operation: Result<&'static Operation, Fault>,
}

impl Asked<'_> {
    /// The service whose errors and namespace the answer has.
    pub(super) fn service(&self) -> Service {
        self.operation.as_ref().map_or(Service::Sqs, |operation| operation.service)
    }
}

/// Looks at the head, and at the body when that holds a Query.
pub(super) fn detect<'a>(parts: &'a Parts, body: &'a [u8]) -> Asked<'a> {
    if let Some(target) = parts.headers.get(TARGET) {
        return Asked { form: writer::Form::Json, parameters: Form::default(), operation: by_target(target) };
    }
    if let Some(operation) = by_path(parts) {
        return Asked { form: writer::Form::Cbor, parameters: Form::default(), operation };
    }
    let form = if wants_json(parts) { writer::Form::QueryJson } else { writer::Form::Xml };
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let body = if parts.method == http::Method::POST && is_form(parts) { body } else { b"" };
    if form::count(query) + form::count(body) > PARAMETERS_MAX {
        let text = format!("The request has more than {PARAMETERS_MAX} parameters.");
        return Asked { form, parameters: Form::default(), operation: Err(common::malformed(text)) };
    }
    let mut parameters = Form::parse(query);
    parameters.extend(body);
    let operation = by_action(parts, &parameters);
    Asked { form, parameters, operation }
}

fn by_target(target: &HeaderValue) -> Result<&'static Operation, Fault> {
    let found = target
        .to_str()
        .ok()
        .and_then(|target| target.split_once('.'))
        .and_then(|(prefix, name)| table::find(service_of(prefix)?, name));
    found.ok_or_else(|| Fault::new(&common::UNKNOWN_TARGET, ""))
}

fn service_of(target: &str) -> Option<Service> {
    TARGETS.into_iter().find(|(known, _)| *known == target).map(|(_, service)| service)
}

/// Smithy's second RPC protocol names both in the path: `/service/SERVICE/operation/OPERATION`.
fn by_path(parts: &Parts) -> Option<Result<&'static Operation, Fault>> {
    let (target, name) = parts.uri.path().strip_prefix("/service/")?.split_once("/operation/")?;
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_cbor = parts.headers.contains_key(SMITHY) || kind == Some(b"application/cbor");
    // SQS takes the first part of such a path for an account.
    let service = service_of(target).filter(|service| is_cbor && *service == Service::CloudWatch)?;
    Some(table::find(service, name).ok_or_else(|| Fault::new(&common::UNKNOWN_TARGET, "")))
}

fn by_action(parts: &Parts, parameters: &Form<'_>) -> Result<&'static Operation, Fault> {
    let Some(action) = parameters.get("Action").filter(|action| !action.is_empty()) else {
        return Err(Fault::new(&common::UNKNOWN_OPERATION, ""));
    };
    let service = match parameters.get("Version").unwrap_or_default() {
        SQS_VERSION => Some(Service::Sqs),
        STS_VERSION => Some(Service::Sts),
        CLOUDWATCH_VERSION => Some(Service::CloudWatch),
        version => match scope(parts).as_deref() {
            Some("sqs") => Some(Service::Sqs),
            Some("sts") => Some(Service::Sts),
            Some("monitoring") => Some(Service::CloudWatch),
            None if version.is_empty() => Some(Service::Sqs),
            _ => None,
        },
    };
    let on_a_queue = parts.uri.path().trim_matches('/').contains('/');
    let found = service.and_then(|service| table::find(service, action));
    found.filter(|operation| !(on_a_queue && operation.is_of_an_account)).ok_or_else(|| {
        let shown: String = action.chars().take(100).collect();
        Fault::new(&common::INVALID_ACTION, format!("The action {shown} is not valid for this endpoint."))
    })
}

/// A form, or nothing said.
fn is_form(parts: &Parts) -> bool {
    let Some(kind) = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return true };
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.is_empty() || kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

fn wants_json(parts: &Parts) -> bool {
    let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split([',', ';']).any(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The service named by the credential scope of the request, read without any check: only to tell services apart.
pub(super) fn scope(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|header| header.to_str().ok());
    let credential = match header {
        Some(header) => header.split("Credential=").nth(1)?.split([',', ' ']).next()?.to_owned(),
        None => {
            let query = parts.uri.query()?;
            let pair = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
            form::decode(pair.as_bytes()).into_owned()
        }
    };
    credential.split('/').nth(3).map(ToOwned::to_owned)
}
