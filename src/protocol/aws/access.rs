//! Who calls: the claim of the request's signature, the key it names, the proof that its holder made the request.

use super::{
    errors::Service,
    face::{AwsFace, Received},
    fault::{Fault, Kind, common},
    sigv4::{Claim, Head, SignatureError, SignatureErrorKind},
};
use crate::{
    base::{
        name::{AccountId, Region},
        reason::{Reason, Refusal},
    },
    protocol::port::connections::Connection,
    service::{
        access::keys::Trust,
        audit,
        broker::{Caller, Via},
    },
};
use http::request::Parts;

const UNKNOWN: &str = "The security token included in the request is invalid.";
const EXPIRED: &str = "The security token included in the request is expired";
const MISSING: &str = "Request is missing Authentication Token";

/// The caller of a request.
///
/// # Errors
///
/// The request is not signed, or its signature does not hold. In the development profile neither is asked.
pub(super) fn caller(
    face: &AwsFace,
    parts: &Parts,
    body: &Received,
    service: Service,
    connection: Option<&Connection>,
) -> Result<Caller, Fault> {
    let source_ip = connection.and_then(|connection| connection.peer).map(|peer| peer.ip());
    let secure = connection.is_some_and(|connection| connection.secure);
    let via = Via { source_ip, secure };
    match face.broker.access_keys().trust() {
        Trust::Anybody => Ok(anybody(face, parts, via)),
        Trust::Keys => holder(face, parts, body, service, via),
    }
}

/// The caller as one of that account, where nobody is asked who they are: a browser cannot say it.
pub(super) fn within(face: &AwsFace, caller: Caller, account: &AccountId) -> Caller {
    let broker = &face.broker;
    match (broker.access_keys().trust(), broker.access_key(account.as_str())) {
        (Trust::Anybody, Ok(key)) => broker.caller(&key, caller.region, caller.via),
        _ => caller,
    }
}

/// In the development profile the key id is taken for what it says, and the region too.
fn anybody(face: &AwsFace, parts: &Parts, via: Via) -> Caller {
    let broker = &face.broker;
    let claim = Claim::parse(&Head::from(parts)).ok().flatten();
    let key = claim.as_ref().and_then(|claim| broker.access_key(claim.key_id()).ok());
    let region = claim.as_ref().and_then(|claim| Region::parse(claim.region()).ok());
    let region = region.unwrap_or_else(|| broker.region().clone());
    match key {
        Some(key) => broker.caller(&key, region, via),
        None => Caller { region, via, ..broker.anonymous() },
    }
}

fn holder(face: &AwsFace, parts: &Parts, body: &Received, service: Service, via: Via) -> Result<Caller, Fault> {
    let head = Head::from(parts);
    let claim = match Claim::parse(&head) {
        Ok(Some(claim)) => claim,
        Ok(None) => return Err(denied(None, via, &common::MISSING_TOKEN, MISSING)),
        Err(error) => return Err(unproved(None, via, &error)),
    };
    let id = claim.key_id();
    let unproved = |error: SignatureError| unproved(Some(id), via, &error);
    claim.require_service(signing_name(service)).map_err(unproved)?;
    let broker = &face.broker;
    let now = broker.now();
    let Ok(key) = broker.access_key(id) else {
        let expires = broker.access_keys().find(id).and_then(|key| key.expires);
        return Err(match expires.is_some_and(|expires| expires <= now) {
            true => denied(Some(id), via, &common::EXPIRED_TOKEN, EXPIRED),
            false => denied(Some(id), via, &common::UNRECOGNIZED_CLIENT, UNKNOWN),
        });
    };
    let secret = key.secret.as_ref().ok_or_else(|| denied(Some(id), via, &common::UNRECOGNIZED_CLIENT, UNKNOWN))?;
    let verified = match body {
        Received::Whole(body) | Received::Packed { sent: body, .. } => {
            face.verifier.verify(&claim, &head, body, secret.expose(), now)
        }
        Received::Chunked(body) => face.verifier.verify_chunked(&claim, &head, body, secret.expose(), now),
    };
    verified.map_err(unproved)?;
    let region = Region::parse(claim.region()).map_err(|error| {
        denied(Some(id), via, &common::SIGNATURE_MISMATCH, format!("The credential scope names no region: {error}"))
    })?;
    Ok(broker.caller(&key, region, via))
}

fn signing_name(service: Service) -> &'static str {
    match service {
        Service::Sqs => "sqs",
        Service::Sts => "sts",
        Service::Kinesis => "kinesis",
        Service::DynamoDb => "dynamodb",
        Service::CloudWatch => "monitoring",
    }
}

fn unproved(id: Option<&str>, via: Via, error: &SignatureError) -> Fault {
    let kind = match error.kind() {
        SignatureErrorKind::IncompleteSignature => &common::INCOMPLETE_SIGNATURE,
        SignatureErrorKind::SignatureDoesNotMatch => &common::SIGNATURE_MISMATCH,
    };
    denied(id, via, kind, error.to_string())
}

fn denied(id: Option<&str>, via: Via, kind: &'static Kind, message: impl Into<String>) -> Fault {
    let refusal = Refusal::new(Reason::Unauthenticated, message);
    audit::not_authenticated(id, via, &refusal);
    Fault::new(kind, refusal.message)
}
